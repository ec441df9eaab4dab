/** What may be advised on a project's builds, before it is weighed; and what those who look for it share. */
import type { IgnoreRules } from "../context/ignore.js";
import type { LocalContext } from "../context/local.js";
import type { Dockerfile, FromInstruction, Instruction, RunInstruction, StageSource } from "../dockerfile/ast.js";
import type { RunStep, Step } from "../plan/graph.js";
import type { Cause } from "./missCauses.js";
import type { PastBuild } from "./pastBuilds.js";
import type { ReplayedBuild } from "./replay.js";
import type { Present, Variant } from "./variant.js";

/** Kinds of advice. */
export type SuggestionKind =
  | "install-first"
  | "reorder"
  | "late-argument"
  | "ignore"
  | "cache-mount"
  | "lock-base"
  | "split-run";

/** How likely it is that the change saves what it seems to. */
export type Confidence = "high" | "medium" | "low";

/** Something to be weighed. */
export interface Candidate {
  readonly kind: SuggestionKind;
  /** What to do, in a few words. */
  readonly title: string;
  /** Why, in a sentence. */
  readonly because: string;
  /** The step that it is about. */
  readonly step: Step;
  readonly confidence: Confidence;
  readonly change: CandidateChange;
  /** Why the image is certain to stay the same; absent where it is not. */
  readonly safe?: string | undefined;
  /** What could make the image another one. */
  readonly doubt?: string | undefined;
  /** The saving is what the steps took: how much of it remains, nobody knows. */
  readonly atMost?: boolean | undefined;
  /** Milliseconds that are at stake, where a replay cannot tell. */
  readonly atStake?: number | undefined;
}

/** What is changed. */
export type CandidateChange =
  | { readonly kind: "dockerfile"; readonly variant: Variant }
  | {
      readonly kind: "ignore";
      /** Name of the file, for people. */
      readonly file: string;
      readonly before: string;
      readonly after: string;
      readonly removes: (cause: Cause) => boolean;
    }
  /** Nothing in a file: a command is run once. */
  | { readonly kind: "command"; readonly command: string; readonly removes: (cause: Cause) => boolean };

/** What is known when advice is looked for. */
export interface Known {
  readonly dockerfile: Dockerfile;
  readonly present: Present;
  readonly builds: readonly PastBuild[];
  /** The builds as they would have been with the present Dockerfile. */
  readonly before: readonly ReplayedBuild[];
  /** Undefined for contexts that are no directory. */
  readonly context: LocalContext | undefined;
  readonly ignore: IgnoreRules | undefined;
  /** The targets of the builds; undefined stands for the last stage. */
  readonly targets: readonly (string | undefined)[];
}

/** An instruction where it stands. */
export interface Standing<I extends Instruction = Exclude<Instruction, FromInstruction>> {
  readonly stage: StageSource;
  /** Position in the stage. */
  readonly at: number;
  readonly instruction: I;
}

/** The instruction of a step; undefined for triggers of bases. */
export function instructionFor({ stages }: Dockerfile, { place, stage: index }: Step): Standing | undefined {
  if (place.note !== undefined) return undefined;
  const stage = stages[index];
  const { line } = place.range.start;
  const at = stage?.instructions.findIndex(({ range }) => range.start.line === line) ?? -1;
  const instruction = stage?.instructions[at];
  return stage && instruction ? { stage, at, instruction } : undefined;
}

/** The RUN of a step, if a shell reads it and it is on its own. */
export function plainRun(dockerfile: Dockerfile, step: RunStep): Standing<RunInstruction> | undefined {
  const standing = instructionFor(dockerfile, step);
  if (standing?.instruction.keyword !== "RUN") return undefined;
  const { command, heredocs } = standing.instruction;
  if (command.form !== "shell" || heredocs.length > 0) return undefined;
  return { ...standing, instruction: standing.instruction };
}

/** Builds in which the causes of one step made another one miss. */
export function buildsBecauseOf(known: Known, cause: number, effect: number): number {
  return known.builds.filter(({ byPresent }) => {
    const [from, to] = [byPresent.get(cause), byPresent.get(effect)];
    return from && to?.missed && [...to.causal.values()].some(({ at }) => at === from.id);
  }).length;
}

/** Milliseconds that a step took in all builds, as the present Dockerfile would have had them. */
export function timeOfStep({ before }: Known, step: number): number {
  return before.reduce((sum, build) => sum + (build.get(step) ?? 0), 0);
}

/**
 * The commands of a shell text that are joined by nothing but `&&`, each as it stands; undefined for any other text. A part
 * that changes what those after it see (`cd`, `export`, `set`, an assignment) makes it another text.
 */
export function andParts(text: string): readonly string[] | undefined {
  const parts: string[] = [];
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === "\\") i++;
    else if (c === "'" || c === '"') {
      i = endOfQuotes(text, i);
      if (i < 0) return undefined;
    } else if (c === "&" && text[i + 1] === "&") {
      parts.push(text.slice(from, i).trim());
      from = i + 2;
      i++;
    } else if (/[;&|(){}\n`#]/.test(c) || (c === "$" && text[i + 1] === "(")) return undefined;
  }
  parts.push(text.slice(from).trim());
  return parts.some((part) => part === "" || KEEPS_STATE.test(part)) ? undefined : parts;
}

const KEEPS_STATE =
  /^(?:cd|export|set|unset|umask|alias|trap|exec|shopt|pushd|popd|source|\.|if|for|while|until|case|!|\w+=\S*$)(?:\s|$)/;

function endOfQuotes(text: string, start: number): number {
  const quote = text[start]!;
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === "\\" && quote === '"') i++;
    else if (text[i] === quote) return i;
  }
  return -1;
}

/** The words between RUN and its command: the flags as they stand, with a blank behind each. */
export function flagsOf({ text }: Pick<Dockerfile, "text">, { flags }: RunInstruction): string | undefined {
  const lines = text.split("\n");
  const words: string[] = [];
  for (const { range } of flags) {
    if (range.start.line !== range.end.line) return undefined;
    words.push((lines[range.start.line - 1] ?? "").slice(range.start.column, range.end.column));
  }
  return words.map((word) => `${word} `).join("");
}
