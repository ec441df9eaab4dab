/** What `nacre info` says about executing RUN on this machine, found by trying. */
import type { IsolationLevel, Loss } from "./types.js";

/** A level here. */
export interface LevelInfo {
  readonly level: IsolationLevel;
  readonly works: boolean;
  /** Why not: one sentence. */
  readonly why?: string | undefined;
  /** What would help. */
  readonly help?: string | undefined;
  /** The OCI runtime, at level `oci`. */
  readonly runtime?: string | undefined;
}

/** What `--isolation=auto` takes. */
export interface ChosenIsolation {
  readonly level: IsolationLevel;
  /** In a user namespace of an ordinary user. */
  readonly rootless: boolean;
  /** In a process of its own. */
  readonly worker: boolean;
  /** What cannot be kept of files, sorted. */
  readonly losses: readonly Loss[];
  /** How many ids steps have. */
  readonly users: number;
  readonly groups: number;
  /** Where the upper directories of overlays are; absent where there are none. */
  readonly upper?: "store" | "tmpfs" | undefined;
  readonly warnings: readonly string[];
}

/** A program that isolation uses. */
export interface IsolationTool {
  readonly name: string;
  /** Absent where it is not installed. */
  readonly path?: string | undefined;
  readonly version?: string | undefined;
}

/** See the top of this file. */
export interface IsolationInfo {
  /** In the order in which `auto` prefers them. */
  readonly levels: readonly LevelInfo[];
  /** Absent where none works. */
  readonly auto?: ChosenIsolation | undefined;
  readonly tools: readonly IsolationTool[];
}

/** Programs worth a line. */
const TOOLS = ["unshare", "setpriv", "tar", "getfattr", "crun", "runc", "newuidmap"] as const;

/**
 * Tries all levels, whatever is remembered, and remembers the outcome for the next builds. Where there is no store yet,
 * a temporary one is made next to its place, and removed.
 * @throws NacreError STORE, DISK_FULL where nothing can be tried because nothing can be written
 */
export async function isolationInfo(storePath: string, path?: string): Promise<IsolationInfo> {
  const [{ detectIsolation, chooseDetected, findingOf, LEVELS }, { searchPath, findPrograms }] = await Promise.all([
    import("./detect.js"),
    import("./probeTools.js"),
  ]);
  const search = searchPath(path ?? process.env.PATH);
  const programs = findPrograms(search);
  const tools = await Promise.all(TOOLS.map(async (name) => toolInfo(name, programs.get(name)?.path)));
  if (process.platform !== "linux") return { levels: LEVELS.map(notLinux), tools };
  const detection = await withStoreAt(storePath, (store) => detectIsolation({ store, path: search }));
  const levels = LEVELS.map((level): LevelInfo => ({ level, ...findingOf(level, detection) }));
  const choice = chooseDetected("auto", detection);
  if (choice === undefined) return { levels, tools };
  const { level, rootless, place, losses, ids, hand, warnings } = choice;
  const upper: ChosenIsolation["upper"] = typeof hand.upper === "object" ? "tmpfs" : hand.upper;
  const chosen = { level, rootless, worker: place.kind === "worker", losses, users: ids[0], groups: ids[1] };
  const overlays = level === "chroot" ? {} : { upper };
  return { levels, auto: { ...chosen, ...overlays, warnings: warnings.map(({ message }) => message) }, tools };
}

function notLinux(level: IsolationLevel): LevelInfo {
  return { level, works: false, why: "RUN needs Linux" };
}

async function toolInfo(name: string, path: string | undefined): Promise<IsolationTool> {
  if (path === undefined) return { name };
  const { programVersionOf } = await import("./probeTools.js");
  // newuidmap has no such option, and says nothing of use.
  return { name, path, version: name === "newuidmap" ? undefined : await programVersionOf(path) };
}

async function withStoreAt<T>(
  storePath: string,
  work: (store: import("../store/store.js").Store) => Promise<T>,
): Promise<T> {
  const [fs, { dirname, resolve }, { Store }] = await Promise.all([
    import("node:fs"),
    import("node:path"),
    import("../store/store.js"),
  ]);
  const place = resolve(storePath);
  let parent = place;
  while (!fs.existsSync(parent)) parent = dirname(parent);
  const temporary = parent === place ? undefined : fs.mkdtempSync(`${parent}/.nacre-info-`);
  const store = await Store.open(temporary ?? place, { create: temporary !== undefined });
  try {
    return await work(store);
  } finally {
    await store.close();
    if (temporary !== undefined) fs.rmSync(temporary, { recursive: true, force: true });
  }
}
