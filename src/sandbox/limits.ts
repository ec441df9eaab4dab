/**
 * Limits of a step: resource limits of its processes (setrlimit(2)) as far as they may be set, and control groups
 * (controlGroups.ts) for all that concerns the step as a whole.
 */
import * as fs from "node:fs";
import { NacreError } from "../support/errors.js";
import type { Ulimit } from "./types.js";

/** A resource limit; unlimited is infinity. */
export interface ResourceLimit {
  readonly soft: number;
  readonly hard: number;
}

/** What this process may do about resource limits. */
export interface LimitRights {
  /** Hard limits may be raised (CAP_SYS_RESOURCE in the first user namespace). */
  readonly canRaise: boolean;
  /** Highest number of open files that the kernel allows anyone. */
  readonly maxFiles: number;
  /** The limits that a process inherits, by name; those that cannot be read are missing. */
  readonly own: ReadonlyMap<string, ResourceLimit>;
}

/** Names as prlimit(1) has them, and as /proc/PID/limits does. */
const RESOURCES: Readonly<Record<string, string>> = {
  as: "Max address space",
  core: "Max core file size",
  cpu: "Max cpu time",
  data: "Max data size",
  fsize: "Max file size",
  locks: "Max file locks",
  memlock: "Max locked memory",
  msgqueue: "Max msgqueue size",
  nice: "Max nice priority",
  nofile: "Max open files",
  nproc: "Max processes",
  rss: "Max resident set",
  rtprio: "Max realtime priority",
  rttime: "Max realtime timeout",
  sigpending: "Max pending signals",
  stack: "Max stack size",
};

/** CAP_SYS_RESOURCE, capability(7). */
const SYS_RESOURCE = 24n;

/**
 * Arguments of prlimit(1). What may not be raised so far is raised as far as it may be, and a warning says so.
 * @throws NacreError USAGE for a name that is none
 */
export function ulimitArguments(
  ulimits: readonly Ulimit[],
  rights: LimitRights,
  warn: (rule: string, message: string) => void,
): string[] {
  return ulimits.map((ulimit) => {
    const wanted = { soft: numberOf(ulimit.soft), hard: numberOf(ulimit.hard) };
    const highest = highestHard(ulimit.name, rights);
    const hard = Math.min(wanted.hard, highest);
    const soft = Math.min(wanted.soft, hard);
    if (hard < wanted.hard) {
      const asked = textOf(wanted.hard);
      warn("UlimitLowered", `ulimit ${ulimit.name} is ${textOf(hard)}: there is no right here to raise it to ${asked}`);
    }
    return `--${ulimit.name}=${textOf(soft)}:${textOf(hard)}`;
  });
}

/** Reads {@link LimitRights} of this process. */
export function readLimitRights(): LimitRights {
  const capabilities = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(read("/proc/self/status"))?.[1] ?? "0";
  // A capability of another user namespace than the first does not count for this.
  const first = /^\s*0\s+0\s+4294967295\s*$/.test(read("/proc/self/uid_map"));
  const maxFiles = Number(read("/proc/sys/fs/nr_open").trim());
  return {
    canRaise: first && ((BigInt(`0x${capabilities}`) >> SYS_RESOURCE) & 1n) === 1n,
    maxFiles: maxFiles > 0 ? maxFiles : Number.POSITIVE_INFINITY,
    own: parseLimits(read("/proc/self/limits")),
  };
}

/** Reads /proc/PID/limits (proc(5)). */
export function parseLimits(text: string): Map<string, ResourceLimit> {
  const limits = new Map<string, ResourceLimit>();
  for (const [name, title] of Object.entries(RESOURCES)) {
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${title} `));
    const [soft, hard] = line?.slice(title.length).trim().split(/\s+/) ?? [];
    if (soft !== undefined && hard !== undefined) limits.set(name, { soft: parseLimit(soft), hard: parseLimit(hard) });
  }
  return limits;
}

function highestHard(name: string, { canRaise, maxFiles, own }: LimitRights): number {
  if (!Object.hasOwn(RESOURCES, name)) {
    throw new NacreError("USAGE", `${JSON.stringify(name)} is no ulimit`, {
      hint: `use one of: ${Object.keys(RESOURCES).join(", ")}`,
    });
  }
  const highest = name === "nofile" ? maxFiles : Number.POSITIVE_INFINITY;
  return canRaise ? highest : Math.min(highest, own.get(name)?.hard ?? highest);
}

function numberOf(value: number): number {
  return value < 0 ? Number.POSITIVE_INFINITY : value;
}

function textOf(value: number): string {
  return Number.isFinite(value) ? String(value) : "unlimited";
}

function parseLimit(text: string): number {
  return text === "unlimited" ? Number.POSITIVE_INFINITY : Number(text);
}

function read(path: string): string {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
