/** Sweeping: what killed processes left in tmp/ and leases/ is removed by the next one that comes along. */
import type { StoreDirectory } from "./directory.js";
import { namesIn, statIfThere, unlinkIfThere } from "./files.js";
import { isAlive, livenessOf, type Owner, ownerName, parseOwner } from "./owner.js";

/** Names of leases: owner, dot, something unique. */
export interface LeaseFile {
  readonly name: string;
  readonly path: string;
  readonly owner: Owner;
}

/**
 * Removes temporary files whose maker is gone.
 * @param names the names in tmp/
 * @returns paths of temporary directories whose maker is gone: they take longer to remove
 */
export function sweepTemp(directory: StoreDirectory, names: readonly string[]): string[] {
  const trees: string[] = [];
  let live: Set<string> | undefined;
  for (const name of names) {
    const owner = tempOwner(name);
    if (!owner || (owner.pid === process.pid && livenessOf(owner, directory.owner) === "alive")) continue;
    const path = directory.at("tmp", name);
    const stat = statIfThere(path);
    if (!stat || isAlive(owner, directory.owner, stat.mtimeMs, directory.now())) continue;
    // A file may lie untouched for long while its maker, which we cannot look up, still keeps a lease fresh.
    live ??= new Set(liveLeases(directory).map((lease) => ownerName(lease.owner)));
    if (live.has(ownerName(owner)) && livenessOf(owner, directory.owner) !== "dead") continue;
    if (stat.isDirectory()) trees.push(path);
    else unlinkIfThere(path);
  }
  return trees;
}

/** True if garbage collection is going on, in this process or another. @param names the names in tmp/ */
export function isPruneAnnounced(names: readonly string[]): boolean {
  return names.some((name) => name.startsWith("p."));
}

/** The leases of processes that live, removing those of the dead (unless the store is only read). */
export function liveLeases(directory: StoreDirectory): LeaseFile[] {
  const live: LeaseFile[] = [];
  for (const name of namesIn(directory.at("leases"))) {
    const owner = parseOwner(name.slice(0, name.lastIndexOf(".")));
    const path = directory.at("leases", name);
    const stat = statIfThere(path);
    if (!owner || !stat) continue;
    if (isAlive(owner, directory.owner, stat.mtimeMs, directory.now())) live.push({ name, path, owner });
    else if (!directory.readOnly) unlinkIfThere(path);
  }
  return live;
}

/** True if garbage collection was going on in a process that is gone. @param names the names in tmp/ */
export function hasDeadPrune(directory: StoreDirectory, names: readonly string[]): boolean {
  return names.some((name) => {
    const owner = name.startsWith("p.") ? parseOwner(name.slice(2, name.lastIndexOf("."))) : undefined;
    const stat = owner && statIfThere(directory.at("tmp", name));
    return owner && stat && !isAlive(owner, directory.owner, stat.mtimeMs, directory.now());
  });
}

/** `t.OWNER.SUFFIX`: a file being written, or a directory being filled. */
function tempOwner(name: string): Owner | undefined {
  const match = /^t\.([0-9a-f-]+)\.[0-9a-f]+$/.exec(name);
  return match ? parseOwner(match[1]!) : undefined;
}
