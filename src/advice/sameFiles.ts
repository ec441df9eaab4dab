/** Whether two images hold the same files: the merged trees of their layers are compared, times left aside. */
import { isDeepStrictEqual } from "node:util";
import type { Image } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import { type FileTree, pathOf, type TreeNode } from "../layer/fileTree.js";
import type { Store } from "../store/store.js";
import { fromByteString } from "../support/bytes.js";

/** A path that differs, and how. */
export interface FileDifference {
  readonly path: string;
  readonly what:
    | "added"
    | "removed"
    | "type"
    | "mode"
    | "owner"
    | "content"
    | "link"
    | "device"
    | "attributes"
    | "names";
}

/** More differences are not gathered. */
const MOST = 10_000;

/**
 * What differs between the files of two images, the first {@link MOST} of it. Times are no difference.
 * @throws NacreError CONTENT_INVALID, STORE
 */
export async function fileDifferences(store: Store, before: Image, after: Image): Promise<readonly FileDifference[]> {
  const open = new OpenLayers(store);
  try {
    const [old, fresh] = [await open.tree(before.layers), await open.tree(after.layers)];
    await Promise.all([old.prepare([old.root]), fresh.prepare([fresh.root])]);
    const comparison = new Comparison(old, fresh);
    comparison.directory(old.root, fresh.root);
    return comparison.finish();
  } finally {
    open.close();
  }
}

class Comparison {
  readonly #old: FileTree;
  readonly #fresh: FileTree;
  readonly #found: FileDifference[] = [];
  /** First names of inodes, which stand for all others. */
  readonly #oldNames = new Map<unknown, string>();
  readonly #freshNames = new Map<unknown, string>();

  constructor(old: FileTree, fresh: FileTree) {
    this.#old = old;
    this.#fresh = fresh;
  }

  finish(): readonly FileDifference[] {
    return this.#found;
  }

  /** Both lists are in the order of the bytes of their names. */
  directory(old: TreeNode, fresh: TreeNode): void {
    this.#node(old, fresh);
    const [before, after] = [this.#old.children(old), this.#fresh.children(fresh)];
    for (let i = 0, j = 0; (i < before.length || j < after.length) && this.#found.length < MOST; ) {
      const [a, b] = [before[i], after[j]];
      if (b === undefined || (a !== undefined && a.name < b.name)) {
        this.#add(a!, "removed");
        i++;
      } else if (a === undefined || b.name < a.name) {
        this.#add(b, "added");
        j++;
      } else {
        if (a.type === "dir" && b.type === "dir") this.directory(a, b);
        else this.#node(a, b);
        i++;
        j++;
      }
    }
  }

  #node(old: TreeNode, fresh: TreeNode): void {
    if (old.type !== fresh.type) {
      this.#add(fresh, "type");
      return;
    }
    if (old.mode !== fresh.mode) this.#add(fresh, "mode");
    if (old.uid !== fresh.uid || old.gid !== fresh.gid) this.#add(fresh, "owner");
    if (old.link !== fresh.link) this.#add(fresh, "link");
    if (old.devMajor !== fresh.devMajor || old.devMinor !== fresh.devMinor) this.#add(fresh, "device");
    if (!isDeepStrictEqual(old.xattrs ?? {}, fresh.xattrs ?? {})) this.#add(fresh, "attributes");
    if (old.type === "file" && (old.size !== fresh.size || this.#old.digest(old) !== this.#fresh.digest(fresh))) {
      this.#add(fresh, "content");
    }
    if (firstName(this.#oldNames, old) !== firstName(this.#freshNames, fresh)) this.#add(fresh, "names");
  }

  #add(node: TreeNode, what: FileDifference["what"]): void {
    if (this.#found.length < MOST) this.#found.push({ path: fromByteString(pathOf(node)), what });
  }
}

/** The first name of the inode, where it has several. */
function firstName(names: Map<unknown, string>, node: TreeNode): string | undefined {
  if (node.inode === undefined || node.type === "dir") return undefined;
  const first = names.get(node.inode) ?? pathOf(node);
  names.set(node.inode, first);
  return first;
}
