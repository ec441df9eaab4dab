/** `nacre build`: the flags that ask for something else than a build. What they do is loaded only when one is given. */
import type { Command } from "../commander.js";

/** Those options by commander's attribute names. */
export interface CallOptions {
  readonly call?: string;
  readonly check?: boolean;
  readonly checkFix?: boolean;
  readonly checkDiff?: boolean;
  readonly checkFormat?: string;
  readonly dryRun?: boolean;
}

/** What can be asked. */
export const METHODS = ["check", "outline", "targets", "subrequests.describe"] as const;
/** How answers can be printed. */
export const FORMATS = ["text", "json", "sarif"] as const;

/** How an answer is printed. */
export type CallFormat = (typeof FORMATS)[number];

/** A question. */
export interface Call {
  readonly method: (typeof METHODS)[number];
  readonly format: CallFormat;
  /** Findings do not fail the command; errors do all the same, as with buildx. */
  readonly ignoreStatus: boolean;
  /** Checks only: mend the file, or show how it would be. */
  readonly fix: "no" | "write" | "diff";
}

/** Declares the flags. */
export function addCallOptions(command: Command): void {
  command
    .optionsGroup("Checks and other questions (nothing is built):")
    .option("--dry-run", "show what the cache would answer, and what would be made, as nacre plan does")
    .option("--check", "check the Dockerfile; exit code 1 if there is anything to say")
    .option("--check-fix", "mend what can be mended without changing what is built, then check")
    .option("--check-diff", "show what --check-fix would change")
    .option("--check-format <form>", "how checks are printed: text, json or sarif")
    .option(
      "--call <method>",
      "build, check, outline, targets or subrequests.describe; with ,format=text|json (check: sarif too), ,ignorestatus=true",
    );
}

/** True if something else than a build is asked for. */
export function wantsCall({ call, check, checkFix, checkDiff, checkFormat }: CallOptions): boolean {
  if (check || checkFix || checkDiff || checkFormat !== undefined) return true;
  return call !== undefined && call !== "build" && call !== "";
}
