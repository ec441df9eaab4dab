/**
 * What can be said of a Dockerfile without building it: its targets, and for one target its outline, i.e. the arguments,
 * secrets, agents and cache mounts that a build of it looks at (BuildKit: ListTargets, Dockerfile2Outline). A stage is
 * applied as for a build, so that an outline fails where the build would fail before its first step.
 */
import type { Dockerfile } from "../dockerfile/ast.js";
import { parseMount, type SecretMount, type SshMount } from "../dockerfile/mount.js";
import type { SourceRange } from "../support/source.js";
import type { PlanRequest, Step, WantedBase } from "./graph.js";
import { Notes } from "./notes.js";
import { describe, globalParameters, type OutlineArg, StageParameters } from "./outlineArgs.js";
import { survey } from "./plan.js";
import { needsOf, planStages } from "./planStages.js";
import type { ReachedStage } from "./reach.js";
import type { StageNode } from "./stageGraph.js";

/** A secret or an ssh agent that a RUN mounts. */
export interface OutlineMount {
  readonly id: string;
  readonly required: boolean;
  readonly range: SourceRange;
}

/** A cache that a RUN mounts. */
export interface OutlineCache {
  readonly id: string;
  readonly range: SourceRange;
}

/** What a build of one target looks at; each list in the order of the file. */
export interface StageOutline {
  /** The target's name; absent if it has none. */
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly args: readonly OutlineArg[];
  readonly secrets: readonly OutlineMount[];
  readonly ssh: readonly OutlineMount[];
  readonly caches: readonly OutlineCache[];
}

/** A stage that can be built. */
export interface Target {
  /** Lower-cased name; absent for a stage without one. */
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  /** True for the stage that is built when no target is named. */
  readonly default: boolean;
  /** As written, not expanded. */
  readonly base: string;
  /** As written, not expanded. */
  readonly platform?: string | undefined;
  readonly range: SourceRange;
}

/** An outline, or the bases that must be looked up first. */
export type OutlineResult =
  | { readonly kind: "wanted"; readonly bases: readonly WantedBase[] }
  | { readonly kind: "outline"; readonly outline: StageOutline };

/** The stages of a file, in order. */
export function targetsOf(file: Dockerfile): readonly Target[] {
  return file.stages.map(({ index, name, from }) => ({
    name,
    description: describe(from.comments, name),
    default: index === file.stages.length - 1,
    base: from.image.raw,
    platform: from.platform?.raw,
    range: from.range,
  }));
}

/**
 * Outlines the target, or says which bases it has to see first.
 * @throws NacreError PLAN_INVALID or DOCKERFILE_SYNTAX wherever planning the build would
 */
export function outlineTarget(file: Dockerfile, asked: PlanRequest): OutlineResult {
  const notes = new Notes(file);
  const { request, globals, graph, target, reach } = survey(file, asked, notes);
  if (reach.bases.wanted.length > 0) return { kind: "wanted", bases: reach.bases.wanted };

  const known = globalParameters(file, request, notes);
  const stages = new Map(reach.stages.map((stage) => [stage.node.index, new StageParameters(stage, known, request)]));
  const observe = StageParameters.observer(stages, globals);
  const planning = { request, globals, targetPlatform: graph.targetPlatform, notes, observe };
  const { steps } = planStages(reach, graph, planning);
  const order = inOrder(target, reach.stages, (stage) => needsOf(stage, graph, notes));
  const args = firsts(
    order.flatMap((index) => stages.get(index)?.used() ?? []),
    ({ name }) => name,
  );
  const { name } = target.source;
  const description = describe(target.source.from.comments, name);
  return { kind: "outline", outline: { name, description, args, ...mountsOf(steps, order) } };
}

/**
 * The stages by how much they count where two say something of the same name: the target, the stages it is built on,
 * then those it takes files from. (BuildKit visits the latter at random; here the order of the instructions decides.)
 */
function inOrder(
  target: StageNode,
  reached: readonly ReachedStage[],
  needs: (stage: ReachedStage) => readonly number[],
): readonly number[] {
  const stages = new Map(reached.map((stage) => [stage.node.index, stage]));
  const order = new Set<number>();
  const pending = [target.index];
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    const stage = stages.get(index);
    if (!stage || order.has(index)) continue;
    order.add(index);
    if (stage.node.replacedBy === undefined) pending.push(...[...needs(stage)].reverse());
  }
  return [...order];
}

function mountsOf(steps: readonly Step[], order: readonly number[]): Pick<StageOutline, "secrets" | "ssh" | "caches"> {
  const runs = order.flatMap((index) =>
    steps.flatMap((step) => (step.kind === "run" && step.stage === index ? step : [])),
  );
  const mounts = runs.flatMap((run) => run.mounts.map((value) => ({ ...parseMount(value), range: run.place.range })));
  const secrets = mounts.flatMap(({ range, ...mount }) => (mount.type === "secret" ? asked(mount, range) : []));
  const ssh = mounts.flatMap(({ range, ...mount }) => (mount.type === "ssh" ? asked(mount, range) : []));
  const caches = mounts.flatMap(({ range, ...mount }) => (mount.type === "cache" ? { id: mount.id, range } : []));
  const id = (mount: { readonly id: string }): string => mount.id;
  return { secrets: firsts(secrets, id), ssh: firsts(ssh, id), caches: firsts(caches, id) };
}

function asked({ id, required }: SecretMount | SshMount, range: SourceRange): OutlineMount {
  return { id, required, range };
}

/** The first of each key, in the order of the file. */
function firsts<T extends { readonly range: SourceRange }>(list: readonly T[], key: (item: T) => string): readonly T[] {
  const found = new Map<string, T>();
  for (const item of list) if (!found.has(key(item))) found.set(key(item), item);
  return [...found.values()].sort((a, b) => a.range.start.line - b.range.start.line);
}
