/** Planning for advice: nothing is asked of any store or network, and bases count as images without configuration. */
import { unknownBase } from "../build/outline.js";
import { planRequestOf } from "../build/planRequest.js";
import type { BuildRequest } from "../build/request.js";
import type { Dockerfile } from "../dockerfile/ast.js";
import type { KnownBase, Plan, PlanRequest } from "../plan/graph.js";
import { planBuild } from "../plan/plan.js";

/** What a plan depends on beside the Dockerfile. */
export type PlanOptions = Pick<BuildRequest, "target" | "buildArgs" | "platform" | "buildContexts" | "network">;

/**
 * Plans the target of a request.
 * @throws NacreError PLAN_INVALID, DOCKERFILE_SYNTAX
 */
export function planOffline(dockerfile: Dockerfile, options: PlanOptions): Plan {
  const bases = new Map<string, KnownBase>();
  const request: PlanRequest = { ...planRequestOf(options), bases };
  for (;;) {
    const result = planBuild(dockerfile, request);
    if (result.kind === "plan") return result.plan;
    for (const wanted of result.bases) {
      const { context } = wanted;
      const isFiles = context !== undefined && isDirectoryContext(options.buildContexts?.[context]);
      bases.set(wanted.key, isFiles ? { kind: "files", context } : unknownBase(wanted));
    }
  }
}

function isDirectoryContext(value: string | undefined): boolean {
  return value !== undefined && !/^(?:docker-image|oci-layout|target):/.test(value);
}

/**
 * The plan of the request's target, then one for each stage that none of the plans before needs: together they have every
 * step that this Dockerfile can make. Stages that cannot be planned (an argument without a value, say) are left out.
 * @throws NacreError PLAN_INVALID, DOCKERFILE_SYNTAX for the target itself
 */
export function planAllTargets(dockerfile: Dockerfile, options: PlanOptions): readonly Plan[] {
  const plans = [planOffline(dockerfile, options)];
  const planned = new Set(plans[0]!.stages.map(({ index }) => index));
  for (const { index, name } of [...dockerfile.stages].reverse()) {
    if (planned.has(index) || name === undefined) continue;
    const plan = tryPlan(dockerfile, { ...options, target: name });
    if (plan === undefined) continue;
    plans.push(plan);
    for (const stage of plan.stages) planned.add(stage.index);
  }
  return plans;
}

function tryPlan(dockerfile: Dockerfile, options: PlanOptions): Plan | undefined {
  try {
    return planOffline(dockerfile, options);
  } catch {
    return undefined;
  }
}
