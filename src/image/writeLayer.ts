/** A layer that nacre makes itself, on its way into the store: written to a temporary file, then a blob with its index. */
import { closeSync, rmSync } from "node:fs";
import { createSink } from "../layer/chunkSink.js";
import { LayerWriter, type WrittenLayer } from "../layer/layerWriter.js";
import { layerType } from "../oci/mediaTypes.js";
import type { Store } from "../store/store.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { ioError } from "../support/errors.js";
import { layerIndex } from "./layers.js";

/** What a layer is made with. */
export interface LayerFilling {
  /** About how many bytes of content will come: a big layer is hashed and written by threads of its own. */
  readonly expected: number;
  /** Adds all entries. */
  readonly fill: (writer: LayerWriter) => Promise<void>;
  /** Something that the user should know. */
  readonly warn: (rule: string, message: string) => void;
}

/**
 * Makes a layer and takes it into the store.
 * @throws NacreError STORE, DISK_FULL, and what `fill` throws; nothing is left in the store then
 */
export async function storeWrittenLayer(store: Store, filling: LayerFilling): Promise<WrittenLayer> {
  const temp = store.tempFile();
  let layer: WrittenLayer;
  try {
    layer = await writeInto(temp.fd, filling);
  } catch (error) {
    closeSync(temp.fd);
    rmSync(temp.path, { force: true });
    throw ioError("STORE", `writing a layer to the store ${store.path}`, error);
  }
  await store.adoptBlob(temp.path, temp.fd, layer.diffId, layer.size);
  if (layer.reservedName === undefined) store.writeIndex(layer.diffId, layer.index.encode());
  else await indexReserved(store, layer, layer.reservedName, filling.warn);
  return layer;
}

async function writeInto(fd: number, { expected, fill }: LayerFilling): Promise<WrittenLayer> {
  const writer = new LayerWriter(createSink(fd, expected));
  try {
    await fill(writer);
    return await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** BuildKit writes such names as they are; whoever reads the layer takes them for whiteouts, and so does nacre. */
async function indexReserved(
  store: Store,
  { diffId, size }: WrittenLayer,
  name: ByteString,
  warn: LayerFilling["warn"],
): Promise<void> {
  const shown = JSON.stringify(fromByteString(name));
  warn("ReservedName", `${shown}: in a layer, a name that starts with .wh. means that a file is gone; exclude it`);
  await layerIndex(store, { diffId, descriptor: { mediaType: layerType("none"), digest: diffId, size } });
}
