/** What a plan asks for and does not get: told before any work is done. */
import { formatPlatform } from "../oci/platform.js";
import type { Plan, RunStep, Step } from "../plan/graph.js";
import { NacreError } from "../support/errors.js";

/** What a build may be allowed beyond the usual (BuildKit's entitlements). */
export type Entitlement = "network.host" | "security.insecure";

/** What a build may do. */
export interface Permissions {
  readonly allow: ReadonlySet<Entitlement>;
  /** `--network` of the build. */
  readonly network: string | undefined;
}

/** @throws NacreError UNSUPPORTED, NOT_ALLOWED with the place of the first such step */
export function checkSupported(plan: Plan, permissions: Permissions): void {
  for (const step of plan.steps) {
    checkSystem(plan, step);
    if (step.kind === "run") checkRun(step, permissions);
  }
}

/** Layers for Windows have another form (`Files/`, `Hives/`), which Docker on Linux does not make either. */
function checkSystem({ stages }: Plan, step: Step): void {
  const platform = stages.find(({ index }) => index === step.stage)?.platform;
  if (platform?.os !== "windows") return;
  const message = `operating system is not supported: a layer for ${formatPlatform(platform)}`;
  throw unsupported(step, message, "only instructions that make no layer can be built for Windows, such as ENV or CMD");
}

/** The network that nacre itself has is the default; only a build that was given less has something to forbid. */
function checkRun(step: RunStep, { allow, network }: Permissions): void {
  if (step.devices.length > 0) {
    throw unsupported(step, "RUN --device is not supported", "bind what the step needs with --mount");
  }
  if (step.network === "host" && network === "none" && !allow.has("network.host")) {
    throw notAllowed(step, "network.host", "the build has --network none");
  }
  if (step.security === "insecure" && !allow.has("security.insecure")) {
    throw notAllowed(step, "security.insecure", "the step asks for all privileges of the user who builds");
  }
}

function notAllowed(step: Step, entitlement: Entitlement, why: string): NacreError {
  return new NacreError("NOT_ALLOWED", `${entitlement} is not allowed: ${why}`, {
    hint: `if you trust this Dockerfile, add --allow ${entitlement}`,
    place: step.place,
  });
}

function unsupported(step: Step, message: string, hint: string): NacreError {
  return new NacreError("UNSUPPORTED", message, { hint, place: step.place });
}
