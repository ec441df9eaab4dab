import type { KnownBase, PlanRequest, WantedBase } from "../plan/graph.js";
import type { StageOutline, Target } from "../plan/outline.js";
import { defaultStorePath } from "../store/store.js";
import { isNacreError } from "../support/errors.js";
import { parseNamedContexts } from "./contextSource.js";
import { readDockerfile } from "./inputs.js";
import { questionOf } from "./planRequest.js";
import type { BuildRequest } from "./request.js";

/** What a build of one target looks at. */
export interface Outline extends StageOutline {
  /**
   * Bases that could not be looked at, as written: ARGs, secrets and agents of their triggers are not in the outline,
   * and values that use their variables lack these.
   */
  readonly missingBases: readonly string[];
  /** The text of the Dockerfile. */
  readonly source: string;
}

/** The stages of a Dockerfile. */
export interface Targets {
  readonly targets: readonly Target[];
  /** The text of the Dockerfile. */
  readonly source: string;
}

/**
 * Lists the stages that can be built.
 * @throws NacreError DOCKERFILE_MISSING, DOCKERFILE_SYNTAX, CONTEXT_UNREADABLE
 */
export async function listTargets(request: BuildRequest): Promise<Targets> {
  const [{ dockerfile }, { targetsOf }] = await Promise.all([readDockerfile(request), import("../plan/outline.js")]);
  return { targets: targetsOf(dockerfile), source: dockerfile.text };
}

/**
 * Outlines the target of a request, or its last stage.
 * @throws NacreError DOCKERFILE_MISSING, DOCKERFILE_SYNTAX, PLAN_INVALID, CONTEXT_UNREADABLE, STORE
 */
export async function outlineDockerfile(request: BuildRequest): Promise<Outline> {
  const [{ dockerfile }, { outlineTarget }, { BaseConfigs }] = await Promise.all([
    readDockerfile(request),
    import("../plan/outline.js"),
    import("./baseConfigs.js"),
  ]);
  const contexts = parseNamedContexts(request.buildContexts ?? {});
  const configs = await BaseConfigs.open(request.store ?? defaultStorePath(process.env), contexts);
  const known = new Map<string, KnownBase>();
  const missing = new Set<string>();
  try {
    for (;;) {
      const result = outlineTarget(dockerfile, planRequest(request, known));
      if (result.kind === "outline") {
        return { ...result.outline, missingBases: [...missing], source: dockerfile.text };
      }
      for (const wanted of result.bases) {
        const found = await configs.find(wanted).catch(ignoreAbsence);
        if (!found) missing.add(wanted.reference);
        known.set(wanted.key, found ?? unknownBase(wanted));
      }
    }
  } finally {
    await configs.close();
  }
}

function planRequest(request: BuildRequest, bases: ReadonlyMap<string, KnownBase>): PlanRequest {
  return { ...questionOf(request), bases };
}

/** A base that is not there, or not for this platform, is no failure of an outline. */
function ignoreAbsence(error: unknown): undefined {
  if (isNacreError(error) && (error.code === "BASE_NOT_FOUND" || error.code === "IMAGE_NOT_FOUND")) return undefined;
  throw error;
}

/** What stands for an image that nobody has seen: no variables, no triggers, the platform that was asked for. */
export function unknownBase({ platform }: Pick<WantedBase, "platform">): KnownBase {
  const { os, architecture, variant } = platform;
  const own = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  return { kind: "image", config: { ...own, config: {}, rootfs: { type: "layers", diff_ids: [] } }, standIn: true };
}
