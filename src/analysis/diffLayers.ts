/** Comparing layers of one image with each other, or with what lies below them. */
import { NacreError } from "../support/errors.js";
import { compareStacks } from "./diffFiles.js";
import { comparedOf, describeImage, ownFiles } from "./diffImages.js";
import { describeLayer } from "./diffLayerRows.js";
import type { ComparedLayer, DiffOptions, FilesDiff, ImageDiff, LayerChoice } from "./diffTypes.js";
import { indexesOf } from "./mergedTree.js";
import { pairStacks } from "./stackLookup.js";
import type { OpenedImage, OpenedLayer } from "./types.js";

/**
 * Compares layers of an image.
 * @throws NacreError USAGE if there is no such layer, or for a pattern; as OpenedLayer.index
 */
export async function compareLayers(
  image: OpenedImage,
  choice: LayerChoice,
  options: DiffOptions = {},
): Promise<ImageDiff> {
  if ("pair" in choice) return comparePair(image, choice.pair, options);
  if ("layer" in choice) {
    const number = layerNumber(image, choice.layer);
    return compareUpTo(image, number - 1, number, true, options);
  }
  return compareUpTo(image, layerNumber(image, choice.from), layerNumber(image, choice.to), false, options);
}

/**
 * Finds a layer of an image.
 * @param text its number, from 0, or the beginning of its digest or diffID: at least 5 hexadecimal digits
 * @throws NacreError USAGE
 */
export function layerNumber({ layers, shown }: OpenedImage, text: string): number {
  if (/^\d{1,4}$/.test(text) && Number(text) < layers.length) return Number(text);
  const hex = /^(?:sha256:)?([0-9a-f]{5,64})$/.exec(text)?.[1];
  const found = layers.filter(
    ({ descriptor, diffId }) =>
      hex !== undefined && [descriptor.digest, diffId].some((each) => each.startsWith(`sha256:${hex}`)),
  );
  if (found.length === 1) return found[0]!.number;
  const many = found.length > 1 ? "more than one layer begins with" : "there is no layer";
  throw new NacreError("USAGE", `${shown}: ${many} ${JSON.stringify(text.slice(0, 100))}`, {
    hint:
      layers.length === 0
        ? "the image has no layers"
        : `layers have the numbers 0 to ${layers.length - 1}; nacre history --layers shows their digests`,
  });
}

async function comparePair(
  image: OpenedImage,
  [a, b]: readonly [string, string],
  options: DiffOptions,
): Promise<ImageDiff> {
  const [before, after] = [image.layers[layerNumber(image, a)]!, image.layers[layerNumber(image, b)]!];
  const warnings = [...image.warnings];
  const files = await ownFiles(before, after, options, warnings);
  const isSame = before.diffId === after.diffId;
  const row: ComparedLayer = {
    ...{ match: isSame ? "same" : "changed", isRepacked: false },
    ...{ before: describeLayer(before), after: describeLayer(after) },
    ...(files ? { files } : {}),
  };
  const parts = [before, after].map((layer) => `layer ${layer.number} by itself`);
  return resultOf(
    image,
    parts,
    [row],
    undefined,
    isSame || files?.changes.length === 0,
    { ...options, by: "layer" },
    warnings,
  );
}

/** @param from number of the last layer of the lower stack; -1: there is none */
async function compareUpTo(
  image: OpenedImage,
  from: number,
  to: number,
  isOne: boolean,
  options: DiffOptions,
): Promise<ImageDiff> {
  const indexes = await indexesOf(image, Math.max(from, to));
  const shared = Math.min(from, to) + 1;
  const pair = pairStacks(indexes.slice(0, shared), indexes.slice(shared, from + 1), indexes.slice(shared, to + 1));
  const files = compareStacks({ ...pair, firstA: 0, firstB: 0 }, options, { repeated: isOne });
  const own = image.layers.slice(shared, Math.max(from, to) + 1).map((layer) => rowOf(layer, from < to));
  const parts = [partOf(from, isOne), isOne ? `layer ${to} on top` : partOf(to, false)];
  return resultOf(image, parts, own, files, files.changes.length === 0, { ...options, by: "final" }, [
    ...image.warnings,
  ]);
}

function partOf(upTo: number, isBelow: boolean): string {
  if (upTo < 0) return "nothing";
  const range = upTo === 0 ? "layer 0" : `layers 0 to ${upTo}`;
  return isBelow ? `${range}, below` : range;
}

function rowOf(layer: OpenedLayer, isAdded: boolean): ComparedLayer {
  const described = describeLayer(layer);
  return isAdded
    ? { match: "added", isRepacked: false, after: described }
    : { match: "removed", isRepacked: false, before: described };
}

function resultOf(
  image: OpenedImage,
  [before, after]: readonly string[],
  layers: readonly ComparedLayer[],
  files: FilesDiff | undefined,
  isSame: boolean,
  options: DiffOptions,
  warnings: readonly string[],
): ImageDiff {
  return {
    schema: "nacre.diff/1",
    ...{ before: describeImage(image, before), after: describeImage(image, after), isSame },
    differs: { layers: false, config: false, history: false, files: !isSame },
    compared: comparedOf(options),
    ...{ layers, config: [], history: [] },
    ...(files ? { files } : {}),
    warnings: warnings.map((warning) => `${image.shown}: ${warning}`),
  };
}
