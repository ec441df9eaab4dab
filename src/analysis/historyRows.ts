/**
 * Which line of an image's history made which layer. The rule of image-spec: oldest first, each line that is not marked as
 * `empty_layer` takes the next layer. Images whose counts differ are not refused: what does not fit stands for itself.
 */
import type { HistoryEntry } from "../oci/documents.js";
import type { HistoryRow } from "./types.js";

/** A history with its layers. */
export interface MappedHistory {
  /** Oldest first. */
  readonly rows: readonly HistoryRow[];
  /** What does not fit together. */
  readonly warning?: string | undefined;
}

/**
 * Maps a history to layers.
 * @param history oldest first
 * @param layers their number
 */
export function mapHistory(history: readonly HistoryEntry[] | null | undefined, layers: number): MappedHistory {
  const rows: HistoryRow[] = [];
  let next = 0;
  let makers = 0;
  for (const entry of history ?? []) {
    const makes = entry.empty_layer !== true;
    if (makes) makers++;
    rows.push(makes && next < layers ? { entry, layer: next++ } : { entry });
  }
  while (next < layers) rows.push({ layer: next++ });
  if (makers === layers) return { rows };
  if (!history || history.length === 0) return { rows, warning: "the image has no history" };
  return {
    rows,
    warning: `the history speaks of ${count(makers, "layer")}, the image has ${layers}: lines may be told of the wrong ones`,
  };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
