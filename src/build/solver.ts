/**
 * Solving the graph: every step is keyed first, then those that the target needs are answered from the cache or made.
 * Nothing that a record does not need is opened: a build whose steps all hit touches no layer.
 *
 * A step is answered by its definition key where a record of that key goes with the layer below it; where none does, by
 * its content key (contentKeys.ts), which needs its inputs; otherwise it is made.
 */
import { keyOf, treeIngredients } from "../cache/ingredients.js";
import { type AnswerSource, putRecord, type StepRecord, storedAnswers } from "../cache/record.js";
import type { PlannedSource } from "../cache/runMounts.js";
import type { Context } from "../context/context.js";
import type { RemoteSources } from "../context/remoteSource.js";
import type { ImageLayer } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import type { DiffId } from "../oci/digest.js";
import { layerType } from "../oci/mediaTypes.js";
import type { CopyStep, FileState, Plan, RunStep, StepId } from "../plan/graph.js";
import type { TreeSource } from "../sandbox/types.js";
import { fromByteString } from "../support/bytes.js";
import type { Json } from "../support/json.js";
import { type Bases, placed } from "./bases.js";
import { type ContentKey, ContentKeyer } from "./contentKeys.js";
import type { Contexts } from "./contexts.js";
import type { Fetches } from "./fetches.js";
import { isForeign } from "./foreignStep.js";
import { Freshness } from "./freshness.js";
import { type KeyedStep, Keyer, reproducibleTime } from "./keyer.js";
import type { StepReport } from "./request.js";
import type { Runs } from "./runs.js";
import type { Session } from "./session.js";
import { hasRemoteSources, isLinked } from "./stepInputs.js";
import { type Made, StepMaker } from "./stepMaker.js";
import type { StepTraces } from "./stepTraces.js";

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

/** Where a build's files come from, and what becomes of its steps goes. */
export interface SolverSources {
  readonly contexts: Contexts;
  readonly runs: Runs | undefined;
  /** What fetches from elsewhere, loaded when it is needed. */
  readonly fetches: () => Promise<Fetches>;
  readonly traces: StepTraces;
}

/** Solves one plan. Use once. */
export class Solver {
  readonly #session: Session;
  readonly #plan: Plan;
  readonly #bases: Bases;
  readonly #contexts: Contexts;
  readonly #keyer: Keyer;
  readonly #contentKeyer: ContentKeyer;
  readonly #maker: StepMaker;
  readonly #traces: StepTraces;
  readonly #answers: AnswerSource;
  readonly #solved = new Map<StepId, Promise<SolvedStep>>();
  readonly #results = new Map<StepId, SolvedStep>();
  readonly #trees = new Map<string, Promise<SolvedStep>>();
  readonly #open: OpenLayers;
  readonly #stop = new AbortController();
  /** Layers that were composed before their steps had keys. */
  readonly #early = new Map<StepId, Made>();
  readonly #fetches: () => Promise<Fetches>;
  readonly #remotes = new Map<StepId, Promise<RemoteSources>>();
  readonly #freshness: Freshness;

