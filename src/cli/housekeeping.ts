/** Collecting garbage beside the command that has made it: by a process of its own, which outlives the command. */
import { constants, setPriority } from "node:os";
import { resolve } from "node:path";
import type { AutoPruneOptions, CacheLimits } from "../index.js";
import type { Environment } from "./invocation.js";

/** Variables that the process may need to remove what other users own. */
const PASSED_ON = ["PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"] as const;

/**
 * How a command that writes to the store keeps it within limits.
 * @param limits read only where they are needed
 */
export function housekeepingFor(store: string, env: Environment, limits: () => CacheLimits): AutoPruneOptions {
  return { limits, start: (due) => startPrune(resolve(store), env, due) };
}

/** Starts `nacre prune` with no ties to this process. @returns false if it could not be started */
async function startPrune(store: string, env: Environment, limits: CacheLimits): Promise<boolean> {
  // Loaded here: most builds need no collection.
  const { spawn } = await import("node:child_process");
  const { fileURLToPath } = await import("node:url");
  // The command's bundle and the modules lie two folders below the project alike.
  const program = fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));
  const child = spawn(process.execPath, [program, "--store", store, "prune", "--background", ...flagsOf(limits)], {
    cwd: "/",
    detached: true,
    stdio: "ignore",
    env: Object.fromEntries(PASSED_ON.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]))),
  });
  child.on("error", () => {});
  if (child.pid === undefined) return false;
  child.unref();
  try {
    setPriority(child.pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It is over already, or priorities are not ours to set.
  }
  return true;
}

/** The limits as flags; each is given, so that no configuration applies. */
function flagsOf({ maxBytes, keepDuration, minFree }: CacheLimits): string[] {
  const free = typeof minFree === "object" ? `${minFree.percent}%` : minFree;
  const size = maxBytes !== undefined && Number.isFinite(maxBytes) ? maxBytes : undefined;
  return [
    `--max-size=${size ?? "none"}`,
    `--keep-duration=${keepDuration === undefined ? "none" : `${keepDuration}ms`}`,
    `--min-free=${free ?? "none"}`,
  ];
}
