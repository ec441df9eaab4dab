/** Planning in rounds: the planner names the bases that it has to see, and is asked again with their configs. */
import type { Plan } from "../plan/graph.js";
import { planBuild } from "../plan/plan.js";
import type { Bases } from "./bases.js";
import type { Inputs } from "./inputs.js";
import { planRequestOf } from "./planRequest.js";
import type { Session } from "./session.js";

/** The plan of a build. @throws NacreError DOCKERFILE_SYNTAX, PLAN_INVALID, BASE_NOT_FOUND, …; CANCELLED */
export async function planWith(session: Session, inputs: Inputs, bases: Bases): Promise<Plan> {
  const { main } = inputs;
  const { request } = session;
  const planRequest = { ...planRequestOf(request), contextTime: main.time, contextTimes: await inputs.times() };
  for (;;) {
    session.checkCancelled();
    const result = planBuild(main.loaded.dockerfile, { ...planRequest, bases: bases.known });
    if (result.kind === "plan") return result.plan;
    for (const wanted of result.bases) await bases.resolve(wanted);
  }
}
