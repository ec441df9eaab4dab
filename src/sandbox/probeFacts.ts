/** What decides which isolation levels work, as far as it can be read without trying: found again at each build, in a few small reads. */
import * as fs from "node:fs";
import * as os from "node:os";
import { bootId } from "../store/owner.js";
import type { Store } from "../store/store.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson } from "../support/json.js";
import { type IdMapping, parseIdMap, type SubordinateRange, subordinateRanges } from "./idMapping.js";
import { type FoundProgram, findPrograms, type ProgramName } from "./probeTools.js";

/** Raised whenever the probes look at something else, so that what an older nacre has found is not believed. */
const PROBE_VERSION = 1;

/** Settings of the kernel by which distributions restrict user namespaces. */
const SETTINGS = [
  "kernel/unprivileged_userns_clone",
  "kernel/apparmor_restrict_unprivileged_userns",
  "user/max_user_namespaces",
] as const;

/** See the top of this file. */
export interface Facts {
  readonly uid: number;
  readonly gid: number;
  /** How /etc/subuid may call the user: name and number. */
  readonly names: readonly string[];
  /** Mapping of the user namespace that this process is in. */
  readonly world: IdMapping;
  /** Capabilities, no_new_privs and seccomp mode, as /proc/self/status has them. */
  readonly rights: string;
  /** Of the kernel, by path below /proc/sys; those that it does not have are missing. */
  readonly settings: Readonly<Partial<Record<(typeof SETTINGS)[number], string>>>;
  /** Value of PATH for all programs. */
  readonly path: string;
  readonly programs: ReadonlyMap<ProgramName, FoundProgram>;
  readonly subuids: readonly SubordinateRange[];
  readonly subgids: readonly SubordinateRange[];
}

/** Collects them. @param path value of PATH in which programs are looked for */
export function gatherFacts(path: string): Facts {
  const uid = process.getuid?.() ?? -1;
  const names = userNames(uid);
  const settings: Partial<Record<(typeof SETTINGS)[number], string>> = {};
  for (const name of SETTINGS) {
    const value = readText(`/proc/sys/${name}`)?.trim();
    if (value !== undefined) settings[name] = value;
  }
  return {
    uid,
    gid: process.getgid?.() ?? -1,
    names,
    world: ownMapping(),
    rights: rightsIn(readText("/proc/self/status") ?? ""),
    settings,
    path,
    programs: findPrograms(path),
    subuids: subordinateRanges(readText("/etc/subuid") ?? "", names),
    subgids: subordinateRanges(readText("/etc/subgid") ?? "", names),
  };
}

/** The mapping of the user namespace that this process is in. */
export function ownMapping(): IdMapping {
  return {
    uids: parseIdMap(readText("/proc/self/uid_map") ?? ""),
    gids: parseIdMap(readText("/proc/self/gid_map") ?? ""),
  };
}

/** Hex digits that name a set of facts, the boot, and the disk of the store: what was found by trying holds for these only. */
export function factsName(facts: Facts, store: Store): string {
  const { dev, uid } = fs.statSync(store.path);
  const { programs, world, subuids, subgids, names, settings, ...plain } = facts;
  const text = canonicalJson({
    ...plain,
    version: PROBE_VERSION,
    boot: bootId(),
    names: [...names],
    settings: { ...settings },
    ids: JSON.stringify([world, subuids, subgids]),
    programs: [...programs].map(([name, { path, stamp }]) => [name, path, stamp]),
    store: [store.path, dev, uid],
  });
  return sha256Hex(text);
}

function userNames(uid: number): string[] {
  try {
    return [os.userInfo().username, String(uid)];
  } catch {
    // Not in /etc/passwd.
    return [String(uid)];
  }
}

function rightsIn(status: string): string {
  return (status.match(/^(?:CapEff|CapBnd|NoNewPrivs|Seccomp):.*$/gm) ?? []).join("\n");
}

/** A small text file, or undefined if it cannot be read. */
export function readText(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "latin1");
  } catch {
    return undefined;
  }
}
