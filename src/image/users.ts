/**
 * Users and groups of an image: `/etc/passwd` and `/etc/group` of its tree, read as BuildKit reads them (symlinks
 * followed inside the root, regular files only, at most 10 MiB).
 */
import { type FileTree, resolvePath, type TreeNode } from "../layer/fileTree.js";
import { decodeText } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";

/** Largest passwd or group file that is read. */
const MAX_BYTES = 10 << 20;

/** A line of passwd. */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** A line of group. */
export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** The accounts of a tree. */
export interface Accounts {
  /** Undefined if the tree has no passwd file. */
  readonly passwd: readonly PasswdEntry[] | undefined;
  readonly groups: readonly GroupEntry[] | undefined;
}

/** An owner resolved to numbers, and the names that were not found. */
export interface ResolvedOwner {
  readonly uid: number;
  readonly gid: number;
  readonly missing: readonly string[];
}

/**
 * Reads the accounts of a tree.
 * @throws NacreError CONTENT_INVALID if one of the files is not a regular file or is too large
 */
export async function readAccounts(tree: FileTree): Promise<Accounts> {
  const passwd = await readRegular(tree, "etc/passwd");
  const group = await readRegular(tree, "etc/group");
  return {
    passwd: passwd === undefined ? undefined : parsePasswd(passwd),
    groups: group === undefined ? undefined : parseGroups(group),
  };
}

/**
 * Resolves `user[:group]` as `--chown` and WORKDIR's owner do: numbers as they are (a lone number is the group too),
 * names looked up, `name:` with group 0, `:group` with user 0, names that are not found 0 (BuildKit's rules).
 */
export function resolveOwner(spec: string, accounts: Accounts): ResolvedOwner {
  const colon = spec.indexOf(":");
  const user = colon < 0 ? spec : spec.slice(0, colon);
  const group = colon < 0 ? undefined : spec.slice(colon + 1);
  const missing: string[] = [];
  const entry = isNumber(user) ? undefined : findUser(user, accounts, missing);
  const uid = isNumber(user) ? toId(user, spec) : (entry?.uid ?? 0);
  const primary = isNumber(user) ? uid : (entry?.gid ?? 0);
  if (group === undefined) return { uid, gid: primary, missing };
  if (isNumber(group)) return { uid, gid: toId(group, spec), missing };
  return { uid, gid: findGroup(group, accounts, missing) ?? primary, missing };
}

/** True if an owner needs no look-up: both parts are numbers, `root`, or empty. */
export function isNumericOwner(spec: string): boolean {
  return spec.split(":").every((part) => isNumber(part) || part === "" || part === "root");
}

function findUser(name: string, accounts: Accounts, missing: string[]): { uid: number; gid: number } | undefined {
  if (name === "" || name === "root") return { uid: 0, gid: 0 };
  const entry = accounts.passwd?.find((line) => line.name === name);
  if (entry === undefined) missing.push(`user ${name}`);
  return entry;
}

function findGroup(name: string, accounts: Accounts, missing: string[]): number | undefined {
  if (name === "" || name === "root") return 0;
  const entry = accounts.groups?.find((line) => line.name === name);
  if (entry === undefined) missing.push(`group ${name}`);
  return entry?.gid;
}

function isNumber(text: string): boolean {
  return /^[0-9]+$/.test(text);
}

/** Ids are unsigned 32-bit numbers; the highest one means "no change" to the system and is none. */
function toId(text: string, spec: string): number {
  const id = Number(text);
  if (id < 0xffffffff) return id;
  throw new NacreError("USER_NOT_FOUND", `${text} in ${JSON.stringify(spec)} is not a user or group id`, {
    hint: "ids go from 0 to 4294967294",
  });
}

async function readRegular(tree: FileTree, path: string): Promise<string | undefined> {
  const { node } = resolvePath(tree, path, true);
  if (node === undefined) return undefined;
  if (node.type !== "file") throw unusable(`/${path} is not a regular file`);
  if (node.size > MAX_BYTES) throw unusable(`"/${path}" exceeds ${MAX_BYTES} bytes`);
  return decodeText(await readSmall(tree, node));
}

function unusable(message: string): NacreError {
  return new NacreError("CONTENT_INVALID", message, {
    hint: "users and groups are looked up in it: make it an ordinary file in the base image",
  });
}

/** The content of a small file; from a layer's index where that holds it, so that no layer is opened. */
export async function readSmall(
  tree: FileTree & { smallFile?(node: TreeNode): Buffer | undefined },
  node: TreeNode,
): Promise<Buffer> {
  const kept = tree.smallFile?.(node);
  if (kept) return kept;
  await tree.prepare([node]);
  const reader = tree.open(node);
  try {
    const bytes = Buffer.alloc(node.size);
    let at = 0;
    while (at < bytes.length) {
      const got = reader.read(bytes, at, bytes.length - at);
      if (got === 0) break;
      at += got;
    }
    return bytes.subarray(0, at);
  } finally {
    reader.close();
  }
}

function parsePasswd(text: string): PasswdEntry[] {
  const entries: PasswdEntry[] = [];
  for (const line of text.split("\n")) {
    const [name = "", , uid = "", gid = "", , home = ""] = line.trim().split(":");
    if (name !== "" && !name.startsWith("#") && isNumber(uid))
      entries.push({ name, uid: Number(uid), gid: Number(gid) || 0, home });
  }
  return entries;
}

function parseGroups(text: string): GroupEntry[] {
  const entries: GroupEntry[] = [];
  for (const line of text.split("\n")) {
    const [name = "", , gid = "", members = ""] = line.trim().split(":");
    if (name !== "" && !name.startsWith("#") && isNumber(gid))
      entries.push({ name, gid: Number(gid), members: members.split(",").filter(Boolean) });
  }
  return entries;
}
