/**
 * How much of what an image's layers store is seen by nobody, who hid it, and what to do about it. Layers are replayed: a
 * content counts once for each layer that stores it, however many names the layer gives it; it is waste if a container sees
 * it under none of them. From indexes alone.
 */
import type { LayerIndex } from "../layer/layerIndex.js";
import type { Store } from "../store/store.js";
import { fromByteString } from "../support/bytes.js";
import { type BaseImage, findBase } from "./baseImage.js";
import { copyBytes, NO_COPY, VISIBLE } from "./copyFacts.js";
import { instructionsOf, type LayerInstruction } from "./layerInstructions.js";
import { stackOf, treeOf } from "./mergedTree.js";
import { compilePathPatterns } from "./pathPatterns.js";
import { TopList } from "./topList.js";
import type { OpenedImage } from "./types.js";
import { advise, pairText } from "./wasteAdvice.js";
import { findCopies, type StackCopies, WASTE_CAUSES, type WasteCause } from "./wasteCopies.js";
import { wasteByPath, wasteDuplicates } from "./wastePaths.js";
import type { CopyCount, ImageWaste, WasteByOrigin, WasteLayer, WasteOptions, WastePair } from "./wasteTypes.js";

/** Entries of each list, unless more are asked for. */
const TOP = 10;
/** Paths that stand for a pair of layers. */
const EXAMPLES = 3;

/** {@link WasteOptions}, and where the base and lines of Dockerfiles are looked for. */
export interface MeasureWasteOptions extends WasteOptions {
  readonly store?: Store | undefined;
}

/**
 * Measures the waste of an image.
 * @throws NacreError USAGE for a malformed pattern; as OpenedLayer.index
 */
export async function measureWaste(image: OpenedImage, options: MeasureWasteOptions = {}): Promise<ImageWaste> {
  const ignore = options.ignore?.length ? compilePathPatterns(options.ignore) : undefined;
  const stack = stackOf(await treeOf(image));
  const copies = findCopies(stack, ignore);
  const base = findBase(image, options.store);
  return describeWaste(image, stack, copies, base, instructionsOf(image, options.store), options);
}

/**
 * Bytes that each layer stores in vain, lowest layer first.
 * @throws NacreError as OpenedLayer.index
 */
export async function wastedByLayer(image: OpenedImage): Promise<number[]> {
  const stack = stackOf(await treeOf(image));
  return sumUp(stack, findCopies(stack)).layers.map(({ stored, visible }) => stored - visible);
}

interface Pair {
  readonly cause: WasteCause;
  readonly storedBy: number;
  readonly hiddenBy: number;
  bytes: number;
  copies: number;
  readonly examples: TopList<number>;
}

/** Sums over all copies. */
interface Sums {
  readonly layers: readonly { stored: number; visible: number; hides: number }[];
  readonly pairs: readonly Pair[];
  readonly copies: { stored: number; wasted: number };
}

function sumUp(stack: readonly LayerIndex[], { layers: copies }: StackCopies): Sums {
  const layers = stack.map(() => ({ stored: 0, visible: 0, hides: 0 }));
  const pairs = new Map<number, Pair>();
  const counts = { stored: 0, wasted: 0 };
  for (const [number, index] of stack.entries()) {
    const { fates, causes } = copies[number]!;
    const own = layers[number]!;
    for (let entry = 0; entry < index.count; entry++) {
      const fate = fates[entry]!;
      if (fate === NO_COPY) continue;
      const bytes = copyBytes(index, entry);
      counts.stored++;
      own.stored += bytes;
      if (fate === VISIBLE) {
        own.visible += bytes;
        continue;
      }
      counts.wasted++;
      layers[fate]!.hides += bytes;
      const key = (number * stack.length + fate) * WASTE_CAUSES.length + causes[entry]!;
      let pair = pairs.get(key);
      if (pair === undefined) {
        const cause = WASTE_CAUSES[causes[entry]!]!;
        pair = { cause, storedBy: number, hiddenBy: fate, bytes: 0, copies: 0, examples: new TopList(EXAMPLES) };
        pairs.set(key, pair);
      }
      pair.bytes += bytes;
      pair.copies++;
      pair.examples.offer(bytes, () => entry);
    }
  }
  return { layers, pairs: [...pairs.values()], copies: counts };
}

