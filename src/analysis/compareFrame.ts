/** Where the comparison of two stacks stands at one depth: what each side has at the name that is looked at. */
import type { LayerIndex } from "../layer/layerIndex.js";
import type { ByteString } from "../support/bytes.js";
import { TYPE } from "./diffReasons.js";

/** What a side has at a name. */
export const State = {
  /** Nothing. */
  none: 0,
  /** A layer that was read has it, or says what it is. */
  there: 1,
  /** A layer that was read removes it. */
  gone: 2,
  /** No layer that was read speaks of it; shared ones that were not read may. */
  unread: 3,
} as const;

/** One side of a {@link CompareFrame}. */
export class Found {
  state: number = State.none;
  isDirectory = false;
  /** Of a directory: its metadata are listed by a layer, not only implied. */
  isListed = false;
  /** Of a directory: shared layers that were not read may have more in it. */
  hasUnread = false;
  /** Whose entry tells what it is, or removes it; -1 if none does. */
  layer = -1;
  entry = -1;
  /** Directories whose entries are merged here, topmost layer first. */
  count = 0;
  readonly layers: number[] = [];
  readonly entries: number[] = [];

  /** The root, which every stack has. */
  takeRoot(stack: readonly LayerIndex[], unread: boolean, own: boolean): void {
    this.#clear();
    this.state = State.there;
    this.isDirectory = true;
    let isCut = false;
    for (let layer = stack.length - 1; layer >= 0 && !isCut; layer--) {
      this.#addDirectory(stack[layer]!, layer, 0);
      isCut = stack[layer]!.isOpaque(0) && !own;
    }
    this.hasUnread = unread && !isCut;
  }

  /**
   * What the readers have at a name; they go on from there.
   * @param readers topmost layer first
   * @param own whiteouts are things like others
   */
  take(readers: readonly EntryReader[], name: ByteString, unread: boolean, own: boolean): void {
    this.#clear();
    let isCut = false;
    for (const reader of readers) {
      if (reader.name !== name) continue;
      if (!isCut) isCut = this.#add(reader, own);
      reader.next();
    }
    if (this.state === State.none) {
      if (unread) this.state = State.unread;
    } else this.hasUnread = unread && this.isDirectory && !isCut;
  }

  #clear(): void {
    this.state = State.none;
    this.isDirectory = false;
    this.isListed = false;
    this.hasUnread = false;
    this.layer = -1;
    this.entry = -1;
    this.count = 0;
  }

  /** @returns true if nothing lower counts any more */
  #add({ index, layer, at }: EntryReader, own: boolean): boolean {
    const type = index.columns.types[at]!;
    if (type === TYPE.dir) {
      this.state = State.there;
      this.isDirectory = true;
      this.#addDirectory(index, layer, at);
      return index.isOpaque(at) && !own;
    }
    if (this.state === State.none) {
      this.state = type === TYPE.whiteout && !own ? State.gone : State.there;
      this.layer = layer;
      this.entry = at;
    }
    return true;
  }

  /** The topmost that is listed tells what the directory is. */
  #addDirectory(index: LayerIndex, layer: number, entry: number): void {
    this.layers[this.count] = layer;
    this.entries[this.count] = entry;
    this.count++;
    const isListed = !index.isImplied(entry);
    if (this.entry >= 0 && (this.isListed || !isListed)) return;
    this.layer = layer;
    this.entry = entry;
    this.isListed = isListed;
  }
}

/** Both sides at one depth. */
export class CompareFrame {
  readonly depth: number;
  name: ByteString = "";
  readonly a = new Found();
  readonly b = new Found();

  constructor(depth: number) {
    this.depth = depth;
  }
}

/** The entries of one directory of one layer, one after the other. */
export class EntryReader {
  readonly index: LayerIndex;
  readonly layer: number;
  readonly #end: number;
  at: number;
  /** Undefined at the end. */
  name: ByteString | undefined;

  constructor(index: LayerIndex, layer: number, directory: number) {
    this.index = index;
    this.layer = layer;
    this.#end = index.end(directory);
    this.at = directory + 1;
    this.#read();
  }

  next(): void {
    this.at = this.index.end(this.at);
    this.#read();
  }

  #read(): void {
    this.name = this.at < this.#end ? this.index.name(this.at) : undefined;
  }
}

/** Readers of all that is merged in a directory, topmost layer first. */
export function subtreeReaders(stack: readonly LayerIndex[], { count, layers, entries }: Found): EntryReader[] {
  const readers: EntryReader[] = [];
  for (let at = 0; at < count; at++) readers.push(new EntryReader(stack[layers[at]!]!, layers[at]!, entries[at]!));
  return readers;
}
