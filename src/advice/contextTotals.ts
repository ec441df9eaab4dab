/** Files and bytes below each directory of a context, links and devices left out. */
import type { FileTree, TreeNode } from "../layer/fileTree.js";
import { NOTHING, sum, type Total } from "./contextWalk.js";

/** From here on a tree is large: it takes noticeable time to send or to copy. */
export const LARGE: Total = { files: 1000, bytes: 10_000_000 };

/** True for trees that are worth a word. */
export function isLarge({ files, bytes }: Total): boolean {
  return files >= LARGE.files || bytes >= LARGE.bytes;
}

/** Sums that are made once for each directory. */
export class ContextTotals {
  readonly #tree: FileTree;
  readonly #known = new Map<TreeNode, Total>();

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  of(node: TreeNode): Total {
    if (node.type !== "dir") return node.type === "file" ? { files: 1, bytes: node.size } : NOTHING;
    let total = this.#known.get(node);
    if (total === undefined) {
      total = sum(this.#tree.children(node).map((child) => this.of(child)));
      this.#known.set(node, total);
    }
    return total;
  }
}
