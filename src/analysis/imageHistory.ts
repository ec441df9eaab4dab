/** The history of an image with what is known of the layers that its lines made. */
import type { DiffId, Digest } from "../oci/digest.js";
import type { Store } from "../store/store.js";
import { isNacreError } from "../support/errors.js";
import { type BaseImage, findBase } from "./baseImage.js";
import { type DockerfileLine, dockerfileLines } from "./layerLines.js";
import type { LayerStats, OpenedImage, OpenedLayer } from "./types.js";

/** The layer of a line. */
export interface HistoryLayer {
  /** From 0, the lowest. */
  readonly number: number;
  readonly digest: Digest;
  readonly diffId: DiffId;
  readonly mediaType: string;
  /** Bytes of the blob. */
  readonly compressedSize: number;
  /** Regular files, and their bytes; undefined where the layer would have to be fetched for that, or cannot be read. */
  readonly files?: number | undefined;
  readonly size?: number | undefined;
  /** Of these bytes, what later layers hide; undefined where it was not asked for, or some layer cannot be read. */
  readonly wasted?: number | undefined;
  /** It belongs to the base image. Undefined where that is not known. */
  readonly isBase?: boolean | undefined;
  /** Where the instruction stands, if this store's builds tell. */
  readonly line?: DockerfileLine | undefined;
}

/** A line of a history. */
export interface HistoryLine {
  /** RFC 3339. */
  readonly created?: string | undefined;
  readonly createdBy: string;
  readonly author?: string | undefined;
  readonly comment: string;
  /** True if the instruction made no layer. */
  readonly isEmpty: boolean;
  /** False for a layer that the history does not speak of. */
  readonly isTold: boolean;
  /** Bytes of the regular files that it added; undefined where that is not known. */
  readonly size?: number | undefined;
  /** Bytes of this line and all older ones. */
  readonly cumulativeSize?: number | undefined;
  readonly layer?: HistoryLayer | undefined;
}

/** A history. */
export interface ImageHistory {
  readonly schemaVersion: 1;
  readonly image: string;
  readonly id: Digest;
  readonly digest: Digest;
  readonly base?: BaseImage | undefined;
  /** Newest first. */
  readonly lines: readonly HistoryLine[];
  readonly warnings: readonly string[];
}

/** How a history is told. */
export interface HistoryOptions {
  /**
   * Read layers whose sizes are not known. Default: those of the store, of archives and engines; layers in registries are not
   * fetched for it.
   */
  readonly measure?: boolean | undefined;
  /** Tell what later layers hide of each, where all layers may be read for it. Default: false. */
  readonly waste?: boolean | undefined;
  /** Where bases and Dockerfile lines are looked for. */
  readonly store?: Store | undefined;
}

/**
 * Tells the history of an image.
 * @throws NacreError as OpenedLayer.index, of layers that are to be read; those that cannot be have no sizes
 */
export async function imageHistory(image: OpenedImage, options: HistoryOptions = {}): Promise<ImageHistory> {
  const measure = options.measure ?? image.place !== "registry";
  const base = findBase(image, options.store);
  const lines = dockerfileLines(image, options.store);
  const layers: HistoryLayer[] = [];
  const warnings = [...image.warnings];
  for (const layer of image.layers) layers.push(describe(layer, await statsOf(layer, measure, warnings), base, lines));
  const wasted = options.waste ? await wasteOf(image, layers, measure) : undefined;
  let sum: number | undefined = 0;
  const told = image.history.map(({ entry, layer: number }): HistoryLine => {
    const layer = number === undefined ? undefined : withWaste(layers[number]!, wasted);
    const size = layer === undefined ? 0 : layer.size;
    sum = sum === undefined || size === undefined ? undefined : sum + size;
    return {
      ...(entry?.created === undefined ? {} : { created: entry.created }),
      createdBy: entry?.created_by ?? "",
      ...(entry?.author ? { author: entry.author } : {}),
      comment: entry?.comment ?? "",
      isEmpty: layer === undefined,
      isTold: entry !== undefined,
      ...(size === undefined ? {} : { size }),
      ...(sum === undefined ? {} : { cumulativeSize: sum }),
      ...(layer ? { layer } : {}),
    };
  });
  return {
    schemaVersion: 1,
    ...{ image: image.shown, id: image.id, digest: image.root.digest },
    ...(base ? { base } : {}),
    ...{ lines: told.reverse(), warnings },
  };
}

/** What keeps a layer from being measured, while the history and the config are sound. */
const UNREADABLE: ReadonlySet<string> = new Set(["UNSUPPORTED", "CONTENT_INVALID", "COMPRESSION", "TAR_INVALID"]);

/**
 * Numbers of a layer, where they can be had.
 * @param warnings gets why a layer that is to be measured cannot be
 */
export async function statsOf(
  layer: OpenedLayer,
  measure: boolean,
  warnings: string[],
): Promise<LayerStats | undefined> {
  if (layer.obstacle !== undefined || !measure) return layer.knownStats();
  const known = layer.hasIndex();
  try {
    const stats = await layer.stats();
    if (!known) layer.forget();
    return stats;
  } catch (error) {
    if (!isNacreError(error) || !UNREADABLE.has(error.code)) throw error;
    // Kept elsewhere on purpose: nothing is wrong with it.
    if (!layer.isForeign) warnings.push(`layer ${layer.number} cannot be measured: ${error.message}`);
    return undefined;
  }
}

/** Bytes in vain by layer: a question about all layers together, which one that cannot be measured leaves open. */
async function wasteOf(
  image: OpenedImage,
  layers: readonly HistoryLayer[],
  measure: boolean,
): Promise<readonly number[] | undefined> {
  const isReadable = layers.every(({ size }, at) => size !== undefined && (measure || image.layers[at]!.hasIndex()));
  return isReadable ? (await import("./measureWaste.js")).wastedByLayer(image) : undefined;
}

function withWaste(layer: HistoryLayer, wasted: readonly number[] | undefined): HistoryLayer {
  return wasted === undefined ? layer : { ...layer, wasted: wasted[layer.number]! };
}

function describe(
  { number, descriptor, diffId }: OpenedLayer,
  stats: LayerStats | undefined,
  base: BaseImage | undefined,
  lines: ReadonlyMap<DiffId, DockerfileLine>,
): HistoryLayer {
  const { digest, mediaType, size } = descriptor;
  const line = lines.get(diffId);
  return {
    ...{ number, digest, diffId, mediaType, compressedSize: size },
    ...(stats ? { files: stats.files, size: stats.bytes } : {}),
    ...(base?.layers === undefined ? {} : { isBase: number < base.layers }),
    ...(line ? { line } : {}),
  };
}
