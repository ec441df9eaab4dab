/** Nacre's side of the protocol: calls to a worker, each a promise, until the worker ends. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { NacreError } from "../support/errors.js";
import { FrameReader } from "./workerOutput.js";
import { type Call, type FromWorker, fromWire, parseFromWorker, type ToWorker } from "./workerProtocol.js";
import type { StartedWorker } from "./workerStart.js";

/** Milliseconds that a worker has to end by itself once it is told to. */
const PATIENCE = 10_000;
/** Milliseconds to wait for what a worker that has ended said before. */
const LAST_WORDS_PATIENCE = 1_000;

/** What a call may be told before it is answered. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onOutput?: ((chunk: Buffer) => void) | undefined;
  readonly onWarn?: ((rule: string, message: string) => void) | undefined;
  readonly onProgress?: ((bytes: number, total: number | undefined) => void) | undefined;
}

interface Pending extends CallOptions {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  /** The answer, where the output's end is still on its way: the two come by different channels. */
  answer?: (() => void) | undefined;
  outputEnded: boolean;
}

/** A running worker. */
export class WorkerClient {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  #nextId = 1;
  #lastWords: string | undefined;
  #dead: NacreError | undefined;

  constructor({ process: child, output }: StartedWorker) {
    this.#child = child;
    const frames = new FrameReader(
      (id, bytes) => this.#pending.get(id)?.onOutput?.(bytes),
      (id) => this.#outputEnds(id),
    );
    output.on("data", (chunk: Buffer) => frames.push(chunk));
    child.on("message", (message) => this.#receive(message));
    child.on("error", (error) => this.#end(error.message));
    this.#exited = new Promise((resolve) => {
      const ended = (code: number | null, signal: string | null) => {
        this.#end(signal ? `it was ended by ${signal}` : `it ended with exit code ${code}`);
        resolve();
      };
      child.once("exit", (code, signal) => {
        // What it said last may still be on its way; but a process that it left behind may keep the pipes open.
        const silent = Promise.all([closed(output), disconnected(child)]);
        void Promise.race([silent, sleep(LAST_WORDS_PATIENCE, undefined, { ref: false })]).then(() =>
          ended(code, signal),
        );
      });
    });
  }

  /**
   * Calls.
   * @throws NacreError what the other side threw, whole; INTERNAL if the worker ends before it has answered
   */
  async call(call: Call, options: CallOptions = {}): Promise<unknown> {
    if (this.#dead) throw this.#dead;
    const id = this.#nextId++;
    const cancel = () => this.#send({ type: "cancel", id });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { ...options, resolve, reject, outputEnded: options.onOutput === undefined });
        this.#send({ type: "call", id, call });
        if (options.signal?.aborted) cancel();
        options.signal?.addEventListener("abort", cancel, { once: true });
      });
    } finally {
      options.signal?.removeEventListener("abort", cancel);
      this.#pending.delete(id);
    }
  }

  /** Lets the worker end what it does, and waits for its end; kills it if it takes too long. Never throws. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE);
    try {
      await this.call({ type: "close" }).catch(() => {});
      if (this.#child.connected) this.#child.disconnect();
      await this.#exited;
    } finally {
      clearTimeout(timer);
    }
  }

  #send(message: ToWorker): void {
    if (!this.#child.connected) return;
    this.#child.send(message, (error) => {
      if (error && message.type === "call") this.#pending.get(message.id)?.reject(error);
    });
  }

  #receive(raw: unknown): void {
    let message: FromWorker;
    try {
      message = parseFromWorker(raw);
    } catch (error) {
      this.#end(String(error));
      this.#child.kill("SIGKILL");
      return;
    }
    if (message.type === "ready") return;
    if (message.type === "dying") {
      this.#lastWords = message.message;
      return;
    }
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    if (message.type === "warn") pending.onWarn?.(message.rule, message.message);
    else if (message.type === "progress") pending.onProgress?.(message.bytes, message.total);
    else this.#answered(pending, message);
  }

  #answered(pending: Pending, message: FromWorker & { type: "done" | "failed" }): void {
    pending.answer = () => {
      if (message.type === "done") pending.resolve(message.value);
      else pending.reject(fromWire(message.error));
    };
    if (pending.outputEnded) pending.answer();
  }

  #outputEnds(id: number): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    pending.outputEnded = true;
    pending.answer?.();
  }

  #end(how: string): void {
    if (this.#dead) return;
    const words = this.#lastWords ? `: ${this.#lastWords}` : "";
    this.#dead = new NacreError("INTERNAL", `the process that executes RUN has ended: ${how}${words}`, {
      hint: how.includes("SIGKILL") ? "the system may have run out of memory: dmesg tells" : undefined,
    });
    for (const pending of this.#pending.values()) pending.reject(this.#dead);
  }
}

async function closed(stream: Duplex): Promise<void> {
  if (!stream.closed) await once(stream, "close");
}

async function disconnected(child: ChildProcess): Promise<void> {
  if (child.connected) await once(child, "disconnect");
}
