/**
 * Layers with a table of contents of their own (eStargz, zstd:chunked): listed and read by ranges, so that a file of a remote
 * image costs a few small requests. None is recognized yet.
 */
import type { LayerIndex } from "../layer/layerIndex.js";
import type { FilePlace, OpenedLayer } from "./types.js";

/** A layer that is read through its own table of contents. */
export interface LazyLayer {
  /** Made of the table: whatever that leaves out is missing here too, so it is never kept as the layer's index. */
  readonly index: LayerIndex;
  read(place: FilePlace): AsyncIterable<Buffer>;
}

/** Opens a layer's own table of contents; undefined if it has none that can be trusted. */
export async function openLazyLayer(_layer: OpenedLayer): Promise<LazyLayer | undefined> {
  return undefined;
}
