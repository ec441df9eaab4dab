/** What a build request means to the planner. */
import { localPlatform, parsePlatform } from "../oci/platform.js";
import { contextTargets } from "../plan/contextTargets.js";
import type { PlanRequest } from "../plan/graph.js";
import type { BuildRequest } from "./request.js";

/** The parts of a request that a plan depends on. */
export type Planned = Pick<
  BuildRequest,
  "target" | "buildArgs" | "platform" | "buildContexts" | "network" | "labels" | "noCache" | "noCacheFilter"
>;

/**
 * A plan's request, as far as the request itself tells.
 * @throws NacreError USAGE for a platform that is none; PLAN_INVALID for names of contexts
 */
export function planRequestOf(request: Planned): Omit<PlanRequest, "bases"> {
  const { platform, buildContexts = {} } = request;
  return {
    buildArgs: new Map(Object.entries(request.buildArgs ?? {})),
    target: request.target,
    platform: platform === undefined ? undefined : parsePlatform(platform),
    buildPlatform: localPlatform(),
    labels: new Map(Object.entries(request.labels ?? {})),
    noCache: request.noCache ?? false,
    noCacheStages: request.noCacheFilter ?? [],
    network: request.network,
    contextNames: new Set(Object.keys(buildContexts)),
    contextTargets: contextTargets(buildContexts),
  };
}

/** The same for questions that build nothing, to which labels and the cache do not matter. */
export function questionOf(request: Planned): Omit<PlanRequest, "bases"> {
  return planRequestOf({ ...request, labels: {}, noCache: false, noCacheFilter: [] });
}
