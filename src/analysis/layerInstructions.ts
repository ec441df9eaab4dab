/** Which instruction made which layer, as far as an image's history and this store's builds tell. */
import type { Store } from "../store/store.js";
import { readHistoryLine } from "./historyInstruction.js";
import { type DockerfileLine, dockerfileLines } from "./layerLines.js";
import type { OpenedImage } from "./types.js";

/** An instruction. */
export interface LayerInstruction {
  /** On one line; empty if the history does not tell. */
  readonly instruction: string;
  readonly line?: DockerfileLine | undefined;
}

/** The instructions behind the layers, lowest first. */
export function instructionsOf(image: OpenedImage, store: Store | undefined): LayerInstruction[] {
  const lines = dockerfileLines(image, store);
  const told = new Map(image.history.map(({ layer, entry }) => [layer, entry?.created_by ?? ""]));
  return image.layers.map(({ number, diffId }) => {
    const text = readHistoryLine(told.get(number) ?? "", false)?.text ?? "";
    const line = lines.get(diffId);
    return { instruction: text.replace(/\s*\\?\s*\n\s*/g, " ").trim(), ...(line ? { line } : {}) };
  });
}
