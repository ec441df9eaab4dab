/** What a runtime's own words mean: whether the command could not be started, or its root could not be made. */
import { NacreError } from "../support/errors.js";
import { OCI_FAILURES, type OciReport } from "./ociScript.js";
import { unstartable } from "./stepExit.js";
import type { RunExit } from "./types.js";

/** How the script around a runtime ended. */
export interface OciEnd {
  readonly report: OciReport;
  /** Of the script; undefined where it was not even started. */
  readonly code: number | undefined;
  /** All that was written, if it begins with {@link EXEC_FAILURE}. */
  readonly output?: string | undefined;
}

/** Most of a message that is shown. */
const MAX_WORDS = 500;

/**
 * @param command the first argument of the process
 * @throws NacreError ISOLATION, MOUNT, DISK_FULL where it is not the command's fault
 */
export function ociExit(end: OciEnd, command: string, runtime: string): RunExit {
  const { code, words } = end.report;
  const failure = runtimeErrors(words).at(-1);
  // A runtime that has failed ends with 1 (crun, runc) and has said so; one that has not failed has no error in its log.
  if (code !== undefined && failure === undefined) {
    return (code === 1 ? execFailure(end.output, command) : undefined) ?? { kind: "code", code };
  }
  if (failure !== undefined) return startFailure(failure, command) ?? fail(runtimeFailure(failure, runtime));
  if (end.code === OCI_FAILURES.mount) return fail(mountFailure(words));
  return fail(otherFailure(end));
}

/**
 * How crun's last words begin where the kernel does not execute the program: it is in the container already then, and what
 * was to be the process's output is all that it can write to.
 */
export const EXEC_FAILURE = '{"msg":"exec container process ';

function execFailure(output: string | undefined, command: string): RunExit | undefined {
  const lines = output?.trim().split("\n") ?? [];
  const [message] = runtimeErrors(output ?? "");
  return lines.length === 1 && message !== undefined ? startFailure(message, command) : undefined;
}

/** Messages of level error in a runtime's log: one JSON object per line, or plain words where it is older. */
export function runtimeErrors(log: string): string[] {
  return log.split("\n").flatMap((line) => {
    if (!line.startsWith("{")) return [];
    try {
      const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
      return (level === "error" || level === "fatal") && typeof msg === "string" ? [msg] : [];
    } catch {
      return [];
    }
  });
}

/**
 * The words of crun and runc for a program that cannot be executed. Shells have two codes for it: 127 where there is no
 * such program, 126 where there is one that cannot be used.
 */
function startFailure(words: string, command: string): RunExit | undefined {
  const about =
    words.includes(`exec: ${JSON.stringify(command)}: `) ||
    /^(executable file|open executable|exec container process|find executable)/i.test(words);
  const cwd = /chdir (?:to cwd \("([^"]*)"\)|`([^`]*)`).*?: ([^:]+)$/.exec(words);
  if (cwd) {
    const message = `the working directory ${cwd[1] ?? cwd[2]} cannot be entered: ${cwd[3]!.toLowerCase()}`;
    return { kind: "unstartable", code: 126, message };
  }
  if (!about) return undefined;
  const reason = /(?:: |^)([^:]+)$/.exec(words)?.[1]?.trim().toLowerCase() ?? "";
  return unstartable(command, /not found in \$PATH|no such file/i.test(words) ? 127 : 126, reason);
}

function runtimeFailure(words: string, runtime: string): NacreError {
  const full = /no space left on device|disk quota exceeded/i.test(words);
  const mount = /mount/i.test(words);
  const code = full ? "DISK_FULL" : mount ? "MOUNT" : "ISOLATION";
  return new NacreError(code, `${runtime} cannot start the step: ${short(words)}`, {
    hint: full ? "free some space, or shrink the store with: nacre prune" : "try --isolation=namespaces",
  });
}

function mountFailure(words: string): NacreError {
  return new NacreError("ISOLATION", `the step's root cannot be mounted: ${short(words)}`, {
    hint: "nacre info says which isolation works here",
  });
}

function otherFailure({ code, report }: OciEnd): NacreError {
  const words = short(report.words) || `exit code ${code ?? "unknown"}`;
  return new NacreError("ISOLATION", `the step cannot be started: ${words}`, {
    hint: "nacre info says which isolation works here",
  });
}

function short(words: string): string {
  const lines = words.split("\n").map((line) => line.trim());
  return lines
    .filter((line) => line !== "" && !line.includes("dmesg(1)"))
    .join("; ")
    .slice(-MAX_WORDS);
}

function fail(error: NacreError): never {
  throw error;
}
