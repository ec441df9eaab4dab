/** What of this machine goes into a root: which parts of /proc and /sys there are, control groups, resolvers, mount flags. */
import * as fs from "node:fs";
import { isSystemdStub, SYSTEMD_RESOLV_CONF } from "./etcFiles.js";
import { MASKED_PATHS, READONLY_PATHS } from "./protectedPaths.js";

/** A file system of control groups of the host. */
export interface CgroupMount {
  /** Name below /sys/fs/cgroup; empty if it is mounted there itself (version 2). */
  readonly name: string;
}

/** A line of mountinfo, as far as it is used. */
export interface MountLine {
  /** Absolute. */
  readonly target: string;
  readonly options: readonly string[];
  readonly type: string;
}

/** See the top of this file. */
export interface HostFacts {
  /** Of the paths that are masked or made read-only: those that exist. */
  readonly kinds: ReadonlyMap<string, "dir" | "file">;
  /** Sorted as they are mounted. Empty where there are none. */
  readonly cgroups: readonly CgroupMount[];
  readonly mounts: readonly MountLine[];
  /** The host's /etc/resolv.conf, or the one behind its stub; empty if there is none. */
  readonly resolvConf: string;
}

/** Reads the facts: some twenty small system calls. */
export function readHostFacts(): HostFacts {
  const mounts = parseMountInfo(readText("/proc/self/mountinfo") ?? "");
  const kinds = new Map<string, "dir" | "file">();
  for (const path of [...MASKED_PATHS, ...READONLY_PATHS]) {
    const stat = fs.lstatSync(path, { throwIfNoEntry: false });
    if (stat) kinds.set(path, stat.isDirectory() ? "dir" : "file");
  }
  return { kinds, mounts, cgroups: cgroupsOf(mounts), resolvConf: hostResolvConf() };
}

/**
 * Lines of /proc/self/mountinfo (proc(5)); names in it have blanks, tabs, newlines and backslashes as octal.
 * Lines that cannot be read are left out.
 */
export function parseMountInfo(text: string): MountLine[] {
  const lines: MountLine[] = [];
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const [target, options] = [fields[4], fields[5]];
    if (dash < 0 || target === undefined || options === undefined) continue;
    lines.push({ target: unescaped(target), options: options.split(","), type: fields[dash + 1] ?? "" });
  }
  return lines;
}

/** The host's control groups as they are mounted at their usual place. */
export function cgroupsOf(mounts: readonly MountLine[]): CgroupMount[] {
  const top = "/sys/fs/cgroup";
  const at = mounts.filter(({ target }) => target === top).at(-1);
  if (at?.type === "cgroup2") return [{ name: "" }];
  const below = mounts.filter(({ target, type }) => type === "cgroup" && target.startsWith(`${top}/`));
  return [...new Set(below.map(({ target }) => target.slice(top.length + 1)))]
    .filter((name) => !name.includes("/"))
    .map((name) => ({ name }));
}

/**
 * Flags that a bind of a path must repeat in a user namespace when it is made read-only: those of the mount that it lies on
 * must not be cleared there (mount_namespaces(7), "locked").
 */
export function lockedFlags(mounts: readonly MountLine[], path: string): string[] {
  let best: MountLine | undefined;
  for (const mount of mounts) {
    const within = mount.target === "/" || path === mount.target || path.startsWith(`${mount.target}/`);
    if (within && mount.target.length >= (best?.target.length ?? 0)) best = mount;
  }
  return ["nosuid", "nodev", "noexec", "noatime", "nodiratime"].filter((flag) => best?.options.includes(flag));
}

function hostResolvConf(): string {
  const content = readText("/etc/resolv.conf") ?? "";
  return isSystemdStub(content) ? (readText(SYSTEMD_RESOLV_CONF) ?? content) : content;
}

function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
