/**
 * What every RUN finds mounted: Docker's defaults (containerd's default specification as BuildKit changes it), as far as
 * this machine has them. Pure: what the machine has comes in as facts.
 */
import { cleanPath } from "../layer/fileTree.js";
import { type ByteString, toByteString } from "../support/bytes.js";
import type { HostFacts } from "./hostFacts.js";
import { MASKED_PATHS, READONLY_PATHS } from "./protectedPaths.js";
import type { PlannedMount } from "./rootPlan.js";
import type { RunRequest } from "./types.js";

/** A device node below the root's /dev, made or bound by whoever carries a plan out. */
export interface DeviceNode {
  /** Path below /dev; the host's node of that path is the model. */
  readonly name: string;
  readonly type: "char" | "block";
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
}

/** A symlink below the root's /dev. */
export interface DeviceLink {
  readonly name: string;
  readonly target: string;
}

/** Present in every root, mode 0666, owned by root. */
export const DEVICE_NODES: readonly DeviceNode[] = [
  character("null", 1, 3),
  character("zero", 1, 5),
  character("full", 1, 7),
  character("random", 1, 8),
  character("urandom", 1, 9),
  character("tty", 5, 0),
];

/** With `--security=insecure` these too, as far as the host has them (BuildKit: entitlements/security). */
export const INSECURE_DEVICE_NODES: readonly DeviceNode[] = [
  character("kmsg", 1, 11, 0o644),
  character("fuse", 10, 229),
  character("cuse", 10, 203, 0o600),
  character("kvm", 10, 232, 0o660),
  character("net/tun", 10, 200),
  character("loop-control", 10, 237, 0o660),
  ...Array.from(
    { length: 8 },
    (_, i): DeviceNode => ({ name: `loop${i}`, type: "block", major: 7, minor: i, mode: 0o660 }),
  ),
];

/** Present in every root; see {@link deviceLinks}. */
export const DEVICE_LINKS: readonly DeviceLink[] = [
  { name: "fd", target: "/proc/self/fd" },
  { name: "stdin", target: "/proc/self/fd/0" },
  { name: "stdout", target: "/proc/self/fd/1" },
  { name: "stderr", target: "/proc/self/fd/2" },
  { name: "ptmx", target: "pts/ptmx" },
];

/** Links of a root's /dev. @param hasKcore the machine has /proc/kcore: then there is a link to it, masked as it is (runc) */
export function deviceLinks(hasKcore: boolean): readonly DeviceLink[] {
  return hasKcore ? [...DEVICE_LINKS, { name: "core", target: "/proc/kcore" }] : DEVICE_LINKS;
}

/**
 * Directories at the root that stay in the layer where the image lacks them, as they do with Docker: BuildKit cleans up
 * the mount points of hosts, resolv.conf and `--mount`, these not. Mode 0755, owned by root.
 */
const KEPT_DIRECTORIES: readonly ByteString[] = ["dev", "proc", "sys"];
/** Bytes of /dev/shm where nothing else is asked for (Docker's). */
export const USUAL_SHM_SIZE = 64 << 20;

/**
 * Those of the directories that stay for a step: one that a mount point of the step's own lies in is cleaned up with it,
 * and a /dev/shm of another size is such a mount.
 */
export function keptDirectories(request: Pick<RunRequest, "mounts" | "script" | "shmSize">): readonly ByteString[] {
  const targets = request.mounts.map(({ target }) => cleanPath(toByteString(target)));
  if (request.script) targets.push("dev/pipes");
  if (request.shmSize !== USUAL_SHM_SIZE) targets.push("dev/shm");
  return KEPT_DIRECTORIES.filter((name) => !targets.some((target) => target.startsWith(`${name}/`)));
}

/** What decides over the standard mounts of a step. */
export interface StandardMountOptions {
  readonly insecure: boolean;
  /** In a user namespace sysfs cannot be mounted anew next to the host's network. */
  readonly userNamespace: boolean;
  /** Only id 0 exists: terminals cannot belong to the group `tty`. */
  readonly singleId?: boolean | undefined;
  /** Bytes of /dev/shm. */
  readonly shmSize: number;
  /** Something limits how much the step may use: then what tells of it is worth a dozen mounts. */
  readonly limited?: boolean | undefined;
}

