/**
 * Mount points in the directory of a cache mount. Its files come from earlier steps and may be anything: nothing in it is
 * followed on the host.
 */
import * as fs from "node:fs";
import type { FileType } from "../layer/fileTree.js";
import { type ByteString, fsPath, toByteString } from "../support/bytes.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import { type Found, type Ground, shown } from "./rootView.js";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_CREAT, O_EXCL, O_WRONLY } = fs.constants;

/** The files of a cache, as the planning of mounts sees them. @param directory absolute */
export function cacheGround(directory: string, readOnly: boolean): Ground {
  return { kind: readOnly ? "sealed" : "disk", type: "dir", find: (path) => findWithin(directory, path) };
}

/** What stands at a path, no symlink followed on the way to it. */
export function findWithin(directory: string, path: ByteString): Found | undefined {
  const parts = path.split("/");
  const fd = openWithin(directory, parts.slice(0, -1));
  if (fd === undefined) return undefined;
  try {
    const name = fsPath(`${ownDescriptor(fd)}/${parts.at(-1)}`);
    const stat = fs.lstatSync(name, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    const type = typeOf(stat);
    return type === "symlink" ? { type, link: fs.readlinkSync(name, "latin1") } : { type };
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Makes a path, and directories (0755) on the way, below a directory in which others may be at work. What is there already stays.
 * @throws NacreError MOUNT if something else than a directory is in the way; STORE, DISK_FULL
 */
export function makeWithin(
  directory: string,
  path: ByteString,
  type: "dir" | "file",
  owner: { readonly uid: number; readonly gid: number },
): void {
  const parts = path.split("/");
  let fd = fs.openSync(directory, O_RDONLY | O_DIRECTORY);
  try {
    for (const part of type === "dir" ? parts : parts.slice(0, -1)) {
      const next = enter(fd, part, path, owner);
      fs.closeSync(fd);
      fd = next;
    }
    if (type === "file") makeFile(fd, parts.at(-1)!, owner);
  } catch (error) {
    throw ioError("STORE", `making the mount point ${shown(path)} in a cache`, error);
  } finally {
    fs.closeSync(fd);
  }
}

function enter(fd: number, name: ByteString, path: ByteString, owner: { uid: number; gid: number }): number {
  const below = fsPath(`${ownDescriptor(fd)}/${name}`);
  const made = ignoring("EEXIST", () => fs.mkdirSync(below));
  try {
    const next = fs.openSync(below, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (made) {
      fs.fchownSync(next, owner.uid, owner.gid);
      fs.fchmodSync(next, 0o755);
    }
    return next;
  } catch (error) {
    if (!["ELOOP", "ENOTDIR"].includes(errnoOf(error) ?? "")) throw error;
    throw new NacreError("MOUNT", `${shown(name)} is in the way of the mount point ${shown(path)} in a cache`, {
      hint: "another step changes the cache at the same time: give it an id of its own, or sharing=locked",
    });
  }
}

function makeFile(fd: number, name: ByteString, owner: { uid: number; gid: number }): void {
  const path = fsPath(`${ownDescriptor(fd)}/${name}`);
  ignoring("EEXIST", () => {
    const file = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
    fs.fchownSync(file, owner.uid, owner.gid);
    fs.closeSync(file);
  });
}

/** @returns undefined where a component is missing, or is no directory */
function openWithin(directory: string, parts: readonly ByteString[]): number | undefined {
  let fd = fs.openSync(fsPath(toByteString(directory)), O_RDONLY | O_DIRECTORY);
  for (const part of parts) {
    try {
      const next = fs.openSync(fsPath(`${ownDescriptor(fd)}/${part}`), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      fs.closeSync(fd);
      fd = next;
    } catch {
      fs.closeSync(fd);
      return undefined;
    }
  }
  return fd;
}

/** The directory behind a descriptor: what is looked up there cannot be exchanged on the way. */
function ownDescriptor(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

function typeOf(stat: fs.Stats): FileType {
  if (stat.isDirectory()) return "dir";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isCharacterDevice()) return "char";
  if (stat.isBlockDevice()) return "block";
  return stat.isFIFO() ? "fifo" : "file";
}

function ignoring(errno: string, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (errnoOf(error) === errno) return false;
    throw error;
  }
}
