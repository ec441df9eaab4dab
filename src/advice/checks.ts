/**
 * The checks of nacre's own, which look at a Dockerfile together with its context. In: the parsed file, the plan of the
 * target and those of other stages, the context as a build sees it. Out: findings in the order of the file. Promises: no
 * file is read but a few whose names speak of credentials; nothing is said twice.
 */

import { Lint } from "../build/lint.js";
import type { IgnoreRules } from "../context/ignore.js";
import type { LocalContext } from "../context/local.js";
import type { Dockerfile } from "../dockerfile/ast.js";
import type { Plan } from "../plan/graph.js";
import type { SourcePlace } from "../support/source.js";
import { cacheOrderFindings } from "./cacheOrder.js";
import { copyBeforeDependencies } from "./copyBeforeDependencies.js";
import type { Finding } from "./finding.js";
import { secretFileFindings } from "./secretFiles.js";
import { secretsInDockerfile } from "./secretsInDockerfile.js";
import { unreadFindings } from "./unreadContext.js";
import { UsedFiles, usedParts } from "./usedFiles.js";

/** What the checks look at. */
export interface AdviceInput {
  readonly dockerfile: Dockerfile;
  /** The plan of the target. */
  readonly plan: Plan;
  /** Plans of stages that the target does not need: what they read is not unread. */
  readonly otherPlans?: readonly Plan[] | undefined;
  /** The main context, filtered by its rules. */
  readonly context: LocalContext;
  /** The rules; undefined if there is no ignore file. */
  readonly ignore: IgnoreRules | undefined;
  /** Build arguments that were given. */
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
}

/**
 * Runs all checks, but those that check options switch off (`# check=skip=RULE` for the file or one instruction).
 * @throws NacreError CONTEXT_UNREADABLE, CANCELLED
 */
export async function contextFindings(input: AdviceInput): Promise<readonly Finding[]> {
  const { dockerfile, plan, otherPlans = [], context, ignore, buildArgs = {} } = input;
  const plans = [plan, ...otherPlans];
  await context.scan();
  const parts = plans.flatMap((one) => usedParts(one, context));
  const place = parts[0]?.step.place ?? firstPlace(dockerfile);
  const all = [
    ...secretsInDockerfile(dockerfile, buildArgs),
    ...cacheOrderFindings(dockerfile),
    ...plans.flatMap((one) => copyBeforeDependencies(one, context)),
    ...secretFileFindings(plan, context),
    ...unreadFindings({ context, used: new UsedFiles(parts), ignore, place }),
  ];
  return distinct(told(all, dockerfile, buildArgs)).sort((a, b) => startOf(a) - startOf(b));
}

function firstPlace({ file, text, stages }: Dockerfile): SourcePlace {
  return { file, text, range: stages[0]!.from.range };
}

function startOf({ place }: Finding): number {
  return place.range.start.line;
}

/** Stages that several targets share are planned for each of them. */
function distinct(findings: readonly Finding[]): Finding[] {
  const keys = findings.map(({ rule, place, detail }) => `${rule} ${place.range.start.line} ${detail}`);
  return findings.filter((_, i) => keys.indexOf(keys[i]!) === i);
}

/** What the check options of the file, or of an instruction, let through; they are those of BuildKit's checks. */
function told(
  findings: readonly Finding[],
  dockerfile: Dockerfile,
  buildArgs: Readonly<Record<string, string>>,
): readonly Finding[] {
  let lint: Lint;
  try {
    lint = Lint.of(dockerfile, buildArgs);
  } catch {
    // What is wrong with the options is told by the check that owns them.
    return findings;
  }
  return findings.filter(
    ({ rule, detail, place }) => lint.told([{ rule, message: detail, range: place.range }]).length > 0,
  );
}
