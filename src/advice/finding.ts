/** What the checks of nacre's own say. BuildKit's build checks are a group by themselves (dockerfile/lint). */
import type { SourcePlace } from "../support/source.js";

/** One finding. */
export interface Finding {
  /** Name of the rule, for `# check=skip=…` and for programs. */
  readonly rule: AdviceRule;
  /** The rule as such, in a sentence. */
  readonly description: string;
  /** What was found here. Secrets are masked. */
  readonly detail: string;
  readonly place: SourcePlace;
  /** What to do, in a sentence. */
  readonly fix?: string | undefined;
}

/** The rules, with what each is about. */
export const ADVICE_RULES = {
  CopyBeforeDependencies: "Dependencies should be installed before the files that change often are copied",
  CacheHostileOrder: "What changes from build to build should come after the steps that do not need it",
  UnreadContext: "Large parts of the context that no step reads should be ignored",
  MissingIgnoreFile: "Large trees that tools make should be kept out of the context by an ignore file",
  SecretInContextCopied: "Files with secrets should not be copied into an image",
  SecretInDockerfile: "Secrets should not stand in a Dockerfile or be passed as build arguments",
} as const;

/** Name of a rule. */
export type AdviceRule = keyof typeof ADVICE_RULES;

/** A finding of a rule. */
export function finding(rule: AdviceRule, place: SourcePlace, detail: string, fix?: string): Finding {
  return { rule, description: ADVICE_RULES[rule], detail, place, ...(fix === undefined ? {} : { fix }) };
}

/** `a`, `a and b`, `a, b and c`; what is above `most` is only counted. */
export function listed(names: readonly string[], most = 4): string {
  const shown = names.length > most ? [...names.slice(0, most - 1), `${names.length - most + 1} more`] : names;
  if (shown.length < 2) return shown.join("");
  return `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}
