/**
 * The numbers that the program dive shows of an image, so that limits which were set for it keep their meaning. Its faults
 * are part of them: a path that several layers have counts whole, the copy that is needed too; directories that a layer
 * makes opaque hide nothing; what a layer removes of a directory adds to both sides of the score; hard links have no size;
 * the lowest layer alone is "base"; after a whiteout of nothing the rest of its layer is not looked at.
 * {@link import("./measureWaste.js").measureWaste} is right where these are not.
 *
 * The rules are those of dive 0.13: leaves of each layer's own tree, by path without `.wh.`; a whiteout of a directory counts
 * what the layers below have there, one of a file nothing. Pure.
 */
import { INDEX_TYPES, type LayerIndex } from "../layer/layerIndex.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { type StackCursor, walkStack } from "./stackWalk.js";

/** A path that several layers have as a leaf. */
export interface DiveFile {
  /** How many of them. */
  readonly count: number;
  /** Bytes of all. */
  readonly sizeBytes: number;
  /** Absolute. */
  readonly file: string;
}

/** What dive finds. */
export interface DiveNumbers {
  /** Bytes of each layer, lowest first. */
  readonly layerBytes: readonly number[];
  readonly sizeBytes: number;
  /** Bytes of all layers but the lowest. */
  readonly userSizeBytes: number;
  /** 0 to 1. */
  readonly efficiency: number;
  readonly wastedBytes: number;
  /** wastedBytes / userSizeBytes, which may exceed 1; NaN for 0/0, as dive has it. */
  readonly userWastedPercent: number;
  /** How many paths several layers have. */
  readonly inefficient: number;
  /** These paths, most bytes first. */
  files(): Iterable<DiveFile>;
}

const FILE = INDEX_TYPES.indexOf("file");
const DIR = INDEX_TYPES.indexOf("dir");
const WHITEOUT = INDEX_TYPES.indexOf("whiteout");

/** Computes dive's numbers. @param stack indexes, lowest first, as they read on top of each other */
export function diveNumbers(stack: readonly LayerIndex[]): DiveNumbers {
  const layerBytes = stack.map(bytesOf);
  const [sizeBytes, userSizeBytes] = [sum(layerBytes), sum(layerBytes.slice(1))];
  const ends = stack.map((): ByteString | undefined => undefined);
  // A layer's end is where its first whiteout of nothing stands; only then are the leaves counted.
  if (stack.some(({ columns }) => columns.types.includes(WHITEOUT))) new Count(stack, ends).findEnds();
  const count = new Count(stack, ends).run();
  return {
    ...{ layerBytes, sizeBytes, userSizeBytes },
    efficiency: count.discovered === 0 ? 1 : count.least / count.discovered,
    wastedBytes: count.wasted,
    userWastedPercent: count.wasted / userSizeBytes,
    inefficient: count.rows.length,
    files: () => filesOf(stack, count.rows),
  };
}

/** A path with several leaves, without its name. */
interface Row {
  readonly layer: number;
  readonly entry: number;
  readonly count: number;
  readonly sizeBytes: number;
}

function* filesOf(stack: readonly LayerIndex[], rows: readonly Row[]): Generator<DiveFile> {
  for (const { layer, entry, count, sizeBytes } of [...rows].sort((a, b) => b.sizeBytes - a.sizeBytes)) {
    yield { count, sizeBytes, file: `/${fromByteString(stack[layer]!.path(entry))}` };
  }
}

/** One walk over all leaves. */
class Count {
  readonly #stack: readonly LayerIndex[];
  readonly #ends: (ByteString | undefined)[];
  /** By depth: the layers that remove the path, or a directory above it. */
  readonly #removals: (readonly number[])[] = [[]];
  discovered = 0;
  least = 0;
  wasted = 0;
  readonly rows: Row[] = [];

  constructor(stack: readonly LayerIndex[], ends: (ByteString | undefined)[]) {
    this.#stack = stack;
    this.#ends = ends;
  }

