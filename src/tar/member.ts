/**
 * From a header and the extended headers before it to a member. Tar has grown in layers, and readers disagree about
 * which layer wins; whoever can make two of them disagree can show a scanner other files than a runtime unpacks. So
 * only what Go (Docker, containerd), GNU tar, libarchive and Python's tarfile read alike becomes a member; all else is an error.
 */
import type { ByteString } from "../support/bytes.js";
import type { TarEntry, TarEntryType } from "./entry.js";
import type { Extensions } from "./extensions.js";
import type { Fail, RawHeader } from "./header.js";
import { LIBARCHIVE_XATTR, type PaxRecords, SCHILY_XATTR } from "./pax.js";
import { type PaxSparse, paxSparse } from "./sparse.js";

/** A member, and how many bytes of it follow in the archive. */
export interface Member {
  readonly entry: TarEntry;
  /** Bytes after the header, without padding. */
  readonly stored: number;
  /** True for GNU's old sparse files (type `S`), whose map is in the header. */
  readonly oldSparse: boolean;
  /** Present for sparse files of the PAX forms; `entry.size` is then their whole size. */
  readonly sparse?: PaxSparse | undefined;
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  "6": "fifo",
  // "Contiguous" files are files wherever that means nothing.
  "7": "file",
  S: "file",
};

const MAX_ID = 0xffffffff;
const NO_RECORDS: PaxRecords = { values: new Map(), sparsePairs: [] };

/** Makes a member of a header and the extended headers before it. */
export function makeMember(raw: RawHeader, extensions: Extensions, fail: Fail): Member {
  const pax = extensions.pax ?? NO_RECORDS;
  const sparse = extensions.pax && paxSparse(pax, fail);
  const name = nameOf(raw, extensions, pax, sparse, fail);
  const type = typeOf(raw, name, fail);
  const stored = storedSize(raw, type, pax, extensions.seenPax, fail);
  if (sparse && (type !== "file" || raw.flag === "S")) fail("only a file can be sparse, and in one form only");
  return {
    entry: {
      path: withoutTrailingSlash(name),
      type,
      mode: raw.mode & 0o7777,
      uid: idOf(pax, "uid", raw.uid, fail),
      gid: idOf(pax, "gid", raw.gid, fail),
      size: sparse?.size ?? stored,
      mtime: timeOf(pax, raw.mtime, fail),
      ...linkOf(raw, extensions, pax, type, fail),
      ...deviceOf(raw, pax, type, fail),
      ...xattrsOf(pax, fail),
    },
    stored,
    oldSparse: raw.flag === "S",
    sparse,
  };
}

function nameOf(
  raw: RawHeader,
  ext: Extensions,
  pax: PaxRecords,
  sparse: PaxSparse | undefined,
  fail: Fail,
): ByteString {
  const paxPath = textRecord(pax, "path", fail);
  const name = sparse?.name ?? agreed(paxPath, ext.longName, "name", fail) ?? raw.name;
  if (sparse?.name !== undefined && ext.longName !== undefined)
    fail("two extended headers give the member different names");
  if (name === "") fail("a member has no name");
  if (name.includes("\0")) fail("a name holds a NUL");
  return name;
}

/** GNU tar and Python let a PAX record win over GNU's long name, Go the other way round. */
function agreed(
  a: ByteString | undefined,
  b: ByteString | undefined,
  what: string,
  fail: Fail,
): ByteString | undefined {
  if (a !== undefined && b !== undefined && a !== b) fail(`two extended headers give the member a different ${what}`);
  return a ?? b;
}

function typeOf(raw: RawHeader, name: ByteString, fail: Fail): TarEntryType {
  const type = TYPES[raw.flag];
  if (type === undefined) return fail(`members of type ${JSON.stringify(raw.flag)} are not supported`);
  if (type !== "file" || !(name.endsWith("/") || raw.name.endsWith("/"))) return type;
  // Before there were type flags, a slash at the end made a directory. Python looks at the header's name only.
  if (raw.flag === "\0" && name.endsWith("/") === raw.name.endsWith("/")) return "dir";
  // GNU tar and libarchive keep to that rule for type 0 too, Go and Python do not.
  if (raw.flag === "\0" || name.endsWith("/")) fail("a file's name ends in a slash");
  return type;
}

