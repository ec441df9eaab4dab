/** Build arguments that steer the builder (`BUILDKIT_…`): what they ask for here, and what is said about those that do nothing. */
import { NacreError } from "../support/errors.js";
import type { PlanWarning } from "./graph.js";

/** What Go takes for booleans. */
const TRUE = /^(?:1|t|T|true|True|TRUE)$/;
const FALSE = /^(?:0|f|F|false|False|FALSE)$/;

/** True if BUILDKIT_MULTI_PLATFORM asks for an image index although there is one platform. @throws NacreError PLAN_INVALID */
export function isMultiPlatform(buildArgs: ReadonlyMap<string, string>): boolean {
  const value = buildArgs.get("BUILDKIT_MULTI_PLATFORM");
  if (value === undefined || value === "" || FALSE.test(value)) return false;
  if (TRUE.test(value)) return true;
  throw new NacreError("PLAN_INVALID", `invalid boolean value for BUILDKIT_MULTI_PLATFORM: ${value}`, {
    hint: "write --build-arg BUILDKIT_MULTI_PLATFORM=1, or leave it out",
  });
}

/** Remarks on arguments that ask for something that nacre does not make, where the image is right without it. */
export function builderNotes(buildArgs: ReadonlyMap<string, string>): readonly PlanWarning[] {
  const notes: PlanWarning[] = [];
  if (TRUE.test(buildArgs.get("BUILDKIT_INLINE_CACHE") ?? "")) {
    const message = "BUILDKIT_INLINE_CACHE: no inline cache is written; the cache is the store's own";
    notes.push({ rule: "InlineCacheIgnored", message });
  }
  for (const name of ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]) {
    const value = buildArgs.get(name);
    if (!value || FALSE.test(value)) continue;
    notes.push({ rule: "SbomScanIgnored", message: `${name}: nothing is scanned, since no SBOM is made` });
  }
  return notes;
}
