/** The files of builds: their names, and reading no more of them than is wanted. */
import * as fs from "node:fs";
import { errnoOf, ioError } from "../support/errors.js";
import { type BuildSummary, headOf, type NamedBuild } from "./buildEntry.js";
import { type BuildProblem, decodeEntry, decodeHead, decodeV1, formOf, logsIn, MAX_BUILD_BYTES } from "./buildFile.js";
import { isMissing, namesIn, openIfThere, readFrom } from "./files.js";
import type { Store } from "./store.js";

/** What builds are called: the time in base 36, so that names sort by it, and a random part. */
export const BUILD_NAME = /^[0-9a-z]{8,10}-[0-9a-f]{12}$/;
/** Bytes that are read of a file at first: most heads are shorter. */
const FIRST_READ = 8 << 10;

/** Names of builds, the newest first. */
export function buildNames(store: Store): string[] {
  const names = namesIn(store.directory.at("builds")).filter((name) => BUILD_NAME.test(name));
  return names.sort((a, b) => startOf(b) - startOf(a) || (a < b ? 1 : -1));
}

/** When a build began by its name, milliseconds since 1970. */
export function startOf(id: string): number {
  return Number.parseInt(id, 36);
}

/** A build as listings show it, why there is none to show, or undefined if it is gone. */
export function readHead(store: Store, id: string): BuildSummary | BuildProblem | undefined {
  return withFile(store, id, (fd, size) => {
    const start = readFrom(fd, Math.min(size, FIRST_READ));
    const form = formOf(start, size);
    if (form === "v1") {
      const entry = decodeV1(readFrom(fd, size));
      return typeof entry === "string" ? entry : { id, ...headOf(entry) };
    }
    if (typeof form === "string") return form;
    const bytes = form.logs <= start.length ? start : readFrom(fd, form.logs);
    const head = decodeHead(id, form, bytes.subarray(form.head, form.logs));
    return typeof head === "string" ? head : { id, ...head };
  });
}

/** A build with all that is kept of it, why there is none to show, or undefined if it is gone. */
export function readEntry(store: Store, id: string): NamedBuild | BuildProblem | undefined {
  return withFile(store, id, (fd, size) => {
    const file = readFrom(fd, size);
    const form = formOf(file, size);
    const entry = form === "v1" ? decodeV1(file) : typeof form === "string" ? form : decodeEntry(id, form, file);
    return typeof entry === "string" ? entry : { id, ...entry };
  });
}

/**
 * Reads of the file of a build.
 * @returns what was read, why it is of no use, or undefined if there is none
 * @throws NacreError STORE
 */
export function withFile<T>(
  store: Store,
  id: string,
  read: (fd: number, size: number) => T,
): T | BuildProblem | undefined {
  if (!BUILD_NAME.test(id)) return undefined;
  const path = store.directory.at("builds", id);
  let fd: number | undefined;
  try {
    fd = openIfThere(path);
    if (fd === undefined) return undefined;
    const stat = fs.fstatSync(fd);
    return stat.isFile() && stat.size <= MAX_BUILD_BYTES ? read(fd, stat.size) : "foreign";
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (["EACCES", "EPERM", "EIO", "ELOOP"].includes(errnoOf(error) ?? "")) return "unreadable";
    throw ioError("STORE", `reading ${path}`, error);
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** What is wrong with a build, after its name. */
export const PROBLEMS: Readonly<Record<BuildProblem, string>> = {
  damaged: "is damaged",
  newer: "was written by a newer nacre",
  foreign: "was not written by nacre",
  unreadable: "cannot be read",
};

/**
 * The logs that a build names. Of one that cannot be understood, everything that may be the name of a log: it may be of a
 * version that this program does not know.
 */
export function logsOf(store: Store, id: string): readonly string[] {
  const logs = withFile(store, id, (fd, size) => {
    const start = readFrom(fd, Math.min(size, FIRST_READ));
    const form = formOf(start, size);
    if (typeof form === "string") return logsIn(readFrom(fd, size));
    return logsIn((form.entry <= start.length ? start : readFrom(fd, form.entry)).subarray(form.logs, form.entry));
  });
  return typeof logs === "object" ? logs : [];
}
