/** What a plan asks for and this version does not do: told before any work is done. */
import type { CopyStep, Plan, Step } from "../plan/graph.js";
import { isGit, isUrl } from "../plan/remoteSources.js";
import { NacreError } from "../support/errors.js";

/** @throws NacreError UNSUPPORTED, with the place of the first such step */
export function checkSupported(plan: Plan): void {
  for (const step of plan.steps) {
    if (step.kind === "run") {
      throw unsupported(
        step,
        "RUN is not supported by this version of nacre",
        "run the command where you can and use its result as a base image or a named context",
      );
    }
    if (step.kind === "copy") checkCopy(step);
  }
}

function checkCopy(step: CopyStep): void {
  if (step.keyword !== "ADD") return;
  const remote = step.sources.find((source) => isUrl(source) || isGit(source));
  if (remote !== undefined) {
    throw unsupported(
      step,
      `ADD ${remote}: remote sources are not supported by this version of nacre`,
      "download it first and add the file",
    );
  }
  if (step.checksum !== undefined) {
    throw unsupported(
      step,
      "--checksum is for remote sources, which this version of nacre does not support",
      "leave the flag out",
    );
  }
}

function unsupported(step: Step, message: string, hint: string): NacreError {
  return new NacreError("UNSUPPORTED", message, { hint, place: step.place });
}