/** Bytes that follow the header. Members without content have none; some readers believe a size there and some do not. */
function storedSize(raw: RawHeader, type: TarEntryType, pax: PaxRecords, seenPax: boolean, fail: Fail): number {
  const record = numberRecord(pax, "size", fail);
  const size = record ?? raw.size;
  if (record !== undefined && raw.flag === "S") fail("a sparse file has two sizes");
  if (type === "file" || size === 0) return size;
  // Old writers give hard links the size of their file, without content; in PAX archives content may really follow.
  if (type === "hardlink" && !seenPax) return 0;
  return fail(`a member of type ${type} has a size`);
}

/** Directories end in slashes in an archive, and hard links may; the root stays `/`. */
function withoutTrailingSlash(name: ByteString): ByteString {
  let end = name.length;
  while (end > 1 && name.charCodeAt(end - 1) === 0x2f) end--;
  return end === name.length ? name : name.slice(0, end);
}

function linkOf(raw: RawHeader, ext: Extensions, pax: PaxRecords, type: TarEntryType, fail: Fail) {
  if (type !== "hardlink" && type !== "symlink") return undefined;
  const link = agreed(textRecord(pax, "linkpath", fail), ext.longLink, "link target", fail) ?? raw.link;
  if (link === "") fail("a link has no target");
  return { link };
}

function deviceOf(raw: RawHeader, pax: PaxRecords, type: TarEntryType, fail: Fail) {
  if (type !== "char" && type !== "block") return undefined;
  const { devMajor, devMinor } = raw;
  // Tar had no devices before POSIX: Go and GNU tar take 0, 0 for the numbers, Python whatever stands in their place.
  if (raw.dialect === "v7") fail("a device must have a POSIX or GNU header");
  // Only star and libarchive read these; they exist for numbers that a header cannot hold.
  const disagree = (key: string, value: number) => (numberRecord(pax, key, fail) ?? value) !== value;
  if (disagree("SCHILY.devmajor", devMajor) || disagree("SCHILY.devminor", devMinor)) {
    fail("a device has numbers that not every reader can read");
  }
  return { devMajor, devMinor };
}

function idOf(pax: PaxRecords, key: "uid" | "gid", value: number, fail: Fail): number {
  const id = numberRecord(pax, key, fail) ?? value;
  // The kernel has 32 bits for it and would take the rest modulo.
  if (id > MAX_ID) fail(`the ${key} ${id} is out of range`);
  return id;
}

function timeOf(pax: PaxRecords, value: number, fail: Fail): number {
  const record = pax.values.get("mtime");
  if (record === undefined) return value;
  const match = /^(-?[0-9]{1,16})(?:\.([0-9]*))?$/.exec(record);
  if (!match) return fail("the PAX record mtime is not a time");
  const whole = Number(match[1]);
  const fraction = /[1-9]/.test(match[2] ?? "");
  // -0.5 lies in second -1, as -1.5 lies in second -2.
  const floored = match[1]!.startsWith("-") && fraction ? whole - 1 : whole + 0;
  if (!Number.isSafeInteger(floored)) fail("the PAX record mtime is out of range");
  return floored;
}

/** A record that names something. An empty one would mean "no such field" to POSIX and "keep the field" to Go. */
function textRecord(pax: PaxRecords, key: string, fail: Fail): ByteString | undefined {
  const value = pax.values.get(key);
  if (value === "") fail(`the PAX record ${key} is empty`);
  if (value?.includes("\0")) fail(`the PAX record ${key} holds a NUL`);
  return value;
}

function numberRecord(pax: PaxRecords, key: string, fail: Fail): number | undefined {
  const value = pax.values.get(key);
  if (value === undefined) return undefined;
  const number = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) fail(`the PAX record ${key} is not a number`);
  return number;
}

/** libarchive writes each attribute twice; the raw form, the only one that Go and GNU tar know, wins. */
function xattrsOf(pax: PaxRecords, fail: Fail) {
  const xattrs = new Map<string, ByteString>();
  for (const [key, value] of pax.values) {
    if (!key.startsWith(LIBARCHIVE_XATTR)) continue;
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) fail(`the PAX record ${key} is not base64`);
    xattrs.set(percentDecoded(key.slice(LIBARCHIVE_XATTR.length)), Buffer.from(value, "base64").toString("latin1"));
  }
  for (const [key, value] of pax.values) {
    if (key.startsWith(SCHILY_XATTR)) xattrs.set(key.slice(SCHILY_XATTR.length), value);
  }
  // fromEntries makes own properties of all names, __proto__ included.
  return xattrs.size > 0 ? { xattrs: Object.fromEntries(xattrs) } : undefined;
}

const percentDecoded = (name: string) =>
  name.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
