/**
 * A stage while its instructions are applied: what they have made of config, environment, files and history so far, and
 * where that starts (BuildKit: dispatchState, init, emptyImage).
 */

import type { Word } from "../dockerfile/ast.js";
import type { ContainerConfig, ImageConfig } from "../oci/documents.js";
import { normalize, type Platform } from "../oci/platform.js";
import type { SourceRange } from "../support/source.js";
import { Environment, splitPair } from "./environment.js";
import type { FileState, PlannedHistory, PlannedStage, PlanRequest, StepId } from "./graph.js";
import type { Notes } from "./notes.js";
import type { StageInstruction } from "./onbuild.js";
import { windowsWorkdir, workdirPath } from "./paths.js";
import type { ReachedStage } from "./reach.js";
import { type Expander, expander, type GlobalScope, suggestion } from "./scope.js";
import type { StageNode } from "./stageGraph.js";

/** What images without PATH get. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Changes while instructions are applied. */
export interface StageState {
  readonly node: StageNode;
  readonly base: FileState;
  readonly baseConfig: ImageConfig | undefined;
  /** What RUN executes on. */
  readonly platform: Platform;
  /** What the config says. */
  readonly imagePlatform: Platform;
  /** What the base image says its programs are made for; undefined without an image. */
  readonly programs: Platform | undefined;
  readonly env: Environment;
  readonly history: PlannedHistory[];
  /** ARGs in force, in the order in which they were first declared; undefined for those without a value. */
  readonly args: Map<string, string | undefined>;
  config: ContainerConfig;
  author: string | undefined;
  files: FileState;
  /** A CMD was seen in this stage: then ENTRYPOINT leaves it alone. */
  cmdSeen: boolean;
  /** A WORKDIR was seen in this stage or in one it is built on. */
  workdirSeen: boolean;
  /** The last CMD, ENTRYPOINT and HEALTHCHECK of this stage so far. */
  readonly lastOf: Map<"CMD" | "ENTRYPOINT" | "HEALTHCHECK", StageInstruction>;
  /** Members of the config that this stage made itself, and may therefore change. */
  readonly own: Set<object>;
  /** Nothing is known of the image that it begins with: what depends on its config is not warned of. */
  readonly baseUnknown: boolean;
}

/** What all stages of a plan share. */
export interface Planning {
  readonly request: PlanRequest;
  readonly globals: GlobalScope;
  readonly targetPlatform: Platform;
  readonly notes: Notes;
  /** Told of every instruction after it has been applied. */
  readonly observe?: ((state: StageState, instruction: StageInstruction) => void) | undefined;
}

/** The state before the first instruction. @param parent the finished stage that it is built on, if it is */
export function startStage(reached: ReachedStage, parent: StageState | undefined, planning: Planning): StageState {
  if (parent) {
    const { history, env, args } = parent;
    planning.notes.inherit(history.length + env.size + args.size, reached.node.source.from.range);
  }
  const state = parent ? fromStage(reached.node, parent) : fromBase(reached, planning);
  if (reached.node.replacedBy !== undefined && !parent) return state;
  const pairs = (state.config.Env ?? []).map(splitPair);
  if (state.platform.os !== "windows" && !pairs.some(([name]) => name === "PATH")) {
    pairs.push(["PATH", DEFAULT_PATH]);
    state.config = { ...state.config, Env: [...(state.config.Env ?? []), `PATH=${DEFAULT_PATH}`] };
  }
  for (const [name, value] of pairs) state.env.set(name, value);
  const { WorkingDir } = state.config;
  if (WorkingDir) state.config = { ...state.config, WorkingDir: enterWorkdir(state, "/", WorkingDir) ?? WorkingDir };
  return state;
}

function fromStage(node: StageNode, parent: StageState): StageState {
  const { OnBuild: _used, ...config } = parent.config;
  return {
    ...parent,
    node,
    base: parent.files,
    env: parent.env.clone(),
    history: [...parent.history],
    args: new Map(parent.args),
    config,
    cmdSeen: false,
    lastOf: new Map(),
    own: new Set(),
  };
}

