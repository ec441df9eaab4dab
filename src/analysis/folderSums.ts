/** Bytes of a stack summed up by folders of a depth: each byte is in exactly one of them. Pure. */
import type { LayerIndex } from "../layer/layerIndex.js";
import type { ByteString } from "../support/bytes.js";
import { copyBytes, type LayerCopies } from "./copyFacts.js";
import { type StackCursor, walkStack } from "./stackWalk.js";

/** Bytes, and how many copies they are. */
export interface FolderSum {
  bytes: number;
  copies: number;
}

/** What a sum is told to. */
export interface FolderVisitor {
  /** Called for each path with copies that count, of more than no bytes. */
  path?(cursor: StackCursor, sum: FolderSum): void;
  /** Called for each folder with bytes. The root's path is empty. */
  folder(path: ByteString, sum: FolderSum): void;
}

/**
 * Sums up copies.
 * @param counts says of a fate (see {@link LayerCopies}) if its copy counts
 * @param depth components of the folders' paths
 */
export function sumByFolder(
  stack: readonly LayerIndex[],
  copies: readonly LayerCopies[],
  counts: (fate: number) => boolean,
  depth: number,
  visitor: FolderVisitor,
): void {
  const sums = Array.from({ length: depth + 1 }, (): FolderSum => ({ bytes: 0, copies: 0 }));
  const enter = (cursor: StackCursor): void => {
    if (cursor.depth <= depth) sums[cursor.depth] = { bytes: 0, copies: 0 };
    const own = sumOf(cursor, copies, counts);
    if (own.copies === 0) return;
    const folder = sums[Math.min(cursor.depth - 1, depth)]!;
    folder.bytes += own.bytes;
    folder.copies += own.copies;
    if (own.bytes > 0) visitor.path?.(cursor, own);
  };
  const leave = (cursor: StackCursor): void => {
    const sum = sums[cursor.depth];
    if (sum && sum.bytes > 0) visitor.folder(cursor.path(), sum);
  };
  walkStack(stack, { enter, leave }, { hidden: true });
}

function sumOf(cursor: StackCursor, copies: readonly LayerCopies[], counts: (fate: number) => boolean): FolderSum {
  const sum = { bytes: 0, copies: 0 };
  for (let version = 0; version < cursor.count; version++) {
    if (!counts(copies[cursor.layer(version)]!.fates[cursor.entry(version)]!)) continue;
    sum.bytes += copyBytes(cursor.index(version), cursor.entry(version));
    sum.copies++;
  }
  return sum;
}
