/** What is noted of the contents that layers store: columns beside those of their indexes. Pure. */
import { type LayerIndex, NO_DIGEST } from "../layer/layerIndex.js";

/** In {@link LayerCopies.fates}: no copy, or a further name of one. */
export const NO_COPY = -2;
/** In {@link LayerCopies.fates}: what a container sees. */
export const VISIBLE = -1;

/** The copies of one layer, by entry of its index. */
export interface LayerCopies {
  /** NO_COPY, VISIBLE, or the number of the layer that hid the last of the copy's names. */
  readonly fates: Int32Array;
  /** Positions in WASTE_CAUSES, of hidden copies. */
  readonly causes: Uint8Array;
}

/** Bytes that a copy takes in its layer's tar: of a sparse file those of its data. */
export function copyBytes(index: LayerIndex, entry: number): number {
  const sparse = index.sparse(entry);
  return sparse === undefined ? index.columns.sizes[entry]! : sparse.reduce((sum, [, length]) => sum + length, 0);
}

/** True if both have the same content, as far as digests tell. */
export function sameContent(a: LayerIndex, entryA: number, b: LayerIndex, entryB: number): boolean {
  const [slotA, slotB] = [a.columns.digestSlots[entryA]!, b.columns.digestSlots[entryB]!];
  if (slotA === NO_DIGEST || slotB === NO_DIGEST) return false;
  const [startA, startB] = [slotA * 32, slotB * 32];
  return a.columns.digests.compare(b.columns.digests, startB, startB + 32, startA, startA + 32) === 0;
}
