/** The face of the checks: what they need is loaded when one is asked for, since builds do not need it. */
import type { CheckReport } from "./check.js";
import type { FixedDockerfile } from "./checkFix.js";
import type { BuildRequest } from "./request.js";

export type { CheckFinding, CheckReport } from "./check.js";
export type { FixedDockerfile } from "./checkFix.js";

/**
 * Checks the Dockerfile of a request without building anything; outputs, tags, secrets and the like do not matter.
 * @throws NacreError for a Dockerfile that is not there or cannot be read; what is wrong in it is in the report
 */
export async function checkDockerfile(request: BuildRequest): Promise<CheckReport> {
  return (await import("./check.js")).checkSource(request);
}

/**
 * Mends what the checks find in the Dockerfile of a request, as far as that changes nothing of what is built. Nothing is
 * written: see {@link writeDockerfile}.
 * @throws NacreError as {@link checkDockerfile}
 */
export async function fixDockerfile(request: BuildRequest): Promise<FixedDockerfile> {
  return (await import("./checkFix.js")).mendSource(request);
}

/**
 * Puts a text in place of a file, all at once; mode, owner and symlinks stay as they are.
 * @throws NacreError OUTPUT, DISK_FULL
 */
export async function writeDockerfile(path: string, text: string): Promise<void> {
  (await import("./checkFix.js")).replaceFile(path, text);
}
