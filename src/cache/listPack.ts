/**
 * Packs: the lists of a step's context sources in one file of the store, kept with the step's record so that a later miss
 * can be explained. A *full* pack has all lists below the roots; a *delta* has those that its base, always a full one,
 * lacks, most of them as patches (see listPatch.ts). Whatever is damaged or foreign is as good as not there: every list is
 * hashed again before it is believed.
 *
 * A pack is, with numbers of 4 bytes, big-endian:
 *
 * | bytes | what |
 * |---|---|
 * | 4 | `NCP1` |
 * | 4 | 0 full, 1 delta |
 * | 4 + 4 | bytes of the head, number of lists |
 * | n | head, JSON: the roots (see listRoots.ts) |
 * | 48 each | the lists, by digest: SHA-256 (32), offset and length behind this table, number of files below, number of the list of the base that it is a patch for (else all bits set) |
 *
 * Nothing is compressed: half of a list is digests. Deflate at level 1 makes 3.6 MB of the 5.8 MB of 80,000 files, which
 * are 1 % of their layer, and would have to be undone whenever one list of them is read.
 */
import * as v from "valibot";
import type { Digest } from "../oci/digest.js";
import type { Store } from "../store/store.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson, type Json } from "../support/json.js";
import { applyPatch } from "./listPatch.js";
import type { RootFacts, StepRoots, WordFacts } from "./listRoots.js";
import type { StepLists } from "./stepLists.js";

const MAGIC = "NCP1";
const FIXED = 16;
const ROW = 48;
const NO_BASE = 0xffffffff;

/** What packs are read from and written to. */
export type PackStore = Pick<Store, "putList" | "readListNode">;

const number = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const headSchema = v.object({
  words: v.array(v.object({ text: v.string(), remote: v.optional(v.literal(true)) })),
  roots: v.array(
    v.object({
      at: v.variant("kind", [
        v.object({ kind: v.literal("word"), word: number, match: number }),
        v.object({ kind: v.literal("mount"), mount: number }),
        v.object({ kind: v.literal("tree") }),
      ]),
      path: v.string(),
      digest: v.string(),
    }),
  ),
});

/**
 * The pack of that digest; undefined if it, or the base that it needs, is not there or damaged or no pack.
 * @param digest as it stands among the lists of a record
 */
export function openPack(store: PackStore, digest: Digest): Pack | undefined {
  try {
    const node = store.readListNode(digest);
    const head = node && parsePack(node.content);
    if (!head) return undefined;
    if (!head.isDelta) return new Pack(digest, node.content, head);
    const [baseDigest, ...more] = node.children;
    const base = baseDigest && more.length === 0 ? openPack(store, baseDigest) : undefined;
    return base && !base.base ? new Pack(digest, node.content, head, base) : undefined;
  } catch {
    // A store that cannot be read explains nothing; whoever needs more of it than that will say why.
    return undefined;
  }
}

interface PackHead extends StepRoots<RootFacts> {
  readonly isDelta: boolean;
  readonly count: number;
  /** Where the table begins. */
  readonly table: number;
}

function parsePack(bytes: Buffer): PackHead | undefined {
  if (bytes.length < FIXED || bytes.toString("latin1", 0, 4) !== MAGIC) return undefined;
  const [kind, length, count] = [bytes.readUInt32BE(4), bytes.readUInt32BE(8), bytes.readUInt32BE(12)];
  const table = FIXED + length;
  if (kind > 1 || table + count * ROW > bytes.length) return undefined;
  const head = v.safeParse(headSchema, JSON.parse(bytes.toString("utf8", FIXED, table)));
  return head.success ? { ...head.output, isDelta: kind === 1, count, table } : undefined;
}

/** A pack as it was read. */
export class Pack implements StepLists {
  readonly digest: Digest;
  readonly words: readonly WordFacts[];
  readonly roots: readonly RootFacts[];
  /** The full pack that a delta needs. */
  readonly base: Pack | undefined;
  readonly #bytes: Buffer;
  readonly #head: PackHead;

