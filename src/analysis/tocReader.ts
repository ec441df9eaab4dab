/** Contents of files read by ranges of a blob, as a table of contents tells where they are. */
import { decompressStream } from "../layer/decompress.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import { NacreError } from "../support/errors.js";
import type { LazyLayer, RangedBlob } from "./rangedBlob.js";
import { contentOf, ForwardReader } from "./tarReading.js";
import type { TocChunk, TocPlaces } from "./tocIndex.js";
import type { FilePlace, TocFacts } from "./types.js";

/** Bytes between two files that are rather fetched than asked around. */
const MOST_GAP = 128 << 10;

/** Stretches that one request brings. */
interface Run {
  readonly offset: number;
  end: number;
}

/** See {@link LazyLayer}. */
export class TocReader implements LazyLayer {
  readonly facts: TocFacts;
  readonly index: LayerIndex;
  readonly #blob: RangedBlob;
  readonly #places: TocPlaces;

  constructor(blob: RangedBlob, facts: TocFacts, index: LayerIndex, places: TocPlaces) {
    this.#blob = blob;
    this.facts = facts;
    this.index = index;
    this.#places = places;
  }

  has(place: FilePlace): boolean {
    return place.size === 0 || (place.digest !== undefined && this.#places.has(place.digest));
  }

  async *read(place: FilePlace): AsyncGenerator<Buffer> {
    for await (const { content } of this.readMany([place])) yield* content;
  }

  async *readMany<P extends FilePlace>(
    places: readonly P[],
  ): AsyncGenerator<{ place: P; content: AsyncIterable<Buffer> }> {
    const ordered = places
      .map((place) => ({ place, chunks: this.#chunks(place) }))
      .sort((a, b) => startOf(a.chunks) - startOf(b.chunks));
    const stretches = new Stretches(this.#blob, runsOf(ordered.flatMap(({ chunks }) => chunks)));
    try {
      for (const { place, chunks } of ordered) {
        const content = contentOf({ ...facts(place), sparse: undefined }, contentOfChunks(chunks, stretches));
        yield { place, content };
        await content.return(undefined);
      }
    } finally {
      await stretches.close();
    }
  }

  #chunks({ size, digest = "" }: FilePlace): readonly TocChunk[] {
    if (size === 0) return [];
    const chunks = this.#places.get(digest);
    if (chunks === undefined) throw new NacreError("INTERNAL", "a file was to be read that the table does not have");
    return chunks;
  }
}

/** Places may have getters: what is needed of them. */
function facts({ offset, size, digest }: FilePlace): FilePlace {
  return { offset, size, digest };
}

function startOf(chunks: readonly TocChunk[]): number {
  return chunks[0]?.offset ?? 0;
}

/** Chunks that lie near each other, in order, are fetched together. */
function runsOf(chunks: readonly TocChunk[]): readonly Run[] {
  const runs: Run[] = [];
  for (const { offset, end, isHole } of chunks) {
    if (isHole) continue;
    const last = runs.at(-1);
    if (last !== undefined && offset >= last.end && offset - last.end <= MOST_GAP) last.end = end;
    else runs.push({ offset, end });
  }
  return runs;
}

/** Stretches of the blob in the order of its runs; one that is asked for again is fetched again. */
class Stretches {
  readonly #blob: RangedBlob;
  readonly #runs: readonly Run[];
  #next = 0;
  #reader: ForwardReader | undefined;
  #position = 0;
  #end = 0;

  constructor(blob: RangedBlob, runs: readonly Run[]) {
    this.#blob = blob;
    this.#runs = runs;
  }

  async *take({ offset, end }: TocChunk): AsyncGenerator<Buffer> {
    if (this.#reader === undefined || offset < this.#position || end > this.#end) await this.#open(offset, end);
    this.#position = end;
    yield* this.#reader!.take(offset, end - offset);
  }

  async close(): Promise<void> {
    await this.#reader?.close();
    this.#reader = undefined;
  }

  async #open(offset: number, end: number): Promise<void> {
    await this.close();
    while (this.#next < this.#runs.length && this.#runs[this.#next]!.end <= offset) this.#next++;
    const run = this.#runs[this.#next];
    // A run that has begun already is not fetched from its start again.
    this.#end = run !== undefined && run.offset <= offset && end <= run.end ? run.end : end;
    this.#reader = new ForwardReader(this.#blob.range(offset, this.#end - offset), offset);
  }
}

async function* contentOfChunks(chunks: readonly TocChunk[], stretches: Stretches): AsyncGenerator<Buffer> {
  for (const chunk of chunks) {
    const { size, digest } = chunk;
    const pieces = chunk.isHole ? zeros(size) : unpacked(chunk, stretches);
    // What comes is compared with its digest before the last of it is handed out.
    yield* contentOf({ offset: 0, size, digest }, pieces);
  }
}

async function* unpacked(chunk: TocChunk, stretches: Stretches): AsyncGenerator<Buffer> {
  let [skip, left] = [chunk.inner, chunk.size];
  for await (const piece of decompressStream(stretches.take(chunk))) {
    const rest = piece.subarray(Math.min(skip, piece.length));
    skip -= piece.length - rest.length;
    const part = rest.subarray(0, left);
    left -= part.length;
    if (part.length > 0) yield part;
    if (left === 0) return;
  }
  throw new NacreError("CONTENT_INVALID", "a layer has less of a file than its table of contents says");
}

async function* zeros(size: number): AsyncGenerator<Buffer> {
  const block = Buffer.alloc(Math.min(size, 64 << 10));
  for (let left = size; left > 0; left -= block.length) yield block.subarray(0, Math.min(left, block.length));
}
