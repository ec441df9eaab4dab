/** What is to be written when files of an image are taken out, in columns: no object for each. */
import type { LayerIndex } from "../layer/layerIndex.js";
import type { ByteString } from "../support/bytes.js";
import { TYPE } from "./diffReasons.js";
import { realEntry } from "./stackLookup.js";
import { walkStack } from "./stackWalk.js";
import type { FilePlace } from "./types.js";

/** A name in the stack. */
export interface PlannedName {
  readonly layer: number;
  readonly entry: number;
}

/** A file whose content has to be read, as `readMany` takes it. */
export class PlannedFile implements FilePlace {
  /** The name that it is written under. */
  readonly layer: number;
  readonly entry: number;
  readonly #index: LayerIndex;
  readonly #content: number;

  /** @param content the entry that has the content, in `index` */
  constructor(name: PlannedName, index: LayerIndex, content: number) {
    this.layer = name.layer;
    this.entry = name.entry;
    this.#index = index;
    this.#content = content;
  }

  get offset(): number {
    return this.#index.contentOffset(this.#content);
  }

  get size(): number {
    return this.#index.size(this.#content);
  }

  get sparse(): FilePlace["sparse"] {
    return this.#index.sparse(this.#content);
  }

  get digest(): string | undefined {
    return this.#index.digestHex(this.#content);
  }
}

/** A further name of an inode that is written before. */
export interface PlannedLink extends PlannedName {
  readonly first: PlannedFile;
}

/** All that is below a path. */
export interface ExtractPlan {
  /** Parents first. */
  readonly directories: readonly PlannedName[];
  /** By the layer that has the contents. */
  readonly files: ReadonlyMap<number, readonly PlannedFile[]>;
  readonly links: readonly PlannedLink[];
  readonly symlinks: readonly PlannedName[];
  /** Devices and pipes. */
  readonly specials: readonly PlannedName[];
  /** Hard links that lead nowhere. */
  readonly broken: readonly PlannedName[];
}

/**
 * Plans taking out all that is below a path, itself included.
 * @param stack as it reads, lowest first
 * @param path clean, without symlinks in it
 * @param ownLayer only what the topmost layer lists
 */
export function planExtraction(stack: readonly LayerIndex[], path: ByteString, ownLayer: boolean): ExtractPlan {
  const plan = new Planner(stack);
  const parts = path === "" ? [] : path.split("/");
  const base = ownLayer ? stack.length - 1 : 0;
  walkStack(ownLayer ? stack.slice(base) : stack, {
    enter(cursor) {
      if (cursor.depth > 0 && cursor.depth <= parts.length && cursor.name !== parts[cursor.depth - 1]) return false;
      if (cursor.depth >= parts.length) {
        plan.add({ layer: cursor.layer(cursor.visible) + base, entry: cursor.entry(cursor.visible) });
      }
      return true;
    },
  });
  return plan;
}

class Planner implements ExtractPlan {
  readonly directories: PlannedName[] = [];
  readonly files = new Map<number, PlannedFile[]>();
  readonly links: PlannedLink[] = [];
  readonly symlinks: PlannedName[] = [];
  readonly specials: PlannedName[] = [];
  readonly broken: PlannedName[] = [];
  readonly #stack: readonly LayerIndex[];
  readonly #firsts = new Map<number, PlannedFile>();

  constructor(stack: readonly LayerIndex[]) {
    this.#stack = stack;
  }

  add(name: PlannedName): void {
    const real = realEntry(this.#stack, name.layer, name.entry);
    const type = real && this.#stack[real.layer]!.columns.types[real.entry];
    if (real === undefined || type === undefined) this.broken.push(name);
    else if (type === TYPE.dir) this.directories.push(name);
    else if (type === TYPE.symlink) this.symlinks.push(name);
    else if (type === TYPE.file || type === TYPE.hardlink) this.#file(name, real);
    else this.specials.push(name);
  }

  #file(name: PlannedName, real: PlannedName): void {
    const index = this.#stack[real.layer]!;
    // A hard link into a lower layer is a copy of its own.
    const inode = real.layer === name.layer ? index.firstNames().get(real.entry) : undefined;
    const key = inode === undefined ? undefined : real.layer * 2 ** 32 + inode;
    const first = key === undefined ? undefined : this.#firsts.get(key);
    if (first !== undefined) {
      this.links.push({ ...name, first });
      return;
    }
    const file = new PlannedFile(name, index, real.entry);
    if (key !== undefined) this.#firsts.set(key, file);
    const list = this.files.get(real.layer);
    if (list) list.push(file);
    else this.files.set(real.layer, [file]);
  }
}
