/** Sums over the paths that differ: numbers, bytes, bytes by folder; and which content only moved. Pure. */
import type { LayerIndex } from "../layer/layerIndex.js";
import { NO_DIGEST } from "../layer/layerIndex.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { addedBytes, type ChangeList, isUnread } from "./changeList.js";
import type { ChangeKind } from "./compareTrees.js";
import { sameDigest, TYPE } from "./diffReasons.js";

/** Numbers of paths of each kind, and bytes: further names of an inode have none. */
export interface ChangeTotals {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** What shared layers decide that were not read. */
  readonly unsettled: number;
  readonly addedBytes: number;
  readonly removedBytes: number;
  /** Of what is changed: by how many bytes it has grown; may be negative. */
  readonly changedBytes: number;
  /** By how many bytes the files of B have grown in all. */
  readonly delta: number;
  /** False if shared layers that were not read may hold more differences. */
  readonly isComplete: boolean;
}

/** The differences below one folder. */
export interface FolderDelta {
  /** Text; empty for the root. */
  readonly path: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly unsettled: number;
  /** Bytes. */
  readonly delta: number;
}

/** Most folders that are told apart; what else there is counts for `…`. */
const MAX_FOLDERS = 100_000;
/** Name of all folders beyond {@link MAX_FOLDERS}. */
const OTHERS = "…";

type Counts = { -readonly [K in keyof FolderDelta]: FolderDelta[K] };

/** Sums, and folders, the one that differs most first. */
export interface SummedChanges {
  readonly totals: ChangeTotals;
  readonly folders: readonly FolderDelta[];
}

/**
 * Sums a list up.
 * @param depth how deep folders are told apart: a path counts for the folder of that depth that it is in
 */
export function sumChanges(list: ChangeList, depth: number): SummedChanges {
  const folders = new Map<ByteString, Counts>();
  const bytes: Record<ChangeKind, number> = { added: 0, removed: 0, changed: 0, unsettled: 0 };
  const all = counts("");
  let isComplete = true;
  for (let at = 0; at < list.length; at++) {
    const kind = list.kind(at);
    const delta = bytesOf(list, at, "b") - bytesOf(list, at, "a");
    bytes[kind] += delta;
    if (isUnread(list.reasons(at))) isComplete = false;
    const folder = folderOf(list.path(at), depth, isDirectory(list, at));
    for (const each of [all, countsOf(folders, folder)]) {
      each[kind]++;
      each.delta += delta;
    }
  }
  const { path: _, ...numbers } = all;
  const totals = { addedBytes: bytes.added, removedBytes: -bytes.removed, changedBytes: bytes.changed, isComplete };
  return { totals: { ...numbers, ...totals }, folders: [...folders.values()].sort(byDelta) };
}

function counts(path: string): Counts {
  return { path, added: 0, removed: 0, changed: 0, unsettled: 0, delta: 0 };
}

function countsOf(folders: Map<ByteString, Counts>, folder: ByteString): Counts {
  const key = folders.size < MAX_FOLDERS || folders.has(folder) ? folder : OTHERS;
  let found = folders.get(key);
  if (found === undefined) {
    found = counts(key === OTHERS ? OTHERS : fromByteString(key));
    folders.set(key, found);
  }
  return found;
}

function byDelta(a: Counts, b: Counts): number {
  const changes = (one: Counts): number => one.added + one.removed + one.changed + one.unsettled;
  return Math.abs(b.delta) - Math.abs(a.delta) || changes(b) - changes(a) || (a.path < b.path ? -1 : 1);
}

/** A directory counts for itself, everything else for the directory that holds it, each cut to the depth. */
function folderOf(path: ByteString, depth: number, isFolder: boolean): ByteString {
  let end = 0;
  for (let level = 0; level < depth; level++) {
    const next = path.indexOf("/", end === 0 ? 0 : end + 1);
    if (next < 0) return isFolder ? path : path.slice(0, end);
    end = next;
  }
  return path.slice(0, end);
}

function isDirectory(list: ChangeList, at: number): boolean {
  return (["a", "b"] as const).some((side) => typeOf(list, at, side) === TYPE.dir);
}

function typeOf(list: ChangeList, at: number, side: "a" | "b"): number | undefined {
  const { layer, entry } = list.entry(at, side);
  return entry < 0 ? undefined : list.stacks[side][layer]!.columns.types[entry];
}

function bytesOf(list: ChangeList, at: number, side: "a" | "b"): number {
  const { layer, entry } = list.entry(at, side);
  return addedBytes(list.stacks[side][layer], entry);
}

/** Contents smaller than this are the same by chance: empty files, version numbers. */
const LEAST_MOVED = 16;
/** Most removed files of one content that are looked at for one that is added. */
const MAX_CANDIDATES = 32;

/** Finds removed files whose content is added elsewhere: pairs of numbers in the list, both ways. */
export function findMoves(list: ChangeList): Map<number, number> {
  const byContent = new Map<number, Candidates>();
  for (let at = 0; at < list.length; at++) {
    const content = list.kind(at) === "removed" ? contentOf(list, at, "a") : undefined;
    if (content === undefined) continue;
    const others = byContent.get(content.key);
    if (others) others.numbers.push(at);
    else byContent.set(content.key, { numbers: [at], from: 0 });
  }
  const moves = new Map<number, number>();
  if (byContent.size === 0) return moves;
  for (let at = 0; at < list.length; at++) {
    const content = list.kind(at) === "added" ? contentOf(list, at, "b") : undefined;
    const candidates = content && byContent.get(content.key);
    if (!content || !candidates) continue;
    const from = takeBest(list, at, content, candidates);
    if (from === undefined) continue;
    moves.set(at, from);
    moves.set(from, at);
  }
  return moves;
}

/** Removed files of one content; those before `from` are taken. */
interface Candidates {
  readonly numbers: number[];
  from: number;
}

interface Content {
  readonly index: LayerIndex;
  readonly slot: number;
  /** The first 48 bits of the digest. */
  readonly key: number;
}

function contentOf(list: ChangeList, at: number, side: "a" | "b"): Content | undefined {
  const { layer, entry } = list.entry(at, side);
  const index = list.stacks[side][layer];
  if (index === undefined || index.columns.types[entry] !== TYPE.file || index.size(entry) < LEAST_MOVED)
    return undefined;
  const slot = index.columns.digestSlots[entry]!;
  return slot === NO_DIGEST ? undefined : { index, slot, key: index.columns.digests.readUIntBE(slot * 32, 6) };
}

/** Each removed file has moved once at most, best to one of its own name. */
function takeBest(list: ChangeList, at: number, { index, slot }: Content, candidates: Candidates): number | undefined {
  const name = lastOf(list.path(at));
  const { numbers, from } = candidates;
  let best = -1;
  for (let position = from; position < Math.min(numbers.length, from + MAX_CANDIDATES); position++) {
    const theirs = contentOf(list, numbers[position]!, "a")!;
    if (!sameDigest(index, slot, theirs.index, theirs.slot)) continue;
    if (best < 0) best = position;
    if (lastOf(list.path(numbers[position]!)) !== name) continue;
    best = position;
    break;
  }
  if (best < 0) return undefined;
  const taken = numbers[best]!;
  numbers[best] = numbers[from]!;
  candidates.from++;
  return taken;
}

function lastOf(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf("/") + 1);
}
