/** What in a tree of files may be meant by a path that is not there: other letter case, a near name, the same name elsewhere. */
import { type FileTree, pathOf, resolvePath, type TreeNode } from "../layer/fileTree.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { editDistance } from "../support/suggest.js";

/** Most names that are looked at for one of the same name: a second of work, not more. */
const MAX_NAMES = 200_000;

/** How far a path leads: the deepest thing on it that is there, links followed. */
export interface Reached {
  readonly node: TreeNode;
  /** The first component that is missing, or that stands below something which is no directory. */
  readonly missing: ByteString;
}

/** Where a path that is not there comes to an end. @param path clean, without symlinks in what is there */
export function reachedBy(tree: FileTree, path: ByteString): Reached {
  let node = tree.root;
  for (const part of path.split("/")) {
    const next = childOf(tree, node, part);
    if (next === undefined) return { node, missing: part };
    node = next.type === "symlink" ? (resolvePath(tree, pathOf(next), true).node ?? next) : next;
  }
  return { node, missing: "" };
}

/** The path that differs from this one in letter case only, if there is one. */
export function otherCase(tree: FileTree, path: ByteString): ByteString | undefined {
  let node = tree.root;
  for (const part of path.split("/")) {
    const wanted = fromByteString(part).toLowerCase();
    const next =
      childOf(tree, node, part) ??
      childrenOf(tree, node).find(({ name }) => fromByteString(name).toLowerCase() === wanted);
    if (next === undefined) return undefined;
    node = next;
  }
  const found = pathOf(node);
  return found === path ? undefined : found;
}

/** Up to `limit` paths of names in a directory that are near to one: fewer than 3 edits (BuildKit's limit), nearest first. */
export function nearNames(tree: FileTree, directory: TreeNode, name: ByteString, limit: number): ByteString[] {
  const wanted = fromByteString(name).toLowerCase();
  // Of a short name hardly a letter may differ: `src` is no slip of the pen for `etc`.
  const bound = Math.min(3, Math.floor(wanted.length / 2) + 1);
  return childrenOf(tree, directory)
    .map((child) => ({ child, distance: editDistance(wanted, fromByteString(child.name).toLowerCase(), bound) }))
    .filter(({ distance }) => distance < bound)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, limit)
    .map(({ child }) => pathOf(child));
}

/**
 * Up to `limit` paths whose last component is that of the path, letter case aside, those first that lie nearest to it.
 * Gives up after {@link MAX_NAMES} names.
 */
export function sameNameElsewhere(tree: FileTree, path: ByteString, limit: number): ByteString[] {
  const wanted = fromByteString(path.slice(path.lastIndexOf("/") + 1)).toLowerCase();
  if (wanted === "") return [];
  const found: ByteString[] = [];
  // Breadth first: what is nearer to the root is more likely to be meant, and big trees lie deep.
  let level: readonly TreeNode[] = [tree.root];
  for (let seen = 0; level.length > 0 && seen < MAX_NAMES; ) {
    const below: TreeNode[] = [];
    for (const node of level) {
      for (const child of childrenOf(tree, node)) {
        seen++;
        if (fromByteString(child.name).toLowerCase() === wanted) found.push(pathOf(child));
        if (child.type === "dir") below.push(child);
      }
      if (seen >= MAX_NAMES) break;
    }
    level = below;
  }
  const text = fromByteString(path);
  const distance = (other: ByteString): number => editDistance(text, fromByteString(other));
  return found
    .slice(0, 100)
    .filter((other) => other !== path)
    .map((other) => ({ other, far: distance(other) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, limit)
    .map(({ other }) => other);
}

/** A directory that cannot be read has nothing to offer; the error that is being explained must not give way to that one. */
function childrenOf(tree: FileTree, node: TreeNode): readonly TreeNode[] {
  try {
    return tree.children(node);
  } catch {
    return [];
  }
}

function childOf(tree: FileTree, node: TreeNode, name: ByteString): TreeNode | undefined {
  return childrenOf(tree, node).find((child) => child.name === name);
}
