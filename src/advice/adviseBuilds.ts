/**
 * What past builds of a project say about its Dockerfile. In: a build request. Out: which steps missed most and cost most,
 * and because of what; and what would have spared how much of that. Promises: nothing is built unless a proof is asked for;
 * only what keeps the image as it is is called safe; every estimate is a replay of the builds that are known.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { planForCheck } from "../build/checkPlan.js";
import { parseContext } from "../build/contextSource.js";
import type { LoadedDockerfile } from "../build/dockerfileSource.js";
import { loadDockerfile } from "../build/dockerfileSource.js";
import { readDockerfile } from "../build/inputs.js";
import { instructionOf, projectOf } from "../build/project.js";
import type { BuildRequest } from "../build/request.js";
import { openLocalContext } from "../context/local.js";
import { formatPlatform, parsePlatform } from "../oci/platform.js";
import type { Plan, Step } from "../plan/graph.js";
import { listBuilds, type NamedBuild, readBuild } from "../store/builds.js";
import { defaultStorePath, Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import type { Known } from "./candidate.js";
import { layOver } from "./pastBuilds.js";
import { Replay, timeOf } from "./replay.js";
import { type Suggestion, suggest, type Withheld } from "./suggest.js";
import { type StepTally, type Tallies, type Totals, tally } from "./tallies.js";
import { presentReplay } from "./variant.js";

/** A question about a project's builds. */
export interface AdviseRequest extends BuildRequest {
  /** Newest builds that are looked at. Default: all that are kept. */
  readonly last?: number | undefined;
  /** Build with and without each change, and compare the images. */
  readonly prove?: boolean | undefined;
  /** Also suggest what may change the image. */
  readonly all?: boolean | undefined;
  /** Milliseconds, over all builds, that a suggestion has to save. Default: 100. */
  readonly leastSaving?: number | undefined;
}

/** A step of the present Dockerfile with what it has cost. */
export interface AdvisedStep extends StepTally {
  readonly id: number;
  readonly stage: string;
  /** Of the Dockerfile, from 1. */
  readonly line: number;
  readonly instruction: string;
  readonly kind: Step["kind"];
}

/** What past builds say. Times are milliseconds. */
export interface Advice {
  readonly dockerfile: string;
  /** Identity of the project. */
  readonly project: string;
  readonly builds: {
    readonly seen: number;
    /** Builds of which too little is known: older entries, damaged ones. */
    readonly unusable: number;
    /** When the oldest and the newest of them began, since 1970. */
    readonly from?: number | undefined;
    readonly to?: number | undefined;
  };
  readonly totals: Totals & {
    /** What the present Dockerfile would have cost over those builds. */
    readonly replayed: number;
    /** What the suggestions would have saved of that, all together. */
    readonly avoidable: number;
  };
  /** In the order of the plan. */
  readonly steps: readonly AdvisedStep[];
  /** The best first. */
  readonly suggestions: readonly Suggestion[];
  /** What was left out because it may change the image, or does. */
  readonly withheld: Withheld;
}

/**
 * Advises on the Dockerfile of a request, by its builds that the store remembers.
 * @throws NacreError as a build that fails before its first step; with `prove` also CANCELLED, and USAGE for arguments that
 * have to be given again
 */
export async function adviseProject(asked: AdviseRequest): Promise<Advice> {
  const loaded = await load(asked);
  const { dockerfile } = loaded;
  const project = projectOf(asked, loaded).id;
  const { entries, unreadable } = await pastEntries(asked, project);
  if (asked.prove) assertArguments(asked, entries);
  const request = { ...asked, buildArgs: { ...argumentsOf(entries), ...asked.buildArgs } };
  const allStages = request.target === undefined;
  const { plan, bases, error } = await planForCheck({ ...request, offline: true }, dockerfile, allStages);
  if (!plan) throw error ?? new NacreError("INTERNAL", `${dockerfile.file} has no plan`);
  const builds = layOver(entries, alignable(plan));
  const before = new Replay(builds).run(presentReplay(plan));
  const known: Known = {
    ...{ dockerfile, builds, before, ignore: loaded.ignore, targets: targetsOf(asked, entries) },
    present: { request, file: dockerfile.file, plan, bases, allStages },
    context: builds.length === 0 ? undefined : await openContext(request, loaded),
  };
  const tallies = tally(builds, plan.steps.length);
  const { suggestions, withheld, avoidable } = await suggest(known, request);
  const started = builds.map((build) => build.started);
  return {
    dockerfile: dockerfile.file,
    project,
    builds: {
      seen: builds.length,
      unusable: unreadable + entries.length - builds.length,
      ...(started.length === 0 ? {} : { from: Math.min(...started), to: Math.max(...started) }),
    },
    totals: { ...tallies.totals, replayed: timeOf(before), avoidable },
    steps: stepsOf(plan, tallies),
    suggestions,
    withheld,
  };
}

