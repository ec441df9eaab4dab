/**
 * Where the lists of a step's context sources begin: one root for each match of a source word, each bind mount of a
 * context, each tree that serves as a base. The digest of a root stands among the step's ingredients.
 */
import { collectLists, type ListReceiver, type TreeDigestOptions } from "../context/treeDigest.js";
import { type FileTree, pathOf, type TreeNode } from "../layer/fileTree.js";
import type { Digest } from "../oci/digest.js";
import type { ByteString } from "../support/bytes.js";

/** Where a root stands among the ingredients of its step; all numbers count from 0. */
export type RootPlace =
  | { readonly kind: "word"; readonly word: number; readonly match: number }
  /** The number of the mount among the ingredients. */
  | { readonly kind: "mount"; readonly mount: number }
  /** The whole tree that a step starts from. */
  | { readonly kind: "tree" };

/** What is remembered of a root. */
export interface RootFacts {
  readonly at: RootPlace;
  /** Path of the file or directory in its context, links followed. */
  readonly path: ByteString;
  /** Digest of its list, as it stands in the ingredients. */
  readonly digest: string;
}

/** A root with the files that it stands for. */
export interface ListRoot extends RootFacts {
  /** Hands over its lists. Call it while the tree is as it was when the digest was made. */
  readonly collect: (receiver: ListReceiver) => void;
}

/** A source word of a step. */
export interface WordFacts {
  /** As it was looked up, expanded. */
  readonly text: string;
  /** A download or a git repository: there are no lists of its files. */
  readonly remote?: true | undefined;
}

/** The roots of one step. */
export interface StepRoots<T extends RootFacts = ListRoot> {
  /** In the order of the ingredients; empty for a RUN. */
  readonly words: readonly WordFacts[];
  readonly roots: readonly T[];
}

/** The root of a node whose digest was made with these options. */
export function rootOf(
  at: RootPlace,
  tree: FileTree,
  node: TreeNode,
  digest: string,
  options: Omit<TreeDigestOptions, "putList"> = {},
): ListRoot {
  return { at, path: pathOf(node), digest, collect: (receiver) => collectLists(tree, node, options, receiver) };
}

/** The roots of a tree that serves as a base: the whole of it. @param digest that of its root */
export function treeRoots(tree: FileTree, digest: Digest): StepRoots {
  return { words: [], roots: [rootOf({ kind: "tree" }, tree, tree.root, digest)] };
}
