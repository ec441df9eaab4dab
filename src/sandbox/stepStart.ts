/**
 * Starting the first processes of a step: those that are the same for every step, up to a shell that is process 1 of a pid
 * namespace. They take as long as a small step itself, so that one is kept waiting while another step runs, and
 * gets its command then.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import * as fs from "node:fs";
import type { Writable } from "node:stream";
import { inheritableDescriptors } from "./inherited.js";
import { needStepProgram, optionalProgram } from "./programs.js";
import { CLOSE_SCRIPT, OUTER_SCRIPT, START_SCRIPT } from "./setupScript.js";
import { removeStage, type Stage } from "./stage.js";
import type { RunIo } from "./types.js";

/** Milliseconds after the start of a step until the next one's processes are started: this one's come first. */
const SPARE_DELAY = 6;
/** Standard input, output and error; words on the way (3, 4); 5 is the script's; 6 takes contents, 7 orders. */
const LOG_STDIO: StdioOptions = ["ignore", "pipe", "ignore", "pipe", "pipe", "ignore", "pipe", "pipe"];
const TERMINAL_STDIO: StdioOptions = ["inherit", "inherit", "inherit", "pipe", "pipe", "ignore", "pipe", "ignore"];
const ORDERS = "orders";

/** What to run. */
export interface StepCommand {
  /**
   * Run as a child of process 1 of the outer pid namespace; the first one is an absolute path, be it of `head` or of `argv`.
   */
  readonly argv: readonly string[];
  /** What begins the command: it is the same for many steps, and takes `wait` in place of all the rest to be given that later. */
  readonly head?: readonly string[] | undefined;
  /** The command needs this one, and so the process that has made it. */
  readonly stage?: Stage | undefined;
  /** Makes a stage for a step like this one. */
  readonly makeStage?: (() => Stage | undefined) | undefined;
  /** All of it. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** What can be read from descriptor 6, if anything. */
  readonly input?: readonly Buffer[] | undefined;
  /** Milliseconds after which everything is killed. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly warn: (rule: string, message: string) => void;
}

/** A process that waits for a command. */
interface Spare {
  readonly child: ChildProcess;
  /** The environment and the head that it was started with. */
  readonly kind: string;
  /** What it mounts before it waits; removed when the process has ended. */
  readonly stage: Stage | undefined;
}

/** The process that had made a step's stage is gone: the step has to be set up without it. */
export class StageLost extends Error {}

function kindOf({ env, head }: Pick<StepCommand, "env" | "head">): string {
  return JSON.stringify([env, head]);
}

/** Starts the processes of steps. One for a series of steps keeps one process waiting: close it, and that ends. */
export class StepStarter {
  readonly #series: boolean;
  #spare: Spare | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(series = false) {
    this.#series = series;
  }

  /** @throws the error of spawn(2); StageLost */
  start(command: StepCommand, io: RunIo): ChildProcess {
    const plain = io.kind === "log" && isPlain(command);
    const given = plain ? this.#give(command) : undefined;
    if (given === undefined && command.stage !== undefined) throw new StageLost();
    const child = given ?? startNow(command, io);
    if (plain) this.#prepareNext(command);
    return child;
  }

  /** The stage of the process that waits for such a command. */
  waitingStage(command: Pick<StepCommand, "env" | "head">): Stage | undefined {
    const spare = this.#spare;
    return spare && isWaiting(spare) && spare.kind === kindOf(command) ? spare.stage : undefined;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#dismiss();
  }

  #give(command: StepCommand): ChildProcess | undefined {
    const spare = this.#spare;
    if (spare === undefined || spare.kind !== kindOf(command) || !isWaiting(spare)) return undefined;
    // A step that needs no stage is not disturbed by one: it is out of sight of the root.
    if (command.stage !== undefined && spare.stage !== command.stage) return undefined;
    const { child } = spare;
    const path = `${command.cwd}/${ORDERS}`;
    fs.writeFileSync(path, orders(command), { flag: "wx", mode: 0o600 });
    this.#spare = undefined;
    child.removeAllListeners("error").ref();
    ordersOf(child)?.end(`${path}\n`);
    return child;
  }

  /** A step like this one is expected next. */
  #prepareNext(command: StepCommand): void {
    clearTimeout(this.#timer);
    if (!this.#series || this.#spare !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => this.#prepare(command), SPARE_DELAY).unref();
  }

  #prepare(command: StepCommand): void {
    const { env, head, warn } = command;
    const stage = tryStage(command);
    const waiting = head ? [...head, "wait", stage?.list ?? ""] : [];
    const child = spawnFirst(["later", ...waiting], "/", env, LOG_STDIO, warn);
    // Without one that waits, the next step starts its own.
    child.on("error", () => {});
    ordersOf(child)?.on("error", () => {});
    if (stage) child.once("close", () => removeStage(stage));
    child.unref();
    this.#spare = { child, kind: kindOf(command), stage };
  }

  /** Without orders it ends by itself. */
  #dismiss(): void {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare === undefined) return;
    const { child, stage } = spare;
    for (const stream of child.stdio) stream?.destroy();
    child.kill("SIGKILL");
    if (stage) removeStage(stage);
  }
}

