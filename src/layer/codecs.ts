/**
 * Compressing one block of bytes, in the background: gzip through zlib's thread pool, zstd through Node's own where
 * this Node has it, else through WebAssembly in worker threads. The same bytes, level and {@link codecVersion} give
 * the same result.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import * as zlib from "node:zlib";
import { NacreError } from "../support/errors.js";
import { type Framing, GzipFraming, gzipBlock } from "./gzipFraming.js";

/** The codecs that layers can be written with. */
export type Codec = "gzip" | "zstd";

/**
 * The levels that a codec takes, and the one it takes by itself. zlib at 4 packs 3 % less than at 6, the usual one, in
 * three fifths of the time; that is about what the compressors of other builders make at their default.
 */
export const CODEC_LEVELS: Readonly<
  Record<Codec, { readonly min: number; readonly max: number; readonly usual: number }>
> = { gzip: { min: 0, max: 9, usual: 4 }, zstd: { min: 1, max: 22, usual: 3 } };

/** Compresses blocks, several at once. */
export interface BlockCompressor {
  /** @returns a block for the codec's {@link framingOf} */
  compress(block: Buffer): Promise<Buffer>;
  /** Ends its threads. Nothing may be compressing. */
  close(): Promise<void>;
}

/** What newer Nodes add to zlib. */
interface NativeZstd {
  zstdCompress?: (data: Buffer, options: { params: Record<number, number> }, done: Done) => void;
  constants: { ZSTD_c_compressionLevel?: number };
}
type Done = (error: Error | null, result: Buffer) => void;

const native = zlib as unknown as NativeZstd;
const require = createRequire(import.meta.url);

/**
 * Names the implementation that decides about the compressed bytes. zlib's fast paths differ between processors, so
 * its name holds the architecture.
 */
export function codecVersion(codec: Codec): string {
  if (codec === "gzip") return `zlib-${process.versions.zlib}-${process.arch}`;
  if (native.zstdCompress) return `libzstd-${(process.versions as Record<string, string>).zstd}`;
  const file = require.resolve("@bokuweb/zstd-wasm").replace(/dist[\\/].*$/, "package.json");
  return `zstd-wasm-${(JSON.parse(readFileSync(file, "utf8")) as { version: string }).version}`;
}

/**
 * Opens a compressor.
 * @param jobs most blocks at once that it will be given
 * @throws NacreError USAGE if the codec does not have the level
 */
export function openCompressor(codec: Codec, level: number, jobs: number): BlockCompressor {
  const { min, max } = CODEC_LEVELS[codec];
  if (!Number.isInteger(level) || level < min || level > max) {
    throw new NacreError("USAGE", `${codec} has no compression level ${level}`, {
      hint: `choose a whole number from ${min} to ${max}`,
    });
  }
  if (codec === "gzip") return { compress: (block) => gzipBlock(block, level), close: async () => {} };
  if (native.zstdCompress) return { compress: (block) => nativeFrame(block, level), close: async () => {} };
  return new ZstdWorkers(level, Math.max(1, Math.min(jobs, availableParallelism())));
}

/** How blocks of a codec become one file; a new one for each file. */
export function framingOf(codec: Codec): Framing {
  return codec === "gzip" ? new GzipFraming() : FRAMES;
}

const NOTHING = Buffer.alloc(0);
/** A zstd file is nothing but frames, one for each block (RFC 8878 §3). */
const FRAMES: Framing = {
  begin: () => NOTHING,
  add: (block) => block,
  end: () => NOTHING,
  bytesOf: (block) => block,
};

async function nativeFrame(block: Buffer, level: number): Promise<Buffer> {
  const params = { [native.constants.ZSTD_c_compressionLevel!]: level };
  return new Promise((resolve, reject) => {
    native.zstdCompress!(block, { params }, (error, frame) => (error ? reject(error) : resolve(frame)));
  });
}

interface Answer {
  readonly frame?: Uint8Array;
  readonly error?: string;
}

/** zstd in WebAssembly computes on the thread that calls it, hence threads of its own. They start when needed. */
class ZstdWorkers implements BlockCompressor {
  readonly #level: number;
  readonly #most: number;
  readonly #idle: Worker[] = [];
  readonly #waiting: PromiseWithReject<Worker>[] = [];
  readonly #all: Worker[] = [];
  #failure: NacreError | undefined;

  constructor(level: number, most: number) {
    this.#level = level;
    this.#most = most;
  }

  async compress(block: Buffer): Promise<Buffer> {
    const worker = await this.#take();
    try {
      const { frame, error } = await ask(worker, block);
      if (!frame) throw failed(error);
      return Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    } catch (error) {
      // A thread that has died answers no one any more.
      this.#failure ??= failed(error);
      for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
      throw this.#failure;
    } finally {
      const next = this.#waiting.shift();
      if (next) next.resolve(worker);
      else this.#idle.push(worker);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((worker) => worker.terminate()));
  }

  #take(): Promise<Worker> {
    if (this.#failure) return Promise.reject(this.#failure);
    const idle = this.#idle.pop();
    if (idle) return Promise.resolve(idle);
    if (this.#all.length >= this.#most) {
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
    const worker = new Worker(new URL("../layer/zstdWorker.js", import.meta.url), {
      workerData: { level: this.#level },
    });
    this.#all.push(worker);
    return Promise.resolve(worker);
  }
}

interface PromiseWithReject<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function failed(error: unknown): NacreError {
  if (error instanceof NacreError) return error;
  return new NacreError("COMPRESSION", `zstd failed: ${error instanceof Error ? error.message : error}`, {
    cause: error,
  });
}

function ask(worker: Worker, block: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => onError(new Error("its thread ended"));
    const settle = (): void => {
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
    };
    const onMessage = (answer: Answer): void => {
      settle();
      resolve(answer);
    };
    const onError = (error: unknown): void => {
      settle();
      reject(error);
    };
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    worker.postMessage(block);
  });
}
