/**
 * Walking a stack of layers, from their indexes alone and without an object for each file: every path that any layer names,
 * with all its versions, which of them is seen in the end, and which layer hides each of the others. A million files cost
 * one small frame for each level of depth.
 */
import type { LayerIndex } from "../layer/layerIndex.js";
import type { ByteString } from "../support/bytes.js";

/**
 * A path of the stack while it is visited. The same object serves for the next path of its depth: take from it what is to be
 * kept. *Versions* are the layers' entries for the path, the lowest layer first; whiteouts are versions too.
 */
export interface StackCursor {
  /** Last component; the root's is empty. */
  readonly name: ByteString;
  /** 0 for the root. */
  readonly depth: number;
  /** Number of versions, at least 1. */
  readonly count: number;
  /** Number of the version that a container sees, or -1 if the path is gone. Of a directory: the one whose metadata count. */
  readonly visible: number;
  /** True if what is seen is a directory. */
  readonly isDirectory: boolean;
  path(): ByteString;
  /** The layer of a version, 0 the lowest. */
  layer(version: number): number;
  /** The entry of a version in its layer's index. */
  entry(version: number): number;
  index(version: number): LayerIndex;
  /**
   * The layer that hides a version: by another file of that name, a whiteout, an opaque directory, also of a directory above.
   * -1 if none does; directories that are merged do not hide each other.
   */
  hiddenBy(version: number): number;
}

/** What is called on a walk. */
export interface StackVisitor {
  /** Called for each path, directories before what is in them, in byte order in each. Return false to leave out what is below. */
  enter(cursor: StackCursor): unknown;
  /** Called for each path with directories among its versions, after what is below. The cursor is that of the path again. */
  leave?(cursor: StackCursor): void;
}

/** How a stack is walked. */
export interface WalkOptions {
  /** Also what is hidden: paths of which nothing is seen, and what hidden directories hold. Default: false. */
  readonly hidden?: boolean | undefined;
}

/**
 * Walks a stack of layers.
 * @param stack indexes, lowest first, as they read on top of each other: see `stackOf` in mergedTree.ts
 */
export function walkStack(stack: readonly LayerIndex[], visitor: StackVisitor, options: WalkOptions = {}): void {
  if (stack.length === 0) return;
  new Walk(stack, visitor, options.hidden ?? false).run();
}

const DIRECTORY = 1;
const WHITEOUT = 7;

/** One level of a walk. */
class Frame implements StackCursor {
  readonly depth: number;
  readonly #walk: Walk;
  name: ByteString = "";
  count = 0;
  visible = -1;
  isDirectory = false;
  readonly layers: number[] = [];
  readonly entries: number[] = [];
  /** Layers that hide all lower ones at this path and below, inherited; ascending. */
  hiders: readonly number[] = [];

  constructor(walk: Walk, depth: number) {
    this.#walk = walk;
    this.depth = depth;
  }

  path(): ByteString {
    return this.#walk.pathOf(this.depth);
  }

  layer(version: number): number {
    return this.layers[version]!;
  }

  entry(version: number): number {
    return this.entries[version]!;
  }

  index(version: number): LayerIndex {
    return this.#walk.stack[this.layers[version]!]!;
  }

  hiddenBy(version: number): number {
    const layer = this.layers[version]!;
    const above = this.hiders.find((hider) => hider > layer) ?? Number.POSITIVE_INFINITY;
    let at = version + 1;
    // Directories above a directory are merged with it, unless they are opaque.
    while (at < this.count && this.isDir(version) && this.isDir(at) && !this.isOpaque(at)) at++;
    const own = at < this.count ? this.layers[at]! : Number.POSITIVE_INFINITY;
    const hider = Math.min(above, own);
    return hider === Number.POSITIVE_INFINITY ? -1 : hider;
  }

  isDir(version: number): boolean {
    return this.#columns(version).types[this.entries[version]!] === DIRECTORY;
  }

  isWhiteout(version: number): boolean {
    return this.#columns(version).types[this.entries[version]!] === WHITEOUT;
  }

  isOpaque(version: number): boolean {
    return this.index(version).isOpaque(this.entries[version]!);
  }

  /** Finds out what is seen. */
  settle(): void {
    const top = this.count - 1;
    this.isDirectory = false;
    this.visible = -1;
    if (this.isWhiteout(top) || this.#isHidden(top)) return;
    this.isDirectory = this.isDir(top);
    this.visible = this.isDirectory ? this.#describing(top) : top;
  }

  /** The directory that metadata are taken from: the topmost that is listed and not only implied. */
  #describing(top: number): number {
    for (let at = top; at >= 0 && this.isDir(at) && !this.#isHidden(at); at--) {
      if (!this.index(at).isImplied(this.entries[at]!)) return at;
      if (this.isOpaque(at)) break;
    }
    return top;
  }

