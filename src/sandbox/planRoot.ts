/**
 * From a request to a plan: comes in what is asked for, with all sources unpacked and caches taken; goes out the plan of
 * the root, and what must be made on disk before it can be carried out. Pure: the same input gives the same plan.
 */
import { components, type FileTree } from "../layer/fileTree.js";
import { type ByteString, fromByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { Hand } from "./hand.js";
import type { HostFacts } from "./hostFacts.js";
import type { NewPath } from "./newPaths.js";
import { withoutDevices } from "./noDevices.js";
import {
  type BindSource,
  type CacheDirectory,
  type CachePoint,
  MountPlanner,
  type Scratch,
  samePath,
} from "./planMounts.js";
import type { PlannedProcess, RootPlan } from "./rootPlan.js";
import { emptyGround, type Found, type Ground, isWithin, type Place, shown } from "./rootView.js";
import { addsHome, runEnvironment } from "./runEnvironment.js";
import type { RunUser } from "./runUser.js";
import {
  DEVICE_NODES,
  deviceLinks,
  INSECURE_DEVICE_NODES,
  keptDirectories,
  protectiveMounts,
  type StandardMountOptions,
  systemMounts,
} from "./standardMounts.js";
import type { CacheRunMount, RunMount, RunRequest } from "./types.js";

/** All that a plan is made from. */
export interface PlanInput {
  readonly request: RunRequest;
  /** Merged tree of the request's root. */
  readonly tree: FileTree;
  readonly user: RunUser;
  readonly facts: HostFacts;
  readonly hand: Hand;
  /** The step's directory, absolute. */
  readonly dir: string;
  /** Where upper directories may be; the step's directory unless that cannot hold any. */
  readonly upperBase: string;
  /** Directories of the root's layers, topmost first. */
  readonly lower: readonly string[];
  readonly binds: ReadonlyMap<RunMount, BindSource>;
  readonly caches: ReadonlyMap<CacheRunMount, CacheDirectory>;
  /** Listening sockets of the ssh mounts, absolute. */
  readonly agents: ReadonlyMap<RunMount, string>;
  /** Whether a path of the host's /proc or /sys is a directory. */
  readonly isDirectory: (path: string) => boolean;
}

/** A plan, and what it rests on. */
export interface PlannedRoot {
  readonly plan: RootPlan;
  /** To be made in `stubs` of the step's directory. */
  readonly stubs: readonly NewPath[];
  /** To be made in the upper directory. */
  readonly kept: readonly NewPath[];
  readonly scratches: readonly Scratch[];
  readonly cachePoints: readonly CachePoint[];
}

/** Names in the step's directory. */
export const STEP_NAMES = {
  /** Read-only, 0644. */
  hosts: "hosts",
  resolvConf: "resolv.conf",
  /** Holds the script, if there is one. */
  scripts: "scripts",
  /** An empty directory. */
  empty: "empty",
  stubs: "stubs",
  merged: "merged",
  upper: "upper",
  work: "work",
} as const;

/** Where scripts are mounted (BuildKit's choice: programs print it in their messages). */
const SCRIPTS_TARGET = "/dev/pipes/";
const ETC_FILES = ["etc/resolv.conf", "etc/hosts"] as const;
/** Standard mounts that a request may replace with its own. */
const REPLACEABLE = ["dev/pts", "dev/shm", "dev/mqueue", "sys/fs/cgroup", ...ETC_FILES] as const;

/** @throws NacreError MOUNT (a target), RUN_FAILED (the working directory), ISOLATION (the user) */
export function planRoot(input: PlanInput): PlannedRoot {
  const { request, tree, hand, facts, dir, upperBase } = input;
  const userNamespace = hand.flavour !== "root";
  const planner = new MountPlanner(tree, {
    dir,
    upperBase,
    hostMounts: userNamespace ? facts.mounts : undefined,
  });
  const { insecure, shmSize, limits } = request;
  const limited = limits.memory !== undefined || limits.cpus !== undefined || limits.pids !== undefined;
  const standard = { insecure, userNamespace, singleId: hand.singleId, shmSize, limited };
  const replaced = REPLACEABLE.filter((path) => request.mounts.some(({ target }) => samePath(target, path)));
  planSystem(planner, facts, standard, replaced, keptDirectories(request));
  planEtc(planner, dir, replaced);
  planRequest(planner, input);
  for (const mount of protectiveMounts(facts, standard, `${toByteString(dir)}/${STEP_NAMES.merged}`)) {
    planner.fixed(mount);
  }
  const cwd = planCwd(planner, input);
  const { stubs, kept, scratches, cachePoints, mounts, secretFiles } = planner;
  const stubDirectory = stubs.length > 0 || input.lower.length === 0 ? [`${dir}/${STEP_NAMES.stubs}`] : [];
  const plan: RootPlan = {
    dir,
    lower: [...stubDirectory, ...input.lower],
    // In a user namespace no device can be opened anyway, and flags of a bind can be set only together with locked ones.
    mounts: insecure || userNamespace ? mounts : withoutDevices(mounts),
    secretFiles,
    makeCwd: cwd.makeCwd,
    process: planProcess(input, cwd.cwd),
    shmSize: request.shmSize,
  };
  return { plan, stubs, kept, scratches, cachePoints };
}

function planSystem(
  planner: MountPlanner,
  facts: HostFacts,
  options: StandardMountOptions,
  replaced: readonly string[],
  kept: readonly ByteString[],
): void {
  const grounds = new Map<ByteString, Ground>([
    ["proc", emptyGround("kernel")],
    ["sys", emptyGround("kernel")],
    ["dev", deviceGround(options.insecure, facts.kinds.has("/proc/kcore"))],
    ["dev/pts", emptyGround("sealed")],
    ["dev/mqueue", emptyGround("sealed")],
    ["dev/shm", emptyGround("tmpfs")],
    ["sys/fs/cgroup", emptyGround("sealed")],
  ]);
  for (const mount of systemMounts(facts, options)) {
    const { target } = mount;
    if (replaced.some((path) => isWithin(target, path))) continue;
    if (target.includes("/")) planner.fixed(mount, grounds.get(target));
    else planner.system(mount, grounds.get(target)!, kept.includes(target));
  }
  // A mount point of the kernel's own: it is there although nothing can be looked up in /sys.
  if (replaced.includes("sys/fs/cgroup")) planner.view.mount("sys/fs/cgroup", emptyGround("sealed"));
}

/** What is in /dev: nodes and links that are there when the process starts. */
function deviceGround(insecure: boolean, hasKcore: boolean): Ground {
  const there = new Map<ByteString, Found>();
  for (const { name, type } of [...DEVICE_NODES, ...(insecure ? INSECURE_DEVICE_NODES : [])]) {
    there.set(name, { type });
    const slash = name.indexOf("/");
    if (slash > 0) there.set(name.slice(0, slash), { type: "dir" });
  }
  for (const { name, target } of deviceLinks(hasKcore)) there.set(name, { type: "symlink", link: target });
  return { kind: "tmpfs", type: "dir", find: (path) => there.get(path) };
}

function planEtc(planner: MountPlanner, dir: string, replaced: readonly string[]): void {
  for (const path of ETC_FILES) {
    if (replaced.includes(path)) continue;
    const name = path === "etc/hosts" ? STEP_NAMES.hosts : STEP_NAMES.resolvConf;
    planner.file(`${dir}/${name}`, `/${path}`, ["ro", "nosuid", "noexec", "nodev"]);
  }
}

/** In the order of the targets as they were written, byte by byte: so BuildKit mounts parents before what is in them. */
function planRequest(planner: MountPlanner, input: PlanInput): void {
  const { request, dir } = input;
  const todo = request.mounts.map((mount) => ({ target: mount.target, plan: () => planMount(planner, mount, input) }));
  if (request.script) {
    const plan = () => planner.directory(`${dir}/${STEP_NAMES.scripts}`, SCRIPTS_TARGET);
    todo.push({ target: SCRIPTS_TARGET, plan });
  }
  const keyed = todo.map((entry) => ({ ...entry, key: toByteString(entry.target) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  for (const { plan } of keyed) plan();
}

function planMount(planner: MountPlanner, mount: RunMount, input: PlanInput): void {
  switch (mount.type) {
    case "bind":
      planner.bind(input.binds.get(mount)!, mount.target, mount.writable);
      break;
    case "cache":
      planner.cache(input.caches.get(mount)!, mount.target, mount.readOnly);
      break;
    case "tmpfs":
      planner.tmpfs(mount.target, mount.size);
      break;
    case "secret":
      if (mount.content !== undefined) planner.secret(mount.target, mount.content, mount);
      break;
    case "ssh":
      planner.file(input.agents.get(mount)!, mount.target, []);
      break;
  }
}

/** Where the process starts, and what is left to be made there when everything is mounted. */
interface PlannedCwd {
  readonly cwd: string;
  readonly makeCwd: ByteString | undefined;
}

function planCwd(planner: MountPlanner, input: PlanInput): PlannedCwd {
  const place = planner.view.resolve(toByteString(input.request.cwd));
  const { uid, gid } = input.user;
  const cwd = `/${fromByteString(place.path)}`;
  if (place.ground.kind === "kernel") return kernelCwd(place, input);
  if (place.found?.type === "dir") return { cwd, makeCwd: undefined };
  if (place.found) throw badCwd(input, "it is not a directory");
  if (place.ground.kind === "root") {
    const isStub = planner.stubs.some(({ path }) => isWithin(path, place.path));
    if (!isStub) planner.kept.push({ path: place.path, type: "dir", uid, gid });
    return { cwd, makeCwd: undefined };
  }
  const made = planner.makeMissing(place, "dir", uid, gid);
  if (made === undefined) {
    throw badCwd(input, `it is not there and cannot be made: ${shown(place.mountPoint)} is read-only`);
  }
  return { cwd, makeCwd: made === "mounted" ? place.path : undefined };
}

/** Below /proc nothing is allowed that leads through a process: what that is changes while it is looked at. */
function kernelCwd(place: Place, input: PlanInput): PlannedCwd {
  const cwd = `/${fromByteString(place.path)}`;
  const [first = "", ...rest] = components(place.inside);
  const throughProcess = place.mountPoint === "proc" && /^(self|thread-self|[0-9]+)$/.test(first);
  if (throughProcess || first === ".." || rest.includes("..")) throw badCwd(input, "it leads through a process");
  if (first !== "" && !input.isDirectory(cwd)) throw badCwd(input, "it is not a directory");
  return { cwd, makeCwd: undefined };
}

function badCwd(input: PlanInput, why: string): NacreError {
  const { cwd } = input.request;
  return new NacreError("RUN_FAILED", `the working directory ${JSON.stringify(cwd)} cannot be used: ${why}`, {
    hint: "choose another WORKDIR",
    facts: { cwd },
  });
}

function planProcess({ request, user, hand }: PlanInput, cwd: string): PlannedProcess {
  const { args, secretEnv, hostname, network, insecure, limits } = request;
  if (hand.singleId && (user.uid !== 0 || user.groups.some((group) => group !== 0))) {
    throw new NacreError(
      "ISOLATION",
      `the step runs as user ${user.uid}:${user.gid}, but only one user id is mapped here`,
      {
        hint: "give yourself a range of ids in /etc/subuid and /etc/subgid, with newuidmap installed",
      },
    );
  }
  const agentSocket = request.mounts.find((mount) => mount.type === "ssh")?.target;
  const secretNames = new Set(secretEnv.keys());
  const env = runEnvironment(request.env, { home: user.home, agentSocket, secretNames });
  const { uid, gid, groups } = user;
  return {
    ...{ args, env, secretEnv, addsHome: addsHome(request.env, secretNames) },
    ...{ cwd, uid, gid, groups, hostname, network, insecure, limits },
  };
}
