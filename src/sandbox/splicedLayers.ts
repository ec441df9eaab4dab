/** Which layer another one was spliced from, so that the snapshot of the one can serve the other. */
import { readFileSync } from "node:fs";
import { type DiffId, isDigest } from "../oci/digest.js";
import type { Store } from "../store/store.js";
import { sha256Hex } from "../support/hash.js";

/**
 * Notes that a layer was spliced from another one, so that its snapshot can be a delta. Only a hint: without it the layer
 * is unpacked as a whole.
 */
export function noteSpliced(store: Store, layer: DiffId, from: DiffId): void {
  if (layer === from) return;
  try {
    store.directory.publish(hintPath(store, layer), [Buffer.from(from)]);
  } catch {
    // A full disk shows elsewhere.
  }
}

/** What {@link noteSpliced} has noted, or undefined. */
export function splicedFrom(store: Store, layer: DiffId): DiffId | undefined {
  try {
    const text = readFileSync(hintPath(store, layer), "latin1");
    return isDigest(text) && text !== layer ? text : undefined;
  } catch {
    return undefined;
  }
}

function hintPath(store: Store, layer: DiffId): string {
  return store.statPath(sha256Hex(`spliced ${layer}`));
}
