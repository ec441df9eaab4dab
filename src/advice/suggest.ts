/** Weighs what may be advised: what saves enough, and what is certain to keep the image as it is. */
import { unifiedDiff } from "../support/lineDiff.js";
import { ignorePatterns, lockBases } from "./baseAndIgnore.js";
import type { Candidate, Confidence, Known, SuggestionKind } from "./candidate.js";
import { installFirst } from "./installFirst.js";
import { lateArguments } from "./lateArguments.js";
import type { Proof } from "./prove.js";
import { reorders } from "./reorder.js";
import { type ReplayedBuild, savingOf, togetherSaved } from "./replay.js";
import { cacheMounts, splitRuns } from "./runAdvice.js";
import { replayChange } from "./saving.js";

/** How certain it is that the image stays the same. */
export type Safety =
  /** By what is changed. */
  | { readonly kind: "certain"; readonly because: string }
  /** Both were built and compared. */
  | Proof
  | { readonly kind: "unproven"; readonly doubt: string };

/** A change that would have saved time. */
export interface Suggestion {
  readonly kind: SuggestionKind;
  /** What to do, in a few words. */
  readonly title: string;
  /** Why, in a sentence. */
  readonly because: string;
  readonly stage: number;
  /** Line of the instruction that it is about. */
  readonly line: number;
  /** What it would have saved over the builds that were looked at; milliseconds. */
  readonly saving: {
    readonly time: number;
    /** The time is what the steps took: how much of it would have been spared is not known. */
    readonly atMost: boolean;
    /** Builds that would have been quicker. */
    readonly builds: number;
    /** Steps that would have been answered by the cache. */
    readonly hits: number;
  };
  readonly confidence: Confidence;
  readonly safety: Safety;
  /** The file that changes. */
  readonly file?: { readonly name: string; readonly text: string; readonly diff: string } | undefined;
  /** What is to be run instead. */
  readonly command?: string | undefined;
}

/** What is not suggested. */
export interface Withheld {
  /** Suggestions that may change the image, as far as is known. */
  readonly unproven: number;
  /** Milliseconds that the best of them would have saved. */
  readonly time: number;
  /** Suggestions that a proof has refuted, or that could not be built. */
  readonly refuted: number;
}

/** What is wanted. */
export interface SuggestOptions {
  readonly prove?: boolean | undefined;
  readonly all?: boolean | undefined;
  readonly leastSaving?: number | undefined;
}

/** What is suggested. */
export interface Suggested {
  /** The best first. */
  readonly suggestions: readonly Suggestion[];
  readonly withheld: Withheld;
  /** Milliseconds that the suggestions would have saved together. */
  readonly avoidable: number;
}

interface Weighed {
  readonly candidate: Candidate;
  readonly after: readonly ReplayedBuild[];
  readonly saving: Suggestion["saving"];
}

/** Suggests changes. @throws NacreError CANCELLED */
export async function suggest(known: Known, options: SuggestOptions): Promise<Suggested> {
  const { prove = false, all = false, leastSaving = 100 } = options;
  const weighed = weigh(known, leastSaving);
  const judged = await judge(known, weighed, prove);
  const told = judged.filter(({ safety }) => isSafe(safety) || all);
  const left = judged.filter(({ safety }) => !isSafe(safety) && !all);
  const unproven = left.filter(({ safety }) => safety.kind === "unproven");
  const counted = told.filter(({ weighed: { saving } }) => !saving.atMost);
  return {
    suggestions: told.map(({ weighed: one, safety }) => suggestionOf(known, one, safety)),
    withheld: {
      unproven: unproven.length,
      time: Math.max(0, ...unproven.map(({ weighed: { saving } }) => saving.time)),
      refuted: left.length - unproven.length,
    },
    avoidable: togetherSaved(
      known.before,
      counted.map(({ weighed: { after } }) => after),
    ),
  };
}

function isSafe({ kind }: Safety): boolean {
  return kind === "certain" || kind === "proven";
}

/** Everything that saves enough, the best first. */
function weigh(known: Known, leastSaving: number): readonly Weighed[] {
  const candidates = [
    ...[installFirst, reorders, lateArguments, ignorePatterns, cacheMounts, lockBases, splitRuns].flatMap((find) =>
      find(known),
    ),
  ];
  return candidates
    .map((candidate) => weighOne(known, candidate))
    .filter(({ saving }) => saving.time > 0 && saving.time >= leastSaving)
    .sort((a, b) => Number(a.saving.atMost) - Number(b.saving.atMost) || b.saving.time - a.saving.time);
}

function weighOne(known: Known, candidate: Candidate): Weighed {
  const after = replayChange(known, candidate.change);
  const { time, builds, misses } = savingOf(known.before, after);
  const { atMost = false, atStake, step } = candidate;
  const saving =
    atStake === undefined
      ? { time, atMost, builds, hits: misses }
      : { time: atStake, atMost, builds: known.before.filter((build) => build.has(step.id)).length, hits: 0 };
  return { candidate, after, saving };
}

async function judge(
  known: Known,
  weighed: readonly Weighed[],
  prove: boolean,
): Promise<readonly { readonly weighed: Weighed; readonly safety: Safety }[]> {
  const doubtful = weighed.some(({ candidate }) => candidate.safe === undefined);
  const prover = prove && doubtful ? await openProver(known) : undefined;
  try {
    const judged: { weighed: Weighed; safety: Safety }[] = [];
    for (const one of weighed) {
      const { safe, doubt = "", change } = one.candidate;
      const safety: Safety =
        safe !== undefined
          ? { kind: "certain", because: safe }
          : ((await prover?.prove(change)) ?? { kind: "unproven", doubt });
      judged.push({ weighed: one, safety });
    }
    return judged;
  } finally {
    await prover?.close();
  }
}

async function openProver({ present, dockerfile, ignore, targets }: Known) {
  const { Prover } = await import("./prove.js");
  return new Prover(present.request, dockerfile, ignore?.file, targets);
}

function suggestionOf({ dockerfile }: Known, { candidate, saving }: Weighed, safety: Safety): Suggestion {
  const { kind, title, because, step, confidence, change } = candidate;
  const base = {
    kind,
    title,
    because,
    stage: step.stage,
    line: step.place.range.start.line,
    saving,
    confidence,
    safety,
  };
  if (change.kind === "command") return { ...base, command: change.command };
  const { name, before, text } =
    change.kind === "ignore"
      ? { name: change.file, before: change.before, text: change.after }
      : { name: dockerfile.file, before: dockerfile.text, text: change.variant.text };
  return { ...base, file: { name, text, diff: unifiedDiff(before, text, name) } };
}
