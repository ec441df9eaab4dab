/**
 * Compressing a layer. In: the uncompressed tar, and where to cut it (see blockCuts.ts). Out: one gzip file, or one
 * zstd file of several frames. Blocks are compressed in parallel, without a shared dictionary, and their results are
 * kept, so that only blocks that changed cost anything. The bytes do not depend on how many are compressed at once, nor on what was
 * kept.
 */
import { type DiffId, type Digest, digestOfHex } from "../oci/digest.js";
import { NacreError } from "../support/errors.js";
import { createHasher, type Hasher, sha256Hex } from "../support/hash.js";
import { type BlockCompressor, type Codec, codecVersion, framingOf, openCompressor } from "./codecs.js";
import type { TarDigests } from "./tarDigests.js";

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
  /** Digest that the uncompressed tar must have. */
  readonly diffId?: DiffId | undefined;
  /** Digests of the tar and of its blocks, if someone else makes them: then only blocks that are compressed are read. */
  readonly digests?: TarDigests | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of the uncompressed tar that are done. */
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Gets the pieces of the file in order, as they are made; the next one waits for it. */
  readonly onPiece?: ((piece: Buffer, isReused: boolean) => Promise<void> | undefined) | undefined;
}

/** What a compressed layer is put together from: enough to read it again, from anywhere, if the cache keeps its blocks. */
export interface CompressedParts {
  /** Names of the blocks in the cache. */
  readonly keys: readonly string[];
  /** Bytes of each block in the file. */
  readonly lengths: readonly number[];
  /** What stands after the blocks. */
  readonly end: Buffer;
}

/** A layer that was compressed. */
export interface CompressedLayer extends CompressedParts {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Blocks that the cache had. */
  readonly reused: number;
  /** Blocks that were compressed. */
  readonly made: number;
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
 * CANCELLED, and what `read`, `digests` and `onPiece` throw
 */
export async function compressLayer(options: CompressOptions): Promise<CompressedLayer> {
  const framing = framingOf(options.codec);
  const hasher = createHasher();
  const keys: string[] = [];
  const lengths: number[] = [];
  const count = { size: 0, reused: 0, made: 0 };
  const take = (piece: Buffer, isReused: boolean): Promise<void> | undefined => {
    hasher.update(piece);
    count.size += piece.length;
    return options.onPiece?.(piece, isReused);
  };
  const whole = options.digests === undefined && options.diffId !== undefined ? createHasher() : undefined;
  const source = new BlockSource(options, (number) => rawBlock(options, number, whole));
  await take(framing.begin(), false);
  for await (const { key, bytes, reused } of source.from(0)) {
    const piece = framing.add(bytes);
    await take(piece, reused);
    keys.push(key);
    lengths.push(piece.length);
    count[reused ? "reused" : "made"]++;
    options.onProgress?.(options.cuts[keys.length] ?? options.size);
  }
  await assertDiffId(options, whole);
  const end = framing.end();
  await take(end, false);
  return { digest: digestOfHex(hasher.hex()), ...count, keys, lengths, end };
}

/**
 * A compressed layer again, from an offset in the file on. Blocks that the cache has lost are compressed once more.
 * @throws NacreError CONTENT_INVALID if a block is not what it was, CANCELLED
 */
export async function* readCompressed(
  options: CompressOptions,
  parts: CompressedParts,
  offset = 0,
): AsyncGenerator<Buffer> {
  const framing = framingOf(options.codec);
  const begin = framing.begin();
  if (offset < begin.length) yield begin.subarray(offset);
  let first = 0;
  let at = begin.length;
  while (first < parts.lengths.length && at + parts.lengths[first]! <= offset) at += parts.lengths[first++]!;
  const source = new BlockSource(options, async (number) => ({ key: parts.keys[number]! }));
  for await (const { number, bytes } of source.from(first)) {
    const piece = framing.bytesOf(bytes);
    if (piece.length !== parts.lengths[number]) throw otherBlock();
    yield piece.subarray(Math.max(0, offset - at));
    at += piece.length;
  }
  yield parts.end.subarray(Math.min(parts.end.length, Math.max(0, offset - at)));
}

/** A block before it is compressed: what it is called, and its bytes if they were read already. */
interface RawBlock {
  readonly key: string;
  readonly bytes?: Buffer | undefined;
}

/** @param whole gets the bytes of all blocks, if these are read here */
async function rawBlock(options: CompressOptions, number: number, whole: Hasher | undefined): Promise<RawBlock> {
  if (options.digests !== undefined) return { key: keyOf(options, await options.digests.block(number)) };
  const bytes = readBlock(options, number);
  whole?.update(bytes);
  return { key: keyOf(options, sha256Hex(bytes)), bytes };
}

/** @param digest SHA-256 of the block before it is compressed, 64 hex digits */
function keyOf({ codec, level }: CompressOptions, digest: string): string {
  return sha256Hex(`${codec}:${codecVersion(codec)}:${level}:${digest}`);
}

function readBlock({ read, size, cuts }: CompressOptions, number: number): Buffer {
  const start = cuts[number] ?? 0;
  return read(start, (cuts[number + 1] ?? size) - start);
}

/** Compares the digest of all that was read with the wanted one. */
async function assertDiffId({ diffId, digests }: CompressOptions, whole: Hasher | undefined): Promise<void> {
  const hex = whole === undefined ? await digests?.whole() : whole.hex();
  if (diffId === undefined || hex === undefined || digestOfHex(hex) === diffId) return;
  throw new NacreError(
    "CONTENT_INVALID",
    `layer ${diffId} is damaged in the store: its bytes are ${digestOfHex(hex)}`,
    {
      hint: "remove what is damaged with: nacre check",
    },
  );
}

/** Gives blocks from the cache or compresses them, a few ahead of the one that is asked for. */
class BlockSource {
  readonly #options: CompressOptions;
  readonly #raw: (number: number) => Promise<RawBlock>;
  readonly #compressor: BlockCompressor;
  readonly #count: number;

