/** The order of an index: every directory is followed by all below it, entries of a directory in byte order of their names. */
import type { DraftTree } from "./indexDraft.js";

/** Entries of the index by number. */
export interface DraftOrder {
  /** Their numbers in the tree of drafts. */
  readonly order: Uint32Array<ArrayBuffer>;
  /** Number of the first entry that is not below each. */
  readonly ends: Uint32Array<ArrayBuffer>;
  /** Number of the directory of each. */
  readonly parents: Uint32Array<ArrayBuffer>;
  /** True if all numbers are the same in the tree of drafts: the archive was in the order of the index. */
  readonly isSame: boolean;
}

/** Puts the entries of a tree in order; those that were replaced, and what was below them, are left out. */
export function numberEntries(tree: DraftTree): DraftOrder {
  const { starts, list } = childLists(tree);
  const total = tree.names.count;
  const order = new Uint32Array(total);
  const ends = new Uint32Array(total);
  const parents = new Uint32Array(total);
  // The directories above the next entry: their numbers, and where in the list the next entry of each stands.
  const open: number[] = [0];
  const next: number[] = [starts[0]!];
  let count = 1;
  sortChildren(tree, list, starts[0]!, starts[1]!);
  while (open.length > 0) {
    const directory = open[open.length - 1]!;
    const at = next[next.length - 1]!;
    if (at === starts[order[directory]! + 1]!) {
      ends[directory] = count;
      open.pop();
      next.pop();
      continue;
    }
    next[next.length - 1] = at + 1;
    const draft = list[at]!;
    order[count] = draft;
    parents[count] = directory;
    if (tree.isDirectory(draft)) {
      sortChildren(tree, list, starts[draft]!, starts[draft + 1]!);
      open.push(count);
      next.push(starts[draft]!);
    } else ends[count] = count + 1;
    count++;
  }
  const isSame = count === total && order.every((draft, number) => draft === number);
  return {
    order: order.subarray(0, count),
    ends: ends.subarray(0, count),
    parents: parents.subarray(0, count),
    isSame,
  };
}

/** Entries that were not replaced, grouped by directory: those of directory `d` from `starts[d]` to `starts[d + 1]`. */
function childLists(tree: DraftTree): { readonly starts: Uint32Array; readonly list: Uint32Array } {
  const { count, parents } = tree.names;
  const starts = new Uint32Array(count + 2);
  for (let draft = 1; draft < count; draft++) if (!tree.isReplaced(draft)) starts[parents[draft]! + 2]!++;
  for (let draft = 1; draft < count + 2; draft++) starts[draft]! += starts[draft - 1]!;
  const list = new Uint32Array(starts[count + 1]!);
  // Each start, still one place too far, moves to the start of the next directory while its list is filled.
  for (let draft = 1; draft < count; draft++) {
    if (!tree.isReplaced(draft)) list[starts[parents[draft]! + 1]!++] = draft;
  }
  return { starts, list };
}

function sortChildren(tree: DraftTree, list: Uint32Array, start: number, end: number): void {
  for (let at = start + 1; at < end; at++) {
    if (tree.names.compare(list[at - 1]!, list[at]!) > 0) {
      list.subarray(start, end).sort((a, b) => tree.names.compare(a, b));
      return;
    }
  }
}
