/**
 * Stored contents by their digest: which copies are alike, in which layers. A table of numbers over the digests of the
 * indexes, without an object for each. Pure.
 */
import { randomFillSync } from "node:crypto";
import { type LayerIndex, NO_DIGEST } from "../layer/layerIndex.js";
import { copyBytes, type LayerCopies, NO_COPY, sameContent, VISIBLE } from "./copyFacts.js";

/** Contents that are seen at several places. */
export interface DuplicateContent {
  /** Number of the group. */
  readonly group: number;
  /** Bytes of one. */
  readonly bytes: number;
  /** How many are seen. */
  readonly copies: number;
}

/** Copies with content, the topmost layer's first and in it the last, in groups of equal content; see the top of this file. */
export class ContentGroups {
  readonly count: number;
  readonly #stack: readonly LayerIndex[];
  readonly #layers: Int32Array;
  readonly #entries: Uint32Array;
  readonly #groups: Int32Array;
  /** Lowest layer above a copy's own that stores its content; -1: none. */
  readonly #next: Int32Array;
  /** By group: its first copy, how many of its copies are seen, and the two lowest layers so far. */
  readonly #first: Uint32Array;
  readonly #visible: Uint32Array;
  #groupCount = 0;
  readonly #factors = randomFillSync(new Uint32Array(9));

  constructor(stack: readonly LayerIndex[], layers: readonly LayerCopies[]) {
    this.#stack = stack;
    const most = layers.reduce((sum, copies, layer) => sum + countCopies(stack[layer]!, copies), 0);
    this.count = most;
    this.#layers = new Int32Array(most);
    this.#entries = new Uint32Array(most);
    this.#groups = new Int32Array(most);
    this.#next = new Int32Array(most);
    this.#first = new Uint32Array(most);
    this.#visible = new Uint32Array(most);
    this.#fill(layers);
  }

  layerOf(copy: number): number {
    return this.#layers[copy]!;
  }

  entryOf(copy: number): number {
    return this.#entries[copy]!;
  }

  groupOf(copy: number): number {
    return this.#groups[copy]!;
  }

  /** The lowest layer above a copy's own that stores the same content; -1 if there is none. */
  nextLayer(copy: number): number {
    return this.#next[copy]!;
  }

  /** Contents that are seen more than once, each told to `tell`. */
  duplicates(tell: (duplicate: DuplicateContent) => void): void {
    for (let group = 0; group < this.#groupCount; group++) {
      const copies = this.#visible[group]!;
      if (copies < 2) continue;
      const first = this.#first[group]!;
      tell({ group, copies, bytes: copyBytes(this.#stack[this.layerOf(first)]!, this.entryOf(first)) });
    }
  }

  #fill(layers: readonly LayerCopies[]): void {
    const slots = new Int32Array(tableSize(this.count)).fill(-1);
    // By group: its topmost layers come first, so these are the lowest layer yet and the one above it.
    const lowest = new Int32Array(this.count).fill(-1);
    const above = new Int32Array(this.count).fill(-1);
    let copy = 0;
    for (let layer = this.#stack.length - 1; layer >= 0; layer--) {
      const index = this.#stack[layer]!;
      const { fates } = layers[layer]!;
      for (let entry = index.count - 1; entry >= 0; entry--) {
        if (!isGrouped(index, entry, fates)) continue;
        this.#layers[copy] = layer;
        this.#entries[copy] = entry;
        const group = this.#group(slots, index, entry, copy);
        this.#groups[copy] = group;
        if (lowest[group] !== layer) {
          above[group] = lowest[group]!;
          lowest[group] = layer;
        }
        this.#next[copy] = above[group]!;
        if (fates[entry] === VISIBLE) this.#visible[group]!++;
        copy++;
      }
    }
  }

  /** Tables of contents that came with an image may tell any digests: where they fall is not for others to choose. */
  #spread(digests: Buffer, start: number): number {
    let sum = this.#factors[8]!;
    for (let word = 0; word < 8; word++) {
      sum = (sum + Math.imul(digests.readUInt32LE(start + word * 4), this.#factors[word]! | 1)) | 0;
    }
    return sum ^ (sum >>> 15);
  }

  /** The group of a content: an old one, or a new one that begins with this copy. */
  #group(slots: Int32Array, index: LayerIndex, entry: number, copy: number): number {
    const { digests, digestSlots } = index.columns;
    const mask = slots.length - 1;
    for (let at = this.#spread(digests, digestSlots[entry]! * 32) & mask; ; at = (at + 1) & mask) {
      const group = slots[at]!;
      if (group < 0) {
        slots[at] = this.#groupCount;
        this.#first[this.#groupCount] = copy;
        return this.#groupCount++;
      }
      const first = this.#first[group]!;
      if (sameContent(this.#stack[this.layerOf(first)]!, this.entryOf(first), index, entry)) return group;
    }
  }
}

/** Empty files are no copies of each other. */
function isGrouped(index: LayerIndex, entry: number, fates: Int32Array): boolean {
  const { sizes, digestSlots } = index.columns;
  return fates[entry] !== NO_COPY && sizes[entry]! > 0 && digestSlots[entry] !== NO_DIGEST;
}

function countCopies(index: LayerIndex, { fates }: LayerCopies): number {
  let count = 0;
  for (let entry = 0; entry < index.count; entry++) if (isGrouped(index, entry, fates)) count++;
  return count;
}

/** A power of two that leaves half of the table free. */
function tableSize(count: number): number {
  let size = 16;
  while (size < count * 2) size *= 2;
  return size;
}
