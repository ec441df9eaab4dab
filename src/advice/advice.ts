/**
 * What can be told about a Dockerfile and its context together. In: a directory as a build would be given it. Out: plain
 * values: listings, explanations, findings. Promises: nothing is built, written or fetched, no store is opened, and of the
 * context's files only those few are read whose names say that they may hold secrets. What does the work is loaded when it
 * is asked for.
 */
import type { ContextListing, ContextListQuery } from "./contextListing.js";
import type { ExplainedPath } from "./contextPath.js";
import type { ContextQuery } from "./contextQuery.js";
import type { Finding } from "./finding.js";

/**
 * Lists what a build can see of a context directory, and what the ignore rules drop, with sums.
 * @throws NacreError CONTEXT_UNREADABLE, IGNORE_PATTERN, CANCELLED; with `used` also DOCKERFILE_MISSING,
 * DOCKERFILE_SYNTAX and PLAN_INVALID
 */
export async function listContext(query: ContextListQuery): Promise<ContextListing> {
  const { listContextDirectory } = await import("./contextListing.js");
  return listContextDirectory(query);
}

/**
 * Names the rule that keeps or drops each path of a context.
 * @param paths as COPY writes them, or absolute paths in the context
 * @throws NacreError CONTEXT_UNREADABLE, IGNORE_PATTERN
 */
export async function explainContextPaths(
  query: ContextQuery,
  paths: readonly string[],
): Promise<readonly ExplainedPath[]> {
  const { explainPaths } = await import("./contextPath.js");
  return explainPaths(query, paths);
}

/**
 * Looks at a Dockerfile and its context directory together: what makes builds slow, images large, or secrets public.
 * Nothing is found for contexts and Dockerfiles that would have to be fetched.
 * @throws NacreError CONTEXT_UNREADABLE, IGNORE_PATTERN, DOCKERFILE_MISSING, DOCKERFILE_SYNTAX, PLAN_INVALID, CANCELLED
 */
export async function adviseContext(query: ContextQuery): Promise<readonly Finding[]> {
  const { adviseDirectory } = await import("./adviseDirectory.js");
  return adviseDirectory(query);
}