const QUIET = ["nosuid", "noexec", "nodev"] as const;

/** /proc, /dev and /sys with what is in them, in the order in which they are made; targets without leading slash. */
export function systemMounts(facts: HostFacts, options: StandardMountOptions): PlannedMount[] {
  return [
    { source: "proc", target: "proc", type: "proc", options: [...QUIET] },
    { source: "tmpfs", target: "dev", type: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
    inDev("pts", "devpts", "devpts", devptsOptions(options)),
    inDev("shm", "shm", "tmpfs", [...QUIET, "mode=1777", `size=${options.shmSize}`]),
    inDev("mqueue", "mqueue", "mqueue", [...QUIET]),
    sysMount(options),
    ...cgroupMounts(facts, options),
  ];
}

/** What hides or protects parts of /proc and /sys; made last. @param root where the root is mounted, absolute */
export function protectiveMounts(facts: HostFacts, options: StandardMountOptions, root: ByteString): PlannedMount[] {
  if (options.insecure) return [];
  const mounts: PlannedMount[] = [];
  for (const path of READONLY_PATHS) {
    if (!facts.kinds.has(path)) continue;
    const target = path.slice(1);
    const source = `${root}/${target}`;
    mounts.push({ source, target, type: "bind", options: ["rbind", "ro", ...QUIET], purpose: "readonly" });
  }
  for (const path of MASKED_PATHS) {
    const kind = facts.kinds.get(path);
    if (kind !== undefined) mounts.push(mask(path.slice(1), kind));
  }
  return mounts;
}

function mask(target: ByteString, kind: "dir" | "file"): PlannedMount {
  if (kind === "file") return { source: "/dev/null", target, type: "bind", options: [], purpose: "masked" };
  return { source: "tmpfs", target, type: "tmpfs", options: ["ro", "size=4k", "nr_inodes=1"], purpose: "masked" };
}

function devptsOptions({ singleId }: StandardMountOptions): string[] {
  const group = singleId ? [] : ["gid=5"];
  return ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", ...group];
}

function inDev(name: string, source: string, type: string, options: readonly string[]): PlannedMount {
  return { source, target: `dev/${name}`, type, options, makeTarget: "dir" };
}

function sysMount({ insecure, userNamespace }: StandardMountOptions): PlannedMount {
  const options = insecure ? [...QUIET] : ["ro", ...QUIET];
  if (!userNamespace) return { source: "sysfs", target: "sys", type: "sysfs", options };
  // Mounts below the host's /sys come along: a user namespace may not uncover what they cover.
  return { source: "/sys", target: "sys", type: "bind", options: ["rbind", ...options] };
}

/** A view of the host's control groups, where they are mounted; in a user namespace the host's /sys brings them along. */
function cgroupMounts(facts: HostFacts, options: StandardMountOptions): PlannedMount[] {
  const { insecure, userNamespace, limited } = options;
  if (userNamespace) return [];
  const access = insecure ? [] : ["ro"];
  const top = "sys/fs/cgroup";
  const purpose = "cgroup";
  const [first] = facts.cgroups;
  if (first === undefined) return [];
  if (first.name === "") {
    return [{ source: `/${top}`, target: top, type: "bind", options: [...access, ...QUIET], purpose }];
  }
  // Version 1 is a mount for each controller; without limits none of them has anything to say.
  if (!limited) return [];
  // Mounted empty, filled, and then left writable: so does Docker, and there is nothing of the host in it.
  const mounts: PlannedMount[] = [
    { source: "tmpfs", target: top, type: "tmpfs", options: [...QUIET, "mode=755", "size=64k"], purpose },
  ];
  for (const { name } of facts.cgroups) {
    const target = `${top}/${name}`;
    mounts.push({
      source: `/${target}`,
      target,
      type: "bind",
      options: [...access, ...QUIET],
      purpose,
      makeTarget: "dir",
    });
  }
  return mounts;
}

function character(name: string, major: number, minor: number, mode = 0o666): DeviceNode {
  return { name, type: "char", major, minor, mode };
}
