/**
 * eStargz: a gzipped tar whose files begin members of their own. The last but one member holds a tar with the table of
 * contents, the last one is empty and tells in an extra field where that begins (stargz-snapshotter, docs/estargz.md).
 */
import { decompressStream } from "../layer/decompress.js";
import { isDigest } from "../oci/digest.js";
import { compressionOf } from "../oci/mediaTypes.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import type { TarEntry } from "../tar/entry.js";
import { TarScanner } from "../tar/scan.js";
import { allOf, type RangedBlob, readRange } from "./rangedBlob.js";
import { type FoundToc, MAX_TOC_BYTES, MAX_TOC_STORED } from "./tocIndex.js";

/** In the descriptor of a layer: the digest of the table. */
export const TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest";
/** Beside it: bytes of the tar. */
const TAR_SIZE = "io.containers.estargz.uncompressed-size";
const TOC_NAME = "stargz.index.json";
const FOOTER_BYTES = 51;
/** Where the extra field of the footer has the position, as 16 hex digits, and how it goes on. */
const POSITION = /^[0-9a-f]{16}STARGZ$/;

/**
 * Finds the table of contents of an eStargz layer.
 * @param isAny look for one of which the manifest does not speak, too
 * @throws NacreError CONTENT_INVALID, COMPRESSION, TAR_INVALID, LIMIT_EXCEEDED, NETWORK
 */
export async function openEstargz(blob: RangedBlob, isAny: boolean): Promise<FoundToc | undefined> {
  const { annotations = {}, mediaType, size } = blob.descriptor;
  const wanted = annotations[TOC_DIGEST];
  if (wanted === undefined && !(isAny && compressionOf(mediaType) === "gzip")) return undefined;
  if (wanted !== undefined && !isDigest(wanted)) throw invalid(`its digest is ${JSON.stringify(wanted.slice(0, 100))}`);
  const position =
    size < FOOTER_BYTES ? undefined : positionIn(await readRange(blob, size - FOOTER_BYTES, FOOTER_BYTES));
  if (position === undefined || position > size - FOOTER_BYTES) {
    // What the manifest does not promise need not be there.
    if (wanted === undefined) return undefined;
    throw invalid("the footer does not say where it is");
  }
  const { entry, content, offset } = await readTable(blob, position, size - FOOTER_BYTES - position);
  if (wanted !== undefined && `sha256:${sha256Hex(content)}` !== wanted)
    throw invalid("it is not of the digest that the manifest gives");
  return {
    ...{ format: "estargz", isVerified: wanted !== undefined, content, end: position },
    // The table itself is a file of the layer.
    own: { entry, digest: sha256Hex(content), offset: position, inner: offset, end: size - FOOTER_BYTES },
    tarSize: tarSizeOf(annotations[TAR_SIZE]),
  };
}

function positionIn(footer: Buffer): number | undefined {
  const isFooter = footer.readUInt32BE(0) === 0x1f8b0804 && footer.toString("latin1", 12, 14) === "SG";
  const text = footer.toString("latin1", 16, 38);
  if (!isFooter || footer.readUInt16LE(14) !== 22 || !POSITION.test(text)) return undefined;
  return Number.parseInt(text.slice(0, 16), 16);
}

interface TableMember {
  readonly entry: TarEntry;
  readonly content: Buffer;
  /** Where its content begins in the unpacked member. */
  readonly offset: number;
}

async function readTable(blob: RangedBlob, position: number, length: number): Promise<TableMember> {
  if (length > MAX_TOC_STORED) throw tooLarge();
  const stored = await readRange(blob, position, length);
  const tar = await allOf(
    decompressStream(one(stored), { format: "gzip", maxOutput: MAX_TOC_BYTES }),
    MAX_TOC_BYTES,
    "it",
  );
  let found: { readonly entry: TarEntry; readonly offset: number } | undefined;
  const scanner = new TarScanner({
    entry: (entry, _, offset) => {
      found ??= { entry, offset };
    },
  });
  scanner.write(tar);
  if (found?.entry.path !== TOC_NAME || found.entry.type !== "file") throw invalid(`there is no ${TOC_NAME}`);
  const { entry, offset } = found;
  if (offset + entry.size > tar.length) throw invalid("it is cut off");
  return { entry, offset, content: tar.subarray(offset, offset + entry.size) };
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function tarSizeOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function tooLarge(): NacreError {
  return new NacreError("LIMIT_EXCEEDED", `it has more than ${MAX_TOC_STORED} bytes`);
}

function invalid(why: string): NacreError {
  return new NacreError("CONTENT_INVALID", why);
}
