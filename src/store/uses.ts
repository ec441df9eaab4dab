/**
 * How often records were used. Records never change, so the uses stand beside them: `uses/NN`, one file for each first
 * byte of a key, one line `ID` for a use and `ID COUNT` for many. A count that is lost matters to no one.
 */
import * as fs from "node:fs";
import type { StoreDirectory } from "./directory.js";
import { makeDirectory, namesIn, readIfThere, statIfThere, writeAll } from "./files.js";

/** Bytes from which a file is summed up. */
const LONG = 64 << 10;
const MAX_BYTES = 16 << 20;
const LINE = /^([0-9a-f]{16})(?: ([0-9]{1,12}))?$/;

/** Notes a use of a record. Never throws. @param id of the record */
export function noteUse(directory: StoreDirectory, key: string, id: string): void {
  const path = directory.at("uses", key.slice(0, 2));
  try {
    append(path, `${id}\n`);
  } catch {
    // Only a count.
  }
}

/** How often each record was used, by id, as far as it is known. Never throws. */
export function readUses(directory: StoreDirectory): Map<string, number> {
  const uses = new Map<string, number>();
  for (const shard of shardsOf(directory)) {
    for (const [id, count] of usesIn(directory.at("uses", shard))) uses.set(id, (uses.get(id) ?? 0) + count);
  }
  return uses;
}

/** Sums long files up, and forgets records that are gone. Hold the lock of garbage collection. @param ids of all records */
export function tidyUses(directory: StoreDirectory, ids: ReadonlySet<string>): void {
  for (const shard of shardsOf(directory)) {
    const path = directory.at("uses", shard);
    if ((statIfThere(path)?.size ?? 0) < LONG) continue;
    const lines = [...usesIn(path)].filter(([id]) => ids.has(id)).map(([id, count]) => `${id} ${count}\n`);
    try {
      directory.publish(path, [Buffer.from(lines.join(""))]);
    } catch {
      // A full disk: the next one sums up.
    }
  }
}

function shardsOf(directory: StoreDirectory): string[] {
  try {
    return namesIn(directory.at("uses")).filter((name) => /^[0-9a-f]{2}$/.test(name));
  } catch {
    return [];
  }
}

function usesIn(path: string): Map<string, number> {
  const uses = new Map<string, number>();
  for (const line of textOf(path).split("\n")) {
    const match = LINE.exec(line);
    if (match) uses.set(match[1]!, (uses.get(match[1]!) ?? 0) + Number(match[2] ?? 1));
  }
  return uses;
}

function textOf(path: string): string {
  try {
    return readIfThere(path, MAX_BYTES)?.toString("latin1") ?? "";
  } catch {
    return "";
  }
}

function append(path: string, text: string): void {
  const open = (): number => fs.openSync(path, "a", 0o644);
  let fd: number;
  try {
    fd = open();
  } catch {
    makeDirectory(path.slice(0, path.lastIndexOf("/")));
    fd = open();
  }
  try {
    writeAll(fd, Buffer.from(text, "latin1"));
  } finally {
    fs.closeSync(fd);
  }
}
