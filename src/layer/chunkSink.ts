/**
 * Where the bytes of a layer go while it is made: through a hash into a file. The maker fills chunks; a small layer is
 * hashed and written on the spot, a big one by threads of its own, so that reading and checking the next files
 * overlaps with hashing and writing the last ones.
 */
import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { NacreError } from "../support/errors.js";
import { createHasher, type Hasher } from "../support/hash.js";

/** What a finished sink has taken. */
export interface SinkResult {
  /** SHA-256 of all bytes, 64 hex digits. */
  readonly hex: string;
  /** Bytes. */
  readonly size: number;
}

/** Takes chunks in order. Only one chunk is in the maker's hands at a time. */
export interface ChunkSink {
  /** Bytes that a chunk holds. */
  readonly chunkSize: number;
  /** A chunk to fill; blocks until one is free. Its old content is garbage. */
  acquire(): Buffer;
  /** Hands the first `length` bytes of the chunk acquired last on. */
  submit(length: number): void;
  /** All bytes are in the file when this resolves; the file stays open. */
  finish(): Promise<SinkResult>;
  /** Stops at once; the file's content is worthless then. */
  abort(): Promise<void>;
}

/** Large enough that system calls do not count, small enough to stay in the processor's cache (1 MiB was 30 % slower). */
const CHUNK_BYTES = 256 << 10;
const CHUNKS = 16;
/** Starting a thread costs some 30 ms; layers below this are done sooner without. */
const THREAD_FROM_BYTES = 16 << 20;

/**
 * A sink into an open file.
 * @param expectedSize about how many bytes will come, to choose between the two ways
 */
export function createSink(fd: number, expectedSize: number): ChunkSink {
  return expectedSize >= THREAD_FROM_BYTES ? new ThreadedSink(fd) : new DirectSink(fd);
}

class DirectSink implements ChunkSink {
  readonly chunkSize = CHUNK_BYTES;
  readonly #fd: number;
  readonly #hash: Hasher = createHasher();
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #size = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  acquire(): Buffer {
    return this.#chunk;
  }

  submit(length: number): void {
    const bytes = this.#chunk.subarray(0, length);
    this.#hash.update(bytes);
    for (let at = 0; at < length; ) at += writeSync(this.#fd, bytes, at, length - at);
    this.#size += length;
  }

  async finish(): Promise<SinkResult> {
    return { hex: this.#hash.hex(), size: this.#size };
  }

  async abort(): Promise<void> {}
}

/** Positions in the memory that maker and threads share (see sinkWorker.js). */
const SUBMITTED = 0;
const STATE = 1;
const CONSUMED = 2;
const LENGTHS = 4;
const STATE_ENDED = 1;
const STATE_ABORTED = 2;

/** A disk that hangs, or a thread that died, must not hang the build for ever. */
const STALL_MS = 10 * 60_000;

/** One thread hashes, the other writes: neither waits for the other, and a slow disk does not hold up the hash. */
const ROLES = ["hash", "write"] as const;

type WorkerMessage =
  | { readonly hex?: string; readonly size: number }
  | { readonly error: Error; readonly code: unknown };

class ThreadedSink implements ChunkSink {
  readonly chunkSize = CHUNK_BYTES;
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * (LENGTHS + CHUNKS)));
  readonly #memory = new SharedArrayBuffer(CHUNK_BYTES * CHUNKS);
  readonly #workers: readonly Worker[];
  readonly #results: Promise<readonly { readonly hex?: string; readonly size: number }[]>;
  #submitted = 0;

  constructor(fd: number) {
    const shared = { fd, control: this.#control, memory: this.#memory, chunkSize: CHUNK_BYTES, chunks: CHUNKS };
    this.#workers = ROLES.map((role, number) => {
      return new Worker(new URL("../layer/sinkWorker.js", import.meta.url), {
        workerData: { ...shared, role, number },
      });
    });
    this.#results = Promise.all(this.#workers.map(resultOf));
    // A failure surfaces in finish(); until then it must not count as unhandled.
    this.#results.catch(() => {});
  }

  acquire(): Buffer {
    for (const number of ROLES.keys()) this.#waitFor(number);
    return Buffer.from(this.#memory, (this.#submitted % CHUNKS) * CHUNK_BYTES, CHUNK_BYTES);
  }

  /** Blocks until a thread has left a chunk free. It marks every chunk as consumed, even after a failed write. */
  #waitFor(number: number): void {
    const stalled = Date.now() + STALL_MS;
    for (;;) {
      const consumed = Atomics.load(this.#control, CONSUMED + number);
      if (this.#submitted - consumed < CHUNKS) return;
      if (Date.now() > stalled)
        throw new NacreError("STORE", "the disk of the store has taken nothing for ten minutes");
      Atomics.wait(this.#control, CONSUMED + number, consumed, 1000);
    }
  }

  submit(length: number): void {
    Atomics.store(this.#control, LENGTHS + (this.#submitted % CHUNKS), length);
    this.#submitted++;
    Atomics.store(this.#control, SUBMITTED, this.#submitted);
    Atomics.notify(this.#control, SUBMITTED);
  }

  async finish(): Promise<SinkResult> {
    this.#end(STATE_ENDED);
    try {
      const [hashed] = await this.#results;
      return { hex: hashed?.hex ?? "", size: hashed?.size ?? 0 };
    } finally {
      await this.#terminate();
    }
  }

  async abort(): Promise<void> {
    this.#end(STATE_ABORTED);
    await this.#results.catch(() => {});
    await this.#terminate();
  }

  #end(state: number): void {
    Atomics.store(this.#control, STATE, state);
    Atomics.notify(this.#control, SUBMITTED);
  }

  async #terminate(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function resultOf(worker: Worker): Promise<{ readonly hex?: string; readonly size: number }> {
  return new Promise((resolve, reject) => {
    worker.once("message", (message: WorkerMessage) => {
      if ("error" in message) reject(Object.assign(message.error, { code: message.code }));
      else resolve(message);
    });
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("a thread ended before its work was done")));
  });
}
