/**
 * Digests of a layer's tar and of the blocks that it is cut into. A big tar is read and hashed by a thread of its own,
 * ahead of whoever asks, so that what is done with the blocks meanwhile costs no time.
 */
import { Worker } from "node:worker_threads";
import { NacreError } from "../support/errors.js";

/** Starting a thread costs some 30 ms; what is smaller is hashed sooner without. */
export const THREAD_FROM_BYTES = 16 << 20;

/** Digests that become known one after the other. Close it when none is wanted any more. */
export interface TarDigests {
  /** SHA-256 of a block's bytes, 64 hex digits. @throws NacreError STORE if the tar cannot be read */
  block(number: number): Promise<string>;
  /** SHA-256 of all bytes. @throws NacreError STORE */
  whole(): Promise<string>;
  close(): Promise<void>;
}

type Message = { readonly digests: readonly string[] } | { readonly whole: string };

/**
 * Starts to hash a tar.
 * @param fd the tar, open for reading until {@link TarDigests.close} is done
 * @param size its bytes
 * @param starts where its blocks begin, ascending from 0
 */
export function hashTar(fd: number, size: number, starts: readonly number[]): TarDigests {
  return new ThreadedDigests(fd, size, starts);
}

class ThreadedDigests implements TarDigests {
  readonly #worker: Worker;
  readonly #blocks: string[] = [];
  #whole: string | undefined;
  #failure: NacreError | undefined;
  /** Whoever waits for the next message. */
  #waiting: (() => void)[] = [];

  constructor(fd: number, size: number, starts: readonly number[]) {
    this.#worker = new Worker(new URL("../layer/tarHashWorker.js", import.meta.url), {
      workerData: { fd, size, starts },
    });
    this.#worker.on("message", (message: Message) => {
      if ("whole" in message) this.#whole = message.whole;
      else this.#blocks.push(...message.digests);
      this.#wake();
    });
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => {
      if (this.#whole === undefined) this.#fail(new Error("a thread ended before its work was done"));
    });
  }

  async block(number: number): Promise<string> {
    while (this.#blocks.length <= number) await this.#more();
    return this.#blocks[number]!;
  }

  async whole(): Promise<string> {
    while (this.#whole === undefined) await this.#more();
    return this.#whole;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #more(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #fail(error: Error): void {
    this.#failure ??= new NacreError("STORE", `a layer cannot be read: ${error.message}`, { cause: error });
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
