/**
 * Taking images apart. In come a text that says where an image is (a name, an archive, an engine, a registry) and the world
 * to look for it in; out comes the image, open for reading: manifest and config at once, indexes and contents of layers when
 * they are asked for. Nothing is unpacked, no daemon is needed, nothing is written but indexes, which the store keeps for
 * the next look. What the questions are (tree, diff, waste, …) stands in the modules beside this one.
 */
import type { LayerIndex } from "../layer/layerIndex.js";
import type { LayerTree } from "../layer/layerTree.js";
import type { Store } from "../store/store.js";
import type { ImageHistory } from "./imageHistory.js";
import type { ImageListing, ImageQuery } from "./imageList.js";
import type { ImageInspection } from "./inspectImage.js";
import type { ImageWorld, OpenedImage, OpenOptions } from "./types.js";

export { type StackCursor, type StackVisitor, type WalkOptions, walkStack } from "./stackWalk.js";
export type {
  FilePlace,
  HistoryRow,
  ImagePlaceKind,
  ImageWorld,
  LayerObstacle,
  LayerStats,
  OpenedImage,
  OpenedIndex,
  OpenedLayer,
  OpenOptions,
} from "./types.js";

/**
 * Opens an image for reading.
 * @param spec a name, digest or id of the store; `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`;
 *   the path of such a file or directory; `docker://NAME`, or a name that the store lacks; `docker-daemon:NAME`;
 *   `containers-storage:NAME`; `store:NAME`
 * @throws NacreError IMAGE_NOT_FOUND, USAGE, REFERENCE_INVALID, CONTENT_INVALID, TAR_INVALID, COMPRESSION, LIMIT_EXCEEDED,
 *   NETWORK, DENIED, CREDENTIALS, TOOL_MISSING, CANCELLED
 */
export async function openImage(spec: string, world: ImageWorld, options: OpenOptions = {}): Promise<OpenedImage> {
  const { openAnywhere } = await import("./openImage.js");
  return openAnywhere(spec, world, options);
}

/**
 * Opens an image, works with it and closes it.
 * @throws NacreError as {@link openImage}; what the work throws
 */
export async function withImage<T>(
  spec: string,
  world: ImageWorld,
  options: OpenOptions,
  work: (image: OpenedImage) => Promise<T>,
): Promise<T> {
  const image = await openImage(spec, world, options);
  try {
    return await work(image);
  } finally {
    await image.close();
  }
}

/**
 * The tree that a container would see, for looking up single paths. To walk all of a big image use
 * {@link layerStack} and {@link walkStack}: that makes no object for a file.
 * @param upTo number of the last layer that counts; default: all of them
 * @throws NacreError as OpenedLayer.index
 */
export async function mergedTree(image: OpenedImage, upTo = image.layers.length - 1): Promise<LayerTree> {
  const { treeOf } = await import("./mergedTree.js");
  return treeOf(image, upTo);
}

/**
 * The indexes of an image's layers, lowest first, as they read on top of each other: what {@link walkStack} takes.
 * @param upTo number of the last layer that counts; default: all of them
 * @throws NacreError as OpenedLayer.index
 */
export async function layerStack(image: OpenedImage, upTo?: number): Promise<LayerIndex[]> {
  const { stackOf, treeOf } = await import("./mergedTree.js");
  return stackOf(await treeOf(image, upTo));
}

/** How an image is opened, and whether layers are read for their sizes (default: unless they are in a registry). */
export interface MeasureOptions extends OpenOptions {
  readonly measure?: boolean | undefined;
}

/**
 * The images of a store.
 * @throws NacreError USAGE for a bad filter, IMAGE_NOT_FOUND for one that names an image that is not there, STORE
 */
export async function listImages(store: Store, query: ImageQuery = {}): Promise<ImageListing> {
  const { listStoredImages } = await import("./imageList.js");
  return listStoredImages(store, query);
}

/**
 * The history of an image, newest line first, with what is known of its layers.
 * @throws NacreError as {@link openImage}, and OpenedLayer.index for layers that are measured
 */
export async function imageHistory(
  spec: string,
  world: ImageWorld,
  options: MeasureOptions = {},
): Promise<ImageHistory> {
  const { imageHistory: tell } = await import("./imageHistory.js");
  const { measure } = options;
  return withImage(spec, world, options, (image) => tell(image, { measure, store: world.store }));
}

/** A Dockerfile that could have made a history: lines. */
export async function reconstructDockerfile(history: ImageHistory): Promise<string[]> {
  return (await import("./reconstruct.js")).reconstructDockerfile(history);
}

/**
 * All that is known of an image, in the fields of `docker image inspect` and some more.
 * @throws NacreError as {@link imageHistory}
 */
export async function inspectImage(
  spec: string,
  world: ImageWorld,
  options: MeasureOptions = {},
): Promise<ImageInspection> {
  const { inspectOpened } = await import("./inspectImage.js");
  const { measure } = options;
  return withImage(spec, world, options, (image) => inspectOpened(image, { measure, store: world.store }));
}

/**
 * The very bytes of an image's manifest (or of the image index, if the name is one's and no platform is chosen) or config.
 * @throws NacreError as {@link openImage}
 */
export async function rawDocument(
  spec: string,
  which: "manifest" | "config",
  world: ImageWorld,
  options: OpenOptions = {},
): Promise<Buffer> {
  return (await import("./openImage.js")).rawBytes(spec, which, world, options);
}
