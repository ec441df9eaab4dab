/** Which steps the cache would answer: keyed as a build keys them, asked for as a build asks, and nothing made. */
import { type AnswerSource, type StepRecord, storedAnswers } from "../cache/record.js";
import type { Dockerfile } from "../dockerfile/ast.js";
import type { ImageLayer } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import type { DiffId } from "../oci/digest.js";
import { layerType } from "../oci/mediaTypes.js";
import type { CopyStep, FileState, Plan, Step, StepId } from "../plan/graph.js";
import { isGit } from "../plan/remoteSources.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { type Bases, placed } from "./bases.js";
import { type ContentKey, ContentKeyer } from "./contentKeys.js";
import type { Contexts } from "./contexts.js";
import type { Fetches } from "./fetches.js";
import { Freshness } from "./freshness.js";
import { type KeyedStep, Keyer } from "./keyer.js";
import { MissExplainer } from "./missExplainer.js";
import type { PreviewedStep, PreviewOutcome } from "./previewTypes.js";
import { instructionOf, type Project } from "./project.js";
import type { Runs } from "./runs.js";
import type { Session } from "./session.js";
import { hasRemoteSources, inputsOf, isLinked } from "./stepInputs.js";
import { argumentNames, earlierSteps, StepNames } from "./stepStates.js";

/** What steps are previewed with. */
export interface Previewing {
  readonly session: Session;
  readonly plan: Plan;
  readonly bases: Bases;
  readonly contexts: Contexts;
  readonly runs: Runs | undefined;
  readonly project: Project;
  readonly dockerfile: Dockerfile;
  readonly fetches: () => Promise<Fetches>;
}

/** What the cache would say of each step, in the order of the plan. @throws NacreError with the place of a step that cannot be keyed */
export async function previewSteps(previewing: Previewing): Promise<PreviewedStep[]> {
  return new Previewer(previewing).preview();
}

interface Decided {
  readonly outcome: PreviewOutcome;
  readonly record?: StepRecord | undefined;
}

class Previewer {
  readonly #previewing: Previewing;
  readonly #keyer: Keyer;
  readonly #contentKeyer: ContentKeyer;
  readonly #answers: AnswerSource;
  readonly #open: OpenLayers;
  readonly #freshness: Freshness;
  readonly #names: StepNames;
  readonly #decided = new Map<StepId, Promise<Decided>>();
  /** Steps whose sources have to be fetched to be known, and what stands on them. */
  readonly #unknown = new Map<StepId, PreviewOutcome & { readonly kind: "unknown" }>();
  #explainer: MissExplainer | undefined;

