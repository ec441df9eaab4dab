/** Looking single paths up in a stack of indexes, and making two stacks that can be compared. Pure. */
import { FLAG_IMPLIED, type LayerIndex } from "../layer/layerIndex.js";
import { LayerTree } from "../layer/layerTree.js";
import { redirectImplied } from "../layer/redirect.js";
import type { ByteString } from "../support/bytes.js";
import { TYPE } from "./diffReasons.js";
import { NO_CONTENT } from "./mergedTree.js";

/** An entry of a layer of a stack. */
export interface StackEntry {
  /** 0 the lowest. */
  readonly layer: number;
  readonly entry: number;
}

/**
 * What is seen at a path; of a directory, its topmost entry.
 * @param stack lowest first
 * @param top layers that count, from the lowest
 */
export function seenIn(stack: readonly LayerIndex[], top: number, path: ByteString): StackEntry | undefined {
  let parts = rootParts(stack, top);
  if (path === "") return parts[0];
  for (const name of path.split("/")) {
    parts = partsBelow(stack, parts, name);
    if (parts.length === 0) return undefined;
  }
  return parts[0];
}

/**
 * The entry that says what a name is: a hard link into a lower layer is what it leads to.
 * @returns undefined if that is not there
 */
export function realEntry(stack: readonly LayerIndex[], layer: number, entry: number): StackEntry | undefined {
  const index = stack[layer]!;
  if (!isDangling(index, entry)) return { layer, entry };
  const target = seenIn(stack, layer, index.link(entry) ?? "");
  return target && realEntry(stack, target.layer, target.entry);
}

/** True for a hard link whose first name is not in its own layer. */
export function isDangling({ columns }: LayerIndex, entry: number): boolean {
  return columns.types[entry] === TYPE.hardlink && columns.contentOffsets[entry]! < 0;
}

/** Two stacks that begin with the very same indexes. */
export interface StackPair {
  readonly a: readonly LayerIndex[];
  readonly b: readonly LayerIndex[];
  /** How many of the lowest indexes they share. */
  readonly shared: number;
}

/**
 * Puts the indexes of two images on top of each other as they read there: members below a parent that is a symlink in lower
 * layers go where it leads. All lists lowest first.
 */
export function pairStacks(
  shared: readonly LayerIndex[],
  ownA: readonly LayerIndex[],
  ownB: readonly LayerIndex[],
): StackPair {
  const below = onTopOf([], shared);
  return { a: onTopOf(below, ownA), b: onTopOf(below, ownB), shared: below.length };
}

function onTopOf(below: readonly LayerIndex[], own: readonly LayerIndex[]): LayerIndex[] {
  const stack = [...below];
  for (const index of own) {
    const lower = stack.slice();
    stack.push(impliesParents(index) ? redirectImplied(index, lower, () => treeOfIndexes(lower)) : index);
  }
  return stack;
}

/** Most layers list every directory: for them there is nothing to look up. */
function impliesParents({ columns }: LayerIndex): boolean {
  return columns.flags.some((flags, entry) => entry > 0 && (flags & FLAG_IMPLIED) !== 0);
}

/** The merged tree of indexes, for lookups only. */
export function treeOfIndexes(stack: readonly LayerIndex[]): LayerTree {
  return new LayerTree(stack.map((index) => ({ index, content: NO_CONTENT })));
}

function rootParts(stack: readonly LayerIndex[], top: number): StackEntry[] {
  const parts: StackEntry[] = [];
  for (let layer = top - 1; layer >= 0; layer--) {
    parts.push({ layer, entry: 0 });
    if (stack[layer]!.isOpaque(0)) break;
  }
  return parts;
}

/** Topmost first: the entries that are merged at a name, or the one that is seen there; none if it is gone. */
function partsBelow(stack: readonly LayerIndex[], parts: readonly StackEntry[], name: ByteString): StackEntry[] {
  const found: StackEntry[] = [];
  for (const { layer, entry: directory } of parts) {
    const index = stack[layer]!;
    if (index.columns.types[directory] !== TYPE.dir) break;
    const entry = index.child(directory, name);
    if (entry < 0) continue;
    const type = index.columns.types[entry]!;
    if (type !== TYPE.dir) {
      if (found.length === 0 && type !== TYPE.whiteout) found.push({ layer, entry });
      break;
    }
    found.push({ layer, entry });
    if (index.isOpaque(entry)) break;
  }
  return found;
}
