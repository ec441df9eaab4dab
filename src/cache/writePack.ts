/** Writing packs (see listPack.ts): as a delta where that is small beside the full pack that it needs. */
import { entryDigest, scanList } from "../context/treeList.js";
import type { Digest } from "../oci/digest.js";
import { encodePack, openPack, type Pack, type PackedList, type PackStore } from "./listPack.js";
import { makePatch } from "./listPatch.js";
import type { RootFacts, StepRoots } from "./listRoots.js";
import { GatheredLists, hexOfText, type StepLists } from "./stepLists.js";

/** A delta that is larger than this part of its base is not worth it. */
const DELTA_PART = 4;
/** What is larger is not kept; the store reads back no longer lists than this. */
const MAX_PACK_BYTES = 192 << 20;
/** Files that a wildcard matches are one root each; with more than this the names would outweigh all else. */
const MAX_ROOTS = 20_000;

/**
 * Keeps the lists of a step's sources. Call it while their contexts are as they were keyed.
 * @param base the pack of an earlier record of the step: full, or a delta whose base then serves
 * @returns what goes into the record's lists; undefined if there is nothing to keep, or the files are not those that were
 * keyed any more
 * @throws NacreError if the store cannot be written
 */
export function writePack(store: PackStore, step: StepRoots, base?: Digest): Digest | undefined {
  const isEmpty = step.roots.length === 0 && !step.words.some(({ remote }) => remote);
  if (isEmpty || step.roots.length > MAX_ROOTS) return undefined;
  const opened = base && openPack(store, base);
  const full = opened && (opened.base ?? opened);
  return (full && writeDelta(store, step, full)) ?? writeFull(store, step);
}

function writeDelta(store: PackStore, step: StepRoots, base: Pack): Digest | undefined {
  const lists = new GatheredLists(step, base);
  if (!lists.isWhole) return undefined;
  const before = earlierLists(lists, base);
  const packed = [...lists.own].map(([hex, bytes]): PackedList => {
    const files = lists.files(hex) ?? 0;
    const earlier = before.get(hex);
    const old = earlier === undefined ? undefined : base.bytes(earlier);
    if (earlier === undefined || !old) return { hex, stored: bytes, files };
    return { hex, stored: makePatch(old, bytes), files, base: base.indexOf(earlier) };
  });
  const bytes = encodePack(lists, packed, true);
  return bytes.length * DELTA_PART > base.size ? undefined : store.putList(bytes, [base.digest]);
}

function writeFull(store: PackStore, step: StepRoots): Digest | undefined {
  const lists = new GatheredLists(step);
  if (!lists.isWhole) return undefined;
  const packed = [...lists.own].map(([hex, stored]) => ({ hex, stored, files: lists.files(hex) ?? 0 }));
  const bytes = encodePack(lists, packed, false);
  return bytes.length > MAX_PACK_BYTES ? undefined : store.putList(bytes);
}

/** For each new list the one that the base has in its place. */
function earlierLists(lists: GatheredLists, base: Pack): Map<string, string> {
  const earlier = new Map<string, string>();
  const places = new Map(base.roots.map((root) => [placeOf(root), hexOfText(root.digest)]));
  const todo = lists.roots.flatMap((root): (readonly [string, string])[] => {
    const old = places.get(placeOf(root));
    return old === undefined ? [] : [[old, hexOfText(root.digest)]];
  });
  for (let pair = todo.pop(); pair; pair = todo.pop()) {
    const [old, fresh] = pair;
    if (!lists.own.has(fresh) || earlier.has(fresh) || base.indexOf(old) === undefined) continue;
    earlier.set(fresh, old);
    const below = directoriesOf(base, old);
    for (const [name, hex] of directoriesOf(lists, fresh)) {
      const same = below.get(name);
      if (same !== undefined) todo.push([same, hex]);
    }
  }
  return earlier;
}

function placeOf({ at, path }: RootFacts): string {
  return `${at.kind} ${path}`;
}

function directoriesOf(lists: StepLists, hex: string): Map<string, string> {
  const names = new Map<string, string>();
  const bytes = lists.bytes(hex);
  if (!bytes) return names;
  scanList(bytes, (place) => {
    if (place.type !== "dir") return;
    names.set(bytes.toString("latin1", place.nameStart, place.nameEnd), entryDigest(bytes, place));
  });
  return names;
}
