/**
 * Git addresses as BuildKit takes them: `REMOTE#ref:subdir` and `REMOTE?branch=…&subdir=…`. Pure; what they mean on the
 * network is the affair of `context/git.ts`. Nothing here puts credentials into a message.
 */
import { encodeText } from "./bytes.js";
import { type ErrorCode, NacreError } from "./errors.js";
import { type GitRemote, parseRemote, splitRemote } from "./gitRemote.js";

/** The keys of a query, for people. */
const KEYS = "ref, branch, tag, subdir, checksum (or commit), keep-git-dir, submodules, mtime and fetch-by-commit";
/** Its keys that are on or off. */
const SWITCHES = {
  "keep-git-dir": "keepGitDir",
  submodules: "submodules",
  "fetch-by-commit": "fetchByCommit",
} as const;

/** Where an address was given: in an ADD, or as (main or named) build context. */
export type GitAddressUse = "add" | "context";

/** An address, taken apart. */
export interface GitAddress {
  /** What git connects to, with user name and password if there were any. Never show it. */
  readonly remote: string;
  /** The same for people: without password, and without user name unless ssh needs it. */
  readonly shown: string;
  /** Branch, tag, full name of a ref, or full commit id; the default branch if it is undefined. */
  readonly ref?: string | undefined;
  /** Directory in the repository: clean, relative, never above its root. */
  readonly subdir?: string | undefined;
  /** Commit id, whole or its beginning, that the ref must have. */
  readonly checksum?: string | undefined;
  readonly keepGitDir?: boolean | undefined;
  /** False: leave them out. */
  readonly submodules?: boolean | undefined;
  /** What the times of files are: when they were checked out, or when the commit was made. */
  readonly mtime?: "checkout" | "commit" | undefined;
  /** Fetch the commit itself, whatever the ref stands for by then. */
  readonly fetchByCommit?: boolean | undefined;
}

/** The options of the fragment and the query, while they are read. */
type Options = { -readonly [K in Exclude<keyof GitAddress, "remote" | "shown">]?: GitAddress[K] };

/** A whole commit id, of SHA-1 or SHA-256. */
export function isCommitId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/**
 * True for what BuildKit takes for git: `user@host:path`, `ssh://…`, `git://…`, and http(s) URLs whose path ends in
 * `.git`; as a context also `github.com/…`, which in an ADD is a local path. Its options may still be wrong.
 */
export function isGitAddress(text: string, as: GitAddressUse): boolean {
  return remoteOf(text, as) !== undefined;
}

/**
 * Takes an address apart.
 * @returns undefined for what is no git address
 * @throws NacreError PLAN_INVALID (`add`) or USAGE (`context`), without a place, for options that are none or contradict
 *   each other, in BuildKit's words, and for what could be mistaken for an option of git or ssh
 */
export function parseGitAddress(text: string, as: GitAddressUse): GitAddress | undefined {
  const found = remoteOf(text, as);
  if (found === undefined) return undefined;
  const code: ErrorCode = as === "add" ? "PLAN_INVALID" : "USAGE";
  const { remote, query, fragment } = found;
  if (remote.danger !== undefined) throw new NacreError(code, `${remote.danger} in the git address ${remote.shown}`);
  const [, ref = "", subdir = ""] = /^([^:]*):?(.*)$/s.exec(fragment)!;
  const options: Options = {};
  if (ref !== "") options.ref = ref;
  if (subdir !== "") options.subdir = subdir;
  readQuery(options, query, code);
  checkOptions(options, code);
  return { remote: remote.url, shown: remote.shown, ...options };
}

/** What the flags of an ADD say of its git sources. */
export interface GitFlags {
  readonly keepGitDir?: boolean | undefined;
  readonly checksum?: string | undefined;
}

/**
 * An address with the flags of its ADD.
 * @throws NacreError PLAN_INVALID where both say something else, in BuildKit's words
 */
export function withGitFlags(address: GitAddress, flags: GitFlags): GitAddress {
  const { keepGitDir = address.keepGitDir, checksum = address.checksum } = flags;
  if (address.keepGitDir !== undefined && address.keepGitDir !== keepGitDir) {
    throw new NacreError("PLAN_INVALID", "inconsistent keep-git-dir configuration", {
      hint: "say it once: --keep-git-dir, or keep-git-dir= in the address",
    });
  }
  if (address.checksum !== undefined && address.checksum !== checksum) {
    throw new NacreError("PLAN_INVALID", `checksum mismatch ${quoted(checksum ?? "")} != ${quoted(address.checksum)}`, {
      hint: "say it once: --checksum, or checksum= in the address",
    });
  }
  if (checksum !== undefined) checkChecksum(checksum, "PLAN_INVALID");
  return { ...address, ...(keepGitDir === undefined ? {} : { keepGitDir }), ...(checksum ? { checksum } : {}) };
}

interface FoundRemote {
  readonly remote: GitRemote;
  readonly query: string;
  /** Decoded, where it stood in a URL. */
  readonly fragment: string;
}

