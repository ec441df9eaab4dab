/** Carrying out a planned root with crun or runc; see oci.ts. */
import * as fs from "node:fs";
import { isNacreError, NacreError } from "../support/errors.js";
import { makeControlGroup } from "./controlGroups.js";
import type { ExecuteOptions, Executor, ExecutorOptions } from "./executor.js";
import type { Hand } from "./hand.js";
import { readLimitRights, ulimitArguments } from "./limits.js";
import { needsBoundNodes, nodesDiffer } from "./noDevices.js";
import { encodeOciConfig, type OciFinish, ociConfig } from "./ociConfig.js";
import { EXEC_FAILURE, ociExit } from "./ociExit.js";
import { writeOciFiles } from "./ociFiles.js";
import { OCI_PRIVATE, OCI_SCRIPT, type OciMode, parseOciReport } from "./ociScript.js";
import { needStepProgram, stepPath } from "./programs.js";
import type { RootPlan } from "./rootPlan.js";
import { type DeviceNode, INSECURE_DEVICE_NODES } from "./standardMounts.js";
import { StartWatch } from "./stepExit.js";
import { runStepProcess, type StepEnd } from "./stepProcess.js";
import { StepStarter } from "./stepStart.js";
import type { RunExit, RunIo } from "./types.js";

/** An OCI runtime: crun, runc, or a program with the options of one of them. */
export interface OciRuntime {
  /** Absolute. */
  readonly path: string;
}

/** An executor that works through a runtime. Find one with probeOci. A plan without lower directories has its root in `merged` as it is. */
export function ociExecutor(runtime: OciRuntime, { series }: ExecutorOptions = {}): Executor {
  const starter = new StepStarter(series);
  return {
    level: "oci",
    execute: (plan, io, options) => execute({ runtime, starter }, plan, io, options),
    close: () => starter.close(),
  };
}

/** What the executions of one executor have in common. */
interface Means {
  readonly runtime: OciRuntime;
  readonly starter: StepStarter;
}

async function execute(means: Means, plan: RootPlan, io: RunIo, options: ExecuteOptions): Promise<RunExit> {
  if (options.signal?.aborted) throw cancelled();
  const { limits } = plan.process;
  const group = makeControlGroup(limits);
  try {
    const watch = io.kind === "log" ? new StartWatch(EXEC_FAILURE, io.onOutput) : undefined;
    const watched: RunIo = watch ? { kind: "log", onOutput: watch.push } : io;
    const end = await start(means, plan, watched, options, group?.joinFiles ?? []);
    if (end.killed !== undefined) watch?.release();
    if (end.killed === "abort") throw cancelled();
    if (end.killed === "timeout") return { kind: "timeout" };
    const command = (options.args ?? plan.process.args)[0] ?? "";
    const output = watch?.words === undefined ? undefined : EXEC_FAILURE + watch.words;
    const exit = ociExit(
      { report: parseOciReport(end.errors), code: end.code, output },
      command,
      nameOf(means.runtime),
    );
    if (exit.kind !== "unstartable") watch?.release();
    const failed = exit.kind !== "code" || exit.code !== 0;
    return failed && group?.memoryExceeded() ? { kind: "memory" } : exit;
  } finally {
    await group?.remove();
  }
}

