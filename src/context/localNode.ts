/** The nodes of a local context: names for rows of its entry table. */
import type { FileType, TreeNode } from "../layer/fileTree.js";
import type { ByteString } from "../support/bytes.js";
import { CAPABILITY } from "./capabilities.js";
import type { EntryTable } from "./entryTable.js";
import { deviceNumbers, S_IFMT, S_IFREG, typeOf } from "./fileTypes.js";

/** Where a node's attributes come from. */
export interface NodeSource {
  readonly table: EntryTable;
  /** The identity of a row's inode, if another name of the context has the same. */
  inodeOf(row: number): unknown;
}

/** A name in a local context. Its attributes are those of the last scan. */
export class LocalNode implements TreeNode {
  readonly #source: NodeSource;
  readonly name: ByteString;
  readonly parent: LocalNode | undefined;
  readonly row: number;

  constructor(source: NodeSource, name: ByteString, parent: LocalNode | undefined, row: number) {
    this.#source = source;
    this.name = name;
    this.parent = parent;
    this.row = row;
  }

  get type(): FileType {
    return typeOf(this.#source.table.mode[this.row]!);
  }
  get mode(): number {
    return this.#source.table.mode[this.row]! & 0o7777;
  }
  /** Docker's client resets the owners of context files. */
  get uid(): number {
    return 0;
  }
  get gid(): number {
    return 0;
  }
  get size(): number {
    const { table } = this.#source;
    return (table.mode[this.row]! & S_IFMT) === S_IFREG ? table.size[this.row]! : 0;
  }
  get mtime(): number {
    return this.#source.table.seconds[this.row]!;
  }
  get link(): ByteString | undefined {
    return this.#source.table.links.get(this.row);
  }
  get devMajor(): number | undefined {
    const device = this.#source.table.specials.get(this.row);
    return device === undefined ? undefined : deviceNumbers(device).major;
  }
  get devMinor(): number | undefined {
    const device = this.#source.table.specials.get(this.row);
    return device === undefined ? undefined : deviceNumbers(device).minor;
  }
  get xattrs(): Readonly<Record<string, ByteString>> | undefined {
    const value = this.#source.table.capabilities.get(this.row);
    return value === undefined ? undefined : { [CAPABILITY]: value };
  }
  get inode(): unknown {
    return this.#source.inodeOf(this.row);
  }
}
