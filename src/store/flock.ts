/**
 * Locks of the kernel that are held for as long as something is in use, shared or exclusive, and can be waited for with
 * an end. `flock` (util-linux or busybox) takes one on a file or directory that exists; it ends with the pipe to us, so
 * that any death of ours frees the lock. For short work under a name of the store see locks.ts.
 */
import type { ChildProcess } from "node:child_process";
import { errnoOf, ioError, NacreError } from "../support/errors.js";

/** `shared` excludes `exclusive` only. */
export type LockKind = "shared" | "exclusive";

/** A lock that is held. */
export interface HeldLock {
  /** Frees it; resolves once it is free. Calling it again does nothing. */
  release(): Promise<void>;
}

/** How a lock is taken. */
export interface FlockOptions {
  readonly kind: LockKind;
  /** `try`: gives up at once where someone else holds it. */
  readonly patience: "wait" | "try";
  readonly signal?: AbortSignal | undefined;
  /** The flock program. Default: `flock` on PATH. */
  readonly helper?: string | undefined;
}

/**
 * Takes a lock on a file or directory.
 * @returns `busy` where it is taken, under the patience `try`
 * @throws NacreError CANCELLED once the signal is aborted; TOOL_MISSING without the program; STORE if the path is gone or
 *   its file system has no locks
 */
export async function flock(path: string, options: FlockOptions): Promise<HeldLock | "busy"> {
  const { kind, patience, signal, helper = "flock" } = options;
  if (signal?.aborted) throw cancelled(path);
  const flags = [kind === "shared" ? "-s" : "-x", ...(patience === "try" ? ["-n"] : [])];
  const argv = [helper, ...flags, path, "sh", "-c", "echo locked; exec cat >/dev/null"];
  // A helper that waits looks at no pipe: the kernel ends it if we die. Without setpriv it ends when it has its turn.
  const guarded = ["setpriv", "--pdeathsig", "KILL", "--", ...argv];
  let outcome = await tryHelper(guarded, signal);
  // Not every setpriv knows the option, and what it ends with then says nothing.
  if (!isLock(outcome) && !signal?.aborted) outcome = await tryHelper(argv, signal);
  if (signal?.aborted) {
    if (isLock(outcome)) await outcome.release();
    throw cancelled(path);
  }
  if (isLock(outcome)) return outcome;
  if (outcome === "missing") throw missingHelper(helper);
  if (outcome === 1 && patience === "try") return "busy";
  throw ioError("STORE", `locking ${path}`, new Error(`${helper} ended with ${String(outcome)}`));
}

/** A lock, `missing` if the program is not there, or the code it ended with (null: by a signal). */
type Outcome = HeldLock | "missing" | number | null;

function isLock(outcome: Outcome): outcome is HeldLock {
  return typeof outcome === "object" && outcome !== null;
}

async function tryHelper(argv: readonly string[], signal: AbortSignal | undefined): Promise<Outcome> {
  // Loaded here: a build in which nothing changed takes no lock.
  const { spawn } = await import("node:child_process");
  if (signal?.aborted) return null;
  // A session of its own: Ctrl-C at the terminal must not free a lock while we are still cleaning up.
  const env = { PATH: process.env.PATH, LC_ALL: "C" };
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ["pipe", "pipe", "ignore"], detached: true, env });
  return new Promise((resolve, reject) => {
    const abort = (): void => void child.kill("SIGKILL");
    const settle = (outcome: Outcome): void => {
      signal?.removeEventListener("abort", abort);
      resolve(outcome);
    };
    signal?.addEventListener("abort", abort, { once: true });
    child.stdin.on("error", () => {});
    child.once("error", (error) => (errnoOf(error) === "ENOENT" ? settle("missing") : reject(error)));
    child.once("exit", (code) => settle(code));
    child.stdout.once("data", () => settle({ release: () => ended(child) }));
  });
}

/** Lets the helper end, and waits for it, so that whoever asks next finds the lock free. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once("exit", () => resolve());
    child.stdin?.end();
  });
}

function cancelled(path: string): NacreError {
  return new NacreError("CANCELLED", `stopped while waiting for ${path}`);
}

function missingHelper(helper: string): NacreError {
  return new NacreError("TOOL_MISSING", `${helper} is needed to lock a cache mount, and is not installed`, {
    hint: "install util-linux, or use sharing=shared",
    facts: { tool: helper },
  });
}
