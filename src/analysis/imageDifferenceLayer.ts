/** Why two layers that were to be the same are not: from their indexes, and where these are alike, from their bytes. */
import type { LayerIndex } from "../layer/layerIndex.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { compareTrees } from "./compareTrees.js";
import { reasonNames } from "./diffReasons.js";
import type { DifferenceClass, ImageCause } from "./imageDifferenceTypes.js";
import type { OpenedLayer } from "./types.js";

const CLASS_OF_REASON: Readonly<Record<string, DifferenceClass>> = {
  ...{ type: "type", content: "content", mode: "mode", owner: "owner", link: "link", hardlink: "link" },
  ...{ xattr: "xattr", device: "device", time: "mtime", opaque: "opaque" },
};

/** Fields of a tar header with where they begin (POSIX.1-2017, pax, "ustar Interchange Format"). */
const FIELDS: readonly (readonly [number, string])[] = [
  ...([
    [0, "name"],
    [100, "mode"],
    [108, "uid"],
    [116, "gid"],
    [124, "size"],
    [136, "mtime"],
    [148, "checksum"],
  ] as const),
  ...([
    [156, "type"],
    [157, "link name"],
    [257, "magic"],
    [265, "user name"],
    [297, "group name"],
    [329, "device"],
  ] as const),
  [345, "prefix"],
];

/** All causes of one class so far. */
interface Gathered {
  count: number;
  /** Where the first one stands in the tar. */
  at: number;
  path: ByteString;
  before: string;
  after: string;
}

/** Compares two layers whose blobs differ. @throws NacreError as OpenedLayer.index */
export async function layerCauses(a: OpenedLayer, b: OpenedLayer): Promise<ImageCause[]> {
  if (a.diffId === b.diffId) return [await compressionCause(a, b)];
  const [old, fresh] = [await a.index(), await b.index()];
  const causes = indexCauses(old, fresh);
  if (!causes.some((cause) => cause.class === "files")) {
    const order = orderCause(old, fresh);
    if (order !== undefined) causes.push(order);
  }
  if (causes.length === 0) causes.push(await tarCause(a, b, old));
  return causes;
}

function indexCauses(a: LayerIndex, b: LayerIndex): ImageCause[] {
  const found = new Map<DifferenceClass, Gathered>();
  compareTrees(
    [a],
    [b],
    (difference) => {
      const { kind, reasons, aEntry, bEntry } = difference;
      const at = Math.max(aEntry < 0 ? -1 : a.headerOffset(aEntry), bEntry < 0 ? -1 : b.headerOffset(bEntry));
      const classes =
        kind === "changed" ? reasonNames(reasons).map((name) => CLASS_OF_REASON[name]) : ["files" as const];
      for (const one of new Set(classes)) {
        if (one !== undefined)
          gather(
            found,
            one,
            at,
            () => difference.path(),
            () => valuesOf(one, a, aEntry, b, bEntry),
          );
      }
      return true;
    },
    { times: true, own: true },
  );
  return [...found].map(([kind, { path, count, before, after }]) => {
    const shown = fromByteString(path);
    return { class: kind, message: messageOf(kind, shown, before, after), path: shown, count, before, after };
  });
}

function gather(
  found: Map<DifferenceClass, Gathered>,
  kind: DifferenceClass,
  at: number,
  path: () => ByteString,
  values: () => readonly [string, string],
): void {
  const known = found.get(kind);
  if (known === undefined || at < known.at) {
    const [before, after] = values();
    found.set(kind, { count: (known?.count ?? 0) + 1, at, path: path(), before, after });
  } else known.count++;
}

function valuesOf(
  kind: DifferenceClass,
  a: LayerIndex,
  aEntry: number,
  b: LayerIndex,
  bEntry: number,
): readonly [string, string] {
  const told = (index: LayerIndex, entry: number): string => (entry < 0 ? "none" : valueAt(kind, index, entry));
  return [told(a, aEntry), told(b, bEntry)];
}

function valueAt(kind: DifferenceClass, index: LayerIndex, entry: number): string {
  switch (kind) {
    case "mode":
      return index.mode(entry).toString(8).padStart(4, "0");
    case "owner":
      return `${index.uid(entry)}:${index.gid(entry)}`;
    case "mtime":
      return timeText(index.mtime(entry));
    case "content":
      return `${index.size(entry)} bytes, sha256:${index.digestHex(entry)?.slice(0, 12) ?? "unknown"}`;
    case "link":
      return fromByteString(index.link(entry) ?? "none").slice(0, 200);
    case "device":
      return index.device(entry)?.join(":") ?? "none";
    case "xattr":
      return (
        Object.keys(index.xattrs(entry) ?? {})
          .sort()
          .join(", ")
          .slice(0, 200) || "none"
      );
    case "opaque":
      return index.isOpaque(entry) ? "opaque" : "not opaque";
    default:
      return index.type(entry);
  }
}

