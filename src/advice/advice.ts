/**
 * What can be told about a Dockerfile together with its context, or with its past builds. In: a directory as a build would
 * be given it. Out: plain values: listings, explanations, findings, suggestions. Promises: nothing is built, written or
 * fetched but for proofs that are asked for, no store is opened but to read the history of builds, and of the context's files only
 * those few are read whose names say that they may hold secrets. What does the work is loaded when it is asked for.
 */
import type { Advice, AdviseRequest } from "./adviseBuilds.js";
import type { ContextListing, ContextListQuery } from "./contextListing.js";
import type { ExplainedPath } from "./contextPath.js";
import type { ContextQuery } from "./contextQuery.js";
import type { Finding } from "./finding.js";
import type { BuildVerification, VerifyBuildRequest } from "./verifyBuild.js";

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

/**
 * Looks at the builds of a project that the store remembers: which steps cost most, because of what, and what would have
 * spared how much of it. With `prove`, changes are built and compared.
 * @throws NacreError as a build that fails before its first step; with `prove` also CANCELLED
 */
export async function adviseProject(request: AdviseRequest): Promise<Advice> {
  const { adviseProject: advise } = await import("./adviseBuilds.js");
  return advise(request);
}

/**
 * Builds without the cache, more than once, and tells whether the images are the same; where they are not, why.
 * @throws NacreError as `build`; as `openImage` for an image that it is compared with
 */
export async function verifyBuild(request: VerifyBuildRequest): Promise<BuildVerification> {
  const { verifyBuilds } = await import("./verifyBuild.js");
  return verifyBuilds(request);
}
