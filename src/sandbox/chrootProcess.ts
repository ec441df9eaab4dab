/**
 * The process of a step at level `chroot`, where there are no namespaces: what it starts is recognised by its root directory,
 * and killed when the step is over.
 */
import { type ChildProcess, execFile, type StdioOptions, spawn } from "node:child_process";
import * as fs from "node:fs";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { needStepProgram } from "./programs.js";
import type { RunIo } from "./types.js";

/** What to run. */
export interface ChrootCommand {
  /** Absolute path of the root; the command is started there. */
  readonly root: string;
  /** Outside the root, becoming the process inside; words as encodeOperand writes them. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Names of variables whose values are in `env` as NACRE_SECRET_0 and so on. */
  readonly secretNames: readonly string[];
  /** Files to write `0` to, see controlGroups.ts. */
  readonly joinFiles: readonly string[];
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How it ended. Nothing that has the root runs any more. */
export interface ChrootEnd {
  /** 128 + n for signal n; undefined if it was not started or was killed with everything. */
  readonly code: number | undefined;
  readonly killed: "abort" | "timeout" | undefined;
  readonly errors: string;
}

/**
 * Arguments: `log` or `terminal`; the path of cat; how many control groups, and their files; how many secrets, and their names; the
 * command. The host's own variables end here.
 */
const SCRIPT = `
umask 022
set -f
decode() {
  value=$1
  case $1 in
    *\\\\*)
      value=$(printf '%b.' "$1")
      value=\${value%.}
      ;;
  esac
}
mode=$1 cat=$2 joins=$3
shift 3
while test "$joins" -gt 0; do
  echo 0 >"$1" || exit 125
  joins=$((joins - 1))
  shift
done
secrets=$1 number=0
shift
unset PATH LC_ALL PWD OLDPWD
while test "$number" -lt "$secrets"; do
  eval "decode \\"\\$NACRE_SECRET_$number\\""
  unset "NACRE_SECRET_$number"
  export "$1=$value"
  number=$((number + 1))
  shift
done
number=$#
while test "$number" -gt 0; do
  decode "$1"
  shift
  set -- "$@" "$value"
  number=$((number - 1))
done
case $mode in
  log)
    {
      "$@" 2>&1 3>&-
      echo "exit $?" >&3
    } | "$cat" 3>&-
    ;;
  terminal)
    "$@" 3>&-
    echo "exit $?" >&3
    ;;
esac
`;

/** Bytes of messages that are kept. */
const KEPT = 64 << 10;
const LONGEST_TIMEOUT = 2 ** 31 - 1;
/** How often processes that go on making others are looked for. */
const MAX_ROUNDS = 500;

/** Runs to the end and kills what is left. @throws the error of spawn(2) */
export async function runChrootProcess(command: ChrootCommand, io: RunIo): Promise<ChrootEnd> {
  const child = start(command, io);
  const control = collect(child.stdio[3] as Readable | null);
  const errors = collect(child.stderr);
  if (io.kind === "log") child.stdout?.on("data", io.onOutput);
  let killed: ChrootEnd["killed"];
  let ending: Promise<void> | undefined;
  const end = (): void => {
    ending ??= killAll(command.root);
  };
  const kill = (why: "abort" | "timeout"): void => {
    killed ??= why;
    child.kill("SIGKILL");
    end();
  };
  const onAbort = () => kill("abort");
  const { timeout, signal } = command;
  const timer =
    timeout === undefined ? undefined : setTimeout(() => kill("timeout"), Math.min(timeout, LONGEST_TIMEOUT));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  // What the command leaves behind keeps its output open.
  child.stdio[3]?.on("data", () => {
    if (control().includes("exit ")) end();
  });
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", () => resolve());
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    await ending;
    await killAll(command.root);
  }
  const code = /exit ([0-9]{1,3})\n/.exec(control())?.[1];
  return { code: code === undefined ? undefined : Number(code), killed, errors: errors() };
}

function start({ root, argv, env, secretNames, joinFiles }: ChrootCommand, io: RunIo): ChildProcess {
  const words = [
    ...["--pdeathsig", "KILL", "--", needStepProgram("sh"), "-c", SCRIPT, "sh", io.kind, needStepProgram("cat")],
    ...[String(joinFiles.length), ...joinFiles, String(secretNames.length), ...secretNames, ...argv],
  ];
  const log = io.kind === "log";
  const stdio: StdioOptions = log ? ["ignore", "pipe", "pipe", "pipe"] : ["inherit", "inherit", "inherit", "pipe"];
  // A session of its own: the step finds no terminal, and Ctrl-C is nacre's to handle.
  return spawn(needStepProgram("setpriv"), words, { cwd: root, env: { ...env }, stdio, detached: log });
}

/**
 * Kills every process whose root directory is this one or lies in it, until there is none.
 * @param root absolute
 */
export async function killAll(root: string): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const pids = await processesIn(root);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    if (round > 2) await sleep(Math.min(round, 20));
  }
}

async function processesIn(root: string): Promise<number[]> {
  const found: number[] = [];
  const hidden = new Map<number, number[]>();
  for (const name of fs.readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(name) || isZombie(name)) continue;
    const at = rootOf(name);
    if (at === undefined) continue;
    if (at !== "hidden") {
      if (isWithin(at, root)) found.push(Number(name));
      continue;
    }
    const owner = fs.statSync(`/proc/${name}`, { throwIfNoEntry: false })?.uid;
    if (owner !== undefined && owner !== 0) hidden.set(owner, [...(hidden.get(owner) ?? []), Number(name)]);
  }
  for (const [uid, pids] of hidden) found.push(...(await askAs(uid, pids, root)));
  return found;
}

/** The root of a process; undefined if it has ended. Without CAP_SYS_PTRACE root is not shown what other users' processes do. */
function rootOf(pid: string): string | "hidden" | undefined {
  try {
    return fs.readlinkSync(`/proc/${pid}/root`);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES" ? "hidden" : undefined;
  }
}

/** A process of the same user may look. */
function askAs(uid: number, pids: readonly number[], root: string): Promise<number[]> {
  const look = 'for pid; do printf "%s %s\\\\0" "$pid" "$(readlink "/proc/$pid/root")"; done';
  const credentials = [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--inh-caps=-all", "--"];
  const args = [...credentials, needStepProgram("sh"), "-c", look, "sh", ...pids.map(String)];
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
  return new Promise((resolve) => {
    execFile(needStepProgram("setpriv"), args, { env, timeout: 5_000, killSignal: "SIGKILL" }, (_error, stdout) => {
      const lines = stdout.split("\0").map((line) => /^([0-9]+) (.*)$/s.exec(line));
      resolve(lines.flatMap((match) => (match && isWithin(match[2]!, root) ? [Number(match[1])] : [])));
    });
  });
}

function isZombie(pid: string): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return /^ [ZX]/.test(stat.slice(stat.lastIndexOf(")") + 1));
  } catch {
    return true;
  }
}

function isWithin(path: string, root: string): boolean {
  return path === root || path === `${root} (deleted)` || path.startsWith(`${root}/`);
}

function collect(stream: Readable | null): () => string {
  let text = "";
  stream?.on("error", () => {});
  stream?.setEncoding("latin1").on("data", (chunk: string) => {
    text = (text + chunk).slice(-KEPT);
  });
  return () => text;
}
