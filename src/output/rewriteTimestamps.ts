/**
 * Layers with their times clamped to SOURCE_DATE_EPOCH (BuildKit: rewrite-timestamp). A rewritten layer is a layer of
 * its own in the store, with another diffID, and is found again there the next time.
 */
import type { ImageLayer } from "../image/image.js";
import type { OpenLayers } from "../image/layers.js";
import { LayerIndexer } from "../layer/indexTar.js";
import type { LayerContent } from "../layer/layerTree.js";
import { isDigest } from "../oci/digest.js";
import { OCI_LAYER } from "../oci/mediaTypes.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { TarScanner } from "../tar/scan.js";
import { TarWriter } from "../tar/write.js";

/** Raised when the bytes of rewritten layers change. */
const REWRITE_VERSION = 1;
const CHUNK_BYTES = 256 << 10;

/**
 * The layer with every time after `epoch` set to it; the layer itself if it has none. Access and change times, which
 * nacre never writes, are left out.
 * @param epoch seconds since 1970
 * @throws NacreError TAR_INVALID, CONTENT_INVALID, CANCELLED, DISK_FULL
 */
export async function rewriteTimestamps(
  store: Store,
  opened: OpenLayers,
  layer: ImageLayer,
  epoch: number,
  signal?: AbortSignal,
): Promise<ImageLayer> {
  const { index, content } = await opened.layer(layer);
  if (!index.columns.mtimes.some((time) => time > epoch)) return layer;
  const key = sha256Hex(`rewritten layer ${REWRITE_VERSION} ${epoch} ${layer.diffId}`);
  const known = store.readBlock(key)?.toString();
  if (isDigest(known) && store.hasIndex(known)) {
    const size = store.blobSize(known);
    if (size !== undefined) return { diffId: known, descriptor: { mediaType: OCI_LAYER, digest: known, size } };
  }
  await content.prepare();
  const rewritten = await rewrite(store, content, epoch, signal);
  store.writeBlock(key, Buffer.from(rewritten.diffId));
  return rewritten;
}

async function rewrite(
  store: Store,
  content: LayerContent,
  epoch: number,
  signal: AbortSignal | undefined,
): Promise<ImageLayer> {
  const blob = store.createBlob();
  try {
    const indexer = new LayerIndexer();
    const writer = new TarWriter((chunk) => {
      blob.write(chunk);
      indexer.write(chunk);
    });
    const scanner = new TarScanner({
      entry: (entry) => writer.add({ ...entry, mtime: Math.min(entry.mtime, epoch) }),
      content: (chunk) => writer.write(chunk),
    });
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (let at = 0, got = -1; got !== 0; at += got) {
      if (signal?.aborted) throw new NacreError("CANCELLED", "stopped while times in a layer were being rewritten");
      got = content.read(chunk, 0, chunk.length, at);
      scanner.write(chunk.subarray(0, got));
      await new Promise(setImmediate);
    }
    scanner.end();
    writer.end();
    const { index, diffId, size } = indexer.end();
    await blob.commit(diffId);
    store.writeIndex(diffId, index.encode());
    store.addLayerBlob(diffId, { digest: diffId, size, mediaType: OCI_LAYER });
    return { diffId, descriptor: { mediaType: OCI_LAYER, digest: diffId, size } };
  } catch (error) {
    blob.abort();
    throw error;
  }
}
