/**
 * Who a RUN's process is: USER looked up in the image's accounts as BuildKit does it, which is not how `--chown` is read.
 */
import type { Accounts, PasswdEntry } from "../image/users.js";
import { NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";

/** The process's ids and where it is at home. */
export interface RunUser {
  readonly uid: number;
  readonly gid: number;
  /** The primary one first; each once. */
  readonly groups: readonly number[];
  /** Value of HOME where the environment has none: from the first entry with the uid, as OCI runtimes find it. */
  readonly home: string;
  /** Name in passwd, for messages; undefined if the uid has none. */
  readonly name: string | undefined;
}

/** Highest id where the user or the group is looked up. */
const MAX_LOOKED_UP = 0x7fffffff;
/** Highest id where both are plain numbers; the one above means "no change" to the system. */
const MAX_ID = 0xfffffffe;

/**
 * Resolves `user[:group]` (BuildKit: executor/oci/user.go and moby/sys/user).
 *
 * - Empty: 0:0 and root's supplementary groups. `root` and digits for both parts: as they are.
 * - A name or number that passwd has: the first such entry; its group, and all groups that list its name. A number that it
 *   has not: group 0.
 * - With `:group` that group alone.
 * @throws NacreError USER_NOT_FOUND: no such name, or no such id
 */
export function resolveRunUser(spec: string, accounts: Accounts): RunUser {
  const [user = "", group = ""] = splitOnce(spec);
  const plain = spec.includes(":") ? [plainId(user, spec), plainId(group, spec)] : [];
  const [plainUser, plainGroup] = plain;
  if (plainUser !== undefined && plainGroup !== undefined) return withHome(plainUser, plainGroup, [], accounts);
  const found = findUser(user, spec, accounts);
  if (group !== "") return withHome(found.uid, findGroup(group, spec, accounts), [], accounts);
  return withHome(found.uid, found.gid, groupsOf(found.name, spec, accounts), accounts);
}

/** What of USER is found in the image, without the group. */
interface FoundUser {
  readonly uid: number;
  readonly gid: number;
  readonly name: string | undefined;
}

function findUser(user: string, spec: string, accounts: Accounts): FoundUser {
  const number = user === "" ? 0 : toNumber(user);
  const matches = (line: PasswdEntry) => (number === undefined ? line.name === user : line.uid === number);
  const entry = accounts.passwd?.find(matches);
  if (entry) return { uid: checked(entry.uid, MAX_ID, spec), gid: checked(entry.gid, MAX_ID, spec), name: entry.name };
  if (number !== undefined) return { uid: checked(number, MAX_LOOKED_UP, spec), gid: 0, name: undefined };
  throw new NacreError("USER_NOT_FOUND", `unable to find user ${user}: no matching entries in passwd file`, {
    hint: accounts.passwd
      ? `${didYouMean(user, accounts.passwd)}add the user in an earlier RUN, or give its number`
      : "the image has no /etc/passwd: give the user's number",
    facts: { user: spec },
  });
}

function findGroup(group: string, spec: string, accounts: Accounts): number {
  const number = toNumber(group);
  const entry = accounts.groups?.find((line) => (number === undefined ? line.name === group : line.gid === number));
  if (entry) return checked(entry.gid, MAX_ID, spec);
  if (number !== undefined) return checked(number, MAX_LOOKED_UP, spec);
  throw new NacreError("USER_NOT_FOUND", `unable to find group ${group}: no matching entries in group file`, {
    hint: accounts.groups
      ? `${didYouMean(group, accounts.groups)}add the group in an earlier RUN, or give its number`
      : "the image has no /etc/group: give the group's number",
    facts: { user: spec },
  });
}

function didYouMean(name: string, known: readonly { readonly name: string }[]): string {
  const near = nearest(
    name,
    known.map((entry) => entry.name),
  );
  return near === undefined ? "" : `did you mean ${near}? Otherwise `;
}

/** Groups that list the user by name. */
function groupsOf(name: string | undefined, spec: string, accounts: Accounts): number[] {
  if (name === undefined) return [];
  const listing = accounts.groups?.filter((line) => line.members.includes(name)) ?? [];
  return listing.map((line) => checked(line.gid, MAX_ID, spec));
}

function withHome(uid: number, gid: number, others: readonly number[], accounts: Accounts): RunUser {
  const entry = accounts.passwd?.find((line) => line.uid === uid);
  return { uid, gid, groups: [...new Set([gid, ...others])], home: entry ? entry.home : "/", name: entry?.name };
}

/** `root` or digits, which need no look-up; undefined for anything else. */
function plainId(text: string, spec: string): number | undefined {
  if (text === "root") return 0;
  return /^[0-9]+$/.test(text) ? checked(Number(text), MAX_ID, spec) : undefined;
}

/** What Go's strconv.Atoi takes for a number: digits with an optional sign, whatever their value. */
function toNumber(text: string): number | undefined {
  return /^[+-]?[0-9]+$/.test(text) ? Number(text) + 0 : undefined;
}

function checked(id: number, limit: number, spec: string): number {
  if (id >= 0 && id <= limit) return id;
  throw new NacreError("USER_NOT_FOUND", `uids and gids must be in range 0-${limit}`, {
    hint: `USER ${JSON.stringify(spec)} asks for ${id}; see also /etc/passwd and /etc/group of the image`,
    facts: { user: spec },
  });
}

function splitOnce(spec: string): readonly string[] {
  const colon = spec.indexOf(":");
  return colon < 0 ? [spec] : [spec.slice(0, colon), spec.slice(colon + 1)];
}
