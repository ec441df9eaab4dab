/**
 * Roots of the level `chroot`: whole copies of a stack of layers. Making one costs what the image weighs, so the root of
 * a step that went well is kept: the next step on top of it takes it as it is, or with what further layers add.
 */
import * as fs from "node:fs";
import type { ImageLayer } from "../image/image.js";
import type { OpenLayers } from "../image/layers.js";
import type { FileTree, TreeNode } from "../layer/fileTree.js";
import type { LayerTree, MergedNode } from "../layer/layerTree.js";
import { treeEntries } from "../layer/unpack.js";
import type { Store } from "../store/store.js";
import { type ByteString, fsPath, toByteString } from "../support/bytes.js";
import { ioError } from "../support/errors.js";
import { makeRootDirectory, ROOT_NAME } from "./chrootSweep.js";
import { unpackWithTar } from "./gnuTar.js";
import type { Hand } from "./hand.js";

/** A copy of a stack of layers. */
export interface ChrootRoot {
  /** A directory in the store's tmp/, for this process alone. */
  readonly dir: string;
  /** Of the layers that are in it, lowest first. */
  readonly stack: readonly string[];
}

/** What making roots takes. */
export interface RootEnv {
  readonly store: Store;
  /** Shared by all steps of a sandbox: with it go the roots that are kept. */
  readonly layers: OpenLayers;
  readonly hand: Hand;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytes: number, total: number | undefined) => void) | undefined;
}

/** Roots that are kept at a time: each takes as much disk as the image. */
const MAX_KEPT = 2;

const kept = new WeakMap<OpenLayers, ChrootRoot[]>();

/**
 * A root with exactly these layers in it; the caller's own until it gives it back.
 * @throws NacreError TOOL_MISSING, ISOLATION, CONTENT_INVALID, STORE, DISK_FULL, CANCELLED
 */
export async function takeRoot(env: RootEnv, layers: readonly ImageLayer[]): Promise<ChrootRoot> {
  const stack = layers.map(({ diffId }) => diffId as string);
  const found = takeKept(env.layers, stack);
  const dir = found?.dir ?? makeRootDirectory(env.store);
  try {
    const tree = await env.layers.tree(layers);
    if (found === undefined) await fill(env, dir, tree);
    else if (found.stack.length < stack.length) await addLayers(env, found, layers, tree);
    return { dir, stack };
  } catch (error) {
    await env.store.removeTree(dir).catch(() => {});
    throw error;
  }
}

/** Keeps a root for the next step; the oldest one goes if there are too many. */
export async function keepRoot(env: RootEnv, root: ChrootRoot): Promise<void> {
  const list = kept.get(env.layers) ?? [];
  kept.set(env.layers, [...list, root].slice(-MAX_KEPT));
  const old = list.length === MAX_KEPT ? list[0] : undefined;
  if (old) await env.store.removeTree(old.dir).catch(() => {});
}

/** Removes the roots that are kept. Never throws. */
export async function closeChrootRoots(env: Pick<RootEnv, "store" | "layers">): Promise<void> {
  const list = kept.get(env.layers) ?? [];
  kept.delete(env.layers);
  await Promise.all(list.map(({ dir }) => env.store.removeTree(dir).catch(() => {})));
}

/** The root with most of the layers, and no other. */
function takeKept(layers: OpenLayers, stack: readonly string[]): ChrootRoot | undefined {
  const list = kept.get(layers) ?? [];
  const usable = list.filter((root) => root.stack.every((diffId, at) => stack[at] === diffId));
  const best = usable.sort((a, b) => b.stack.length - a.stack.length)[0];
  if (best) {
    kept.set(
      layers,
      list.filter((root) => root !== best),
    );
  }
  return best;
}

async function fill(env: RootEnv, dir: string, tree: LayerTree): Promise<void> {
  const root = `${dir}/${ROOT_NAME}`;
  try {
    fs.mkdirSync(root, { mode: 0o755 });
  } catch (error) {
    throw ioError("STORE", `creating ${root}`, error);
  }
  await tree.prepare([tree.root]);
  await unpack(env, root, new Separate(tree, undefined));
}

async function unpack(env: RootEnv, root: string, tree: FileTree): Promise<void> {
  let done = 0;
  const onProgress = (bytes: number): void => {
    done += bytes;
    env.onProgress?.(done, undefined);
  };
  await unpackWithTar(root, treeEntries(tree, env.hand), { signal: env.signal, onProgress });
}

