/** The steps of a build as analyses see them: in the order of the plan, older entries filled up as far as can be known. */
import type { BuildStep, NamedBuild } from "../store/builds.js";
import { reasonTexts } from "./reasonText.js";

/** A step with its place in the build. */
export interface PlacedStep extends BuildStep {
  /** From 1: as reasons and people count steps. */
  readonly number: number;
  /** Why the cache did not answer, in one line. */
  readonly why?: string | undefined;
  /** Name of the stage; empty where it has none, or it is not known. */
  readonly stage: string;
  /** The instruction as it is written; where that is not known, the label without its number. */
  readonly instruction: string;
}

/** Labels are numbered `[2/5]` or `[build 2/5]`, or `[linux/amd64 build 2/5]`. */
const NUMBERED = /^\[(?:(.+) )?\d+\/\d+\] /;

/** The steps of a build. Entries of version 1 have them in the order in which they ended. */
export function stepsOf({ steps }: Pick<NamedBuild, "steps">): PlacedStep[] {
  const hasIds = steps.every(({ id }) => id !== undefined);
  const ordered = hasIds ? [...steps].sort((a, b) => a.id! - b.id!) : steps;
  const reasons = reasonTexts(ordered);
  return ordered.map((step, at) => {
    const { label } = step;
    const prefix = NUMBERED.exec(label);
    return {
      ...step,
      number: (hasIds ? step.id! : at) + 1,
      why: reasons[at],
      stage: step.stage ?? prefix?.[1] ?? "",
      instruction: step.instruction ?? label.slice(prefix?.[0].length ?? 0),
    };
  });
}

/** Milliseconds that the cache has saved: what the cached steps took when they were made, as far as that is known. */
export function savedBy({ steps }: Pick<NamedBuild, "steps">): number {
  return steps.reduce((sum, { outcome, saved }) => sum + (outcome === "cached" ? (saved ?? 0) : 0), 0);
}
