/** Planning for a check: every stage unless a target is named, with stand-ins for bases that are not there. */
import type { Dockerfile } from "../dockerfile/ast.js";
import type { KnownBase, Plan, PlanRequest, WantedBase } from "../plan/graph.js";
import { Notes } from "../plan/notes.js";
import { planBuild } from "../plan/plan.js";
import { defaultStorePath } from "../store/store.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { BaseConfigs } from "./baseConfigs.js";
import { parseNamedContexts } from "./contextSource.js";
import { unknownBase } from "./outline.js";
import { questionOf } from "./planRequest.js";
import { RemoteConfigs } from "./remoteConfigs.js";
import type { BuildRequest } from "./request.js";

/** What planning for a check came to. */
export interface CheckedPlan {
  /** With the warnings, also where there is no plan. */
  readonly notes: Notes;
  readonly plan?: Plan | undefined;
  /** Why there is no plan, or the first base that is not there. */
  readonly error?: NacreError | undefined;
  /** Everything that was asked for. */
  readonly bases: ReadonlyMap<string, KnownBase>;
}

/**
 * Plans what the check looks at.
 * @param allStages also those that the target does not need
 * @throws NacreError for named contexts that cannot be read
 */
export async function planForCheck(
  request: BuildRequest,
  dockerfile: Dockerfile,
  allStages: boolean,
): Promise<CheckedPlan> {
  const contexts = parseNamedContexts(request.buildContexts ?? {});
  const planRequest = checkPlanRequest(request, allStages);
  const others = request.offline ? undefined : new RemoteConfigs(request);
  const configs = await BaseConfigs.open(request.store ?? defaultStorePath(process.env), contexts, others);
  const bases = new Map<string, KnownBase>();
  let missing: NacreError | undefined;
  try {
    for (;;) {
      const notes = new Notes(dockerfile);
      const result = tryPlan(dockerfile, { ...planRequest, bases }, notes);
      if (result.kind === "error") return { notes, error: missing ?? result.error, bases };
      if (result.kind === "plan") return { notes, plan: result.plan, error: missing, bases };
      // Several may have to be asked for: at once.
      const found = await Promise.all(result.bases.map((wanted) => findBase(configs, wanted)));
      for (const [i, wanted] of result.bases.entries()) {
        const known = found[i]!;
        if (known instanceof NacreError) missing ??= known;
        bases.set(wanted.key, known instanceof NacreError ? unknownBase(wanted) : known);
      }
    }
  } finally {
    await configs.close();
  }
}

/** The plan of all stages over bases that are known; undefined if there is none, or it would need other bases. */
export function planAgain(
  request: BuildRequest,
  dockerfile: Dockerfile,
  bases: ReadonlyMap<string, KnownBase>,
): Plan | undefined {
  const result = tryPlan(dockerfile, { ...checkPlanRequest(request, true), bases }, new Notes(dockerfile));
  return result.kind === "plan" ? result.plan : undefined;
}

function checkPlanRequest(request: BuildRequest, allStages: boolean): Omit<PlanRequest, "bases"> {
  return { ...questionOf(request), allStages };
}

function tryPlan(dockerfile: Dockerfile, request: PlanRequest, notes: Notes) {
  try {
    return planBuild(dockerfile, request, notes);
  } catch (error) {
    if (!isNacreError(error)) throw error;
    return { kind: "error", error } as const;
  }
}

async function findBase(configs: BaseConfigs, wanted: WantedBase): Promise<KnownBase | NacreError> {
  try {
    return await configs.find(wanted);
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
}
