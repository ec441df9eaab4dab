/**
 * zstd:chunked: a tar in zstd whose files begin frames of their own. Skippable frames at the end hold the table of contents,
 * itself compressed, and a footer that tells where it is; the annotations of the layer say the same, and its digest
 * (containers/storage, pkg/chunked).
 */
import { decompressStream } from "../layer/decompress.js";
import { isDigest } from "../oci/digest.js";
import { compressionOf } from "../oci/mediaTypes.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { allOf, type RangedBlob, readRange } from "./rangedBlob.js";
import { type FoundToc, MAX_TOC_BYTES, MAX_TOC_STORED } from "./tocIndex.js";

/** Annotations have been renamed; layers of both kinds are about. */
const PREFIXES = ["io.github.containers.zstd-chunked.", "io.containers.zstd-chunked."];
const FOOTER_MAGICS: readonly string[] = ["GNUlInUx", "GnUlInUx"];
/** Footers of both lengths begin with position, length and unpacked length of the table, and its type. */
const FOOTER_BYTES = [64, 40] as const;
const FRAME_HEADER_BYTES = 8;
const TYPE_CRFS = 1;

interface Position {
  readonly offset: number;
  readonly length: number;
  readonly unpacked: number;
  readonly type: number;
}

/**
 * Finds the table of contents of a zstd:chunked layer.
 * @param isAny look for one of which the manifest does not speak, too
 * @throws NacreError CONTENT_INVALID, COMPRESSION, LIMIT_EXCEEDED, NETWORK
 */
export async function openZstdChunked(blob: RangedBlob, isAny: boolean): Promise<FoundToc | undefined> {
  const { annotations = {}, mediaType, size } = blob.descriptor;
  const told = (name: string): string | undefined =>
    PREFIXES.map((prefix) => annotations[prefix + name]).find((text) => text !== undefined);
  const digest = told("manifest-checksum");
  const told_position = told("manifest-position");
  const isTold = digest !== undefined && told_position !== undefined;
  if (!isTold && !(isAny && compressionOf(mediaType) === "zstd")) return undefined;
  if (isTold && !isDigest(digest)) throw invalid(`its digest is ${JSON.stringify(digest.slice(0, 100))}`);
  const position = isTold ? parsePosition(told_position) : await positionInFooter(blob);
  if (position === undefined) return undefined;
  const { offset, length, unpacked, type } = position;
  if (type !== TYPE_CRFS) throw invalid(`it is of the unknown type ${type}`);
  if (offset < FRAME_HEADER_BYTES || offset + length > size) throw invalid("it lies outside of the layer");
  if (length > MAX_TOC_STORED || unpacked > MAX_TOC_BYTES) {
    throw new NacreError("LIMIT_EXCEEDED", `it has more than ${MAX_TOC_STORED} bytes`);
  }
  const stored = await readRange(blob, offset, length);
  if (isTold && `sha256:${sha256Hex(stored)}` !== digest)
    throw invalid("it is not of the digest that the manifest gives");
  const content = await allOf(decompressStream(one(stored)), MAX_TOC_BYTES, "it");
  return { format: "zstd:chunked", isVerified: isTold, content, end: offset - FRAME_HEADER_BYTES };
}

function parsePosition(text: string): Position {
  const [, offset, length, unpacked, type] = /^(\d{1,15}):(\d{1,15}):(\d{1,15}):(\d{1,9})$/.exec(text) ?? [];
  if (type === undefined) throw invalid(`its position is ${JSON.stringify(text.slice(0, 100))}`);
  return { offset: Number(offset), length: Number(length), unpacked: Number(unpacked), type: Number(type) };
}

async function positionInFooter(blob: RangedBlob): Promise<Position | undefined> {
  const { size } = blob.descriptor;
  const length = Math.min(size, FOOTER_BYTES[0]);
  const tail = await readRange(blob, size - length, length);
  if (!FOOTER_MAGICS.includes(tail.toString("latin1", length - 8))) return undefined;
  // The longer footer names a position before the shorter one's: its frame tells which of them it is.
  const header = await readRange(blob, Math.max(0, size - FOOTER_BYTES[0] - FRAME_HEADER_BYTES), FRAME_HEADER_BYTES);
  const isLong = header.readUInt32LE(4) === FOOTER_BYTES[0] && header.readUInt32LE(0) === 0x184d2a50;
  const footer = tail.subarray(length - (isLong ? FOOTER_BYTES[0] : FOOTER_BYTES[1]));
  const [offset, stored, unpacked, type] = [0, 8, 16, 24].map((at) => Number(footer.readBigUInt64LE(at)));
  return { offset: offset!, length: stored!, unpacked: unpacked!, type: type! };
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function invalid(why: string): NacreError {
  return new NacreError("CONTENT_INVALID", why);
}
