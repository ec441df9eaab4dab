/**
 * The isolation level `namespaces`: a planned root, carried out by util-linux. In comes a {@link RootPlan}, out goes how
 * the process ended; the upper directory has what it changed. Each execution has namespaces of its own, and
 * they end with it, or with nacre: no mount and no process is left.
 */
import * as fs from "node:fs";
import { uniqueSuffix } from "../store/owner.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import { type ControlGroup, makeControlGroup } from "./controlGroups.js";
import type { ExecuteOptions, Executor, ExecutorOptions } from "./executor.js";
import { finalCommand, obeyedVariables, secretNames, setterInside } from "./finalCommand.js";
import { besides, LayerNames } from "./layerNames.js";
import { readLimitRights, ulimitArguments } from "./limits.js";
import { needStepProgram, optionalProgram, stepPath } from "./programs.js";
import type { PlannedProcess, RootPlan } from "./rootPlan.js";
import { makeSetupFiles, makeStage, removeSetupFiles, type SetupFiles } from "./setupFiles.js";
import { encodeOperand, needsEncoding, operation, SETUP_SCRIPT } from "./setupScript.js";
import { type Stage, stageKey } from "./stage.js";
import { execFailure, StartWatch, setupError, unstartable } from "./stepExit.js";
import { runStepProcess, type StepEnd } from "./stepProcess.js";
import { StageLost, type StepCommand, StepStarter } from "./stepStart.js";
import type { RunExit, RunIo } from "./types.js";

/** Everything of one execution, until it ends for good or is tried in another way. */
interface Attempt {
  readonly plan: RootPlan;
  readonly io: RunIo;
  readonly options: ExecuteOptions;
  /** What sets variables inside the root; counted up. */
  readonly setter: number;
  readonly group: ControlGroup | undefined;
  readonly shared: Shared;
  readonly layers: LayerNames;
  /** False where one has failed. */
  readonly staged: boolean;
}

/** What the steps of a series share. */
interface Shared {
  readonly series: boolean;
  readonly starter: StepStarter;
  layers?: LayerNames;
}

type Outcome = RunExit | "without volatile" | "with another setter" | "without stage";

/** Kernels before 5.10 do not know that option of overlays. */
let volatileWorks = true;

/** Carries plans out by namespaces, as root or as root of a user namespace. */
export function namespacesExecutor({ series = false }: ExecutorOptions = {}): Executor {
  const shared: Shared = { series, starter: new StepStarter(series) };
  return {
    level: "namespaces",
    execute: (plan, io, options) => execute(plan, io, options, shared),
    close: () => {
      shared.starter.close();
      shared.layers?.close();
    },
  };
}

async function execute(plan: RootPlan, io: RunIo, options: ExecuteOptions, shared: Shared): Promise<RunExit> {
  assertRootIsMount();
  const group = makeControlGroup(plan.process.limits);
  const layers = shared.layers ?? new LayerNames(namesDirectory(plan, shared.series));
  if (shared.series) shared.layers = layers;
  try {
    let staged = true;
    for (let setter = 0; ; ) {
      const outcome = await attempt({ plan, io, options, setter, group, shared, layers, staged });
      if (typeof outcome === "object") return outcome;
      if (outcome === "with another setter") setter += 1;
      if (outcome === "without stage") staged = false;
    }
  } finally {
    if (!shared.series) layers.close();
    await group?.remove();
  }
}

function namesDirectory({ dir }: RootPlan, series: boolean): string {
  return series ? besides(dir, uniqueSuffix()) : `${dir}/names-${uniqueSuffix()}`;
}

