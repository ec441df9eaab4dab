/**
 * Removing a directory with everything in it, whatever it holds: unpacked layers and the leavings of a RUN may have any
 * modes, any names, and nest deeper than a path can name. Symlinks are removed, never followed.
 */
import * as fs from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type ByteString, fsPath } from "../support/bytes.js";
import { errnoOf } from "../support/errors.js";
import { isMissing } from "./files.js";
import { uniqueSuffix } from "./owner.js";

/** Deletes a directory and all that is in it. Nothing happens if it is not there. */
export type RemoveTree = (path: string) => Promise<void>;

/** Longest path, in bytes, that is used as it is; PATH_MAX is 4096, names are up to 255. */
const LONG_PATH = 2048;
/** Milliseconds of work before other work of the process gets its turn. */
const TURN = 15;
/** How often a directory that fills again while it is emptied is tried: by what a killed process has left running. */
const ATTEMPTS = 3;

/** A directory on the way, and how often it has been emptied. */
interface Pending {
  readonly path: ByteString;
  attempts: number;
}

/**
 * Removes a tree, without recursion, giving other work its turn. Stays on one file system.
 * @param path of a directory, a file or a symlink
 * @throws the error of the system call that failed; what could be removed is gone then
 */
export async function removeTree(path: string): Promise<void> {
  const root = Buffer.from(path).toString("latin1");
  const top = fs.lstatSync(fsPath(root), { throwIfNoEntry: false });
  if (top === undefined) return;
  if (!top.isDirectory()) {
    unlink(root);
    return;
  }
  const pending: Pending[] = [{ path: root, attempts: 0 }];
  let turnEnds = Date.now() + TURN;
  for (let here = pending.pop(); here !== undefined; here = pending.pop()) {
    step(here, root, top.dev, pending);
    if (Date.now() < turnEnds) continue;
    await nextTurn();
    turnEnds = Date.now() + TURN;
  }
}

/** Removes a directory that is empty; of any other, its files, and puts what is left to do on the pile. */
function step(here: Pending, root: ByteString, device: number, pending: Pending[]): void {
  if (here.attempts > 0 && removeIfEmpty(here, root)) return;
  if (here.path.length > LONG_PATH && here.attempts === 0) {
    // Too deep to be named much longer: it goes on from the top.
    const path = `${root}/.${uniqueSuffix()}`;
    withAccess(parentOf(here.path), () => fs.renameSync(fsPath(here.path), fsPath(path)));
    pending.push({ path, attempts: 0 });
    return;
  }
  here.attempts++;
  pending.push(here);
  for (const name of emptied(here.path, device)) pending.push({ path: `${here.path}/${name}`, attempts: 0 });
}

function removeIfEmpty({ path, attempts }: Pending, root: ByteString): boolean {
  try {
    const remove = () => fs.rmdirSync(fsPath(path));
    // What holds the tree is not ours to change.
    if (path === root) remove();
    else withAccess(parentOf(path), remove);
    return true;
  } catch (error) {
    if (isMissing(error)) return true;
    const isFull = errnoOf(error) === "ENOTEMPTY" || errnoOf(error) === "EEXIST";
    if (!isFull || attempts >= ATTEMPTS) throw error;
    return false;
  }
}

/** Removes all but directories. @returns the names of those */
function emptied(path: ByteString, device: number): ByteString[] {
  const directories: ByteString[] = [];
  for (const entry of list(path, device)) {
    const name = entry.name.toString("latin1");
    if (entry.isDirectory() || !removeFile(path, name)) directories.push(name);
  }
  return directories;
}

function list(path: ByteString, device: number): fs.Dirent<Buffer>[] {
  const stat = fs.lstatSync(fsPath(path), { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (stat.dev !== device) throw new Error(`${path} is a mount point`);
  return withAccess(path, () => fs.readdirSync(fsPath(path), { withFileTypes: true, encoding: "buffer" }));
}

/** @returns false if it is a directory after all: some file systems do not tell when they list */
function removeFile(directory: ByteString, name: ByteString): boolean {
  try {
    withAccess(directory, () => unlink(`${directory}/${name}`));
    return true;
  } catch (error) {
    // Linux says the first, POSIX the second.
    if (errnoOf(error) !== "EISDIR" && errnoOf(error) !== "EPERM") throw error;
    if (!fs.lstatSync(fsPath(`${directory}/${name}`)).isDirectory()) throw error;
    return false;
  }
}

function unlink(path: ByteString): void {
  try {
    fs.unlinkSync(fsPath(path));
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Does something in a directory, giving its owner the right to where the mode denies it. */
function withAccess<T>(directory: ByteString, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (errnoOf(error) !== "EACCES") throw error;
    fs.chmodSync(fsPath(directory), 0o700);
    return work();
  }
}

function parentOf(path: ByteString): ByteString {
  return path.slice(0, path.lastIndexOf("/"));
}
