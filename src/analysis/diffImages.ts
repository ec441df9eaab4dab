/**
 * Comparing two opened images. Layers that both begin with are never opened: of them only what the store's indexes tell is used.
 * Their own layers are read, each once, where the store has no index of them; everything else comes from the indexes.
 */
import pLimit from "p-limit";
import type { LayerIndex } from "../layer/layerIndex.js";
import { formatPlatform } from "../oci/platform.js";
import { isNacreError } from "../support/errors.js";
import { diffConfigs, isNameOrForm, isTime } from "./diffConfig.js";
import { compareStacks } from "./diffFiles.js";
import { diffHistories } from "./diffHistory.js";
import { alignLayers, downloadCost, sharedLayers } from "./diffLayerRows.js";
import {
  type ComparedLayer,
  type DiffedImage,
  type DiffOptions,
  type FilesDiff,
  type ImageDiff,
  SEMANTIC_IGNORES,
} from "./diffTypes.js";
import { pairStacks } from "./stackLookup.js";
import type { OpenedImage, OpenedLayer } from "./types.js";

/** Layers that are read at a time: each may need memory for its largest directory. */
const READERS = 2;

/**
 * Compares two images.
 * @throws NacreError USAGE for a pattern; as OpenedLayer.index, except UNSUPPORTED: layers that cannot be read are warned of
 */
export async function compareImages(a: OpenedImage, b: OpenedImage, options: DiffOptions = {}): Promise<ImageDiff> {
  const { by = "final", semantic = false } = options;
  const warnings = [...oddities(a, b)];
  const rows = alignLayers(a, b);
  const reading = by === "final" ? { files: await finalFiles(a, b, options, warnings) } : {};
  const layers: readonly ComparedLayer[] = by === "layer" ? await layerFiles(rows, a, b, options, warnings) : rows;
  const config = configChanges(a, b, semantic);
  const history = semantic ? [] : diffHistories(a.config.history, b.config.history);
  const differs = {
    layers: layers.some((row) =>
      isLayerDifference(row, by, semantic, (by === "final" ? reading.files : row.files) === undefined),
    ),
    config: config.length > 0,
    history: history.length > 0,
    files: [reading, ...layers].some(({ files }) => (files?.changes.length ?? 0) > 0),
  };
  return {
    schema: "nacre.diff/1",
    ...{ before: describeImage(a), after: describeImage(b) },
    isSame: !Object.values(differs).some(Boolean),
    differs,
    compared: comparedOf(options),
    download: downloadCost(a, b),
    ...{ layers, config, history },
    ...(reading.files ? { files: reading.files } : {}),
    warnings,
  };
}

/** What was compared, as a result tells it. */
export function comparedOf({
  by = "final",
  times = false,
  semantic = false,
  ignore = [],
  only = [],
}: DiffOptions): ImageDiff["compared"] {
  return { by, times, ignores: semantic ? SEMANTIC_IGNORES : [], ignore, only };
}

/** An image as a result tells of it. @param part which of its layers are meant */
export function describeImage(image: OpenedImage, part?: string): DiffedImage {
  const { shown, id, descriptor, platform, config, layers } = image;
  return {
    ...{ image: shown, id, digest: descriptor.digest, platform: formatPlatform(platform) },
    ...(config.created === undefined ? {} : { created: config.created }),
    layers: layers.length,
    compressedSize: layers.reduce((sum, layer) => sum + layer.descriptor.size, 0),
    ...(part === undefined ? {} : { part }),
  };
}

function* oddities(a: OpenedImage, b: OpenedImage): Generator<string> {
  for (const image of [a, b]) {
    yield* image.warnings.map((warning) => `${image.shown}: ${warning}`);
  }
  const [platformA, platformB] = [a, b].map(({ platform }) => formatPlatform(platform));
  if (platformA !== platformB) yield `the images are for different platforms: ${platformA} and ${platformB}`;
}

function configChanges(a: OpenedImage, b: OpenedImage, semantic: boolean): ImageDiff["config"] {
  const [before, after] = [a, b].map(({ config, manifest, descriptor }) => {
    return { config, annotations: manifest.annotations, mediaType: descriptor.mediaType };
  });
  const changes = diffConfigs(before!, after!);
  return semantic ? changes.filter((change) => !isTime(change) && !isNameOrForm(change)) : changes;
}

