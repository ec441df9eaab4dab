/**
 * Who made a lease, a lock or a temporary file, written so that any other process can tell whether the maker still
 * lives. A process id alone is not enough: ids are reused, and containers that share a store number their processes
 * independently. So an owner is boot + pid namespace + pid + start time, and where these cannot be compared (another
 * machine, a pid namespace that cannot be seen from here) a heartbeat decides.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { livesBelow } from "./namespaces.js";

/** A process, named uniquely over reboots, namespaces and reused ids. */
export interface Owner {
  /** Kernel's boot id as 32 hex digits, or `0` where the system has none. */
  readonly boot: string;
  /** Inode of the pid namespace, or `0` if it cannot be known. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** Start time in clock ticks since boot, or `0`. */
  readonly start: string;
}

/** What is known of an owner without looking at its heartbeat. */
export type Liveness = "alive" | "dead" | "unknown";

/** Milliseconds without a heartbeat after which an owner that cannot be looked up counts as dead. */
export const HEARTBEAT_LIMIT = 10 * 60_000;
/** Milliseconds between heartbeats. */
export const HEARTBEAT_INTERVAL = 30_000;

const NAME = /^([0-9a-f]+)-([0-9]+)-([0-9]+)-([0-9]+)$/;

/** This process. */
export function currentOwner(): Owner {
  const stat = readProc("/proc/self/stat");
  // A /proc of another pid namespace shows another number for us; then ids cannot be compared at all.
  const comparable = stat !== undefined && Number.parseInt(stat, 10) === process.pid;
  return {
    boot: bootId(),
    pidNamespace: comparable ? pidNamespace() : "0",
    pid: process.pid,
    start: (comparable && startTime(stat)) || "0",
  };
}

/** The kernel's boot id without dashes, or `0` where there is none (not Linux). */
export function bootId(): string {
  const text = readProc("/proc/sys/kernel/random/boot_id")?.trim().replaceAll("-", "");
  return text !== undefined && /^[0-9a-f]{32}$/.test(text) ? text : "0";
}

/** The owner as a part of a file name. */
export function ownerName(owner: Owner): string {
  return `${owner.boot}-${owner.pidNamespace}-${owner.pid}-${owner.start}`;
}

/** Reads {@link ownerName} back; undefined for anything else. */
export function parseOwner(name: string): Owner | undefined {
  const match = NAME.exec(name);
  if (!match) return undefined;
  return { boot: match[1]!, pidNamespace: match[2]!, pid: Number(match[3]), start: match[4]! };
}

/** A suffix that makes a file name of this owner unique. */
export function uniqueSuffix(): string {
  return randomBytes(6).toString("hex");
}

/** Looks an owner up in the process table, as far as `self` can see it there. */
export function livenessOf(owner: Owner, self: Owner): Liveness {
  const known = owner.boot === self.boot && owner.boot !== "0" && owner.start !== "0";
  if (!known || self.pidNamespace === "0") return "unknown";
  if (owner.pidNamespace !== self.pidNamespace) {
    const lives = livesBelow(owner, self.pidNamespace);
    return lives === undefined ? "unknown" : lives ? "alive" : "dead";
  }
  const stat = readProc(`/proc/${owner.pid}/stat`);
  if (stat !== undefined) return startTime(stat) === owner.start && !isZombie(stat) ? "alive" : "dead";
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return "dead";
  }
  // It exists but /proc hides it (hidepid=2): only its heartbeat can tell.
  return "unknown";
}

/** True unless the owner is known to be dead, or cannot be looked up and its last heartbeat is too old. */
export function isAlive(owner: Owner, self: Owner, heartbeat: number, now: number): boolean {
  const liveness = livenessOf(owner, self);
  return liveness === "unknown" ? now - heartbeat < HEARTBEAT_LIMIT : liveness === "alive";
}

function pidNamespace(): string {
  try {
    return /\[([0-9]+)\]/.exec(fs.readlinkSync("/proc/self/ns/pid"))?.[1] ?? "0";
  } catch {
    return "0";
  }
}

/** Field 22 of /proc/PID/stat; the command's name (field 2) may contain blanks and parentheses. */
function startTime(stat: string): string | undefined {
  return afterName(stat)[19];
}

function isZombie(stat: string): boolean {
  return ["Z", "X", "x"].includes(afterName(stat)[0] ?? "");
}

function afterName(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function readProc(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
