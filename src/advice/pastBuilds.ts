/**
 * Past builds of a project, laid over the steps of its Dockerfile as it is now. In: entries of the history and the present
 * steps. Out: for each build what became of each step, what made it miss, and where that began. Pure.
 */
import { type AlignableStep, alignSteps } from "../cache/alignSteps.js";
import type { BuildStep, NamedBuild } from "../store/builds.js";
import { type Cause, causeKey, causesOf } from "./missCauses.js";

/** Something that made a step miss, or could have: a cause at the step to which it belongs. */
export interface Atom {
  /** Tells atoms of one build apart. */
  readonly key: string;
  /** The step of the past build. */
  readonly at: number;
  readonly cause: Cause;
}

/** A step of a past build. */
export interface PastStep {
  /** Its number in that build. */
  readonly id: number;
  /** The step of the Dockerfile of now that it is; undefined if that has none. */
  readonly present: number | undefined;
  /** As it was written then, on one line. */
  readonly instruction: string;
  /** True if it was made, or its making failed: the cache did not answer. */
  readonly missed: boolean;
  /** Milliseconds that it took in this build; 0 if the cache answered. */
  readonly spent: number;
  /** Milliseconds that it took when it was made, as far as that is known. */
  readonly worth: number | undefined;
  /** What differed of itself. */
  readonly own: readonly Cause[];
  /** All that made it miss, its inputs' included; empty for hits. */
  readonly causal: ReadonlyMap<string, Atom>;
  /** Whatever made something miss and is in the step or in what it is built on. */
  readonly reach: ReadonlyMap<string, Atom>;
}

/** A past build. */
export interface PastBuild {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly started: number;
  /** In the order of the plan of then. */
  readonly steps: readonly PastStep[];
  /** By the number of the present step. */
  readonly byPresent: ReadonlyMap<number, PastStep>;
}

/**
 * Lays builds over the present steps. Builds of which the history does not tell how steps depend on each other (older
 * versions) are left out.
 * @param now the steps of the present plan, by number
 */
export function layOver(builds: readonly NamedBuild[], now: readonly AlignableStep[]): readonly PastBuild[] {
  return builds.flatMap((build) => {
    const steps = orderedSteps(build);
    return steps === undefined ? [] : [pastBuild(build, steps, now)];
  });
}

/** Steps with numbers and known inputs, each after what it needs; undefined if that cannot be had. */
function orderedSteps({ steps }: NamedBuild): readonly KnownStep[] | undefined {
  if (steps.length === 0) return undefined;
  const known = steps.filter(isKnown).sort((a, b) => a.id - b.id);
  const ids = new Set(known.map(({ id }) => id));
  const isSound = known.length === steps.length && ids.size === steps.length;
  return isSound && known.every(({ id, inputs }) => inputs.every((input) => input < id)) ? known : undefined;
}

type Needed = "id" | "inputs" | "stage" | "instruction" | "kind";
type KnownStep = BuildStep & { readonly [K in Needed]: NonNullable<BuildStep[K]> };

function isKnown(step: BuildStep): step is KnownStep {
  const { id, inputs, stage, instruction, kind } = step;
  return [id, inputs, stage, instruction, kind].every((value) => value !== undefined);
}

function pastBuild(build: NamedBuild, steps: readonly KnownStep[], now: readonly AlignableStep[]): PastBuild {
  const presentOf = alignment(steps, now);
  const drafts = new Map<number, Draft>();
  for (const [i, step] of steps.entries()) drafts.set(step.id, draftOf(step, presentOf[i], drafts));
  const located = new Map<number, Atom[]>();
  for (const { causal } of drafts.values()) {
    for (const atom of causal.values()) located.set(atom.at, [...(located.get(atom.at) ?? []), atom]);
  }
  const past = new Map<number, PastStep>();
  for (const { inputs, ...draft } of drafts.values()) {
    const reach = new Map((located.get(draft.id) ?? []).map((atom) => [atom.key, atom]));
    for (const input of inputs) for (const [key, atom] of past.get(input)?.reach ?? []) reach.set(key, atom);
    past.set(draft.id, { ...draft, reach });
  }
  const all = [...past.values()];
  const byPresent = new Map(all.flatMap((step) => (step.present === undefined ? [] : [[step.present, step] as const])));
  return { id: build.id, started: build.started, steps: all, byPresent };
}

type Draft = Omit<PastStep, "reach"> & Pick<KnownStep, "inputs">;

/** For each past step the present one. */
function alignment(steps: readonly KnownStep[], now: readonly AlignableStep[]): readonly (number | undefined)[] {
  const before = steps.map(({ stage, instruction, kind, key = "" }) => ({ stage, instruction, kind, key }));
  const presentOf: (number | undefined)[] = steps.map(() => undefined);
  for (const [present, past] of alignSteps(before, now).entries()) if (past !== undefined) presentOf[past] = present;
  return presentOf;
}

function draftOf(step: KnownStep, present: number | undefined, below: ReadonlyMap<number, Draft>): Draft {
  const { id, instruction, outcome, duration, saved, inputs } = step;
  // A step that was cancelled had missed if it has a reason; else it was not reached.
  const missed = outcome === "done" || outcome === "error" || (outcome === "cancelled" && step.reason !== undefined);
  const causes = missed ? causesOf(step.reason) : { own: [], from: [] };
  const from = causes.from.filter((input) => inputs.includes(input) && below.has(input));
  const isWhole = from.length === causes.from.length;
  const own: readonly Cause[] = isWhole ? causes.own : [...causes.own, { kind: "other" }];
  const causal = new Map<string, Atom>();
  for (const cause of own) addAtom(causal, id, cause);
  for (const input of from) {
    const source = below.get(input)!;
    if (source.missed) for (const [key, atom] of source.causal) causal.set(key, atom);
    // Its key was another one, and it was answered all the same.
    else addAtom(causal, input, { kind: "other" });
  }
  const spent = missed && Number.isFinite(duration) ? Math.max(0, duration) : 0;
  const worth =
    outcome === "done" ? spent : outcome === "cached" && saved !== undefined ? Math.max(0, saved) : undefined;
  return { id, present, instruction, missed, spent, worth, own, causal, inputs };
}

function addAtom(atoms: Map<string, Atom>, at: number, cause: Cause): void {
  const key = `${at} ${causeKey(cause)}`;
  atoms.set(key, { key, at, cause });
}