async function attempt(current: Attempt): Promise<Outcome> {
  const { plan, io, options, group, layers, shared } = current;
  if (options.signal?.aborted) throw cancelled();
  const withVolatile = volatileWorks;
  const stage = stageFor(current);
  const terminal = io.kind === "terminal";
  const files = makeSetupFiles(plan, options.hand, { volatile: withVolatile, terminal, layers, stage });
  try {
    const watch = io.kind === "log" ? new StartWatch(files.tag, io.onOutput) : undefined;
    const end = await run(current, files, watch ? { kind: "log", onOutput: watch.push } : io, stage);
    if (end === "without stage") return end;
    if (end === undefined) return unstartable(commandOf(current)[0] ?? "", 126, "argument list too long");
    if (end.killed !== undefined || end.began) {
      const outcome = outcomeOf(current, end, watch?.words);
      if (typeof outcome === "object" && outcome.kind !== "unstartable") watch?.release();
      if (typeof outcome === "object" && group?.memoryExceeded() && isFailure(outcome)) return { kind: "memory" };
      return outcome;
    }
    if (withVolatile && isRefusedOverlay(end)) {
      volatileWorks = false;
      return "without volatile";
    }
    if (stage) return "without stage";
    throw setupError({ operation: end.failed, words: end.errors, mounts: files.mounts });
  } finally {
    // In a series there is better to do now: it goes with the step's directory, while the next step runs.
    if (!shared.series) removeSetupFiles(files.directory);
  }
}

/** What begins the chain: the same for most steps. */
function chainOf({ plan, io }: Attempt): Pick<StepCommand, "env" | "head"> {
  const { secretEnv } = plan.process;
  const secrets = [...secretEnv.values()].map((value, at) => [`NACRE_SECRET_${at}`, encodeOperand(value)] as const);
  const env = {
    // By its path: a busybox that is the shell has a mount of its own.
    ...{ PATH: stepPath(), LC_ALL: "C", LIBMOUNT_FORCE_MOUNT2: "always", NACRE_MOUNT: needStepProgram("mount") },
    ...Object.fromEntries(secrets),
  };
  return { env, head: namespaces(plan.process, io) };
}

/** The stage that waits, if it is what this plan needs. */
function stageFor(current: Attempt): Stage | undefined {
  if (!current.staged || current.io.kind !== "log") return undefined;
  const stage = current.shared.starter.waitingStage(chainOf(current));
  return stage && stage.key === stageKey(current.plan, current.options.hand) ? stage : undefined;
}

/** @returns undefined if the kernel takes no command that long */
async function run(
  current: Attempt,
  files: SetupFiles,
  io: RunIo,
  stage: Stage | undefined,
): Promise<StepEnd | "without stage" | undefined> {
  const { plan, options } = current;
  const { signal, warn, hand } = options;
  const { input, directory: cwd } = files;
  const argv = setupArguments(current, files, io);
  const { timeout } = plan.process.limits;
  const next = () => makeStage(plan, hand);
  const command = { ...chainOf(current), argv, cwd, input, signal, warn, timeout, stage, makeStage: next };
  try {
    return await runStepProcess(command, io, current.shared.starter);
  } catch (error) {
    if (errnoOf(error) === "E2BIG") return undefined;
    if (error instanceof StageLost) return "without stage";
    if (["ENOSPC", "EDQUOT"].includes(errnoOf(error) ?? ""))
      throw ioError("STORE", "starting the step's processes", error);
    const why = error instanceof Error ? error.message : String(error);
    throw new NacreError("ISOLATION", `the step's processes cannot be started: ${why}`, {
      hint: "find out what works here with: nacre info",
      cause: error,
    });
  }
}

function namespaces({ network }: PlannedProcess, io: RunIo): string[] {
  return [
    ...[needStepProgram("unshare"), "--pid", "--fork", "--kill-child", "--mount", "--ipc", "--uts"],
    ...(network === "none" ? ["--net"] : []),
    ...["--propagation", "private", "--", ...ownSession(io), needStepProgram("sh"), "-c", SETUP_SCRIPT, "sh"],
  ];
}

/**
 * The step leads a session and a process group, as with Docker: a signal that it sends to its group ends there. As process 1
 * it leads no group yet, so setsid does not fork. A shell for the user stays in the session that has the terminal.
 */
function ownSession(io: RunIo): string[] {
  const setsid = io.kind === "log" ? optionalProgram("setsid") : undefined;
  return setsid === undefined ? [] : [setsid];
}

