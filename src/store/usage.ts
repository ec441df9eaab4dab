/** How much room a store takes, by kind of content. */
import * as fs from "node:fs";
import { digestOfHex } from "../oci/digest.js";
import { errnoOf } from "../support/errors.js";
import { sizeOnDisk } from "./directory.js";
import { isMissing } from "./files.js";
import { NeedsFinder } from "./needs.js";
import type { Store } from "./store.js";
import { inventory, isTree } from "./tombstones.js";

/** A number of files and their bytes on disk. */
export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

/** Room taken, by kind. The kinds do not overlap. */
export interface StoreUsage {
  /** Blobs, without companions. */
  readonly blobs: Amount;
  /** Uncompressed copies of layers whose compressed blob is what images need. */
  readonly companions: Amount;
  readonly indexes: Amount;
  readonly records: Amount;
  readonly lists: Amount;
  readonly blocks: Amount;
  readonly statCaches: Amount;
  /** Directories made of layers; each counts as one. */
  readonly snapshots: Amount;
  /** What cache mounts of RUN keep; each counts as one. */
  readonly mounts: Amount;
  /** Downloads and git repositories; each address counts as one. */
  readonly sources: Amount;
  /** tmp/ and tombstones/: work going on, and leftovers. */
  readonly temporary: Amount;
  /** Everything else: logs, leases, index.json and the like. */
  readonly other: Amount;
  readonly total: Amount;
  /** Part of the total that named images need. */
  readonly images: Amount;
}

type Tally = { count: number; bytes: number };

/** Measures a store. Looks at every file's size; reads manifests, configs and the notes of layers only. */
export function storeUsage(store: Store): StoreUsage {
  const tallies: Record<keyof StoreUsage, Tally> = {
    blobs: none(),
    companions: none(),
    indexes: none(),
    records: none(),
    lists: none(),
    blocks: none(),
    statCaches: none(),
    snapshots: none(),
    mounts: none(),
    sources: none(),
    temporary: none(),
    other: none(),
    total: none(),
    images: none(),
  };
  const needed = new NeedsFinder(store).ofImages(store.references.entries());
  const entries = inventory(store.directory);
  let known = 0;
  for (const { id, kind, name, bytes } of entries.values()) {
    // What they hold is not walked through: how big it is stands in them.
    if (isTree(kind)) add(tallies.total, 1, bytes);
    const isCompanion = kind === "blob" && store.layerBlobs(digestOfHex(name)).length > 1 && !needed.strong.has(id);
    add(tallies[isCompanion ? "companions" : KIND_TALLY[kind]], 1, bytes);
    if (needed.strong.has(id)) add(tallies.images, 1, bytes);
    known += bytes;
  }
  const trees = new Set(["snapshots", "mounts", "sources"].map((name) => store.directory.at(name)));
  walk(store.path, (bytes) => add(tallies.total, 1, bytes), trees);
  for (const name of ["tmp", "tombstones"]) walk(store.directory.at(name), (bytes) => add(tallies.temporary, 1, bytes));
  tallies.other.count = tallies.total.count - entries.size - tallies.temporary.count;
  tallies.other.bytes = tallies.total.bytes - known - tallies.temporary.bytes;
  return tallies;
}

const KIND_TALLY = {
  blob: "blobs",
  index: "indexes",
  notes: "indexes",
  record: "records",
  list: "lists",
  block: "blocks",
  stat: "statCaches",
  snapshot: "snapshots",
  mount: "mounts",
  source: "sources",
} as const;

function none(): Tally {
  return { count: 0, bytes: 0 };
}

function add(tally: Tally, count: number, bytes: number): void {
  tally.count += count;
  tally.bytes += bytes;
}

/** Calls back for every file below a directory; what vanishes meanwhile does not count. */
function walk(directory: string, onFile: (bytes: number) => void, skip: ReadonlySet<string> = new Set()): void {
  for (const entry of entriesIn(directory)) {
    const path = `${directory}/${entry.name}`;
    if (skip.has(path)) continue;
    if (entry.isDirectory()) walk(path, onFile, skip);
    else onFile(sizeOnDisk(sizeOf(path)));
  }
}

function entriesIn(directory: string): fs.Dirent[] {
  try {
    return fs.readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    // What is being removed may be deep, or another user's.
    if (isMissing(error) || ["ENAMETOOLONG", "EACCES"].includes(errnoOf(error) ?? "")) return [];
    throw error;
  }
}

function sizeOf(path: string): number {
  try {
    return fs.lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
  } catch (error) {
    if (["ENAMETOOLONG", "EACCES"].includes(errnoOf(error) ?? "")) return 0;
    throw error;
  }
}
