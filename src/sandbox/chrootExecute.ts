/** One process in a copied root: from what is planned to how it ended. */
import * as fs from "node:fs";
import { uniqueSuffix } from "../store/owner.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import { type ChrootEnd, runChrootProcess } from "./chrootProcess.js";
import { type ControlGroup, makeControlGroup } from "./controlGroups.js";
import { finalCommand, obeyedVariables, type StartNames, secretNames, setterInside } from "./finalCommand.js";
import { readLimitRights, ulimitArguments } from "./limits.js";
import { needStepProgram, stepPath } from "./programs.js";
import type { PlannedProcess } from "./rootPlan.js";
import { encodeOperand } from "./setupScript.js";
import { execFailure, StartWatch, unstartable } from "./stepExit.js";
import type { RunExit, RunIo } from "./types.js";

/** What to execute. */
export interface ChrootExecution {
  readonly process: PlannedProcess;
  /** Absolute. */
  readonly root: string;
  /** Beside it. */
  readonly dir: string;
  readonly args: readonly string[];
  readonly io: RunIo;
  readonly signal: AbortSignal;
  readonly warn: (rule: string, message: string) => void;
}

/** @throws NacreError CANCELLED, ISOLATION, STORE */
export async function executeInChroot(execution: ChrootExecution): Promise<RunExit> {
  const group = makeControlGroup(execution.process.limits);
  try {
    for (let setter = 0; ; setter++) {
      const exit = await attempt(execution, group, setter);
      if (exit === undefined) continue;
      const failed = exit.kind === "code" && exit.code !== 0;
      return failed && group?.memoryExceeded() ? { kind: "memory" } : exit;
    }
  } finally {
    await group?.remove();
  }
}

/** @param setter what sets variables inside the root that programs outside would obey @returns undefined if that is not there */
async function attempt(
  { process: planned, root, dir, args, io, signal, warn }: ChrootExecution,
  group: ControlGroup | undefined,
  setter: number,
): Promise<RunExit | undefined> {
  if (signal.aborted) throw cancelled();
  const variables = obeyedVariables(planned.env);
  const command = variables.length === 0 ? args : [...setterInside(planned, setter), ...args];
  const tag = io.kind === "log" ? `nacre-${uniqueSuffix()}` : "nacre";
  const names = startNames(dir, tag);
  const watch = io.kind === "log" ? new StartWatch(`${tag}-`, io.onOutput) : undefined;
  const ulimits = ulimitArguments(planned.limits.ulimits, readLimitRights(), warn);
  const words = finalCommand(planned, command, ulimits, names);
  if (words.some((word) => word.includes("\0"))) throw holdsNul();
  const secrets = [...planned.secretEnv.values()].map((value, at) => [`NACRE_SECRET_${at}`, encodeOperand(value)]);
  let end: ChrootEnd;
  try {
    end = await runChrootProcess(
      {
        root,
        argv: words.map(encodeOperand),
        env: { PATH: stepPath(), LC_ALL: "C", ...Object.fromEntries(secrets) },
        secretNames: secretNames(planned.secretEnv),
        joinFiles: group?.joinFiles ?? [],
        timeout: planned.limits.timeout,
        signal,
      },
      watch ? { kind: "log", onOutput: watch.push } : io,
    );
  } catch (error) {
    if (errnoOf(error) === "E2BIG") return unstartable(args[0] ?? "", 126, "argument list too long");
    if (["ENOSPC", "EDQUOT"].includes(errnoOf(error) ?? ""))
      throw ioError("STORE", "starting the step's processes", error);
    throw new NacreError("ISOLATION", "the step's processes cannot be started", { cause: error });
  } finally {
    removeNames(dir, names);
  }
  return outcome(end, command[0] ?? "", watch, variables.length > 0);
}

function outcome(
  end: ChrootEnd,
  program: string,
  watch: StartWatch | undefined,
  canRetry: boolean,
): RunExit | undefined {
  const failure = watch?.words === undefined ? undefined : execFailure(watch.words, end.code, program);
  if (failure === undefined && watch?.words !== undefined && end.killed === undefined) throw notStarted(watch.words);
  if (failure === undefined) watch?.release();
  if (end.killed === "abort") throw cancelled();
  if (end.killed === "timeout") return { kind: "timeout" };
  if (end.code === undefined) throw notStarted(end.errors);
  if (failure === undefined) return { kind: "code", code: end.code };
  return canRetry ? undefined : unstartable(program, failure.code, failure.reason);
}

/** Their words are told from the step's by these names. */
function startNames(dir: string, tag: string): StartNames {
  const name = (program: keyof StartNames): string => {
    const link = `${dir}/${tag}-${program}`;
    try {
      fs.rmSync(link, { force: true });
      fs.symlinkSync(needStepProgram(program), link);
    } catch (error) {
      throw ioError("STORE", `creating ${link}`, error);
    }
    // env(1) would take it for a variable.
    return link.includes("=") ? needStepProgram(program) : link;
  };
  return { prlimit: name("prlimit"), setpriv: name("setpriv"), unshare: name("unshare") };
}

function removeNames(dir: string, names: StartNames): void {
  for (const link of Object.values(names) as string[]) if (link.startsWith(`${dir}/`)) fs.rmSync(link, { force: true });
}

function notStarted(words: string): NacreError {
  const said = words.trim().split("\n").at(-1)?.slice(-300);
  return new NacreError("ISOLATION", said ? `the step cannot be started: ${said}` : "the step cannot be started", {
    hint: "nacre info says which isolation works here",
  });
}

function holdsNul(): NacreError {
  const message = "the command or a variable holds a NUL character, which no program can be given";
  return new NacreError("RUN_FAILED", message, { hint: "remove it" });
}

function cancelled(): NacreError {
  return new NacreError("CANCELLED", "the step was stopped");
}
