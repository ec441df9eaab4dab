/**
 * After a kill -9 at level `chroot`: what the dead process's steps were doing goes on, and caches are still in their roots.
 * The next process ends the one, brings back the other, and removes the roots.
 */
import * as fs from "node:fs";
import * as v from "valibot";
import { isAlive, livenessOf, ownerName, parseOwner, uniqueSuffix } from "../store/owner.js";
import type { Store } from "../store/store.js";
import { liveLeases } from "../store/sweep.js";
import { type ByteString, fsPath, toByteString } from "../support/bytes.js";
import { errnoOf, ioError } from "../support/errors.js";
import { killAll } from "./chrootProcess.js";

/** A cache that is moved into a root while a step runs. */
export interface MovedCache {
  /** Where it belongs, absolute. */
  readonly home: string;
  /** Where it is, from the root on; a byte string. */
  readonly at: ByteString;
}

/** Name of the root in its directory. */
export const ROOT_NAME = "root";

const JOURNAL = "journal.json";
const journalSchema = v.array(v.object({ home: v.string(), at: v.string() }));

/** Notes caches before they are moved. @param dir the directory of the root @throws NacreError STORE, DISK_FULL */
export function writeJournal(dir: string, caches: readonly MovedCache[]): void {
  try {
    fs.writeFileSync(`${dir}/${JOURNAL}.new`, JSON.stringify(caches));
    fs.renameSync(`${dir}/${JOURNAL}.new`, `${dir}/${JOURNAL}`);
  } catch (error) {
    throw ioError("STORE", `writing ${dir}/${JOURNAL}`, error);
  }
}

/**
 * Makes a directory for a root. It has a name of its own in tmp/, because whoever removes what a dead process has left there
 * must bring back caches first.
 * @throws NacreError STORE, DISK_FULL
 */
export function makeRootDirectory({ directory }: Store): string {
  const path = directory.at("tmp", `c.${ownerName(directory.owner)}.${uniqueSuffix()}`);
  try {
    fs.mkdirSync(path, { mode: 0o700, recursive: true });
    return path;
  } catch (error) {
    throw ioError("STORE", `creating ${path}`, error);
  }
}

/**
 * Ends processes of steps whose nacre is dead, brings their caches back and removes their roots. One directory is listed;
 * there is nothing more to do unless something was killed. Never throws.
 */
export async function sweepChroots(store: Store): Promise<void> {
  for (const dir of abandoned(store)) {
    try {
      const root = `${dir}/${ROOT_NAME}`;
      if (fs.existsSync(root)) await killAll(fs.realpathSync(root));
      for (const cache of readJournal(dir)) bringBack(dir, cache, store.directory.at("mounts"));
      await store.removeTree(dir);
    } catch {
      // The next process tries again.
    }
  }
}

function abandoned({ directory }: Store): string[] {
  const found: string[] = [];
  for (const name of namesIn(directory.at("tmp"))) {
    const owner = parseOwner(/^c\.([0-9a-f-]+)\.[0-9a-f]+$/.exec(name)?.[1] ?? "");
    const stat = owner && fs.lstatSync(directory.at("tmp", name), { throwIfNoEntry: false });
    if (!owner || !stat || isAlive(owner, directory.owner, stat.mtimeMs, directory.now())) continue;
    const leased = () => liveLeases(directory).some((lease) => ownerName(lease.owner) === ownerName(owner));
    // Of a process that cannot be looked up from here, its lease tells.
    if (livenessOf(owner, directory.owner) === "dead" || !leased()) found.push(directory.at("tmp", name));
  }
  return found;
}

function readJournal(dir: string): MovedCache[] {
  try {
    const parsed = v.safeParse(journalSchema, JSON.parse(fs.readFileSync(`${dir}/${JOURNAL}`, "utf8")));
    return parsed.success ? parsed.output : [];
  } catch {
    return [];
  }
}

/** Only real directories lead to it, and only to where a cache can be at home. */
function bringBack(dir: string, { home, at }: MovedCache, mounts: string): void {
  const inMounts = home.startsWith(`${mounts}/`) && !home.split("/").includes("..");
  if (!inMounts || fs.lstatSync(home, { throwIfNoEntry: false })) return;
  let path = `${toByteString(dir)}/${ROOT_NAME}`;
  for (const part of at.split("/")) {
    if (part === "" || part === "." || part === ".." || !isDirectory(path)) return;
    path = `${path}/${part}`;
  }
  if (fs.lstatSync(fsPath(path), { throwIfNoEntry: false })?.isSymbolicLink()) return;
  try {
    fs.renameSync(fsPath(path), home);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

function isDirectory(path: ByteString): boolean {
  return fs.lstatSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}
