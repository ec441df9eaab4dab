/** Which names of a context share an inode. */
import * as fs from "node:fs";
import { type Directory, FLAG, namesOf } from "./entryTable.js";
import { type DiskRoot, diskPath } from "./fileSystem.js";
import { typeOf } from "./fileTypes.js";
import { join, type Scanner } from "./scanner.js";

/** Names an inode: a number on the root's device where it is exact, else text with all digits. */
export type InodeKey = number | string;

/** A row that shares its inode. */
export interface LinkedRow {
  readonly directory: Directory;
  readonly key: InodeKey;
}

export class LinkGroups {
  readonly #root: DiskRoot;
  readonly #scanner: Scanner;
  #all: ReadonlyMap<number, LinkedRow> | undefined;

  constructor(root: DiskRoot, scanner: Scanner) {
    this.#root = root;
    this.#scanner = scanner;
  }

  reset(): void {
    this.#all = undefined;
  }

  /** The inode of a row, if at least two names of the whole context have it. Looks at all of the context, once. */
  sharedInode(row: number): InodeKey | undefined {
    this.#all ??= this.below(this.#scanner.top);
    return this.#all.get(row)?.key;
  }

  /** All rows below a directory whose inode has at least two names below it. */
  below(top: Directory): Map<number, LinkedRow> {
    const names = new Map<InodeKey, number>();
    const rows = new Map<number, LinkedRow>();
    this.#collect(top, rows, names);
    for (const [row, { key }] of rows) if (names.get(key)! < 2) rows.delete(row);
    return rows;
  }

  #collect(directory: Directory, rows: Map<number, LinkedRow>, names: Map<InodeKey, number>): void {
    this.#scanner.visit(directory);
    const { table } = this.#scanner;
    for (let row = directory.first; row < directory.first + directory.count; row++) {
      if (!table.isVisible(row)) continue;
      const child = this.#scanner.directoryAt(row);
      if (child) {
        this.#collect(child, rows, names);
      } else if (table.has(row, FLAG.linked) && typeOf(table.mode[row]!) !== "symlink") {
        const key = this.#key(directory, row);
        rows.set(row, { directory, key });
        names.set(key, (names.get(key) ?? 0) + 1);
      }
    }
  }

  #key(directory: Directory, row: number): InodeKey {
    const { table } = this.#scanner;
    const number = table.ino[row]!;
    if (Number.isSafeInteger(number) && !table.has(row, FLAG.foreign)) return number;
    const path = join(directory.path, namesOf(directory)[row - directory.first]!);
    const exact = fs.lstatSync(diskPath(this.#root, path), { bigint: true, throwIfNoEntry: false });
    return `${table.deviceOf(row)}:${exact?.ino ?? number}`;
  }
}
