/** Laying a finished tree of drafts out in the columns of a layer index. */
import type { ByteString } from "../support/bytes.js";
import { sha256Hex } from "../support/hash.js";
import type { Draft } from "./indexDraft.js";
import { INDEX_TYPES, type IndexColumns, type IndexType, NO_DIGEST } from "./layerIndex.js";

const TYPE_NUMBERS = new Map<IndexType, number>(INDEX_TYPES.map((type, number) => [type, number]));

/** Numbers the tree in order and lays it out in columns. */
export function layOut(root: Draft, tarSize: number, files: Readonly<Record<ByteString, ByteString>>): IndexColumns {
  const order: Draft[] = [];
  const parents: number[] = [];
  const ends: number[] = [];
  const visit = (node: Draft, parent: number): void => {
    const number = order.length;
    order.push(node);
    parents.push(parent);
    ends.push(0);
    if (node.children) for (const child of sortedChildren(node.children)) visit(child, number);
    ends[number] = order.length;
  };
  visit(root, 0);
  return fillColumns(order, parents, ends, tarSize, files);
}

function sortedChildren(children: Map<ByteString, Draft>): Iterable<Draft> {
  let last = "";
  for (const name of children.keys()) {
    if (name < last) return [...children.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    last = name;
  }
  return children.values();
}

function fillColumns(
  order: readonly Draft[],
  parents: readonly number[],
  ends: readonly number[],
  tarSize: number,
  files: Readonly<Record<ByteString, ByteString>>,
): IndexColumns {
  const count = order.length;
  const digests: string[] = [];
  const nameParts: string[] = [];
  const columns = {
    count,
    tarSize,
    sizes: new Float64Array(count),
    mtimes: new Float64Array(count),
    headerOffsets: new Float64Array(count),
    contentOffsets: new Float64Array(count).fill(-1),
    uids: new Uint32Array(count),
    gids: new Uint32Array(count),
    ends: Uint32Array.from(ends),
    parents: Uint32Array.from(parents),
    nameStarts: new Uint32Array(count + 1),
    digestSlots: new Uint32Array(count).fill(NO_DIGEST),
    modes: new Uint16Array(count),
    types: new Uint8Array(count),
    flags: new Uint8Array(count),
  };
  const extras = {
    links: {} as Record<string, ByteString>,
    devices: {} as Record<string, readonly [number, number]>,
    xattrs: {} as Record<string, Readonly<Record<string, ByteString>>>,
    sparse: {} as Record<string, readonly (readonly [number, number])[]>,
    files,
  };
  let nameAt = 0;
  for (let i = 0; i < count; i++) {
    const node = order[i]!;
    columns.sizes[i] = node.content?.size ?? 0;
    columns.mtimes[i] = node.mtime;
    columns.headerOffsets[i] = node.headerOffset;
    columns.contentOffsets[i] = node.content?.offset ?? -1;
    columns.uids[i] = node.uid;
    columns.gids[i] = node.gid;
    columns.modes[i] = node.mode;
    columns.types[i] = TYPE_NUMBERS.get(node.type)!;
    columns.flags[i] = node.flags;
    nameParts.push(node.name);
    nameAt += node.name.length;
    columns.nameStarts[i + 1] = nameAt;
    const link = linkOf(node);
    if (link !== undefined) extras.links[i] = link;
    if (node.device) extras.devices[i] = node.device;
    if (node.xattrs) extras.xattrs[i] = node.xattrs;
    if (node.content?.sparse) extras.sparse[i] = node.content.sparse.map(({ at, length }) => [at, length]);
  }
  addDigests(order, columns, digests);
  return {
    ...columns,
    names: Buffer.from(nameParts.join(""), "latin1"),
    digests: Buffer.from(digests.join(""), "hex"),
    extras,
  };
}

/** A hard link's target is named by the inode's first name, as long as that still stands. */
function linkOf(node: Draft): ByteString | undefined {
  if (node.type !== "hardlink" || !node.content) return node.link;
  const first = node.content.first;
  return first.alive ? draftPath(first) : node.link;
}

function draftPath(node: Draft): ByteString {
  return !node.parent || node.parent.name === "" ? node.name : `${draftPath(node.parent)}/${node.name}`;
}

/**
 * Numbers the digests: a file's where it stands, a directory's after all below it. A directory's digest tells of
 * everything below but mtimes: equal subtrees of two layers have equal ones.
 */
function addDigests(order: readonly Draft[], columns: DigestColumns, digests: string[]): void {
  const open: number[] = [];
  const closeUntil = (next: number): void => {
    while (open.length > 0 && columns.ends[open[open.length - 1]!]! <= next) {
      const directory = open.pop()!;
      columns.digestSlots[directory] = digests.push(treeDigest(directory, order, columns, digests)) - 1;
    }
  };
  for (const [number, node] of order.entries()) {
    closeUntil(number);
    if (node.type === "dir") open.push(number);
    else if (node.content?.digest) columns.digestSlots[number] = digests.push(node.content.digest) - 1;
  }
  closeUntil(order.length);
}

interface DigestColumns {
  readonly ends: Uint32Array;
  readonly digestSlots: Uint32Array;
}

function treeDigest(
  directory: number,
  order: readonly Draft[],
  columns: DigestColumns,
  digests: readonly string[],
): string {
  const text: string[] = [];
  for (let at = directory + 1; at < columns.ends[directory]!; at = columns.ends[at]!) {
    const slot = columns.digestSlots[at]!;
    text.push(described(order[at]!, slot === NO_DIGEST ? "" : digests[slot]!));
  }
  return sha256Hex(text.join("\0"));
}

function described(node: Draft, digest: string): string {
  const size = node.content?.size ?? 0;
  return describeForDigest(node.name, node.type, node, node.flags, size, digest, linkOf(node), node.device);
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
