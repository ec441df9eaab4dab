/**
 * Tombstones: where garbage collection puts what it wants to remove, until it has looked at the leases once more. The
 * name of a tombstone tells where the thing came from, so that whoever finds it can put it back.
 */
import * as fs from "node:fs";
import { errnoOf } from "../support/errors.js";
import { type StoreDirectory, sizeOnDisk } from "./directory.js";
import { isMissing, namesIn, renameIfThere, statIfThere, unlinkIfThere } from "./files.js";
import { ownerName, uniqueSuffix } from "./owner.js";
import type { RemoveTree } from "./removeTree.js";
import { isSnapshotName, SnapshotDirectories } from "./snapshots.js";
import { treeSize } from "./treeSize.js";

/** The lock that one garbage collection at a time holds. */
export const PRUNE_LOCK = "prune";

/**
 * What garbage collection tells apart. `notes`: the list of a layer's blobs, beside its index. Three are directories:
 * `snapshot`; `mount`, what cache mounts of RUN keep; and `source`, a download or a git repository.
 */
export type Kind = "blob" | "index" | "notes" | "list" | "block" | "stat" | "record" | "snapshot" | "mount" | "source";

/** `KIND.NAME`: identifies an entry of the store, and names its tombstone. */
export type EntryId = `${Kind}.${string}`;

/** A file of the store, or one of its directories that is kept or removed as a whole. */
export interface Entry {
  readonly id: EntryId;
  readonly kind: Kind;
  /** Hex digits; for records and snapshots the name in their directory, for sources `KIND-` and hex digits. */
  readonly name: string;
  /** Bytes on disk. */
  readonly bytes: number;
  /** Of a file: its exact length. */
  readonly size?: number | undefined;
  /** Milliseconds since 1970: last use where it is noted, else when it was written. */
  readonly used: number;
  /** Of a snapshot: the one that it cannot do without. */
  readonly base?: EntryId | undefined;
  /** A snapshot that can never be used: damaged, cut off by a power cut, or without its base. */
  readonly unusable?: boolean | undefined;
}

/** Where an entry lies while it is in use. */
export function pathOf(directory: StoreDirectory, kind: Kind, name: string): string {
  switch (kind) {
    case "blob":
      return directory.at("blobs", "sha256", name);
    case "index":
      return directory.at("indexes", name);
    case "notes":
      return directory.at("indexes", `${name}.blobs`);
    case "stat":
      return directory.at("stat", name);
    case "list":
      return directory.at("lists", name.slice(0, 2), name);
    case "block":
      return directory.at("blocks", name.slice(0, 2), name);
    case "record":
      return directory.at("records", name.slice(0, 2), name);
    case "snapshot":
      return directory.at("snapshots", name);
    case "mount":
      return directory.at("mounts", name);
    case "source":
      return directory.at("sources", ...name.split("-", 2));
  }
}

/** True for the kinds that are directories. */
export function isTree(kind: Kind): kind is "snapshot" | "mount" | "source" {
  return kind === "snapshot" || kind === "mount" || kind === "source";
}

/**
 * Everything of the store that garbage collection may remove, by id. What is none of these is left out.
 * @param kinds those that are wanted; cache mounts and sources are walked through for their sizes
 */
export function inventory(directory: StoreDirectory, kinds?: ReadonlySet<Kind>): Map<EntryId, Entry> {
  const entries = new Map<EntryId, Entry>();
  const isWanted = (kind: Kind): boolean => kinds?.has(kind) ?? true;
  const add = (kind: Kind, name: string) => {
    if (!isWanted(kind) || !/^[0-9a-f.]+$/.test(name)) return;
    const stat = statIfThere(pathOf(directory, kind, name));
    if (!stat?.isFile()) return;
    const id: EntryId = `${kind}.${name}`;
    entries.set(id, { id, kind, name, bytes: sizeOnDisk(stat.size), size: stat.size, used: stat.mtimeMs });
  };
  for (const name of namesIn(directory.at("blobs", "sha256"))) if (isHex64(name)) add("blob", name);
  for (const name of namesIn(directory.at("indexes"))) {
    if (isHex64(name)) add("index", name);
    else if (name.endsWith(".blobs") && isHex64(name.slice(0, -6))) add("notes", name.slice(0, -6));
  }
  for (const name of namesIn(directory.at("stat"))) add("stat", name);
  for (const [kind, parent] of [
    ["list", "lists"],
    ["block", "blocks"],
    ["record", "records"],
  ] as const) {
    for (const shard of isWanted(kind) ? namesIn(directory.at(parent)) : []) {
      for (const name of namesIn(directory.at(parent, shard))) if (name.startsWith(shard)) add(kind, name);
    }
  }
  const trees = [
    ...(isWanted("snapshot") ? snapshotEntries(directory) : []),
    ...(isWanted("mount") ? mountEntries(directory) : []),
    ...(isWanted("source") ? sourceEntries(directory) : []),
  ];
  for (const entry of trees) entries.set(entry.id, entry);
  return entries;
}

