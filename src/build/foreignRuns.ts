/**
 * RUN steps for other machines: before anything is executed it is made sure that this one can execute their programs. Steps
 * that the cache answers need nothing.
 */
import type { ImageLayer } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import { resolvePath } from "../layer/fileTree.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import type { FileState, Plan, RunStep, StepId } from "../plan/graph.js";
import { describeMissing, type Emulation, emulationFor } from "../sandbox/emulation.js";
import type { Store } from "../store/store.js";
import { toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { isForeign } from "./foreignStep.js";

/**
 * Looks at every step that the target needs and the cache does not answer.
 * @param cached whether a step is answered
 * @throws NacreError ISOLATION, with the place of the first RUN that cannot be executed
 */
export async function checkForeignRuns(plan: Plan, cached: (id: StepId) => boolean): Promise<void> {
  const known = new Map<string, Emulation>();
  for (const step of missedRuns(plan, cached).filter(isForeign)) {
    const platform = step.programs!;
    const name = formatPlatform(platform);
    const emulation = known.get(name) ?? (await emulationFor(platform));
    known.set(name, emulation);
    if (emulation.kind === "impossible") throw cannotRun(step, platform, describeMissing(platform, emulation));
  }
}

/**
 * Where the emulator has to be in the step's own root, makes sure that it is there.
 * @throws NacreError ISOLATION
 */
export async function checkEmulatorInRoot(step: RunStep, root: readonly ImageLayer[], store: Store): Promise<void> {
  const platform = step.programs!;
  const emulation = await emulationFor(platform);
  if (emulation.kind !== "needs") return;
  const opened = new OpenLayers(store);
  try {
    const tree = await opened.tree(root);
    const { node } = resolvePath(tree, toByteString(emulation.interpreter), true);
    if (node?.type === "file") return;
  } finally {
    opened.close();
  }
  const message = `programs for ${formatPlatform(platform)} need the emulator ${emulation.interpreter}, which the image does not have`;
  throw cannotRun(step, platform, message);
}

function cannotRun(step: RunStep, platform: Platform, why: string): NacreError {
  const stage = /^\[([^\]]*?)\s*\d+\/\d+\]/.exec(step.label)?.[1]?.trim();
  return new NacreError("ISOLATION", `${stage ? `the stage ${stage}: ` : ""}${why}`, {
    hint: "install qemu-user-static and binfmt-support (the emulator registered with flag F), or build on this machine's own platform: FROM --platform=$BUILDPLATFORM",
    facts: { platform: formatPlatform(platform), stage: step.stage },
    place: step.place,
  });
}

/** Those that the target needs, from the target backwards: what a cached step stands on is not needed. */
function missedRuns(plan: Plan, cached: (id: StepId) => boolean): readonly RunStep[] {
  const seen = new Set<StepId>();
  const pending: (FileState | undefined)[] = [plan.target.result];
  while (pending.length > 0) {
    const state = pending.pop();
    if (state?.kind !== "step" || seen.has(state.id)) continue;
    seen.add(state.id);
    const step = plan.steps[state.id]!;
    pending.push(step.parent); // The layers below are needed all the same.
    if (cached(step.id)) continue;
    if (step.kind === "copy") pending.push(step.from);
    if (step.kind === "run") pending.push(...step.mountSources);
  }
  return plan.steps.filter((step) => step.kind === "run" && seen.has(step.id) && !cached(step.id)) as RunStep[];
}
