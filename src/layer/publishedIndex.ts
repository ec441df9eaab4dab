/**
 * The form in which the index of a layer is published beside the layer: the index itself, and where each block of the blob
 * begins that can be unpacked without what stands before it. Pure but for the compression.
 *
 * A gzip file of: 8 bytes of magic, the version, the length of a header in JSON (4 bytes each, little-endian), the header,
 * the index as {@link LayerIndex.encode} gives it. It is read back as something that anyone may have made.
 */
import { endianness } from "node:os";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import * as v from "valibot";
import { type DiffId, type Digest, isDigest } from "../oci/digest.js";
import { NacreError } from "../support/errors.js";
import { assertSound } from "./checkIndex.js";
import { LayerIndex } from "./layerIndex.js";

/** Most bytes that are published and read, compressed and not: about a million entries. A layer with more has none. */
export const MAX_PUBLISHED_BYTES = 48 << 20;
export const MAX_UNPACKED_BYTES = 128 << 20;

const MAGIC = "nacreLix";
const VERSION = 1;
const PREFIX_BYTES = 16;
/** Largest block, unpacked and as it lies in the blob: what writes layers makes none of more than half of that. */
const MAX_BLOCK_BYTES = 16 << 20;
/** Longest header: blocks of a layer of 100 GB. */
const MAX_HEADER_BYTES = 4 << 20;
/** What is not compressed is read in pieces of this. */
const PLAIN_BLOCK_BYTES = 256 << 10;
/** An index has numbers in the machine's own order; nearly all machines have this one. */
const isLittleEndian = endianness() === "LE";

/** Where the blocks of a layer are. Each list ends with where the last block ends. */
export interface BlockTable {
  readonly codec: "none" | "gzip" | "zstd";
  /** In the uncompressed tar; the first is 0. */
  readonly tarStarts: Float64Array;
  /** In the blob. */
  readonly blobStarts: Float64Array;
}

/** A layer of which an index is published. */
export interface IndexedBlob {
  readonly diffId: DiffId;
  readonly digest: Digest;
  /** Bytes of the blob. */
  readonly size: number;
}

/** What was read back. */
export interface PublishedIndex extends IndexedBlob {
  readonly index: LayerIndex;
  readonly table: BlockTable;
}

/** How a layer was put together; nothing for one that is not compressed. */
export interface LayerBlocks {
  /** Where blocks begin in the tar, the first at 0. */
  readonly cuts: readonly number[];
  /** Bytes of each block in the blob. */
  readonly lengths: readonly number[];
  /** Bytes of the blob before the first block. */
  readonly begin: number;
}

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const blockLength = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_BLOCK_BYTES));
const digest = v.custom<Digest>(isDigest);
const headerSchema = v.object({
  ...{ diffId: digest, digest, size },
  codec: v.picklist(["none", "gzip", "zstd"]),
  begin: size,
  blocks: v.array(v.tuple([blockLength, blockLength])),
});
type Header = v.InferOutput<typeof headerSchema>;

const compress = promisify(gzip);

/** The bytes that are published; undefined where this machine, or this layer, has no index that others could read. */
export async function encodePublishedIndex(
  blob: IndexedBlob,
  codec: BlockTable["codec"],
  index: LayerIndex,
  blocks?: LayerBlocks,
): Promise<Buffer | undefined> {
  if (!isLittleEndian || index.tarSize === 0) return undefined;
  const { diffId, digest, size } = blob;
  const { cuts = [], lengths = [], begin = 0 } = blocks ?? {};
  const pairs = lengths.map((length, at) => [(cuts[at + 1] ?? index.tarSize) - cuts[at]!, length] as const);
  const header = Buffer.from(JSON.stringify({ diffId, digest, size, codec, begin, blocks: pairs }));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.write(MAGIC, "latin1");
  prefix.writeUInt32LE(VERSION, 8);
  prefix.writeUInt32LE(header.length, 12);
  const bytes = Buffer.concat([prefix, header, index.encode()]);
  if (bytes.length > MAX_UNPACKED_BYTES || header.length > MAX_HEADER_BYTES) return undefined;
  const published = await compress(bytes);
  return published.length > MAX_PUBLISHED_BYTES ? undefined : published;
}

/**
 * Reads what was published, unpacked, and checks all that reading by it relies on.
 * @throws NacreError CONTENT_INVALID
 */
export function decodePublishedIndex(bytes: Buffer): PublishedIndex {
  if (bytes.length < PREFIX_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) throw invalid("it is no layer index");
  if (bytes.readUInt32LE(8) !== VERSION || !isLittleEndian) throw invalid("it is of another version");
  const length = bytes.readUInt32LE(12);
  const end = PREFIX_BYTES + length;
  if (end > bytes.length || length > MAX_HEADER_BYTES) throw invalid("its header is cut off, or too long");
  const header = parseHeader(bytes.toString("utf8", PREFIX_BYTES, end));
  const index = decodeIndex(bytes.subarray(end));
  const { diffId, digest, size } = header;
  return { diffId, digest, size, index, table: tableOf(header, index.tarSize) };
}

function parseHeader(text: string): Header {
  try {
    return v.parse(headerSchema, JSON.parse(text), { abortEarly: true });
  } catch (error) {
    throw invalid("its header is not what it should be", error);
  }
}

function decodeIndex(bytes: Buffer): LayerIndex {
  let index: LayerIndex;
  try {
    index = LayerIndex.decode(bytes);
  } catch (error) {
    throw invalid("the index in it is damaged or of another version", error);
  }
  assertSound(index.columns);
  return index;
}

function tableOf({ codec, begin, blocks, size, digest, diffId }: Header, tarSize: number): BlockTable {
  if (codec === "none") {
    if (digest !== diffId || size !== tarSize) throw invalid("the layer it tells of is not uncompressed");
    return plainTable(tarSize);
  }
  const tarStarts = startsOf(
    0,
    blocks.map(([length]) => length),
  );
  const blobStarts = startsOf(
    begin,
    blocks.map(([, length]) => length),
  );
  if (tarStarts.at(-1) !== tarSize) throw invalid("its blocks are not those of the whole layer");
  if (blobStarts.at(-1)! > size) throw invalid("its blocks lie outside of the layer");
  return { codec, tarStarts, blobStarts };
}

function plainTable(tarSize: number): BlockTable {
  const starts = new Float64Array(Math.ceil(tarSize / PLAIN_BLOCK_BYTES) + 1);
  for (let at = 0; at < starts.length; at++) starts[at] = Math.min(at * PLAIN_BLOCK_BYTES, tarSize);
  return { codec: "none", tarStarts: starts, blobStarts: starts };
}

function startsOf(first: number, lengths: readonly number[]): Float64Array {
  const starts = new Float64Array(lengths.length + 1);
  starts[0] = first;
  for (const [at, length] of lengths.entries()) starts[at + 1] = starts[at]! + length;
  return starts;
}

function invalid(why: string, cause?: unknown): NacreError {
  return new NacreError("CONTENT_INVALID", why, { cause });
}
