/**
 * The part of a build request that concerns RUN, looked at before anything is done with it: a program that uses the
 * library may not be checked by a compiler, and these values end up in mounts, control groups and files of the step.
 */
import { NacreError } from "../support/errors.js";
import type { BuildRequest } from "./request.js";

/** Least memory of a step: with less not even the programs around its process can start (Docker's limit). */
export const LEAST_MEMORY = 6 << 20;

type RunOptions = Pick<
  BuildRequest,
  "isolation" | "allow" | "network" | "hosts" | "shmSize" | "limits" | "secrets" | "ssh"
>;

const CHOICES = {
  isolation: ["auto", "oci", "namespaces", "chroot"],
  network: ["default", "host", "none"],
  allow: ["network.host", "security.insecure"],
} as const;

/** @throws NacreError USAGE that names the option */
export function checkRunOptions(request: RunOptions): void {
  const { isolation, network, allow, hosts, shmSize, limits, secrets, ssh } = request;
  oneOf("isolation", isolation);
  oneOf("network", network);
  for (const entitlement of list("allow", allow)) oneOf("allow", entitlement);
  for (const host of list("hosts", hosts)) {
    const { name, ip } = (host ?? {}) as { name?: unknown; ip?: unknown };
    if (typeof name !== "string" || typeof ip !== "string") throw wrong("hosts", host, "objects of name and ip");
  }
  whole("shmSize", shmSize, 1, Number.MAX_SAFE_INTEGER);
  for (const text of [...list("secrets", secrets), ...list("ssh", ssh)]) {
    // The text itself is not shown: someone may have put a value into it.
    if (typeof text !== "string") throw wrong("secrets and ssh", typeof text, "texts");
  }
  checkLimits(limits);
}

function checkLimits(limits: RunOptions["limits"]): void {
  if (limits === undefined) return;
  if (typeof limits !== "object" || limits === null) throw wrong("limits", limits, "an object");
  const { memory, memorySwap, cpus, cpuShares, cpusetCpus, pids, timeout } = limits;
  whole("limits.memory", memory, LEAST_MEMORY, Number.MAX_SAFE_INTEGER);
  if (memorySwap !== -1) whole("limits.memorySwap", memorySwap, LEAST_MEMORY, Number.MAX_SAFE_INTEGER);
  number("limits.cpus", cpus, 0.01, 1e6);
  whole("limits.cpuShares", cpuShares, 2, 262_144);
  whole("limits.pids", pids, 1, 2 ** 22);
  number("limits.timeout", timeout, 1, Number.MAX_SAFE_INTEGER);
  if (cpusetCpus !== undefined && (typeof cpusetCpus !== "string" || !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(cpusetCpus))) {
    throw wrong("limits.cpusetCpus", cpusetCpus, "a list of processors, such as 0-2,4");
  }
  for (const ulimit of list("limits.ulimits", limits.ulimits)) checkUlimit(ulimit);
}

/** Their names are looked at where they are used. */
function checkUlimit(ulimit: unknown): void {
  const { name, soft, hard } = (ulimit ?? {}) as { name?: unknown; soft?: unknown; hard?: unknown };
  if (typeof name !== "string") throw wrong("limits.ulimits", ulimit, "objects of name, soft and hard");
  for (const value of [soft, hard]) {
    if (value === undefined) throw wrong(`the ulimit ${name}`, value, "a whole number, or -1");
    whole(`the ulimit ${name}`, value, -1, Number.MAX_SAFE_INTEGER);
  }
  if (hard !== -1 && (soft === -1 || Number(soft) > Number(hard))) {
    throw wrong(`the ulimit ${name}`, `${soft}:${hard}`, "a soft limit that is not above the hard one");
  }
}

function oneOf(option: keyof typeof CHOICES, value: unknown): void {
  const choices: readonly unknown[] = CHOICES[option];
  if (value !== undefined && !choices.includes(value)) throw wrong(option, value, choices.join(", "));
}

function list(option: string, value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw wrong(option, typeof value, "a list");
  return value;
}

function whole(option: string, value: unknown, least: number, most: number): void {
  if (value !== undefined && !Number.isSafeInteger(value)) throw wrong(option, value, "a whole number");
  number(option, value, least, most);
}

function number(option: string, value: unknown, least: number, most: number): void {
  if (value === undefined || (typeof value === "number" && value >= least && value <= most)) return;
  throw wrong(option, value, `a number from ${least} to ${most}`);
}

function wrong(option: string, value: unknown, right: string): NacreError {
  const shown = typeof value === "number" ? String(value) : JSON.stringify(value);
  return new NacreError("USAGE", `${option} cannot be ${shown}`, { hint: `it can be: ${right}`, facts: { option } });
}
