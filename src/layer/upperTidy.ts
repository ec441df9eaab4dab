/**
 * Making a snapshot of an upper directory: afterwards it holds what its layer says and no more, and a mount of it shows
 * what the layer's index shows. What only looked touched goes, so that what is below is seen again; directories that the
 * layer leaves out get the time that they have below.
 */
import * as fs from "node:fs";
import type { ByteString } from "../support/bytes.js";
import { ioError } from "../support/errors.js";
import type { TreeNode } from "./fileTree.js";
import type { Pace } from "./pace.js";
import type { DiffItem } from "./upperDiff.js";
import { type UpperNode, upperPath } from "./upperWalk.js";

/**
 * What a tidied upper directory can serve as:
 * - `layer`: it is what unpacking the layer gives;
 * - `stack`: it shows the same over this very stack of layers, but not over another one, because a directory in it hides
 *   more than the layer says;
 * - `nothing`: it shows something else than the layer; the layer has to be unpacked where a snapshot is wanted.
 */
export type UpperUse = "layer" | "stack" | "nothing";

/** What has to be done to an upper directory. */
export interface UpperTidy {
  readonly use: UpperUse;
  /** Names to remove, what is in a directory before the directory. */
  readonly remove: readonly { readonly path: ByteString; readonly isDirectory: boolean }[];
  /** Times to set where the layer has none of its own for it, whole seconds. */
  readonly times: readonly { readonly path: ByteString; readonly mtime: number }[];
  /** Names that the layer has entries for. */
  readonly written: readonly ByteString[];
  /** The root as it is on disk, and as it is below: what was done to it is not part of a layer. */
  readonly root: { readonly found: UpperNode; readonly below: TreeNode };
}

/** Plans it from what {@link diffUpper} found. */
export function planTidy(items: readonly DiffItem[]): UpperTidy {
  const planner = new Planner();
  for (let at = items.length - 1; at > 0; at--) planner.take(items[at]!, at);
  const { node, below } = items[0]!;
  const { use, remove, times, written } = planner;
  return { use, remove, times, written, root: { found: node!, below: below! } };
}

/** Takes items from the last to the first, so that a directory comes after all that is in it. */
class Planner {
  use: UpperUse = "layer";
  readonly remove: { path: ByteString; isDirectory: boolean }[] = [];
  readonly times: { path: ByteString; mtime: number }[] = [];
  readonly written: ByteString[] = [];
  /** Directories in which something stays. */
  readonly #full = new Set<number>();
  /** Directories in which something is removed, which changes their time. */
  readonly #touched = new Set<number>();

  take(item: DiffItem, at: number): void {
    const { node, verdict, parent } = item;
    if (verdict === "removed") this.#removed(node, parent);
    else if (verdict === "changed") this.#changed(item, node!, at);
    else if (verdict === "nothing") this.#drop(item);
    else this.#same(item, node!, at);
  }

  #removed(node: UpperNode | undefined, parent: number): void {
    this.#full.add(parent);
    if (node === undefined) this.#atMost("stack");
    // It stands where the layer says that nothing is.
    else if (node.type === "socket") this.#atMost("nothing");
  }

  #changed(item: DiffItem, node: UpperNode, at: number): void {
    this.#full.add(item.parent);
    this.written.push(item.path);
    if (this.#touched.has(at)) this.times.push({ path: item.path, mtime: node.mtime });
  }

  #same(item: DiffItem, node: UpperNode, at: number): void {
    if (!item.hidden && !this.#full.has(at)) {
      this.#drop(item);
      return;
    }
    if (item.hidden) this.#atMost("stack");
    this.#full.add(item.parent);
    if (node.type === "dir") this.times.push({ path: item.path, mtime: item.below!.mtime });
  }

  #drop({ path, node, parent }: DiffItem): void {
    this.remove.push({ path, isDirectory: node!.type === "dir" });
    this.#touched.add(parent);
  }

  #atMost(use: UpperUse): void {
    if (this.use !== "nothing") this.use = use;
  }
}

/**
 * Carries a plan out. Nothing follows a symlink: all paths are those that the walk found below real directories.
 * @param options `mtime`: every entry of the layer gets it, whole seconds
 * @throws NacreError STORE, DISK_FULL, CANCELLED
 */
export async function tidyUpper(
  dir: ByteString,
  tidy: UpperTidy,
  options: { readonly mtime: number | undefined; readonly singleId: boolean; readonly pace: Pace },
): Promise<void> {
  const { mtime, pace } = options;
  const all = async <T extends { readonly path: ByteString }>(list: readonly T[], work: (one: T) => void) => {
    for (const one of list) {
      doing(dir, one.path, () => work(one));
      if (pace.isDue()) await pace.pause();
    }
  };
  await all(tidy.remove, ({ path, isDirectory }) => {
    if (isDirectory) fs.rmdirSync(upperPath(dir, path));
    else fs.unlinkSync(upperPath(dir, path));
  });
  await all(tidy.times, ({ path, mtime }) => fs.lutimesSync(upperPath(dir, path), mtime, mtime));
  if (mtime !== undefined) {
    const written = tidy.written.map((path) => ({ path }));
    await all(written, ({ path }) => fs.lutimesSync(upperPath(dir, path), mtime, mtime));
  }
  doing(dir, "", () => restoreRoot(dir, tidy.root, options.singleId));
}

/** Owner first: changing it takes set-id bits away. */
function restoreRoot(dir: ByteString, { found, below }: UpperTidy["root"], singleId: boolean): void {
  const at = upperPath(dir, "");
  const owned = singleId || (found.uid === below.uid && found.gid === below.gid);
  if (!owned) fs.lchownSync(at, below.uid, below.gid);
  if (!owned || found.mode !== below.mode) fs.chmodSync(at, below.mode);
  fs.lutimesSync(at, below.mtime, below.mtime);
}

function doing(dir: ByteString, path: ByteString, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw ioError("STORE", `making a snapshot in ${upperPath(dir, path).toString()}`, error);
  }
}
