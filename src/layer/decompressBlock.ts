/** Unpacking one block of a layer by itself; see blockCuts.ts. */
import { promisify } from "node:util";
import { constants, inflateRaw } from "node:zlib";
import { NacreError } from "../support/errors.js";
import { decompressStream } from "./decompress.js";
import type { BlockTable } from "./publishedIndex.js";

const inflate = promisify<Buffer, Parameters<typeof inflateRaw>[1], Buffer>(inflateRaw);

/**
 * The bytes of a block.
 * @param length what there must be
 * @throws NacreError COMPRESSION, LIMIT_EXCEEDED, CONTENT_INVALID if it is no block of that length
 */
export async function decompressBlock(codec: BlockTable["codec"], stored: Buffer, length: number): Promise<Buffer> {
  const bytes = await unpack(codec, stored, length);
  if (bytes.length === length) return bytes;
  throw new NacreError("CONTENT_INVALID", `a block has ${bytes.length} bytes where the table says ${length}`);
}

async function unpack(codec: BlockTable["codec"], stored: Buffer, length: number): Promise<Buffer> {
  if (codec === "none") return stored;
  if (codec === "gzip") return inflateBlock(stored, length);
  const pieces: Buffer[] = [];
  for await (const piece of decompressStream(one(stored), { format: "zstd", maxOutput: length })) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** A block is not the last one of its file: that its data end without an end is no damage. */
async function inflateBlock(stored: Buffer, length: number): Promise<Buffer> {
  try {
    return await inflate(stored, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: length,
      chunkSize: length + 64,
    });
  } catch (error) {
    throw new NacreError("COMPRESSION", "a block is not where the table says", { cause: error });
  }
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
