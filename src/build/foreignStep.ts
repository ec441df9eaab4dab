/** Telling RUN steps for other machines, without loading what such a step needs. */
import { localPlatform } from "../oci/platform.js";
import type { RunStep } from "../plan/graph.js";

/** True if the step's programs are for another kind of machine than this one, as far as its base tells. */
export function isForeign({ programs }: Pick<RunStep, "programs">): boolean {
  if (programs === undefined) return false;
  const local = localPlatform();
  return programs.os !== local.os || programs.architecture !== local.architecture;
}
