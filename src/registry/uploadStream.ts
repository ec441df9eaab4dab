/**
 * Uploading what is still being made: in chunks, hashed on the way, each kept until the registry has it, while the next
 * one is being filled.
 */
import { type Digest, digestOfHex } from "../oci/digest.js";
import { NacreError } from "../support/errors.js";
import { createHasher } from "../support/hash.js";
import { PassingFailure } from "./httpFailure.js";
import { failed } from "./registryErrors.js";
import { bytesBody } from "./tokens.js";
import type { Exchange } from "./transportExchange.js";
import { RetryCount } from "./transportRetry.js";
import type { TransferProgress } from "./types.js";
import { hasBlob } from "./upload.js";
import { UploadSession } from "./uploadSession.js";

/** Bytes of the first chunk; each one after it has twice as many … */
const FIRST_CHUNK = 4 << 20;
/** … up to this: every chunk costs the registry something, and two of them are in memory. */
const MOST_CHUNK = 16 << 20;

interface Chunk {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/**
 * Uploads a content.
 * @param known gives the content's digest at its end; without it the content is hashed here
 * @throws NacreError CONTENT_INVALID, DENIED, NETWORK, CANCELLED; what the content throws. Nothing is left then.
 */
export async function uploadStream(
  exchange: Exchange,
  content: AsyncIterable<Uint8Array>,
  onProgress: (progress: TransferProgress) => void,
  known?: () => Digest,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const doing = `push a layer to ${exchange.target.registry}/${exchange.target.repository}`;
  const upload = new StreamUpload(exchange, doing, onProgress, known);
  const source = content[Symbol.asyncIterator]();
  try {
    return await upload.run(source);
  } catch (error) {
    await upload.cancel();
    throw error;
  } finally {
    await source.return?.();
  }
}

class StreamUpload {
  readonly #exchange: Exchange;
  readonly #doing: string;
  readonly #onProgress: (progress: TransferProgress) => void;
  readonly #hasher = createHasher();
  readonly #known: (() => Digest) | undefined;
  #session: UploadSession | undefined;

  constructor(
    exchange: Exchange,
    doing: string,
    onProgress: (progress: TransferProgress) => void,
    known: (() => Digest) | undefined,
  ) {
    this.#known = known;
    this.#exchange = exchange;
    this.#doing = doing;
    this.#onProgress = onProgress;
  }

  async run(source: AsyncIterator<Uint8Array>) {
    this.#session = await UploadSession.start(this.#exchange, this.#doing);
    const take = this.#known ? () => {} : (bytes: Uint8Array) => this.#hasher.update(bytes);
    const filler = new ChunkFiller(source, this.#session.minChunk, take);
    let size = 0;
    let next = filler.next();
    for (;;) {
      const chunk = await next;
      if (!chunk.isLast) {
        next = filler.next();
        // Waited for once this chunk has arrived.
        next.catch(() => {});
      }
      const start = size;
      size += chunk.bytes.length;
      const digest = chunk.isLast ? this.#digest() : undefined;
      try {
        await this.#send(chunk, start, digest);
      } finally {
        // The source must be at rest before it is closed.
        if (digest === undefined) await next.catch(() => {});
      }
      this.#onProgress({ bytes: size });
      if (digest !== undefined) return { digest, size };
    }
  }

  async cancel(): Promise<void> {
    await this.#session?.cancel();
  }

  #digest(): Digest {
    return this.#known?.() ?? digestOfHex(this.#hasher.hex());
  }

  /** @param digest of the whole, with the last chunk */
  async #send({ bytes }: Chunk, start: number, digest: Digest | undefined): Promise<void> {
    const count = new RetryCount(this.#exchange.rules(this.#doing));
    let failures = 0;
    for (;;) {
      const session = this.#session!;
      const before = session.offset;
      try {
        // What fits into one chunk needs no more than that.
        if (digest !== undefined && start === 0 && failures === 0) return await session.put(digest, bytesBody(bytes));
        await this.#patch(session, bytes, start, digest);
        return;
      } catch (error) {
        failures++;
        if (session.offset > before) count.progressed();
        await count.failed(error);
        if (digest !== undefined && (await hasBlob(this.#exchange, digest))) return;
        await this.#resume(start, bytes.length, error);
      }
    }
  }

  async #patch(session: UploadSession, bytes: Uint8Array, start: number, digest: Digest | undefined): Promise<void> {
    const end = start + bytes.length;
    while (session.offset < end) {
      const rest = bytesBody(bytes.subarray(session.offset - start));
      if (digest !== undefined && rest.length < session.minChunk) return await session.put(digest, rest);
      await session.patch(rest);
    }
    if (digest !== undefined) await session.put(digest);
  }

  /** Goes on where the registry has come to, as far as that is still in memory. */
  async #resume(start: number, length: number, error: unknown): Promise<void> {
    const session = this.#session!;
    if ((await session.resume()) && session.offset >= start && session.offset <= start + length) return;
    if (start === 0) {
      await session.cancel();
      this.#session = await UploadSession.start(this.#exchange, this.#doing);
      return;
    }
    const why = error instanceof PassingFailure ? `: ${error.final.message}` : "";
    throw failed("NETWORK", this.#exchange.attempt(this.#doing), `it has lost the first ${start} bytes${why}`, {
      hint: "try again",
      cause: error,
    });
  }
}

/** Gathers pieces into chunks, in two buffers by turns. */
class ChunkFiller {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #least: number;
  readonly #buffers: [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)];
  readonly #onBytes: (bytes: Uint8Array) => void;
  #turn = 0;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterator<Uint8Array>, least: number, onBytes: (bytes: Uint8Array) => void) {
    this.#source = source;
    this.#least = least;
    this.#onBytes = onBytes;
  }

  async next(): Promise<Chunk> {
    const buffer = this.#nextBuffer();
    let filled = 0;
    let isLast = false;
    while (filled < buffer.length && !isLast) {
      if (this.#rest.length === 0) {
        const result = await this.#source.next();
        if (result.done) isLast = true;
        else if (!(result.value instanceof Uint8Array)) throw new NacreError("INTERNAL", "a content is made of bytes");
        else this.#rest = result.value;
      }
      const part = this.#rest.subarray(0, buffer.length - filled);
      buffer.set(part, filled);
      filled += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    const bytes = buffer.subarray(0, filled);
    this.#onBytes(bytes);
    return { bytes, isLast };
  }

  #nextBuffer(): Buffer {
    const turn = this.#turn++;
    const size = Math.max(this.#least, Math.min(FIRST_CHUNK * 2 ** turn, MOST_CHUNK));
    const at = turn % 2;
    if (this.#buffers[at]!.length !== size) this.#buffers[at] = Buffer.allocUnsafeSlow(size);
    return this.#buffers[at]!;
  }
}
