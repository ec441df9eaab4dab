/** Keying the whole graph before anything of it runs. */
import {
  type InputIdentity,
  ingredientsOf,
  keyOf,
  platformOf,
  type RunInputs,
  type SourceIngredients,
} from "../cache/ingredients.js";
import type { StepRoots } from "../cache/listRoots.js";
import { keyContextSources, pathSources } from "../cache/sources.js";
import { type Context, plainContext } from "../context/context.js";
import { areAllRemote, type RemoteSources } from "../context/remoteSource.js";
import { treeDigest } from "../context/treeDigest.js";
import { emptyTree } from "../layer/fileTree.js";
import type { Digest } from "../oci/digest.js";
import { parseChmod } from "../plan/chmod.js";
import type { CopyStep, FileState, Plan, RunStep, Step } from "../plan/graph.js";
import type { ByteString } from "../support/bytes.js";
import type { Json } from "../support/json.js";
import { placed } from "./bases.js";
import type { Contexts } from "./contexts.js";
import { explained, explainedMount } from "./explained.js";
import type { Runs } from "./runs.js";
import type { Session } from "./session.js";
import { isLinked } from "./stepInputs.js";

/** A step with its key. */
export interface KeyedStep {
  readonly step: Step;
  readonly ingredients: Json;
  readonly key: string;
  /** Where the lists of its context sources begin; undefined if it has none. */
  readonly lists?: StepRoots | undefined;
}

/** SOURCE_DATE_EPOCH of a build, whole seconds; the Dockerfile's or a build argument's wins. */
export function epochOf(session: Session, plan: Plan): number | undefined {
  return plan.sourceDateEpoch ?? session.request.sourceDateEpoch;
}

/** The mtime of every entry under `--reproducible`, else undefined. */
export function reproducibleTime(session: Session, plan: Plan): number | undefined {
  return session.request.reproducible ? (epochOf(session, plan) ?? 0) : undefined;
}

const NO_CONTEXT = plainContext(emptyTree, () => {});

/** What keys are made from beside the plan. */
export interface KeyingSources {
  /** The manifest of a base image. */
  readonly digestOf: (base: string) => Digest;
  readonly contexts: Contexts;
  readonly runs: Runs | undefined;
  /** May make the layer of a step that copies from a context, and so learn what its key needs. */
  readonly composeFirst: (step: CopyStep, context: Context) => Promise<void>;
  /** The sources of a step that are no files of its context; undefined if all are. */
  readonly remoteOf: (step: CopyStep) => Promise<RemoteSources> | undefined;
}

/** Makes the keys of one plan. */
export class Keyer {
  /** By step id, as far as they are keyed. */
  readonly keyed: KeyedStep[] = [];
  readonly #session: Session;
  readonly #plan: Plan;
  readonly #sources: KeyingSources;
  readonly #treeDigests = new Map<string, Digest>();

  constructor(session: Session, plan: Plan, sources: KeyingSources) {
    this.#session = session;
    this.#plan = plan;
    this.#sources = sources;
  }

