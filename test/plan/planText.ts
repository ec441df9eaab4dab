/** Planning from a text, for tests. */
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import type { DiffId } from "../../src/oci/digest.js";
import type { ImageConfig } from "../../src/oci/documents.js";
import type { CopyStep, KnownBase, Plan, PlanRequest, PlanResult, RunStep, WantedBase } from "../../src/plan/graph.js";
import { planBuild } from "../../src/plan/plan.js";

/** A request that asks for nothing in particular, on linux/amd64. */
export function request(overrides: Partial<PlanRequest> = {}): PlanRequest {
  return {
    buildArgs: new Map(),
    buildPlatform: { os: "linux", architecture: "amd64" },
    labels: new Map(),
    noCache: false,
    noCacheStages: [],
    contextNames: new Set(),
    bases: new Map(),
    ...overrides,
  };
}

/** An image with one layer. */
export function image(config: ImageConfig["config"] = {}, rest: Partial<ImageConfig> = {}): KnownBase {
  const rootfs = { type: "layers", diff_ids: [`sha256:${"1".repeat(64)}` as DiffId] };
  return { kind: "image", config: { os: "linux", architecture: "amd64", config, rootfs, ...rest } };
}

/** One call of the planner. */
export function plan(text: string, overrides: Partial<PlanRequest> = {}): PlanResult {
  return planBuild(parseDockerfile(text, "Dockerfile"), request(overrides));
}

/** Calls until there is a plan, with `lookup` as the one who finds bases. */
export function planWith(
  text: string,
  lookup: (wanted: WantedBase) => KnownBase,
  overrides: Partial<PlanRequest> = {},
): Plan {
  const bases = new Map<string, KnownBase>();
  for (let round = 0; round < 10; round++) {
    const result = plan(text, { ...overrides, bases });
    if (result.kind === "plan") return result.plan;
    for (const wanted of result.bases) bases.set(wanted.key, lookup(wanted));
  }
  throw new Error("the planner keeps asking");
}

/** A plan; every image that it asks for is of the platform asked for, with one layer and an empty config. */
export function planned(text: string, overrides: Partial<PlanRequest> = {}): Plan {
  return planWith(text, ({ platform }) => image({}, { ...platform, "os.version": platform.osVersion }), overrides);
}

/** The references that are asked for in the first round. */
export function wanted(text: string, overrides: Partial<PlanRequest> = {}): readonly WantedBase[] {
  const result = plan(text, overrides);
  return result.kind === "wanted" ? result.bases : [];
}

export function copies({ steps }: Plan): readonly CopyStep[] {
  return steps.filter((step) => step.kind === "copy");
}

export function runs({ steps }: Plan): readonly RunStep[] {
  return steps.filter((step) => step.kind === "run");
}
