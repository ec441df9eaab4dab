/** The directories that a build copies from: opened when the first step asks for one, hashed as far as steps read them. */
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { readIgnoreFile } from "../context/ignoreFile.js";
import { type LocalContext, openLocalContext } from "../context/local.js";
import { statCacheName } from "../context/statCache.js";
import { NacreError } from "../support/errors.js";
import type { NamedContext } from "./bases.js";
import type { Session, Vertex } from "./session.js";

/** The contexts of one build. */
export class Contexts {
  readonly #session: Session;
  readonly #named: ReadonlyMap<string, NamedContext>;
  readonly #opened = new Map<string, Promise<LocalContext>>();
  readonly #contexts = new Map<string, LocalContext>();
  readonly #loading = new Map<string, Vertex>();

  constructor(session: Session, named: ReadonlyMap<string, NamedContext>) {
    this.#session = session;
    this.#named = named;
  }

  /**
   * The context of that name; `""` is the main one.
   * @throws NacreError CONTEXT_UNREADABLE
   */
  open(name: string): Promise<LocalContext> {
    let opened = this.#opened.get(name);
    if (opened === undefined) {
      opened = this.#open(name);
      this.#opened.set(name, opened);
    }
    return opened;
  }

  /** Shows how many bytes of a context have been hashed. */
  hashProgress(name: string): (bytes: number) => void {
    return (bytes) => this.#loading.get(name)?.progress(bytes, undefined, "bytes");
  }

  /** All steps are keyed: nothing more is read to know the contexts. */
  endLoading(error?: unknown): void {
    for (const vertex of this.#loading.values()) {
      if (error === undefined) vertex.end("done");
      else vertex.fail(error);
    }
    this.#loading.clear();
  }

  /** Keeps what has been learnt of the files for the next build. */
  save(): void {
    for (const context of this.#contexts.values()) context.save();
  }

  async #open(name: string): Promise<LocalContext> {
    const session = this.#session;
    const named = this.#named.get(name);
    if (name !== "" && named?.kind !== "directory") {
      throw new NacreError("INTERNAL", `the context ${name} is no directory`);
    }
    const root = named?.kind === "directory" ? named.path : resolve(session.request.context);
    const ignore = named?.kind === "directory" ? readIgnoreFile({ root }) : session.ignore;
    const label = name === "" ? "[internal] load build context" : `[internal] load context ${name}`;
    const vertex = session.begin(`internal:context ${name}`, label);
    this.#loading.set(name, vertex);
    const context = await openLocalContext({
      root,
      ignore,
      statCache: session.store.statPath(statCacheName(realpathSync(root), ignore?.file)),
      warn: (message: string) => session.warn({ rule: "Context", message }),
      signal: session.signal,
      onProgress: (files: number) => vertex.progress(files, undefined, "files"),
    });
    this.#contexts.set(name, context);
    return context;
  }
}