function isWaiting({ child }: Spare): boolean {
  return child.exitCode === null && child.signalCode === null && child.pid !== undefined;
}

/** What fails here fails for the next step itself, and is told then. */
function tryStage({ makeStage }: StepCommand): Stage | undefined {
  try {
    return makeStage?.();
  } catch {
    return undefined;
  }
}

function ordersOf(child: ChildProcess): Writable | undefined {
  return (child.stdio as readonly unknown[])[7] as Writable | undefined;
}

/** True if shells can be told the command in a file: printable ASCII reads alike in all of them. */
function isPlain({ argv, cwd, env }: StepCommand): boolean {
  return [...argv, cwd].every((word) => /^[\t\n\x20-\x7e]*$/.test(word)) && !/[\n\\]/.test(cwd) && !hasSecrets(env);
}

/** Secrets are in the environment of the chain, and never in a file. */
function hasSecrets(env: StepCommand["env"]): boolean {
  return Object.keys(env).some((name) => name.startsWith("NACRE_SECRET_"));
}

/**
 * For the shell: where to go, and the words of the command, each in single quotes, in which nothing has a meaning (POSIX,
 * Shell Command Language, 2.2.2).
 */
export function orders({ argv, cwd }: Pick<StepCommand, "argv" | "cwd">): string {
  return `cd -P ${quoted(cwd)} || exit 1\nset -- ${argv.map(quoted).join(" ")}\n`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function startNow({ head = [], argv, env, cwd, warn }: StepCommand, io: RunIo): ChildProcess {
  return spawnFirst([io.kind, ...head, ...argv], cwd, env, io.kind === "log" ? LOG_STDIO : TERMINAL_STDIO, warn);
}

function spawnFirst(
  words: readonly string[],
  cwd: string,
  env: StepCommand["env"],
  stdio: StdioOptions,
  warn: StepCommand["warn"],
): ChildProcess {
  const sh = needStepProgram("sh");
  const [setpriv, unshare] = [needStepProgram("setpriv"), needStepProgram("unshare")];
  const [program, ...args] = [
    ...[setpriv, "--pdeathsig", "KILL", "--"],
    ...closer(sh, stdio.length - 1, warn),
    ...[sh, "-c", START_SCRIPT, "sh", String(process.pid)],
    ...[unshare, "--pid", "--fork", "--kill-child", "--"],
    ...[sh, "-c", OUTER_SCRIPT, "sh", ...words],
  ] as [string, ...string[]];
  // A session of its own: Ctrl-C at the terminal is nacre's to handle, and the step finds no terminal.
  const child = spawn(program, args, { cwd, env: { ...env }, stdio, detached: stdio === LOG_STDIO });
  // What is killed leaves things unread: how it ended is what counts.
  for (const stream of child.stdio) stream?.on("error", () => {});
  return child;
}

/** The command that closes what would be inherited although no one said so; nothing if there is nothing to close. */
function closer(sh: string, lastOwn: number, warn: StepCommand["warn"]): string[] {
  const stray = inheritableDescriptors().filter((fd) => fd > lastOwn);
  if (stray.length === 0) return [];
  const many = optionalProgram("bash");
  const busybox = optionalProgram("busybox");
  const command = (shell: readonly string[]) => [...shell, "-c", CLOSE_SCRIPT, "sh", stray.join(" ")];
  // POSIX promises redirections of one digit only; so it is with dash.
  if (stray.every((fd) => fd < 10)) return command([sh]);
  if (many !== undefined) return command([many, "--norc", "--noprofile"]);
  if (busybox !== undefined) return command([busybox, "sh"]);
  warn(
    "OpenDescriptors",
    `the step inherits the open descriptors ${stray.join(", ")}: closing them needs bash or busybox`,
  );
  return [];
}
