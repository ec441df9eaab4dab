/** What the steps of a Dockerfile have cost over past builds, and why. Pure; all sums are sums of what was noted. */
import { type Cause, type CauseKind, causeKey } from "./missCauses.js";
import type { PastBuild, PastStep } from "./pastBuilds.js";

/** How often something made a step miss by itself. */
export interface CauseCount {
  readonly kind: CauseKind | "below";
  /** Builds in which it did. For `below`: in which only what it is built on did. */
  readonly builds: number;
  /** Files, variables or images, the most frequent first. */
  readonly names: readonly NameCount[];
  /** For files: the directories that they lie in, at any depth; the root is left out. */
  readonly directories: readonly NameCount[];
}

/** A name, and in how many builds it was a cause. */
export interface NameCount {
  readonly name: string;
  readonly builds: number;
}

/** Sums of one step. Times are milliseconds. */
export interface StepTally {
  /** Builds that came to it. */
  readonly seen: number;
  readonly misses: number;
  /** Time for making it. */
  readonly spent: number;
  /** The part of `spent` in builds in which something of its own had changed. */
  readonly own: number;
  /** Time for other steps, which had to be made only because this one was. */
  readonly followed: number;
  /** How many those were. */
  readonly followers: number;
  /** The most frequent first. */
  readonly causes: readonly CauseCount[];
}

/** Sums of all steps: `spent` is `own` and `followed` of all steps, and `shared`. */
export interface Totals {
  readonly seen: number;
  readonly misses: number;
  readonly spent: number;
  /** Time for steps that had to be made because of several others together. */
  readonly shared: number;
  /** What of these sums concerns steps that the Dockerfile does not have any more. */
  readonly gone: Pick<StepTally, "seen" | "misses" | "spent" | "own" | "followed">;
}

/** What builds came to. */
export interface Tallies {
  /** By the number of the present step. */
  readonly steps: readonly StepTally[];
  readonly totals: Totals;
}

/** Adds up. @param count number of present steps */
export function tally(builds: readonly PastBuild[], count: number): Tallies {
  const sums = Array.from({ length: count }, () => new StepSums());
  const gone = new StepSums();
  let shared = 0;
  for (const build of builds) {
    const byId = new Map(build.steps.map((step) => [step.id, step]));
    const sumsOf = (step: PastStep | undefined): StepSums =>
      step?.present === undefined ? gone : (sums[step.present] ?? gone);
    for (const step of build.steps) {
      sumsOf(step).add(step);
      if (!step.missed || step.own.length > 0) continue;
      const roots = new Set([...step.causal.values()].map(({ at }) => at));
      const [root] = roots;
      if (roots.size !== 1 || root === undefined) shared += step.spent;
      else sumsOf(byId.get(root)).follow(step);
    }
  }
  const steps = sums.map((each) => each.tally());
  const goneTally = gone.tally();
  const all = [...steps, goneTally];
  const sum = (of: (tally: StepTally) => number): number => all.reduce((total, each) => total + of(each), 0);
  const { seen, misses, spent, own, followed } = goneTally;
  return {
    steps,
    totals: {
      seen: sum((each) => each.seen),
      misses: sum((each) => each.misses),
      spent: sum((each) => each.spent),
      shared,
      gone: { seen, misses, spent, own, followed },
    },
  };
}

/** The sums of one step while they grow. */
class StepSums {
  #seen = 0;
  #misses = 0;
  #spent = 0;
  #own = 0;
  #followed = 0;
  #followers = 0;
  readonly #causes = new Map<CauseCount["kind"], CauseSums>();

  add(step: PastStep): void {
    this.#seen++;
    if (!step.missed) return;
    this.#misses++;
    this.#spent += step.spent;
    if (step.own.length > 0) this.#own += step.spent;
    const kinds = new Set<CauseCount["kind"]>(step.own.length > 0 ? step.own.map(({ kind }) => kind) : ["below"]);
    for (const kind of kinds) {
      const sums = this.#causes.get(kind) ?? new CauseSums();
      this.#causes.set(kind, sums);
      sums.add(step.own.filter((cause) => cause.kind === kind));
    }
  }

  follow({ spent }: PastStep): void {
    this.#followed += spent;
    this.#followers++;
  }

  tally(): StepTally {
    const causes = [...this.#causes].map(([kind, sums]) => sums.count(kind)).sort((a, b) => b.builds - a.builds);
    return {
      seen: this.#seen,
      misses: this.#misses,
      spent: this.#spent,
      own: this.#own,
      followed: this.#followed,
      followers: this.#followers,
      causes,
    };
  }
}

class CauseSums {
  #builds = 0;
  readonly #names = new Map<string, number>();
  readonly #directories = new Map<string, number>();

  /** The causes of one kind of one step in one build. */
  add(causes: readonly Cause[]): void {
    this.#builds++;
    const directories = new Set<string>();
    for (const cause of causes) {
      const name = nameOf(cause);
      if (name !== undefined) this.#names.set(name, (this.#names.get(name) ?? 0) + 1);
      if (cause.kind !== "file") continue;
      for (let at = cause.path.lastIndexOf("/"); at > 0; at = cause.path.lastIndexOf("/", at - 1)) {
        directories.add(cause.path.slice(0, at));
      }
    }
    for (const name of directories) this.#directories.set(name, (this.#directories.get(name) ?? 0) + 1);
  }

  count(kind: CauseCount["kind"]): CauseCount {
    return { kind, builds: this.#builds, names: sorted(this.#names), directories: sorted(this.#directories) };
  }
}

function nameOf(cause: Cause): string | undefined {
  return cause.kind === "file" || cause.kind === "variable" || cause.kind === "base"
    ? causeKey(cause).slice(cause.kind.length + 1)
    : undefined;
}

function sorted(counts: ReadonlyMap<string, number>): readonly NameCount[] {
  return [...counts]
    .map(([name, builds]) => ({ name, builds }))
    .sort((a, b) => b.builds - a.builds || (a.name < b.name ? -1 : 1));
}
