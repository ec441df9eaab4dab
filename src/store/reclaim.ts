/**
 * Taking back what garbage collection has moved aside. It moves a thing first and reads the leases then; in between, or
 * for longer where it was killed there, the thing is out of its place although a lease that it will see, or would have
 * seen, protects it. Whoever misses a thing puts it back: by rename, so that it does not matter who is faster.
 */

import { errnoOf } from "../support/errors.js";
import type { StoreDirectory } from "./directory.js";
import { renameIfThere, statIfThere } from "./files.js";

/**
 * Puts a file back that is missing from its place. What no one needs comes back too, until the next garbage collection.
 * @param name of its tombstone
 * @param path its place; in a store that is only read it stays where it is
 * @returns where the file is now; undefined if there is none
 */
export function reclaim(directory: StoreDirectory, name: string, path: string): string | undefined {
  const aside = directory.at("tombstones", name);
  // Most of what is missing was never there.
  if (statIfThere(aside) === undefined) return statIfThere(path) && path;
  if (directory.readOnly) return aside;
  try {
    renameIfThere(aside, path);
  } catch (error) {
    if (!["EACCES", "EPERM", "EROFS"].includes(errnoOf(error) ?? "")) throw error;
    return aside;
  }
  // Someone else may have put it back, or deleted it.
  return statIfThere(path) && path;
}
