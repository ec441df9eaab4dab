/**
 * Outputs of executed steps, whole: `logs/NAME`. Nothing here is needed to build; they are removed with the builds that
 * name them.
 */
import { closeSync, createReadStream, openSync, type ReadStream, rmSync, statSync } from "node:fs";
import { ioError, NacreError } from "../support/errors.js";
import { namesIn, statIfThere, unlinkIfThere, writeAll } from "./files.js";
import { uniqueSuffix } from "./owner.js";
import type { Store } from "./store.js";

/** What logs are called. */
export const LOG_NAME = /^[0-9a-f]{12}$/;

/** A log that is being written. */
export interface LogWriter {
  /** What records and builds call it. */
  readonly name: string;
  /** @throws NacreError STORE, DISK_FULL */
  write(chunk: Uint8Array): void;
  close(): void;
  /** Ends and removes it: no build will name it. Never throws. */
  discard(): void;
}

/** Starts the log of a step. @throws NacreError STORE, DISK_FULL */
export function createLog(store: Store): LogWriter {
  const name = uniqueSuffix();
  const path = `${store.directory.ensure("logs")}/${name}`;
  let fd: number | undefined;
  try {
    fd = openSync(path, "wx", 0o600);
  } catch (error) {
    throw ioError("STORE", `creating ${path}`, error);
  }
  const close = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  return {
    name,
    close,
    write(chunk) {
      try {
        if (fd !== undefined) writeAll(fd, chunk);
      } catch (error) {
        throw ioError("STORE", `writing ${path}`, error);
      }
    },
    discard() {
      close();
      removeQuietly(path);
    },
  };
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It goes with the old ones.
  }
}

/** The whole log, as bytes; undefined if it is gone. */
export function openLog(store: Store, name: string): ReadStream | undefined {
  const path = logPath(store, name);
  return statSync(path, { throwIfNoEntry: false }) ? createReadStream(path) : undefined;
}

function logPath(store: Store, name: string): string {
  if (!LOG_NAME.test(name)) throw new NacreError("INTERNAL", `not a log's name: ${JSON.stringify(name)}`);
  return store.directory.at("logs", name);
}

/** What was removed. */
export interface RemovedLogs {
  readonly count: number;
  readonly bytes: number;
}

/**
 * Removes logs.
 * @param goes told the name of each and how many milliseconds ago it was written to
 * @throws NacreError STORE
 */
export function removeLogs(store: Store, goes: (name: string, age: number) => boolean): RemovedLogs {
  let [count, bytes] = [0, 0];
  for (const name of namesIn(store.directory.at("logs"))) {
    const path = store.directory.at("logs", name);
    const stat = statIfThere(path);
    if (!stat?.isFile() || !goes(name, store.directory.now() - stat.mtimeMs)) continue;
    try {
      if (!unlinkIfThere(path)) continue;
    } catch (error) {
      throw ioError("STORE", `removing ${path}`, error);
    }
    count++;
    bytes += stat.size;
  }
  return { count, bytes };
}