  #isHidden(version: number): boolean {
    const highest = this.hiders[this.hiders.length - 1];
    return highest !== undefined && highest > this.layers[version]!;
  }

  #columns(version: number): LayerIndex["columns"] {
    return this.#walk.stack[this.layers[version]!]!.columns;
  }
}

class Walk {
  readonly stack: readonly LayerIndex[];
  readonly #visitor: StackVisitor;
  readonly #hidden: boolean;
  readonly #frames: Frame[] = [];

  constructor(stack: readonly LayerIndex[], visitor: StackVisitor, hidden: boolean) {
    this.stack = stack;
    this.#visitor = visitor;
    this.#hidden = hidden;
  }

  run(): void {
    const root = this.#frame(0);
    root.name = "";
    root.count = this.stack.length;
    for (let layer = 0; layer < this.stack.length; layer++) {
      root.layers[layer] = layer;
      root.entries[layer] = 0;
    }
    this.#visit(root);
  }

  pathOf(depth: number): ByteString {
    let path = "";
    for (let at = 1; at <= depth; at++)
      path = path === "" ? this.#frames[at]!.name : `${path}/${this.#frames[at]!.name}`;
    return path;
  }

  #frame(depth: number): Frame {
    let frame = this.#frames[depth];
    if (frame === undefined) {
      frame = new Frame(this, depth);
      this.#frames[depth] = frame;
    }
    return frame;
  }

  #visit(frame: Frame): void {
    frame.settle();
    if (frame.visible < 0 && !this.#hidden) return;
    const goOn = this.#visitor.enter(frame) !== false;
    const directories = this.#directories(frame);
    if (directories.length === 0) return;
    if (goOn) this.#below(frame, directories);
    this.#visitor.leave?.(frame);
  }

  /** Versions whose children are to be visited. */
  #directories(frame: Frame): number[] {
    const found: number[] = [];
    for (let at = 0; at < frame.count; at++) {
      if (frame.isDir(at) && (this.#hidden || frame.hiddenBy(at) < 0)) found.push(at);
    }
    return found;
  }

  #below(frame: Frame, directories: readonly number[]): void {
    const child = this.#frame(frame.depth + 1);
    child.hiders = hidersBelow(frame);
    if (directories.length === 1) this.#children(frame, directories[0]!, child);
    else this.#merge(frame, directories, child);
  }

  /** What is below a directory that only one layer has. */
  #children(frame: Frame, version: number, child: Frame): void {
    const layer = frame.layers[version]!;
    const directory = frame.entries[version]!;
    const index = this.stack[layer]!;
    const { ends } = index.columns;
    const { hiders } = child;
    for (let at = directory + 1; at < ends[directory]!; at = ends[at]!) {
      child.name = index.name(at);
      child.count = 1;
      child.layers[0] = layer;
      child.entries[0] = at;
      child.hiders = hiders;
      this.#visit(child);
    }
  }

  /** What is below a directory that several layers have: their sorted lists are read side by side. */
  #merge(frame: Frame, directories: readonly number[], child: Frame): void {
    const { hiders } = child;
    const readers = directories.map(
      (version) => new Reader(this.stack, frame.layers[version]!, frame.entries[version]!),
    );
    for (;;) {
      let least: ByteString | undefined;
      for (const { name } of readers) if (name !== undefined && (least === undefined || name < least)) least = name;
      if (least === undefined) return;
      child.name = least;
      child.count = 0;
      child.hiders = hiders;
      for (const reader of readers) {
        if (reader.name !== least) continue;
        child.layers[child.count] = reader.layer;
        child.entries[child.count] = reader.at;
        child.count++;
        reader.next();
      }
      this.#visit(child);
    }
  }
}

/** The entries of one directory of one layer, one after the other. */
class Reader {
  readonly layer: number;
  readonly #index: LayerIndex;
  readonly #end: number;
  at: number;
  name: ByteString | undefined;

  constructor(stack: readonly LayerIndex[], layer: number, directory: number) {
    this.layer = layer;
    this.#index = stack[layer]!;
    this.#end = this.#index.end(directory);
    this.at = directory + 1;
    this.#read();
  }

  next(): void {
    this.at = this.#index.end(this.at);
    this.#read();
  }

  #read(): void {
    this.name = this.at < this.#end ? this.#index.name(this.at) : undefined;
  }
}

/** The layers that hide what lower ones have below a path: those above it, and versions of its own that are no plain directories. */
function hidersBelow(frame: Frame): readonly number[] {
  const own: number[] = [];
  for (let at = 0; at < frame.count; at++) {
    if (!frame.isDir(at) || frame.isOpaque(at)) own.push(frame.layers[at]!);
  }
  return own.length === 0 ? frame.hiders : [...new Set([...frame.hiders, ...own])].sort((a, b) => a - b);
}
