/**
 * Which OCI runtime works here: each is made to run a container, because versions and settings tell too little (crun next
 * to mixed control groups, runc where /proc is partly covered, either without the right to mount).
 */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { isNacreError } from "../support/errors.js";
import type { Hand } from "./hand.js";
import { type OciRuntime, ociExecutor } from "./ociExecutor.js";
import { lastWords } from "./probeReasons.js";
import { searchPath } from "./probeTools.js";
import type { PlannedMount, RootPlan } from "./rootPlan.js";
import type { RunExit } from "./types.js";

/** What {@link probeOci} found. */
export type OciProbe =
  | { readonly ok: true; readonly runtime: OciRuntime }
  /** One sentence about each runtime. */
  | { readonly ok: false; readonly why: string };

/** In the order in which they are tried: crun starts in a third of the time. */
const RUNTIMES = ["crun", "runc"] as const;

/** Milliseconds for one trial. */
const PATIENCE = 20_000;

/** Exit code by which the trial is recognised. */
const CODE = 42;

/** Nothing of it is looked at where there is no overlay. */
const TRIAL_HAND: Hand = {
  flavour: "trial",
  overlayXattrs: "user",
  singleId: true,
  devices: false,
  upper: undefined,
};

/** Runs a container with each runtime on PATH until one works. Leaves nothing behind. */
export async function probeOci(): Promise<OciProbe> {
  const whys: string[] = [];
  for (const name of RUNTIMES) {
    const found = findOnPath(name);
    const why = found === undefined ? `${name} is not installed` : await tryRuntime({ path: found });
    if (why === undefined) return { ok: true, runtime: { path: found! } };
    whys.push(why);
  }
  return { ok: false, why: whys.join("; ") };
}

/** @returns why it does not work; undefined if it does */
async function tryRuntime(runtime: OciRuntime): Promise<string | undefined> {
  // Not in the store: whether its disk can hold an overlay is another question, and a read-only one needs no disk.
  const dir = fs.mkdtempSync(path.join(tmpdir(), "nacre-oci-"));
  try {
    let output = "";
    const onOutput = (chunk: Buffer) => {
      output = (output + chunk.toString("latin1")).slice(-1000);
    };
    const options = { hand: TRIAL_HAND, warn: () => {} };
    const exit = await ociExecutor(runtime).execute(trialPlan(dir), { kind: "log", onOutput }, options);
    return exit.kind === "code" && exit.code === CODE ? undefined : `${runtime.path}: ${describe(exit, output)}`;
  } catch (error) {
    return isNacreError(error) ? error.message : String(error);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

/** A root of the host's own programs: every system that has a runtime has a shell. */
function trialPlan(dir: string): RootPlan {
  fs.mkdirSync(`${dir}/merged`);
  const programs = ["usr", "bin", "lib", "lib64", "nix", "gnu"].filter((name) => fs.existsSync(`/${name}`));
  const mounts: PlannedMount[] = [
    ...programs.map((name) => ({ source: `/${name}`, target: name, type: "bind", options: ["rbind"] })),
    { source: "proc", target: "proc", type: "proc", options: ["nosuid", "noexec", "nodev"] },
    { source: "tmpfs", target: "dev", type: "tmpfs", options: ["nosuid", "mode=755"] },
    { source: "/sys", target: "sys", type: "bind", options: ["rbind", "ro", "nosuid", "noexec", "nodev"] },
    { source: "/dev/null", target: "proc/kcore", type: "bind", options: [], purpose: "masked" },
  ];
  const process = {
    args: ["/bin/sh", "-c", `exit ${CODE}`],
    env: ["PATH=/usr/bin:/bin"],
    secretEnv: new Map<string, string>(),
    cwd: "/",
    ...{ uid: 0, gid: 0, groups: [0] },
    hostname: "trial",
    network: "host",
    insecure: false,
    limits: { ulimits: [], timeout: PATIENCE },
  } as const;
  return { dir, lower: [], mounts, secretFiles: [], makeCwd: undefined, process, shmSize: 0 };
}

function describe(exit: RunExit, output: string): string {
  if (exit.kind === "unstartable") return exit.message;
  if (exit.kind === "timeout") return `no answer for ${PATIENCE / 1000} s`;
  return `a trial ended with ${exit.kind === "code" ? exit.code : exit.kind}: ${lastWords(output)}`;
}

function findOnPath(name: string): string | undefined {
  return searchPath(process.env.PATH)
    .split(path.delimiter)
    .map((folder) => path.join(folder, name))
    .find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
