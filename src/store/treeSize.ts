/** How much room a directory takes. */
import * as fs from "node:fs";
import { type ByteString, fsPath } from "../support/bytes.js";
import { sizeOnDisk } from "./directory.js";

/** Longest path that is followed; what lies deeper does not count. */
const LONG_PATH = 3800;

/** Bytes on disk of everything below a directory. What vanishes meanwhile or cannot be looked at does not count. */
export function bytesBelow(path: string): number {
  const pending: ByteString[] = [Buffer.from(path).toString("latin1")];
  const seen = new Set<number>();
  let bytes = 0;
  for (let here = pending.pop(); here !== undefined; here = pending.pop()) {
    for (const name of namesBelow(here)) {
      const full = `${here}/${name}`;
      const stat = look(full);
      if (!stat || (stat.nlink > 1 && !stat.isDirectory() && seen.has(stat.ino))) continue;
      seen.add(stat.ino);
      bytes += stat.isFile() ? Math.min(sizeOnDisk(stat.size), stat.blocks * 512 || 4096) : 4096;
      if (stat.isDirectory() && full.length < LONG_PATH) pending.push(full);
    }
  }
  return bytes;
}

function namesBelow(path: ByteString): ByteString[] {
  try {
    return fs.readdirSync(fsPath(path), { encoding: "latin1" });
  } catch {
    return [];
  }
}

function look(path: ByteString): fs.Stats | undefined {
  try {
    return fs.lstatSync(fsPath(path), { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
