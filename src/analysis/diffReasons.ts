/** In what two entries of layer indexes can differ, and finding that out from their columns. Pure. */
import type { IndexType, LayerIndex } from "../layer/layerIndex.js";
import { NO_DIGEST } from "../layer/layerIndex.js";
import type { ByteString } from "../support/bytes.js";

/**
 * What is different about a path that both sides have. `hardlink`: other names share its inode; `opaque`: a layer hides what
 * is below there, the other does not; `unread`: it hinges on shared layers that were not read.
 */
export const CHANGE_REASONS = [
  ...(["type", "content", "mode", "owner", "link", "xattr", "device"] as const),
  ...(["hardlink", "time", "opaque", "unread"] as const),
] as const;

/** See {@link CHANGE_REASONS}. */
export type ChangeReason = (typeof CHANGE_REASONS)[number];

/** Reasons as bits: the bit of a reason is its position in {@link CHANGE_REASONS}. */
export type ReasonBits = number;

const bit = (reason: ChangeReason): ReasonBits => 1 << CHANGE_REASONS.indexOf(reason);

/** Bits by name. */
export const REASON = {
  type: bit("type"),
  content: bit("content"),
  mode: bit("mode"),
  owner: bit("owner"),
  link: bit("link"),
  xattr: bit("xattr"),
  device: bit("device"),
  hardlink: bit("hardlink"),
  time: bit("time"),
  opaque: bit("opaque"),
  unread: bit("unread"),
} as const satisfies Readonly<Record<ChangeReason, ReasonBits>>;

/** The names of bits. */
export function reasonNames(bits: ReasonBits): ChangeReason[] {
  return CHANGE_REASONS.filter((_, at) => (bits & (1 << at)) !== 0);
}

/** Positions in INDEX_TYPES. */
export const TYPE = {
  file: 0,
  dir: 1,
  symlink: 2,
  hardlink: 3,
  char: 4,
  block: 5,
  fifo: 6,
  whiteout: 7,
} as const satisfies Readonly<Record<IndexType, number>>;

/** What is compared beside what always is. */
export interface EntryComparison {
  /** Also mtimes. */
  readonly times: boolean;
  /** The entries as a layer lists them: targets of hard links and opaque directories count. */
  readonly own: boolean;
}

/** Compares two entries. Further names of an inode are files like its first one. */
export function compareEntries(
  a: LayerIndex,
  aEntry: number,
  b: LayerIndex,
  bEntry: number,
  { times, own }: EntryComparison,
): ReasonBits {
  const [aColumns, bColumns] = [a.columns, b.columns];
  const type = plainType(aColumns.types[aEntry]!);
  let bits = times && aColumns.mtimes[aEntry] !== bColumns.mtimes[bEntry] ? REASON.time : 0;
  if (type !== plainType(bColumns.types[bEntry]!)) return bits | REASON.type;
  if (own) bits |= compareOwn(a, aEntry, b, bEntry);
  if (type === TYPE.whiteout) return bits;
  // The mode of a symlink means nothing, and every tool writes another one.
  if (type !== TYPE.symlink && modeOf(a, aEntry) !== modeOf(b, bEntry)) bits |= REASON.mode;
  if (aColumns.uids[aEntry] !== bColumns.uids[bEntry] || aColumns.gids[aEntry] !== bColumns.gids[bEntry]) {
    bits |= REASON.owner;
  }
  if (type === TYPE.file && !sameContent(a, aEntry, b, bEntry)) bits |= REASON.content;
  else if (type === TYPE.symlink && a.link(aEntry) !== b.link(bEntry)) bits |= REASON.link;
  else if ((type === TYPE.char || type === TYPE.block) && String(a.device(aEntry)) !== String(b.device(bEntry))) {
    bits |= REASON.device;
  }
  return sameXattrs(a.xattrs(aEntry), b.xattrs(bEntry)) ? bits : bits | REASON.xattr;
}

/** Type numbers with further names of an inode taken for files. */
export function plainType(type: number): number {
  return type === TYPE.hardlink ? TYPE.file : type;
}

/** Directories that no layer lists are 0755, as everything that unpacks layers makes them. */
function modeOf(index: LayerIndex, entry: number): number {
  return index.isImplied(entry) ? 0o755 : index.mode(entry);
}

function compareOwn(a: LayerIndex, aEntry: number, b: LayerIndex, bEntry: number): ReasonBits {
  const [aLink, bLink] = [a, b].map((index, at) => {
    const entry = at === 0 ? aEntry : bEntry;
    return index.columns.types[entry] === TYPE.hardlink ? index.link(entry) : undefined;
  });
  return (aLink === bLink ? 0 : REASON.hardlink) | (a.isOpaque(aEntry) === b.isOpaque(bEntry) ? 0 : REASON.opaque);
}

/** Indexes have the digest of every content; one that was made of a foreign table may lack some. */
function sameContent(a: LayerIndex, aEntry: number, b: LayerIndex, bEntry: number): boolean {
  if (a.size(aEntry) !== b.size(bEntry)) return false;
  const [aSlot, bSlot] = [a.columns.digestSlots[aEntry]!, b.columns.digestSlots[bEntry]!];
  if (aSlot === NO_DIGEST || bSlot === NO_DIGEST) return a.size(aEntry) === 0 || a.mtime(aEntry) === b.mtime(bEntry);
  return sameDigest(a, aSlot, b, bSlot);
}

/** Compares two digests by their slots. */
export function sameDigest(a: LayerIndex, aSlot: number, b: LayerIndex, bSlot: number): boolean {
  const [from, other] = [aSlot * 32, bSlot * 32];
  return a.columns.digests.compare(b.columns.digests, other, other + 32, from, from + 32) === 0;
}

type Xattrs = Readonly<Record<string, ByteString>> | undefined;

function sameXattrs(a: Xattrs, b: Xattrs): boolean {
  if (a === b) return true;
  const names = Object.keys(a ?? {});
  return names.length === Object.keys(b ?? {}).length && names.every((name) => a![name] === b?.[name]);
}
