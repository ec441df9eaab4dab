/**
 * Limits of a step as a whole: a control group below nacre's own, of either version (cgroups(7)), made for one
 * execution. What cannot be enforced here is refused. Groups that a killed nacre has left are removed by the next one.
 */
import * as fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { currentOwner, livenessOf, ownerName, parseOwner, uniqueSuffix } from "../store/owner.js";
import { errnoOf, NacreError } from "../support/errors.js";
import type { RunLimits } from "./types.js";

/** A hierarchy of control groups that nacre is in. */
export interface CgroupPlace {
  readonly version: 1 | 2;
  /** Of version 1; those of version 2 are read from the group. */
  readonly controllers: readonly string[];
  /** Absolute path of nacre's own group. */
  readonly directory: string;
  /** Where the hierarchy is mounted. */
  readonly top: string;
}

/** A group made for one execution. */
export interface ControlGroup {
  /** A process that writes 0 to each of them is in it. */
  readonly joinFiles: readonly string[];
  /** The kernel has killed something because memory ran out. */
  memoryExceeded(): boolean;
  /** Call it when no process is left. Never throws. */
  remove(): Promise<void>;
}

/** A value for a file of a controller. */
interface Setting {
  readonly controller: "memory" | "cpu" | "cpuset" | "pids";
  /** The limit's name for the user. */
  readonly limit: keyof RunLimits;
  readonly v1: readonly (readonly [file: string, value: string])[];
  readonly v2: readonly (readonly [file: string, value: string])[];
}

const PREFIX = "nacre-";
/** Microseconds. */
const CPU_PERIOD = 100_000;
/** Times 20 ms: a killed process is counted until its memory is gone. */
const REMOVE_TRIES = 100;

/**
 * Makes a group with the limits that need one. @returns undefined if none does
 * @throws NacreError ISOLATION for a limit that cannot be enforced here
 */
export function makeControlGroup(limits: RunLimits, places = ownPlaces()): ControlGroup | undefined {
  const settings = settingsOf(limits);
  if (settings.length === 0) return undefined;
  const name = `${PREFIX}${ownerName(currentOwner())}-${uniqueSuffix()}`;
  const made: string[] = [];
  try {
    for (const { place, wanted } of distribute(settings, places)) {
      sweep(place);
      made.push(place.version === 1 ? makeVersion1(place, name, wanted) : makeVersion2(place, name, wanted));
    }
  } catch (error) {
    for (const directory of made) removeNow(directory);
    throw error;
  }
  return {
    joinFiles: made.map((directory) => `${directory}/cgroup.procs`),
    memoryExceeded: () => made.some(memoryExceeded),
    remove: async () => {
      await Promise.all(made.map(removePatiently));
    },
  };
}

/** Control groups that this process is in. */
export function ownPlaces(): CgroupPlace[] {
  return parsePlaces(read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
}

/** Reads /proc/PID/cgroup (cgroups(7)) and mountinfo (proc(5)). */
export function parsePlaces(cgroups: string, mountinfo: string): CgroupPlace[] {
  const own = new Map<string, string>();
  for (const line of cgroups.split("\n")) {
    const [, controllers, path] = /^[0-9]+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined || controllers === undefined) continue;
    for (const controller of controllers.split(",")) own.set(controller, path);
  }
  const places: CgroupPlace[] = [];
  for (const line of mountinfo.split("\n")) {
    const [front = "", back = ""] = line.split(" - ");
    const [, , , root, top] = front.split(" ");
    const [type, , options = ""] = back.split(" ");
    if (root === undefined || top === undefined || (type !== "cgroup" && type !== "cgroup2")) continue;
    const controllers = type === "cgroup2" ? [""] : options.split(",").filter((option) => own.has(option));
    const path = own.get(controllers[0] ?? "?");
    if (path === undefined) continue;
    const version = type === "cgroup2" ? 2 : 1;
    const directory = `${top}${below(root, path)}`.replace(/\/+$/, "");
    places.push({ version, controllers: version === 1 ? controllers : [], directory, top });
  }
  return places;
}