function setupArguments(current: Attempt, files: SetupFiles, io: RunIo): string[] {
  const { process: planned } = current.plan;
  const { limits } = planned;
  const ulimits =
    limits.ulimits.length > 0 ? ulimitArguments(limits.ulimits, readLimitRights(), current.options.warn) : [];
  const command = finalCommand(planned, commandOf(current), ulimits, files.names);
  assertNoNul(command);
  const encoded = command.some(needsEncoding);
  const names = secretNames(planned.secretEnv);
  const groups = current.group?.joinFiles ?? [];
  return [
    ...files.operations,
    ...processOperations(current, io),
    ...["begin", io.kind, encoded ? "1" : "0", String(names.length), String(groups.length), ...names, ...groups],
    ...(encoded ? command.map(encodeOperand) : command),
  ];
}

function processOperations({ plan, options }: Attempt, io: RunIo): string[] {
  const { hostname, network, uid } = plan.process;
  return [
    ...operation("hostname", hostname, optionalProgram("hostname") ?? ""),
    ...(network === "none" ? loopback(options) : []),
    ...(uid !== 0 && io.kind === "log" ? operation("output", String(uid)) : []),
  ];
}

function loopback({ warn }: ExecuteOptions): string[] {
  for (const kind of ["ip", "ifconfig", "busybox"] as const) {
    const program = optionalProgram(kind);
    if (program !== undefined) return operation("loopback", program, kind);
  }
  warn("NoLoopback", "the step has no network at all, not even 127.0.0.1: install ip (Debian: iproute2)");
  return [];
}

/** What is executed inside the root. */
function commandOf({ plan, options, setter }: Attempt): readonly string[] {
  const args = options.args ?? plan.process.args;
  return obeyedVariables(plan.process.env).length === 0 ? args : [...setterInside(plan.process, setter), ...args];
}

function outcomeOf(current: Attempt, end: StepEnd, startWords: string | undefined): Outcome {
  if (end.killed === "abort") throw cancelled();
  if (end.killed === "timeout") return { kind: "timeout" };
  if (startWords === undefined) return { kind: "code", code: end.code ?? 137 };
  const program = commandOf(current)[0] ?? "";
  const failure = execFailure(startWords, end.code, program);
  if (failure === undefined) return badDirectory(startWords) ?? fail(startWords);
  if (obeyedVariables(current.plan.process.env).length > 0) return "with another setter";
  return unstartable(program, failure.code, failure.reason);
}

/** The working directory, in the words that the level oci has for it. */
function badDirectory(words: string): RunExit | undefined {
  const [, cwd, why] = /cannot chdir to '(.*)': ([^:]+)$/s.exec(words) ?? [];
  if (cwd === undefined || why === undefined) return undefined;
  const message = `the working directory ${cwd} cannot be entered: ${why.toLowerCase()}`;
  return { kind: "unstartable", code: 126, message };
}

function fail(words: string): never {
  throw setupError({ operation: "start", words, mounts: [] });
}

function isFailure(exit: RunExit): boolean {
  return exit.kind === "code" && exit.code !== 0;
}

function isRefusedOverlay({ failed, errors }: StepEnd): boolean {
  return failed === "mount" && /wrong fs type|invalid argument|bad option/i.test(errors);
}

function assertNoNul(command: readonly string[]): void {
  if (!command.some((word) => word.includes("\0"))) return;
  throw new NacreError("RUN_FAILED", "the command or a variable holds a NUL character, which no program can be given", {
    hint: "remove it",
  });
}

/**
 * The new root is put over the old one, and `..` must not lead out of that: it would, where nacre's own root directory is a
 * mere directory of a file system.
 */
function assertRootIsMount(): void {
  const lines = fs.readFileSync("/proc/self/mountinfo", "latin1").split("\n");
  if (lines.some((line) => line.split(" ")[4] === "/")) return;
  throw new NacreError(
    "ISOLATION",
    "the isolation level namespaces does not work in a chroot: its root is not a mount",
    {
      hint: "use --isolation=chroot, or start nacre where / is a mount",
    },
  );
}

function cancelled(): NacreError {
  return new NacreError("CANCELLED", "the step was stopped");
}
