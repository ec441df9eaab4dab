/**
 * The history of builds: `builds/ID`, one file for each, never changed. Nothing here is needed to build; old ones are
 * removed when new ones are written (`buildRetention.ts`). Entries that are damaged, foreign or of a newer version are left
 * out of every listing, with a word to whoever opened the store.
 */
import { NacreError } from "../support/errors.js";
import type { BuildEntry, BuildSummary, NamedBuild } from "./buildEntry.js";
import { type BuildProblem, encodeBuild } from "./buildFile.js";
import { BUILD_NAME, buildNames, PROBLEMS, readEntry, readHead, startOf } from "./buildFiles.js";
import { type BuildFilters, isWanted } from "./buildFilters.js";
import { type BuildRemoval, removeOldBuilds, removeThese } from "./buildRetention.js";
import { namesIn } from "./files.js";
import { uniqueSuffix } from "./owner.js";
import type { Store } from "./store.js";

export type { BuildArgument, BuildEntry, BuildInputs, BuildStep, BuildSummary, NamedBuild } from "./buildEntry.js";
export type { BuildFilters } from "./buildFilters.js";
export type { BuildRemoval } from "./buildRetention.js";

/** Which builds to list. */
export interface ListBuildsOptions {
  readonly filters?: BuildFilters | undefined;
  /** Most builds; older ones are not even looked at. */
  readonly limit?: number | undefined;
  /** Told of files that are no readable builds, in words for people. Default: the store's warnings. */
  readonly onSkipped?: ((message: string) => void) | undefined;
}

/**
 * Notes a build, and removes old ones. Arguments that look like secrets are kept without their values, and what is far too
 * long is cut.
 * @returns its name
 * @throws NacreError STORE, DISK_FULL
 */
export function putBuild(store: Store, entry: BuildEntry): string {
  const time = Math.max(0, Math.floor(entry.started)).toString(36).padStart(8, "0");
  const id = `${time}-${uniqueSuffix()}`;
  const directory = store.directory.ensure("builds");
  store.directory.publish(`${directory}/${id}`, encodeBuild(id, entry), { mode: 0o600 });
  removeOldBuilds(store);
  return id;
}

/**
 * The builds that are kept, the newest first, without their steps: of each file only the beginning is read.
 * @throws NacreError STORE if the directory cannot be read
 */
export function listBuilds(store: Store, options: ListBuildsOptions = {}): BuildSummary[] {
  const { filters = {}, limit = Number.POSITIVE_INFINITY } = options;
  const skipped = options.onSkipped ?? store.directory.warn;
  const builds: BuildSummary[] = [];
  for (const name of namesIn(store.directory.at("builds"))) {
    if (!BUILD_NAME.test(name) && !name.startsWith(".")) skipped(skippedMessage(name, "foreign"));
  }
  for (const id of buildNames(store)) {
    if (builds.length >= limit || (filters.since !== undefined && startOf(id) < Math.floor(filters.since))) break;
    const found = readHead(store, id);
    if (typeof found === "string") skipped(skippedMessage(id, found));
    else if (found && isWanted(found, filters)) builds.push(found);
  }
  return builds;
}

/** A build with all that is kept of it, or undefined if there is none of that name or it is of no use. */
export function readBuild(store: Store, id: string): NamedBuild | undefined {
  const found = readEntry(store, id);
  return typeof found === "string" ? undefined : found;
}

/**
 * The build that a user means: by its name, the beginning of one, or `^N`, the N-th before the last (`^0`: the last).
 * @param wanted default: the last
 * @throws NacreError USAGE if there is none, or there are several; STORE if it cannot be read
 */
export function findBuild(store: Store, wanted = "^0"): NamedBuild {
  const id = findBuildId(store, wanted);
  const found = readEntry(store, id);
  if (found === undefined) throw noBuild(wanted);
  if (typeof found !== "string") return found;
  const hint = found === "newer" ? "update nacre" : `remove it: nacre builds rm ${id}`;
  throw new NacreError("STORE", `the build ${id} ${PROBLEMS[found]}`, { hint });
}

/**
 * The name of the build that a user means. It need not be readable.
 * @throws NacreError USAGE if there is none, or there are several
 */
export function findBuildId(store: Store, wanted: string): string {
  const back = /^\^(\d{1,6})$/.exec(wanted);
  if (back) {
    const at = Number(back[1]);
    const build = listBuilds(store, { limit: at + 1, onSkipped: () => {} })[at];
    if (build) return build.id;
    throw noBuild(wanted);
  }
  const names = buildNames(store);
  if (names.includes(wanted)) return wanted;
  const found = wanted === "" ? [] : names.filter((name) => name.startsWith(wanted));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw noBuild(wanted);
  throw new NacreError("USAGE", `${found.length} builds begin with ${JSON.stringify(wanted)}`, {
    hint: "write more of the name; all names: nacre builds ls",
  });
}

function noBuild(wanted: string): NacreError {
  if (wanted === "^0") {
    return new NacreError("USAGE", "no build is remembered in this store", { hint: "build something first" });
  }
  return new NacreError("USAGE", `no build is called ${JSON.stringify(wanted)}`, {
    hint: "the builds that are remembered: nacre builds ls; ^1 is the last but one",
  });
}

function skippedMessage(name: string, problem: BuildProblem): string {
  return `the build ${name} ${PROBLEMS[problem]} and is left out`;
}

/** Which builds are to be removed. */
export type BuildRemovalRequest =
  /** By name, as {@link findBuildId} takes them. */
  | { readonly builds: readonly string[] }
  /** Begun before this time, milliseconds since 1970. */
  | { readonly before: number }
  | { readonly all: true };

/**
 * Removes builds from the history, also such as cannot be read, and the logs that only they name. What they built stays.
 * @throws NacreError USAGE if one of them is not there: then none is removed; STORE
 */
export function removeBuilds(store: Store, request: BuildRemovalRequest): BuildRemoval {
  if ("all" in request) return removeThese(store, () => true);
  if ("before" in request) return removeThese(store, (id) => startOf(id) < request.before);
  const going = new Set(request.builds.map((wanted) => findBuildId(store, wanted)));
  return removeThese(store, (id) => going.has(id));
}
