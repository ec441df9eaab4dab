/**
 * The worker's side of the protocol: carries out calls on a sandbox that lives in this process. It knows nothing of how
 * the process was started, and ends its sandbox when told, or when nacre is gone.
 */
import * as path from "node:path";
import { NacreError } from "../support/errors.js";
import type { ProbeReport } from "./probe.js";
import type { PreparedRun, Sandbox } from "./types.js";
import { writeEnd, writeFrame } from "./workerOutput.js";
import {
  type Call,
  type FromWorker,
  type ProbeCall,
  parseToWorker,
  type SandboxCall,
  type ToWorker,
  toWire,
} from "./workerProtocol.js";

/** What the server works with. */
export interface WorkerParts {
  readonly openSandbox: (store: string, sandbox: SandboxCall) => Promise<Sandbox>;
  readonly probe: (store: string, probe: ProbeCall) => Promise<ProbeReport>;
  readonly removeTree: (path: string) => Promise<void>;
  readonly send: (message: FromWorker) => void;
  /** Descriptor of the pipe for output. */
  readonly outputFd: number;
}

/** Where the worker may remove trees: nothing else in a store holds files of other users. */
const REMOVABLE = ["snapshots", "mounts", "tombstones", "tmp", "upper"];

/** See the top of this file. */
export class WorkerServer {
  readonly #parts: WorkerParts;
  readonly #runs = new Map<number, PreparedRun>();
  readonly #running = new Map<number, AbortController>();
  #sandbox: Sandbox | undefined;
  #store: string | undefined;
  #nextRun = 1;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
  }

  /** Takes a message. Answers are sent when they are there. @throws NacreError INTERNAL for what is none */
  receive(raw: unknown): void {
    const message: ToWorker = parseToWorker(raw);
    if (message.type === "cancel") this.#running.get(message.id)?.abort();
    else void this.#answer(message.id, message.call);
  }

  /** Ends everything that runs, as if each call had been cancelled. */
  async close(): Promise<void> {
    for (const running of this.#running.values()) running.abort();
    await Promise.all([...this.#runs.values()].map((run) => run.release()));
    this.#runs.clear();
    await this.#sandbox?.close();
    this.#sandbox = undefined;
  }

  async #answer(id: number, call: Call): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      this.#parts.send({ type: "done", id, value: await this.#carryOut(id, call, controller.signal) });
    } catch (error) {
      this.#parts.send({ type: "failed", id, error: toWire(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  async #carryOut(id: number, call: Call, signal: AbortSignal): Promise<unknown> {
    switch (call.type) {
      case "probe":
        return this.#parts.probe(call.store, call.probe);
      case "open":
        this.#sandbox = await this.#parts.openSandbox(call.store, call.sandbox);
        this.#store = call.store;
        return undefined;
      case "prepare":
        return this.#prepare(id, call, signal);
      case "execute":
        return this.#execute(id, call, signal);
      case "collect":
        return this.#run(call.run).collect({ signal });
      case "release":
        await this.#runs.get(call.run)?.release();
        this.#runs.delete(call.run);
        return undefined;
      case "removeTree":
        return this.#parts.removeTree(this.#removable(call.path));
      case "close":
        return this.close();
    }
  }

  async #prepare(id: number, call: Call & { type: "prepare" }, signal: AbortSignal): Promise<number> {
    if (!this.#sandbox) throw new NacreError("INTERNAL", "the worker has no sandbox yet");
    const { send } = this.#parts;
    const run = await this.#sandbox.prepare(call.request, {
      warn: (rule, message) => send({ type: "warn", id, rule, message }),
      onProgress: (bytes, total) => send({ type: "progress", id, bytes, total }),
      signal,
    });
    const number = this.#nextRun++;
    this.#runs.set(number, run);
    return number;
  }

  async #execute(id: number, call: Call & { type: "execute" }, signal: AbortSignal): Promise<unknown> {
    const fd = this.#parts.outputFd;
    const options = { signal, ...(call.args ? { args: call.args } : {}) };
    if (call.io === "terminal") return this.#run(call.run).execute({ kind: "terminal" }, options);
    try {
      const onOutput = (chunk: Buffer) => {
        if (chunk.length > 0) writeFrame(fd, id, chunk);
      };
      return await this.#run(call.run).execute({ kind: "log", onOutput }, options);
    } finally {
      writeEnd(fd, id);
    }
  }

  #run(number: number): PreparedRun {
    const run = this.#runs.get(number);
    if (!run) throw new NacreError("INTERNAL", `the worker has no run ${number}`);
    return run;
  }

  /** The path, if it lies where trees may be removed. What is above it is nacre's own, and not a symlink. */
  #removable(given: string): string {
    const [folder, ...rest] = path.relative(this.#store ?? "/nowhere", given).split(path.sep);
    const isClean = path.isAbsolute(given) && path.normalize(given) === given && rest.length > 0;
    if (isClean && folder !== undefined && REMOVABLE.includes(folder)) return given;
    throw new NacreError("INTERNAL", `the worker does not remove ${given}`);
  }
}