function fromBase({ node, base }: ReachedStage, { targetPlatform, request }: Planning): StageState {
  const image = base?.known.kind === "image" ? base.known.config : undefined;
  const files = base?.files ?? { kind: "scratch" };
  const own = image && ownPlatform(image);
  const explicit = node.platform ?? request.platform;
  const empty: ContainerConfig = node.replacedBy === undefined ? { WorkingDir: "/" } : {};
  const { OnBuild, ...config }: ContainerConfig = image ? (image.config ?? {}) : empty;
  return {
    node,
    base: files,
    baseConfig: image,
    // A scratch stage is always the target's: `FROM --platform=… scratch` changes nothing (BuildKit: emptyImage).
    platform: base ? (explicit ?? own ?? targetPlatform) : targetPlatform,
    imagePlatform: own ?? targetPlatform,
    programs: own && normalize(own),
    env: new Environment(),
    history: [],
    args: new Map(),
    // An image that replaces a stage is taken as it is, triggers and all; no stage runs them (BuildKit: noinit).
    config: node.replacedBy !== undefined && OnBuild ? { ...config, OnBuild } : config,
    author: image?.author,
    files,
    cmdSeen: false,
    workdirSeen: false,
    lastOf: new Map(),
    own: new Set(),
    baseUnknown: base?.known.kind === "image" && base.known.standIn === true,
  };
}

/** The platform that an image's config claims, if it says one. */
export function ownPlatform(image: ImageConfig): Platform | undefined {
  if (!image.os || !image.architecture) return undefined;
  return {
    os: image.os,
    architecture: image.architecture,
    ...(image.variant ? { variant: image.variant } : {}),
    ...(image["os.version"] ? { osVersion: image["os.version"] } : {}),
  };
}

/** The current directory, always absolute. */
export function workdirOf(state: StageState): string {
  return state.config.WorkingDir || "/";
}

/** The directory after `WORKDIR path` in the stage's system; undefined where that system has none such. */
export function enterWorkdir({ platform }: StageState, current: string, path: string): string | undefined {
  return platform.os === "windows" ? windowsWorkdir(current, path) : workdirPath(current, path);
}

/** SHELL in force, followed by the words given (BuildKit: withShell). */
export function withShell(state: StageState, args: readonly string[]): readonly string[] {
  const own = state.config.Shell ?? [];
  const shell = own.length > 0 ? own : state.imagePlatform.os === "windows" ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"];
  return [...shell, ...args];
}

/** Adds to a map of the config. It is copied once a stage, not for each instruction. */
export function addToConfig<T>(
  state: StageState,
  name: "ExposedPorts" | "Labels" | "Volumes",
  entries: readonly (readonly [key: string, value: T])[],
): void {
  let map: object | undefined = state.config[name] ?? undefined;
  if (!map || !state.own.has(map)) {
    map = { ...map };
    state.own.add(map);
    state.config = { ...state.config, [name]: map };
  }
  // Defined, not assigned: a label may be called __proto__.
  for (const [key, value] of entries) {
    Object.defineProperty(map, key, { value, configurable: true, enumerable: true, writable: true });
  }
}

/** Adds a history line. @param step the step whose layer it is, if it makes one */
export function record(state: StageState, createdBy: string, step?: StepId): void {
  state.history.push({ createdBy, ...(step === undefined ? {} : { step }) });
}

/** An expander over the stage's environment as it is now; names that are neither set nor declared are reported. */
export function stageExpander(state: StageState, instruction: StageInstruction, planning: Planning): Expander {
  const { notes, globals } = planning;
  const undefinedName = (name: string, _range: SourceRange): void => {
    // BuildKit does not look at EXPOSE for this.
    if (state.args.has(name) || state.baseUnknown || instruction.keyword === "EXPOSE") return;
    const near = suggestion(name, [...state.env.names(), ...state.args.keys()]);
    const hint = globals.names.has(name)
      ? `add "ARG ${name}" to the stage: what stands before FROM is not seen here`
      : undefined;
    notes.warn("UndefinedVar", `Usage of undefined variable '$${name}'${near}`, instruction.range, { hint });
  };
  return expander(state.env, notes, instruction, undefinedName);
}

/** Shorthand: a word expanded. */
export function expandOne(expand: Expander, word: Word): string {
  return expand.word(word.raw, word.range);
}

/** What is known of a stage once all its instructions are applied. */
export function finishStage(state: StageState): PlannedStage {
  return {
    index: state.node.index,
    name: state.node.name,
    base: state.base,
    result: state.files,
    config: state.config,
    ...(state.author === undefined ? {} : { author: state.author }),
    platform: state.imagePlatform,
    ...(state.baseConfig ? { baseConfig: state.baseConfig } : {}),
    history: state.history,
  };
}
