/**
 * The tar reader. In come the bytes of an uncompressed archive in pieces of any size, out go its members and their
 * content, synchronously and without copying; what is reported does not depend on where the pieces are cut. Memory is
 * bounded by one extended header. It reads old (v7), POSIX (ustar and pax) and GNU archives, and it promises that a
 * member that it reports is read the same by Docker's Go, GNU tar, libarchive and Python: where they would disagree
 * it throws instead (see member.ts for most of these rules).
 *
 * Names stay as they are in the archive, `./x`, `/x` and `../x` included; see names.ts for what they mean.
 */
import type { ByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { BLOCK_SIZE, paddingOf } from "./block.js";
import type { TarEntry } from "./entry.js";
import { Extensions, isExtensionFlag } from "./extensions.js";
import { isZeroBlock, type RawHeader, readHeader } from "./header.js";
import { DEFAULT_TAR_LIMITS, limitExceeded, type TarLimits } from "./limits.js";
import { type Member, makeMember } from "./member.js";
import {
  checkSparse,
  type OldSparseMap,
  readOldSparseBlock,
  readOldSparseHeader,
  SparseFiller,
  SparseMapText,
  type SparseSegment,
} from "./sparse.js";

export type { TarLimits } from "./limits.js";

/** Receives what a scanner finds. What it throws passes through `write`, and the scanner is then of no more use. */
export interface TarHandler {
  /**
   * A member begins.
   *
   * @param headerOffset where its first header block lies in the archive, extended headers included
   * @param contentOffset where its content (or that of the next member) would begin: `entry.size` bytes, unless it is sparse
   * @param sparse present for a sparse file: the stretches of data that the archive has from `contentOffset` on, one
   *   after the other. The content cannot be read from the archive at one offset; `content` receives it whole, holes filled with zeros
   */
  entry(entry: TarEntry, headerOffset: number, contentOffset: number, sparse?: readonly SparseSegment[]): void;
  /** A piece of the content of the current member: a view of what was written, to be copied if it is kept. */
  content?(chunk: Buffer): void;
  /** The current member is complete. Called for every member. */
  endEntry?(): void;
}

/** What the next bytes are. */
type State = "header" | "extension" | "oldSparse" | "sparseMap" | "content" | "padding" | "end";

/** A parser for uncompressed tar archives; see the top of this file. */
export class TarScanner {
  readonly #handler: TarHandler;
  readonly #limits: TarLimits;
  #state: State = "header";
  /** Offset in the archive of the next byte that is looked at. */
  #offset = 0;

  /** Blocks that do not lie in one piece are put together here. */
  readonly #block = Buffer.alloc(BLOCK_SIZE);
  #filled = 0;

  readonly #extensions = new Extensions();
  #zeroBlocks = 0;

  #member: Member | undefined;
  #headerOffset = 0;
  #oldMap: OldSparseMap | undefined;
  #mapText: SparseMapText | undefined;
  #filler: SparseFiller | undefined;
  #remaining = 0;
  #padding = 0;

  #entries = 0;
  #contentTotal = 0;
  #holeTotal = 0;

  /** @param limits in place of {@link DEFAULT_TAR_LIMITS} */
  constructor(handler: TarHandler, limits: Partial<TarLimits> = {}) {
    this.#handler = handler;
    this.#limits = { ...DEFAULT_TAR_LIMITS, ...limits };
  }

  /** True once the end of the archive was seen; whatever follows is ignored, as by Go, GNU tar and Python. */
  get ended(): boolean {
    return this.#state === "end";
  }

  /**
   * The next piece of the archive.
   * @throws NacreError TAR_INVALID for an archive that is malformed or can be read in two ways, LIMIT_EXCEEDED
   */
  write(chunk: Uint8Array): void {
    const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < buffer.length; ) {
      const taken = this.#step(buffer, at);
      at += taken;
      this.#offset += taken;
    }
  }

  /**
   * No more bytes come. An archive may lack its end mark if it stops right after a member, as Go, GNU tar and Python agree,
   * and the padding of its last member too: `umoci insert` makes such layers. Go takes those; the others list the same
   * members and complain then.
   * @throws NacreError TAR_INVALID if the archive is cut off
   */
  end(): void {
    if (this.#state === "end") return;
    const isBetween = (this.#state === "header" && this.#filled === 0) || this.#state === "padding";
    if (!isBetween) this.#fail("the archive is cut off");
    if (this.#extensions.startsAt !== undefined) this.#fail("an extended header has no member");
    this.#state = "end";
  }

  /** @returns how many bytes were taken: at least one */
  #step(buffer: Buffer, at: number): number {
    switch (this.#state) {
      case "content":
        return this.#takeContent(buffer, at);
      case "padding":
        return this.#takePadding(buffer, at);
      case "extension":
        return this.#takeExtension(buffer, at);
      case "end":
        return buffer.length - at;
      default:
        return this.#takeBlock(buffer, at);
    }
  }

  /** Takes a whole block where it lies, or as much of it as there is. */
  #takeBlock(buffer: Buffer, at: number): number {
    if (this.#filled === 0 && buffer.length - at >= BLOCK_SIZE) {
      this.#onBlock(buffer, at);
      return BLOCK_SIZE;
    }
    const taken = buffer.copy(this.#block, this.#filled, at, at + BLOCK_SIZE - this.#filled);
    this.#filled += taken;
    if (this.#filled === BLOCK_SIZE) {
      // The block began before this piece.
      this.#offset -= BLOCK_SIZE - taken;
      this.#filled = 0;
      this.#onBlock(this.#block, 0);
      this.#offset += BLOCK_SIZE - taken;
    }
    return taken;
  }

  #onBlock(block: Buffer, at: number): void {
    if (this.#state === "header") this.#onHeader(block, at);
    else if (this.#state === "oldSparse") this.#onOldSparseBlock(block, at);
    else this.#onSparseMapBlock(block, at);
  }

  #onHeader(block: Buffer, at: number): void {
    if (block[at] === 0 && isZeroBlock(block, at)) {
      this.#onZeroBlock();
      return;
    }
    // Python, GNU tar and libarchive stop at a lone block of zeros, Go refuses the archive.
    if (this.#zeroBlocks > 0) this.#fail("a single block of zeros is followed by more");
    const raw = readHeader(block, at, this.#failing);
    if (isExtensionFlag(raw.flag)) this.#startExtension(raw);
    else this.#startMember(raw, block, at);
  }

  #onZeroBlock(): void {
    if (this.#extensions.startsAt !== undefined) this.#fail("an extended header has no member");
    this.#zeroBlocks++;
    if (this.#zeroBlocks === 2) this.#state = "end";
  }

  #startExtension(raw: RawHeader): void {
    const hasContent = this.#extensions.begin(raw, this.#offset, this.#limits.extensionSize, this.#failing);
    if (hasContent) this.#state = "extension";
  }

  #takeExtension(buffer: Buffer, at: number): number {
    const taken = this.#extensions.take(buffer, at, this.#failing);
    if (this.#extensions.complete) this.#state = "header";
    return taken;
  }

  #startMember(raw: RawHeader, block: Buffer, at: number): void {
    const fail = (problem: string) => this.#fail(problem, this.#extensions.longName ?? raw.name);
    const member = makeMember(raw, this.#extensions, fail);
    this.#headerOffset = this.#extensions.startsAt ?? this.#offset;
    this.#extensions.clear();
    this.#member = member;
    this.#checkNames(member.entry);
    this.#remaining = member.stored;
    this.#padding = paddingOf(member.stored);
    if (member.oldSparse) this.#startOldSparse(raw, block, at, fail);
    else if (member.sparse) this.#startPaxSparse(member.sparse.segments);
    else this.#announce(member.entry, this.#offset + BLOCK_SIZE);
  }

  #checkNames(entry: TarEntry): void {
    const { entries, pathLength, depth } = this.#limits;
    this.#entries++;
    if (this.#entries > entries) throw limitExceeded(`the archive has more than ${entries} members`, entries);
    const where = `at offset ${this.#headerOffset}`;
    if (entry.path.length > pathLength)
      throw limitExceeded(`the member ${where} has a path of ${entry.path.length} bytes`, pathLength);
    if (entry.link !== undefined && entry.link.length > pathLength) {
      throw limitExceeded(`the member ${where} has a link target of ${entry.link.length} bytes`, pathLength);
    }
    // A path of n bytes has at most n / 2 + 1 elements.
    if (entry.path.length < 2 * depth) return;
    const elements = entry.path.split("/").filter((element) => element !== "" && element !== ".").length;
    if (elements > depth) throw limitExceeded(`the member ${where} lies ${elements} directories deep`, depth);
  }

  #startOldSparse(raw: RawHeader, block: Buffer, at: number, fail: (problem: string) => never): void {
    this.#oldMap = readOldSparseHeader(block, at, raw, fail);
    if (this.#oldMap.more) this.#state = "oldSparse";
    else this.#announceSparse(this.#oldMap.segments, this.#oldMap.size, this.#offset + BLOCK_SIZE);
  }

  #onOldSparseBlock(block: Buffer, at: number): void {
    this.#oldMap = readOldSparseBlock(block, at, this.#oldMap!, this.#failing);
    this.#checkMapSize(this.#oldMap.segments.length * 24);
    if (!this.#oldMap.more) this.#announceSparse(this.#oldMap.segments, this.#oldMap.size, this.#offset + BLOCK_SIZE);
  }

  #startPaxSparse(segments: readonly SparseSegment[] | undefined): void {
    if (segments) {
      this.#announceSparse(segments, this.#member!.entry.size, this.#offset + BLOCK_SIZE);
    } else {
      this.#mapText = new SparseMapText();
      this.#state = "sparseMap";
    }
  }

  #onSparseMapBlock(block: Buffer, at: number): void {
    const map = this.#mapText!;
    // The map is counted in the member's size.
    this.#remaining -= BLOCK_SIZE;
    if (this.#remaining < 0) this.#fail("the map of a sparse file is longer than the member");
    const segments = map.take(block, at, this.#failing);
    this.#checkMapSize(map.taken);
    if (segments) this.#announceSparse(segments, this.#member!.entry.size, this.#offset + BLOCK_SIZE);
  }

  #checkMapSize(size: number): void {
    const limit = this.#limits.extensionSize;
    if (size > limit)
      throw limitExceeded(`the sparse file at offset ${this.#headerOffset} has a map of ${size} bytes`, limit);
  }

  #announceSparse(segments: readonly SparseSegment[], size: number, contentOffset: number): void {
    const file = { size, segments };
    checkSparse(file, this.#remaining, this.#failing);
    const { holeSize } = this.#limits;
    this.#holeTotal += size - this.#remaining;
    if (this.#holeTotal > holeSize) {
      throw limitExceeded(`the sparse file at offset ${this.#headerOffset} has too many holes`, holeSize);
    }
    this.#filler = new SparseFiller(file, (chunk) => this.#handler.content?.(chunk));
    this.#announce({ ...this.#member!.entry, size }, contentOffset, segments);
  }

  #announce(entry: TarEntry, contentOffset: number, sparse?: readonly SparseSegment[]): void {
    const { contentSize } = this.#limits;
    this.#contentTotal += entry.size;
    if (this.#contentTotal > contentSize) {
      throw limitExceeded(`the archive's content up to offset ${this.#headerOffset} is too large`, contentSize);
    }
    if (sparse) this.#handler.entry(entry, this.#headerOffset, contentOffset, sparse);
    else this.#handler.entry(entry, this.#headerOffset, contentOffset);
    if (this.#remaining > 0) this.#state = "content";
    else this.#finishMember();
  }

  #takeContent(buffer: Buffer, at: number): number {
    const taken = Math.min(this.#remaining, buffer.length - at);
    const whole = taken === buffer.length;
    const chunk = whole ? buffer : buffer.subarray(at, at + taken);
    this.#remaining -= taken;
    if (this.#filler) this.#filler.write(chunk);
    else this.#handler.content?.(chunk);
    if (this.#remaining === 0) this.#finishMember();
    return taken;
  }

  #finishMember(): void {
    this.#filler?.end();
    this.#filler = undefined;
    this.#handler.endEntry?.();
    this.#state = this.#padding > 0 ? "padding" : "header";
  }

  #takePadding(buffer: Buffer, at: number): number {
    const taken = Math.min(this.#padding, buffer.length - at);
    this.#padding -= taken;
    if (this.#padding === 0) this.#state = "header";
    return taken;
  }

  readonly #failing = (problem: string): never =>
    this.#fail(problem, this.#state === "header" ? undefined : this.#name());

  #name(): ByteString | undefined {
    return this.#state === "extension" ? undefined : this.#member?.entry.path;
  }

  #fail(problem: string, name?: ByteString): never {
    const member = name ? ` (member ${JSON.stringify(name.slice(0, 200))})` : "";
    throw new NacreError("TAR_INVALID", `bad tar archive: ${problem}, at offset ${this.#offset}${member}`, {
      hint: "the archive is damaged, or made so that programs disagree about what it holds; pack it again with tar",
      facts: { offset: this.#offset, ...(name ? { member: name } : {}) },
    });
  }
}
