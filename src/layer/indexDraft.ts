/** The tree of a layer while it is being made: entries are numbers in the order in which they came, their fields columns. */
import type { ByteString } from "../support/bytes.js";
import type { SparseSegment } from "../tar/sparse.js";
import { enlarged, IndexNames } from "./indexNames.js";
import { FLAG_IMPLIED, INDEX_TYPES, type IndexType, NO_DIGEST } from "./layerIndex.js";

const FIRST_CAPACITY = 256;
/** In `flags`, while the tree is made: a later member has taken the entry's place, and that of everything below it. */
const FLAG_REPLACED = 0x80;

const TYPE_NUMBERS: ReadonlyMap<IndexType, number> = new Map(INDEX_TYPES.map((type, number) => [type, number]));
const DIRECTORY = TYPE_NUMBERS.get("dir")!;

/** See the top of this file. Entry 0 is the root. */
export class DraftTree {
  readonly names = new IndexNames();
  columns = allocate(FIRST_CAPACITY);
  /** SHA-256 of contents, 32 bytes each, in the order in which they were told. */
  digests = Buffer.allocUnsafeSlow(FIRST_CAPACITY * 32);
  digestCount = 0;
  /** Targets of symlinks, and of hard links that do not lead to a name in `firsts`. */
  readonly links = new Map<number, ByteString>();
  readonly devices = new Map<number, readonly [number, number]>();
  readonly xattrs = new Map<number, Readonly<Record<string, ByteString>>>();
  /** For sparse files, and hard links to them: where their stretches of data stand in the tar, one after the other. */
  readonly sparse = new Map<number, readonly SparseSegment[]>();
  /** For hard links whose inode has its content in this layer: the inode's first name. */
  readonly firsts = new Map<number, number>();
  /** How often an entry has been replaced so far. */
  replacements = 0;

  constructor() {
    this.#initialize(0, "dir", FLAG_IMPLIED);
  }

  type(entry: number): IndexType {
    return INDEX_TYPES[this.columns.types[entry]!]!;
  }

  setType(entry: number, type: IndexType): void {
    this.columns.types[entry] = TYPE_NUMBERS.get(type)!;
  }

  isDirectory(entry: number): boolean {
    return this.columns.types[entry] === DIRECTORY;
  }

  /** Hangs a new entry below a directory, in place of `old`, the one of its name so far; directories start as 0755 root. */
  put(parent: number, name: ByteString, type: IndexType, flags: number, old: number | undefined): number {
    if (old !== undefined) {
      this.columns.flags[old]! |= FLAG_REPLACED;
      this.replacements++;
    }
    const entry = this.names.append(parent, name);
    if (entry >= this.columns.types.length) this.columns = grow(this.columns);
    this.#initialize(entry, type, flags);
    return entry;
  }

  /** True if an entry itself has been replaced; what was below it then does not count either. */
  isReplaced(entry: number): boolean {
    return (this.columns.flags[entry]! & FLAG_REPLACED) !== 0;
  }

  /** False once a later member has taken the place of an entry, or of a directory above it. */
  isAlive(entry: number): boolean {
    for (let at = entry; at !== 0; at = this.names.parents[at]!) if (this.isReplaced(at)) return false;
    return true;
  }

  /** Keeps the digest (64 hex digits) of a file's content. */
  setDigest(entry: number, hex: string): void {
    let slot = this.columns.digestSlots[entry]!;
    if (slot === NO_DIGEST) {
      slot = this.digestCount++;
      if (this.digestCount * 32 > this.digests.length) {
        this.digests = enlarged(this.digests, Buffer.allocUnsafeSlow(this.digests.length * 2));
      }
      this.columns.digestSlots[entry] = slot;
    }
    this.digests.write(hex, slot * 32, "hex");
  }

  #initialize(entry: number, type: IndexType, flags: number): void {
    const { columns } = this;
    columns.types[entry] = TYPE_NUMBERS.get(type)!;
    columns.flags[entry] = flags;
    columns.modes[entry] = type === "dir" ? 0o755 : 0;
    columns.headerOffsets[entry] = -1;
    columns.contentOffsets[entry] = -1;
    columns.digestSlots[entry] = NO_DIGEST;
  }
}

/** Fields of entries; see IndexColumns. */
export type DraftColumns = ReturnType<typeof allocate>;

function allocate(capacity: number) {
  return {
    sizes: new Float64Array(capacity),
    mtimes: new Float64Array(capacity),
    headerOffsets: new Float64Array(capacity),
    contentOffsets: new Float64Array(capacity),
    uids: new Uint32Array(capacity),
    gids: new Uint32Array(capacity),
    digestSlots: new Uint32Array(capacity),
    modes: new Uint16Array(capacity),
    types: new Uint8Array(capacity),
    flags: new Uint8Array(capacity),
  };
}

function grow(old: DraftColumns): DraftColumns {
  const larger = allocate(old.types.length * 2);
  for (const key of Object.keys(old) as (keyof DraftColumns)[]) larger[key].set(old[key]);
  return larger;
}
