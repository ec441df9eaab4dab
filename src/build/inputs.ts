/** What a build takes in: its contexts and the Dockerfile, read before the store is opened as far as that is possible. */
import { resolve } from "node:path";
import { foreignIgnoreFile } from "../context/ignoreFile.js";
import type { FilesSource, NamedContext } from "./contextSource.js";
import { parseContext, parseNamedContexts, shownSource } from "./contextSource.js";
import { directoryContext, type MainContext } from "./directoryContext.js";
import type { LoadedDockerfile } from "./dockerfileSource.js";
import type { Fetches } from "./fetches.js";
import type { BuildRequest, ContextStream } from "./request.js";
import type { Session, Vertex } from "./session.js";

const EPOCH = "SOURCE_DATE_EPOCH";

/** What the request alone tells. */
export interface EarlyInputs {
  readonly source: FilesSource | ({ readonly kind: "stream" } & ContextStream);
  readonly named: ReadonlyMap<string, NamedContext>;
  /** A directory, with its Dockerfile; undefined for contexts that have to be fetched. */
  readonly local: MainContext | undefined;
}

/**
 * Reads what a request names, and the Dockerfile if the context is a directory.
 * @throws NacreError CONTEXT_UNREADABLE, DOCKERFILE_MISSING, DOCKERFILE_SYNTAX, IGNORE_PATTERN
 */
export function readInputs(request: BuildRequest): EarlyInputs {
  const named = parseNamedContexts(request.buildContexts ?? {});
  const { context } = request;
  if (typeof context !== "string") return { source: { kind: "stream", ...context }, named, local: undefined };
  const source = parseContext(context);
  const isLocal = source.kind === "directory" && request.dockerfile?.kind !== "url";
  return { source, named, local: isLocal ? directoryContext(request, source.path) : undefined };
}

/** How the main context stands in the history of builds. */
export function shownContext({ source }: EarlyInputs): string {
  return source.kind === "stream" ? "-" : shownSource(source);
}

/** Tells one context of a request from others, in this build and later ones. */
export function contextIdentity({ context, buildContexts }: BuildRequest, name: string): string {
  const text = buildContexts?.[name] ?? context;
  if (typeof text !== "string") return "-";
  const source = parseContext(text);
  return source.kind === "directory" ? resolve(source.path) : shownSource(source);
}

/** The inputs of one build. Close them in the end. */
export class Inputs {
  readonly main: MainContext;
  readonly named: ReadonlyMap<string, NamedContext>;
  readonly #session: Session;
  #fetches: Promise<Fetches> | undefined;

  private constructor(session: Session, early: EarlyInputs, main: MainContext, fetches?: Promise<Fetches>) {
    this.#session = session;
    this.named = early.named;
    this.main = main;
    this.#fetches = fetches;
  }

  /**
   * Fetches a main context that is elsewhere.
   * @throws NacreError as {@link readInputs}, and NETWORK, TAR_INVALID, COMPRESSION, TOOL_MISSING
   */
  static async open(session: Session, early: EarlyInputs): Promise<Inputs> {
    const { source, local } = early;
    remarkOnIgnoreFile(session, early);
    if (local) return new Inputs(session, early, local);
    const fetches = loadFetches(session);
    try {
      const { openMain } = await import("./mainContext.js");
      return new Inputs(session, early, await openMain(session, source, await fetches), fetches);
    } catch (error) {
      await (await fetches).release();
      throw error;
    }
  }

  /** What fetches from elsewhere, loaded when it is first needed. */
  fetches(): Promise<Fetches> {
    this.#fetches ??= loadFetches(this.#session);
    return this.#fetches;
  }

  /**
   * Committer times of named git contexts, seconds since 1970, where SOURCE_DATE_EPOCH names a source instead of a time.
   * @throws NacreError NETWORK, TOOL_MISSING
   */
  async times(): Promise<ReadonlyMap<string, number>> {
    const times = new Map<string, number>();
    const { dockerfile } = this.main.loaded;
    const declared = dockerfile.globalArgs.flatMap(({ args }) => args).find(({ name }) => name === EPOCH)?.value?.raw;
    const wanted = this.#session.request.buildArgs?.[EPOCH] ?? declared;
    const source = wanted === undefined ? undefined : this.named.get(wanted);
    if (wanted === undefined || source?.kind !== "git") return times;
    const fetches = await this.fetches();
    const { address } = source;
    const name = `[internal] load git source ${shownSource(source)}`;
    const work = (vertex: Vertex) => fetches.gitContext(address, vertex);
    return times.set(wanted, (await this.#session.vertex(`internal:time ${wanted}`, name, work)).committed);
  }

  async close(): Promise<void> {
    const { files } = this.main;
    if (files.kind === "open") await files.context.close();
    await (await this.#fetches)?.release();
  }
}

/**
 * The Dockerfile of a request, wherever its context is, for questions that build nothing. A store is opened only to fetch.
 * @throws NacreError as {@link Inputs.open}
 */
export async function readDockerfile(request: BuildRequest): Promise<LoadedDockerfile> {
  const early = readInputs(request);
  if (early.local) return early.local.loaded;
  const [{ defaultStorePath, Store }, { Session }] = await Promise.all([
    import("../store/store.js"),
    import("./session.js"),
  ]);
  const store = await Store.open(request.store ?? defaultStorePath(process.env));
  const session = new Session(request, store, { platform: undefined, clock: Date.now });
  try {
    const inputs = await Inputs.open(session, early);
    await inputs.close();
    return inputs.main.loaded;
  } finally {
    session.lease.release();
    await store.close();
  }
}

/** An ignore file that is there, or was given, and has no effect is worth a word. */
function remarkOnIgnoreFile(session: Session, { source, local }: EarlyInputs): void {
  const ignored = session.request.ignoreFile;
  const message =
    ignored !== undefined && !local
      ? `--ignorefile ${ignored} has no effect: only contexts that are directories are filtered`
      : source.kind === "directory" && local?.loaded.ignore === undefined && foreignIgnoreFile(source.path);
  if (message) session.warn({ rule: "IgnoreFile", message });
}

async function loadFetches(session: Session): Promise<Fetches> {
  const [{ Fetches }, { sourceSecretsOf }] = await Promise.all([import("./fetches.js"), import("./sourceSecrets.js")]);
  return new Fetches(session, sourceSecretsOf(session.request));
}