  constructor(session: Session, plan: Plan, bases: Bases, sources: SolverSources) {
    const { contexts, runs, traces } = sources;
    this.#fetches = sources.fetches;
    this.#session = session;
    this.#plan = plan;
    this.#bases = bases;
    this.#contexts = contexts;
    this.#traces = traces;
    this.#freshness = new Freshness(plan);
    this.#answers = storedAnswers(session.store, session.lease);
    this.#open = new OpenLayers(session.store);
    const remoteOf = (step: CopyStep): Promise<RemoteSources> | undefined => this.#remoteOf(step);
    const layersOf = (state: FileState): Promise<ImageLayer[]> => this.#layersOf(state);
    this.#keyer = new Keyer(session, plan, {
      ...{ contexts, runs, remoteOf },
      digestOf: (base) => bases.image(base).descriptor.digest,
      composeFirst: (step, context) => this.#composeFirst(step, context),
    });
    this.#contentKeyer = new ContentKeyer({
      plan,
      open: this.#open,
      runs,
      layersOf,
      remoteOf,
      contextDigest: (step, context, path) => this.#keyer.mountDigest(step, context, path),
    });
    this.#maker = new StepMaker({
      ...{ session, plan, contexts, runs, open: this.#open, layersOf, remoteOf },
      signal: session.signal ? AbortSignal.any([session.signal, this.#stop.signal]) : this.#stop.signal,
      mountTree: (step, source) => this.#mountTree(step, source),
    });
  }

  /** @throws NacreError with the place of the step that failed */
  async solve(): Promise<Solution> {
    try {
      await this.#keyer.keyAll();
      this.#traces.keyed(this.#keyer.keyed);
      await this.#checkForeignRuns();
      const { target } = this.#plan;
      const layers = await this.#layersOf(target.result);
      await this.#reportUnneeded();
      const base = this.#stageBase();
      const tree = base.kind === "context" ? await this.#trees.get(base.name) : undefined;
      return { layers, steps: this.#results, baseLayer: tree, reports: this.#traces.reports };
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
    const answered = new Set<StepId>();
    for (const keyed of this.#keyer.keyed) if (await this.#lookup(keyed)) answered.add(keyed.step.id);
    await checkForeignRuns(this.#plan, (id) => answered.has(id));
  }

  /** Where the target's chain of steps begins. */
  #stageBase(): FileState {
    let state = this.#plan.target.result;
    while (state.kind === "step") state = this.#plan.steps[state.id]!.parent;
    return state;
  }

  /** @param top the layer that the last step should have, if several executions of it are known */
  async #layersOf(state: FileState, top?: DiffId): Promise<ImageLayer[]> {
    switch (state.kind) {
      case "scratch":
        return [];
      case "image":
        return [...this.#bases.image(state.base).layers];
      case "context":
        return [(await this.#treeLayer(state.name)).layer];
      case "step": {
        // The upper step first: its record says which layer it wants below.
        const solved = await this.#ensure(state.id, top);
        const below = await this.#layersOf(this.#plan.steps[state.id]!.parent);
        return [...below, solved.layer];
      }
    }
  }

  #ensure(id: StepId, wanted?: DiffId): Promise<SolvedStep> {
    let solved = this.#solved.get(id);
    if (solved === undefined) {
      const keyed = this.#keyer.keyed[id]!;
      const solving = this.#solveStep(keyed, wanted).catch((error: unknown) => {
        this.#traces.failed(keyed);
        throw error;
      });
      solved = placed(keyed.step.place, solving).then((result) => {
        this.#results.set(id, result);
        return result;
      });
      this.#solved.set(id, solved);
    }
    return solved;
  }

  async #solveStep(keyed: KeyedStep, wanted: DiffId | undefined): Promise<SolvedStep> {
    const early = this.#early.get(keyed.step.id);
    if (early) return this.#recordMade(keyed, early, await this.#contentKeyer.key(keyed));
    const known = await this.#lookup(keyed, wanted);
    if (known && (await this.#goesWithBelow(keyed, known))) return this.#answer(keyed, known, "definition");
    const content = await this.#byContent(keyed);
    if (content?.record) return this.#answerByContent(keyed, content.record);
    await this.#traces.missed(keyed, known !== undefined);
    return this.#recordMade(keyed, await this.#maker.make(keyed.step), content?.key);
  }

  /** Where several executions of the step below are known, and where it had to be made again, one layer may not go with another. */
  async #goesWithBelow({ step }: KeyedStep, { on }: StepRecord): Promise<boolean> {
    if (step.parent.kind !== "step" || isLinked(step)) return true;
    const parent = await this.#ensure(step.parent.id, on);
    return on === undefined ? !this.#traces.isMade(step.parent.id) : parent.layer.diffId === on;
  }

  /** The content key of a step, with what it finds. */
  async #byContent(keyed: KeyedStep): Promise<{ readonly key: ContentKey; readonly record?: StepRecord } | undefined> {
    const key = await this.#contentKeyer.key(keyed);
    if (key === undefined) return undefined;
    const record = keyed.step.ignoreCache ? undefined : await this.#answers.find(key.key);
    return record ? { key, record } : { key };
  }

  /** What was found by content answers for the definition from now on. */
  async #answerByContent(keyed: KeyedStep, found: StepRecord): Promise<SolvedStep> {
    const record = { ...found, ingredients: keyed.ingredients, ...(await this.#circumstances(keyed)) };
    putRecord(this.#session.store, keyed.key, record);
    return this.#answer(keyed, record, "content");
  }

  async #recordMade(keyed: KeyedStep, made: Made, content: ContentKey | undefined): Promise<SolvedStep> {
    const { store } = this.#session;
    const lists = await this.#traces.listsOf(keyed);
    const record = { ...this.#recordOf(keyed.ingredients, made, await this.#circumstances(keyed)), lists };
    putRecord(store, keyed.key, record);
    if (content) putRecord(store, content.key, { ...record, ingredients: content.ingredients });
    this.#traces.done(keyed, record);
    return solvedOf(record);
  }

  /** What a record tells beside what was made. */
  async #circumstances({ step }: KeyedStep): Promise<Pick<StepRecord, "on" | "label" | "project">> {
    const below = step.parent.kind === "step" && !isLinked(step) ? await this.#ensure(step.parent.id) : undefined;
    return { on: below?.layer.diffId, label: step.label, project: this.#traces.project };
  }

  #recordOf(
    ingredients: Json,
    { layer, duration, warnings, log }: Made,
    circumstances: Pick<StepRecord, "on" | "label" | "project"> = {},
  ): StepRecord {
    const { diffId, size } = layer;
    const created = this.#session.now();
    return { ingredients, layer: { diffId, size }, created, duration, warnings, log, ...circumstances };
  }

  async #composeFirst(step: CopyStep, context: Context): Promise<void> {
    const made = await this.#maker.makeEarly(step, context);
    if (made) this.#early.set(step.id, made);
  }

  /** @param wanted the layer that is wanted of several executions */
  async #lookup({ step, key }: KeyedStep, wanted?: DiffId): Promise<StepRecord | undefined> {
    if (this.#freshness.isFresh(step.id)) return undefined;
    return this.#answers.find(key, wanted && (({ layer }) => layer.diffId === wanted));
  }

  #answer(keyed: KeyedStep, record: StepRecord, by: "definition" | "content"): SolvedStep {
    const { step } = keyed;
    for (const warning of record.warnings) this.#session.warn({ ...warning, place: step.place });
    this.#traces.answered(keyed, record, by);
    return solvedOf(record);
  }

  /** The sources of a step that are no files of its context; undefined if all are. */
  #remoteOf(step: CopyStep): Promise<RemoteSources> | undefined {
    if (!hasRemoteSources(step)) return undefined;
    let remote = this.#remotes.get(step.id);
    if (remote === undefined) {
      remote = this.#fetches().then((fetches) => fetches.remoteSources(step));
      this.#remotes.set(step.id, remote);
    }
    return remote;
  }

  /** The layers of what a mount shows. What lies in a context is copied into a layer of its own, cached like any COPY. */
  async #mountTree(step: RunStep, source: PlannedSource): Promise<TreeSource> {
    if (source.from.kind !== "context") {
      return { layers: await this.#layersOf(source.from), path: fromByteString(source.path) };
    }
    const { contextCopy } = await import("./runMounts.js");
    const { copy, path } = contextCopy(step, source, await this.#contexts.open(source.from.name));
    const keyed = await this.#keyer.key(copy);
    const known = copy.ignoreCache ? undefined : await this.#answers.find(keyed.key);
    if (known) return { layers: [solvedOf(known).layer], path };
    const id = `internal:mount ${step.id} ${source.from.name} ${source.path}`;
    const record = this.#recordOf(keyed.ingredients, await this.#maker.compose(copy, false, id));
    putRecord(this.#session.store, keyed.key, record);
    return { layers: [solvedOf(record).layer], path };
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
    const session = this.#session;
    const ingredients = treeIngredients(await this.#keyer.treeDigest(name), reproducibleTime(session, this.#plan));
    const key = keyOf(ingredients);
    const label = `[internal] load context ${name}`;
    const known = session.request.noCache ? undefined : await this.#answers.find(key);
    if (known) {
      session.cached(`internal:tree ${name}`, label);
      return solvedOf(known);
    }
    const record = this.#recordOf(ingredients, await this.#maker.composeTree(name, `internal:tree ${name}`, label));
    putRecord(session.store, key, record);
    return solvedOf(record);
  }

  /** Steps that nothing had to be asked for, because what is built on them was there: they count as cached too. */
  async #reportUnneeded(): Promise<void> {
    for (const keyed of this.#keyer.keyed) {
      if (this.#solved.has(keyed.step.id)) continue;
      const record = await this.#lookup(keyed);
      if (record) this.#answer(keyed, record, "definition");
    }
  }
}

function solvedOf(record: StepRecord): SolvedStep {
  const { diffId, size } = record.layer;
  return {
    layer: { diffId, descriptor: { mediaType: layerType("none"), digest: diffId, size } },
    created: record.created,
  };
}
