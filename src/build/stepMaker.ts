/** Making the layer of one step: composing it, or executing it in a sandbox. Inputs are solved by whoever asks. */
import { availableParallelism } from "node:os";
import type { LimitFunction } from "p-limit";
import type { PlannedSource } from "../cache/runMounts.js";
import type { ComposeEnv } from "../compose/compose.js";
import type { Context } from "../context/context.js";
import { LocalContext } from "../context/local.js";
import { areAllRemote, type RemoteSources } from "../context/remoteSource.js";
import { selectSources, selectWithParents } from "../context/select.js";
import type { ImageLayer } from "../image/image.js";
import type { OpenLayers } from "../image/layers.js";
import { emptyTree, type FileTree } from "../layer/fileTree.js";
import type { WrittenLayer } from "../layer/layerWriter.js";
import type { CopyStep, FileState, Plan, RunStep, Step } from "../plan/graph.js";
import type { TreeSource } from "../sandbox/types.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { Contexts } from "./contexts.js";
import { explained } from "./explained.js";
import { epochOf, reproducibleTime } from "./keyer.js";
import { hasBeenMade, lastLayer, rememberLayer } from "./lastLayers.js";
import type { Runs } from "./runs.js";
import type { Session, Vertex } from "./session.js";
import { isLinked } from "./stepInputs.js";

export interface StepWarning {
  readonly rule: string;
  readonly message: string;
}

/** A layer just made, with what its record will tell of it. */
export interface Made {
  readonly layer: Pick<WrittenLayer, "diffId" | "size">;
  readonly warnings: readonly StepWarning[];
  /** Milliseconds. */
  readonly duration: number;
  /** Name of the output of a RUN. */
  readonly log?: string | undefined;
}

/** What steps are made from. */
export interface StepMaking {
  readonly session: Session;
  readonly plan: Plan;
  readonly contexts: Contexts;
  readonly runs: Runs | undefined;
  readonly open: OpenLayers;
  /** Stops what is being made. */
  readonly signal: AbortSignal;
  /** All layers of a file system, lowest first. */
  readonly layersOf: (state: FileState) => Promise<readonly ImageLayer[]>;
  /** What a mount of a step shows. */
  readonly mountTree: (step: RunStep, source: PlannedSource) => Promise<TreeSource>;
  /** The sources of a step that are no files of its context; undefined if all are. */
  readonly remoteOf: (step: CopyStep) => Promise<RemoteSources> | undefined;
}

/** Makes the layers of one build's steps. */
export class StepMaker {
  readonly #making: StepMaking;
  #limit: Promise<LimitFunction> | undefined;

  constructor(making: StepMaking) {
    this.#making = making;
  }

  /** @throws NacreError of all kinds: RUN_FAILED, SOURCE_NOT_FOUND, CONTEXT_CHANGED, DISK_FULL, CANCELLED, … */
  make(step: Step): Promise<Made> {
    const { runs } = this.#making;
    return step.kind === "run" && runs ? this.#run(step, runs) : this.compose(step, false);
  }

  /**
   * Where no step of this form has ever been made, a hit is as good as impossible. If there is much to read, its layer
   * is composed before its key is known, and the key made from the very bytes that were written: each file is read once.
   */
  async makeEarly(step: CopyStep, context: Context): Promise<Made | undefined> {
    if (!(context instanceof LocalContext)) return undefined;
    if (step.ignoreCache || hasBeenMade(this.#making.session, step)) return undefined;
    if (!(await isMuchUnread(step, context))) return undefined;
    return this.compose(step, true);
  }

  /**
   * @param learn digests of context files are not known yet and learnt on the way
   * @param id of the events that tell of it
   */
  async compose(step: Step, learn: boolean, id = `step:${step.id}`): Promise<Made> {
    // Inputs are solved outside the limit: a step that waits for others must not keep them from running.
    const [parent, from] = await Promise.all([
      this.#parentTree(step),
      step.kind === "copy" ? this.#fromTree(step) : undefined,
    ]);
    return this.#limited(() =>
      this.#making.session.vertex(id, step.label, async (vertex) => {
        const started = performance.now();
        const warnings: StepWarning[] = [];
        const env = { ...this.#environment(step, parent, vertex, warnings), learn };
        const layer = await this.#composeKind(step, from, env);
        return { layer, warnings, duration: Math.round(performance.now() - started) };
      }),
    );
  }

  /** Makes a layer of all files of a context. */
  async composeTree(name: string, id: string, label: string): Promise<Made> {
    const { session, contexts, open } = this.#making;
    return session.vertex(id, label, async (vertex) => {
      const { composeTree } = await import("../compose/compose.js");
      const started = performance.now();
      const context = await contexts.open(name);
      const layer = await composeTree(context, this.#environment(undefined, await open.tree([]), vertex, []));
      return { layer, warnings: [], duration: Math.round(performance.now() - started) };
    });
  }

  async #parentTree(step: Step): Promise<FileTree> {
    const { open, layersOf } = this.#making;
    return open.tree(isLinked(step) ? [] : await layersOf(step.parent));
  }

