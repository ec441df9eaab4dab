/**
 * Outputs of executed steps, whole, and what became of builds: `logs/NAME` and `builds/ID`. Nothing here is needed to
 * build; old ones are removed when new ones are written.
 */
import { closeSync, createReadStream, openSync, type ReadStream, readFileSync, rmSync, statSync } from "node:fs";
import * as v from "valibot";
import { ioError, NacreError } from "../support/errors.js";
import { isMissing, namesIn, writeAll } from "./files.js";
import { uniqueSuffix } from "./owner.js";
import type { Store } from "./store.js";

/** Builds that are kept; with older ones go the logs that no kept one names. */
const KEPT_BUILDS = 100;
/** A build's file is small; what is larger was not written by nacre. */
const MAX_BUILD_BYTES = 16 << 20;
/** Milliseconds for which a log is kept that no build names: its build may still be going on. */
const UNNAMED_GRACE = 7 * 24 * 3_600_000;
const LOG_NAME = /^[0-9a-f]{12}$/;
const BUILD_NAME = /^[0-9a-z]{8,10}-[0-9a-f]{12}$/;

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

/** What became of a step of a build. */
const stepSchema = v.object({
  label: v.string(),
  outcome: v.picklist(["done", "cached", "error", "cancelled"]),
  /** Milliseconds. */
  duration: v.number(),
  /** Log of the execution, in this build or, for cached steps, in an earlier one. */
  log: v.optional(v.string()),
});

const buildSchema = v.object({
  version: v.literal(1),
  /** Milliseconds since 1970. */
  started: v.number(),
  ended: v.number(),
  outcome: v.picklist(["done", "error", "cancelled"]),
  /** The Dockerfile as errors name it. */
  dockerfile: v.string(),
  context: v.string(),
  target: v.optional(v.string()),
  /** What the user calls this build (BUILDKIT_BUILD_NAME). */
  title: v.optional(v.string()),
  names: v.array(v.string()),
  digest: v.optional(v.string()),
  error: v.optional(v.string()),
  steps: v.array(stepSchema),
});

/** What became of a build. */
export type BuildEntry = Readonly<v.InferOutput<typeof buildSchema>>;

/** A build with its name. */
export interface NamedBuild extends BuildEntry {
  readonly id: string;
}

/** Notes a build, and removes the oldest ones. @returns its name */
export function putBuild(store: Store, entry: BuildEntry): string {
  const id = `${entry.started.toString(36)}-${uniqueSuffix()}`;
  const directory = store.directory.ensure("builds");
  store.directory.publish(`${directory}/${id}`, [Buffer.from(JSON.stringify(entry))], { mode: 0o600 });
  removeOld(store);
  return id;
}

/** All builds that are kept, the newest first. Damaged ones are left out. */
export function listBuilds(store: Store): NamedBuild[] {
  return buildNames(store).flatMap((id) => readBuild(store, id) ?? []);
}

/** A build, or undefined if there is none of that name or it is damaged. */
export function readBuild(store: Store, id: string): NamedBuild | undefined {
  if (!BUILD_NAME.test(id)) return undefined;
  const path = store.directory.at("builds", id);
  try {
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? Number.POSITIVE_INFINITY) > MAX_BUILD_BYTES)
      return undefined;
    return { id, ...v.parse(buildSchema, JSON.parse(readFileSync(path, "utf8"))) };
  } catch (error) {
    if (error instanceof SyntaxError || v.isValiError(error) || isMissing(error)) return undefined;
    throw ioError("STORE", `reading ${path}`, error);
  }
}

/** Names begin with the time in base 36, so that the newest come first. */
function buildNames(store: Store): string[] {
  const names = namesIn(store.directory.at("builds")).filter((name) => BUILD_NAME.test(name));
  return names.sort((a, b) => Number.parseInt(b, 36) - Number.parseInt(a, 36) || (a < b ? 1 : -1));
}

function removeOld(store: Store): void {
  const old = buildNames(store).slice(KEPT_BUILDS);
  // One at a time: the logs are looked through only when a tenth more has gathered.
  if (old.length < KEPT_BUILDS / 10) return;
  for (const id of old) rmSync(store.directory.at("builds", id), { force: true });
  const named = new Set(listBuilds(store).flatMap(({ steps }) => steps.flatMap(({ log }) => log ?? [])));
  for (const name of namesIn(store.directory.at("logs"))) {
    const path = store.directory.at("logs", name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat || named.has(name) || store.directory.now() - stat.mtimeMs < UNNAMED_GRACE) continue;
    rmSync(path, { force: true });
  }
}
