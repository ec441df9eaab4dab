/**
 * A stage: /proc, /dev and /sys of a step, mounted while the step before runs, by the process that waits for the next one.
 * They are most of a step's mounts, and the same for all steps that ask for nothing special there.
 */
import * as fs from "node:fs";
import { type ByteString, toByteString } from "../support/bytes.js";
import type { StartNames } from "./finalCommand.js";
import type { Hand } from "./hand.js";
import type { PlannedMount, RootPlan } from "./rootPlan.js";

/** What is mounted, or going to be, in one mount namespace. */
export interface Stage {
  /** Equal for plans whose /proc, /dev and /sys are the same. */
  readonly key: string;
  /** Absolute; belongs to this stage alone. */
  readonly directory: string;
  /** The directory that stands for the root. */
  readonly root: ByteString;
  /** The list of mounts, absolute. */
  readonly list: string;
  /** What programs of the step's chain are called, and what these names begin with. */
  readonly names: StartNames;
  readonly tag: string;
}

/** The directories of a root that a stage has. */
export const STAGED: readonly ByteString[] = ["proc", "dev", "sys"];

const OWN_TYPES = new Set(["proc", "sysfs", "tmpfs", "devpts", "mqueue"]);

/** True for what lies in one of the staged directories, or is one. */
export function isStaged({ base, target }: PlannedMount): boolean {
  return base !== "step" && /^(proc|dev|sys)(\/|$)/.test(target);
}

/**
 * What a stage for a plan has to mount, with sources and targets as they are below `root`.
 * @returns undefined where the plan has something of its own there
 */
export function stageMounts({ dir, mounts, process }: RootPlan, root: ByteString): readonly PlannedMount[] | undefined {
  const staged = mounts.filter(isStaged);
  if (process.insecure || STAGED.some((name) => !staged.some(({ target }) => target === name))) return undefined;
  if (!staged.every(isStandard)) return undefined;
  const merged = `${toByteString(dir)}/merged/`;
  return staged.map((mount) =>
    mount.source.startsWith(merged) ? { ...mount, source: `${root}/${mount.source.slice(merged.length)}` } : mount,
  );
}

/** What others put there is bound. */
function isStandard({ source, target, type, purpose, makeTarget }: PlannedMount): boolean {
  if (purpose !== undefined || (target === "sys" && source === "/sys")) return true;
  return OWN_TYPES.has(type) && makeTarget !== "file";
}

/** See {@link Stage.key}. */
export function stageKey(plan: RootPlan, { flavour, singleId }: Hand): string | undefined {
  const mounts = stageMounts(plan, "");
  return mounts && JSON.stringify([flavour, singleId, mounts]);
}

/** Removes the directory of a stage that nothing uses any more. Never throws. */
export function removeStage({ directory }: Stage): void {
  try {
    fs.rmSync(directory, { recursive: true, force: true });
  } catch {
    // It lies among the store's temporary files, and is swept with them.
  }
}
