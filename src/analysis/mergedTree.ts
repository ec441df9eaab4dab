/** Layers of an opened image on top of each other. */
import pLimit from "p-limit";
import type { LayerContent } from "../layer/layerContent.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import { LayerTree, type MergedNode } from "../layer/layerTree.js";
import { NacreError } from "../support/errors.js";
import { placeOf } from "./layerFacts.js";
import type { OpenedImage } from "./types.js";

/** Layers that are read at a time where their indexes are not at hand: each may need memory for its largest directory. */
const READERS = 2;

/**
 * The indexes of an image's layers, lowest first. Those that are not at hand are made.
 * @param upTo number of the last layer; default: all
 * @throws NacreError as OpenedLayer.index
 */
export async function indexesOf(image: OpenedImage, upTo = image.layers.length - 1): Promise<LayerIndex[]> {
  const limit = pLimit(READERS);
  return Promise.all(image.layers.slice(0, upTo + 1).map((layer) => limit(() => layer.index())));
}

/** The merged tree of a stack, for lookups; contents are read with {@link readNode}. */
export async function treeOf(image: OpenedImage, upTo?: number): Promise<LayerTree> {
  const indexes = await indexesOf(image, upTo);
  return new LayerTree(indexes.map((index) => ({ index, content: NO_CONTENT })));
}

/** The indexes as they read on top of each other (parents that are symlinks below are followed): what `walkStack` takes. */
export function stackOf(tree: LayerTree): LayerIndex[] {
  return tree.layers.map(({ index }) => index);
}

/**
 * The content of a regular file of the merged tree.
 * @throws NacreError as OpenedLayer.read
 */
export function readNode(image: OpenedImage, tree: LayerTree, node: MergedNode): AsyncIterable<Buffer> {
  const { layer, entry } = tree.contentNode(node);
  const place = placeOf(tree.layers[layer]!.index, entry);
  if (place === undefined) throw new NacreError("INTERNAL", "a node without content was to be read");
  return image.layers[layer]!.read(place);
}

/** All bytes of a file of the merged tree, where they are at most `limit`; undefined if there is no regular file. */
export async function readSmall(
  image: OpenedImage,
  tree: LayerTree,
  node: MergedNode | undefined,
  limit: number,
): Promise<Buffer | undefined> {
  if (node?.type !== "file" || node.size > limit) return undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of readNode(image, tree, node)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Paths are looked up and walked here; contents come from {@link OpenedImage.layers}. */
export const NO_CONTENT: LayerContent = {
  prepare: async () => {},
  read: () => {
    throw new NacreError("INTERNAL", "contents of an opened image are read through its layers");
  },
};