function describeWaste(
  image: OpenedImage,
  stack: readonly LayerIndex[],
  copies: StackCopies,
  base: BaseImage | undefined,
  instructions: readonly LayerInstruction[],
  options: WasteOptions,
): ImageWaste {
  const { top = TOP, depth = 2 } = options;
  const sums = sumUp(stack, copies);
  const baseLayers = base?.layers;
  const layers = sums.layers.map((sum, number): WasteLayer => {
    const { instruction, line } = instructions[number]!;
    return {
      ...{ number, digest: image.layers[number]!.descriptor.digest, instruction },
      ...(line ? { line } : {}),
      ...(baseLayers === undefined ? {} : { isBase: number < baseLayers }),
      ...{ stored: sum.stored, visible: sum.visible, wasted: sum.stored - sum.visible, hides: sum.hides },
    };
  });
  const [stored, visible] = [total(layers, "stored"), total(layers, "visible")];
  const pairs = new TopList<WastePair>(top);
  // Empty files are hidden too, but nothing is lost with them.
  for (const pair of sums.pairs) {
    if (pair.bytes > 0) pairs.offer(pair.bytes, () => describePair(pair, stack[pair.storedBy]!, layers));
  }
  const { paths, folders } = wasteByPath(stack, copies.layers, top, depth);
  const duplicates = wasteDuplicates(stack, copies, top);
  return {
    schema: "nacre.waste/1",
    ...{ image: image.shown, digest: image.descriptor.digest },
    ...{ stored, visible, reclaimable: stored - visible },
    compressedReclaimable: Math.round(compressed(image, stack, layers)),
    efficiency: stored === 0 ? 1 : visible / stored,
    ...{ copies: sums.copies, causes: byCause(sums.pairs) },
    ...(base && baseLayers !== undefined ? { origin: byOrigin({ ...base, layers: baseLayers }, sums, layers) } : {}),
    ...{ layers, pairs: pairs.items, paths: paths.items, folders: folders.items },
    duplicates: { contents: duplicates.contents, redundant: duplicates.redundant, top: duplicates.top },
    more: { pairs: pairs.left, paths: paths.left, folders: folders.left, duplicates: duplicates.left },
  };
}

function describePair(pair: Pair, index: LayerIndex, layers: readonly WasteLayer[]): WastePair {
  const { cause, storedBy, hiddenBy, bytes, copies } = pair;
  const examples = pair.examples.items.map((entry) => fromByteString(index.path(entry)));
  const [lower, upper] = [layers[storedBy]!, layers[hiddenBy]!];
  return {
    ...{ cause, storedBy, hiddenBy, bytes, copies, examples },
    text: pairText(cause, bytes, lower, upper),
    advice: advise(cause, lower, upper, examples),
  };
}

function byCause(pairs: readonly Pair[]): Record<WasteCause, CopyCount> {
  const causes = Object.fromEntries(WASTE_CAUSES.map((cause) => [cause, { bytes: 0, copies: 0 }])) as Record<
    WasteCause,
    { bytes: number; copies: number }
  >;
  for (const { cause, bytes, copies } of pairs) {
    causes[cause].bytes += bytes;
    causes[cause].copies += copies;
  }
  return causes;
}

/** See {@link WasteByOrigin}. */
function byOrigin(
  base: BaseImage & { readonly layers: number },
  { pairs }: Sums,
  layers: readonly WasteLayer[],
): WasteByOrigin {
  let [inBase, hiddenBase, own] = [0, 0, 0];
  for (const { storedBy, hiddenBy, cause, bytes } of pairs) {
    if (hiddenBy < base.layers) inBase += bytes;
    else if (storedBy >= base.layers || cause === "duplicate-identical" || cause === "moved") own += bytes;
    else hiddenBase += bytes;
  }
  const ownStored = total(layers.slice(base.layers), "stored");
  return {
    ...{ base, baseStored: total(layers.slice(0, base.layers), "stored"), inBase, hiddenBase, ownStored, own },
    ownEfficiency: ownStored === 0 ? 1 : 1 - own / ownStored,
  };
}

/** Compression does not reach a single file: the layer's ratio stands for it. */
function compressed(image: OpenedImage, stack: readonly LayerIndex[], layers: readonly WasteLayer[]): number {
  return layers.reduce((sum, { number, wasted }) => {
    const { size } = image.layers[number]!.descriptor;
    const { tarSize } = stack[number]!;
    return sum + (tarSize > 0 ? wasted * Math.min(1, size / tarSize) : 0);
  }, 0);
}

function total(layers: readonly WasteLayer[], what: "stored" | "visible"): number {
  return layers.reduce((sum, layer) => sum + layer[what], 0);
}
