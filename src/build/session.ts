/** What the parts of one build share: the request, the store, the clock, events. */
import type { Platform } from "../oci/platform.js";
import type { BuildEntry, BuildInputs, BuildStep } from "../store/builds.js";
import type { Lease, Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { type Emit, type NacreEvent, type Outcome, silent } from "../support/events.js";
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
  readonly signal: AbortSignal | undefined;
  /** When the build began, milliseconds since 1970. */
  readonly started: number;
  readonly warnings: BuildWarning[] = [];
  /** What has become of the steps so far, by id, for the store's history. */
  readonly history = new Map<number, BuildStep>();
  /** What was fetched from elsewhere, for the store's history. */
  readonly remotes: NonNullable<BuildInputs["remotes"]> = [];
  /** What else is known of the build by now, for the store's history. */
  readonly about: {
    -readonly [K in "project" | "platform" | "args" | "inputs" | "outputs" | "isolation"]?: BuildEntry[K];
  } = {};
  readonly #emit: Emit;
  readonly #clock: () => number;

  constructor(
    request: BuildRequest,
    store: Store,
    more: {
      readonly platform: Platform | undefined;
      readonly clock: () => number;
    },
  ) {
    this.request = request;
    this.store = store;
    this.lease = store.acquireLease();
    this.platform = more.platform;
    this.signal = request.signal;
    this.#emit = request.emit ?? silent;
    this.#clock = more.clock;
    this.started = more.clock();
  }

  now(): number {
    return this.#clock();
  }

  /** Tells of a warning, once. */
  warn(warning: BuildWarning): void {
    const line = warning.place?.range.start.line;
    const isSame = (other: BuildWarning): boolean =>
      other.rule === warning.rule && other.message === warning.message && other.place?.range.start.line === line;
    if (this.warnings.some(isSame)) return;
    this.warnings.push(warning);
    this.#emit({ type: "warning", ...warning, time: this.now() });
  }

  /** Tells of something that asks for nothing to be done. */
  note(remark: BuildWarning): void {
    this.#emit({ type: "note", ...remark, time: this.now() });
  }

  /** @throws NacreError CANCELLED */
  checkCancelled(): void {
    if (this.signal?.aborted) throw new NacreError("CANCELLED", "the build was cancelled");
  }

  /** Runs a piece of work between its `start` and `end` events. */
  async vertex<T>(id: string, name: string, work: (vertex: Vertex) => Promise<T>): Promise<T> {
    const vertex = this.begin(id, name);
    try {
      const result = await work(vertex);
      vertex.end("done");
      return result;
    } catch (error) {
      vertex.fail(error);
      throw error;
    }
  }

  /** Begins a piece of work that the caller ends. @throws NacreError CANCELLED */
  begin(id: string, name: string): Vertex {
    this.checkCancelled();
    this.send({ type: "start", id, name, time: this.now() });
    return new Vertex(id, this);
  }

  /** Tells of a step that the cache answers. */
  cached(id: string, name: string): void {
    this.begin(id, name).end("cached");
  }

  /** Sends an event on. */
  send(event: NacreEvent): void {
    this.#emit(event);
  }
}

/** A piece of work that is going on. */
export class Vertex {
  readonly #id: string;
  readonly #session: Session;
  #ended = false;

  constructor(id: string, session: Session) {
    this.#id = id;
    this.#session = session;
  }

  progress(current: number, total: number | undefined, unit: "bytes" | "files"): void {
    const known = total === undefined ? {} : { total };
    this.#session.send({ type: "progress", id: this.#id, current, ...known, unit, time: this.#session.now() });
  }

  log(text: string): void {
    this.#session.send({ type: "log", id: this.#id, text, time: this.#session.now() });
  }

  /** Ends the work; only the first end counts. */
  end(outcome: Outcome, error?: string): void {
    if (this.#ended) return;
    this.#ended = true;
    const failure = error === undefined ? {} : { error };
    this.#session.send({ type: "end", id: this.#id, outcome, ...failure, time: this.#session.now() });
  }

  /** Ends the work with a failure, or as cancelled where that is why it failed. */
  fail(error: unknown): void {
    if (this.#session.signal?.aborted) this.end("cancelled");
    else this.end("error", error instanceof Error ? error.message : String(error));
  }
}
