/**
 * Checking an index that someone else has made: that it is one whole tree in order, and that nothing in it leads out of its
 * arrays or of the tar. Indexes of the store are not checked so: only this program writes there. Pure.
 */
import { NacreError } from "../support/errors.js";
import { DEFAULT_TAR_LIMITS } from "../tar/limits.js";
import {
  FLAG_IMPLIED,
  FLAG_OPAQUE,
  INDEX_TYPES,
  type IndexColumns,
  type IndexExtras,
  NO_DIGEST,
} from "./layerIndex.js";

const DIRECTORY = INDEX_TYPES.indexOf("dir");
const [FILE, SYMLINK, HARDLINK] = [
  INDEX_TYPES.indexOf("file"),
  INDEX_TYPES.indexOf("symlink"),
  INDEX_TYPES.indexOf("hardlink"),
];
const [CHAR, BLOCK] = [INDEX_TYPES.indexOf("char"), INDEX_TYPES.indexOf("block")];
const TAR_BLOCK = 512;
/** Paths of more elements are longer than Linux takes any (PATH_MAX). */
const MAX_DEPTH = 2048;

/** @throws NacreError CONTENT_INVALID */
export function assertSound(columns: IndexColumns): void {
  const { count, tarSize, types, names, nameStarts, digests } = columns;
  if (count === 0 || !isCount(tarSize)) throw unsound("it has no root");
  if (nameStarts[0] !== 0 || nameStarts[count] !== names.length || digests.length % 32 !== 0)
    throw unsound("its lists");
  for (let entry = 0; entry < count; entry++) {
    if (nameStarts[entry]! > nameStarts[entry + 1]!) throw unsound("its names");
    if (types[entry]! >= INDEX_TYPES.length) throw unsound("the type of an entry");
  }
  if (types[0] !== DIRECTORY || nameStarts[1] !== 0) throw unsound("it has no root");
  assertExtras(columns);
  assertTree(columns);
  for (let entry = 0; entry < count; entry++) assertEntry(columns, entry);
  assertTotals(columns);
}

/** Contents of files do not overlap in a tar, and holes are as few as are taken from tars. */
function assertTotals(columns: IndexColumns): void {
  const { count, tarSize, types, sizes } = columns;
  let [stored, holes] = [0, 0];
  for (let entry = 0; entry < count; entry++) {
    if (types[entry] !== FILE) continue;
    const bytes = storedBytes(columns, entry);
    stored += bytes;
    holes += sizes[entry]! - bytes;
  }
  if (stored > tarSize || holes > DEFAULT_TAR_LIMITS.holeSize) throw unsound("the sizes of its files");
}

/** Every entry lies within its parent, after its brothers of lesser names. */
function assertTree({ count, ends, parents, types, names, nameStarts }: IndexColumns): void {
  if (ends[0] !== count || parents[0] !== 0) throw unsound("its tree");
  const open = [0];
  /** The entry before, among those of one directory; parallel to `open`. */
  const last = [-1];
  for (let entry = 1; entry < count; entry++) {
    while (ends[open.at(-1)!]! <= entry) {
      open.pop();
      last.pop();
    }
    const parent = open.at(-1)!;
    const end = ends[entry]!;
    const isLeaf = types[entry] !== DIRECTORY;
    if (parents[entry] !== parent || end <= entry || end > ends[parent]! || (isLeaf && end !== entry + 1)) {
      throw unsound("its tree");
    }
    if (open.length > MAX_DEPTH) throw unsound("its depth");
    assertName(names, nameStarts[entry]!, nameStarts[entry + 1]!);
    const before = last.at(-1)!;
    if (before >= 0) {
      const [from, to] = [nameStarts[before]!, nameStarts[before + 1]!];
      if (names.compare(names, nameStarts[entry]!, nameStarts[entry + 1]!, from, to) >= 0) throw unsound("its order");
    }
    last[last.length - 1] = entry;
    open.push(entry);
    last.push(-1);
  }
}

function assertName(names: Buffer, start: number, end: number): void {
  const isDots = end - start <= 2 && names.subarray(start, end).every((byte) => byte === 0x2e);
  if (start === end || isDots || end - start > DEFAULT_TAR_LIMITS.pathLength) throw unsound("a name");
  for (let at = start; at < end; at++) if (names[at] === 0x2f || names[at] === 0) throw unsound("a name");
}

