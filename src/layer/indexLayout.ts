/**
 * Laying a finished tree of drafts out in the columns of a layer index. Memory counts here: the columns of the drafts become
 * those of the index, rearranged where the archive was not in the index's order.
 */
import type { ByteString } from "../support/bytes.js";
import { createHasher, sha256Hex } from "../support/hash.js";
import type { DraftTree } from "./indexDraft.js";
import { type DraftOrder, numberEntries } from "./indexOrder.js";
import { FLAG_IMPLIED, FLAG_OPAQUE, INDEX_TYPES, type IndexColumns, type IndexType, NO_DIGEST } from "./layerIndex.js";

/** Descriptions of a directory's entries that are hashed at once. */
const DESCRIBED_AT_ONCE = 4096;

/** Numbers the tree in order and lays it out in columns. The tree is of no more use then. */
export function layOut(
  tree: DraftTree,
  tarSize: number,
  files: Readonly<Record<ByteString, ByteString>>,
): IndexColumns {
  const numbered = numberEntries(tree);
  const { order, ends, parents } = numbered;
  const extras = { ...extrasOf(tree, order), files };
  const columns = { count: order.length, tarSize, ends, parents, ...rearranged(tree, numbered), extras };
  return { ...columns, digests: addDigests(tree, columns) };
}

/** Extras by their entries' numbers in the index. */
function extrasOf(tree: DraftTree, order: Uint32Array): Omit<IndexColumns["extras"], "files"> {
  const links: Record<string, ByteString> = {};
  const devices: Record<string, readonly [number, number]> = {};
  const xattrs: Record<string, Readonly<Record<string, ByteString>>> = {};
  const sparse: Record<string, readonly (readonly [number, number])[]> = {};
  if (tree.links.size + tree.firsts.size + tree.devices.size + tree.xattrs.size + tree.sparse.size === 0) {
    return { links, devices, xattrs, sparse };
  }
  for (let i = 0; i < order.length; i++) {
    const draft = order[i]!;
    const link = linkOf(tree, draft);
    if (link !== undefined) links[i] = link;
    const device = tree.devices.get(draft);
    if (device) devices[i] = device;
    const attributes = tree.xattrs.get(draft);
    if (attributes) xattrs[i] = attributes;
    const segments = tree.sparse.get(draft);
    if (segments) sparse[i] = segments.map(({ at, length }) => [at, length]);
  }
  return { links, devices, xattrs, sparse };
}

/** A hard link's target is named by the inode's first name, as long as that still stands; else as the archive names it. */
function linkOf(tree: DraftTree, draft: number): ByteString | undefined {
  const link = tree.links.get(draft);
  const first = tree.firsts.get(draft);
  return first !== undefined && (link === undefined || tree.isAlive(first)) ? tree.names.path(first) : link;
}

type Rearranged = Pick<
  IndexColumns,
  | "sizes"
  | "mtimes"
  | "headerOffsets"
  | "contentOffsets"
  | "uids"
  | "gids"
  | "digestSlots"
  | "modes"
  | "types"
  | "flags"
  | "nameStarts"
  | "names"
>;

/** The drafts' columns in the order of the index. */
function rearranged(tree: DraftTree, { order, isSame }: DraftOrder): Rearranged {
  const { columns } = tree;
  const gather = isSame ? gatherInPlace : gatherer();
  const flags = gather(columns.flags, order);
  for (let i = 0; i < flags.length; i++) flags[i]! &= FLAG_IMPLIED | FLAG_OPAQUE;
  return {
    sizes: gather(columns.sizes, order),
    mtimes: gather(columns.mtimes, order),
    headerOffsets: gather(columns.headerOffsets, order),
    contentOffsets: gather(columns.contentOffsets, order),
    uids: gather(columns.uids, order),
    gids: gather(columns.gids, order),
    digestSlots: gather(columns.digestSlots, order),
    modes: gather(columns.modes, order),
    types: gather(columns.types, order),
    flags,
    ...namesOf(tree, order, isSame),
  };
}

type Column = Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

function gatherInPlace<T extends Column>(column: T, order: Uint32Array): T {
  return column.subarray(0, order.length) as T;
}

/** Rearranges columns one after the other: what one leaves takes up the next one of its kind. */
function gatherer(): typeof gatherInPlace {
  const spare = new Map<unknown, Column>();
  return <T extends Column>(column: T, order: Uint32Array): T => {
    const Type = column.constructor as new (length: number) => T;
    const target = (spare.get(Type) as T | undefined) ?? new Type(order.length);
    for (let i = 0; i < order.length; i++) target[i] = column[order[i]!]!;
    spare.set(Type, column);
    return target.subarray(0, order.length) as T;
  };
}

