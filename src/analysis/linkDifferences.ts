/**
 * Names that share an inode in the one image and not in the other. Which names belong together cannot be told from one
 * directory: it is found out before trees are compared, from the hard links of all layers. Pure.
 */
import type { LayerIndex } from "../layer/layerIndex.js";
import type { ByteString } from "../support/bytes.js";
import { TYPE } from "./diffReasons.js";
import { realEntry, seenIn } from "./stackLookup.js";

/** The names of an inode, in order; the same list for each of them. */
type Names = readonly ByteString[];

/**
 * Paths of files that both stacks have, with other names beside them in the one than in the other.
 * @param a as they read on top of each other: see `pairStacks`
 */
export function linkDifferences(a: readonly LayerIndex[], b: readonly LayerIndex[]): Set<ByteString> {
  const [linksA, linksB] = [linkedNames(a), linkedNames(b)];
  const found = new Set<ByteString>();
  const isSame = comparison();
  const add = (path: ByteString): void => {
    if (isSame(linksA.get(path) ?? [path], linksB.get(path) ?? [path])) return;
    if (isFile(a, path) && isFile(b, path)) found.add(path);
  };
  for (const path of linksA.keys()) add(path);
  for (const path of linksB.keys()) if (!linksA.has(path)) add(path);
  return found;
}

/** Every name that is seen and is not the only one of its inode, with all names of that. */
function linkedNames(stack: readonly LayerIndex[]): Map<ByteString, Names> {
  const groups = new Map<string, Set<ByteString>>();
  for (const [layer, index] of stack.entries()) {
    for (const [entry, first] of index.firstNames()) addName(stack, groups, `${layer}:${first}`, layer, entry);
    for (const entry of linksDown(index)) addLinkDown(stack, groups, layer, entry);
  }
  const names = new Map<ByteString, Names>();
  for (const group of groups.values()) {
    if (group.size < 2) continue;
    const list = [...group].sort();
    for (const path of list) names.set(path, list);
  }
  return names;
}

/** Hard links whose first name lies in a lower layer. */
function linksDown({ columns }: LayerIndex): number[] {
  return Object.keys(columns.extras.links)
    .map(Number)
    .filter((entry) => columns.types[entry] === TYPE.hardlink && columns.contentOffsets[entry]! < 0);
}

function addLinkDown(
  stack: readonly LayerIndex[],
  groups: Map<string, Set<ByteString>>,
  layer: number,
  entry: number,
): void {
  const target = realEntry(stack, layer, entry);
  if (target === undefined) return;
  const index = stack[target.layer]!;
  const first = index.firstNames().get(target.entry) ?? target.entry;
  const key = `${target.layer}:${first}`;
  addName(stack, groups, key, layer, entry);
  addName(stack, groups, key, target.layer, target.entry);
}

/** Adds a name to its inode, if it is what is seen in the end. */
function addName(
  stack: readonly LayerIndex[],
  groups: Map<string, Set<ByteString>>,
  key: string,
  layer: number,
  entry: number,
): void {
  const path = stack[layer]!.path(entry);
  const seen = seenIn(stack, stack.length, path);
  if (seen?.layer !== layer || seen.entry !== entry) return;
  const group = groups.get(key);
  if (group) group.add(path);
  else groups.set(key, new Set([path]));
}

/** Compares lists; all names of an inode come one after the other, and are compared once. */
function comparison(): (a: Names, b: Names) => boolean {
  let last: { readonly a: Names; readonly b: Names; readonly isSame: boolean } | undefined;
  return (a, b) => {
    if (last?.a === a && last.b === b) return last.isSame;
    last = { a, b, isSame: a.length === b.length && a.every((name, at) => name === b[at]) };
    return last.isSame;
  };
}

function isFile(stack: readonly LayerIndex[], path: ByteString): boolean {
  const seen = seenIn(stack, stack.length, path);
  if (seen === undefined) return false;
  const type = stack[seen.layer]!.columns.types[seen.entry];
  return type === TYPE.file || type === TYPE.hardlink;
}
