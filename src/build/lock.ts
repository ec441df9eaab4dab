/** The face of the lock file: what speaks with registries is loaded when it is asked for. */
import type { BuildRequest } from "./request.js";
import type { UpdatedLock } from "./updateLock.js";

export type { LockChange, UpdatedLock } from "./updateLock.js";

/**
 * Looks all base images of a Dockerfile up and writes the lock file. Names that other Dockerfiles have put there stay.
 * @throws NacreError PLAN_INVALID, DOCKERFILE_SYNTAX, IMAGE_NOT_FOUND, NETWORK, DENIED, CONTENT_INVALID, OUTPUT, …
 */
export async function updateLock(request: BuildRequest): Promise<UpdatedLock> {
  return (await import("./updateLock.js")).writeUpdatedLock(request);
}
