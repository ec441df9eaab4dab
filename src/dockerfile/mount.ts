/** The values of `RUN --mount=`: typed mounts (BuildKit: parseMount, validateMount). Paths are not resolved here. */
import { isNacreError, NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import { parseCsv } from "./csv.js";
import { fieldKey } from "./mountPlace.js";

/** What every mount has. */
interface MountBase {
  /** Where it appears, as typed and expanded: relative to the working directory; empty if not given. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** Ownership of what a mount creates; undefined where not given. */
interface MountOwner {
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/** A part of a stage, image or context, read-only, or with a private writable copy that is thrown away. */
export interface BindMount extends MountBase {
  readonly type: "bind";
  /** Path in the source; empty for its root. */
  readonly source: string;
  /** Stage, image or named context; the main context if absent. */
  readonly from: string | undefined;
}

export type Sharing = "shared" | "private" | "locked";

/** A directory that persists from build to build. */
export interface CacheMount extends MountBase, MountOwner {
  readonly type: "cache";
  /** The cleaned target as typed, if not given. */
  readonly id: string;
  readonly sharing: Sharing;
  /** Path in `from` of the first content. */
  readonly source: string;
  readonly from: string | undefined;
}

export interface TmpfsMount extends MountBase {
  readonly type: "tmpfs";
  /** Bytes; 0 is no limit. */
  readonly size: number;
}

export interface SecretMount extends MountBase, MountOwner {
  readonly type: "secret";
  readonly id: string;
  readonly required: boolean;
  /** Name of the environment variable that gets the value; the file is made only if a target is given too. */
  readonly env: string | undefined;
}

export interface SshMount extends MountBase, MountOwner {
  readonly type: "ssh";
  readonly id: string;
  readonly required: boolean;
}

/** One mount of a RUN. `target` is empty for a secret that is only an environment variable, and for an ssh socket in its default place. */
export type Mount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;
export type MountType = Mount["type"];

const TYPES: readonly MountType[] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARING: readonly Sharing[] = ["shared", "private", "locked"];
const KEYS: readonly string[] = [
  ...["type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro", "readwrite", "rw"],
  ...["id", "sharing", "required", "size", "mode", "uid", "gid", "env"],
];

/** What the fields say, before the rules of the type. */
interface Draft {
  type: MountType;
  from?: string;
  source?: string;
  target?: string;
  readOnly?: boolean;
  id?: string;
  sharing?: Sharing;
  required?: boolean;
  size?: number;
  mode?: number;
  uid?: number;
  gid?: number;
  env?: string;
}

/**
 * What BuildKit checks when it reads the file, whether or not the stage is built: the CSV form, and that `from` has no
 * variable.
 * @throws NacreError DOCKERFILE_SYNTAX without a place
 */
export function checkMountSyntax(value: string): void {
  const from = mountFrom(value) ?? "";
  inField("from", () => checkFrom(from));
}

/**
 * Reads the value of one `--mount` flag. Fields are taken from left to right: `size` and `required` are checked against
 * the type read so far, so `type` must come before them.
 * @param expand expands variables in a value; `from` is never expanded
 * @throws NacreError DOCKERFILE_SYNTAX without a place (see mountPlace.ts), and what `expand` throws
 */
export function parseMount(value: string, expand: (value: string) => string = (text) => text): Mount {
  const draft: Draft = { type: "bind" };
  for (const field of parseCsv(value)) {
    inField(fieldKey(field), () => readField(draft, field, expand));
  }
  return finish(draft);
}

/** Notes the field in which something fails. */
function inField(key: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isNacreError(error) || error.place) throw error;
    throw new NacreError(error.code, error.message, { hint: error.hint, facts: { ...error.facts, key } });
  }
}

function readField(draft: Draft, field: string, expand: (value: string) => string): void {
  const equals = field.indexOf("=");
  if (equals === -1) readBareKey(draft, field.toLowerCase(), field);
  else readPair(draft, fieldKey(field), field.slice(equals + 1), field, expand);
}

/**
 * The stage, image or context that a mount names with `from`, without reading the rest; undefined if none.
 * @throws NacreError DOCKERFILE_SYNTAX without a place if the value is no CSV
 */
export function mountFrom(value: string): string | undefined {
  let from: string | undefined;
  for (const field of parseCsv(value)) {
    const equals = field.indexOf("=");
    if (equals !== -1 && field.slice(0, equals).toLowerCase() === "from") from = field.slice(equals + 1);
  }
  return from || undefined;
}

function checkFrom(value: string): void {
  if (!/\$./.test(value)) return;
  throw problem(
    "'from' doesn't support variable expansion, define alias stage instead",
    `put ARG before the first FROM, add FROM ${value} AS NAME, and use from=NAME`,
  );
}

function readBareKey(draft: Draft, key: string, field: string): void {
  if (key === "ro" || key === "readonly") draft.readOnly = true;
  else if (key === "rw" || key === "readwrite") draft.readOnly = false;
  else if (key === "required") draft.required = forTypes(draft, key, ["secret", "ssh"], true);
  else throw problem(`invalid field '${field}' must be a key=value pair`, bareKeyHint(key, field));
}

function bareKeyHint(key: string, field: string): string {
  if (field === "") return "two commas stand side by side, or one at the end; a blank behind a comma ends the flag";
  if (TYPES.some((type) => type === key)) return `write type=${key}`;
  const near = nearest(key, KEYS);
  if (near !== undefined && !KEYS.includes(key)) return `did you mean ${near}?`;
  return `write ${field}=VALUE, or remove it`;
}

function readPair(draft: Draft, key: string, raw: string, field: string, expand: (value: string) => string): void {
  if (key === "from") checkFrom(raw);
  const value = key === "from" ? raw : expand(raw);
  switch (key) {
    case "type":
      draft.type = choice(value, TYPES, "mount type");
      break;
    case "sharing":
      draft.sharing = choice(value, SHARING, "sharing value");
      break;
    case "from":
    case "id":
    case "env":
      draft[key] = value;
      break;
    case "source":
    case "src":
      draft.source = value;
      break;
    case "target":
    case "dst":
    case "destination":
      draft.target = value;
      break;
    case "readonly":
    case "ro":
      draft.readOnly = truth(key, value);
      break;
    case "readwrite":
    case "rw":
      draft.readOnly = !truth(key, value);
      break;
    case "required":
      draft.required = forTypes(draft, key, ["secret", "ssh"], truth(key, value));
      break;
    case "size":
      draft.size = forTypes(draft, key, ["tmpfs"], undefined) ?? bytes(value);
      break;
    case "mode":
      draft.mode = integer(key, value, 8);
      break;
    case "uid":
    case "gid":
      draft[key] = integer(key, value, 10);
      break;
    default:
      throw unknownKey(key, field);
  }
}

function unknownKey(key: string, field: string): NacreError {
  const near = nearest(key, KEYS);
  const suggestion = near === undefined ? "" : ` (did you mean ${near}?)`;
  return problem(`unexpected key '${key}' in '${field}'${suggestion}`, `the keys are ${KEYS.join(", ")}`);
}

function choice<T extends string>(value: string, known: readonly T[], what: string): T {
  const found = known.find((candidate) => candidate === value.toLowerCase());
  if (found) return found;
  const near = nearest(value, known);
  const suggestion = near === undefined ? "" : ` (did you mean ${near}?)`;
  throw problem(`unsupported ${what} ${JSON.stringify(value)}${suggestion}`, `use one of ${known.join(", ")}`);
}

function forTypes<T>(draft: Draft, key: string, types: readonly MountType[], value: T): T {
  if (types.includes(draft.type)) return value;
  throw problem(
    `unexpected key '${key}' for mount type '${draft.type}'`,
    `${key} belongs to ${types.map((type) => `type=${type}`).join(" and ")}, which must stand before it`,
  );
}

function truth(key: string, value: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw problem(`invalid value for ${key}: ${value}`, `write ${key}=true or ${key}=false`);
}

function integer(key: string, value: string, base: 8 | 10): number {
  const digits = base === 8 ? /^[0-7]+$/ : /^\d+$/;
  const number = digits.test(value) ? Number.parseInt(value, base) : Number.NaN;
  if (number <= 0xffff_ffff) return number;
  throw problem(
    `invalid value ${value} for ${key}`,
    base === 8 ? `write it in octal: ${key}=0755` : `write a number: ${key}=1000`,
  );
}

const POWERS = "kmgtp";

function bytes(value: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(value);
  const size = match
    ? Math.floor(Number(match[1]) * 1024 ** (POWERS.indexOf(match[2]!.toLowerCase() || "?") + 1))
    : Number.NaN;
  if (Number.isSafeInteger(size)) return size;
  throw problem(`invalid value for size: ${value}`, "write for example size=64m");
}

function finish(draft: Draft): Mount {
  checkCombination(draft);
  const { type, mode, uid, gid, from } = draft;
  const target = draft.target ?? "";
  const source = draft.source ?? "";
  const owner = { mode, uid, gid };
  const readOnly = draft.readOnly ?? !(type === "cache" || type === "tmpfs");
  const required = draft.required ?? false;
  const place = { target, readOnly };
  const origin = { source, from: from || undefined };
  switch (type) {
    case "bind":
      return { type, ...place, ...origin };
    case "cache":
      return {
        type,
        ...place,
        ...owner,
        ...origin,
        id: draft.id || cleanPath(target),
        sharing: draft.sharing ?? "shared",
      };
    case "tmpfs":
      return { type, ...place, size: draft.size ?? 0 };
    case "ssh":
      return { type, ...place, ...owner, id: draft.id || "default", required };
    case "secret":
      return { type, ...place, ...owner, ...secretNames(draft), required };
  }
}

function secretNames(draft: Draft): { id: string; target: string; env: string | undefined } {
  const id = draft.id || draft.source || baseName(draft.target ?? "");
  const env = draft.env || undefined;
  const target = draft.target || (env === undefined ? `/run/secrets/${baseName(id)}` : "");
  return { id, target, env };
}

function checkCombination(draft: Draft): void {
  const { type, target } = draft;
  if (type === "bind" || type === "tmpfs") checkNoOwner(draft);
  if (type === "secret") checkSecret(draft);
  if (type === "ssh" && draft.source) {
    throw problem("ssh does not support source", "name the agent or key with id=", "source");
  }
  if (draft.sharing !== undefined && type !== "cache") {
    throw problem(`invalid cache sharing set for ${type} mount`, "sharing belongs to type=cache", "sharing");
  }
  if (target !== undefined && target !== "" && cleanPath(target) === "/") {
    const hint = "mount below the root, for example target=/cache";
    throw problem(`invalid mount target ${JSON.stringify(target)}`, hint, "target");
  }
}

function checkNoOwner(draft: Draft): void {
  for (const key of ["mode", "uid", "gid"] as const) {
    if (draft[key] === undefined) continue;
    const hint = `${key} belongs to type=cache, secret and ssh`;
    throw problem(`${key} not allowed for "${draft.type}" type mounts`, hint, key);
  }
}

function checkSecret({ from, sharing, source, target, id }: Draft): void {
  if (from) {
    throw problem("secret mount should not have a from", "a secret comes from --secret of the command line", "from");
  }
  if (sharing !== undefined) {
    throw problem("secret mount should not define sharing", "sharing belongs to type=cache", "sharing");
  }
  if (!source && !target && !id) {
    throw problem("invalid secret mount. one of source, target required", "name the secret: type=secret,id=NAME");
  }
  if (source && id) throw problem("both source and id can't be set", "keep id and remove source", "source");
}

function baseName(path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.at(-1) ?? "/";
}

/** Go's path.Clean. */
function cleanPath(path: string): string {
  const rooted = path.startsWith("/");
  const out: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") out.push(part);
    else if (out.length > 0 && out.at(-1) !== "..") out.pop();
    else if (!rooted) out.push("..");
  }
  return (rooted ? "/" : "") + out.join("/") || ".";
}

/** @param key the field at fault, where it is not the one that is being read */
function problem(message: string, hint: string, key?: string): NacreError {
  return new NacreError("DOCKERFILE_SYNTAX", message, { hint, ...(key === undefined ? {} : { facts: { key } }) });
}