  /** Keys all steps; every step comes after its inputs. */
  async keyAll(): Promise<void> {
    try {
      for (const step of this.#plan.steps) this.keyed.push(await placed(step.place, this.key(step)));
      this.#sources.contexts.endLoading();
    } catch (error) {
      this.#sources.contexts.endLoading(error);
      throw error;
    }
  }

  /** Keys one step whose inputs are keyed: of the plan, or a copy that a step of it needs. */
  async key(step: Step): Promise<KeyedStep> {
    this.#session.checkCancelled();
    const linked = isLinked(step);
    const copied = step.kind === "copy" ? await this.#keySources(step) : undefined;
    const run = step.kind === "run" && this.#sources.runs ? await this.#runInputs(step, this.#sources.runs) : undefined;
    const ingredients = ingredientsOf(step, {
      parent: linked ? undefined : await this.#identity(step.parent),
      sources: copied?.sources,
      mtime: reproducibleTime(this.#session, this.#plan),
      run,
    });
    const own = copied?.lists ?? (step.kind === "run" && run ? await this.#mountLists(step, run) : undefined);
    const lists = linked || step.parent.kind !== "context" ? own : await this.#withTree(own, step.parent.name);
    return { step, ingredients, key: keyOf(ingredients), lists };
  }

  /** A step upon a directory that serves as a base: its files explain a miss too. */
  async #withTree(own: StepRoots | undefined, name: string): Promise<StepRoots> {
    const { treeRoots } = await import("../cache/listRoots.js");
    const tree = treeRoots(await this.#sources.contexts.open(name), await this.treeDigest(name));
    return { words: own?.words ?? [], roots: [...(own?.roots ?? []), ...tree.roots] };
  }

  /** Where the lists of what a RUN binds from contexts begin. */
  async #mountLists(step: RunStep, { mounts }: RunInputs): Promise<StepRoots | undefined> {
    const planned = this.#sources.runs?.mountsOf(step) ?? [];
    if (planned.length === 0) return undefined;
    const { mountedContexts, mountRoots } = await import("../cache/mountRoots.js");
    const names = mountedContexts(planned);
    if (names.length === 0) return undefined;
    const opened = new Map<string, Context>();
    for (const name of names) opened.set(name, await this.#sources.contexts.open(name));
    return mountRoots(planned, mounts, (name) => opened.get(name)!);
  }

  async #runInputs(step: RunStep, runs: Runs): Promise<RunInputs> {
    const { runMountIngredients } = await import("../cache/runMounts.js");
    const content = (name: string, path: ByteString): Promise<string> => this.mountDigest(step, name, path);
    const input = (from: FileState): Promise<InputIdentity> => this.#identity(from);
    return runs.inputs(await runMountIngredients(runs.mountsOf(step), { input, content }));
  }

  /** Digest of what a mount of a step shows of a context. @throws NacreError MOUNT if nothing is there */
  async mountDigest(step: RunStep, name: string, path: ByteString): Promise<string> {
    const { contextMountDigest } = await import("../cache/runMounts.js");
    const context = await this.#sources.contexts.open(name);
    return contextMountDigest(context, path, this.#sources.contexts.hashProgress(name)).catch(
      async (error: unknown) => {
        throw await explainedMount(error, step, name, context);
      },
    );
  }

  async #keySources(
    step: CopyStep,
  ): Promise<{ readonly sources: SourceIngredients; readonly lists?: StepRoots | undefined }> {
    if (step.from.kind !== "context") return { sources: pathSources(step, await this.#identity(step.from)) };
    if (step.sources.length === 0) return { sources: { kind: "context", words: [] } };
    const { name } = step.from;
    const remote = await this.#sources.remoteOf(step);
    const context = areAllRemote(step.sources, remote) ? NO_CONTEXT : await this.#sources.contexts.open(name);
    const modeOf = step.chmod === undefined ? undefined : parseChmod(step.chmod).apply;
    try {
      if (remote === undefined) await this.#sources.composeFirst(step, context);
      return await keyContextSources(step, context, modeOf, {
        remote,
        onProgress: this.#sources.contexts.hashProgress(name),
      });
    } catch (error) {
      throw await explained(error, step, this.#plan, context, this.#sources.contexts);
    }
  }

  async #identity(state: FileState): Promise<InputIdentity> {
    switch (state.kind) {
      case "scratch":
        return { kind: "scratch" };
      case "image": {
        const base = this.#plan.bases.get(state.base);
        return {
          kind: "image",
          digest: this.#sources.digestOf(state.base),
          platform: base ? platformOf(base.platform) : "",
        };
      }
      case "step":
        return { kind: "step", key: this.keyed[state.id]!.key };
      case "context":
        return { kind: "tree", digest: await this.treeDigest(state.name) };
    }
  }

  /** Digest of a whole directory context that serves as a file system. */
  async treeDigest(name: string): Promise<Digest> {
    let digest = this.#treeDigests.get(name);
    if (digest === undefined) {
      const context = await this.#sources.contexts.open(name);
      await context.prepare([context.root], this.#sources.contexts.hashProgress(name));
      digest = treeDigest(context, context.root, {});
      this.#treeDigests.set(name, digest);
    }
    return digest;
  }
}
