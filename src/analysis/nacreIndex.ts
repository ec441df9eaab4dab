/** Layers whose index was published beside them (`push --layer-index`); see layer/publishedIndex.ts. */
import { decompressStream } from "../layer/decompress.js";
import { decodePublishedIndex, MAX_PUBLISHED_BYTES, MAX_UNPACKED_BYTES } from "../layer/publishedIndex.js";
import { layerIndexOf } from "../oci/layerIndexes.js";
import { NacreError } from "../support/errors.js";
import { BlockReader } from "./blockReader.js";
import { allOf, type LazyLayer, type RangedBlob } from "./rangedBlob.js";

/**
 * Opens a layer by the index that was published of it; undefined if the manifest names none.
 * @param warn told if it turns out later that the index does not fit the layer
 * @throws NacreError CONTENT_INVALID, COMPRESSION, LIMIT_EXCEEDED, NETWORK, DENIED, CANCELLED
 */
export async function openNacreIndex(
  blob: RangedBlob,
  warn: (error: NacreError) => void,
): Promise<LazyLayer | undefined> {
  const wanted = layerIndexOf(blob.descriptor);
  if (wanted === undefined) return undefined;
  if (wanted.size > MAX_PUBLISHED_BYTES)
    throw new NacreError("LIMIT_EXCEEDED", `it has more than ${MAX_PUBLISHED_BYTES} bytes`);
  const source = await blob.beside?.(wanted);
  if (source === undefined) throw invalid("it is not where the image is");
  const stored = await allOf(source, wanted.size, "it");
  if (stored.length < wanted.size) throw invalid("it is shorter than the manifest says");
  const unpacked = decompressStream(one(stored), { format: "gzip", maxOutput: MAX_UNPACKED_BYTES });
  const { digest, size, diffId, index, table } = decodePublishedIndex(await allOf(unpacked, MAX_UNPACKED_BYTES, "it"));
  const isOurs = digest === blob.descriptor.digest && size === blob.descriptor.size;
  if (!isOurs || (blob.diffId !== undefined && diffId !== blob.diffId)) throw invalid("it is that of another layer");
  return new BlockReader(blob, index, table, warn);
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function invalid(why: string): NacreError {
  return new NacreError("CONTENT_INVALID", why);
}
