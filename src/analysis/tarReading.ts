/** Contents out of a layer's uncompressed tar, while its bytes come by. */
import { NacreError } from "../support/errors.js";
import { createHasher } from "../support/hash.js";
import type { FilePlace } from "./types.js";

/** Bytes that are read on from where they are, up to positions that only grow. */
export class ForwardReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #position: number;

  /** @param start where the source begins in the tar */
  constructor(source: AsyncIterable<Uint8Array>, start = 0) {
    this.#source = source[Symbol.asyncIterator]();
    this.#position = start;
  }

  /** The bytes of a stretch of the tar, which must not lie before what has been read. @throws NacreError CONTENT_INVALID at the end */
  async *take(offset: number, length: number): AsyncGenerator<Buffer> {
    if (offset < this.#position) throw new NacreError("INTERNAL", "a layer was to be read backwards");
    while (this.#position < offset) this.#drop(Math.min(offset - this.#position, (await this.#fill()).length));
    for (let left = length; left > 0; ) {
      const part = (await this.#fill()).subarray(0, left);
      this.#drop(part.length);
      left -= part.length;
      yield part;
    }
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  #drop(length: number): void {
    this.#chunk = this.#chunk.subarray(length);
    this.#position += length;
  }

  async #fill(): Promise<Buffer> {
    while (this.#chunk.length === 0) {
      const next = await this.#source.next();
      if (next.done) throw new NacreError("CONTENT_INVALID", "a layer ends before a file that its index lists");
      const { buffer, byteOffset, byteLength } = next.value;
      this.#chunk = Buffer.from(buffer, byteOffset, byteLength);
    }
    return this.#chunk;
  }
}

/** Bytes that a place takes in the tar. */
export function storedBytes({ size, sparse }: FilePlace): number {
  return sparse === undefined ? size : sparse.reduce((sum, [, length]) => sum + length, 0);
}

/**
 * The content of one file: holes of sparse files are filled with zeros, and what comes is compared with its digest before
 * the last of it is handed out.
 * @param stored the bytes of its place
 * @throws NacreError CONTENT_INVALID
 */
export async function* contentOf(place: FilePlace, stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const pieces = place.sparse === undefined ? stored : withHoles(place, stored);
  if (place.digest === undefined) return yield* pieces;
  const hasher = createHasher();
  let left = place.size;
  for await (const piece of pieces) {
    hasher.update(piece);
    left -= piece.length;
    if (left === 0) assertDigest(place.digest, hasher.hex());
    yield piece;
  }
  if (place.size === 0) assertDigest(place.digest, hasher.hex());
}

const ZEROS = Buffer.alloc(64 << 10);

async function* withHoles({ size, sparse = [] }: FilePlace, stored: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let position = 0;
  let segment = 0;
  for await (const piece of stored) {
    for (let rest = piece; rest.length > 0; ) {
      const [offset, length] = sparse[segment] ?? [size, 0];
      yield* zeros(offset - position);
      position = Math.max(position, offset);
      const part = rest.subarray(0, offset + length - position);
      if (part.length === 0 && length > 0) throw new NacreError("INTERNAL", "stretches of a sparse file overlap");
      if (part.length > 0) yield part;
      position += part.length;
      rest = rest.subarray(part.length);
      if (position >= offset + length) segment++;
    }
  }
  yield* zeros(size - position);
}

function* zeros(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}

function assertDigest(wanted: string, actual: string): void {
  if (wanted === actual) return;
  throw new NacreError("CONTENT_INVALID", "a file in a layer has another content than the layer's index says", {
    hint: "the image, or the store, is damaged; look with: nacre check",
  });
}
