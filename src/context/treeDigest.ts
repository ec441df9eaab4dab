/**
 * The key of a source of files: a digest over all that would be written from it, and over nothing else. See treeList.ts
 * for what counts and how it is laid out.
 */

import type { FileTree, TreeNode } from "../layer/fileTree.js";
import { type Digest, digestOfHex, hexOf } from "../oci/digest.js";
import type { ByteString } from "../support/bytes.js";
import { sha256Hex } from "../support/hash.js";
import { CAPABILITY } from "./capabilities.js";
import { type ListEntry, ListWriter } from "./treeList.js";

/** What of a tree counts, and how it is transformed before. */
export interface TreeDigestOptions {
  /** The mode that a node will be written with; default: its own. */
  readonly mode?: ((node: TreeNode) => number) | undefined;
  /**
   * Whether a node is selected; the root is asked about only if it is no directory. A directory that is not selected
   * still counts where something below it is.
   * @param path relative to the root
   */
  readonly include?: ((node: TreeNode, path: ByteString) => boolean) | undefined;
  /** `zero`: owners do not count, because they are replaced or reset. Default: they are kept. */
  readonly owner?: "zero" | "keep" | undefined;
  /** Receives every list, children before parents. */
  readonly putList?: ((bytes: Uint8Array) => Digest) | undefined;
}

/** A tree that keeps the digests of its lists between builds. */
export interface DigestingTree extends FileTree {
  readonly keepsDigests: true;
  /** The same as {@link treeDigest} without `mode` and `include`, but unchanged directories cost nothing. */
  listDigest(node: TreeNode, putList?: (bytes: Uint8Array) => Digest): Digest;
  /** Hands over the lists below a node that are not kept yet. A list that is kept stands for all lists below it. */
  storeLists(node: TreeNode, hasList: (digest: Digest) => boolean, putList: (bytes: Uint8Array) => Digest): void;
}

/**
 * The digest of a node's list: for a directory what is in it (its own metadata does not count), for anything else its
 * one entry without a name. Files must have been prepared.
 */
export function treeDigest(tree: FileTree, node: TreeNode, options: TreeDigestOptions = {}): Digest {
  if (!options.mode && !options.include && keepsDigests(tree)) return tree.listDigest(node, options.putList);
  const inodes = new Map<unknown, number>();
  const selected = select(tree, node, "", options, inodes) ?? { node, below: node.type === "dir" ? [] : undefined };
  return new Digester(tree, options, inodes).root(selected);
}

/**
 * Hands over the lists from which {@link treeDigest} with the same options makes its digest, children before parents:
 * of a tree that keeps digests only those that are not there yet, of any other all. Files must have been prepared.
 */
export function collectLists(
  tree: FileTree,
  node: TreeNode,
  options: Omit<TreeDigestOptions, "putList">,
  { hasList, putList }: ListReceiver,
): void {
  if (!options.mode && !options.include && keepsDigests(tree)) tree.storeLists(node, hasList, putList);
  else treeDigest(tree, node, { ...options, putList });
}

/** Who takes lists, and knows which need not be made again. */
export interface ListReceiver {
  readonly hasList: (digest: Digest) => boolean;
  /** The bytes may be overwritten afterwards. */
  readonly putList: (bytes: Uint8Array) => Digest;
}

function keepsDigests(tree: FileTree): tree is DigestingTree {
  return "keepsDigests" in tree && tree.keepsDigests === true;
}

/** A node with what is selected below it. */
interface Selected {
  readonly node: TreeNode;
  readonly below: readonly Selected[] | undefined;
}

function select(
  tree: FileTree,
  node: TreeNode,
  path: ByteString,
  options: TreeDigestOptions,
  inodes: Map<unknown, number>,
): Selected | undefined {
  const isRoot = path === "";
  const included = (isRoot && node.type === "dir") || (options.include?.(node, path) ?? true);
  if (node.type !== "dir") {
    if (!included) return undefined;
    if (node.inode !== undefined) inodes.set(node.inode, (inodes.get(node.inode) ?? 0) + 1);
    return { node, below: undefined };
  }
  const below: Selected[] = [];
  for (const child of tree.children(node)) {
    const selected = select(tree, child, isRoot ? child.name : `${path}/${child.name}`, options, inodes);
    if (selected) below.push(selected);
  }
  return included || below.length > 0 ? { node, below } : undefined;
}

class Digester {
  readonly #tree: FileTree;
  readonly #options: TreeDigestOptions;
  readonly #names: ReadonlyMap<unknown, number>;
  readonly #groups = new Map<unknown, number>();

  constructor(tree: FileTree, options: TreeDigestOptions, names: ReadonlyMap<unknown, number>) {
    this.#tree = tree;
    this.#options = options;
    this.#names = names;
  }

  root(selected: Selected): Digest {
    if (selected.below) return this.#directory(selected.below);
    const writer = new ListWriter();
    writer.start();
    writer.add({ ...this.#entry(selected), name: "" });
    return this.#finish(writer);
  }

  #directory(below: readonly Selected[]): Digest {
    // Entries first: they need the lists below, which would overwrite a shared writer.
    const entries = below.map((selected) => this.#entry(selected));
    const writer = new ListWriter();
    writer.start();
    for (const entry of entries) writer.add(entry);
    return this.#finish(writer);
  }

  #entry({ node, below }: Selected): ListEntry {
    const keep = this.#options.owner !== "zero";
    return {
      name: node.name,
      type: node.type,
      mode: this.#options.mode?.(node) ?? node.mode,
      uid: keep ? node.uid : 0,
      gid: keep ? node.gid : 0,
      group: this.#groupOf(node),
      capability: node.xattrs?.[CAPABILITY],
      size: node.size,
      digest: below ? hexOf(this.#directory(below)) : node.type === "file" ? this.#tree.digest(node) : undefined,
      link: node.link,
      devMajor: node.devMajor,
      devMinor: node.devMinor,
    };
  }

  /** Groups are numbered as they are met, so that the number depends on the selection alone. */
  #groupOf(node: TreeNode): number | undefined {
    if (node.type === "dir" || node.inode === undefined || (this.#names.get(node.inode) ?? 0) < 2) return undefined;
    let group = this.#groups.get(node.inode);
    if (group === undefined) {
      group = this.#groups.size;
      this.#groups.set(node.inode, group);
    }
    return group;
  }

  #finish(writer: ListWriter): Digest {
    const bytes = writer.finish();
    return this.#options.putList?.(bytes) ?? digestOfHex(sha256Hex(bytes));
  }
}
