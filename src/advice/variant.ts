/**
 * A changed Dockerfile, planned: whether it does the same things with the same settings, only elsewhere, and how its steps
 * go back to those of the present one.
 */
import { isDeepStrictEqual } from "node:util";
import { planRequestOf } from "../build/planRequest.js";
import type { BuildRequest } from "../build/request.js";
import { inputsOf } from "../build/stepInputs.js";
import { parseDockerfile } from "../dockerfile/dockerfile.js";
import type { KnownBase, Plan, Step } from "../plan/graph.js";
import { planBuild } from "../plan/plan.js";
import { isNacreError } from "../support/errors.js";
import type { EditedDockerfile, LineOrigin } from "./dockerfileEdit.js";
import type { ReplayPlan, ReplayStep } from "./replay.js";

/** The present Dockerfile, as changes are measured by it. */
export interface Present {
  readonly request: BuildRequest;
  readonly file: string;
  readonly plan: Plan;
  readonly bases: ReadonlyMap<string, KnownBase>;
  readonly allStages: boolean;
}

/** A changed Dockerfile of which it is certain that its settings are those of the present one. */
export interface Variant {
  readonly text: string;
  readonly plan: Plan;
  readonly replay: ReplayPlan;
}

/**
 * Plans a changed Dockerfile.
 * @param mayLose names of variables that a RUN may see no more
 * @returns undefined if it does not plan, or a step that was only moved, or what the image is told to be, is not the same
 */
export function planVariant(
  present: Present,
  edited: EditedDockerfile,
  mayLose: ReadonlySet<string> = new Set(),
): Variant | undefined {
  const plan = replan(present, edited.text);
  if (plan === undefined || !isDeepStrictEqual(imageOf(plan), imageOf(present.plan))) return undefined;
  const origins = new Origins(present.plan);
  const steps: ReplayStep[] = [];
  for (const step of plan.steps) {
    const line = edited.originOf(step.place.range.start.line);
    const origin = origins.find(line.line, step);
    if (line.line !== undefined && !line.isOther) {
      const old = origin === undefined ? undefined : present.plan.steps[origin];
      if (old === undefined || !isMoved(old, step, mayLose)) return undefined;
    }
    steps.push(replayStep(step, origin, line, present.plan));
  }
  return { text: edited.text, plan, replay: { steps } };
}

/** The steps of the present Dockerfile, to be replayed. */
export function presentReplay({ steps }: Plan): ReplayPlan {
  return { steps: steps.map((step) => ({ origin: step.id, inputs: inputsOf(step) })) };
}

function replan({ request, file, bases, allStages }: Present, text: string): Plan | undefined {
  try {
    const planned = planBuild(parseDockerfile(text, file), { ...planRequestOf(request), allStages, bases });
    return planned.kind === "plan" ? planned.plan : undefined;
  } catch (error) {
    if (isNacreError(error)) return undefined;
    throw error;
  }
}

/** What the images of all stages are told to be, apart from their files and from how their steps are called in their history. */
function imageOf({ target, stages }: Plan): unknown {
  const told = stages.map(({ index, name, config, author, platform, baseConfig }) => {
    return { index, name, config, author, platform, baseConfig };
  });
  return { target: target.index, told };
}

/** Finds present steps by the line of their instruction; triggers share the line of their FROM. */
class Origins {
  readonly #byLine = new Map<number, number[]>();
  readonly #taken = new Map<number, number>();

  constructor({ steps }: Plan) {
    for (const { id, place } of steps) {
      const { line } = place.range.start;
      this.#byLine.set(line, [...(this.#byLine.get(line) ?? []), id]);
    }
  }

  find(line: number | undefined, step: Step): number | undefined {
    const ids = line === undefined ? [] : (this.#byLine.get(line) ?? []);
    if (ids.length < 2) return ids[0];
    const at = this.#taken.get(step.place.range.start.line) ?? 0;
    this.#taken.set(step.place.range.start.line, at + 1);
    return ids[at];
  }
}

/** True if a step does the same with the same settings, wherever it stands. */
function isMoved(before: Step, after: Step, mayLose: ReadonlySet<string>): boolean {
  return isDeepStrictEqual(settingsOf(before, mayLose), settingsOf(after, mayLose));
}

/** Places and labels say where it stands; inputs follow from that. */
function settingsOf(step: Step, mayLose: ReadonlySet<string>): unknown {
  const { id: _id, label: _label, place: _place, parent: _parent, ...rest } = step;
  if (rest.kind === "run") {
    const { mountSources, mountPlaces: _places, env, ...settings } = rest;
    const kept = env.filter((pair) => !mayLose.has(nameOf(pair)));
    return { ...settings, env: kept, from: mountSources.map((source) => source && kindOf(source)) };
  }
  if (rest.kind !== "copy") return rest;
  const { sourceRanges: _ranges, from, ...settings } = rest;
  return { ...settings, from: kindOf(from) };
}

function kindOf(state: Step["parent"]): unknown {
  return state.kind === "step" ? state.kind : state;
}

function nameOf(pair: string): string {
  return pair.slice(0, pair.indexOf("="));
}

function replayStep(step: Step, origin: number | undefined, line: LineOrigin, present: Plan): ReplayStep {
  const old = origin === undefined ? undefined : present.steps[origin];
  const { takes, cheap, unedited } = line;
  const without = old === undefined ? new Set<string>() : lost(old, step);
  return { origin, inputs: inputsOf(step), takes, cheap, unedited, ...(without.size > 0 ? { without } : {}) };
}

function lost(before: Step, after: Step): ReadonlySet<string> {
  if (before.kind !== "run" || after.kind !== "run") return new Set();
  const names = new Set(after.env.map(nameOf));
  return new Set(before.env.map(nameOf).filter((name) => !names.has(name)));
}
