/** What becomes of the steps of a build, as events, in its report, in the history of builds, and for later explanations. */
import { putProject, type StepState } from "../cache/projectState.js";
import type { StepRecord } from "../cache/record.js";
import type { MissReason } from "../cache/why.js";
import type { Digest } from "../oci/digest.js";
import type { Plan, Step, StepId } from "../plan/graph.js";
import type { BuildStep } from "../store/builds.js";
import type { KeyedStep } from "./keyer.js";
import type { MissExplainer } from "./missExplainer.js";
import { instructionOf, type Project } from "./project.js";
import type { AnsweredBy, StepReport } from "./request.js";
import type { Session } from "./session.js";
import { inputsOf } from "./stepInputs.js";
import { earlierSteps, StepNames } from "./stepStates.js";

/** What steps are followed with. */
export interface Tracing {
  readonly session: Session;
  readonly plan: Plan;
  readonly project: Project;
  /** The manifest of a base image. */
  readonly digestOf: (base: string) => Digest;
  /** Names that the Dockerfile declares with ARG. */
  readonly arguments: () => readonly string[];
}

/** Follows the steps of one build. */
export class StepTraces {
  readonly #tracing: Tracing;
  readonly #names: StepNames;
  readonly #reports = new Map<StepId, StepReport>();
  readonly #states = new Map<StepId, StepState>();
  readonly #failed = new Set<StepId>();
  #keyed: readonly KeyedStep[] = [];
  #earlier: readonly StepState[] | undefined | "unread" = "unread";
  #explainer: Promise<MissExplainer> | undefined;

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
    this.#names = new StepNames(tracing.plan, tracing.digestOf);
  }

  /** Identity of the project. */
  get project(): string {
    return this.#tracing.project.id;
  }

  /** In the order in which the steps were answered or made. */
  get reports(): readonly StepReport[] {
    return [...this.#reports.values()];
  }

  /** All steps are keyed; nothing has become of any of them yet. */
  keyed(keyed: readonly KeyedStep[]): void {
    this.#keyed = keyed;
    this.#explainer = undefined;
    this.#reports.clear();
    this.#states.clear();
    this.#failed.clear();
    this.#tracing.session.history.clear();
  }

  /** True if the step was made in this build. */
  isMade(id: StepId): boolean {
    return this.#reports.get(id)?.outcome === "done";
  }

  /**
   * Nothing answers for a step: says why.
   * @param remade what is there of just this key goes with another layer than the step below gave
   */
  async missed({ step }: KeyedStep, remade: boolean): Promise<void> {
    const { session } = this.#tracing;
    const explainer = await this.#explain();
    const reason: MissReason = remade ? explainer.remade(step.id) : explainer.reasonOf(step.id);
    this.#note(step, { outcome: "cancelled", duration: 0, reason });
    const text = explainer.textOf(step.id, reason);
    session.send({ type: "decision", id: idOf(step), answer: "miss", reason: text, time: session.now() });
  }

  answered(keyed: KeyedStep, record: StepRecord, by: AnsweredBy): void {
    const { session } = this.#tracing;
    const { step } = keyed;
    session.cached(idOf(step), step.label);
    session.send({ type: "decision", id: idOf(step), answer: "hit", by, time: session.now() });
    const { log, layer, duration: saved } = record;
    this.#reports.set(step.id, { label: step.label, outcome: "cached", by, duration: 0, log, layer });
    this.#note(step, { outcome: "cached", by, duration: 0, saved, log, diffId: layer.diffId, size: layer.size });
    this.#keep(keyed, record);
  }

  done(keyed: KeyedStep, record: StepRecord): void {
    const { session } = this.#tracing;
    const { step } = keyed;
    const { duration, log, layer } = record;
    this.#reports.set(step.id, { label: step.label, outcome: "done", duration, log, layer });
    const started = Math.max(0, session.now() - session.started - duration);
    this.#note(step, { outcome: "done", started, duration, log, diffId: layer.diffId, size: layer.size });
    this.#keep(keyed, record);
  }

  /** A step has failed; those that wait for it have not. */
  failed({ step }: KeyedStep): void {
    const isVictim = inputsOf(step).some((id) => this.#failed.has(id));
    this.#failed.add(step.id);
    if (!isVictim && !this.#tracing.session.signal?.aborted) this.#note(step, { outcome: "error" });
  }

  /** The packed lists of a step's sources, for its record. Failing costs explanations only. */
  async listsOf({ step, lists }: KeyedStep): Promise<Digest | undefined> {
    if (!lists || lists.roots.length === 0) return undefined;
    try {
      const { writePack } = await import("../cache/writePack.js");
      const before = (await this.#explain()).earlierOf(step.id)?.lists;
      return writePack(this.#tracing.session.store, lists, before);
    } catch {
      return undefined;
    }
  }

  /** Keeps what the steps were keyed as, for builds to come. Never throws. */
  async save(): Promise<void> {
    if (this.#states.size === 0) return;
    const { session, project } = this.#tracing;
    try {
      const earlier = this.#earlierSteps() ?? [];
      const explainer = await this.#explainer;
      // A step that was not reached stays as it was; so do the stages of other targets.
      const states = this.#keyed.flatMap(
        ({ step }) => this.#states.get(step.id) ?? explainer?.earlierOf(step.id) ?? [],
      );
      const stages = new Set(this.#keyed.map(({ step }) => this.#names.stageOf(step)));
      const all = [...states, ...earlier.filter(({ stage }) => !stages.has(stage))];
      if (JSON.stringify(all) === JSON.stringify(earlier)) return;
      for (const name of project.names) putProject(session.store, name, all);
    } catch {
      // Only explanations suffer.
    }
  }

  #explain(): Promise<MissExplainer> {
    this.#explainer ??= import("./missExplainer.js").then(({ MissExplainer }) => {
      const { session, arguments: names } = this.#tracing;
      return new MissExplainer({
        store: session.store,
        keyed: this.#keyed,
        stateOf: (keyed) => this.#names.stateOf(keyed),
        earlier: this.#earlierSteps(),
        noCache: session.request.noCache === true,
        arguments: names(),
      });
    });
    return this.#explainer;
  }

  #earlierSteps(): readonly StepState[] | undefined {
    if (this.#earlier === "unread") this.#earlier = earlierSteps(this.#tracing.session.store, this.#tracing.project);
    return this.#earlier;
  }

  #keep(keyed: KeyedStep, { created, duration, layer, lists }: StepRecord): void {
    const state = this.#names.stateOf(keyed);
    this.#states.set(keyed.step.id, { ...state, lists, created, duration, size: layer.size });
  }

  #note(step: Step, more: Partial<BuildStep>): void {
    const { history } = this.#tracing.session;
    const before = history.get(step.id) ?? {
      label: step.label,
      outcome: "cancelled",
      duration: 0,
      id: step.id,
      stage: this.#names.stageOf(step),
      instruction: instructionOf(step),
      kind: step.kind,
      line: step.place.range.start.line,
      key: this.#keyed[step.id]?.key,
      inputs: inputsOf(step),
    };
    history.set(step.id, { ...before, ...more });
  }
}

/** What events call a step. */
export function idOf({ id }: Step): string {
  return `step:${id}`;
}