function remoteOf(text: string, as: GitAddressUse): FoundRemote | undefined {
  if (text.startsWith("./") || text.startsWith("../")) return undefined;
  const { base, query, fragment } = splitRemote(text);
  const isBare = as === "context" && base.startsWith("github.com/");
  const remote = parseRemote(isBare ? `https://${base}` : base);
  if (remote === undefined || (remote.form === "scp" && remote.user === undefined)) return undefined;
  if (/^https?$/.test(remote.scheme) && !isBare && !unescaped(remote.path)?.endsWith(".git")) return undefined;
  const decoded = remote.form === "scp" ? fragment : unescaped(fragment);
  return decoded === undefined ? undefined : { remote, query, fragment: decoded };
}

/** As Go's url.PathUnescape; undefined where a percent sign starts nothing. */
function unescaped(text: string): string | undefined {
  if (!text.includes("%")) return text;
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  const bytes = encodeText(text).toString("latin1");
  const plain = bytes.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(plain, "latin1").toString("utf8");
}

/** The values of a query by key, in order, as Go's url.ParseQuery reads them: what it cannot read is left out. */
function queryValues(query: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>();
  for (const pair of query.split("&")) {
    if (pair === "" || pair.includes(";")) continue;
    const [, rawKey = "", rawValue = ""] = /^([^=]*)=?(.*)$/s.exec(pair)!;
    const key = unescaped(rawKey.replaceAll("+", " "));
    const value = unescaped(rawValue.replaceAll("+", " "));
    if (key === undefined || value === undefined) continue;
    const same = values.get(key);
    if (same) same.push(value);
    else values.set(key, [value]);
  }
  return values;
}

function readQuery(options: Options, query: string, code: ErrorCode): void {
  const fail = (message: string, hint?: string): never => {
    throw new NacreError(code, message, { hint });
  };
  let tag: string | undefined;
  let branch: string | undefined;
  for (const [key, [value = "", ...more]] of queryValues(query)) {
    const flag = Object.hasOwn(SWITCHES, key) ? SWITCHES[key as keyof typeof SWITCHES] : undefined;
    if (more.length > 0) fail(`query ${quoted(key)} has multiple values`);
    if (value === "" && flag === undefined) fail(`query ${quoted(key)} has no value`);
    if (flag !== undefined) {
      options[flag] = truth(value) ?? fail(`invalid ${key} value: ${quoted(value)}`, "write 1 or 0");
    } else if (key === "ref") options.ref = same("ref", options.ref, value, fail);
    else if (key === "tag") tag = value.startsWith("refs/tags/") ? value : `refs/tags/${value}`;
    else if (key === "branch") branch = value.startsWith("refs/heads/") ? value : `refs/heads/${value}`;
    else if (key === "subdir") options.subdir = same("subdir", options.subdir, value, fail);
    else if (key === "checksum" || key === "commit") options.checksum = value;
    else if (key === "mtime") {
      if (value === "checkout" || value === "commit") options.mtime = value;
      else fail(`invalid mtime value: ${quoted(value)} (must be "checkout" or "commit")`);
    } else fail(`unexpected query ${quoted(key)}`, `the keys are ${KEYS}`);
  }
  if (tag !== undefined) options.ref = same("ref", options.ref, tag, fail);
  if (tag !== undefined && branch !== undefined) fail("branch conflicts with tag");
  if (branch !== undefined) options.ref = same("ref", options.ref, branch, fail);
}

function same(what: string, before: string | undefined, value: string, fail: (message: string) => never): string {
  if (before !== undefined && before !== value) fail(`${what} conflicts: ${quoted(before)} vs ${quoted(value)}`);
  return value;
}

/** Go's strconv.ParseBool; a key without value means true. */
function truth(value: string): boolean | undefined {
  if (value === "" || /^(?:1|t|T|TRUE|true|True)$/.test(value)) return true;
  return /^(?:0|f|F|FALSE|false|False)$/.test(value) ? false : undefined;
}

function checkOptions(options: Options, code: ErrorCode): void {
  const { ref, subdir, checksum } = options;
  if (ref !== undefined && (ref.startsWith("-") || /[\x00-\x20\x7f]/.test(ref))) {
    throw new NacreError(code, `invalid git ref ${quoted(ref)}`, { hint: "give a branch, a tag or a commit id" });
  }
  if (checksum !== undefined) checkChecksum(checksum, code);
  if (subdir === undefined) return;
  const clean = cleanSubdir(subdir);
  if (clean === undefined) {
    throw new NacreError(code, `the subdir ${quoted(subdir)} leaves the git repository`, {
      hint: "give a directory of the repository, relative to its root",
    });
  }
  if (clean === "") delete options.subdir;
  else options.subdir = clean;
}

function checkChecksum(checksum: string, code: ErrorCode): void {
  if (/^[0-9a-fA-F]{1,64}$/.test(checksum)) return;
  throw new NacreError(code, `invalid checksum ${checksum} for Git URL, expected hex commit hash`, {
    hint: "give the commit id, or its beginning",
  });
}

/** The path below the root of the repository, empty for the root; undefined if it leads above it. */
function cleanSubdir(subdir: string): string | undefined {
  if (subdir.includes("\0")) return undefined;
  const parts: string[] = [];
  for (const part of subdir.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
