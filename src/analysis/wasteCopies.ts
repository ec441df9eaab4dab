/**
 * What has become of every content that the layers of an image store: seen in the end, or hidden by which layer and why. A
 * *copy* is a stored content of a regular file; all names that one layer gives it are one copy. Works on columns: a million
 * copies cost a few bytes each. Pure.
 */
import { INDEX_TYPES, type LayerIndex } from "../layer/layerIndex.js";
import type { ByteString } from "../support/bytes.js";
import { ContentGroups } from "./contentGroups.js";
import { type LayerCopies, NO_COPY, sameContent, VISIBLE } from "./copyFacts.js";
import { isDangling, realEntry } from "./stackLookup.js";
import { type StackCursor, walkStack } from "./stackWalk.js";

/** Why a stored content is seen no more. */
export const WASTE_CAUSES = ["overwritten", "deleted", "duplicate-identical", "moved"] as const;
export type WasteCause = (typeof WASTE_CAUSES)[number];

/** All copies of a stack. */
export interface StackCopies {
  /** Lowest first. */
  readonly layers: readonly LayerCopies[];
  /** Which of them hold the same content. */
  readonly groups: ContentGroups;
}

const FILE = INDEX_TYPES.indexOf("file");
const HARDLINK = INDEX_TYPES.indexOf("hardlink");
const WHITEOUT = INDEX_TYPES.indexOf("whiteout");

const OVERWRITTEN = WASTE_CAUSES.indexOf("overwritten");
const DELETED = WASTE_CAUSES.indexOf("deleted");
const IDENTICAL = WASTE_CAUSES.indexOf("duplicate-identical");
const MOVED = WASTE_CAUSES.indexOf("moved");
/** Something that is no file has taken the name: overwritten, unless the content went elsewhere. */
const REPLACED = WASTE_CAUSES.length;

/**
 * Follows every copy through the layers above it.
 * @param stack indexes, lowest first, as they read on top of each other
 * @param ignore paths that are left out as if nothing were stored for them
 */
export function findCopies(stack: readonly LayerIndex[], ignore?: (path: ByteString) => boolean): StackCopies {
  const layers = stack.map(({ count }) => ({
    fates: new Int32Array(count).fill(NO_COPY),
    causes: new Uint8Array(count),
  }));
  const borrowed: (readonly [layer: number, entry: number])[] = [];
  const enter = (cursor: StackCursor): void => {
    for (let version = 0; version < cursor.count; version++) note(cursor, version, layers, borrowed, ignore);
  };
  walkStack(stack, { enter }, { hidden: true });
  for (const [layer, entry] of borrowed) {
    const real = realEntry(stack, layer, entry);
    if (real !== undefined && layers[real.layer]!.fates[real.entry] !== NO_COPY) {
      layers[real.layer]!.fates[real.entry] = VISIBLE;
    }
  }
  for (const [layer, index] of stack.entries()) joinNames(index, layers[layer]!);
  const groups = new ContentGroups(stack, layers);
  findMoves(layers, groups);
  return { layers, groups };
}

function note(
  cursor: StackCursor,
  version: number,
  layers: readonly LayerCopies[],
  borrowed: (readonly [layer: number, entry: number])[],
  ignore: ((path: ByteString) => boolean) | undefined,
): void {
  const [layer, entry, index] = [cursor.layer(version), cursor.entry(version), cursor.index(version)];
  const type = index.columns.types[entry]!;
  if (type !== FILE && type !== HARDLINK) return;
  if (isDangling(index, entry)) {
    if (cursor.visible === version) borrowed.push([layer, entry]);
    return;
  }
  if (ignore?.(cursor.path())) return;
  const hider = cursor.hiddenBy(version);
  layers[layer]!.fates[entry] = hider < 0 ? VISIBLE : hider;
  if (hider >= 0) layers[layer]!.causes[entry] = causeOf(cursor, version, hider);
}

/** The layer that hides a file has something of its name, or has removed the name. */
function causeOf(cursor: StackCursor, version: number, hider: number): number {
  for (let at = version + 1; at < cursor.count; at++) {
    if (cursor.layer(at) !== hider) continue;
    const type = cursor.index(at).columns.types[cursor.entry(at)]!;
    if (type === WHITEOUT) return DELETED;
    if (type !== FILE && type !== HARDLINK) return REPLACED;
    const isSame = sameContent(
      ...([cursor.index(version), cursor.entry(version)] as const),
      ...([cursor.index(at), cursor.entry(at)] as const),
    );
    return isSame ? IDENTICAL : OVERWRITTEN;
  }
  return DELETED;
}

/** Of the names of one inode the one that was seen longest stands for it. */
function joinNames(index: LayerIndex, { fates }: LayerCopies): void {
  const { types, contentOffsets, extras } = index.columns;
  const best = new Map<number, number>();
  for (const key of Object.keys(extras.links)) {
    const entry = Number(key);
    if (types[entry] === HARDLINK && fates[entry] !== NO_COPY) keepLonger(best, contentOffsets[entry]!, entry, fates);
  }
  if (best.size === 0) return;
  for (let entry = 0; entry < index.count; entry++) {
    if (types[entry] !== FILE || fates[entry] === NO_COPY) continue;
    if (best.has(contentOffsets[entry]!)) keepLonger(best, contentOffsets[entry]!, entry, fates, true);
  }
}

/** @param isFirst the first name of its inode: it stands for others that were seen as long */
function keepLonger(
  best: Map<number, number>,
  offset: number,
  entry: number,
  fates: Int32Array,
  isFirst = false,
): void {
  const other = best.get(offset);
  if (other === undefined) {
    best.set(offset, entry);
    return;
  }
  const [own, others] = [lastsUntil(fates[entry]!), lastsUntil(fates[other]!)];
  const isLonger = own > others || (isFirst && own === others);
  if (isLonger) best.set(offset, entry);
  fates[isLonger ? other : entry] = NO_COPY;
}

function lastsUntil(fate: number): number {
  return fate === VISIBLE ? Number.POSITIVE_INFINITY : fate;
}

/** What went away after a layer had stored the same content elsewhere was moved. */
function findMoves(layers: readonly LayerCopies[], groups: ContentGroups): void {
  for (let copy = 0; copy < groups.count; copy++) {
    const { fates, causes } = layers[groups.layerOf(copy)]!;
    const entry = groups.entryOf(copy);
    if (fates[entry]! < 0 || (causes[entry] !== DELETED && causes[entry] !== REPLACED)) continue;
    const next = groups.nextLayer(copy);
    if (next >= 0 && next <= fates[entry]!) causes[entry] = MOVED;
  }
  for (const { causes } of layers) {
    for (let entry = 0; entry < causes.length; entry++) if (causes[entry] === REPLACED) causes[entry] = OVERWRITTEN;
  }
}
