/**
 * Which fixes of findings are certain to change nothing of what is built: with them the file is planned anew, and steps,
 * config and history have to be the same (samePlan.ts).
 */
import type { Dockerfile } from "../dockerfile/ast.js";
import { parseDockerfile } from "../dockerfile/dockerfile.js";
import { applyEdits } from "../dockerfile/lint/edits.js";
import { Fixer, type LintFix } from "../dockerfile/lint/fixes.js";
import { isNacreError } from "../support/errors.js";
import { type CheckedPlan, planAgain } from "./checkPlan.js";
import type { Finding } from "./lint.js";
import type { BuildRequest } from "./request.js";
import { sameBuild } from "./samePlan.js";

/** How often a file is planned anew at most: where that many fixes are in doubt, the last ones are left. */
const MAX_PLANS = 200;

interface Candidate<F> {
  readonly finding: F;
  readonly fix: LintFix;
}

/**
 * The safe fixes of a file by finding; they may be applied together.
 * @param planAll plans all stages of the file as it is; asked only if there is something to mend
 */
export async function safeFixes<F extends Finding>(
  request: BuildRequest,
  dockerfile: Dockerfile,
  findings: readonly F[],
  planAll: () => Promise<CheckedPlan>,
): Promise<ReadonlyMap<F, LintFix>> {
  const fixer = new Fixer(dockerfile, findings);
  const candidates = findings.flatMap((finding): Candidate<F>[] => {
    const fix = fixer.fix(finding);
    return fix ? [{ finding, fix }] : [];
  });
  if (candidates.length === 0) return new Map();
  const { plan, bases } = await planAll();
  if (!plan) return new Map();
  let plans = 0;
  const isSafe = (chosen: readonly Candidate<F>[]): boolean => {
    if (plans++ >= MAX_PLANS) return false;
    const changed = parseOrNot(withFixes(dockerfile.text, chosen), dockerfile.file);
    const after = changed && planAgain(request, changed, bases);
    return after !== undefined && sameBuild(plan, after);
  };
  const chosen = chooseSafe([], candidates, isSafe);
  return new Map(chosen.map(({ finding, fix }) => [finding, fix]));
}

/** The text with the edits of all the fixes made. */
export function withFixes(text: string, fixed: readonly { readonly fix: LintFix }[]): string {
  return applyEdits(
    text,
    fixed.flatMap(({ fix }) => fix.edits),
  );
}

/** The candidates that are safe beside those chosen already, found by halving. */
function chooseSafe<C>(
  chosen: readonly C[],
  candidates: readonly C[],
  isSafe: (some: readonly C[]) => boolean,
): readonly C[] {
  if (candidates.length === 0) return chosen;
  const all = [...chosen, ...candidates];
  if (isSafe(all)) return all;
  if (candidates.length === 1) return chosen;
  const middle = candidates.length >> 1;
  return chooseSafe(chooseSafe(chosen, candidates.slice(0, middle), isSafe), candidates.slice(middle), isSafe);
}

function parseOrNot(text: string, file: string): Dockerfile | undefined {
  try {
    return parseDockerfile(text, file);
  } catch (error) {
    if (isNacreError(error)) return undefined;
    throw error;
  }
}