  /** @internal Use {@link openPack}. */
  constructor(digest: Digest, bytes: Buffer, head: PackHead, base?: Pack) {
    this.digest = digest;
    this.words = head.words;
    this.roots = head.roots;
    this.base = base;
    this.#bytes = bytes;
    this.#head = head;
  }

  /** Bytes of the file. */
  get size(): number {
    return this.#bytes.length;
  }

  has(hex: string): boolean {
    return this.indexOf(hex) !== undefined || (this.base?.has(hex) ?? false);
  }

  bytes(hex: string): Buffer | undefined {
    const index = this.indexOf(hex);
    if (index === undefined) return this.base?.bytes(hex);
    const list = this.#listAt(index);
    return list && sha256Hex(list) === hex ? list : undefined;
  }

  files(hex: string): number | undefined {
    const index = this.indexOf(hex);
    return index === undefined ? this.base?.files(hex) : this.#bytes.readUInt32BE(this.#row(index) + 40);
  }

  /** The number of a list among those of this pack itself. */
  indexOf(hex: string): number | undefined {
    if (!/^[0-9a-f]{64}$/.test(hex)) return undefined;
    const first = Number.parseInt(hex.slice(0, 8), 16);
    let low = 0;
    let high = this.#head.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = this.#row(middle);
      const found = this.#bytes.readUInt32BE(row);
      // Whole digests are compared only where their beginnings are equal, which is hardly ever for naught.
      const whole = found === first ? this.#bytes.toString("hex", row, row + 32) : undefined;
      if (whole === hex) return middle;
      if (whole === undefined ? found < first : whole < hex) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /** Not checked: who asks hashes what becomes of it. */
  #listAt(index: number): Buffer | undefined {
    const row = this.#row(index);
    const offset = this.#row(this.#head.count) + this.#bytes.readUInt32BE(row + 32);
    const stored = this.#bytes.subarray(offset, offset + this.#bytes.readUInt32BE(row + 36));
    const base = this.#bytes.readUInt32BE(row + 44);
    if (base === NO_BASE) return stored;
    const before = this.base && base < this.base.#head.count ? this.base.#listAt(base) : undefined;
    return before && applyPatch(before, stored);
  }

  #row(index: number): number {
    return this.#head.table + index * ROW;
  }
}

/** A list as it goes into a pack. */
export interface PackedList {
  readonly hex: string;
  /** The list, or its patch. */
  readonly stored: Buffer;
  readonly files: number;
  /** Number of the list of the base that `stored` is a patch for. */
  readonly base?: number | undefined;
}

/** The bytes of a pack. */
export function encodePack(roots: StepRoots<RootFacts>, lists: readonly PackedList[], isDelta: boolean): Buffer {
  const { words, roots: kept } = roots;
  const head = Buffer.from(canonicalJson({ words, roots: kept } as unknown as Json), "utf8");
  const fixed = Buffer.alloc(FIXED);
  fixed.write(MAGIC, 0, "latin1");
  fixed.writeUInt32BE(isDelta ? 1 : 0, 4);
  fixed.writeUInt32BE(head.length, 8);
  fixed.writeUInt32BE(lists.length, 12);
  const sorted = [...lists].sort((a, b) => (a.hex < b.hex ? -1 : 1));
  const table = Buffer.alloc(ROW * sorted.length);
  let offset = 0;
  for (const [i, { hex, stored, files, base }] of sorted.entries()) {
    table.write(hex, i * ROW, "hex");
    table.writeUInt32BE(offset, i * ROW + 32);
    table.writeUInt32BE(stored.length, i * ROW + 36);
    table.writeUInt32BE(Math.min(files, NO_BASE), i * ROW + 40);
    table.writeUInt32BE(base ?? NO_BASE, i * ROW + 44);
    offset += stored.length;
  }
  return Buffer.concat([fixed, head, table, ...sorted.map(({ stored }) => stored)]);
}
