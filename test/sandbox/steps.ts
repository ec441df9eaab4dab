/** Plans over a root that holds nothing but busybox, as the planner would make them, and their execution. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecuteOptions } from "../../src/sandbox/executor.js";
import type { Hand } from "../../src/sandbox/hand.js";
import { readHostFacts } from "../../src/sandbox/hostFacts.js";
import { namespacesExecutor } from "../../src/sandbox/namespaces.js";
import { withoutDevices } from "../../src/sandbox/noDevices.js";
import type { PlannedMount, PlannedProcess, RootPlan } from "../../src/sandbox/rootPlan.js";
import { protectiveMounts, systemMounts } from "../../src/sandbox/standardMounts.js";
import type { RunExit } from "../../src/sandbox/types.js";
import { toByteString } from "../../src/support/bytes.js";
import { findTool } from "../setup/tools.js";

/** The hand of root. */
export const ROOT: Hand = {
  flavour: "root",
  overlayXattrs: "trusted",
  singleId: false,
  devices: true,
  upper: "store",
};

/** PATH of the steps. */
export const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What differs from an ordinary plan. */
export interface StepChanges {
  readonly process?: Partial<PlannedProcess>;
  readonly mounts?: readonly PlannedMount[];
  readonly secretFiles?: RootPlan["secretFiles"];
  readonly makeCwd?: string;
  readonly lower?: readonly string[];
  readonly hand?: Hand;
}

/** A step that ended. */
export interface Ended {
  readonly exit: RunExit;
  readonly output: string;
  readonly warnings: readonly string[];
}

/** A directory in which steps run. Remove it in the end. */
export class StepBench {
  readonly directory: string;
  readonly lower: string;
  #count = 0;

  /** @param name becomes a part of all paths */
  constructor(name = "steps") {
    this.directory = fs.mkdtempSync(join(tmpdir(), `nacre-${name}-`));
    this.lower = join(this.directory, "lower");
    makeRoot(this.lower);
  }

  /** A plan and its directories. */
  plan(args: readonly string[], changes: StepChanges = {}): RootPlan {
    const dir = join(this.directory, `step${this.#count++}`);
    for (const name of ["", "upper", "work", "merged"]) fs.mkdirSync(join(dir, name), { mode: 0o755 });
    const planned: PlannedProcess = {
      ...{ args, env: [PATH, "HOME=/root"], secretEnv: new Map(), cwd: "/", uid: 0, gid: 0, groups: [0] },
      ...{ hostname: "buildkitsandbox", network: "host", insecure: false, limits: { ulimits: [] } },
      ...changes.process,
    };
    const userNamespace = (changes.hand ?? ROOT).flavour !== "root";
    const standard = { insecure: planned.insecure, userNamespace, shmSize: 64 << 20 };
    const facts = readHostFacts();
    const system = systemMounts(facts, standard);
    const protective = protectiveMounts(facts, standard, toByteString(join(dir, "merged")));
    const mounts = [...system, ...(changes.mounts ?? []), ...protective];
    return {
      dir,
      lower: changes.lower ?? [this.lower],
      mounts: planned.insecure ? mounts : withoutDevices(mounts),
      secretFiles: changes.secretFiles ?? [],
      makeCwd: changes.makeCwd,
      process: planned,
      shmSize: 64 << 20,
    };
  }

  /** Runs a plan, all output as one text. */
  async execute(plan: RootPlan, options: Partial<ExecuteOptions> = {}): Promise<Ended> {
    const chunks: Buffer[] = [];
    const warnings: string[] = [];
    const exit = await namespacesExecutor().execute(
      plan,
      { kind: "log", onOutput: (chunk) => chunks.push(chunk) },
      { hand: ROOT, warn: (rule, message) => warnings.push(`${rule}: ${message}`), ...options },
    );
    return { exit, output: Buffer.concat(chunks).toString("latin1"), warnings };
  }

  /** Plans and runs. */
  run(args: readonly string[], changes: StepChanges = {}, options: Partial<ExecuteOptions> = {}): Promise<Ended> {
    return this.execute(this.plan(args, changes), { hand: changes.hand ?? ROOT, ...options });
  }

  /** Plans and runs a line of shell. @returns what it wrote; what it ended with must be 0 */
  async shell(line: string, changes: StepChanges = {}): Promise<string> {
    const { exit, output } = await this.run(["/bin/sh", "-c", line], changes);
    if (exit.kind !== "code" || exit.code !== 0) throw new Error(`${JSON.stringify(exit)}: ${output}`);
    return output;
  }

  remove(): void {
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A root with busybox and its names, and mount points for everything that every step has. */
export function makeRoot(directory: string): void {
  for (const name of ["bin", "dev", "etc", "proc", "sys", "root", "tmp", "usr/bin"]) {
    fs.mkdirSync(join(directory, name), { recursive: true });
  }
  fs.chmodSync(join(directory, "tmp"), 0o1777);
  fs.copyFileSync(findTool("busybox")!, join(directory, "bin/busybox"));
  fs.chmodSync(join(directory, "bin/busybox"), 0o755);
  const names = spawnSync("busybox", ["--list"], { encoding: "utf8" }).stdout.split("\n").filter(Boolean);
  for (const name of names) if (name !== "busybox") fs.symlinkSync("/bin/busybox", join(directory, "bin", name));
  fs.symlinkSync("/bin/busybox", join(directory, "usr/bin/env"));
}

/** Mounts of this machine, and the names of all processes with a part of the command line. */
export function traces(marker: string): { readonly mounts: string; readonly processes: readonly string[] } {
  const processes = fs.readdirSync("/proc").flatMap((pid) => {
    if (!/^[0-9]+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      const line = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      return line.includes(marker) ? [line] : [];
    } catch {
      return [];
    }
  });
  return { mounts: fs.readFileSync("/proc/self/mountinfo", "latin1"), processes };
}
