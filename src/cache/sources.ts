/** The sources of COPY and ADD, keyed as they will be written. */
import { type ExcludeFilter, excludeFilter } from "../context/exclude.js";
import type { RemoteSource, RemoteSources } from "../context/remoteSource.js";
import {
  isBelowMatch,
  type SelectedSource,
  selectSources,
  selectWithParents,
  splitAtPivot,
} from "../context/select.js";
import { type TreeDigestOptions, treeDigest } from "../context/treeDigest.js";
import { cleanPath, type FileTree, pathOf, type TreeNode, walkTree } from "../layer/fileTree.js";
import type { CopyStep } from "../plan/graph.js";
import { fromByteString, toByteString } from "../support/bytes.js";
import { withoutUserinfo } from "../support/url.js";
import type { InputIdentity, SourceIngredient, SourceIngredients, WordIngredient } from "./ingredients.js";
import { type ListRoot, type RootPlace, rootOf, type StepRoots, type WordFacts } from "./listRoots.js";

/** How `--chmod` changes modes; the same function that composing uses. */
export type ModeOf = (mode: number, isDirectory: boolean) => number;

/** The sources of a step as they are keyed, and where the lists of their files begin. */
export interface KeyedSources {
  readonly sources: SourceIngredients;
  readonly lists: StepRoots;
}

/** What keying is given beside the step. */
export interface KeyingOptions {
  /** Words of ADD that are no files of the context. */
  readonly remote?: RemoteSources | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Keys the files of a context that a step copies. Reads only what the context does not know yet.
 * @throws NacreError SOURCE_NOT_FOUND
 */
export async function contextSources(
  step: CopyStep,
  context: FileTree,
  modeOf: ModeOf | undefined,
  options: KeyingOptions = {},
): Promise<SourceIngredients> {
  return (await keyContextSources(step, context, modeOf, options)).sources;
}

/**
 * The same, with the roots of the lists that explain a later miss.
 * @throws NacreError SOURCE_NOT_FOUND
 */
export async function keyContextSources(
  step: CopyStep,
  context: FileTree,
  modeOf: ModeOf | undefined,
  { remote, onProgress }: KeyingOptions = {},
): Promise<KeyedSources> {
  const keying = keyingOf(step, context, modeOf);
  if (step.parents) return keyParented(step.sources, keying, onProgress);
  const words = step.sources.map((word) => remote?.get(word) ?? selectSources(context, word));
  const nodes = words.flatMap((word) => (isRemote(word) ? [] : word.map(({ node }) => node)));
  await context.prepare(nodes, onProgress);
  const keyed = words.map((word, i) => (isRemote(word) ? keyRemote(word, step) : keyWord(word, i, keying)));
  const facts = words.map((word, i): WordFacts => {
    const text = step.sources[i]!;
    return isRemote(word) ? { text: withoutUserinfo(text), remote: true } : { text };
  });
  return keyedSources(keyed, facts);
}

function isRemote(word: RemoteSource | readonly SelectedSource[]): word is RemoteSource {
  return !Array.isArray(word);
}

/** A word as it stands in the key, and the roots of its lists. */
interface KeyedWord {
  readonly word: WordIngredient;
  readonly roots: readonly ListRoot[];
}

function keyedSources(keyed: readonly KeyedWord[], words: readonly WordFacts[]): KeyedSources {
  return {
    sources: { kind: "context", words: keyed.map(({ word }) => word) },
    lists: { words, roots: keyed.flatMap(({ roots }) => roots) },
  };
}

function keyRemote({ name, digest, unpack }: RemoteSource, { exclude }: CopyStep): KeyedWord {
  const word: WordIngredient = {
    matches: [name === undefined ? { digest } : { name, digest }],
    unpack: unpack || undefined,
    exclude: exclude.length > 0 ? exclude : undefined,
  };
  return { word, roots: [] };
}

/**
 * Words of git sources by the files that they mean, in place of what they are called; by the number of the word. Reads
 * those files.
 */
export async function gitWords(
  step: CopyStep,
  remote: RemoteSources,
  modeOf: ModeOf | undefined,
): Promise<ReadonlyMap<number, WordIngredient>> {
  const words = new Map<number, WordIngredient>();
  for (const [i, word] of step.sources.entries()) {
    const source = remote.get(word);
    // A single file, which is a download, has a name, and is known by its content already.
    if (source === undefined || source.name !== undefined) continue;
    const { tree, matches } = await source.files();
    await tree.prepare(matches.map(({ node }) => node));
    words.set(i, keyWord(matches, i, keyingOf(step, tree, modeOf)).word);
  }
  return words;
}

/** What all words of a step are keyed with. */
interface Keying {
  readonly context: FileTree;
  readonly exclude: ExcludeFilter | undefined;
  readonly mode: ((node: TreeNode) => number) | undefined;
  /** `zero` under `--chown`, which replaces owners. */
  readonly owner: "zero" | "keep";
}

function keyingOf(step: CopyStep, context: FileTree, modeOf: ModeOf | undefined): Keying {
  const exclude = step.exclude.length === 0 ? undefined : excludeFilter(step.exclude);
  const mode = modeOf && ((node: TreeNode): number => modeOf(node.mode, node.type === "dir"));
  return { context, exclude, mode, owner: step.chown === undefined ? "keep" : "zero" };
}

function keyWord(
  matches: readonly SelectedSource[],
  index: number,
  { context, exclude, mode, owner }: Keying,
): KeyedWord {
  const roots = matches.map(({ node }, match) => {
    const include = exclude && ((below: TreeNode): boolean => exclude(node, below));
    return keyRoot({ kind: "word", word: index, match }, context, node, { mode, owner, include });
  });
  const keyed = matches.map(({ name, node }, i): SourceIngredient => {
    const { digest } = roots[i]!;
    return node.type === "dir" ? { digest } : { name, digest };
  });
  return { word: { matches: keyed, shared: sharedInodes(context, matches) }, roots };
}

function keyRoot(at: RootPlace, tree: FileTree, node: TreeNode, options: TreeDigestOptions): ListRoot {
  return rootOf(at, tree, node, treeDigest(tree, node, options), options);
}

/** With `--parents` the directories above the matches are written too, so that the pivot's directory is what is keyed. */
async function keyParented(
  sources: readonly string[],
  { context, exclude, mode, owner }: Keying,
  onProgress: ((bytes: number) => void) | undefined,
): Promise<KeyedSources> {
  const words = sources.map((word) => selectWithParents(context, word));
  await context.prepare(
    words.flat().flatMap(({ matches }) => [...matches]),
    onProgress,
  );
  const keyed = words.map((selections, word): KeyedWord => {
    const roots = selections.map((selection, match) => {
      const { root } = selection;
      const include = (node: TreeNode): boolean => isBelowMatch(selection, node) && (exclude?.(root, node) ?? true);
      return keyRoot({ kind: "word", word, match }, context, root, { mode, owner, include });
    });
    return { word: { matches: roots.map(({ digest }) => ({ digest })) }, roots };
  });
  return keyedSources(
    keyed,
    sources.map((text) => ({ text })),
  );
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
