/**
 * Solving the graph: every step is keyed first, then those that the target needs are answered from the cache or
 * composed. Nothing that a record does not need is opened: a build whose steps all hit touches no layer.
 */

import { availableParallelism } from "node:os";
import type { LimitFunction } from "p-limit";
import { keyOf, treeIngredients } from "../cache/ingredients.js";
import { findRecord, putRecord, type StepRecord } from "../cache/record.js";
import type { PlannedSource } from "../cache/runMounts.js";
import type { ComposeEnv } from "../compose/compose.js";
import type { Context } from "../context/context.js";
import { LocalContext } from "../context/local.js";
import { areAllRemote, type RemoteSources } from "../context/remoteSource.js";
import { selectSources, selectWithParents } from "../context/select.js";
import type { ImageLayer } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import { emptyTree, type FileTree } from "../layer/fileTree.js";
import type { WrittenLayer } from "../layer/layerWriter.js";
import { layerType } from "../oci/mediaTypes.js";
import type { CopyStep, FileState, Plan, RunStep, Step, StepId } from "../plan/graph.js";
import { isGit, isUrl } from "../plan/remoteSources.js";
import type { TreeSource } from "../sandbox/types.js";
import { fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { Json } from "../support/json.js";
import { type Bases, placed } from "./bases.js";
import type { Contexts } from "./contexts.js";
import { explained } from "./explained.js";
import type { Fetches } from "./fetches.js";
import { isForeign } from "./foreignStep.js";
import { epochOf, isLinked, type KeyedStep, Keyer, reproducibleTime } from "./keyer.js";
import { hasBeenMade, lastLayer, rememberLayer } from "./lastLayers.js";
import type { StepReport } from "./request.js";
import type { Runs } from "./runs.js";
import type { Session, Vertex } from "./session.js";

/** A solved step. */
export interface SolvedStep {
  readonly layer: ImageLayer;
  /** When the layer was made, milliseconds since 1970. */
  readonly created: number;
}

/** What a solved graph gives. */
export interface Solution {
  /** All layers of the target, lowest first. */
  readonly layers: readonly ImageLayer[];
  /** Layers that are not the base image's, by step. */
  readonly steps: ReadonlyMap<StepId, SolvedStep>;
  /** A layer made from a directory context that serves as the base, if there is one. */
  readonly baseLayer: SolvedStep | undefined;
  readonly reports: readonly StepReport[];
}

interface StepWarning {
  readonly rule: string;
  readonly message: string;
}

/** A layer just made, with what its record will tell of it. */
interface Made {
  readonly layer: Pick<WrittenLayer, "diffId" | "size">;
  readonly warnings: readonly StepWarning[];
  /** Milliseconds. */
  readonly duration: number;
  /** Name of the output of a RUN. */
  readonly log?: string | undefined;
}

/** Where a build's files come from. */
export interface SolverSources {
  readonly contexts: Contexts;
  readonly runs: Runs | undefined;
  /** What fetches from elsewhere, loaded when it is needed. */
  readonly fetches: () => Promise<Fetches>;
}

/** Solves one plan. Use once. */
export class Solver {
  readonly #session: Session;
  readonly #plan: Plan;
  readonly #bases: Bases;
  readonly #contexts: Contexts;
  readonly #keyer: Keyer;
  readonly #runs: Runs | undefined;
  readonly #solved = new Map<StepId, Promise<SolvedStep>>();
  readonly #results = new Map<StepId, SolvedStep>();
  readonly #trees = new Map<string, Promise<SolvedStep>>();
  readonly #open: OpenLayers;
  readonly #reports: StepReport[] = [];
  #limit: Promise<LimitFunction> | undefined;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** Layers that were composed before their steps had keys. */
  readonly #early = new Map<StepId, Made>();
  readonly #fetches: () => Promise<Fetches>;
  readonly #remotes = new Map<StepId, Promise<RemoteSources>>();

  constructor(session: Session, plan: Plan, bases: Bases, sources: SolverSources) {
    const { contexts, runs } = sources;
    this.#fetches = sources.fetches;
    this.#session = session;
    this.#runs = runs;
    this.#plan = plan;
    this.#bases = bases;
    this.#contexts = contexts;
    this.#keyer = new Keyer(
      session,
      plan,
      bases,
      contexts,
      runs,
      (step, context) => this.#composeFirst(step, context),
      async (step) => this.#remoteOf(step),
    );
    this.#open = new OpenLayers(session.store);
    this.#signal = session.signal ? AbortSignal.any([session.signal, this.#stop.signal]) : this.#stop.signal;
  }

  /** @throws NacreError with the place of the step that failed */
  async solve(): Promise<Solution> {
    try {
      await this.#keyer.keyAll();
      await this.#checkForeignRuns();
      const { target } = this.#plan;
      const layers = await this.#layersOf(target.result);
      this.#reportUnneeded();
      const base = this.#stageBase();
      const tree = base.kind === "context" ? await this.#trees.get(base.name) : undefined;
      return { layers, steps: this.#results, baseLayer: tree, reports: this.#reports };
    } catch (error) {
      // Steps that run beside the one that failed stop, and are over before anything that they use is closed.
      this.#stop.abort();
      await Promise.allSettled([...this.#solved.values(), ...this.#trees.values()]);
      throw error;
    } finally {
      this.#open.close();
    }
  }

  /** Nothing is executed where a RUN for another machine could not be. */
  async #checkForeignRuns(): Promise<void> {
    if (!this.#plan.steps.some((step) => step.kind === "run" && isForeign(step))) return;
    const { checkForeignRuns } = await import("./foreignRuns.js");
    await checkForeignRuns(this.#plan, (id) => this.#lookup(this.#keyer.keyed[id]!) !== undefined);
  }

  /** Where the target's chain of steps begins. */
  #stageBase(): FileState {
    let state = this.#plan.target.result;
    while (state.kind === "step") state = this.#plan.steps[state.id]!.parent;
    return state;
  }

  async #layersOf(state: FileState): Promise<ImageLayer[]> {
    switch (state.kind) {
      case "scratch":
        return [];
      case "image":
        return [...this.#bases.image(state.base).layers];
      case "context":
        return [(await this.#treeLayer(state.name)).layer];
      case "step": {
        const step = this.#plan.steps[state.id]!;
        const [below, solved] = await Promise.all([this.#layersOf(step.parent), this.#ensure(state.id)]);
        return [...below, solved.layer];
      }
    }
  }

  #ensure(id: StepId): Promise<SolvedStep> {
    let solved = this.#solved.get(id);
    if (solved === undefined) {
      const keyed = this.#keyer.keyed[id]!;
      solved = placed(keyed.step.place, this.#solveStep(keyed)).then((result) => {
        this.#results.set(id, result);
        return result;
      });
      this.#solved.set(id, solved);
    }
    return solved;
  }

  async #solveStep(keyed: KeyedStep): Promise<SolvedStep> {
    const { step, key } = keyed;
    const early = this.#early.get(step.id);
    const known = early ? undefined : this.#lookup(keyed);
    if (known) return this.#answer(step, known);
    const made = early ?? (await this.#make(step));
    const record = this.#record(key, keyed.ingredients, made);
    this.#report(step, "done", record);
    return solvedOf(record);
  }

  #make(step: Step): Promise<Made> {
    return step.kind === "run" && this.#runs ? this.#run(step, this.#runs) : this.#compose(step, false);
  }

  #record(key: string, ingredients: Json, { layer, duration, warnings, log }: Made): StepRecord {
    const { diffId, size } = layer;
    const record = { ingredients, layer: { diffId, size }, created: this.#session.now(), duration, warnings, log };
    putRecord(this.#session.store, key, record);
    return record;
  }

  /**
   * Where no step of this form has ever been made, a hit is as good as impossible. If there is much to read, its layer
   * is composed before its key is known, and the key made from the very bytes that were written: each file is read once.
   */
  async #composeFirst(step: CopyStep, context: Context): Promise<void> {
    if (!(context instanceof LocalContext)) return;
    if (step.ignoreCache || hasBeenMade(this.#session, step)) return;
    if (!(await isMuchUnread(step, context))) return;
    this.#early.set(step.id, await this.#compose(step, true));
  }

  #lookup({ step, key }: KeyedStep): StepRecord | undefined {
    if (step.ignoreCache) return undefined;
    return findRecord(this.#session.store, this.#session.lease, key);
  }

  #answer(step: Step, record: StepRecord): SolvedStep {
    this.#session.cached(`step:${step.id}`, step.label);
    for (const warning of record.warnings) this.#session.warn({ ...warning, place: step.place });
    this.#report(step, "cached", record);
    return solvedOf(record);
  }

  #report({ label }: Step, outcome: StepReport["outcome"], { duration, log, layer }: StepRecord): void {
    const spent = outcome === "cached" ? 0 : duration;
    this.#reports.push({ label, outcome, duration: spent, log, layer });
    this.#session.history.push({ label, outcome, duration: spent, log });
  }

  async #parentTree(step: Step): Promise<FileTree> {
    return this.#open.tree(isLinked(step) ? [] : await this.#layersOf(step.parent));
  }

  async #fromTree(step: CopyStep): Promise<FileTree> {
    if (step.from.kind === "context") {
      return areAllRemote(step.sources, await this.#remoteOf(step)) ? emptyTree : this.#contexts.open(step.from.name);
    }
    return this.#open.tree(await this.#layersOf(step.from));
  }

  /** The sources of a step that are no files of its context; undefined if all are. */
  #remoteOf(step: CopyStep): Promise<RemoteSources> | undefined {
    if (step.keyword !== "ADD" || !step.sources.some((word) => isUrl(word) || isGit(word))) return undefined;
    let remote = this.#remotes.get(step.id);
    if (remote === undefined) {
      remote = this.#fetches().then((fetches) => fetches.remoteSources(step));
      this.#remotes.set(step.id, remote);
    }
    return remote;
  }

  /** Inputs are solved outside the limit here too. */
  async #run(step: RunStep, runs: Runs): Promise<Made> {
    runs.expect();
    const [root, requested] = await Promise.all([
      this.#layersOf(step.parent),
      runs.requestMounts(step, (source) => this.#mountTree(step, source)),
    ]);
    return this.#limited(() =>
      this.#session.vertex(`step:${step.id}`, step.label, async (vertex) => {
        const started = performance.now();
        const warnings: StepWarning[] = [];
        const { warn } = this.#environment(step, undefined, vertex, warnings);
        const mtime = reproducibleTime(this.#session, this.#plan);
        const work = { root, requested, mtime, signal: this.#signal, vertex, warn };
        const { layer, log } = await runs.execute(step, work);
        return { layer, log, warnings, duration: Math.round(performance.now() - started) };
      }),
    );
  }

  /** The layers of what a mount shows. What lies in a context is copied into a layer of its own, cached like any COPY. */
  async #mountTree(step: RunStep, source: PlannedSource): Promise<TreeSource> {
    if (source.from.kind !== "context") {
      return { layers: await this.#layersOf(source.from), path: fromByteString(source.path) };
    }
    const { contextCopy } = await import("./runMounts.js");
    const { copy, path } = contextCopy(step, source, await this.#contexts.open(source.from.name));
    const keyed = await this.#keyer.key(copy);
    const known = this.#lookup(keyed);
    if (known) return { layers: [solvedOf(known).layer], path };
    const made = await this.#compose(copy, false, `internal:mount ${step.id} ${source.from.name} ${source.path}`);
    return { layers: [solvedOf(this.#record(keyed.key, keyed.ingredients, made)).layer], path };
  }

  /** @param learn digests of context files are not known yet and learnt on the way */
  async #compose(step: Step, learn: boolean, id = `step:${step.id}`): Promise<Made> {
    // Inputs are solved outside the limit: a step that waits for others must not keep them from running.
    const [parent, from] = await Promise.all([
      this.#parentTree(step),
      step.kind === "copy" ? this.#fromTree(step) : undefined,
    ]);
    return this.#limited(() =>
      this.#session.vertex(id, step.label, async (vertex) => {
        const started = performance.now();
        const warnings: StepWarning[] = [];
        const env = { ...this.#environment(step, parent, vertex, warnings), learn };
        const layer = await this.#composeKind(step, from, env);
        return { layer, warnings, duration: Math.round(performance.now() - started) };
      }),
    );
  }

  /** As many at once as there are jobs. */
  async #limited<T>(work: () => Promise<T>): Promise<T> {
    this.#limit ??= import("p-limit").then(({ default: pLimit }) =>
      pLimit(Math.max(1, this.#session.request.jobs ?? availableParallelism())),
    );
    const limit = await this.#limit;
    return limit(work);
  }

  async #composeKind(step: Step, from: FileTree | undefined, env: ComposeEnv): Promise<WrittenLayer> {
    const { composeCopy, composeWorkdir } = await import("../compose/compose.js");
    switch (step.kind) {
      case "workdir":
        return composeWorkdir(step, env);
      case "copy": {
        if (step.from.kind !== "context") {
          return composeCopy(step, from!, env).catch(async (error: unknown) => {
            throw await explained(error, step, this.#plan, from!, this.#contexts);
          });
        }
        const previous = env.learn ? undefined : await lastLayer(this.#session, this.#open, step);
        const remote = await this.#remoteOf(step);
        const layer = await composeCopy(step, from!, { ...env, previous, remote });
        rememberLayer(this.#session, step, layer);
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
    const session = this.#session;
    return {
      store: session.store,
      parent,
      now: Math.floor(epochOf(session, this.#plan) ?? session.now() / 1000),
      mtime: reproducibleTime(session, this.#plan),
      signal: this.#signal,
      warn: (rule, message) => {
        warnings.push({ rule, message });
        session.warn({ rule, message, ...(step ? { place: step.place } : {}) });
      },
      onProgress: (bytes, total) => vertex.progress(bytes, total, "bytes"),
    };
  }

  /** A directory context that serves as a base becomes a layer of its own. */
  #treeLayer(name: string): Promise<SolvedStep> {
    let solved = this.#trees.get(name);
    if (solved === undefined) {
      solved = this.#solveTree(name);
      this.#trees.set(name, solved);
    }
    return solved;
  }

  async #solveTree(name: string): Promise<SolvedStep> {
    const ingredients = treeIngredients(
      await this.#keyer.treeDigest(name),
      reproducibleTime(this.#session, this.#plan),
    );
    const key = keyOf(ingredients);
    const label = `[internal] load context ${name}`;
    const record = this.#session.request.noCache
      ? undefined
      : findRecord(this.#session.store, this.#session.lease, key);
    if (record) {
      this.#session.cached(`internal:tree ${name}`, label);
      return solvedOf(record);
    }
    return this.#session.vertex(`internal:tree ${name}`, label, async (vertex) => {
      const { composeTree } = await import("../compose/compose.js");
      const started = performance.now();
      const context = await this.#contexts.open(name);
      const layer = await composeTree(context, this.#environment(undefined, await this.#open.tree([]), vertex, []));
      const duration = Math.round(performance.now() - started);
      return solvedOf(this.#record(key, ingredients, { layer, duration, warnings: [] }));
    });
  }

  /** Steps that nothing had to be asked for, because what is built on them was there: they count as cached too. */
  #reportUnneeded(): void {
    for (const keyed of this.#keyer.keyed) {
      if (this.#solved.has(keyed.step.id)) continue;
      const record = this.#lookup(keyed);
      if (record) this.#answer(keyed.step, record);
    }
  }
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

function solvedOf(record: StepRecord): SolvedStep {
  const { diffId, size } = record.layer;
  return {
    layer: { diffId, descriptor: { mediaType: layerType("none"), digest: diffId, size } },
    created: record.created,
  };
}
