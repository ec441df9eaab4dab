/**
 * What makes a directory a store: an OCI image layout with a `version` file. Creating one is safe against being killed
 * and against others who create it at the same time; a directory that holds anything else is left alone.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import {
  makeDirectories,
  makeDirectory,
  namesIn,
  readIfThere,
  syncDirectory,
  unlinkIfThere,
  writeAll,
} from "./files.js";
import { uniqueSuffix } from "./owner.js";
import { encodeEntries } from "./references.js";

/** Version of the store's format that this program writes; older stores are brought up to it by `migrations.ts`. */
export const STORE_VERSION = 2;
/** image-spec, image-layout.md. */
const OCI_LAYOUT = '{"imageLayoutVersion":"1.0.0"}';
const VERSION_FORM = /^nacre store ([0-9]{1,9})\n$/;
/** What a new store has; other directories are made when they are first needed. */
const DIRECTORIES = ["blobs/sha256", "tmp", "leases", "locks", "tombstones", "evictions", "projects"] as const;
/** Stands in a directory while it is being made a store. */
const CREATING = ".nacre-creating";

/** `$NACRE_HOME`, else `nacre` in `$XDG_DATA_HOME` (ignored unless absolute, as XDG says), else in `~/.local/share`. */
export function defaultStorePath(env: NodeJS.ProcessEnv): string {
  if (env.NACRE_HOME) return path.resolve(env.NACRE_HOME);
  if (env.XDG_DATA_HOME && path.isAbsolute(env.XDG_DATA_HOME)) return path.join(env.XDG_DATA_HOME, "nacre");
  return path.join(env.HOME || os.homedir(), ".local", "share", "nacre");
}

/**
 * The version of the store in a directory, be it older or newer than this program's.
 * @returns undefined if there is none and one may be made there: the directory is missing, empty, or half made
 * @throws NacreError STORE for a directory that holds something else, and where it cannot be read
 */
export function versionOf(root: string): number | undefined {
  try {
    const version = readVersion(root);
    if (version !== undefined) return version;
    const names = namesIn(root);
    if (names.length === 0) {
      assertNoFile(root);
      return undefined;
    }
    // Another process may have finished making it between the two looks.
    const now = readVersion(root);
    if (now !== undefined || names.includes(CREATING)) return now;
  } catch (error) {
    throw ioError("STORE", `opening the store ${root}`, error, "choose another directory with NACRE_HOME");
  }
  throw new NacreError("STORE", `${root} is not a store of nacre, and not empty`, {
    hint: "choose another directory with NACRE_HOME; an OCI image layout is brought in with: nacre load",
  });
}

/**
 * Checks that this program understands a store. Every version is an OCI image layout, whose images any version reads; to
 * write takes knowing all of it.
 * @returns what is to be said of a newer store that is only read
 * @throws NacreError STORE for a newer one that is to be written
 */
export function checkVersion(root: string, version: number, readOnly: boolean): string | undefined {
  if (version <= STORE_VERSION) return undefined;
  if (readOnly) return `the store ${root} has version ${version}, this nacre knows ${STORE_VERSION}: it is only read`;
  throw new NacreError("STORE", `the store ${root} has version ${version}; this nacre writes up to ${STORE_VERSION}`, {
    hint: "use a newer nacre, or another directory with NACRE_HOME",
    facts: { version, supported: STORE_VERSION },
  });
}

/** Checks that this process may write to a store of a known version. @throws NacreError STORE */
export function assertWritableStore(root: string, version: number): void {
  checkVersion(root, version, false);
  try {
    fs.accessSync(root, fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    throw unwritable(root, error);
  }
}

/** Makes a store, or finishes one that was half made. Several processes may do so at once. */
export function createStore(root: string): void {
  try {
    // Private by default: layers and logs may hold what other users must not see.
    makeDirectories(path.dirname(root));
    mkdirUnlessThere(root, 0o700);
    // Before anything else, and at once under its final name: whoever looks in meanwhile must know what this will be.
    fs.closeSync(fs.openSync(`${root}/${CREATING}`, "a", 0o644));
    // tombstones/ too: pruning must be possible when the disk has no room for one more directory.
    for (const name of DIRECTORIES) makeDirectory(`${root}/${name}`);
    createFile(`${root}/oci-layout`, OCI_LAYOUT);
    createFile(`${root}/index.json`, encodeEntries([]));
    createFile(`${root}/version`, versionText(STORE_VERSION));
    unlinkIfThere(`${root}/${CREATING}`);
    syncDirectory(root);
  } catch (error) {
    throw unwritable(root, error);
  }
}

/** Makes a file whole or not at all; one that exists already stays as it is. */
function createFile(target: string, content: string | Uint8Array): void {
  const temp = `${target}.${uniqueSuffix()}.new`;
  const fd = fs.openSync(temp, "wx", 0o644);
  try {
    writeAll(fd, Buffer.from(content));
    fs.fchmodSync(fd, 0o644);
    fs.fsyncSync(fd);
    fs.linkSync(temp, target);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return;
    if (!["EPERM", "ENOTSUP", "ENOSYS"].includes(errnoOf(error) ?? "") || fs.existsSync(target)) throw error;
    // No hard links here (FAT, some network file systems).
    fs.renameSync(temp, target);
  } finally {
    fs.closeSync(fd);
    unlinkIfThere(temp);
  }
}

/** What the file `version` says. */
export function versionText(version: number): string {
  return `nacre store ${version}\n`;
}

/** The version that a store says it has; undefined where there is no such word. */
export function readVersion(root: string): number | undefined {
  const text = readIfThere(`${root}/version`, 1024)?.toString("latin1");
  const match = text === undefined ? undefined : VERSION_FORM.exec(text);
  return match ? Number(match[1]) : undefined;
}

/** A path that is a file has no names in it either, but is no place for a store. */
function assertNoFile(root: string): void {
  const stat = fs.statSync(root, { throwIfNoEntry: false });
  if (stat && !stat.isDirectory()) {
    throw new NacreError("STORE", `${root} is not a directory`, { hint: "choose another one with NACRE_HOME" });
  }
}

function mkdirUnlessThere(directory: string, mode: number): void {
  try {
    fs.mkdirSync(directory, { mode });
    fs.chmodSync(directory, mode);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}

function unwritable(root: string, error: unknown): NacreError {
  return ioError("STORE", `writing to the store ${root}`, error, "choose another directory with NACRE_HOME");
}
