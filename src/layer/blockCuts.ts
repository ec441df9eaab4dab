/**
 * Where a layer's tar is cut into blocks that are compressed each by itself.
 *
 * Whether there is a cut before an entry depends only on its path and on the power of two below its size, so a change
 * to one file leaves all cuts away from it where they were, relative to their entries, and all other blocks are the
 * same bytes as before. The larger an entry, the more likely the cut, so that blocks have about the same size whether
 * a layer holds millions of tiny files or a few big ones. Files above {@link PART_BYTES} are cut inside too, at fixed
 * distances from the start of their content. Only the index is consulted, never the content.
 */
import type { IndexColumns } from "./layerIndex.js";
import { INDEX_TYPES } from "./layerIndex.js";

/** An entry of 2^n bytes has a cut before it with probability 2^n ÷ 2^19: blocks have about 0.7 MiB on average. */
const TARGET_BITS = 19;
/** No block is smaller, but for the last one. */
const MIN_BYTES = 64 << 10;
/** Blocks longer than this end at the next entry, whatever its path. */
const SOFT_MAX_BYTES = 4 << 20;
/** Big files are cut at multiples of this. */
const PART_BYTES = 2 << 20;
/** No block is larger, whatever stands between the entries. */
const MAX_BYTES = 8 << 20;

const BLOCK = 512;
const FILE = INDEX_TYPES.indexOf("file");

/** Kinds of places, added to an offset (a multiple of 512), so that one sort of numbers orders them all. */
const ENTRY = 0;
const CHOSEN = 1;

/** The part of an index that cuts depend on. */
export type CutColumns = Pick<
  IndexColumns,
  "count" | "tarSize" | "sizes" | "headerOffsets" | "contentOffsets" | "parents" | "types" | "names" | "nameStarts"
>;

/**
 * Offsets in the uncompressed tar at which its blocks begin, ascending, the first being 0; the last block ends with the
 * tar. Empty for an empty tar.
 */
export function blockCuts(columns: CutColumns): number[] {
  const { tarSize } = columns;
  if (tarSize === 0) return [];
  const cuts = [0];
  let last = 0;
  const cutAt = (offset: number): void => {
    while (offset - last > MAX_BYTES) cuts.push((last += MAX_BYTES));
    if (offset < tarSize) cuts.push((last = offset));
  };
  for (const place of places(columns)) {
    const offset = Math.floor(place / BLOCK) * BLOCK;
    if (offset >= tarSize) break;
    const least = place - offset === CHOSEN ? MIN_BYTES : SOFT_MAX_BYTES;
    if (offset - last >= least) cutAt(offset);
  }
  cutAt(tarSize);
  return cuts;
}

/** All places where a cut may be, in order: offset + kind. */
function places(columns: CutColumns): Float64Array {
  const { count, headerOffsets, contentOffsets, sizes, types, tarSize } = columns;
  const hashes = pathHashes(columns);
  const found: number[] = [];
  for (let entry = 0; entry < count; entry++) {
    const header = headerOffsets[entry]!;
    if (header < 0) continue;
    const size = types[entry] === FILE ? sizes[entry]! : 0;
    const inTar = BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const chosen = hashes[entry]! < 2 ** (Math.floor(Math.log2(inTar)) + 32 - TARGET_BITS);
    found.push(header + (chosen ? CHOSEN : ENTRY));
    const content = contentOffsets[entry]!;
    const end = Math.min(content + size, tarSize);
    for (let at = content + PART_BYTES; at < end; at += PART_BYTES) found.push(at + CHOSEN);
  }
  return Float64Array.from(found).sort();
}

/** A 32-bit hash of every entry's path, well mixed (FNV-1a over the parent's hash, then murmur3's last step). */
function pathHashes({ count, parents, names, nameStarts }: CutColumns): Uint32Array {
  const states = new Uint32Array(count);
  const mixed = new Uint32Array(count);
  for (let entry = 0; entry < count; entry++) {
    // Parents come before their children, so their state is known.
    let state = entry === 0 ? 0x811c9dc5 : step(states[parents[entry]!]!, 0x2f);
    for (let at = nameStarts[entry]!; at < nameStarts[entry + 1]!; at++) state = step(state, names[at]!);
    states[entry] = state;
    mixed[entry] = finish(state);
  }
  return mixed;
}

function step(state: number, byte: number): number {
  return Math.imul(state ^ byte, 0x01000193) >>> 0;
}

function finish(state: number): number {
  let hash = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
