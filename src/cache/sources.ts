/** The sources of COPY and ADD, keyed as they will be written. */
import { excludeFilter } from "../context/exclude.js";
import { type SelectedSource, selectSources } from "../context/select.js";
import { treeDigest } from "../context/treeDigest.js";
import { cleanPath, type FileTree, pathOf, type TreeNode, walkTree } from "../layer/fileTree.js";
import type { Digest } from "../oci/digest.js";
import type { CopyStep } from "../plan/graph.js";
import { fromByteString, toByteString } from "../support/bytes.js";
import type { InputIdentity, SourceIngredient, SourceIngredients } from "./ingredients.js";

/** How `--chmod` changes modes; the same function that composing uses. */
export type ModeOf = (mode: number, isDirectory: boolean) => number;

/**
 * Keys the files of a context that a step copies. Reads only what the context does not know yet.
 * @throws NacreError SOURCE_NOT_FOUND
 */
export async function contextSources(
  step: CopyStep,
  context: FileTree,
  modeOf: ModeOf | undefined,
  putList: ((bytes: Uint8Array) => Digest) | undefined,
  onProgress?: (bytes: number) => void,
): Promise<SourceIngredients> {
  const words = step.sources.map((word) => selectSources(context, word));
  const nodes = words.flatMap((matches) => matches.map(({ node }) => node));
  await context.prepare(nodes, onProgress);
  const exclude = step.exclude.length === 0 ? undefined : excludeFilter(step.exclude);
  const keyed = words.map((matches) => ({
    matches: matches.map(({ name, node }): SourceIngredient => {
      const digest = treeDigest(context, node, {
        putList,
        ...(modeOf ? { mode: (below: TreeNode) => modeOf(below.mode, below.type === "dir") } : {}),
        ...(exclude ? { include: (below: TreeNode) => exclude(node, below) } : {}),
      });
      return node.type === "dir" ? { digest } : { name, digest };
    }),
    shared: sharedInodes(context, matches),
  }));
  return { kind: "context", words: keyed };
}

/** Hard links between different matches of one word: the layer keeps them, and no digest of a single match tells of them. */
function sharedInodes(tree: FileTree, matches: readonly SelectedSource[]): readonly (readonly string[])[] | undefined {
  if (matches.length < 2) return undefined;
  const names = new Map<unknown, { readonly paths: string[]; readonly owners: Set<number> }>();
  for (const [owner, { node }] of matches.entries()) {
    walkTree(tree, node, (below) => {
      if (below.inode === undefined) return true;
      const group = names.get(below.inode) ?? { paths: [], owners: new Set<number>() };
      group.paths.push(`${owner}:${pathOf(below).slice(pathOf(node).length)}`);
      group.owners.add(owner);
      names.set(below.inode, group);
      return true;
    });
  }
  const shared = [...names.values()].filter((group) => group.owners.size > 1).map((group) => group.paths);
  return shared.length > 0 ? shared : undefined;
}

/** Keys the sources of a step that copies from an image or another stage: its identity and the paths in it. */
export function pathSources(step: CopyStep, from: InputIdentity): SourceIngredients {
  const words = step.sources.map((word) => fromByteString(cleanPath(toByteString(word))));
  return { kind: "paths", from, words, exclude: step.exclude };
}
