/** Contents of files read by ranges of a blob of which it is known where its blocks begin; see layer/blockCuts.ts. */
import { decompressStream } from "../layer/decompress.js";
import { decompressBlock } from "../layer/decompressBlock.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { BlockTable } from "../layer/publishedIndex.js";
import { isNacreError, type NacreError } from "../support/errors.js";
import type { LazyLayer, RangedBlob } from "./rangedBlob.js";
import { contentOf, ForwardReader, storedBytes } from "./tarReading.js";
import type { FilePlace, TocFacts } from "./types.js";

/** Bytes between two blocks that are rather fetched than asked around. */
const MOST_GAP = 128 << 10;
/** What a block says that is not where the table says. */
const NO_BLOCK: ReadonlySet<string> = new Set(["CONTENT_INVALID", "COMPRESSION", "LIMIT_EXCEEDED"]);

/** Neighbouring blocks that one request brings: numbers of the first and of the last one. */
interface Run {
  readonly first: number;
  last: number;
}

/** See {@link LazyLayer}. A table that does not fit the blob is noticed when it is used: the layer is read whole from then on. */
export class BlockReader implements LazyLayer {
  readonly facts: TocFacts = { format: "nacre", isVerified: true };
  readonly index: LayerIndex;
  readonly #blob: RangedBlob;
  readonly #table: BlockTable;
  readonly #warn: (error: NacreError) => void;
  #isBroken = false;

  /** @param warn told once why the table is not used any more */
  constructor(blob: RangedBlob, index: LayerIndex, table: BlockTable, warn: (error: NacreError) => void) {
    this.#blob = blob;
    this.index = index;
    this.#table = table;
    this.#warn = warn;
  }

  has(place: FilePlace): boolean {
    const isInside = place.offset >= 0 && place.offset + storedBytes(place) <= this.index.tarSize;
    return place.size === 0 || (place.digest !== undefined && isInside);
  }

  async *read(place: FilePlace): AsyncGenerator<Buffer> {
    for await (const { content } of this.readMany([place])) yield* content;
  }

  async *readMany<P extends FilePlace>(
    places: readonly P[],
  ): AsyncGenerator<{ place: P; content: AsyncIterable<Buffer> }> {
    const ordered = [...places].sort((a, b) => a.offset - b.offset);
    const blocks = new Blocks(this.#blob, this.#table, runsOf(ordered, this.#table));
    const whole = new WholeLayer(this.#blob);
    try {
      for (const place of ordered) {
        const content = contentOf(place, this.#stored(place.offset, storedBytes(place), blocks, whole));
        yield { place, content };
        await content.return(undefined);
      }
    } finally {
      await blocks.close();
      await whole.close();
    }
  }

  /** A stretch of the tar. */
  async *#stored(offset: number, length: number, blocks: Blocks, whole: WholeLayer): AsyncGenerator<Buffer> {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const block = this.#isBroken ? undefined : await this.#block(at, blocks);
      if (block === undefined) return yield* whole.take(at, end - at);
      const part = block.bytes.subarray(at - block.start, end - block.start);
      at += part.length;
      yield part;
    }
  }

  async #block(offset: number, blocks: Blocks): Promise<Block | undefined> {
    try {
      return await blocks.block(blockAt(this.#table, offset));
    } catch (error) {
      if (!isNacreError(error) || !NO_BLOCK.has(error.code)) throw error;
      this.#isBroken = true;
      this.#warn(error);
      return undefined;
    }
  }
}

/** Number of the block that has a byte of the tar. */
function blockAt({ tarStarts }: BlockTable, offset: number): number {
  let [low, high] = [0, tarStarts.length - 2];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (tarStarts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** @param ordered by their offsets */
function runsOf(ordered: readonly FilePlace[], table: BlockTable): readonly Run[] {
  const runs: Run[] = [];
  for (const place of ordered) {
    const length = storedBytes(place);
    if (length === 0) continue;
    const [first, last] = [blockAt(table, place.offset), blockAt(table, place.offset + length - 1)];
    const run = runs.at(-1);
    const isNear = run !== undefined && table.blobStarts[first]! - table.blobStarts[run.last + 1]! <= MOST_GAP;
    if (isNear) run.last = Math.max(run.last, last);
    else runs.push({ first, last });
  }
  return runs;
}

interface Block {
  /** In the tar. */
  readonly start: number;
  readonly bytes: Buffer;
}

/** Blocks in the order of the runs; the last one is held, since the next file may be in it too. */
class Blocks {
  readonly #blob: RangedBlob;
  readonly #table: BlockTable;
  readonly #runs: readonly Run[];
  #held: (Block & { readonly number: number }) | undefined;
  #reader: ForwardReader | undefined;
  /** Blocks that the reader can still give. */
  #from = 0;
  #to = -1;

  constructor(blob: RangedBlob, table: BlockTable, runs: readonly Run[]) {
    this.#blob = blob;
    this.#table = table;
    this.#runs = runs;
  }

  async block(number: number): Promise<Block> {
    if (this.#held?.number === number) return this.#held;
    const { codec, tarStarts, blobStarts } = this.#table;
    if (this.#reader === undefined || number < this.#from || number > this.#to) await this.#open(number);
    this.#from = number + 1;
    const [from, to, start] = [blobStarts[number]!, blobStarts[number + 1]!, tarStarts[number]!];
    const pieces: Buffer[] = [];
    for await (const piece of this.#reader!.take(from, to - from)) pieces.push(piece);
    const bytes = await decompressBlock(codec, Buffer.concat(pieces), tarStarts[number + 1]! - start);
    this.#held = { number, start, bytes };
    return this.#held;
  }

  async close(): Promise<void> {
    await this.#reader?.close();
    this.#reader = undefined;
  }

  async #open(number: number): Promise<void> {
    await this.close();
    const { blobStarts } = this.#table;
    const run = this.#runs.find(({ first, last }) => first <= number && number <= last);
    this.#to = run?.last ?? number;
    const start = blobStarts[number]!;
    this.#reader = new ForwardReader(this.#blob.range(start, blobStarts[this.#to + 1]! - start), start);
  }
}

/** The uncompressed tar, front to back; begun anew for what lies before. */
class WholeLayer {
  readonly #blob: RangedBlob;
  #reader: ForwardReader | undefined;
  #position = 0;

  constructor(blob: RangedBlob) {
    this.#blob = blob;
  }

  async *take(offset: number, length: number): AsyncGenerator<Buffer> {
    if (this.#reader === undefined || offset < this.#position) {
      await this.close();
      this.#reader = new ForwardReader(decompressStream(bytesOf(this.#blob)));
    }
    this.#position = offset + length;
    yield* this.#reader.take(offset, length);
  }

  async close(): Promise<void> {
    await this.#reader?.close();
    this.#reader = undefined;
  }
}

async function* bytesOf({ descriptor, range }: RangedBlob): AsyncGenerator<Buffer> {
  for await (const { buffer, byteOffset, byteLength } of range(0, descriptor.size)) {
    yield Buffer.from(buffer, byteOffset, byteLength);
  }
}
