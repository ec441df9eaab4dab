/** Roots for the tests of the level `oci`: a plan over a directory with busybox, as the sandbox would make it. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hand } from "../../src/sandbox/hand.js";
import { readHostFacts } from "../../src/sandbox/hostFacts.js";
import { withoutDevices } from "../../src/sandbox/noDevices.js";
import type { PlannedMount, PlannedProcess, RootPlan } from "../../src/sandbox/rootPlan.js";
import { protectiveMounts, systemMounts } from "../../src/sandbox/standardMounts.js";
import { requireTool } from "../setup/tools.js";

/** Root of the host. */
export const ROOT_HAND: Hand = {
  flavour: "root",
  overlayXattrs: "trusted",
  singleId: false,
  devices: true,
  upper: "store",
};

/** A step's directory; remove it with {@link OciRoot.remove}. */
export interface OciRoot {
  readonly dir: string;
  plan(changes?: PlanChanges): RootPlan;
  remove(): void;
}

export type PlanChanges = Partial<Omit<RootPlan, "process" | "mounts">> & {
  readonly process?: Partial<PlannedProcess>;
  readonly mounts?: readonly PlannedMount[];
};

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** @param lower how many lower directories there are below the one with busybox */
export function makeOciRoot(options: { lower?: number; userNamespace?: boolean } = {}): OciRoot {
  const top = fs.mkdtempSync(join(tmpdir(), "nacre oci,"));
  const dir = join(top, "step");
  const lower = [join(top, "stubs"), join(top, "busybox")];
  for (let n = 0; n < (options.lower ?? 0); n++) lower.push(join(top, `layer-with-a-rather-long-name-${n}`));
  for (const path of [dir, ...lower, ...["upper", "work", "merged"].map((name) => join(dir, name))]) fs.mkdirSync(path);
  for (const name of ["dev", "proc", "sys", "mnt"]) fs.mkdirSync(join(lower[0]!, name));
  installBusybox(lower[1]!);
  lower.slice(2).forEach((path, n) => {
    fs.writeFileSync(join(path, `file${n}`), String(n));
  });
  return {
    dir,
    plan: (changes = {}) => makePlan(dir, lower, changes, options.userNamespace ?? false),
    remove: () => fs.rmSync(top, { recursive: true, force: true }),
  };
}

function installBusybox(root: string): void {
  fs.mkdirSync(join(root, "bin"));
  fs.mkdirSync(join(root, "tmp"));
  fs.chmodSync(join(root, "tmp"), 0o1777);
  fs.copyFileSync(requireTool("busybox"), join(root, "bin/busybox"));
  const applets =
    "sh cat echo id ls grep sleep pwd hostname env mknod touch mount ip sed kill stat dd chmod mkdir test wc tty unshare true readlink awk";
  for (const name of applets.split(" ")) fs.symlinkSync("busybox", join(root, "bin", name));
}

function makePlan(dir: string, lower: readonly string[], changes: PlanChanges, userNamespace: boolean): RootPlan {
  const facts = readHostFacts();
  const insecure = changes.process?.insecure ?? false;
  const options = { insecure, userNamespace, shmSize: 64 << 20, limited: true };
  const all = [
    ...systemMounts(facts, options),
    ...(changes.mounts ?? []),
    ...protectiveMounts(facts, options, join(dir, "merged")),
  ];
  const mounts = insecure ? all : withoutDevices(all);
  const process: PlannedProcess = {
    args: ["/bin/sh", "-c", "true"],
    env: [PATH, "HOME=/root"],
    secretEnv: new Map(),
    cwd: "/",
    uid: 0,
    gid: 0,
    groups: [0],
    hostname: "buildkitsandbox",
    network: "host",
    insecure: false,
    limits: { ulimits: [] },
    ...changes.process,
  };
  return { dir, lower, secretFiles: [], makeCwd: undefined, shmSize: options.shmSize, ...changes, mounts, process };
}