/** Where only what files say counts, layers differ by their files; one that has no other is a difference of its own by `layer`. */
/** @param isBlind files could not be compared: then nobody knows that layers with other contents are alike */
function isLayerDifference(
  { match, isRepacked }: ComparedLayer,
  by: "final" | "layer",
  semantic: boolean,
  isBlind: boolean,
): boolean {
  if (!semantic) return isRepacked || match !== "shared";
  if (isBlind) return match !== "shared" && match !== "same";
  return by === "layer" && (match === "added" || match === "removed");
}

async function finalFiles(
  a: OpenedImage,
  b: OpenedImage,
  options: DiffOptions,
  warnings: string[],
): Promise<FilesDiff | undefined> {
  const shared = sharedLayers(a.layers, b.layers);
  const below = a.layers.slice(0, shared).map((layer, at): SharedLayer => [layer, b.layers[at]!]);
  try {
    const own = await readAll([...a.layers.slice(shared), ...b.layers.slice(shared)]);
    const known = own.length === 0 ? [] : await sharedIndexes(below, options.readShared ?? false);
    const ownA = own.slice(0, a.layers.length - shared);
    const pair = pairStacks(known, ownA, own.slice(ownA.length));
    const first = shared - known.length;
    return compareStacks({ ...pair, firstA: first, firstB: first }, options, { unread: own.length > 0 && first > 0 });
  } catch (error) {
    return warnOf(error, warnings);
  }
}

/** The same layer as each of the images has it. */
type SharedLayer = readonly [OpenedLayer, OpenedLayer];

/** The indexes of shared layers, lowest first, as far down as they are at hand. @param read also those that are not */
export async function sharedIndexes(layers: readonly SharedLayer[], read: boolean): Promise<LayerIndex[]> {
  const known: LayerIndex[] = [];
  for (const [layer, same] of [...layers].reverse()) {
    const isReadable = layer.obstacle === undefined;
    const index = layer.knownIndex() ?? same.knownIndex() ?? (read && isReadable ? await layer.index() : undefined);
    if (index === undefined) break;
    known.unshift(index);
  }
  return known;
}

/** The indexes of layers; the same layer of both images is read once. @throws NacreError as OpenedLayer.index */
export async function readAll(layers: readonly OpenedLayer[]): Promise<LayerIndex[]> {
  const limit = pLimit(READERS);
  const reading = new Map<string, Promise<LayerIndex>>();
  const settled = await Promise.allSettled(
    layers.map((layer) => {
      const known = reading.get(layer.diffId) ?? limit(() => layer.index());
      reading.set(layer.diffId, known);
      return known;
    }),
  );
  // The others are awaited too: nothing may go on once an image is closed.
  return settled.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
}

async function layerFiles(
  rows: readonly ComparedLayer[],
  a: OpenedImage,
  b: OpenedImage,
  options: DiffOptions,
  warnings: string[],
): Promise<ComparedLayer[]> {
  const out: ComparedLayer[] = [];
  for (const row of rows) {
    const { match, before, after } = row;
    const files =
      match === "shared" || match === "same"
        ? undefined
        : await ownFiles(before && a.layers[before.number], after && b.layers[after.number], options, warnings);
    out.push(files ? { ...row, files } : row);
  }
  return out;
}

/**
 * What two layers list, compared; of one layer alone everything is new, or gone.
 * @param warnings take in why a layer cannot be read
 * @returns undefined if one cannot be read
 */
export async function ownFiles(
  before: OpenedLayer | undefined,
  after: OpenedLayer | undefined,
  options: DiffOptions,
  warnings: string[],
): Promise<FilesDiff | undefined> {
  const layers = [before, after].map((layer) => (layer ? [layer] : []));
  try {
    const indexes = await readAll(layers.flat());
    const a = indexes.slice(0, layers[0]!.length);
    const [firstA, firstB] = [before?.number ?? 0, after?.number ?? 0];
    return compareStacks({ a, b: indexes.slice(a.length), firstA, firstB }, options, { own: true });
  } catch (error) {
    return warnOf(error, warnings);
  } finally {
    for (const layer of layers.flat()) layer.forget();
  }
}

function warnOf(error: unknown, warnings: string[]): undefined {
  if (!isNacreError(error) || error.code !== "UNSUPPORTED") throw error;
  warnings.push(`${error.message}: files are not compared`);
  return undefined;
}