/** Bytes and processors as files of controllers. */
function settingsOf(limits: RunLimits): Setting[] {
  const { memory, memorySwap, cpus, cpuShares, cpusetCpus, pids } = limits;
  const settings: Setting[] = [];
  const add = (limit: keyof RunLimits, controller: Setting["controller"], v1: Setting["v1"], v2: Setting["v2"]) =>
    settings.push({ limit, controller, v1, v2 });
  if (memory !== undefined) {
    add("memory", "memory", [["memory.limit_in_bytes", `${memory}`]], [["memory.max", `${memory}`]]);
  }
  if (memorySwap !== undefined) {
    if (memory === undefined || (memorySwap >= 0 && memorySwap < memory)) throw swapWithoutMemory(memorySwap, memory);
    const swap = memorySwap < 0 ? "max" : `${memorySwap - memory}`;
    add("memorySwap", "memory", [["memory.memsw.limit_in_bytes", `${memorySwap}`]], [["memory.swap.max", swap]]);
  }
  if (cpus !== undefined) {
    const quota = `${Math.max(1000, Math.round(cpus * CPU_PERIOD))}`;
    const v1 = [["cpu.cfs_period_us", `${CPU_PERIOD}`] as const, ["cpu.cfs_quota_us", quota] as const];
    add("cpus", "cpu", v1, [["cpu.max", `${quota} ${CPU_PERIOD}`]]);
  }
  if (cpuShares !== undefined) {
    // The weights of version 2 reach from 1 to 10000, those of version 1 from 2 to 262144.
    const weight = Math.round(1 + ((Math.min(Math.max(cpuShares, 2), 262_144) - 2) * 9_999) / 262_142);
    add("cpuShares", "cpu", [["cpu.shares", `${cpuShares}`]], [["cpu.weight", `${weight}`]]);
  }
  if (cpusetCpus !== undefined) {
    add("cpusetCpus", "cpuset", [["cpuset.cpus", cpusetCpus]], [["cpuset.cpus", cpusetCpus]]);
  }
  if (pids !== undefined) add("pids", "pids", [["pids.max", `${pids}`]], [["pids.max", `${pids}`]]);
  return settings;
}

/** Which hierarchy enforces what. @throws NacreError ISOLATION */
function distribute(settings: readonly Setting[], places: readonly CgroupPlace[]) {
  const shares = new Map<CgroupPlace, Setting[]>();
  for (const setting of settings) {
    const place =
      places.find(({ controllers }) => controllers.includes(setting.controller)) ??
      places.find(
        ({ version, top }) => version === 2 && words(`${top}/cgroup.controllers`).includes(setting.controller),
      );
    if (place === undefined) throw cannotEnforce(setting.limit, `there is no control group for ${setting.controller}`);
    shares.set(place, [...(shares.get(place) ?? []), setting]);
  }
  return [...shares].map(([place, wanted]) => ({ place, wanted }));
}

function makeVersion1(place: CgroupPlace, name: string, settings: readonly Setting[]): string {
  const directory = `${place.directory}/${name}`;
  makeDirectory(directory, settings);
  try {
    if (place.controllers.includes("cpuset")) {
      // Without both of them no process can join.
      for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        fs.writeFileSync(`${directory}/${file}`, read(`${place.directory}/${file}`));
      }
    }
    for (const { limit, v1 } of settings) for (const [file, value] of v1) set(directory, file, value, limit);
    return directory;
  } catch (error) {
    removeNow(directory);
    throw error;
  }
}

/**
 * Below nacre's own group, or beside it: a group of version 2 that holds processes can hand no controllers down, unless
 * it is the root.
 */
