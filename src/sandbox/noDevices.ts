/**
 * Keeps the machine's devices from a step. Docker's steps may make device nodes, and layers may bring them; what they lead
 * to is kept from them by a control group, which needs version 1 or a program for the kernel. So here every mount of the
 * step is `nodev`: nodes are names that cannot be opened, but for those that every root has, each bound by itself. A user
 * namespace needs none of it: the kernel opens no node there that was made in it.
 */
import * as fs from "node:fs";
import type { PlannedMount, PlannedProcess } from "./rootPlan.js";
import { DEVICE_NODES } from "./standardMounts.js";

/** Types of mounts in which device nodes can lie. */
const HOLDS_NODES = new Set(["bind", "tmpfs", "overlay"]);

/** Options of the root's own mount. An insecure step gets the machine's devices. */
export function rootMountOptions({ insecure }: Pick<PlannedProcess, "insecure">): readonly string[] {
  return insecure ? [] : ["nodev"];
}

/** The mounts of a step, so that no node in them can be opened. What masks is a device, or cannot be written. */
export function withoutDevices(mounts: readonly PlannedMount[]): PlannedMount[] {
  return mounts.map((mount) => {
    const isSafe = mount.purpose !== undefined || !HOLDS_NODES.has(mount.type) || mount.options.includes("nodev");
    return isSafe ? mount : { ...mount, options: [...mount.options, "nodev"] };
  });
}

/** True if the nodes of every root cannot be made in /dev, because nothing there can be opened. */
export function needsBoundNodes(mounts: readonly PlannedMount[]): boolean {
  return mounts.some(({ target, type, options }) => target === "dev" && type === "tmpfs" && options.includes("nodev"));
}

/** Binds of the nodes of every root, below the root. @param from absolute directory that has them */
export function nodeBinds(from: string): PlannedMount[] {
  return DEVICE_NODES.map(({ name }) => ({
    source: `${from}/${name}`,
    target: `dev/${name}`,
    type: "bind",
    options: [],
  }));
}

/** True if any of the host's nodes that are copied has another mode than it has in every root. */
export function nodesDiffer(): boolean {
  return DEVICE_NODES.some(({ name, mode }) => {
    const stat = fs.lstatSync(`/dev/${name}`, { throwIfNoEntry: false });
    return stat !== undefined && (stat.mode & 0o7777) !== mode;
  });
}
