/** How much room a directory takes. */
import * as fs from "node:fs";
import { type ByteString, fsPath, toByteString } from "../support/bytes.js";
import { sizeOnDisk } from "./directory.js";

/** Longest path that is followed; what lies deeper does not count. */
const LONG_PATH = 3800;

/** What a tree takes. */
export interface TreeSize {
  /** On disk, the directory itself included; names of one inode count once. */
  readonly bytes: number;
  /** Names that are no directories. */
  readonly files: number;
}

/** Measures a tree. What vanishes meanwhile or cannot be looked at does not count. */
export function treeSize(path: string): TreeSize {
  const pending: ByteString[] = [toByteString(path)];
  const seen = new Set<number>();
  let [bytes, files] = [0, 0];
  for (let here = pending.pop(); here !== undefined; here = pending.pop()) {
    const stat = look(here);
    if (stat === undefined) continue;
    if (stat.isDirectory()) {
      bytes += 4096;
      if (here.length < LONG_PATH) for (const name of namesBelow(here)) pending.push(`${here}/${name}`);
      continue;
    }
    files++;
    if (stat.nlink > 1 && seen.has(stat.ino)) continue;
    seen.add(stat.ino);
    bytes += stat.isFile() ? Math.min(sizeOnDisk(stat.size), stat.blocks * 512 || 4096) : 4096;
  }
  return { bytes, files };
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
