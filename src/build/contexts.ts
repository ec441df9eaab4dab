/** What a build copies from: opened when the first step asks for it, hashed as far as steps read it. */
import type { Context } from "../context/context.js";
import type { IgnoreRules } from "../context/ignore.js";
import { readIgnoreFile } from "../context/ignoreFile.js";
import { openLocalContext } from "../context/local.js";
import { NacreError } from "../support/errors.js";
import { type FilesSource, type NamedContext, shownSource } from "./contextSource.js";
import type { Fetches } from "./fetches.js";
import { openDirectory } from "./openDirectory.js";
import type { Session, Vertex } from "./session.js";

/** The files of the main context. */
export type MainFiles =
  | { readonly kind: "directory"; readonly path: string; readonly ignore: IgnoreRules | undefined }
  /** Opened already, to find the Dockerfile in it. */
  | { readonly kind: "open"; readonly context: Context };

/** The contexts of one build. */
export class Contexts {
  readonly #session: Session;
  readonly #main: MainFiles;
  readonly #named: ReadonlyMap<string, NamedContext>;
  readonly #fetches: () => Promise<Fetches>;
  readonly #opened = new Map<string, Promise<Context>>();
  readonly #loading = new Map<string, Vertex>();

  constructor(
    session: Session,
    main: MainFiles,
    named: ReadonlyMap<string, NamedContext>,
    fetches: () => Promise<Fetches>,
  ) {
    this.#session = session;
    this.#main = main;
    this.#named = named;
    this.#fetches = fetches;
  }

  /**
   * The context of that name; `""` is the main one.
   * @throws NacreError CONTEXT_UNREADABLE; NETWORK, TAR_INVALID and others for contexts that are fetched
   */
  open(name: string): Promise<Context> {
    let opened = this.#opened.get(name);
    if (opened === undefined) {
      opened = this.#open(name);
      this.#opened.set(name, opened);
    }
    return opened;
  }

  /** The main context, to explain a failure: no progress tells of it. Undefined where it cannot be looked at. */
  async lookAtMain(): Promise<Context | undefined> {
    const main = this.#main;
    if (main.kind === "open") return main.context;
    return this.#opened.get("") ?? openLocalContext({ root: main.path, ignore: main.ignore }).catch(() => undefined);
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
  async save(): Promise<void> {
    for (const context of this.#opened.values()) (await context).save();
  }

  /** Frees what the named contexts hold; the main one belongs to the build. */
  async close(): Promise<void> {
    for (const [name, opened] of this.#opened) {
      const context = await opened.catch(() => undefined);
      if (name !== "" || this.#main.kind === "directory") await context?.close();
    }
  }

  async #open(name: string): Promise<Context> {
    if (name === "") return this.#openMain();
    const source = this.#named.get(name);
    if (source?.kind !== "directory" && source?.kind !== "git" && source?.kind !== "http") {
      throw new NacreError("INTERNAL", `the context ${name} has no files`);
    }
    const vertex = this.#begin(name, `[internal] load context ${name}`);
    return this.#openNamed(source, vertex);
  }

  async #openMain(): Promise<Context> {
    if (this.#main.kind === "open") return this.#main.context;
    const { path, ignore } = this.#main;
    return openDirectory(this.#session, path, ignore, this.#begin("", "[internal] load build context"));
  }

  async #openNamed(source: FilesSource, vertex: Vertex): Promise<Context> {
    if (source.kind === "directory") {
      const { path } = source;
      return openDirectory(this.#session, path, readIgnoreFile({ root: path }), vertex);
    }
    vertex.log(shownSource(source));
    const fetches = await this.#fetches();
    if (source.kind === "http") return (await fetches.httpContext(source.url, vertex)).context;
    const checkout = await fetches.gitContext(source.address, vertex);
    return openDirectory(this.#session, checkout.directory, undefined, vertex);
  }

  #begin(name: string, label: string): Vertex {
    const vertex = this.#session.begin(`internal:context ${name}`, label);
    this.#loading.set(name, vertex);
    return vertex;
  }
}
