/**
 * How big the cache is, without measuring it: `locks/cache-size` has a first line `BYTES TIME` from the last garbage
 * collection, then a line `+BYTES` for each build that has written something, and `? TIME` for each time that a garbage
 * collection was started in the background.
 */
import * as fs from "node:fs";
import { errnoOf, ioError, isNacreError } from "../support/errors.js";
import { isMissing, readIfThere, writeAll } from "./files.js";
import type { Store } from "./store.js";

/** Longest ledger that is read: one line for each build of a day. */
const MAX_BYTES = 4 << 20;

/** What the ledger says. Times are milliseconds since 1970. */
export interface Ledger {
  /** Bytes, when it was last measured. */
  readonly measured: number;
  readonly time: number;
  /** Bytes by the count since. */
  readonly bytes: number;
  /** When garbage collection was first started in the background since; it has not come to its end. */
  readonly started?: number | undefined;
}

const UNKNOWN: Ledger = { measured: 0, time: 0, bytes: 0 };

/** Adds what a build wrote. @returns the ledger with it; an empty one where it cannot be kept */
export function addToLedger(store: Store, written: number): Ledger {
  return append(store, `+${written}\n`);
}

/** Notes that garbage collection was started in the background. */
export function noteStarted(store: Store): void {
  append(store, `? ${store.directory.now()}\n`);
}

/** Begins anew with a size that was measured. */
export function writeLedger(store: Store, cache: number): void {
  const written = store.directory.bytesWritten;
  try {
    store.directory.publish(ledgerPath(store), [Buffer.from(`${cache} ${store.directory.now()}\n`)]);
  } catch (error) {
    // The count then starts from the last measurement: pruning may come too early, never too late.
    if (!isNacreError(error) || error.code !== "DISK_FULL") throw error;
  }
  store.directory.bytesWritten = written;
}

function append(store: Store, line: string): Ledger {
  const path = ledgerPath(store);
  try {
    const fd = fs.openSync(path, "a", 0o644);
    try {
      if (fs.fstatSync(fd).size === 0) writeAll(fd, Buffer.from(`0 ${store.directory.now()}\n`));
      writeAll(fd, Buffer.from(line));
    } finally {
      fs.closeSync(fd);
    }
    return parseLedger(readIfThere(path, MAX_BYTES)?.toString("latin1") ?? "");
  } catch (error) {
    if (isMissing(error) || ["ENOSPC", "EDQUOT"].includes(errnoOf(error) ?? "")) return UNKNOWN;
    throw ioError("STORE", `writing ${path}`, error);
  }
}

/** Lines that a full disk cut short count for nothing. */
function parseLedger(text: string): Ledger {
  const [first = "", ...lines] = text.split("\n");
  const match = /^([0-9]+) ([0-9]+)$/.exec(first);
  const measured = Number(match?.[1] ?? 0);
  const added = lines.reduce((sum, line) => sum + (/^\+[0-9]+$/.test(line) ? Number(line.slice(1)) : 0), 0);
  const started = lines.find((line) => /^\? [0-9]+$/.test(line))?.slice(2);
  return {
    ...{ measured, time: Number(match?.[2] ?? 0), bytes: measured + added },
    ...(started === undefined ? {} : { started: Number(started) }),
  };
}

function ledgerPath(store: Store): string {
  return store.directory.at("locks", "cache-size");
}
