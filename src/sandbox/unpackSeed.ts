/** The first content of a cache mount: a part of a tree of layers, copied to where nothing is. */
import * as fs from "node:fs";
import type { OpenLayers } from "../image/layers.js";
import { type FileTree, resolvePath, type TreeNode } from "../layer/fileTree.js";
import { treeEntries } from "../layer/unpack.js";
import type { Store } from "../store/store.js";
import { fsPath, toByteString } from "../support/bytes.js";
import { ioError, NacreError } from "../support/errors.js";
import { unpackWithTar } from "./gnuTar.js";
import type { Hand } from "./hand.js";
import type { TreeSource } from "./types.js";

/**
 * Writes what a source leads to, with its own metadata; links are followed inside its tree. Nothing is written where
 * nothing is there.
 * @param into a path on the store's disk
 * @throws NacreError MOUNT if its symlinks lead nowhere; CONTENT_INVALID, TOOL_MISSING, STORE, DISK_FULL
 */
export async function unpackSeed(
  { store, layers, hand }: { readonly store: Store; readonly layers: OpenLayers; readonly hand: Hand },
  source: TreeSource,
  into: string,
): Promise<void> {
  const tree = await layers.tree(source.layers);
  const node = locate(tree, source.path);
  if (node === undefined) return;
  await tree.prepare([node]);
  const made = store.directory.tempTree();
  try {
    const isDirectory = node.type === "dir";
    await unpackWithTar(made, treeEntries(isDirectory ? part(tree, node) : only(tree, node), hand), {});
    const from = isDirectory ? made : fsPath(`${Buffer.from(made).toString("latin1")}/${node.name}`);
    fs.renameSync(from, into);
  } catch (error) {
    throw ioError("STORE", `filling ${into}`, error);
  } finally {
    await store.removeTree(made).catch(() => {});
  }
}

function locate(tree: FileTree, path: string): TreeNode | undefined {
  try {
    return resolvePath(tree, toByteString(path), true).node;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NacreError("MOUNT", `the mount source ${JSON.stringify(path)} cannot be used: ${why}`, {
      hint: "look for a symlink that leads back to itself",
      cause: error,
    });
  }
}

/** The tree below a directory, with that as its root. */
function part(tree: FileTree, directory: TreeNode): FileTree {
  return rooted(tree, { ...directory, name: "", parent: undefined }, () => tree.children(directory));
}

/** A tree that holds nothing but one name. */
function only(tree: FileTree, node: TreeNode): FileTree {
  const root: TreeNode = { ...node, name: "", parent: undefined, type: "dir", mode: 0o700, size: 0, inode: undefined };
  return rooted(tree, { ...root, link: undefined, xattrs: undefined }, () => [node]);
}

function rooted(tree: FileTree, root: TreeNode, below: () => readonly TreeNode[]): FileTree {
  const children = (node: TreeNode) => (node === root ? below() : tree.children(node));
  return {
    root,
    children,
    child: (node, name) => children(node).find((child) => child.name === name),
    prepare: (nodes, onProgress) => tree.prepare(nodes, onProgress),
    digest: (node) => tree.digest(node),
    open: (node) => tree.open(node),
  };
}
