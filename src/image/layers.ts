/**
 * Layers in the store: taking a blob in with its index, and opening indexes and contents of layers that are there. What
 * reads layers is loaded when one is read: a build that finds everything in the cache reads none.
 */
import { closeSync, createReadStream } from "node:fs";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { LayerContent, LayerTree, StackedLayer } from "../layer/layerTree.js";
import type { WindowReader } from "../layer/windowReader.js";
import type { DiffId } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import type { BlobWriter, Store } from "../store/store.js";
import type { ByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { ImageLayer } from "./image.js";

/**
 * Takes a layer blob into the store in one pass: its bytes are kept as they come, decompressed and indexed on the way.
 * @param descriptor what the blob must be: digest and size are checked
 * @param diffId what its uncompressed bytes must be
 * @param blob where the bytes go; aborted if anything fails
 * @throws NacreError CONTENT_INVALID, TAR_INVALID, COMPRESSION, LIMIT_EXCEEDED; nothing is kept then
 */
export async function storeLayer(
  store: Store,
  source: AsyncIterable<Buffer>,
  descriptor: Descriptor | undefined,
  mediaType: string,
  diffId?: DiffId,
  blob: BlobWriter = store.createBlob(),
): Promise<ImageLayer> {
  try {
    const { decompressStream, LayerIndexer } = await readers();
    const indexer = new LayerIndexer();
    const tee = async function* (): AsyncIterable<Buffer> {
      let size = 0;
      for await (const chunk of source) {
        size += chunk.length;
        if (descriptor && size > descriptor.size) throw wrongBytes(descriptor, `more than ${descriptor.size} bytes`);
        blob.write(chunk);
        yield chunk;
      }
      if (descriptor && size !== descriptor.size)
        throw wrongBytes(descriptor, `${size} bytes instead of ${descriptor.size}`);
    };
    for await (const chunk of decompressStream(tee())) indexer.write(chunk);
    const layer = indexer.end();
    if (diffId !== undefined && layer.diffId !== diffId) {
      throw new NacreError("CONTENT_INVALID", `a layer's content is ${layer.diffId}, the config says ${diffId}`, {
        hint: "the image is damaged; get it again from where it came from",
      });
    }
    const { digest, size } = await blob.commit(descriptor?.digest);
    store.writeIndex(layer.diffId, layer.index.encode());
    store.addLayerBlob(layer.diffId, { digest, size, mediaType });
    return { diffId: layer.diffId, descriptor: descriptor ?? { mediaType, digest, size } };
  } catch (error) {
    blob.abort();
    throw error;
  }
}

/**
 * The index of a layer: the stored one, or, where that is missing or damaged, made anew from the blob.
 * @throws NacreError CONTENT_INVALID if the blob is not what the layer says
 */
export async function layerIndex(store: Store, layer: ImageLayer): Promise<LayerIndex> {
  const stored = store.readIndex(layer.diffId);
  if (stored) {
    const { LayerIndex } = await import("../layer/layerIndex.js");
    try {
      return LayerIndex.decode(stored);
    } catch {
      // Derived data: made again below.
    }
  }
  const { LayerIndexer } = await readers();
  const indexer = new LayerIndexer();
  for await (const chunk of uncompressed(store, layer)) indexer.write(chunk);
  const { index, diffId } = indexer.end();
  if (diffId !== layer.diffId)
    throw new NacreError("CONTENT_INVALID", `the layer ${layer.diffId} has another content in the store`, {
      hint: "find what else is damaged with: nacre check",
    });
  store.writeIndex(diffId, index.encode());
  return index;
}

/** Layers opened for reading through their indexes. Close it when nothing reads any more. */
export class OpenLayers {
  readonly #store: Store;
  readonly #opening = new Map<DiffId, Promise<StackedLayer>>();
  readonly #opened: { readonly close: () => void }[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** The merged tree of a stack of layers, lowest first. */
  async tree(layers: readonly ImageLayer[]): Promise<LayerTree> {
    const stack: StackedLayer[] = [];
    for (const layer of layers) stack.push(await this.layer(layer));
    const { LayerTree } = await import("../layer/layerTree.js");
    return new LayerTree(stack);
  }

  /** One layer; the same object for the same diffID. */
  layer(layer: ImageLayer): Promise<StackedLayer> {
    let opening = this.#opening.get(layer.diffId);
    if (opening === undefined) {
      opening = this.#open(layer);
      this.#opening.set(layer.diffId, opening);
      opening.catch(() => this.#opening.delete(layer.diffId));
    }
    return opening;
  }

  close(): void {
    for (const layer of this.#opened) layer.close();
    this.#opening.clear();
    this.#opened.length = 0;
  }

  async #open(layer: ImageLayer): Promise<StackedLayer> {
    const index = await layerIndex(this.#store, layer);
    const { content, close } = openContent(this.#store, layer);
    this.#opened.push({ close });
    return { index, content };
  }
}

/**
 * Checks that every hard link of an image leads to something: within its layer, or in the layers below it. No container
 * runtime unpacks a layer of which that is not true.
 * @param layers lowest first
 * @throws NacreError CONTENT_INVALID
 */
export async function checkHardLinks(store: Store, layers: readonly ImageLayer[]): Promise<void> {
  const opened = new OpenLayers(store);
  try {
    for (const [number, layer] of layers.entries()) {
      const { index } = await opened.layer(layer);
      const open = openLinks(index);
      if (open.length === 0) continue;
      const { lookup } = await import("../layer/fileTree.js");
      const tree = await opened.tree(layers.slice(0, number + 1));
      // Looking a name up makes the tree resolve it, or refuse.
      for (const path of open) lookup(tree, path);
    }
  } finally {
    opened.close();
  }
}

/** Hard links whose targets are not in their own layer. */
function openLinks(index: LayerIndex): ByteString[] {
  const entries = Object.keys(index.columns.extras.links).map(Number);
  return entries
    .filter((entry) => index.type(entry) === "hardlink" && index.contentOffset(entry) < 0)
    .map((entry) => index.path(entry));
}

function openContent(store: Store, layer: ImageLayer): { readonly content: LayerContent; close(): void } {
  let fd: number | undefined;
  let reader: WindowReader | undefined;
  const content: LayerContent = {
    prepare: async () => {
      if (reader !== undefined) return;
      const { WindowReader } = await import("../layer/windowReader.js");
      fd ??= store.tryOpenBlob(layer.diffId);
      if (fd === undefined) {
        await decodeCompanion(store, layer);
        fd = store.openBlob(layer.diffId);
      }
      reader ??= new WindowReader(fd);
    },
    read: (target, at, length, position) => {
      if (reader === undefined) {
        throw new NacreError("INTERNAL", `the layer ${layer.diffId} was read before it was prepared`);
      }
      return reader.read(target, at, length, position);
    },
  };
  return {
    content,
    close: () => {
      reader?.close();
      reader = undefined;
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

/** Decodes a compressed layer once; the uncompressed blob, whose digest is the diffID, answers all later reads. */
async function decodeCompanion(store: Store, layer: ImageLayer): Promise<void> {
  const blob = store.createBlob();
  try {
    for await (const chunk of uncompressed(store, layer)) blob.write(chunk);
    await blob.commit(layer.diffId);
  } catch (error) {
    blob.abort();
    throw error;
  }
}

async function* uncompressed(store: Store, layer: ImageLayer): AsyncGenerator<Buffer> {
  const { decompressStream } = await readers();
  // By descriptor: a companion may be removed between a look and the next.
  const fd = store.tryOpenBlob(layer.diffId) ?? store.openBlob(layer.descriptor.digest);
  yield* decompressStream(createReadStream("", { fd, highWaterMark: 256 << 10 }));
}

async function readers() {
  const [{ decompressStream }, { LayerIndexer }] = await Promise.all([
    import("../layer/decompress.js"),
    import("../layer/indexTar.js"),
  ]);
  return { decompressStream, LayerIndexer };
}

function wrongBytes(descriptor: Descriptor, what: string): NacreError {
  return new NacreError("CONTENT_INVALID", `the blob ${descriptor.digest} has ${what}`, {
    hint: "the archive or transfer is damaged; get it again from where it came from",
  });
}