function makeVersion2(place: CgroupPlace, name: string, settings: readonly Setting[]): string {
  const wanted = [...new Set(settings.map(({ controller }) => controller))];
  const beside = place.directory.slice(0, place.directory.lastIndexOf("/"));
  const parents = [place.directory, ...(place.directory === place.top ? [] : [beside])];
  const parent = parents.find((directory) => handsDown(directory, wanted));
  if (parent === undefined) {
    throw cannotEnforce(
      settings[0]!.limit,
      `the control group ${place.directory} cannot hand down ${wanted.join(", ")}`,
    );
  }
  const directory = `${parent}/${name}`;
  makeDirectory(directory, settings);
  try {
    for (const { limit, v2 } of settings) for (const [file, value] of v2) set(directory, file, value, limit);
    return directory;
  } catch (error) {
    removeNow(directory);
    throw error;
  }
}

function handsDown(directory: string, controllers: readonly string[]): boolean {
  const file = `${directory}/cgroup.subtree_control`;
  const missing = controllers.filter((controller) => !words(file).includes(controller));
  if (missing.length === 0) return true;
  try {
    fs.writeFileSync(file, missing.map((controller) => `+${controller}`).join(" "));
    return true;
  } catch {
    return false;
  }
}

function makeDirectory(directory: string, settings: readonly Setting[]): void {
  try {
    fs.mkdirSync(directory);
  } catch (error) {
    throw cannotEnforce(settings[0]!.limit, `${directory} cannot be made (${errnoOf(error) ?? error})`, error);
  }
}

function set(directory: string, file: string, value: string, limit: keyof RunLimits): void {
  try {
    // Not created: a file that is not there is one that the kernel does not know.
    fs.writeFileSync(`${directory}/${file}`, value, { flag: "r+" });
  } catch (error) {
    const missing = errnoOf(error) === "ENOENT" && file.includes("sw");
    const why = missing ? "the kernel does not account for swap (swapaccount=1 switches it on)" : undefined;
    throw cannotEnforce(limit, why ?? `${file} does not take ${value} (${errnoOf(error) ?? error})`, error);
  }
}

function memoryExceeded(directory: string): boolean {
  const kills = /^oom_kill ([0-9]+)$/m;
  const found = kills.exec(read(`${directory}/memory.events`)) ?? kills.exec(read(`${directory}/memory.oom_control`));
  return Number(found?.[1] ?? 0) > 0;
}

/** Removes what dead processes have left. */
function sweep({ directory }: CgroupPlace): void {
  const self = currentOwner();
  for (const parent of [directory, directory.slice(0, directory.lastIndexOf("/"))]) {
    for (const name of list(parent)) {
      const owner = name.startsWith(PREFIX) ? parseOwner(name.slice(PREFIX.length, name.lastIndexOf("-"))) : undefined;
      if (owner && livenessOf(owner, self) === "dead") removeNow(`${parent}/${name}`);
    }
  }
}

async function removePatiently(directory: string): Promise<void> {
  for (let tries = REMOVE_TRIES; !removeNow(directory) && tries > 0; tries--) await sleep(20);
}

function removeNow(directory: string): boolean {
  try {
    fs.rmdirSync(directory);
    return true;
  } catch (error) {
    return errnoOf(error) === "ENOENT";
  }
}

/** A group as seen from the directory that is mounted: of a container only its own part may be. */
function below(root: string, path: string): string {
  if (root === "/") return path;
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : "";
}

function words(file: string): string[] {
  return read(file).split(/\s+/).filter(Boolean);
}

function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function swapWithoutMemory(swap: number, memory: number | undefined): NacreError {
  const message =
    memory === undefined
      ? "the limit memorySwap needs the limit memory"
      : `the limit memorySwap (${swap}) is smaller than the limit memory (${memory}), which it includes`;
  return new NacreError("ISOLATION", message, { hint: "memorySwap is memory and swap together: give both" });
}

function cannotEnforce(limit: keyof RunLimits, why: string, cause?: unknown): NacreError {
  return new NacreError("ISOLATION", `the limit ${limit} cannot be enforced here: ${why}`, {
    hint: "run nacre as root where control groups are mounted and writable, or leave the limit out",
    facts: { limit },
    cause,
  });
}
