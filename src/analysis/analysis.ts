/**
 * Taking images apart. In come a text that says where an image is (a name, an archive, an engine, a registry) and the world
 * to look for it in; out comes the image, open for reading: manifest and config at once, indexes and contents of layers when
 * they are asked for. Nothing is unpacked, no daemon is needed, nothing is written but indexes, which the store keeps for
 * the next look. What the questions are (tree, diff, waste, …) stands in the modules beside this one.
 */
import type { Destination } from "../archive/destination.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { LayerTree } from "../layer/layerTree.js";
import type { Store } from "../store/store.js";
import type { DiffOptions, FileDiff, ImageDiff, LayerChoice } from "./diffTypes.js";
import type { DiveReport } from "./diveExport.js";
import type { ExtractOptions, ExtractReport } from "./extractTypes.js";
import type { FileListing } from "./fileListing.js";
import type { GateRules, GateSettings } from "./gateRules.js";
import type { GateContext, GateReport } from "./gateTypes.js";
import type { ImageCause } from "./imageDifferenceTypes.js";
import type { ImageHistory } from "./imageHistory.js";
import type { ImageListing, ImageQuery } from "./imageList.js";
import type { ViewChoice } from "./imageView.js";
import type { ImageInspection } from "./inspectImage.js";
import type { ListFilesOptions } from "./listImage.js";
import type { MeasureWasteOptions } from "./measureWaste.js";
import type { PathHistory } from "./pathHistory.js";
import type { ImageFile } from "./readFile.js";
import type { SizeReport, SizeReportOptions } from "./sizeReport.js";
import type { ImageWorld, OpenedImage, OpenOptions } from "./types.js";
import type { VerifyReport } from "./verifyTypes.js";
import type { ImageWaste } from "./wasteTypes.js";

export { DIVE_DEFAULTS, GATE_FILES } from "./gateDefaults.js";
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
  TocFacts,
  TocTrust,
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

/**
 * Lists the files of an image: as a container sees them, with the layers up to one, or what one layer lists and changes.
 * @throws NacreError as OpenedLayer.index; SOURCE_NOT_FOUND if the path is not there; USAGE for a malformed pattern, or a
 *   layer that is not there
 */
export async function listFiles(image: OpenedImage, options: ListFilesOptions = {}): Promise<FileListing> {
  return (await import("./listImage.js")).listImage(image, options);
}

/**
 * A file of an image, found; its content is read when it is asked for.
 * @throws NacreError as OpenedLayer.index; SOURCE_NOT_FOUND if it is not there or no regular file; USAGE for a layer that is
 *   not there
 */
export async function findFile(image: OpenedImage, path: string, choice: ViewChoice = {}): Promise<ImageFile> {
  return (await import("./readFile.js")).imageFile(image, path, choice);
}

/**
 * Writes a file of an image, or all that is in a directory, to the disk. Nothing outside the destination is written, whatever
 * the image or the destination hold.
 * @param destination what is in a directory goes into this directory; a file gets this name, or goes into this directory
 * @throws NacreError as {@link findFile}; OUTPUT, DISK_FULL, CANCELLED
 */
export async function extractFiles(
  image: OpenedImage,
  path: string,
  destination: string,
  options: ExtractOptions = {},
): Promise<ExtractReport> {
  return (await import("./extract.js")).extractPath(image, path, destination, options);
}

/**
 * Writes the same as a tar, names relative to the path.
 * @param destination a path, or a stream, which is not ended
 * @throws NacreError as {@link extractFiles}
 */
export async function extractToTar(
  image: OpenedImage,
  path: string,
  destination: Destination,
  options: Pick<ExtractOptions, "layer" | "upTo" | "signal"> = {},
): Promise<ExtractReport> {
  const { extractTar } = await import("./extract.js");
  const { writeDestination } = await import("../archive/destination.js");
  let report: ExtractReport | undefined;
  await writeDestination(destination, async (sink) => {
    report = await extractTar(image, path, sink, options);
  });
  return report!;
}

/**
 * What the layers of an image did to one path: which added, changed, removed it and brought it back.
 * @param options `follow`: of a symlink, what it leads to; `store`: where lines of Dockerfiles are looked for
 * @throws NacreError as OpenedLayer.index; SOURCE_NOT_FOUND if no layer ever had it
 */
export async function whichLayers(
  image: OpenedImage,
  path: string,
  options: { readonly follow?: boolean | undefined; readonly store?: Store | undefined } = {},
): Promise<PathHistory> {
  return (await import("./pathHistory.js")).pathHistory(image, path, options);
}

/**
 * The waste of an image: what its layers store and nobody sees, by cause, pair of layers, path and folder, with advice.
 * @throws NacreError as OpenedLayer.index
 */
export async function measureWaste(image: OpenedImage, options: MeasureWasteOptions = {}): Promise<ImageWaste> {
  return (await import("./measureWaste.js")).measureWaste(image, options);
}

/**
 * The same question answered with the numbers of the program dive, faults included.
 * @throws NacreError as OpenedLayer.index
 */
export async function measureAsDive(image: OpenedImage): Promise<DiveReport> {
  return (await import("./diveExport.js")).measureAsDive(image);
}

