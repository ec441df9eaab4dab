/** Why an isolation level does not work, in plain words, and what would help. */
import { isIdentity } from "./idMapping.js";
import type { Facts } from "./probeFacts.js";
import { installHint, missingProgram } from "./probeTools.js";

/** One sentence without a full stop, and an advice. */
export interface Reason {
  readonly why: string;
  readonly help?: string | undefined;
}

/** How a trial ended. */
export interface Trial {
  /** Exit code; -1 where the program could not be run or was killed. */
  readonly code: number;
  /** Standard error, cut. */
  readonly stderr: string;
}

/** Exit codes of the script in probe.ts, by what it was doing. */
export const TRIAL_CODES = {
  directory: 10,
  overlay: 11,
  opaque: 12,
  proc: 13,
  root: 14,
  marks: 15,
  done: 127,
} as const;

const CONTAINER_HELP =
  "in a container, give it the right to mount (Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN), or use --isolation=chroot";

/**
 * Why a root could not be mounted.
 * @param disk type of the file system that the upper directory was on
 */
export function whyNoRoot(trial: Trial, disk: string, facts: Facts): Reason {
  const words = lastWords(trial.stderr);
  switch (trial.code) {
    case TRIAL_CODES.overlay:
      if (!isRefusal(trial.stderr)) {
        return {
          why: `overlayfs refuses an upper directory on this disk (${disk})`,
          help: "put the store on ext4, xfs, btrfs or tmpfs with NACRE_HOME, or use --isolation=chroot",
        };
      }
      return apparmor(facts) ?? { why: `mounting is not allowed: ${words}`, help: CONTAINER_HELP };
    case TRIAL_CODES.opaque:
      return {
        why: `overlayfs cannot keep that a directory is replaced on this disk (${disk}): it has no extended attributes`,
        help: "put the store on ext4, xfs or btrfs with NACRE_HOME",
      };
    case TRIAL_CODES.marks:
      return {
        why: `this disk (${disk}) cannot hold the marks by which one layer removes files of another: ${words}`,
        help: "put the store on ext4, xfs, btrfs or tmpfs with NACRE_HOME, or use --isolation=chroot",
      };
    case TRIAL_CODES.proc:
      return {
        why: `a /proc of its own cannot be mounted: ${words}`,
        help: "in a container, uncover its /proc (Docker: --security-opt systempaths=unconfined; Kubernetes: procMount: Unmasked)",
      };
    case TRIAL_CODES.root:
      return { why: `the root directory cannot be exchanged: ${words}`, help: CONTAINER_HELP };
    default:
      return apparmor(facts) ?? { why: `namespaces cannot be made: ${words}`, help: CONTAINER_HELP };
  }
}

/** Why a user namespace cannot be had at all. @param words what the program that failed has said */
export function whyNoUserNamespace(words: string, facts: Facts): Reason {
  const off = switchedOff(facts);
  if (off) return off;
  const restricted = apparmor(facts);
  if (restricted) return restricted;
  const seccomp = /^Seccomp:\s*2$/m.test(facts.rights);
  return {
    why: `a user namespace cannot be made: ${lastWords(words)}`,
    help: seccomp
      ? "a seccomp filter is at work; in a container, start it with --security-opt seccomp=unconfined"
      : undefined,
  };
}

/** The settings by which the kernel can be told to refuse. */
function switchedOff({ settings }: Facts): Reason | undefined {
  for (const name of ["kernel/unprivileged_userns_clone", "user/max_user_namespaces"] as const) {
    if (settings[name] !== "0") continue;
    const key = name.replace("/", ".");
    const value = name.startsWith("user") ? "10000" : "1";
    return { why: `user namespaces are switched off: ${key}=0`, help: `as root: sysctl -w ${key}=${value}` };
  }
  return undefined;
}

/** Ubuntu 23.10 and later let only programs with an AppArmor profile of their own do anything in a user namespace. */
function apparmor({ uid, world, settings }: Facts): Reason | undefined {
  const key = "kernel/apparmor_restrict_unprivileged_userns";
  if ((uid === 0 && isIdentity(world.uids)) || settings[key] !== "1") return undefined;
  const name = key.replace("/", ".");
  return {
    why: `AppArmor keeps ordinary users from using user namespaces: ${name}=1`,
    help: `as root: sysctl -w ${name}=0, or write an AppArmor profile with "userns," for ${process.execPath}`,
  };
}

/**
 * Why only a single id can be mapped.
 * @param words of newuidmap, where it was there and failed
 */
export function whySingleId(facts: Facts, words?: string): Reason {
  for (const name of ["newuidmap", "newgidmap"] as const) {
    if (!facts.programs.has(name)) return { why: missingProgram(name), help: installHint(name) };
  }
  const [user] = facts.names;
  for (const [file, ranges] of [
    ["/etc/subuid", facts.subuids],
    ["/etc/subgid", facts.subgids],
  ] as const) {
    if (ranges.length > 0) continue;
    return {
      why: `there is no range for ${user} in ${file}`,
      help: `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`,
    };
  }
  return { why: `the ids of /etc/subuid and /etc/subgid cannot be mapped: ${lastWords(words ?? "")}` };
}

/** Why a root cannot be entered with chroot(2). */
export function whyNoChroot(trial: Trial): Reason {
  return {
    why: `chroot is not allowed: ${lastWords(trial.stderr)}`,
    help: "run as root, or with user namespaces",
  };
}

/** The last line of what a program has said, short and without its control characters. */
export function lastWords(text: string): string {
  const lines = text.split("\n").map((line) => line.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim());
  return (
    lines
      .filter((line) => line !== "" && !line.includes("dmesg(1)"))
      .at(-1)
      ?.slice(0, 300) ?? "no reason given"
  );
}

/** mount(8) says `permission denied` or `operation not permitted` where a right is missing, else `wrong fs type, bad option, …`. */
function isRefusal(words: string): boolean {
  return /permission denied|operation not permitted|must be superuser/i.test(words);
}
