/** A sandbox whose steps are executed by a worker. The worker is started when the first step comes, once. */
import type { Lease, Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import type {
  IsolationLevel,
  Loss,
  PreparedRun,
  RunExit,
  RunIo,
  RunLayer,
  RunRequest,
  Sandbox,
  SandboxEvents,
} from "./types.js";
import { WorkerClient } from "./workerClient.js";
import { parseExit, parseRun, parseRunLayer, type SandboxCall } from "./workerProtocol.js";
import type { StartedWorker } from "./workerStart.js";

/** What a remote sandbox is made of. */
export interface RemoteParts {
  readonly store: Store;
  readonly sandbox: SandboxCall;
  readonly losses: readonly Loss[];
  /** Starts the process. */
  readonly start: () => Promise<StartedWorker>;
}

/** See the top of this file. */
export class RemoteSandbox implements Sandbox {
  readonly level: IsolationLevel;
  readonly losses: readonly Loss[];
  readonly #parts: RemoteParts;
  #worker: Promise<WorkerClient> | undefined;
  #lease: Lease | undefined;
  #closed = false;

  constructor(parts: RemoteParts) {
    this.level = parts.sandbox.level;
    this.losses = parts.losses;
    this.#parts = parts;
  }

  async prepare(request: RunRequest, events: SandboxEvents): Promise<PreparedRun> {
    const worker = await this.#start();
    const answer = await worker.call(
      { type: "prepare", request },
      { signal: events.signal, onWarn: events.warn, onProgress: events.onProgress },
    );
    return new RemoteRun(worker, parseRun(answer), (layer) => this.#protect(layer));
  }

  expect(): void {
    if (!this.#closed) this.#start().catch(() => {});
  }

  /** Removes a tree with the rights of the worker: files of other users, too. @throws NacreError; INTERNAL outside of the store's own trees */
  async removeTree(path: string): Promise<void> {
    await (await this.#start()).call({ type: "removeTree", path });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = await this.#worker?.catch(() => undefined);
    await worker?.close();
    this.#lease?.release();
  }

  #start(): Promise<WorkerClient> {
    if (this.#closed) throw new NacreError("INTERNAL", "this sandbox is closed");
    this.#worker ??= this.#open();
    return this.#worker;
  }

  async #open(): Promise<WorkerClient> {
    const { store, sandbox, start } = this.#parts;
    const worker = new WorkerClient(await start());
    try {
      await worker.call({ type: "open", store: store.path, sandbox });
      return worker;
    } catch (error) {
      await worker.close();
      throw error;
    }
  }

  /** The worker's own lease ends with the worker, which may be before a record names the layer. */
  #protect({ diffId }: RunLayer): void {
    this.#lease ??= this.#parts.store.acquireLease();
    this.#lease.protect([diffId]);
  }
}

class RemoteRun implements PreparedRun {
  readonly #worker: WorkerClient;
  readonly #run: number;
  readonly #collected: (layer: RunLayer) => void;

  constructor(worker: WorkerClient, run: number, collected: (layer: RunLayer) => void) {
    this.#worker = worker;
    this.#run = run;
    this.#collected = collected;
  }

  async execute(
    io: RunIo,
    options: { readonly signal?: AbortSignal | undefined; readonly args?: readonly string[] } = {},
  ): Promise<RunExit> {
    const answer = await this.#worker.call(
      { type: "execute", run: this.#run, io: io.kind, args: options.args },
      { signal: options.signal, onOutput: io.kind === "log" ? io.onOutput : undefined },
    );
    return parseExit(answer);
  }

  async collect(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<RunLayer> {
    const answer = await this.#worker.call({ type: "collect", run: this.#run }, { signal: options.signal });
    const layer = parseRunLayer(answer);
    this.#collected(layer);
    return layer;
  }

  async release(): Promise<void> {
    // A worker that is dead has nothing to release; what it left is swept by the next one.
    await this.#worker.call({ type: "release", run: this.#run }).catch(() => {});
  }
}