  constructor(options: CompressOptions, raw: (number: number) => Promise<RawBlock>) {
    this.#options = options;
    this.#raw = raw;
    this.#compressor = openCompressor(options.codec, options.level, options.jobs);
    // An empty input still is one empty block: no bytes at all would be no valid file.
    this.#count = Math.max(1, options.cuts.length);
  }

  async *from(first: number): AsyncGenerator<Block & { readonly number: number }> {
    const pending: Promise<Block>[] = [];
    let begun = first;
    try {
      for (let number = first; number < this.#count; number++) {
        // One more than jobs, so that reading one overlaps with the compression of the others.
        while (begun < this.#count && pending.length <= this.#options.jobs) {
          const block = this.#make(begun++);
          block.catch(() => {});
          pending.push(block);
        }
        const block = await pending[0]!;
        throwIfAborted(this.#options.signal);
        pending.shift();
        yield { ...block, number };
      }
    } finally {
      await Promise.allSettled(pending);
      await this.#compressor.close();
    }
  }

  async #make(number: number): Promise<Block> {
    const { blocks } = this.#options;
    const { key, bytes: read } = await this.#raw(number);
    const kept = blocks?.get(key);
    if (kept) return { key, bytes: kept, reused: true };
    const raw = read ?? readBlock(this.#options, number);
    if (read === undefined && keyOf(this.#options, sha256Hex(raw)) !== key) throw otherBlock();
    const bytes = await this.#compressor.compress(raw);
    blocks?.put(key, bytes);
    return { key, bytes, reused: false };
  }
}

function otherBlock(): NacreError {
  return new NacreError("CONTENT_INVALID", "a layer in the store has changed while it was compressed", {
    hint: "find what is damaged with: nacre check",
  });
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new NacreError("CANCELLED", "stopped while a layer was being compressed");
}