function namesOf(tree: DraftTree, order: Uint32Array, isSame: boolean): Pick<IndexColumns, "names" | "nameStarts"> {
  const { bytes, starts } = tree.names;
  if (isSame) {
    const nameStarts = starts.subarray(0, order.length + 1);
    return { nameStarts, names: bytes.subarray(0, nameStarts[order.length]) };
  }
  const nameStarts = new Uint32Array(order.length + 1);
  for (let i = 0; i < order.length; i++) {
    nameStarts[i + 1] = nameStarts[i]! + starts[order[i]! + 1]! - starts[order[i]!]!;
  }
  const names = Buffer.allocUnsafeSlow(nameStarts[order.length]!);
  for (let i = 0, to = 0; i < order.length; i++) {
    const end = starts[order[i]! + 1]!;
    for (let from = starts[order[i]!]!; from < end; from++) names[to++] = bytes[from]!;
  }
  return { nameStarts, names };
}

type WithoutDigests = Omit<IndexColumns, "digests">;

/**
 * Numbers the digests: a file's where it stands, a directory's after all below it. A directory's digest tells of
 * everything below but mtimes: equal subtrees of two layers have equal ones.
 */
function addDigests(tree: DraftTree, columns: WithoutDigests): Buffer {
  const { count, ends, digestSlots, types } = columns;
  const digests = Buffer.allocUnsafeSlow(countDigests(columns) * 32);
  const open: number[] = [];
  let slots = 0;
  const closeUntil = (next: number): void => {
    while (open.length > 0 && ends[open[open.length - 1]!]! <= next) {
      const directory = open.pop()!;
      digests.write(treeDigest(directory, columns, digests), slots * 32, "hex");
      digestSlots[directory] = slots++;
    }
  };
  for (let entry = 0; entry < count; entry++) {
    closeUntil(entry);
    if (types[entry] === DIRECTORY) open.push(entry);
    else if (digestSlots[entry] !== NO_DIGEST) {
      const from = digestSlots[entry]! * 32;
      for (let i = 0, to = slots * 32; i < 32; i++) digests[to + i] = tree.digests[from + i]!;
      digestSlots[entry] = slots++;
    }
  }
  closeUntil(count);
  return digests;
}

const DIRECTORY = INDEX_TYPES.indexOf("dir");

function countDigests({ count, types, digestSlots }: WithoutDigests): number {
  let found = 0;
  for (let entry = 0; entry < count; entry++) {
    if (types[entry] === DIRECTORY || digestSlots[entry] !== NO_DIGEST) found++;
  }
  return found;
}

function treeDigest(directory: number, columns: WithoutDigests, digests: Buffer): string {
  const { ends } = columns;
  let text: string[] = [];
  let hasher: ReturnType<typeof createHasher> | undefined;
  for (let at = directory + 1; at < ends[directory]!; at = ends[at]!) {
    if (text.length === DESCRIBED_AT_ONCE) {
      hasher ??= createHasher();
      hasher.update(Buffer.from(`${text.join("\0")}\0`));
      text = [];
    }
    text.push(described(at, columns, digests));
  }
  if (hasher === undefined) return sha256Hex(text.join("\0"));
  hasher.update(Buffer.from(text.join("\0")));
  return hasher.hex();
}

function described(entry: number, columns: WithoutDigests, digests: Buffer): string {
  const { names, nameStarts, digestSlots, extras } = columns;
  const name = names.toString("latin1", nameStarts[entry], nameStarts[entry + 1]);
  const slot = digestSlots[entry]!;
  const digest = slot === NO_DIGEST ? "" : digests.toString("hex", slot * 32, slot * 32 + 32);
  const shown = {
    mode: columns.modes[entry]!,
    uid: columns.uids[entry]!,
    gid: columns.gids[entry]!,
    xattrs: extras.xattrs[entry],
  };
  const type = INDEX_TYPES[columns.types[entry]!]!;
  const [flags, size] = [columns.flags[entry]!, columns.sizes[entry]!];
  return describeForDigest(name, type, shown, flags, size, digest, extras.links[entry], extras.devices[entry]);
}

/** What of an entry counts for the digest of its directory, beside what the parameters of {@link describeForDigest} tell. */
export interface DescribedEntry {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly xattrs?: Readonly<Record<string, ByteString>> | undefined;
}

/**
 * An entry as its directory's digest sees it. Takes everything one by one, because it is called for every file.
 * @param digest of its content or of what is below it, or empty
 */
export function describeForDigest(
  name: ByteString,
  type: IndexType,
  entry: DescribedEntry,
  flags: number,
  size: number,
  digest: string,
  link: ByteString | undefined,
  device: readonly [number, number] | undefined,
): string {
  const more =
    device || entry.xattrs ? JSON.stringify([device ?? null, Object.entries(entry.xattrs ?? {}).sort()]) : "";
  return `${name}\0${type} ${entry.mode & 0o7777} ${entry.uid} ${entry.gid} ${flags} ${size} ${digest}\0${link ?? ""}\0${more}`;
}
