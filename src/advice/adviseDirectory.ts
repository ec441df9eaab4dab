/** Runs the checks of nacre's own on a directory as a build would be given it. */
import { parseContext } from "../build/contextSource.js";
import { loadDockerfile } from "../build/dockerfileSource.js";
import { openLocalContext } from "../context/local.js";
import { contextFindings } from "./checks.js";
import { type ContextQuery, readQuery } from "./contextQuery.js";
import type { Finding } from "./finding.js";
import { planAllTargets } from "./planOffline.js";

/**
 * All findings.
 * @throws NacreError CONTEXT_UNREADABLE, IGNORE_PATTERN, DOCKERFILE_MISSING, DOCKERFILE_SYNTAX, PLAN_INVALID, CANCELLED
 */
export async function adviseDirectory(query: ContextQuery): Promise<readonly Finding[]> {
  // Files that would have to be fetched are not looked at.
  if (query.dockerfile?.kind === "url" || parseContext(query.context).kind !== "directory") return [];
  const { root } = readQuery(query);
  const { dockerfile, ignore } = loadDockerfile(query, root);
  const [plan, ...otherPlans] = planAllTargets(dockerfile, query);
  const context = await openLocalContext({ root, ignore, signal: query.signal });
  return contextFindings({ dockerfile, plan: plan!, otherPlans, context, ignore, buildArgs: query.buildArgs });
}