/** A time that no calendar has is told in seconds. */
function timeText(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().replace(".000Z", "Z");
}

function messageOf(kind: DifferenceClass, path: string, before: string, after: string): string {
  const name = `/${path}`;
  if (kind !== "files") return `${name} has another ${kind}: ${before}, then ${after}`;
  return after === "none" ? `${name} (${before}) is only in the first` : `${name} (${after}) is only in the second`;
}

function orderCause(a: LayerIndex, b: LayerIndex): ImageCause | undefined {
  const [first, second] = [inOrder(a), inOrder(b)];
  const length = Math.min(first.length, second.length);
  for (let at = 0; at < length; at++) {
    const [before, after] = [a.path(first[at]!), b.path(second[at]!)].map(fromByteString);
    if (before === after) continue;
    return {
      class: "order",
      message: `member ${at} of the tar is /${before}, then /${after}`,
      path: before,
      before,
      after,
    };
  }
  return undefined;
}

/** Entries as they stand in the tar. */
function inOrder({ columns }: LayerIndex): Uint32Array {
  const { count, headerOffsets } = columns;
  const entries = new Uint32Array(count);
  let length = 0;
  for (let entry = 0; entry < count; entry++) if (headerOffsets[entry]! >= 0) entries[length++] = entry;
  return entries.subarray(0, length).sort((x, y) => headerOffsets[x]! - headerOffsets[y]!);
}

/** The indexes are alike: what differs is how the same members are written. */
async function tarCause(a: OpenedLayer, b: OpenedLayer, index: LayerIndex): Promise<ImageCause> {
  const offset = await firstDifference(a.tar(), b.tar());
  const entries = inOrder(index);
  const { headerOffsets } = index.columns;
  const entry = entries.findLast((one) => headerOffsets[one]! <= offset);
  if (entry === undefined)
    return { class: "tar", message: `the tars differ at byte ${offset}, before their first member` };
  const path = fromByteString(index.path(entry));
  const inMember = offset - headerOffsets[entry]!;
  const field = inMember < 512 ? FIELDS.findLast(([start]) => start <= inMember)?.[1] : undefined;
  const where = field === undefined ? `in or behind /${path}` : `in the header of /${path}, field ${field}`;
  return { class: "tar", message: `the same members are written otherwise: at byte ${offset}, ${where}`, path };
}

/** Where two streams first differ; the end of the shorter one if that is all. */
async function firstDifference(a: AsyncIterable<Buffer>, b: AsyncIterable<Buffer>): Promise<number> {
  const other = b[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  let at = 0;
  try {
    for await (const chunk of a) {
      for (let left = chunk; left.length > 0; ) {
        if (rest.length === 0) {
          const next = await other.next();
          if (next.done) return at;
          rest = next.value;
          continue;
        }
        const length = Math.min(left.length, rest.length);
        if (left.compare(rest, 0, length, 0, length) !== 0) {
          for (let byte = 0; byte < length; byte++) if (left[byte] !== rest[byte]) return at + byte;
        }
        at += length;
        left = left.subarray(length);
        rest = rest.subarray(length);
      }
    }
    return at;
  } finally {
    await other.return?.();
  }
}

/** Both unpack to the same tar. */
async function compressionCause(a: OpenedLayer, b: OpenedLayer): Promise<ImageCause> {
  const [x, y] = [a.descriptor, b.descriptor];
  if (x.mediaType !== y.mediaType) {
    return {
      class: "compression",
      message: `the same tar is a ${x.mediaType}, then a ${y.mediaType}`,
      before: x.mediaType,
      after: y.mediaType,
    };
  }
  const [head, other] = [await a.blobRange(0, 10), await b.blobRange(0, 10)];
  const isGzip = [head, other].every((bytes) => bytes.length === 10 && bytes.readUInt16BE(0) === 0x1f8b);
  if (isGzip && !head.equals(other)) {
    const [before, after] = [gzipHeader(head), gzipHeader(other)];
    return { class: "gzip-header", message: `the gzip headers differ: ${before}, then ${after}`, before, after };
  }
  const [before, after] = [`${x.size} bytes`, `${y.size} bytes`];
  return {
    class: "compression",
    message: `the same tar is compressed to ${before}, then to ${after}, with another level or program`,
    before,
    after,
  };
}

/** RFC 1952, 2.3. */
function gzipHeader(head: Buffer): string {
  return `mtime ${head.readUInt32LE(4)}, flags ${head[3]}, extra flags ${head[8]}, system ${head[9]}`;
}
