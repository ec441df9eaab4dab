/** What the parts of one build share: the request, the store, the clock, events. */
import type { IgnoreRules } from "../context/ignore.js";
import type { Platform } from "../oci/platform.js";
import type { Lease, Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import type { Emit, NacreEvent, Outcome } from "../support/events.js";
import type { SourcePlace } from "../support/source.js";
import type { BuildRequest } from "./request.js";

/** A warning of a build. */
export interface BuildWarning {
  readonly rule: string;
  readonly message: string;
  readonly place?: SourcePlace | undefined;
}

/** The state of one build. */
export class Session {
  readonly request: BuildRequest;
  readonly store: Store;
  /** Keeps everything that the build uses from garbage collection. */
  readonly lease: Lease;
  readonly platform: Platform | undefined;
  readonly ignore: IgnoreRules | undefined;
  readonly signal: AbortSignal | undefined;
  /** When the build began, milliseconds since 1970. */
  readonly started: number;
  readonly warnings: BuildWarning[] = [];
  readonly #emit: Emit;
  readonly #clock: () => number;

  constructor(
    request: BuildRequest,
    store: Store,
    more: {
      readonly platform: Platform | undefined;
      readonly ignore: IgnoreRules | undefined;
      readonly clock: () => number;
    },
  ) {
    this.request = request;
    this.store = store;
    this.lease = store.acquireLease();
    this.platform = more.platform;
    this.ignore = more.ignore;
    this.signal = request.signal;
    this.#emit = request.emit ?? (() => {});
    this.#clock = more.clock;
    this.started = more.clock();
  }

  now(): number {
    return this.#clock();
  }

  /** Tells of a warning, once. */
  warn(warning: BuildWarning): void {
    if (this.warnings.some(({ rule, message }) => rule === warning.rule && message === warning.message)) return;
    this.warnings.push(warning);
    this.#emit({ type: "warning", ...warning, time: this.now() });
  }

  /** @throws NacreError CANCELLED */
  checkCancelled(): void {
    if (this.signal?.aborted) throw new NacreError("CANCELLED", "the build was cancelled");
  }

  /** Runs a piece of work between its `start` and `end` events. */
  async vertex<T>(id: string, name: string, work: (vertex: Vertex) => Promise<T>): Promise<T> {
    this.checkCancelled();
    this.#send({ type: "start", id, name, time: this.now() });
    const vertex = new Vertex(
      id,
      (event) => this.#send(event),
      () => this.now(),
    );
    try {
      const result = await work(vertex);
      this.#end(id, vertex.outcome);
      return result;
    } catch (error) {
      const cancelled = this.signal?.aborted === true;
      this.#end(id, cancelled ? "cancelled" : "error", error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  #end(id: string, outcome: Outcome, error?: string): void {
    this.#send({ type: "end", id, outcome, ...(error === undefined ? {} : { error }), time: this.now() });
  }

  #send(event: NacreEvent): void {
    this.#emit(event);
  }
}

/** A piece of work that is going on. */
export class Vertex {
  readonly id: string;
  /** How it will have ended if nothing fails. */
  outcome: Outcome = "done";
  readonly #send: Emit;
  readonly #now: () => number;

  constructor(id: string, send: Emit, now: () => number) {
    this.id = id;
    this.#send = send;
    this.#now = now;
  }

  progress(current: number, total: number | undefined, unit: "bytes" | "files"): void {
    this.#send({
      type: "progress",
      id: this.id,
      current,
      ...(total === undefined ? {} : { total }),
      unit,
      time: this.#now(),
    });
  }

  log(text: string): void {
    this.#send({ type: "log", id: this.id, text, time: this.#now() });
  }
}
