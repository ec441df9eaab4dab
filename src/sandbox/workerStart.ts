/**
 * Starting the worker: `setpriv` sees to it that it dies with this process, `unshare` gives it its namespaces, and
 * newuidmap(1) its ids, while a shell waits in between. (unshare's own `--map-auto` came with util-linux 2.38, and takes
 * the first range only.) The death signal is asked for twice, because gaining capabilities takes it away.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import * as path from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { NacreError } from "../support/errors.js";
import { type IdMapping, mapArguments } from "./idMapping.js";
import type { Facts } from "./probeFacts.js";
import { lastWords, whyNoUserNamespace, whySingleId } from "./probeReasons.js";
import { needProgram } from "./probeTools.js";
import { OUTPUT_FD, START_FD } from "./workerProtocol.js";

/** Which ids a worker has: those of this process, a single one as root, or a mapping. */
export type WorkerIds = "own" | "single" | IdMapping;

const READY = "nacre-worker-is-ready";
/** What goes wrong before the worker itself runs is said to nacre; afterwards standard error is the user's again. */
const OUTER = `exec 6>&2 2>&${START_FD}; exec "$@"`;
const INNER = `echo ${READY} >&${START_FD}; read -r go <&${START_FD} || exit 1; exec 2>&6 6>&- ${START_FD}>&-; exec "$@"`;

/** A worker whose program is about to run. */
export interface StartedWorker {
  readonly process: ChildProcess;
  /** Frames of output. */
  readonly output: Duplex;
}

/**
 * Starts a worker.
 * @param program the worker's main module; default: nacre's own
 * @throws NacreError ISOLATION if it cannot be had: the reason in plain words
 */
export async function startWorker(ids: WorkerIds, facts: Facts, program = workerProgram()): Promise<StartedWorker> {
  const setpriv = needProgram(facts.programs, "setpriv");
  const sh = needProgram(facts.programs, "sh");
  const diesWithUs = [setpriv, "--pdeathsig", "KILL", "--"];
  const unshare = [needProgram(facts.programs, "unshare"), ...namespacesFor(ids), "--propagation", "private", "--"];
  const worker = [...diesWithUs, process.execPath, program];
  const child = spawn(
    sh,
    ["-c", OUTER, "sh", ...diesWithUs, ...unshare, sh, "-c", INNER, "sh", ...worker],
    // 3 is the channel, START_FD and OUTPUT_FD follow it.
    {
      cwd: "/",
      env: { PATH: facts.path, LC_ALL: "C" },
      stdio: ["inherit", "inherit", "inherit", "ipc", "pipe", "pipe"],
      serialization: "advanced",
    },
  );
  const [control, output] = [START_FD, OUTPUT_FD].map((fd) => (child.stdio as readonly unknown[])[fd] as Duplex) as [
    Duplex,
    Duplex,
  ];
  // A dead worker is noticed by its exit.
  for (const stream of [control, output]) stream.on("error", () => {});
  try {
    await ready(child, control, facts);
    if (typeof ids === "object") await mapIds(child.pid!, ids, facts);
    control.end("go\n");
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return { process: child, output };
}

function namespacesFor(ids: WorkerIds): string[] {
  if (ids === "own") return ["--mount"];
  return ["--user", ...(ids === "single" ? ["--map-root-user"] : []), "--mount"];
}

/**
 * The sources are TypeScript, which a process of its own cannot load: then the built one serves. (In the command's bundle
 * this module lies in `cli/`.)
 */
function workerProgram(): string {
  const here = fileURLToPath(import.meta.url);
  if (here.endsWith(".js")) return path.join(path.dirname(here), "../sandbox/workerMain.js");
  return path.join(path.dirname(here), "../../dist/sandbox/workerMain.js");
}

/** Waits until the shell is in its namespaces. */
function ready(child: ChildProcess, control: Duplex, facts: Facts): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    const fail = () => reject(isolationError(whyNoUserNamespace(said, facts)));
    control.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString("latin1")).slice(-10_000);
      if (said.includes(READY)) resolve();
    });
    control.once("end", fail);
    child.once("error", (error) => {
      said ||= error.message;
      fail();
    });
  });
}

async function mapIds(pid: number, ids: IdMapping, facts: Facts): Promise<void> {
  for (const [name, ranges] of [
    ["newuidmap", ids.uids],
    ["newgidmap", ids.gids],
  ] as const) {
    await runMapper(needProgram(facts.programs, name), [String(pid), ...mapArguments(ranges)], facts);
  }
}

function runMapper(program: string, args: readonly string[], facts: Facts): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { env: { PATH: facts.path, LC_ALL: "C" } }, (error, _stdout, stderr) => {
      if (!error) resolve();
      else reject(isolationError(whySingleId(facts, lastWords(stderr || error.message))));
    });
  });
}

function isolationError({ why, help }: { readonly why: string; readonly help?: string | undefined }): NacreError {
  return new NacreError("ISOLATION", why, { hint: help });
}
