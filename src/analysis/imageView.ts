/** Which part of an image's stack is looked at: all of it, the layers up to one, or one alone. */
import type { LayerIndex } from "../layer/layerIndex.js";
import { NacreError } from "../support/errors.js";
import { layerNumber } from "./diffLayers.js";
import { stackOf, treeOf } from "./mergedTree.js";
import type { OpenedImage } from "./types.js";

/** A part of a stack; default: what a container sees. At most one of the two. */
export interface ViewChoice {
  /** What one layer has: its number from 0, or the beginning of its digest or diffID. */
  readonly layer?: number | string | undefined;
  /** What is seen when the layers up to this one are stacked. */
  readonly upTo?: number | string | undefined;
}

/** A choice, resolved. */
export interface ImageView {
  readonly kind: "final" | "up-to" | "layer";
  /** Number of the topmost layer that counts; -1 for an image without layers. */
  readonly top: number;
}

/**
 * Resolves a choice.
 * @throws NacreError USAGE if there is no such layer
 */
export function viewOf(image: OpenedImage, { layer, upTo }: ViewChoice): ImageView {
  if (layer !== undefined && upTo !== undefined)
    throw new NacreError("USAGE", "either one layer, or the layers up to one");
  if (layer !== undefined) return { kind: "layer", top: layerNumber(image, String(layer)) };
  if (upTo !== undefined) return { kind: "up-to", top: layerNumber(image, String(upTo)) };
  return { kind: "final", top: image.layers.length - 1 };
}

/** The indexes of a view with all below it, lowest first, as they read on top of each other. @throws NacreError as OpenedLayer.index */
export async function stackUpTo(image: OpenedImage, { top }: ImageView): Promise<LayerIndex[]> {
  return top < 0 ? [] : stackOf(await treeOf(image, top));
}