function snapshotEntries(directory: StoreDirectory): Entry[] {
  const snapshots = new SnapshotDirectories(directory, async () => {});
  const entries = new Map<string, Entry>();
  for (const name of snapshots.names()) {
    const found = snapshots.read(name);
    const used = lastUse(pathOf(directory, "snapshot", name));
    if (used === undefined) continue;
    const base: EntryId | undefined = found?.base === undefined ? undefined : `snapshot.${found.base}`;
    const unusable = snapshots.find(name) === undefined;
    entries.set(name, {
      id: `snapshot.${name}`,
      kind: "snapshot",
      name,
      bytes: found?.bytes ?? 0,
      used,
      base,
      unusable,
    });
  }
  return [...entries.values()];
}

function mountEntries(directory: StoreDirectory): Entry[] {
  const names = namesIn(directory.at("mounts")).filter(isHex64);
  return names.flatMap((name) => treeEntry(directory, "mount", name));
}

function sourceEntries(directory: StoreDirectory): Entry[] {
  return namesIn(directory.at("sources")).flatMap((kind) => {
    const names = namesIn(directory.at("sources", kind)).map((name) => `${kind}-${name}`);
    return names.filter(isSourceName).flatMap((name) => treeEntry(directory, "source", name));
  });
}

function treeEntry(directory: StoreDirectory, kind: "mount" | "source", name: string): Entry[] {
  const path = pathOf(directory, kind, name);
  const used = lastUse(path);
  return used === undefined ? [] : [{ id: `${kind}.${name}`, kind, name, bytes: treeSize(path).bytes, used }];
}

/** When a directory of the store was used last; undefined if there is none. */
function lastUse(path: string): number | undefined {
  const stat = statIfThere(path);
  return stat?.isDirectory() ? (statIfThere(`${path}/meta`) ?? stat).mtimeMs : undefined;
}

/** Moves an entry aside. @returns false if it was gone already */
export function bury(directory: StoreDirectory, entry: Pick<Entry, "id" | "kind" | "name">): boolean {
  return renameIfThere(pathOf(directory, entry.kind, entry.name), directory.at("tombstones", entry.id));
}

/** Puts an entry back. A directory that has been made anew meanwhile stays; the old one is left to {@link destroy}. */
export function restore(directory: StoreDirectory, entry: Pick<Entry, "id" | "kind" | "name">): boolean {
  try {
    return renameIfThere(directory.at("tombstones", entry.id), pathOf(directory, entry.kind, entry.name));
  } catch (error) {
    if (isTree(entry.kind) && ["ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}

/**
 * Deletes an entry that was moved aside. A directory gets a temporary name first: one that is half removed must never be
 * put back.
 */
export async function destroy(
  directory: StoreDirectory,
  entry: Pick<Entry, "id" | "kind">,
  removeTree: RemoveTree,
): Promise<void> {
  const path = directory.at("tombstones", entry.id);
  if (!isTree(entry.kind)) {
    unlinkIfThere(path);
    return;
  }
  const aside = directory.tempPath();
  if (renameIfThere(path, aside)) await removeOrWarn(directory, aside, removeTree);
}

/** Removes a directory, or says that it could not be removed; whatever runs next tries again. */
export async function removeOrWarn(directory: StoreDirectory, path: string, removeTree: RemoveTree): Promise<void> {
  await removeTree(path).catch((error: unknown) => {
    if (!isMissing(error)) directory.warn(`the directory ${path} could not be removed: ${String(error)}`);
  });
}

/** Notes in tmp/ that tombstones may exist, so that a later process knows if this one is killed. @returns what ends it */
export function announcePrune(directory: StoreDirectory): () => void {
  const path = directory.at("tmp", `p.${ownerName(directory.owner)}.${uniqueSuffix()}`);
  try {
    fs.closeSync(fs.openSync(path, "wx", 0o644));
  } catch (error) {
    // A full disk is what pruning is for; if it is killed now, the next prune finds the tombstones.
    if (errnoOf(error) !== "ENOSPC" && errnoOf(error) !== "EDQUOT") throw error;
  }
  return () => unlinkIfThere(path);
}

/** Puts back all that a killed garbage collection had moved aside. Hold {@link PRUNE_LOCK}. */
export async function undoPrune(directory: StoreDirectory, removeTree: RemoveTree): Promise<void> {
  for (const id of namesIn(directory.at("tombstones"))) {
    const entry = parseId(id);
    if (entry) {
      if (!restore(directory, entry) && isTree(entry.kind)) await destroy(directory, entry, removeTree);
    }
    // Anything else is a damaged blob that was being removed.
    else unlinkIfThere(directory.at("tombstones", id));
  }
  for (const name of namesIn(directory.at("tmp"))) if (name.startsWith("p.")) unlinkIfThere(directory.at("tmp", name));
}

/** Reads an id back. */
export function parseId(id: string): Pick<Entry, "id" | "kind" | "name"> | undefined {
  const match = /^(blob|index|notes|list|block|stat|record|mount)\.([0-9a-f.]+)$|^(snapshot|source)\.(.+)$/.exec(id);
  if (!match) return undefined;
  const [kind, name] = [(match[1] ?? match[3]) as Kind, (match[2] ?? match[4])!];
  if (isTree(kind) && !IS_TREE_NAME[kind](name)) return undefined;
  return { id: id as EntryId, kind, name };
}

const IS_TREE_NAME = { snapshot: isSnapshotName, mount: isHex64, source: isSourceName };

function isSourceName(name: string): boolean {
  return /^(?:http|git|layer)-[0-9a-f]{64}$/.test(name);
}

function isHex64(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}
