/** Keying the whole graph before anything of it runs. */
import {
  type InputIdentity,
  ingredientsOf,
  keyOf,
  platformOf,
  type RunInputs,
  type SourceIngredients,
} from "../cache/ingredients.js";
import { contextSources, pathSources } from "../cache/sources.js";
import { type Context, plainContext } from "../context/context.js";
import { areAllRemote, type RemoteSources } from "../context/remoteSource.js";
import { treeDigest } from "../context/treeDigest.js";
import { emptyTree } from "../layer/fileTree.js";
import { parseChmod } from "../plan/chmod.js";
import type { CopyStep, FileState, Plan, RunStep, Step } from "../plan/graph.js";
import type { Json } from "../support/json.js";
import { type Bases, placed } from "./bases.js";
import type { Contexts } from "./contexts.js";
import { explained, explainedMount } from "./explained.js";
import type { Runs } from "./runs.js";
import type { Session } from "./session.js";

/** A step with its key. */
export interface KeyedStep {
  readonly step: Step;
  readonly ingredients: Json;
  readonly key: string;
}

/** SOURCE_DATE_EPOCH of a build, whole seconds; the Dockerfile's or a build argument's wins. */
export function epochOf(session: Session, plan: Plan): number | undefined {
  return plan.sourceDateEpoch ?? session.request.sourceDateEpoch;
}

/** The mtime of every entry under `--reproducible`, else undefined. */
export function reproducibleTime(session: Session, plan: Plan): number | undefined {
  return session.request.reproducible ? (epochOf(session, plan) ?? 0) : undefined;
}

/** True for a copy that does not look at what it is laid over. With `--chmod`, BuildKit takes `--link` as absent. */
export function isLinked(step: Step): boolean {
  return step.kind === "copy" && step.link && step.chmod === undefined;
}

const NO_CONTEXT = plainContext(emptyTree, () => {});

/** Makes the keys of one plan. */
export class Keyer {
  /** By step id, as far as they are keyed. */
  readonly keyed: KeyedStep[] = [];
  readonly #session: Session;
  readonly #plan: Plan;
  readonly #bases: Bases;
  readonly #contexts: Contexts;
  readonly #runs: Runs | undefined;
  readonly #composeFirst: (step: CopyStep, context: Context) => Promise<void>;
  readonly #remoteOf: (step: CopyStep) => Promise<RemoteSources | undefined>;
  readonly #treeDigests = new Map<string, string>();

  /**
   * @param composeFirst may make the layer of a step that copies from a context, and so learn what its key needs
   * @param remoteOf the sources of a step that are no files of its context
   */
  constructor(
    session: Session,
    plan: Plan,
    bases: Bases,
    contexts: Contexts,
    runs: Runs | undefined,
    composeFirst: (step: CopyStep, context: Context) => Promise<void>,
    remoteOf: (step: CopyStep) => Promise<RemoteSources | undefined>,
  ) {
    this.#composeFirst = composeFirst;
    this.#remoteOf = remoteOf;
    this.#runs = runs;
    this.#session = session;
    this.#plan = plan;
    this.#bases = bases;
    this.#contexts = contexts;
  }

  /** Keys all steps; every step comes after its inputs. */
  async keyAll(): Promise<void> {
    try {
      for (const step of this.#plan.steps) this.keyed.push(await placed(step.place, this.key(step)));
      this.#contexts.endLoading();
    } catch (error) {
      this.#contexts.endLoading(error);
      throw error;
    }
  }

  /** Keys one step whose inputs are keyed: of the plan, or a copy that a step of it needs. */
  async key(step: Step): Promise<KeyedStep> {
    this.#session.checkCancelled();
    const linked = isLinked(step);
    const ingredients = ingredientsOf(step, {
      parent: linked ? undefined : await this.#identity(step.parent),
      sources: step.kind === "copy" ? await this.#sources(step) : undefined,
      mtime: reproducibleTime(this.#session, this.#plan),
      run: step.kind === "run" && this.#runs ? await this.#runInputs(step, this.#runs) : undefined,
    });
    return { step, ingredients, key: keyOf(ingredients) };
  }

  async #runInputs(step: RunStep, runs: Runs): Promise<RunInputs> {
    const { contextMountDigest, runMountIngredients } = await import("../cache/runMounts.js");
    const content = async (name: string, path: string): Promise<string> => {
      const context = await this.#contexts.open(name);
      return contextMountDigest(context, path, this.#contexts.hashProgress(name)).catch(async (error: unknown) => {
        throw await explainedMount(error, step, name, context);
      });
    };
    const input = (from: FileState): Promise<InputIdentity> => this.#identity(from);
    return runs.inputs(await runMountIngredients(runs.mountsOf(step), { input, content }));
  }

  async #sources(step: CopyStep): Promise<SourceIngredients> {
    if (step.from.kind !== "context") return pathSources(step, await this.#identity(step.from));
    if (step.sources.length === 0) return { kind: "context", words: [] };
    const { name } = step.from;
    const remote = await this.#remoteOf(step);
    const context = areAllRemote(step.sources, remote) ? NO_CONTEXT : await this.#contexts.open(name);
    const modeOf = step.chmod === undefined ? undefined : parseChmod(step.chmod).apply;
    try {
      if (remote === undefined) await this.#composeFirst(step, context);
      return await contextSources(step, context, modeOf, { remote, onProgress: this.#contexts.hashProgress(name) });
    } catch (error) {
      throw await explained(error, step, this.#plan, context, this.#contexts);
    }
  }

  async #identity(state: FileState): Promise<InputIdentity> {
    switch (state.kind) {
      case "scratch":
        return { kind: "scratch" };
      case "image": {
        const base = this.#plan.bases.get(state.base);
        const { digest } = this.#bases.image(state.base).descriptor;
        return { kind: "image", digest, platform: base ? platformOf(base.platform) : "" };
      }
      case "step":
        return { kind: "step", key: this.keyed[state.id]!.key };
      case "context":
        return { kind: "tree", digest: await this.treeDigest(state.name) };
    }
  }

  /** Digest of a whole directory context that serves as a file system. */
  async treeDigest(name: string): Promise<string> {
    let digest = this.#treeDigests.get(name);
    if (digest === undefined) {
      const context = await this.#contexts.open(name);
      await context.prepare([context.root], this.#contexts.hashProgress(name));
      digest = treeDigest(context, context.root, {});
      this.#treeDigests.set(name, digest);
    }
    return digest;
  }
}
