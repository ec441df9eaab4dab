/**
 * Which builds are kept, and removing them with the logs that no other one names.
 *
 * The newest hundred are kept, whatever they built. So that a project that is built often does not drive out what is known
 * of all others, the last ten builds of each project are kept too, among the newest five hundred. And the history never
 * takes more than 256 MiB: beyond that the oldest go, but for the newest ten.
 */
import { ioError } from "../support/errors.js";
import { buildNames, logsOf, readHead } from "./buildFiles.js";
import { readIfThere, statIfThere, unlinkIfThere } from "./files.js";
import { removeLogs } from "./logs.js";
import type { Store } from "./store.js";

/** Newest builds that are kept whatever they built. */
const KEPT = 100;
/** Newest builds of each project that are kept, among {@link KEPT_AT_MOST}. */
const KEPT_OF_PROJECT = 10;
const KEPT_AT_MOST = 500;
/** Bytes that all files together may take, and builds that are kept even so. */
const MAX_TOTAL_BYTES = 256 << 20;
const KEPT_AT_LEAST = 10;
/** Builds that gather before it is looked again at which of them go. */
const ROUND = 10;
/** Milliseconds for which a log is kept that no build names: its build may still be going on. */
const UNNAMED_GRACE = 7 * 24 * 3_600_000;
/** Notes the newest build of the last round. */
const MARKER = ".kept";

/** What went. */
export interface BuildRemoval {
  /** Names of builds, the newest first. */
  readonly builds: readonly string[];
  /** Number of step logs. */
  readonly logs: number;
  /** Bytes of builds and logs. */
  readonly freed: number;
}

/** Removes builds and the logs that only they name. @throws NacreError STORE */
export function removeThese(store: Store, goes: (id: string) => boolean): BuildRemoval {
  store.directory.assertWritable();
  const names = buildNames(store);
  const builds = names.filter(goes);
  const going = new Set(builds);
  const theirs = new Set(builds.flatMap((id) => logsOf(store, id)));
  for (const id of names) if (!going.has(id)) for (const log of logsOf(store, id)) theirs.delete(log);
  const freed = builds.reduce((sum, id) => sum + removeFile(store, id), 0);
  const logs = theirs.size === 0 ? { count: 0, bytes: 0 } : removeLogs(store, (name) => theirs.has(name));
  return { builds, logs: logs.count, freed: freed + logs.bytes };
}

/**
 * To be called when a build has been noted: removes those that are not kept any more, and old logs that none of the others
 * names. Looks at names only until some builds have gathered.
 * @throws NacreError STORE
 */
export function removeOldBuilds(store: Store): void {
  const names = buildNames(store);
  if (names.length <= KEPT + ROUND) return;
  const marker = store.directory.at("builds", MARKER);
  const last = readIfThere(marker, 100)?.toString("latin1") ?? "";
  const since = names.indexOf(last);
  if (since >= 0 && since < ROUND) return;
  const kept = keptNames(store, names);
  for (const id of names) if (!kept.has(id)) removeFile(store, id);
  const named = new Set([...kept].flatMap((id) => logsOf(store, id)));
  removeLogs(store, (name, age) => !named.has(name) && age >= UNNAMED_GRACE);
  store.directory.publish(marker, [Buffer.from(names[0]!)], { mode: 0o600 });
}

/** Those of the builds that are kept. @param names the newest first */
function keptNames(store: Store, names: readonly string[]): Set<string> {
  const kept = new Set<string>();
  const ofProject = new Map<string, number>();
  let total = 0;
  for (const [at, id] of names.slice(0, KEPT_AT_MOST).entries()) {
    const head = readHead(store, id);
    const project = typeof head === "object" ? head.project : undefined;
    const before = project === undefined ? KEPT_OF_PROJECT : (ofProject.get(project) ?? 0);
    if (project !== undefined) ofProject.set(project, before + 1);
    total += statIfThere(store.directory.at("builds", id))?.size ?? 0;
    if (total > MAX_TOTAL_BYTES && at >= KEPT_AT_LEAST) break;
    if (at < KEPT || before < KEPT_OF_PROJECT) kept.add(id);
  }
  return kept;
}

/** @returns bytes that were freed */
function removeFile(store: Store, id: string): number {
  const path = store.directory.at("builds", id);
  const size = statIfThere(path)?.size ?? 0;
  try {
    return unlinkIfThere(path) ? size : 0;
  } catch (error) {
    throw ioError("STORE", `removing ${path}`, error);
  }
}
