/**
 * Checking a Dockerfile without building it. In: a build request. Out: what BuildKit's build checks and nacre's own
 * remarks have to say, and the error that a build would end with before its first step. Promises: nothing is executed,
 * the store is not written; without a target all stages are looked at; a base that is not there costs only the findings
 * that need its config; a fix that is offered changes nothing of what is built.
 */
import type { Instruction } from "../dockerfile/ast.js";
import type { LintFix } from "../dockerfile/lint/fixes.js";
import { readBeginning } from "../dockerfile/lint/partial.js";
import { findLintRule } from "../dockerfile/lint/rules.js";
import { instructionsOf } from "../dockerfile/lint/textRules.js";
import { isNacreError, type NacreError } from "../support/errors.js";
import type { SourcePlace } from "../support/source.js";
import { planForCheck } from "./checkPlan.js";
import type { LoadedDockerfile } from "./dockerfileSource.js";
import { readDockerfile } from "./inputs.js";
import { type Finding, ignoredSources, Lint, optionsFor, placedWarnings } from "./lint.js";
import type { BuildRequest } from "./request.js";
import { safeFixes } from "./safeFixes.js";

/** A finding with all that is known of its rule. */
export interface CheckFinding extends Finding {
  /** What the rule is about; absent for remarks of nacre's own. */
  readonly description?: string | undefined;
  /** The rule's page in Docker's documentation. */
  readonly url?: string | undefined;
  /** What mends it, if something mechanical does. */
  readonly fix?: LintFix | undefined;
}

/** What checking a Dockerfile gave. */
export interface CheckReport {
  /** Name and text of the Dockerfile. */
  readonly file: string;
  readonly text: string;
  /** In the order in which BuildKit reports them. */
  readonly findings: readonly CheckFinding[];
  /** Remarks about the request rather than the file, e.g. a build argument that nothing declares. */
  readonly remarks: readonly string[];
  /** What a build would fail with before it executes anything; CHECK_FAILED under the check option `error=true`. */
  readonly error?: NacreError | undefined;
}

/**
 * Checks the Dockerfile of a request; outputs, tags, secrets and the like do not matter.
 * @throws NacreError for a Dockerfile that is not there or cannot be read; what is wrong in it is in the report
 */
export async function checkSource(request: BuildRequest): Promise<CheckReport> {
  const source = await readSource(request);
  return "loaded" in source ? checkLoaded(request, source.loaded) : source.report;
}

/** A Dockerfile that parses, or the report about one that does not. @throws NacreError as {@link checkSource} */
export async function readSource(
  request: BuildRequest,
): Promise<{ readonly loaded: LoadedDockerfile } | { readonly report: CheckReport }> {
  try {
    return { loaded: await readDockerfile(request) };
  } catch (error) {
    if (!isNacreError(error) || !error.place || !isAboutText(error)) throw error;
    return { report: reportUnparsable(request, error.place, error) };
  }
}

function isAboutText({ code }: NacreError): boolean {
  return code === "DOCKERFILE_SYNTAX" || code === "LIMIT_EXCEEDED";
}

/** The findings of the instructions above a syntax error. */
function reportUnparsable(request: BuildRequest, { file, text }: SourcePlace, error: NacreError): CheckReport {
  const { instructions, findings } = readBeginning(text, file);
  const lint = openLint(request, { file, text }, instructions);
  if (!(lint instanceof Lint)) return { file, text, findings: [], remarks: [], error: lint };
  return { file, text, findings: lint.told(findings).map(described), remarks: lint.notes, error };
}

/** Malformed check options are the error then, and nothing is checked (as in BuildKit). */
function openLint(
  request: BuildRequest,
  source: Pick<SourcePlace, "file" | "text">,
  instructions?: readonly Instruction[],
): Lint | NacreError {
  try {
    return new Lint(optionsFor(source, request.buildArgs), instructions ?? []);
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
}

/** Checks a Dockerfile that parses. */
export async function checkLoaded(
  request: BuildRequest,
  { dockerfile, ignore }: LoadedDockerfile,
): Promise<CheckReport> {
  const { file, text } = dockerfile;
  const lint = openLint(request, dockerfile, instructionsOf(dockerfile));
  if (!(lint instanceof Lint)) return { file, text, findings: [], remarks: [], error: lint };
  const isWhole = request.target === undefined;
  const checked = await planForCheck(request, dockerfile, isWhole);
  const { notes, plan, error: failure } = checked;
  const planned = [...placedWarnings(notes.warnings), ...(plan ? ignoredSources(plan, ignore) : [])];
  const found = [...lint.text(dockerfile), ...lint.told(planned)];
  const planAll = async () => (isWhole ? checked : planForCheck(request, dockerfile, true));
  const fixes = await safeFixes(request, dockerfile, found, planAll);
  const findings = found.map((finding) => {
    const fix = fixes.get(finding);
    return fix ? { ...described(finding), fix } : described(finding);
  });
  const unplaced = notes.warnings.flatMap(({ place, rule, message }) => (place ? [] : [`${rule}: ${message}`]));
  const remarks = [...lint.notes, ...unplaced];
  const error = failure ?? lint.failure(found);
  return { file, text, findings, remarks, ...(error ? { error } : {}) };
}

function described(finding: Finding): CheckFinding {
  const rule = findLintRule(finding.rule);
  return rule ? { ...finding, description: rule.description, url: rule.url } : finding;
}