  async #fromTree(step: CopyStep): Promise<FileTree> {
    const { contexts, open, layersOf, remoteOf } = this.#making;
    if (step.from.kind !== "context") return open.tree(await layersOf(step.from));
    return areAllRemote(step.sources, await remoteOf(step)) ? emptyTree : contexts.open(step.from.name);
  }

  /** Inputs are solved outside the limit here too. */
  async #run(step: RunStep, runs: Runs): Promise<Made> {
    const { session, plan, layersOf, mountTree, signal } = this.#making;
    runs.expect();
    const [root, requested] = await Promise.all([
      layersOf(step.parent),
      runs.requestMounts(step, (source) => mountTree(step, source)),
    ]);
    return this.#limited(() =>
      session.vertex(`step:${step.id}`, step.label, async (vertex) => {
        const started = performance.now();
        const warnings: StepWarning[] = [];
        const { warn } = this.#environment(step, undefined, vertex, warnings);
        const mtime = reproducibleTime(session, plan);
        const work = { root, requested, mtime, signal, vertex, warn };
        const { layer, log } = await runs.execute(step, work);
        return { layer, log, warnings, duration: Math.round(performance.now() - started) };
      }),
    );
  }

  /** As many at once as there are jobs. */
  async #limited<T>(work: () => Promise<T>): Promise<T> {
    this.#limit ??= import("p-limit").then(({ default: pLimit }) =>
      pLimit(Math.max(1, this.#making.session.request.jobs ?? availableParallelism())),
    );
    const limit = await this.#limit;
    return limit(work);
  }

  async #composeKind(step: Step, from: FileTree | undefined, env: ComposeEnv): Promise<WrittenLayer> {
    const { composeCopy, composeWorkdir } = await import("../compose/compose.js");
    const { session, plan, contexts, open, remoteOf } = this.#making;
    switch (step.kind) {
      case "workdir":
        return composeWorkdir(step, env);
      case "copy": {
        if (step.from.kind !== "context") {
          return composeCopy(step, from!, env).catch(async (error: unknown) => {
            throw asDamage(error) ?? (await explained(error, step, plan, from!, contexts));
          });
        }
        const previous = env.learn ? undefined : await lastLayer(session, open, step);
        const remote = await remoteOf(step);
        const layer = await composeCopy(step, from!, { ...env, previous, remote });
        rememberLayer(session, step, layer);
        return layer;
      }
      case "run":
        throw new NacreError("INTERNAL", "a RUN is executed, not composed");
    }
  }

  #environment<T extends FileTree | undefined>(
    step: Step | undefined,
    parent: T,
    vertex: Vertex,
    warnings: StepWarning[],
  ): Omit<ComposeEnv, "parent"> & { readonly parent: T } {
    const { session, plan, signal } = this.#making;
    return {
      store: session.store,
      parent,
      now: Math.floor(epochOf(session, plan) ?? session.now() / 1000),
      mtime: reproducibleTime(session, plan),
      signal,
      warn: (rule, message) => {
        warnings.push({ rule, message });
        session.warn({ rule, message, ...(step ? { place: step.place } : {}) });
      },
      onProgress: (bytes, total) => vertex.progress(bytes, total, "bytes"),
    };
  }
}

/** Layers do not change while something is built: where one is not what its index says, the store is damaged. */
function asDamage(error: unknown): NacreError | undefined {
  if (!isNacreError(error) || error.code !== "CONTEXT_CHANGED") return undefined;
  const { path } = error.facts as { readonly path: ByteString };
  const shown = `/${fromByteString(path)}`;
  return new NacreError("CONTENT_INVALID", `the layer that ${shown} is copied from is damaged in the store`, {
    hint: "find out which one it is with: nacre check; and remove it with: nacre check --repair",
    facts: { path },
  });
}

/** Below this much, reading files twice costs less than the chance of a hit is worth. */
const MUCH_BYTES = 64 << 20;

async function isMuchUnread(step: CopyStep, context: LocalContext): Promise<boolean> {
  const nodes = step.sources.flatMap((word) =>
    step.parents
      ? selectWithParents(context, word).map(({ root }) => root)
      : selectSources(context, word).map(({ node }) => node),
  );
  const directories = nodes.filter((node) => node.type === "dir");
  for (const directory of directories) await context.scan(directory);
  const { bytes, fromCache } = context.stats();
  return directories.length > 0 && fromCache === 0 && bytes >= MUCH_BYTES;
}
