/**
 * Past builds, replayed on a Dockerfile: which steps would have missed, and what that would have cost. A step misses if
 * something that made it miss then, or that did not reach it then, is in it or in what it is built on. So the Dockerfile of
 * then, replayed, misses just where it did; and what is not known counts against a change.
 */
import type { Cause } from "./missCauses.js";
import type { PastBuild, PastStep } from "./pastBuilds.js";

/** A step of the Dockerfile that is replayed. */
export interface ReplayStep {
  /** The present step that it is, or is a part of; undefined for one that is new. */
  readonly origin: number | undefined;
  /** Numbers of the steps that it takes files from, each below its own. */
  readonly inputs: readonly number[];
  /** For a part of a COPY: whether it takes this file. Default: all that its origin takes. */
  readonly takes?: ((path: string) => boolean) | undefined;
  /** Names of variables that its origin sees and it does not. */
  readonly without?: ReadonlySet<string> | undefined;
  /** Builds, by name, since which only other parts of the instruction were edited. */
  readonly unedited?: ReadonlySet<string> | undefined;
  /** A small part of its origin, which costs nothing to speak of. */
  readonly cheap?: boolean | undefined;
}

/** What is replayed. */
export interface ReplayPlan {
  /** Each after its inputs. */
  readonly steps: readonly ReplayStep[];
  /** Causes that are gone altogether, wherever they are. */
  readonly removes?: ((cause: Cause) => boolean) | undefined;
}

/** What one build would have come to: the present steps that would have been made, with their milliseconds. */
export type ReplayedBuild = ReadonlyMap<number, number>;

/** Replays builds. */
export class Replay {
  readonly #builds: readonly PastBuild[];
  /** Usual milliseconds of present steps. */
  readonly #usual = new Map<number, number>();

  constructor(builds: readonly PastBuild[]) {
    this.#builds = builds;
    const times = new Map<number, number[]>();
    for (const { steps } of builds) {
      for (const { present, worth } of steps) {
        if (present === undefined || worth === undefined) continue;
        const list = times.get(present) ?? [];
        times.set(present, list);
        list.push(worth);
      }
    }
    for (const [present, list] of times) this.#usual.set(present, median(list));
  }

  /** What each build would have come to. */
  run(plan: ReplayPlan): readonly ReplayedBuild[] {
    return this.#builds.map((build) => this.#build(build, plan));
  }

  #build(build: PastBuild, { steps, removes }: ReplayPlan): ReplayedBuild {
    const below: ReadonlySet<string>[] = [];
    const made = new Map<number, number>();
    for (const step of steps) {
      const past = step.origin === undefined ? undefined : build.byPresent.get(step.origin);
      const seen = new Set<string>(step.inputs.flatMap((input) => [...(below[input] ?? [])]));
      if (past)
        for (const [key, atom] of ownAtoms(past)) if (isSeen(atom, step, build) && !removes?.(atom)) seen.add(key);
      below.push(seen);
      if (past === undefined || ![...seen].some((key) => !isBlocked(past, key))) continue;
      const cost = step.cheap ? 0 : this.#cost(past);
      made.set(past.present!, Math.max(made.get(past.present!) ?? 0, cost));
    }
    return made;
  }

  #cost({ missed, spent, worth, present }: PastStep): number {
    return missed ? spent : (worth ?? this.#usual.get(present!) ?? 0);
  }
}

/** What is in the step itself, whether it made it miss or not. */
function ownAtoms({ id, reach }: PastStep): (readonly [string, Cause])[] {
  return [...reach].flatMap(([key, { at, cause }]) => (at === id ? [[key, cause] as const] : []));
}

function isSeen(cause: Cause, { takes, without, unedited }: ReplayStep, { id }: PastBuild): boolean {
  if (cause.kind === "instruction") return !unedited?.has(id);
  if (cause.kind === "file") return takes === undefined || takes(cause.path);
  return cause.kind !== "variable" || !without?.has(cause.name);
}

/** It was there then, and the step was answered all the same, or missed for something else. */
function isBlocked({ causal, reach }: PastStep, key: string): boolean {
  return reach.has(key) && !causal.has(key);
}

function median(values: readonly number[]): number {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[ordered.length >> 1] ?? 0;
}

/** What a change would have saved over the builds. */
export interface Saving {
  /** Milliseconds. */
  readonly time: number;
  /** Builds that would have been quicker. */
  readonly builds: number;
  /** Steps that would have been answered. */
  readonly misses: number;
}

/** Compares a changed Dockerfile with the present one. The time may be negative. */
export function savingOf(before: readonly ReplayedBuild[], after: readonly ReplayedBuild[]): Saving {
  let [time, builds, misses] = [0, 0, 0];
  for (const [i, old] of before.entries()) {
    const fresh = after[i]!;
    const less = sumOf(old) - sumOf(fresh);
    time += less;
    if (less > 0) builds++;
    misses += [...old.keys()].filter((step) => !fresh.has(step)).length;
  }
  return { time, builds, misses };
}

/** Milliseconds of all builds together. */
export function timeOf(builds: readonly ReplayedBuild[]): number {
  return builds.reduce((sum, build) => sum + sumOf(build), 0);
}

function sumOf(build: ReplayedBuild): number {
  return [...build.values()].reduce((sum, time) => sum + time, 0);
}

/**
 * What several changes would have saved together, at least as much as the best of them and at most all: a step that one
 * of them saves in a build is saved once.
 */
export function togetherSaved(before: readonly ReplayedBuild[], each: readonly (readonly ReplayedBuild[])[]): number {
  let time = 0;
  for (const [i, old] of before.entries()) {
    for (const [step, cost] of old) {
      const least = Math.min(cost, ...each.map((after) => after[i]!.get(step) ?? 0));
      time += cost - least;
    }
  }
  return time;
}