  constructor(previewing: Previewing) {
    const { session, plan, bases, contexts, runs } = previewing;
    this.#previewing = previewing;
    this.#open = new OpenLayers(session.store);
    this.#answers = storedAnswers(session.store, session.lease);
    this.#freshness = new Freshness(plan);
    const digestOf = (base: string) => bases.image(base).descriptor.digest;
    this.#names = new StepNames(plan, digestOf);
    this.#keyer = new Keyer(session, plan, {
      ...{ contexts, runs, digestOf },
      composeFirst: async () => {},
      remoteOf: (step) => this.#remoteOf(step),
    });
    this.#contentKeyer = new ContentKeyer({
      ...{ plan, open: this.#open, runs },
      layersOf: (state) => this.#layersOf(state),
      contextDigest: (step, context, path) => this.#keyer.mountDigest(step, context, path),
    });
  }

  async preview(): Promise<PreviewedStep[]> {
    const { plan } = this.#previewing;
    try {
      await this.#keyAll();
      await this.#need(plan.target.result);
      const steps: PreviewedStep[] = [];
      for (const step of plan.steps) steps.push(await this.#describe(step));
      return steps;
    } finally {
      this.#open.close();
    }
  }

  /** Everything that can be keyed is; what has to be fetched first, and what stands on that, is noted. */
  async #keyAll(): Promise<void> {
    const { plan, contexts } = this.#previewing;
    for (const step of plan.steps) {
      const below = inputsOf(step).find((id) => this.#unknown.has(id));
      if (below !== undefined) {
        this.#unknown.set(step.id, { kind: "unknown", why: `decided after step ${below + 1}`, after: below });
      }
      const keyed = below === undefined ? await placed(step.place, this.#key(step)) : undefined;
      this.#keyer.keyed.push(keyed ?? { step, ingredients: null, key: "" });
    }
    contexts.endLoading();
  }

  async #key(step: Step): Promise<KeyedStep | undefined> {
    try {
      return await this.#keyer.key(step);
    } catch (error) {
      if (!(error instanceof NotFetched)) throw error;
      this.#unknown.set(step.id, { kind: "unknown", why: "unknown until downloaded" });
      return undefined;
    }
  }

  #remoteOf(step: CopyStep): Promise<Awaited<ReturnType<Fetches["remoteSources"]>>> | undefined {
    if (!hasRemoteSources(step)) return undefined;
    return this.#previewing.fetches().then(async (fetches) => {
      const found = await fetches.lookUpSources(step);
      if (found === undefined) throw new NotFetched();
      return found;
    });
  }

  /** Decides the steps that a file system needs, the uppermost first: its record says which layer it wants below. */
  async #need(state: FileState, wanted?: DiffId): Promise<void> {
    if (state.kind !== "step") return;
    const step = this.#previewing.plan.steps[state.id]!;
    const { outcome, record } = await this.#decide(step, wanted);
    await this.#need(step.parent, record?.on);
    if (outcome.kind !== "hit") for (const id of inputsOf(step)) await this.#need({ kind: "step", id });
  }

  #decide(step: Step, wanted?: DiffId): Promise<Decided> {
    let decided = this.#decided.get(step.id);
    if (decided === undefined) {
      decided = this.#decideAnew(step, wanted);
      this.#decided.set(step.id, decided);
    }
    return decided;
  }

  async #decideAnew(step: Step, wanted: DiffId | undefined): Promise<Decided> {
    const unknown = this.#unknown.get(step.id);
    if (unknown) return { outcome: unknown };
    const keyed = this.#keyer.keyed[step.id]!;
    const record = await this.#byDefinition(keyed, wanted);
    if (record) return { outcome: { kind: "hit", by: "definition" }, record };
    if (step.ignoreCache) return { outcome: { kind: "miss" } };
    // Another commit may have the same files.
    if (isFromGit(step)) return { outcome: { kind: "unknown", why: "unknown until downloaded" } };
    const open = await this.#undecidedInput(step);
    if (open === undefined) {
      const found = await this.#byContent(keyed);
      return found ? { outcome: { kind: "hit", by: "content" }, record: found } : { outcome: { kind: "miss" } };
    }
    return { outcome: this.#mayStillHit(step) ? { kind: "undecided", after: open } : { kind: "miss" } };
  }

  async #byDefinition(keyed: KeyedStep, wanted: DiffId | undefined): Promise<StepRecord | undefined> {
    const { step, key } = keyed;
    if (this.#freshness.isFresh(step.id)) return undefined;
    const record = await this.#answers.find(key, wanted && (({ layer }) => layer.diffId === wanted));
    if (record === undefined || step.parent.kind !== "step" || isLinked(step)) return record;
    const below = await this.#decide(this.#previewing.plan.steps[step.parent.id]!, record.on);
    const fits = record.on === undefined || below.record?.layer.diffId === record.on;
    return below.outcome.kind === "hit" && fits ? record : undefined;
  }

  /** The first step that has to be made before the content of this one's inputs is known. */
  async #undecidedInput(step: Step): Promise<StepId | undefined> {
    for (const id of inputsOf(step)) {
      const { steps } = this.#previewing.plan;
      for (let at: FileState = { kind: "step", id }; at.kind === "step"; at = steps[at.id]!.parent) {
        const { outcome } = await this.#decide(steps[at.id]!);
        if (outcome.kind === "undecided" || (outcome.kind === "unknown" && outcome.after !== undefined)) {
          return outcome.after;
        }
        if (outcome.kind !== "hit") return at.id;
      }
    }
    return undefined;
  }

  async #byContent(keyed: KeyedStep): Promise<StepRecord | undefined> {
    let key: ContentKey | undefined;
    try {
      key = await this.#contentKeyer.key(keyed);
    } catch (error) {
      // A base that is not in the store yet, say: what it holds cannot be known.
      if (!isNacreError(error)) throw error;
    }
    return key && this.#answers.find(key.key);
  }

  /**
   * A step that misses only because of what it is built on may still hit by content, unless what is below it has surely
   * changed: the files that a COPY lays out are another content, whatever else is made.
   */
  #mayStillHit(step: Step): boolean {
    const explainer = this.#explain();
    const earlier = explainer.earlierOf(step.id);
    if (earlier === undefined) return false;
    const reason = explainer.reasonOf(step.id);
    if (reason.kind === "evicted" || reason.kind === "unusable") return false;
    const ofInputs = reason.kind !== "changed" || reason.changes.every(({ what }) => what === "input");
    return ofInputs && !this.#isBuiltOnOther(step);
  }

  #isBuiltOnOther(step: Step): boolean {
    if (isLinked(step)) return false;
    const { steps } = this.#previewing.plan;
    for (let at = step.parent; at.kind === "step"; at = steps[at.id]!.parent) {
      const below = steps[at.id]!;
      if (below.kind !== "run" && this.#hasChangedItself(below)) return true;
    }
    return false;
  }

  #hasChangedItself({ id }: Step): boolean {
    if (this.#unknown.has(id)) return false;
    const explainer = this.#explain();
    const earlier = explainer.earlierOf(id);
    if (earlier === undefined) return true;
    if (earlier.key === this.#keyer.keyed[id]!.key) return false;
    const reason = explainer.reasonOf(id);
    return reason.kind === "changed" && reason.changes.some(({ what }) => what !== "input");
  }

  /** Layers of steps that hit; whatever else is asked for is not known. */
  async #layersOf(state: FileState): Promise<readonly ImageLayer[]> {
    const { plan, bases } = this.#previewing;
    switch (state.kind) {
      case "scratch":
        return [];
      case "image":
        return bases.image(state.base).layers;
      case "context":
        throw new NacreError("SOURCE_NOT_FOUND", "a context that serves as a base is not made into a layer");
      case "step": {
        const step = plan.steps[state.id]!;
        const { record } = await this.#decide(step);
        if (record === undefined) throw new NacreError("SOURCE_NOT_FOUND", `${step.label} is not there yet`);
        const { diffId, size } = record.layer;
        const descriptor = { mediaType: layerType("none"), digest: diffId, size };
        return [...(await this.#layersOf(step.parent)), { diffId, descriptor }];
      }
    }
  }

  async #describe(step: Step): Promise<PreviewedStep> {
    const { outcome, record } = await this.#outcomeOf(step);
    const keyed = this.#keyer.keyed[step.id]!;
    const isKnown = keyed.key !== "";
    const explainer = outcome.kind === "hit" || outcome.kind === "unneeded" ? undefined : this.#explain();
    const earlier = record ?? explainer?.earlierOf(step.id);
    const reason = isKnown ? explainer?.reasonOf(step.id) : undefined;
    return {
      ...{ id: step.id, stage: this.#names.stageOf(step), label: step.label, instruction: instructionOf(step) },
      ...{ kind: step.kind, line: step.place.range.start.line, inputs: inputsOf(step), outcome },
      key: isKnown ? keyed.key : undefined,
      reason,
      why: whyOf(outcome, reason && explainer?.textOf(step.id, reason)),
      size: record?.layer.size ?? (earlier && "size" in earlier ? earlier.size : undefined),
      duration: earlier?.duration,
    };
  }

  /** Steps that nothing needed are hits where there is a record, as in the report of a build. */
  async #outcomeOf(step: Step): Promise<Decided> {
    const decided = this.#decided.get(step.id);
    if (decided) return decided;
    const keyed = this.#keyer.keyed[step.id]!;
    const isAsked = keyed.key !== "" && !this.#freshness.isFresh(step.id);
    const record = isAsked ? await this.#answers.find(keyed.key) : undefined;
    return record ? { outcome: { kind: "hit", by: "definition" }, record } : { outcome: { kind: "unneeded" } };
  }

  #explain(): MissExplainer {
    const { session, project, dockerfile } = this.#previewing;
    this.#explainer ??= new MissExplainer({
      store: session.store,
      keyed: this.#keyer.keyed,
      stateOf: (keyed) => this.#names.stateOf(keyed),
      earlier: earlierSteps(session.store, project),
      noCache: session.request.noCache === true,
      arguments: argumentNames(dockerfile),
    });
    return this.#explainer;
  }
}

function isFromGit(step: Step): boolean {
  return step.kind === "copy" && step.keyword === "ADD" && step.sources.some(isGit);
}

/** A source has to be fetched to be known. */
class NotFetched extends Error {}

function whyOf(outcome: PreviewOutcome, reason: string | undefined): string | undefined {
  switch (outcome.kind) {
    case "hit":
      return outcome.by === "content" ? "same content" : undefined;
    case "undecided":
      return `decided after step ${outcome.after + 1}`;
    case "unknown":
      return outcome.why;
    case "unneeded":
      return "not needed";
    case "miss":
      return reason;
  }
}