function load(request: BuildRequest): LoadedDockerfile | Promise<LoadedDockerfile> {
  const { context } = request;
  const source = typeof context === "string" ? parseContext(context) : undefined;
  if (source?.kind === "directory" && request.dockerfile?.kind !== "url") return loadDockerfile(request, source.path);
  return readDockerfile(request);
}

async function openContext(request: BuildRequest, { ignore }: LoadedDockerfile): Promise<Known["context"]> {
  const { context, signal } = request;
  const source = typeof context === "string" ? parseContext(context) : undefined;
  if (source?.kind !== "directory") return undefined;
  const opened = await openLocalContext({ root: source.path, ignore, signal });
  await opened.scan();
  return opened;
}

/** The builds of the project that the history has, the oldest first. */
async function pastEntries(
  request: AdviseRequest,
  project: string,
): Promise<{ readonly entries: readonly NamedBuild[]; readonly unreadable: number }> {
  const path = request.store ?? defaultStorePath(process.env);
  if (!existsSync(join(path, "version"))) return { entries: [], unreadable: 0 };
  const { target, platform, last } = request;
  const filters = {
    projects: [project],
    ...(target === undefined ? {} : { targets: [target] }),
    ...(platform === undefined ? {} : { platforms: [formatPlatform(parsePlatform(platform))] }),
  };
  const store = await Store.open(path, { readOnly: true });
  try {
    const found = listBuilds(store, { filters, limit: last, onSkipped: () => {} });
    const entries = found.flatMap(({ id }) => readBuild(store, id) ?? []);
    return { entries: entries.reverse(), unreadable: found.length - entries.length };
  } finally {
    await store.close();
  }
}

/** The arguments of the builds, the last value of each, so that they need not be given again; hidden values stay hidden. */
function argumentsOf(entries: readonly NamedBuild[]): Record<string, string> {
  const pairs = entries.flatMap(({ args = [] }) => args.map(({ name, value = "****" }) => [name, value] as const));
  return Object.fromEntries(pairs);
}

/** @throws NacreError USAGE if an argument of the last build is needed again, and its value was not kept */
function assertArguments({ buildArgs = {} }: AdviseRequest, entries: readonly NamedBuild[]): void {
  const hidden = entries.at(-1)?.args?.find(({ name, hidden }) => hidden && buildArgs[name] === undefined);
  if (hidden === undefined) return;
  throw new NacreError("USAGE", `the builds had an argument ${hidden.name}, whose value was not kept`, {
    hint: `a proof has to build again: give --build-arg ${hidden.name}=…`,
  });
}

function targetsOf({ target }: AdviseRequest, entries: readonly NamedBuild[]): readonly (string | undefined)[] {
  return target !== undefined || entries.length === 0 ? [target] : [...new Set(entries.map((build) => build.target))];
}

function alignable(plan: Plan): Parameters<typeof layOver>[1] {
  return plan.steps.map((step) => ({
    stage: stageOf(plan, step),
    instruction: instructionOf(step),
    kind: step.kind,
    key: "",
  }));
}

function stageOf({ stages }: Plan, { stage }: Step): string {
  return stages.find(({ index }) => index === stage)?.name ?? `stage-${stage}`;
}

function stepsOf(plan: Plan, tallies: Tallies): readonly AdvisedStep[] {
  return plan.steps.map((step) => ({
    id: step.id,
    stage: stageOf(plan, step),
    line: step.place.range.start.line,
    instruction: instructionOf(step),
    kind: step.kind,
    ...tallies.steps[step.id]!,
  }));
}