  run(): this {
    const enter = (cursor: StackCursor): void => {
      this.#noteRemovals(cursor);
      if (cursor.depth > 0) this.#count(cursor);
    };
    walkStack(this.#stack, { enter }, { hidden: true });
    return this;
  }

  /** Fills in where each layer's visit ends early. */
  findEnds(): void {
    const enter = (cursor: StackCursor): void => {
      this.#noteRemovals(cursor);
      for (let version = 0; version < cursor.count; version++) {
        if (!isType(cursor, version, WHITEOUT) || this.#standing(cursor, version).length > 0) continue;
        const layer = cursor.layer(version);
        const raw = rawPath(cursor, true);
        if (this.#ends[layer] === undefined || raw < this.#ends[layer]!) this.#ends[layer] = raw;
      }
    };
    walkStack(this.#stack, { enter }, { hidden: true });
  }

  /** Layers that remove the path, or a directory above it. */
  #noteRemovals(cursor: StackCursor): void {
    const above = this.#removals[Math.max(0, cursor.depth - 1)]!;
    let own: number[] | undefined;
    for (let version = 0; version < cursor.count; version++) {
      if (isType(cursor, version, WHITEOUT)) (own ??= [...above]).push(cursor.layer(version));
    }
    this.#removals[cursor.depth] = own ?? above;
  }

  #count(cursor: StackCursor): void {
    let [count, all, least] = [0, 0, Number.POSITIVE_INFINITY];
    for (let version = 0; version < cursor.count; version++) {
      const index = cursor.index(version);
      const entry = cursor.entry(version);
      if (index.end(entry) !== entry + 1 || this.#isCutOff(cursor, version)) continue;
      const bytes = isType(cursor, version, WHITEOUT) ? this.#removed(cursor, version) : sizeOf(index, entry);
      count++;
      all += bytes;
      least = Math.min(least, bytes);
    }
    if (count === 0) {
      if (this.#isEnd(cursor)) this.least--;
      return;
    }
    this.discovered += all;
    this.least += least;
    if (count < 2) return;
    this.wasted += all;
    this.rows.push({ layer: cursor.layer(0), entry: cursor.entry(0), count, sizeBytes: all });
  }

  /** True for a path at which a visit ended and that no other layer has: its least size stays at dive's "not yet known", −1. */
  #isEnd(cursor: StackCursor): boolean {
    for (let version = 0; version < cursor.count; version++) {
      const end = this.#ends[cursor.layer(version)];
      if (end !== undefined && isType(cursor, version, WHITEOUT) && rawPath(cursor, true) === end) return true;
    }
    return false;
  }

  /** True for leaves behind the end of their layer's visit. */
  #isCutOff(cursor: StackCursor, version: number): boolean {
    const end = this.#ends[cursor.layer(version)];
    return end !== undefined && rawPath(cursor, isType(cursor, version, WHITEOUT)) >= end;
  }

  /** Lower versions of a path that no layer has removed since, as dive stacks layers. */
  #standing(cursor: StackCursor, version: number): number[] {
    const top = cursor.layer(version);
    const removed = Math.max(-1, ...this.#removals[cursor.depth]!.filter((layer) => layer < top));
    const standing: number[] = [];
    for (let at = 0; at < version; at++) if (cursor.layer(at) > removed) standing.push(at);
    return standing;
  }

  /** What a whiteout counts: the bytes below a directory. */
  #removed(cursor: StackCursor, version: number): number {
    const parts = this.#standing(cursor, version).map((at) => ({ layer: cursor.layer(at), entry: cursor.entry(at) }));
    const top = parts.at(-1);
    if (top === undefined || !isListedDirectory(this.#stack[top.layer]!, top.entry)) return 0;
    return this.#below(parts);
  }

  /** Bytes of what stands at and below a path. @param parts its versions, lowest first */
  #below(parts: readonly { readonly layer: number; readonly entry: number }[]): number {
    const top = parts.at(-1)!;
    let bytes = sizeOf(this.#stack[top.layer]!, top.entry);
    const names = new Map<ByteString, { layer: number; entry: number }[]>();
    for (const { layer, entry } of parts) {
      const index = this.#stack[layer]!;
      for (let at = entry + 1; at < index.end(entry); at = index.end(at)) {
        const name = index.name(at);
        if (index.columns.types[at] === WHITEOUT) names.delete(name);
        else if (names.has(name)) names.get(name)!.push({ layer, entry: at });
        else names.set(name, [{ layer, entry: at }]);
      }
    }
    for (const below of names.values()) bytes += this.#below(below);
    return bytes;
  }
}

/** A path as it stands in the layer, so that text order is the order of a visit: components compare before their ends. */
function rawPath(cursor: StackCursor, isWhiteout: boolean): ByteString {
  const path = cursor.path();
  const slash = path.lastIndexOf("/") + 1;
  const raw = isWhiteout ? `${path.slice(0, slash)}.wh.${path.slice(slash)}` : path;
  return raw.replaceAll("/", "\0");
}

function isType(cursor: StackCursor, version: number, type: number): boolean {
  return cursor.index(version).columns.types[cursor.entry(version)] === type;
}

/** Parents that a layer does not list have no type in dive's trees. */
function isListedDirectory(index: LayerIndex, entry: number): boolean {
  return index.columns.types[entry] === DIR && !index.isImplied(entry);
}

function sizeOf({ columns }: LayerIndex, entry: number): number {
  return columns.types[entry] === FILE ? columns.sizes[entry]! : 0;
}

function bytesOf(index: LayerIndex): number {
  let bytes = 0;
  for (let entry = 0; entry < index.count; entry++) bytes += sizeOf(index, entry);
  return bytes;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