/** What differs between two trees of which one has layers on top of the other. */
interface Addition {
  /** Names that are gone or replaced. */
  readonly removed: ByteString[];
  /** Names that are new or replaced, with everything below, and directories on the way. */
  readonly chosen: Set<TreeNode>;
}

async function addLayers(
  env: RootEnv,
  { dir, stack }: ChrootRoot,
  layers: readonly ImageLayer[],
  tree: LayerTree,
): Promise<void> {
  const before = await env.layers.tree(layers.slice(0, stack.length));
  const addition: Addition = { removed: [], chosen: new Set([tree.root]) };
  compare(before, tree, before.root, tree.root, "", stack.length, addition);
  await remove(env.store, dir, addition.removed);
  await tree.prepare([...addition.chosen].filter(({ type }) => type !== "dir"));
  await unpack(env, `${dir}/${ROOT_NAME}`, new Separate(tree, addition.chosen));
}

/** @returns true if something in the directory, or below, is different */
function compare(
  before: LayerTree,
  after: LayerTree,
  old: TreeNode,
  now: TreeNode,
  path: ByteString,
  first: number,
  found: Addition,
): boolean {
  let touched = false;
  for (const child of after.children(now)) {
    const below = path === "" ? child.name : `${path}/${child.name}`;
    const was = before.child(old, child.name);
    if (was?.type === "dir" && child.type === "dir") {
      if (compare(before, after, was, child, below, first, found) || child.layer >= first)
        touched = choose(child, found);
    } else if (was === undefined || isOfLayer(child, first)) {
      if (was !== undefined) found.removed.push(below);
      chooseAll(after, child, found);
      touched = true;
    }
  }
  for (const child of before.children(old)) {
    if (after.child(now, child.name) !== undefined) continue;
    found.removed.push(path === "" ? child.name : `${path}/${child.name}`);
    touched = true;
  }
  return touched;
}

function isOfLayer({ layer }: MergedNode, first: number): boolean {
  return layer >= first;
}

function choose(node: TreeNode, { chosen }: Addition): true {
  chosen.add(node);
  return true;
}

function chooseAll(tree: FileTree, node: TreeNode, found: Addition): void {
  choose(node, found);
  for (const child of tree.children(node)) chooseAll(tree, child, found);
}

/** Out of the root first: a name need not be text there. */
async function remove(store: Store, dir: string, paths: readonly ByteString[]): Promise<void> {
  for (const path of paths) {
    const away = `${dir}/gone`;
    try {
      fs.renameSync(fsPath(`${toByteString(dir)}/${ROOT_NAME}/${path}`), away);
    } catch (error) {
      throw ioError("STORE", `removing a name from ${dir}`, error);
    }
    await store.removeTree(away);
  }
}

/**
 * A tree in which every name has an inode of its own, because what is written to one name must not show in another: overlayfs
 * copies a file to the top for the one name that is written.
 */
class Separate implements FileTree {
  readonly root: TreeNode;
  readonly #tree: FileTree;
  readonly #chosen: ReadonlySet<TreeNode> | undefined;
  readonly #originals = new WeakMap<TreeNode, TreeNode>();

  /** @param chosen the names to show; default: all */
  constructor(tree: FileTree, chosen: ReadonlySet<TreeNode> | undefined) {
    this.#tree = tree;
    this.#chosen = chosen;
    this.root = this.#copy(tree.root);
  }

  children(node: TreeNode): readonly TreeNode[] {
    const all = this.#tree.children(this.#original(node));
    const chosen = this.#chosen;
    return (chosen ? all.filter((child) => chosen.has(child)) : all).map((child) => this.#copy(child));
  }

  child(node: TreeNode, name: ByteString): TreeNode | undefined {
    return this.children(node).find((child) => child.name === name);
  }

  prepare(nodes: readonly TreeNode[], onProgress?: (bytes: number) => void): Promise<void> {
    return this.#tree.prepare(
      nodes.map((node) => this.#original(node)),
      onProgress,
    );
  }

  digest(node: TreeNode): string {
    return this.#tree.digest(this.#original(node));
  }

  open(node: TreeNode): ReturnType<FileTree["open"]> {
    return this.#tree.open(this.#original(node));
  }

  #copy(node: TreeNode): TreeNode {
    const copy: TreeNode = { ...node, inode: undefined };
    this.#originals.set(copy, node);
    return copy;
  }

  #original(node: TreeNode): TreeNode {
    return this.#originals.get(node) ?? node;
  }
}
