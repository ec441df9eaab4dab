/**
 * The directory of a store, as all its parts see it: paths, temporary files and atomic publication. Everything that
 * appears under its final name was whole before.
 */
import * as fs from "node:fs";
import { ioError, NacreError } from "../support/errors.js";
import { isMissing, makeDirectory, renameIfThere, syncDirectory, unlinkIfThere, writeParts } from "./files.js";
import { currentOwner, type Owner, ownerName, uniqueSuffix } from "./owner.js";

/** How a file is published. */
export interface PublishOptions {
  /** Mode, whatever the umask; without it the umask applies to 0644. */
  readonly mode?: number;
  /** The bytes are on disk before the name is, and the name is when the call returns. */
  readonly durable?: boolean;
}

/** A file that is being written in tmp/. */
export interface TempFile {
  readonly path: string;
  readonly fd: number;
}

/** Bytes that a file of that length takes, by blocks of 4 KiB: small files are what fills a store unseen. */
export function sizeOnDisk(length: number): number {
  return Math.ceil(length / 4096) * 4096;
}

/** Paths and primitive writes of one opened store. */
export class StoreDirectory {
  readonly path: string;
  readonly readOnly: boolean;
  readonly warn: (message: string) => void;
  readonly now: () => number;
  /** Bytes on disk that this handle has added to the store so far. */
  bytesWritten = 0;
  #owner: Owner | undefined;
  readonly #ensured = new Set<string>();

  constructor(path: string, readOnly: boolean, warn: (message: string) => void, now: () => number) {
    this.path = path;
    this.readOnly = readOnly;
    this.warn = warn;
    this.now = now;
  }

  /** This process, looked up on first use: a build that only reads never needs it. */
  get owner(): Owner {
    this.#owner ??= currentOwner();
    return this.#owner;
  }

  /** A path below the store. */
  at(...names: readonly string[]): string {
    let path = this.path;
    for (const name of names) path += `/${name}`;
    return path;
  }

  /** @throws NacreError STORE if the store was opened for reading only */
  assertWritable(): void {
    if (this.readOnly) {
      throw new NacreError("STORE", `the store ${this.path} was opened for reading only`);
    }
  }

  /** Makes a directory directly below the store, once. @returns its path */
  ensure(name: string): string {
    const path = this.at(name);
    if (!this.#ensured.has(name)) {
      try {
        makeDirectory(path);
      } catch (error) {
        throw ioError("STORE", `creating ${path}`, error);
      }
      this.#ensured.add(name);
    }
    return path;
  }

  /** A new file in tmp/, for this process alone, with mode 0600. Its name tells a sweeper whose it is. */
  temp(mode = 0o600): TempFile {
    const path = this.tempPath();
    for (let attempt = 0; ; attempt++) {
      try {
        return { path, fd: fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL, mode) };
      } catch (error) {
        if (attempt > 0 || !isMissing(error)) throw ioError("STORE", `creating ${path}`, error);
        makeDirectory(this.at("tmp"));
      }
    }
  }

  /** A path in tmp/ where nothing is. Whatever is put there, its name tells a sweeper whose it is. */
  tempPath(): string {
    this.assertWritable();
    return this.at("tmp", `t.${ownerName(this.owner)}.${uniqueSuffix()}`);
  }

  /** A new directory in tmp/, for this process alone, with mode 0700. If it is left there, a later process sweeps it. */
  tempTree(): string {
    const path = this.tempPath();
    try {
      makeDirectory(this.at("tmp"));
      fs.mkdirSync(path, { mode: 0o700 });
      return path;
    } catch (error) {
      throw ioError("STORE", `creating ${path}`, error);
    }
  }

  /**
   * Writes a file so that it appears whole or not at all, replacing one of that name.
   * @throws NacreError STORE, DISK_FULL
   */
  publish(target: string, parts: readonly Uint8Array[], options: PublishOptions = {}): void {
    const { path, fd } = this.temp(0o644);
    let open = true;
    try {
      writeParts(fd, parts);
      if (options.mode !== undefined) fs.fchmodSync(fd, options.mode);
      if (options.durable) fs.fsyncSync(fd);
      open = false;
      fs.closeSync(fd);
      if (!renameIfThere(path, target)) throw new NacreError("STORE", `${path} was removed while it was written`);
      if (options.durable) syncDirectory(target.slice(0, target.lastIndexOf("/")));
    } catch (error) {
      if (open) fs.closeSync(fd);
      unlinkIfThere(path);
      throw ioError("STORE", `writing ${target}`, error);
    }
    this.bytesWritten += sizeOnDisk(parts.reduce((sum, part) => sum + part.length, 0));
  }
}