async function start(
  { runtime, starter }: Means,
  plan: RootPlan,
  io: RunIo,
  options: ExecuteOptions,
  joinFiles: readonly string[],
): Promise<StepEnd> {
  const directory = writeOciFiles(plan, options.hand, isCrun(runtime) ? "empty" : "names");
  const own = `${directory}/${OCI_PRIVATE}`;
  const config = ociConfig(plan, {
    root: `${plan.dir}/merged`,
    secrets: `${own}/secrets`,
    nodes: bindsNodes(plan, options.hand) ? `${own}/nodes` : undefined,
    finish: finishOf(runtime, plan, options.hand),
    sys: `${own}/sys`,
    devices: plan.process.insecure ? INSECURE_DEVICE_NODES.filter(isOnHost) : [],
    capabilities: ownCapabilities(),
    arch: process.arch,
    ulimits: ulimitArguments(plan.process.limits.ulimits, readLimitRights(), options.warn),
    terminal: io.kind === "terminal" && process.stdin.isTTY === true,
    args: options.args,
  });
  const joins = [String(joinFiles.length), ...joinFiles];
  const command = {
    argv: [
      ...around(),
      ...joins,
      ...scriptArguments(plan, modeOf(runtime, io), options.hand),
      ...runtimeArguments(runtime, own),
    ],
    cwd: directory,
    env: { PATH: stepPath(), LC_ALL: "C", LIBMOUNT_FORCE_MOUNT2: "always" },
    input: [...plan.secretFiles.map(({ content }) => content), Buffer.from(encodeOciConfig(config), "utf8")],
    timeout: plan.process.limits.timeout,
    signal: options.signal,
    warn: options.warn,
  };
  try {
    return await runStepProcess(command, io, starter);
  } catch (error) {
    if (isNacreError(error)) throw error;
    throw new NacreError("ISOLATION", "no process can be started for the step", { cause: error });
  }
}

/**
 * A pid namespace within the one that ends with nacre: its process 1 leaves the remains of a container of runc alone, and
 * the runtime finds a /proc that numbers as it does.
 */
function around(): string[] {
  const namespaces = ["--pid", "--fork", "--kill-child", "--mount", "--propagation", "private", "--mount-proc"];
  return [needStepProgram("unshare"), ...namespaces, "--", needStepProgram("sh"), "-c", OCI_SCRIPT, "sh"];
}

/** The runtime makes the nodes of every root in /dev, where they cannot be opened; in a user namespace it binds the host's. */
function bindsNodes(plan: RootPlan, hand: Hand): boolean {
  return hand.flavour === "root" && hand.devices && needsBoundNodes(plan.mounts);
}

function finishOf(runtime: OciRuntime, plan: RootPlan, hand: Hand): OciFinish | undefined {
  if (!isCrun(runtime)) return undefined;
  const mount = bindsNodes(plan, hand) ? needStepProgram("mount") : undefined;
  const removesCore = !fs.existsSync("/proc/kcore");
  if (mount === undefined && !removesCore) return undefined;
  return { sh: needStepProgram("sh"), path: stepPath(), mount, removesCore };
}

function scriptArguments(plan: RootPlan, mode: OciMode, hand: Hand): string[] {
  const secrets = plan.secretFiles.flatMap(({ content, mode, uid, gid }) => [
    String(content.length),
    mode.toString(8),
    `${uid}:${gid}`,
  ]);
  return [
    mode,
    bindsNodes(plan, hand) ? (nodesDiffer() ? "modes" : "nodes") : "",
    String(plan.secretFiles.length),
    ...secrets,
  ];
}

function modeOf(runtime: OciRuntime, io: RunIo): OciMode {
  if (io.kind === "terminal") return "terminal";
  return isCrun(runtime) ? "attached" : "detached";
}

function runtimeArguments(runtime: OciRuntime, own: string): string[] {
  const groups = isCrun(runtime) ? "--cgroup-manager=disabled" : "--rootless=true";
  return [runtime.path, groups, "--root", `${own}/state`, "--log", `${own}/log`, "--log-format", "json"];
}

function isCrun(runtime: OciRuntime): boolean {
  return nameOf(runtime).startsWith("crun");
}

function nameOf(runtime: OciRuntime): string {
  return runtime.path.slice(runtime.path.lastIndexOf("/") + 1);
}

/** The hand's effective capabilities (proc(5)); all, where they cannot be read: the runtime refuses what is too much. */
function ownCapabilities(): bigint {
  const text = fs.readFileSync("/proc/self/status", "latin1");
  const digits = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(text)?.[1];
  return digits === undefined ? 2n ** 64n - 1n : BigInt(`0x${digits}`);
}

function isOnHost({ name, type, major, minor }: DeviceNode): boolean {
  const stat = fs.statSync(`/dev/${name}`, { throwIfNoEntry: false });
  const right = type === "char" ? stat?.isCharacterDevice() : stat?.isBlockDevice();
  return stat !== undefined && right === true && stat.rdev === major * 256 + minor;
}

function cancelled(): NacreError {
  return new NacreError("CANCELLED", "the step was stopped");
}
