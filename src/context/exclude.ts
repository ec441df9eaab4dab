/** `--exclude` of COPY and ADD: ignore patterns, matched relative to each source directory. */
import type { TreeNode } from "../layer/fileTree.js";
import { parsePatterns } from "./ignore.js";
import { createMatcher, type IgnoreState } from "./ignoreMatcher.js";

/** Tells of a node below a source directory whether it is copied. */
export type ExcludeFilter = (root: TreeNode, node: TreeNode) => boolean;

/**
 * Compiles the patterns of all `--exclude` flags of one instruction.
 * @throws NacreError IGNORE_PATTERN
 */
export function excludeFilter(patterns: readonly string[]): ExcludeFilter {
  const matcher = createMatcher(parsePatterns(patterns, "--exclude"));
  const states = new WeakMap<TreeNode, WeakMap<TreeNode, IgnoreState>>();
  return (root, node) => {
    let known = states.get(root);
    if (known === undefined) {
      known = new WeakMap();
      states.set(root, known);
    }
    return !enter(node, root, known).ignored;
  };

  function enter(node: TreeNode, root: TreeNode, known: WeakMap<TreeNode, IgnoreState>): IgnoreState {
    if (node === root || node.parent === undefined) return matcher.root;
    let state = known.get(node);
    if (state === undefined) {
      state = matcher.enter(node.name, enter(node.parent, root, known));
      known.set(node, state);
    }
    return state;
  }
}
