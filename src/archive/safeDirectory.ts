/**
 * Directories that are written into without ever following a symlink, be it one that lies there, one that the image
 * brings, or one that another process puts there meanwhile. Node's file calls take paths; on Linux a path through
 * /proc/self/fd names the very directory that was opened, so each name is looked up in it alone. Elsewhere every
 * component is checked before use, which leaves a gap only for another process.
 */
import * as fs from "node:fs";
import { type ByteString, fsPath, toByteString } from "../support/bytes.js";
import { errnoOf, NacreError } from "../support/errors.js";

const DIRECTORY_FLAGS = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW;

/** An opened directory. */
export class SafeDirectory {
  readonly #fd: number | undefined;
  readonly #base: ByteString;
  /** Path for people. */
  readonly shown: string;

  private constructor(shown: string, base: ByteString, fd: number | undefined) {
    this.shown = shown;
    this.#base = base;
    this.#fd = fd;
  }

  /** Opens the directory that all the others lie in; symlinks on the way to it are the user's own. */
  static open(path: string): SafeDirectory {
    if (!hasProc()) return new SafeDirectory(path, toByteString(path), undefined);
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    return new SafeDirectory(path, `/proc/self/fd/${fd}`, fd);
  }

  /** Opens a directory in this one. @throws an ENOTDIR or ELOOP error if it is a symlink */
  child(name: ByteString): SafeDirectory {
    const path = this.at(name);
    const shown = `${this.shown}/${Buffer.from(name, "latin1")}`;
    if (this.#fd === undefined) {
      if (!fs.lstatSync(path).isDirectory())
        throw Object.assign(new Error(`${shown} is no directory`), { code: "ENOTDIR" });
      return new SafeDirectory(shown, `${this.#base}/${checkName(name)}`, undefined);
    }
    const fd = fs.openSync(path, DIRECTORY_FLAGS);
    return new SafeDirectory(shown, `/proc/self/fd/${fd}`, fd);
  }

  /** The path of a name in this directory, for file calls that do not follow a last symlink. */
  at(name: ByteString): string | Buffer {
    return fsPath(`${this.#base}/${checkName(name)}`);
  }

  /** The names in this directory. */
  names(): ByteString[] {
    return fs.readdirSync(fsPath(this.#base), { encoding: "latin1" });
  }

  /** What is there, itself and not what it points at; undefined if nothing is. */
  lstat(name: ByteString): fs.Stats | undefined {
    return fs.lstatSync(this.at(name), { throwIfNoEntry: false });
  }

  /** Sets the directory's own mode and time. */
  setMetadata(mode: number, mtime: number): void {
    if (this.#fd !== undefined) {
      fs.fchmodSync(this.#fd, mode);
      fs.futimesSync(this.#fd, mtime, mtime);
    } else {
      fs.chmodSync(fsPath(this.#base), mode);
      fs.utimesSync(fsPath(this.#base), mtime, mtime);
    }
  }

  /** Sets the directory's own owner. Must come before {@link setMetadata}: the system takes bits of the mode away. */
  setOwner(uid: number, gid: number): void {
    if (this.#fd !== undefined) fs.fchownSync(this.#fd, uid, gid);
    else fs.chownSync(fsPath(this.#base), uid, gid);
  }

  /** The path of a name as a program that this one starts can use it. */
  atForOthers(name: string): string {
    return this.#fd === undefined ? String(this.at(name)) : `/proc/${process.pid}/fd/${this.#fd}/${checkName(name)}`;
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
  }
}

let proc: boolean | undefined;

function hasProc(): boolean {
  proc ??= process.platform === "linux" && fs.existsSync("/proc/self/fd");
  return proc;
}

/** Names come from an index, which has none of these; a path is never built from one all the same. */
function checkName(name: ByteString): ByteString {
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    throw new NacreError("CONTENT_INVALID", `${JSON.stringify(name)} cannot be the name of a file`);
  }
  return name;
}

/** True if the error says that something is there already. */
export function alreadyThere(error: unknown): boolean {
  return errnoOf(error) === "EEXIST";
}
