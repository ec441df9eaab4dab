/**
 * The findings of all rules about one Dockerfile: those of its text (dockerfile/lint), of its plan, and of what its
 * ignore file hides; and which of them the file's check options let through.
 */
import { cleanLexically, type IgnoreRules } from "../context/ignore.js";
import { createMatcher, decidePath, type IgnoreMatcher } from "../context/ignoreMatcher.js";
import type { Dockerfile, Instruction, SourceWarning } from "../dockerfile/ast.js";
import {
  type CheckOptions,
  commentCheckOptions,
  type FoundCheckOptions,
  fileCheckOptions,
  isTold,
} from "../dockerfile/lint/options.js";
import { findLintRule } from "../dockerfile/lint/rules.js";
import { instructionsOf, textFindings } from "../dockerfile/lint/textRules.js";
import type { CopyStep, Plan, PlanWarning } from "../plan/graph.js";
import { isGit, isUrl } from "../plan/remoteSources.js";
import { toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { SourceRange } from "../support/source.js";
import type { BuildWarning } from "./session.js";

/** Something that is not as it should be in a Dockerfile. */
export interface Finding extends SourceWarning {
  /** This text in place of that range would mend it. */
  readonly edit?: { readonly range: SourceRange; readonly text: string } | undefined;
}

/** The rules of one file. */
export class Lint {
  readonly options: CheckOptions;
  /** Remarks about options that stand in no file. */
  readonly notes: readonly string[];
  readonly #remarks: readonly SourceWarning[];
  /** Options above single instructions, by the line where the instruction begins. */
  readonly #own: ReadonlyMap<number, CheckOptions>;

  /** @param instructions those that could be read */
  constructor({ options, remarks, notes }: FoundCheckOptions, instructions: readonly Instruction[]) {
    const own = instructions.flatMap((one) => {
      const found = commentCheckOptions(one);
      return found ? [{ line: one.range.start.line, ...found }] : [];
    });
    this.options = options;
    this.notes = notes;
    this.#remarks = [...remarks, ...own.flatMap((found) => found.remarks)];
    this.#own = new Map(own.map(({ line, options: above }) => [line, above]));
  }

  /**
   * The rules of a file.
   * @param buildArgs of the request: BUILDKIT_DOCKERFILE_CHECK overrides what the file says
   * @throws NacreError DOCKERFILE_SYNTAX or USAGE for malformed options
   */
  static of(dockerfile: Dockerfile, buildArgs: Readonly<Record<string, string>> | undefined): Lint {
    return new Lint(optionsFor(dockerfile, buildArgs), instructionsOf(dockerfile));
  }

  /** The findings of the text that are told. */
  text(dockerfile: Dockerfile): readonly Finding[] {
    return this.told([...this.#remarks, ...textFindings(dockerfile)]);
  }

  /** Those of the findings that the options let through. */
  told<F extends Finding>(findings: readonly F[]): readonly F[] {
    return findings.filter(({ rule, range }) => isTold(rule, this.options, this.#own.get(range.start.line)));
  }

  /** The failure that the findings mean where the options say `error=true`; nacre's own remarks never fail a build. */
  failure(findings: readonly Finding[]): NacreError | undefined {
    const rules = [...new Set(findings.map(({ rule }) => rule).filter(findLintRule))].sort();
    if (!this.options.error || rules.length === 0) return undefined;
    return new NacreError("CHECK_FAILED", `lint violation found for rules: ${rules.join(", ")}`, {
      hint: "the check options say error=true: correct what is listed, or add the rules to skip=",
      facts: { rules },
    });
  }
}

/** The check options of a file. @throws NacreError DOCKERFILE_SYNTAX or USAGE for malformed ones */
export function optionsFor(
  { text, file }: Pick<Dockerfile, "text" | "file">,
  buildArgs: Readonly<Record<string, string>> | undefined,
): FoundCheckOptions {
  return fileCheckOptions(text, file, buildArgs?.BUILDKIT_DOCKERFILE_CHECK);
}

/** The planner's warnings about the file; those about the request have no place in it. */
export function placedWarnings(warnings: readonly PlanWarning[]): readonly Finding[] {
  return warnings.flatMap(({ place, ...warning }) => (place ? [{ ...warning, range: place.range }] : []));
}

/** Findings as a build tells them. */
export function asWarnings(findings: readonly Finding[], { file, text }: Dockerfile): readonly BuildWarning[] {
  return findings.map(({ rule, message, hint, range }) => {
    // A name that is declared elsewhere is not plainly undefined: the hint says what is meant.
    const told = rule === "UndefinedVar" && hint !== undefined ? `${message} (${hint})` : message;
    return { rule, message: told, place: { file, text, range } };
  });
}

/**
 * Sources of COPY and ADD that the ignore file hides. Files with exceptions (`!`) are left alone, since what they let
 * through cannot be told without looking (BuildKit: validateCopySourcePath).
 */
export function ignoredSources(plan: Plan, ignore: IgnoreRules | undefined): readonly Finding[] {
  if (!ignore || ignore.patterns.some(({ negated }) => negated)) return [];
  const matcher = createMatcher(ignore);
  return plan.steps.flatMap((step) => (step.kind === "copy" ? hiddenOf(step, ignore, matcher) : []));
}

function hiddenOf(step: CopyStep, ignore: IgnoreRules, matcher: IgnoreMatcher): readonly Finding[] {
  if (step.from.kind !== "context" || step.from.name !== "") return [];
  return step.sources.flatMap((source, i) => {
    if (isUrl(source) || isGit(source)) return [];
    const path = cleanLexically(source);
    const line = hiddenBy(path, ignore, matcher);
    if (line === undefined) return [];
    const verb = step.keyword === "ADD" ? "Add" : "Copy";
    const message = `Attempting to ${verb} file ${JSON.stringify(path)} that is excluded by .dockerignore`;
    const hint = `line ${line} of ${ignore.file} hides it`;
    const focus = step.sourceRanges?.[i];
    return [{ rule: "CopyIgnoredFile", message, hint, range: step.place.range, focus }];
  });
}

/** The line of the pattern that hides the path; of the root only `*` and `**` can. */
function hiddenBy(path: string, { patterns }: IgnoreRules, matcher: IgnoreMatcher): number | undefined {
  const inside = path.replace(/^(?:\/|\.\.(?:\/|$))+/, "");
  if (inside === "" || inside === ".") return patterns.find(({ text }) => text === "*" || text === "**")?.line;
  const { ignored, line } = decidePath(matcher, toByteString(inside));
  return ignored ? line : undefined;
}
