/**
 * Which isolation level to use, and where: in this process, or in a worker that has what this process lacks. Every
 * answer comes from trying (probe.ts); it is kept in the store until something changes that could change it.
 */
import * as fs from "node:fs";
import type { Store } from "../store/store.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { type Place, readTried, type Tried, writeTried } from "./detectCache.js";
import { type Hand, lossesOf } from "./hand.js";
import { fullMapping } from "./idMapping.js";
import type { Finding, ProbeReport } from "./probe.js";
import { type Facts, factsName, gatherFacts } from "./probeFacts.js";
import { type Reason, whyNoUserNamespace, whySingleId } from "./probeReasons.js";
import { searchPath } from "./probeTools.js";
import type { IsolationLevel, Loss } from "./types.js";

/** The levels, in the order in which `auto` prefers them. */
export const LEVELS: readonly IsolationLevel[] = ["oci", "namespaces", "chroot"];
const CHROOT_WARNING =
  "nothing may be mounted here, so RUN executes in a chroot: it is kept from the files of its surroundings by nothing that root could not undo; build only what you trust";
/** A copied root is the last resort, however little else a place has. */
const PREFERENCE: readonly (readonly IsolationLevel[])[] = [["oci", "namespaces"], ["chroot"]];

/** What is asked for. */
export interface ChooseOptions {
  /** Opened for writing: trials are made in its directory. */
  readonly store: Store;
  readonly isolation: "auto" | IsolationLevel;
  /** Value of PATH in which programs are found. Default: that of this process, and the system's own folders. */
  readonly path?: string | undefined;
  /** Try again, whatever is known. */
  readonly fresh?: boolean | undefined;
}

/** What was chosen; {@link SandboxChoice.losses} belong into the keys of RUN steps. */
export interface SandboxChoice {
  readonly level: IsolationLevel;
  /** Sorted. */
  readonly losses: readonly Loss[];
  /** In a user namespace. */
  readonly rootless: boolean;
  readonly place: Place;
  readonly hand: Hand;
  /** Path of the OCI runtime, at level `oci`. */
  readonly runtime: string | undefined;
  /** How many ids there are: users, groups. */
  readonly ids: readonly [number, number];
  /** What the user should know: less than usual is kept. */
  readonly warnings: readonly { readonly rule: string; readonly message: string }[];
  readonly facts: Facts;
}

/** What is known of all levels. */
export interface Detection {
  readonly facts: Facts;
  readonly tried: readonly Tried[];
}

/**
 * Chooses the level. In later builds of the same boot this reads a few small files and starts nothing.
 * @throws NacreError ISOLATION if the level, or any at all, does not work here: with the reason, and what would help
 */
export async function chooseSandbox(options: ChooseOptions): Promise<SandboxChoice> {
  const remembered = options.fresh ? undefined : recall(options);
  const known = remembered && chooseDetected(options.isolation, remembered);
  if (known) return known;
  const detection = await detectIsolation(options);
  const choice = chooseDetected(options.isolation, detection);
  if (choice) return choice;
  throw noIsolation(options.isolation, detection);
}

function recall({ store, path }: ChooseOptions): Detection | undefined {
  if (process.platform !== "linux") return undefined;
  const facts = gatherFacts(path ?? searchPath(process.env.PATH));
  const tried = readTried(store, factsName(facts, store));
  return tried && { facts, tried };
}

/**
 * Tries all levels, in one place after the other until one with namespaces is found, and keeps what was found.
 * @throws NacreError ISOLATION on systems other than Linux; STORE, DISK_FULL
 */
export async function detectIsolation({ store, path }: Omit<ChooseOptions, "isolation">): Promise<Detection> {
  if (process.platform !== "linux") {
    throw new NacreError("ISOLATION", "RUN needs Linux", {
      hint: "build on Linux, or in a virtual machine; builds without RUN work everywhere",
    });
  }
  const facts = gatherFacts(path ?? searchPath(process.env.PATH));
  const tried: Tried[] = [];
  for (const place of placesFor(facts)) {
    tried.push(await tryPlace(place, store, facts));
    if (choose(PREFERENCE.slice(0, 1), { facts, tried })) break;
  }
  writeTried(store, factsName(facts, store), tried);
  return { facts, tried };
}

/** Best first: as root without a worker, else with all ids, else with one. */
function placesFor(facts: Facts): Place[] {
  const full: Place = { kind: "worker", ids: fullMapping(facts, { uids: facts.subuids, gids: facts.subgids }) };
  const hasRanges = facts.subuids.length > 0 && facts.subgids.length > 0;
  if (facts.uid === 0) return [{ kind: "process" }, { kind: "worker", ids: "own" }, ...(hasRanges ? [full] : [])];
  return [full, { kind: "worker", ids: "single" }];
}

async function tryPlace(place: Place, store: Store, facts: Facts): Promise<Tried> {
  try {
    const report = place.kind === "process" ? await probeProcess(store, facts) : await probeWorker(place, store, facts);
    return { place, report, reason: undefined };
  } catch (error) {
    if (!isNacreError(error) || error.code !== "ISOLATION") throw error;
    return { place, report: undefined, reason: { why: error.message, help: error.hint } };
  }
}

