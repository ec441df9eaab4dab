/**
 * What a build would do. In: a build request. Out: for each step whether the cache would answer, and why it would not, with
 * what that costs. Promises: nothing is executed or downloaded, and nothing is written but the stat cache; where the
 * context itself is elsewhere, it is fetched, because the Dockerfile is in it.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPlatform, parsePlatform } from "../oci/platform.js";
import type { Plan } from "../plan/graph.js";
import { defaultStorePath, Store } from "../store/store.js";
import { imageInLayout } from "./baseConfigs.js";
import { BaseLocks } from "./baseLocks.js";
import { Bases } from "./bases.js";
import { checkRunOptions } from "./checkRunOptions.js";
import { Contexts } from "./contexts.js";
import { type EarlyInputs, Inputs, readInputs, shownContext } from "./inputs.js";
import { asWarnings, ignoredSources, Lint, placedWarnings } from "./lint.js";
import { lockPathOf } from "./lockFile.js";
import { planWith } from "./planRounds.js";
import { previewSteps } from "./previewSteps.js";
import type { BuildPreview, PreviewedStep, PreviewTotals } from "./previewTypes.js";
import { projectOf } from "./project.js";
import type { BuildRequest } from "./request.js";
import type { Runs } from "./runs.js";
import { Session } from "./session.js";
import { checkSupported } from "./supported.js";

/**
 * Previews a build; tags and outputs do not matter.
 * @throws NacreError for everything that a build would fail with before its first step
 */
export async function previewBuild(request: BuildRequest): Promise<BuildPreview> {
  const platform = request.platform === undefined ? undefined : parsePlatform(request.platform);
  checkRunOptions(request);
  const early = readInputs(request);
  const { store, close } = await openStore(request, early);
  const session = new Session(request, store, { platform, clock: Date.now });
  let inputs: Inputs | undefined;
  try {
    inputs = await Inputs.open(session, early);
    return await previewIn(session, inputs, shownContext(early));
  } finally {
    await inputs?.close();
    session.lease.release();
    await close();
  }
}

/** The store, for reading where that is enough; an empty one that is thrown away where there is none. */
async function openStore(
  request: BuildRequest,
  { local }: EarlyInputs,
): Promise<{ readonly store: Store; readonly close: () => Promise<void> }> {
  const path = request.store ?? defaultStorePath(process.env);
  if (local === undefined) {
    const store = await Store.open(path);
    return { store, close: () => store.close() };
  }
  if (existsSync(join(path, "version"))) {
    const store = await Store.open(path, { readOnly: true });
    return { store, close: () => store.close() };
  }
  const directory = mkdtempSync(join(tmpdir(), "nacre-plan-"));
  const store = await Store.open(join(directory, "store"));
  const close = async (): Promise<void> => {
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { store, close };
}

async function previewIn(session: Session, inputs: Inputs, context: string): Promise<BuildPreview> {
  const { request } = session;
  const { loaded } = inputs.main;
  const bases = basesToLookAt(session, inputs);
  try {
    const plan = await planWith(session, inputs, bases);
    warn(session, inputs, plan);
    checkSupported(plan, { allow: new Set(request.allow), network: request.network });
    const steps = await withRuns(session, plan, (runs) => keyAndPreview(session, inputs, { plan, bases, runs }));
    const totals = totalsOf(steps);
    return {
      dockerfile: loaded.dockerfile.file,
      context,
      target: request.target,
      platform: formatPlatform(plan.target.platform),
      steps,
      totals,
      allHit: totals.hits + totals.unneeded === totals.steps,
      warnings: session.warnings.map(({ rule, message }) => ({ rule, message })),
    };
  } finally {
    await bases.close();
  }
}

/** Base images that the store has not are looked at where they are. */
function basesToLookAt(session: Session, { named }: Inputs): Bases {
  const locks = new BaseLocks(session.request.lock === "hold" ? "hold" : "none", lockPathOf(session.request));
  return new Bases(session, named, locks, {
    inRegistry: async (registries, reference, platform) =>
      (await import("./registryBases.js")).remoteImage(registries, reference, platform),
    inLayout: imageInLayout,
  });
}

/** The warnings that a build would give before its first step. @throws NacreError CHECK_FAILED */
function warn(session: Session, { main: { loaded } }: Inputs, plan: Plan): void {
  const lint = Lint.of(loaded.dockerfile, session.request.buildArgs);
  const found = [
    ...lint.text(loaded.dockerfile),
    ...lint.told([...placedWarnings(plan.warnings), ...ignoredSources(plan, loaded.ignore)]),
  ];
  for (const warning of asWarnings(found, loaded.dockerfile)) session.warn(warning);
  const violation = lint.failure(found);
  if (violation) throw violation;
}

async function withRuns<T>(session: Session, plan: Plan, work: (runs: Runs | undefined) => Promise<T>): Promise<T> {
  if (!plan.steps.some((step) => step.kind === "run")) return work(undefined);
  const { Runs } = await import("./runs.js");
  const runs = new Runs(session, plan);
  try {
    return await work(runs);
  } finally {
    await runs.close();
  }
}

/** What steps are previewed with. */
interface Previewed {
  readonly plan: Plan;
  readonly bases: Bases;
  readonly runs: Runs | undefined;
}

async function keyAndPreview(session: Session, inputs: Inputs, previewed: Previewed): Promise<PreviewedStep[]> {
  const contexts = new Contexts(session, inputs.main.files, inputs.named, () => inputs.fetches());
  try {
    const { loaded } = inputs.main;
    const steps = await previewSteps({
      ...{ session, contexts, ...previewed },
      project: projectOf(session.request, loaded),
      dockerfile: loaded.dockerfile,
      fetches: () => inputs.fetches(),
    });
    await saveStat(contexts);
    return steps;
  } finally {
    await contexts.close();
  }
}

/** A store that cannot be written makes the next look slower, nothing else. */
async function saveStat(contexts: Contexts): Promise<void> {
  try {
    await contexts.save();
  } catch {}
}

function totalsOf(steps: readonly PreviewedStep[]): PreviewTotals {
  const of = (...kinds: readonly PreviewedStep["outcome"]["kind"][]): PreviewedStep[] =>
    steps.filter(({ outcome }) => kinds.includes(outcome.kind));
  const time = (some: readonly PreviewedStep[]): number => some.reduce((sum, { duration = 0 }) => sum + duration, 0);
  const maybe = of("undecided", "unknown");
  return {
    steps: steps.length,
    hits: of("hit").length,
    misses: of("miss").length,
    undecided: of("undecided").length,
    unknown: of("unknown").length,
    unneeded: of("unneeded").length,
    cost: time(of("miss")),
    possibleCost: time(maybe),
    untimed: [...of("miss"), ...maybe].filter(({ duration }) => duration === undefined).length,
    saved: time(of("hit")),
  };
}
