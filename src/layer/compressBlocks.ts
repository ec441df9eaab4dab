/**
 * Compressing a layer. In: the uncompressed tar, and where to cut it (see blockCuts.ts). Out: one gzip file, or one
 * zstd file of several frames. Blocks are compressed in parallel, without a shared dictionary, and their results are
 * kept, so that only blocks that changed cost anything. The bytes do not depend on how many are compressed at once, nor on what was
 * kept.
 */
import { type DiffId, type Digest, digestOfHex } from "../oci/digest.js";
import { NacreError } from "../support/errors.js";
import { createHasher, sha256Hex } from "../support/hash.js";
import { type BlockCompressor, type Codec, codecVersion, framingOf, openCompressor } from "./codecs.js";

/** Where compressed blocks are kept between builds. It may lose them at any time. */
export interface BlockCache {
  /** The block, which the cache has verified; undefined if it is missing or damaged. */
  get(key: string): Buffer | undefined;
  put(key: string, bytes: Buffer): void;
}

/** What is to be compressed, and how. */
export interface CompressOptions {
  /** Gives exactly `length` bytes of the uncompressed tar; the buffer must stay as it is. */
  readonly read: (offset: number, length: number) => Buffer;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
  /** Where blocks begin: of {@link import("./blockCuts.js").blockCuts}. */
  readonly cuts: readonly number[];
  readonly codec: Codec;
  readonly level: number;
  /** Blocks that are compressed at once. */
  readonly jobs: number;
  readonly blocks?: BlockCache | undefined;
  /** {@link CompressedLayer.keys} of an earlier run over the same tar: spares reading what the cache has. */
  readonly keys?: readonly string[] | undefined;
  /** Digest that the uncompressed tar must have. It can be checked only where no `keys` are given. */
  readonly diffId?: DiffId | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of the uncompressed tar that are done. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** A layer that was compressed. */
export interface CompressedLayer {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Blocks that the cache had. */
  readonly reused: number;
  /** Blocks that were compressed. */
  readonly made: number;
  /** Names of the blocks in the cache. */
  readonly keys: readonly string[];
}

/** The next bytes of a compressed layer. */
export interface CompressedPiece {
  readonly bytes: Buffer;
  /** The block that it is; absent for what stands before and after the blocks. */
  readonly block?: { readonly key: string; readonly reused: boolean } | undefined;
}

interface Block {
  readonly key: string;
  /** As the codec gave it and the cache keeps it. */
  readonly bytes: Buffer;
  readonly reused: boolean;
}

/**
 * Compresses a layer; holds a few blocks for each job in memory, whatever the layer's size.
 * @throws NacreError USAGE on a level that the codec does not have, CONTENT_INVALID if the tar is not that of `diffId`,
 * CANCELLED
 */
export async function compressLayer(options: CompressOptions): Promise<CompressedLayer> {
  const hasher = createHasher();
  const keys: string[] = [];
  const count = { size: 0, reused: 0, made: 0 };
  for await (const { bytes, block } of compressedPieces(options)) {
    hasher.update(bytes);
    count.size += bytes.length;
    if (block === undefined) continue;
    keys.push(block.key);
    count[block.reused ? "reused" : "made"]++;
  }
  return { digest: digestOfHex(hasher.hex()), ...count, keys };
}

/** The same as a stream of pieces in order: for those who write the bytes somewhere. */
export async function* compressedPieces(options: CompressOptions): AsyncGenerator<CompressedPiece> {
  const compressor = openCompressor(options.codec, options.level, options.jobs);
  const framing = framingOf(options.codec);
  const blocks = new BlockMaker(options, compressor);
  try {
    yield { bytes: framing.begin() };
    for (let block = await blocks.next(); block; block = await blocks.next()) {
      throwIfAborted(options.signal);
      yield { bytes: framing.add(block.bytes), block };
      options.onProgress?.(blocks.done);
    }
    blocks.check();
    yield { bytes: framing.end() };
  } finally {
    await blocks.settle();
    await compressor.close();
  }
}

/** Makes blocks, a few ahead of the one that is asked for. */
class BlockMaker {
  readonly #options: CompressOptions;
  readonly #compressor: BlockCompressor;
  readonly #prefix: string;
  readonly #starts: readonly number[];
  readonly #pending: Promise<Block>[] = [];
  readonly #whole = createHasher();
  #begun = 0;
  #given = 0;

  constructor(options: CompressOptions, compressor: BlockCompressor) {
    this.#options = options;
    this.#compressor = compressor;
    this.#prefix = `${options.codec}:${codecVersion(options.codec)}:${options.level}`;
    // An empty input still is one empty block: no bytes at all would be no valid file.
    this.#starts = options.cuts.length === 0 ? [0] : options.cuts;
  }

  /** Bytes of the tar that stand in the blocks given so far. */
  get done(): number {
    return this.#starts[this.#given] ?? this.#options.size;
  }

  /** The next block in order, or undefined after the last. */
  async next(): Promise<Block | undefined> {
    // One more than jobs, so that reading one overlaps with the compression of the others.
    while (this.#begun < this.#starts.length && this.#pending.length <= this.#options.jobs) {
      const block = this.#make(this.#begun++);
      block.catch(() => {});
      this.#pending.push(block);
    }
    const block = await this.#pending[0];
    this.#pending.shift();
    this.#given++;
    return block;
  }

  /** Waits until nothing is being compressed any more. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  /** Compares the digest of all that was read with the wanted one. */
  check(): void {
    const { diffId, keys } = this.#options;
    if (diffId === undefined || keys !== undefined) return;
    const found = digestOfHex(this.#whole.hex());
    if (found === diffId) return;
    throw new NacreError("CONTENT_INVALID", `layer ${diffId} is damaged in the store: its bytes are ${found}`, {
      hint: "remove what is damaged with: nacre check",
    });
  }

  async #make(number: number): Promise<Block> {
    const { keys, blocks } = this.#options;
    const raw = keys === undefined ? this.#read(number) : undefined;
    if (raw && this.#options.diffId) this.#whole.update(raw);
    const key = keys?.[number] ?? sha256Hex(`${this.#prefix}:${sha256Hex(raw ?? this.#read(number))}`);
    const kept = blocks?.get(key);
    if (kept) return { key, bytes: kept, reused: true };
    const bytes = await this.#compressor.compress(raw ?? this.#read(number));
    blocks?.put(key, bytes);
    return { key, bytes, reused: false };
  }

  #read(number: number): Buffer {
    const start = this.#starts[number]!;
    return this.#options.read(start, (this.#starts[number + 1] ?? this.#options.size) - start);
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new NacreError("CANCELLED", "stopped while a layer was being compressed");
}