async function probeProcess(store: Store, facts: Facts): Promise<ProbeReport> {
  const { probeHere } = await import("./probe.js");
  return probeHere(store, facts, { levels: LEVELS, tmpfs: undefined, around: [] });
}

async function probeWorker(place: Place & { kind: "worker" }, store: Store, facts: Facts): Promise<ProbeReport> {
  if (typeof place.ids === "object" && (facts.subuids.length === 0 || facts.subgids.length === 0)) {
    const { why, help } = whySingleId(facts);
    throw new NacreError("ISOLATION", why, { hint: help });
  }
  const [{ startWorker }, { WorkerClient }, { parseReport }] = await Promise.all([
    import("./workerStart.js"),
    import("./workerClient.js"),
    import("./workerProtocol.js"),
  ]);
  const worker = new WorkerClient(await startWorker(place.ids, facts));
  try {
    const probe = { levels: LEVELS, tmpfs: upperBytes(), around: around(place, facts), path: facts.path };
    return parseReport(await worker.call({ type: "probe", store: store.path, probe }));
  } finally {
    await worker.close();
  }
}

/** The namespaces around a worker's own; `own` is this one. */
function around(place: Place & { kind: "worker" }, facts: Facts) {
  return place.ids === "own" ? [] : [facts.world];
}

/** Bytes of a tmpfs for upper directories: half of the memory that is free now; at least 64 MiB. */
export function upperBytes(): number {
  const text = fs.readFileSync("/proc/meminfo", "latin1");
  const kilobytes = Number(/^MemAvailable:\s*([0-9]+) kB$/m.exec(text)?.[1] ?? 0);
  return Math.max(64 << 20, Math.floor(kilobytes / 2) * 1024);
}

/** What {@link chooseSandbox} would take of what was found; undefined: nothing. */
export function chooseDetected(isolation: "auto" | IsolationLevel, detection: Detection): SandboxChoice | undefined {
  const choice = choose(groupsOf(isolation), detection);
  if (isolation !== "auto" || choice?.level !== "chroot") return choice;
  return { ...choice, warnings: [...choice.warnings, { rule: "Chroot", message: CHROOT_WARNING }] };
}

function groupsOf(isolation: "auto" | IsolationLevel): readonly (readonly IsolationLevel[])[] {
  return isolation === "auto" ? PREFERENCE : [[isolation]];
}

/** The first level that works, group by group, place by place. */
function choose(groups: readonly (readonly IsolationLevel[])[], detection: Detection): SandboxChoice | undefined {
  for (const levels of groups) {
    for (const { place, report } of detection.tried) {
      const level = levels.find((name) => report?.levels[name]?.works);
      if (report && level) return choiceOf(level, place, report, detection);
    }
  }
  return undefined;
}

function choiceOf(level: IsolationLevel, place: Place, report: ProbeReport, detection: Detection): SandboxChoice {
  const finding = report.levels[level];
  const single = place.kind === "worker" && place.ids === "single";
  const { hand, ids } = report;
  return {
    level,
    losses: lossesOf(hand),
    rootless: place.kind === "worker" && place.ids !== "own",
    place,
    hand,
    runtime: finding?.works ? finding.runtime : undefined,
    ids,
    warnings: single ? [{ rule: "SingleUserId", message: singleIdWarning(detection) }] : [],
    facts: detection.facts,
  };
}

function singleIdWarning({ facts, tried }: Detection): string {
  const { why, help } = tried.find(({ reason }) => reason)?.reason ?? whySingleId(facts);
  return `every file that RUN makes will belong to root, and changing to another user fails: ${why}${help ? `; ${help}` : ""}`;
}

/** What is known of a level: where it works, else why it does not in the best place. */
export function findingOf(level: IsolationLevel, { facts, tried }: Detection): Finding {
  const findings = tried.flatMap(({ report }) => report?.levels[level] ?? []);
  const found = findings.find(({ works }) => works) ?? findings[0];
  if (found) return found;
  const reason: Reason = tried.at(-1)?.reason ?? whyNoUserNamespace("", facts);
  return { works: false, ...reason };
}

function noIsolation(asked: "auto" | IsolationLevel, detection: Detection): NacreError {
  const levels = asked === "auto" ? LEVELS : [asked];
  const findings = levels.map((level) => ({ level, finding: findingOf(level, detection) }));
  const reasons = findings.flatMap(({ level, finding }) => (finding.works ? [] : [{ level, ...finding }]));
  const first = reasons.find(({ help }) => help !== undefined);
  if (asked !== "auto") {
    const why = reasons[0]?.why ?? "it was not tried";
    return new NacreError("ISOLATION", `the isolation level ${asked} does not work here: ${why}`, {
      hint: first?.help ?? "nacre info says which levels work",
      facts: { level: asked, why },
    });
  }
  const all = [...new Set(reasons.map(({ why }) => why))];
  const text = all.length === 1 ? all[0] : reasons.map(({ level, why }) => `${level}: ${why}`).join("; ");
  return new NacreError("ISOLATION", `RUN cannot be executed here: ${text}`, {
    hint: first?.help ?? "nacre info says what each level needs",
    facts: { levels: Object.fromEntries(reasons.map(({ level, why }) => [level, why])) },
  });
}