function assertEntry(columns: IndexColumns, entry: number): void {
  const { tarSize, types, flags, modes, mtimes, sizes, headerOffsets, contentOffsets, digestSlots, digests } = columns;
  const [type, size, content] = [types[entry]!, sizes[entry]!, contentOffsets[entry]!];
  if (flags[entry]! & ~(FLAG_IMPLIED | FLAG_OPAQUE) || modes[entry]! > 0o7777) throw unsound("the mode of an entry");
  if (!Number.isSafeInteger(mtimes[entry]) || !isCount(size)) throw unsound("a number of an entry");
  const slot = digestSlots[entry]!;
  if (slot !== NO_DIGEST && slot >= digests.length / 32) throw unsound("the digest of an entry");
  if (!isPlace(headerOffsets[entry]!, 0, tarSize)) throw unsound("where an entry is");
  const { links, devices } = columns.extras;
  if ((type === SYMLINK || type === HARDLINK) && !Object.hasOwn(links, entry)) throw unsound("a link");
  if ((type === CHAR || type === BLOCK) && !Object.hasOwn(devices, entry)) throw unsound("a device");
  const hasContent = content >= 0;
  if (hasContent ? type !== FILE && type !== HARDLINK : type === FILE || size > 0)
    throw unsound("the content of a file");
  if (hasContent && size > 0 && slot === NO_DIGEST) throw unsound("the digest of a file");
  if (!isPlace(content, storedBytes(columns, entry), tarSize)) throw unsound("where a content is");
}

function storedBytes({ extras, sizes }: IndexColumns, entry: number): number {
  const segments = Object.hasOwn(extras.sparse, entry) ? extras.sparse[entry] : undefined;
  return segments === undefined ? sizes[entry]! : segments.reduce((sum, [, length]) => sum + length, 0);
}

/** True for -1, and for a position in the tar at which that many bytes follow. */
function isPlace(offset: number, length: number, tarSize: number): boolean {
  return offset === -1 || (isCount(offset) && offset % TAR_BLOCK === 0 && offset + length <= tarSize);
}

function assertExtras({ extras, count, sizes }: IndexColumns): void {
  if (!isRecord(extras)) throw unsound("its rare fields");
  const { links, devices, xattrs, sparse, files } = extras as Partial<Record<keyof IndexExtras, unknown>>;
  const isNumbered = (list: unknown, is: (value: unknown, entry: number) => boolean): boolean =>
    isRecord(list) && Object.entries(list).every(([key, value]) => isEntry(key, count) && is(value, Number(key)));
  const isSound =
    isNumbered(links, (value) => isBytes(value)) &&
    isNumbered(devices, (value) => Array.isArray(value) && value.length === 2 && value.every(isCount)) &&
    isNumbered(xattrs, (value) => isRecord(value) && Object.entries(value).every((pair) => pair.every(isBytes))) &&
    isNumbered(sparse, (value, entry) => areSegments(value, sizes[entry]!)) &&
    isRecord(files) &&
    Object.entries(files).every((pair) => pair.every(isBytes));
  if (!isSound) throw unsound("its rare fields");
}

/** Stretches of data that follow each other within a file. */
function areSegments(value: unknown, size: number): boolean {
  let end = 0;
  return (
    Array.isArray(value) &&
    value.every((segment: unknown) => {
      if (!Array.isArray(segment) || segment.length !== 2 || !segment.every(isCount)) return false;
      const [offset, length] = segment as [number, number];
      const follows = offset >= end && offset + length <= size;
      end = offset + length;
      return follows;
    })
  );
}

function isEntry(key: string, count: number): boolean {
  return /^(0|[1-9]\d{0,9})$/.test(key) && Number(key) < count;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A ByteString. */
function isBytes(value: unknown): boolean {
  return typeof value === "string" && /^[\0-\xff]*$/.test(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unsound(what: string): NacreError {
  return new NacreError("CONTENT_INVALID", `the index in it cannot be right: ${what}`);
}
