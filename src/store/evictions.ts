/**
 * What became of records that are gone: garbage collection notes each one that it removes, so that a miss can be
 * explained later. Two files in `evictions/`, one line a record; the older one is dropped when the newer one is full.
 * Nothing depends on them: what is damaged, cut short or lost is "not known".
 */
import * as fs from "node:fs";
import { errnoOf, ioError } from "../support/errors.js";
import type { StoreDirectory } from "./directory.js";
import { makeDirectory, readIfThere, renameIfThere, statIfThere, writeAll } from "./files.js";
import type { RemovalReason } from "./prunePlan.js";
import type { Store } from "./store.js";

/** Bytes from which a file is full: some 50,000 records. Both files together are at most twice this and one prune. */
const FULL = 4 << 20;
/** Longest file that is read. */
const MAX_BYTES = 64 << 20;
const FIELDS = /^ ([0-9]{1,16}) ([a-z]+)(?=\n)/;

/** How reasons are written down. A word never changes its meaning. */
const WORDS: Readonly<Record<string, RemovalReason>> = {
  lru: "least recently used",
  age: "unused for too long",
  unusable: "unusable",
  unreferenced: "unreferenced",
  regenerable: "regenerable",
  records: "its records were removed",
};
const WORD_OF = new Map(Object.entries(WORDS).map(([word, reason]) => [reason, word]));

/** That a record was removed. */
export interface Eviction {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly reason: RemovalReason;
}

/** A record that is being removed. */
export interface Evicted {
  /** 64 hex digits. */
  readonly key: string;
  readonly reason: RemovalReason;
}

/**
 * Notes that records are removed. Other processes may do so at the same time: lines are appended with one write.
 * @returns false if there was no room for it
 * @throws NacreError STORE
 */
export function noteEvictions(directory: StoreDirectory, evicted: readonly Evicted[]): boolean {
  if (evicted.length === 0) return true;
  const at = Math.floor(directory.now());
  const lines = evicted.map(({ key, reason }) => `${key} ${at} ${WORD_OF.get(reason)}\n`);
  const path = pathsOf(directory).newer;
  try {
    makeDirectory(directory.at("evictions"));
    const fd = fs.openSync(path, "a", 0o644);
    try {
      // The newline in front ends a line that a full disk or a kill has cut short.
      writeAll(fd, Buffer.from(`\n${lines.join("")}`, "latin1"));
    } finally {
      fs.closeSync(fd);
    }
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOSPC" || errnoOf(error) === "EDQUOT") return false;
    throw ioError("STORE", `writing ${path}`, error);
  }
}

/** Begins a new file where the present one is full. Hold the lock of garbage collection. */
export function rotateEvictions(directory: StoreDirectory): void {
  const { newer, older } = pathsOf(directory);
  if ((statIfThere(newer)?.size ?? 0) >= FULL) renameIfThere(newer, older);
}

/** The last time that a record of this key was removed; undefined if that is not known. Never throws. */
export function evictionOf(store: Store, key: string): Eviction | undefined {
  const { newer, older } = pathsOf(store.directory);
  return lastIn(textOf(store, newer), key) ?? lastIn(textOf(store, older), key);
}

function lastIn(text: Buffer | undefined, key: string): Eviction | undefined {
  if (text === undefined || !/^[0-9a-f]{64}$/.test(key)) return undefined;
  const line = `\n${key} `;
  for (let at = text.lastIndexOf(line); at >= 0; at = at === 0 ? -1 : text.lastIndexOf(line, at - 1)) {
    const rest = text.toString("latin1", at + line.length - 1, at + line.length + 40);
    const [, time, word = ""] = FIELDS.exec(rest) ?? [];
    const reason = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
    if (time !== undefined && reason !== undefined) return { at: Number(time), reason };
  }
  return undefined;
}

/** What was read last from the files of a store: a build asks for many keys. */
const read = new WeakMap<Store, Map<string, { readonly mark: string; readonly text: Buffer | undefined }>>();

function textOf(store: Store, path: string): Buffer | undefined {
  try {
    const stat = statIfThere(path);
    if (!stat) return undefined;
    const mark = `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
    const known = read.get(store) ?? new Map<string, { readonly mark: string; readonly text: Buffer | undefined }>();
    read.set(store, known);
    let entry = known.get(path);
    if (entry?.mark !== mark) {
      entry = { mark, text: readIfThere(path, MAX_BYTES) };
      known.set(path, entry);
    }
    return entry.text;
  } catch {
    return undefined;
  }
}

function pathsOf(directory: StoreDirectory): { readonly newer: string; readonly older: string } {
  return { newer: directory.at("evictions", "newer"), older: directory.at("evictions", "older") };
}
