/** The sources of COPY and ADD, keyed as they will be written. */
import { type ExcludeFilter, excludeFilter } from "../context/exclude.js";
import type { RemoteSource, RemoteSources } from "../context/remoteSource.js";
import {
  isBelowMatch,
  type ParentedSelection,
  type SelectedSource,
  selectSources,
  selectWithParents,
  splitAtPivot,
} from "../context/select.js";
import { treeDigest } from "../context/treeDigest.js";
import { cleanPath, type FileTree, pathOf, type TreeNode, walkTree } from "../layer/fileTree.js";
import type { Digest } from "../oci/digest.js";
import type { CopyStep } from "../plan/graph.js";
import { fromByteString, toByteString } from "../support/bytes.js";
import type { InputIdentity, SourceIngredient, SourceIngredients, WordIngredient } from "./ingredients.js";

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
  { putList, remote, onProgress }: KeyingOptions = {},
): Promise<SourceIngredients> {
  const exclude = step.exclude.length === 0 ? undefined : excludeFilter(step.exclude);
  const mode = modeOf && ((node: TreeNode): number => modeOf(node.mode, node.type === "dir"));
  const keying: Keying = { context, exclude, mode, putList };
  if (step.parents)
    return keyParented(
      step.sources.map((word) => selectWithParents(context, word)),
      keying,
      onProgress,
    );
  const words = step.sources.map((word) => remote?.get(word) ?? selectSources(context, word));
  const nodes = words.flatMap((word) => (isRemote(word) ? [] : word.map(({ node }) => node)));
  await context.prepare(nodes, onProgress);
  return {
    kind: "context",
    words: words.map((word) => (isRemote(word) ? keyRemote(word, step) : keyWord(word, keying))),
  };
}

/** What keying is given beside the step. */
export interface KeyingOptions {
  readonly putList?: ((bytes: Uint8Array) => Digest) | undefined;
  /** Words of ADD that are no files of the context. */
  readonly remote?: RemoteSources | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

function isRemote(word: RemoteSource | readonly SelectedSource[]): word is RemoteSource {
  return !Array.isArray(word);
}

function keyRemote({ name, digest, unpack }: RemoteSource, { exclude }: CopyStep): WordIngredient {
  return {
    matches: [name === undefined ? { digest } : { name, digest }],
    unpack: unpack || undefined,
    exclude: exclude.length > 0 ? exclude : undefined,
  };
}

/** What all words of a step are keyed with. */
interface Keying {
  readonly context: FileTree;
  readonly exclude: ExcludeFilter | undefined;
  readonly mode: ((node: TreeNode) => number) | undefined;
  readonly putList: ((bytes: Uint8Array) => Digest) | undefined;
}

function keyWord(matches: readonly SelectedSource[], { context, exclude, mode, putList }: Keying): WordIngredient {
  const keyed = matches.map(({ name, node }): SourceIngredient => {
    const include = exclude && ((below: TreeNode): boolean => exclude(node, below));
    const digest = treeDigest(context, node, { mode, include, putList });
    return node.type === "dir" ? { digest } : { name, digest };
  });
  return { matches: keyed, shared: sharedInodes(context, matches) };
}

/** With `--parents` the directories above the matches are written too, so that the pivot's directory is what is keyed. */
async function keyParented(
  words: readonly (readonly ParentedSelection[])[],
  { context, exclude, mode, putList }: Keying,
  onProgress: ((bytes: number) => void) | undefined,
): Promise<SourceIngredients> {
  await context.prepare(
    words.flat().flatMap(({ matches }) => [...matches]),
    onProgress,
  );
  const keyed = (selection: ParentedSelection): SourceIngredient => {
    const { root } = selection;
    const include = (node: TreeNode): boolean => isBelowMatch(selection, node) && (exclude?.(root, node) ?? true);
    return { digest: treeDigest(context, root, { mode, include, putList }) };
  };
  return { kind: "context", words: words.map((selections) => ({ matches: selections.map(keyed) })) };
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
  const words = step.sources.map((word) => {
    if (!step.parents) return fromByteString(cleanPath(toByteString(word)));
    const { prefix, rest } = splitAtPivot(word);
    return fromByteString(`${prefix}/./${rest}`);
  });
  return { kind: "paths", from, words, exclude: step.exclude };
}