/**
 * Checks an image against the rules of a gate.
 * @param rules as they are written (`{"max-size": "500MB"}`), or read by {@link readGateRules} or {@link readGateFile}
 * @throws NacreError USAGE for rules that make no sense; as OpenedLayer.index
 */
export async function evaluateGate(
  image: OpenedImage,
  rules: GateRules | GateSettings,
  context: GateContext,
): Promise<GateReport> {
  return (await import("./gate.js")).evaluateGate(image, rules, context);
}

/**
 * How an image's size has changed since another: as a whole, by layer and by folder.
 * @throws NacreError as OpenedLayer.index, if files are looked at
 */
export async function sizeReport(
  image: OpenedImage,
  baseline: OpenedImage,
  options: SizeReportOptions = {},
): Promise<SizeReport> {
  return (await import("./sizeReport.js")).sizeReport(image, baseline, options);
}

/** Reads a file of rules. @throws NacreError USAGE */
export async function readGateFile(path: string): Promise<GateRules> {
  return (await import("./gateFiles.js")).readGateFile(path);
}

/** Reads rules. @throws NacreError USAGE */
export async function readGateRules(settings: GateSettings): Promise<GateRules> {
  return (await import("./gateRules.js")).readGateRules(settings);
}

/** Rules of a file with those of flags: of one that both have, the flag counts; lists of exceptions are joined. */
export async function mergeGateRules(file: GateRules, flags: GateRules): Promise<GateRules> {
  return (await import("./gateRules.js")).mergeGateRules(file, flags);
}

/** How an image is opened, and whether layers are read for their sizes (default: unless they are in a registry). */
export interface MeasureOptions extends OpenOptions {
  readonly measure?: boolean | undefined;
}

/** How a history is told: also with what later layers hide of each, which looks into all of them. */
export interface ImageHistoryOptions extends MeasureOptions {
  readonly waste?: boolean | undefined;
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
  options: ImageHistoryOptions = {},
): Promise<ImageHistory> {
  const { imageHistory: tell } = await import("./imageHistory.js");
  const { measure, waste } = options;
  return withImage(spec, world, options, (image) => tell(image, { measure, waste, store: world.store }));
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
 * Compares two images: layers, config, history and files.
 * @param before,after as in {@link openImage}
 * @throws NacreError as {@link openImage} and OpenedLayer.index; USAGE for a malformed pattern
 */
export async function diffImages(
  before: string,
  after: string,
  world: ImageWorld,
  options: DiffOptions = {},
): Promise<ImageDiff> {
  const { compareImages } = await import("./diffImages.js");
  return withImages(before, after, world, options, (a, b) => compareImages(a, b, options));
}

/**
 * Compares layers of one image.
 * @throws NacreError as {@link diffImages}; USAGE if there is no such layer
 */
export async function diffLayers(
  spec: string,
  choice: LayerChoice,
  world: ImageWorld,
  options: DiffOptions = {},
): Promise<ImageDiff> {
  const { compareLayers } = await import("./diffLayers.js");
  return withImage(spec, world, options, (image) => compareLayers(image, choice, options));
}

/**
 * Compares one file of two images, or of layers of one, and makes a patch of its text.
 * @param where the images, or the image and its layers
 * @throws NacreError as {@link diffImages} and OpenedLayer.read; SOURCE_NOT_FOUND if neither has the file
 */
export async function diffFile(
  path: string,
  where: FileDiffPlace,
  world: ImageWorld,
  options: DiffOptions = {},
): Promise<FileDiff> {
  const { compareFile, compareFileOfLayers } = await import("./diffFile.js");
  if ("layers" in where) {
    const { image, layers } = where;
    return withImage(image, world, options, (opened) => compareFileOfLayers(opened, layers, path, options));
  }
  return withImages(where.before, where.after, world, options, (a, b) => compareFile(a, b, path, options));
}

/** The two images of {@link diffFile}, or one and which of its layers. */
export type FileDiffPlace =
  | { readonly before: string; readonly after: string }
  | { readonly image: string; readonly layers: LayerChoice };

function withImages<T>(
  before: string,
  after: string,
  world: ImageWorld,
  options: OpenOptions,
  work: (a: OpenedImage, b: OpenedImage) => Promise<T>,
): Promise<T> {
  return withImage(before, world, options, (a) => withImage(after, world, options, (b) => work(a, b)));
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

/**
 * Reads every document and blob of an image (of all images of an image index, unless a platform is chosen) and tells what is
 * wrong or odd about them. What is damaged is a finding, not an error.
 * @throws NacreError IMAGE_NOT_FOUND, USAGE, REFERENCE_INVALID, CONTEXT_UNREADABLE, NETWORK, DENIED, CREDENTIALS,
 *   TOOL_MISSING, STORE, CANCELLED
 */
export async function verifyImage(spec: string, world: ImageWorld, options: OpenOptions = {}): Promise<VerifyReport> {
  return (await import("./verifyImage.js")).verifyAnywhere(spec, world, options);
}

/**
 * Why two images that were to be the same are not: causes by class, the first one first. Empty if they have one digest.
 * @throws NacreError as OpenedLayer.index, for layers that differ
 */
export async function imageDifference(a: OpenedImage, b: OpenedImage): Promise<ImageCause[]> {
  return (await import("./imageDifference.js")).imageDifference(a, b);
}
