/**
 * Tombstones: where garbage collection puts what it wants to remove, until it has looked at the leases once more. The
 * name of a tombstone tells where the thing came from, so that whoever finds it can put it back.
 */
import * as fs from "node:fs";
import { errnoOf } from "../support/errors.js";
import { type StoreDirectory, sizeOnDisk } from "./directory.js";
import { namesIn, renameIfThere, statIfThere, unlinkIfThere } from "./files.js";
import { ownerName, uniqueSuffix } from "./owner.js";

/** The lock that one garbage collection at a time holds. */
export const PRUNE_LOCK = "prune";

/** What garbage collection tells apart. `notes`: the list of a layer's blobs, beside its index. */
export type Kind = "blob" | "index" | "notes" | "list" | "block" | "stat" | "record";

/** `KIND.NAME`: identifies an entry of the store, and names its tombstone. */
export type EntryId = `${Kind}.${string}`;

/** A file of the store. */
export interface Entry {
  readonly id: EntryId;
  readonly kind: Kind;
  /** Hex digits, for records the file's name. */
  readonly name: string;
  /** Bytes on disk. */
  readonly bytes: number;
  /** Milliseconds since 1970: last use where it is noted, else when it was written. */
  readonly used: number;
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
  }
}

/** Everything of the store that garbage collection may remove, by id. Files that are none of these are left out. */
export function inventory(directory: StoreDirectory): Map<EntryId, Entry> {
  const entries = new Map<EntryId, Entry>();
  const add = (kind: Kind, name: string) => {
    if (!/^[0-9a-f.]+$/.test(name)) return;
    const stat = statIfThere(pathOf(directory, kind, name));
    if (!stat?.isFile()) return;
    const id: EntryId = `${kind}.${name}`;
    entries.set(id, { id, kind, name, bytes: sizeOnDisk(stat.size), used: stat.mtimeMs });
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
    for (const shard of namesIn(directory.at(parent))) {
      for (const name of namesIn(directory.at(parent, shard))) if (name.startsWith(shard)) add(kind, name);
    }
  }
  return entries;
}

/** Moves an entry aside. @returns false if it was gone already */
export function bury(directory: StoreDirectory, entry: Pick<Entry, "id" | "kind" | "name">): boolean {
  return renameIfThere(pathOf(directory, entry.kind, entry.name), directory.at("tombstones", entry.id));
}

/** Puts an entry back. */
export function restore(directory: StoreDirectory, entry: Pick<Entry, "id" | "kind" | "name">): void {
  renameIfThere(directory.at("tombstones", entry.id), pathOf(directory, entry.kind, entry.name));
}

/** Deletes an entry that was moved aside. */
export function destroy(directory: StoreDirectory, id: EntryId): void {
  unlinkIfThere(directory.at("tombstones", id));
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
export async function undoPrune(directory: StoreDirectory): Promise<void> {
  for (const id of namesIn(directory.at("tombstones"))) {
    const entry = parseId(id);
    if (entry) restore(directory, entry);
    // Anything else is a damaged blob that was being removed.
    else unlinkIfThere(directory.at("tombstones", id));
  }
  for (const name of namesIn(directory.at("tmp"))) if (name.startsWith("p.")) unlinkIfThere(directory.at("tmp", name));
}

/** Reads an id back. */
export function parseId(id: string): Pick<Entry, "id" | "kind" | "name"> | undefined {
  const match = /^(blob|index|notes|list|block|stat|record)\.([0-9a-f.]+)$/.exec(id);
  return match ? { id: id as EntryId, kind: match[1] as Kind, name: match[2]! } : undefined;
}

function isHex64(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}
