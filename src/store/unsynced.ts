/**
 * Big blobs that are not yet known to be on disk. Synchronising a gigabyte costs half a second or more, so a build does
 * not wait for it. Instead an empty file in tmp/ says "this blob, written under this boot, may not be on disk yet"; it
 * is made durable before the blob appears. While the machine stays up nothing can be wrong with such a blob: the kernel
 * writes it out within its normal delay, after which a later run synchronises (cheap by then) and forgets. After a power
 * cut the boot id differs: the blob is hashed again, and dropped if it is wrong, with the references that reach it.
 */
import * as fs from "node:fs";
import { type Digest, digestOfHex } from "../oci/digest.js";
import { ioError } from "../support/errors.js";
import type { StoreDirectory } from "./directory.js";
import {
  hashFile,
  namesIn,
  openIfThere,
  renameIfThere,
  statIfThere,
  syncDirectory,
  syncFile,
  unlinkIfThere,
} from "./files.js";
import { HEARTBEAT_LIMIT, uniqueSuffix } from "./owner.js";

/** Blobs of this many bytes and more are synchronised later. */
export const DEFER_SYNC_FROM = 8 << 20;
/** Milliseconds after which the kernel has normally written a file out by itself (dirty_expire_centisecs is 30 s). */
const SETTLE_AFTER = 40_000;
/** Milliseconds after which a marker whose blob never appeared is given up. */
const GIVE_UP_AFTER = 3_600_000;

const MARKER = /^u\.([0-9a-f]+)\.([0-9a-f]{64})\.[0-9a-f]+$/;

/** A note that a blob may not be on disk yet. */
export interface Marker {
  readonly path: string;
  readonly boot: string;
  readonly digest: Digest;
}

/** The markers among the names in tmp/. */
export function markersAmong(directory: StoreDirectory, names: readonly string[]): Marker[] {
  return names.flatMap((name) => {
    const match = MARKER.exec(name);
    return match ? [{ path: directory.at("tmp", name), boot: match[1]!, digest: digestOfHex(match[2]!) }] : [];
  });
}

/** True if blobs of that size can be left to be synchronised later: it takes a boot id to notice a power cut. */
export function mayDefer(directory: StoreDirectory, size: number): boolean {
  return size >= DEFER_SYNC_FROM && directory.owner.boot !== "0";
}

/** Notes durably that the blob, which is about to appear, may not be on disk yet. */
export function markUnsynced(directory: StoreDirectory, digest: Digest): void {
  const path = directory.at("tmp", `u.${directory.owner.boot}.${digest.slice(7)}.${uniqueSuffix()}`);
  try {
    fs.closeSync(fs.openSync(path, "wx", 0o644));
    syncDirectory(directory.at("tmp"));
  } catch (error) {
    throw ioError("STORE", `writing ${path}`, error);
  }
}

/**
 * Synchronises blobs of this boot that the kernel should have written by now, and forgets their markers.
 * Never throws: what fails stays marked and is tried again.
 */
export async function settle(directory: StoreDirectory, markers: readonly Marker[]): Promise<void> {
  for (const marker of markers) {
    try {
      const age = directory.now() - (statIfThere(marker.path)?.mtimeMs ?? 0);
      if (age < SETTLE_AFTER) continue;
      if (await syncBlob(directory, marker.digest)) unlinkIfThere(marker.path);
      else if (age > GIVE_UP_AFTER) unlinkIfThere(marker.path);
    } catch {
      // Read-only by now, or an I/O error: the marker stays and keeps its meaning.
    }
  }
}

/** What verification after an unclean boot has found. */
export interface Verification {
  /** Blobs that are wrong or missing: references that reach them must go, before anything else is done. */
  readonly bad: ReadonlySet<Digest>;
  /** Removes the wrong blobs, and the markers of all that is settled. */
  finish(): Promise<void>;
}

/** Re-verifies the blobs that an earlier boot (or another machine) left marked. Changes nothing until `finish`. */
export async function verifyAfterBoot(directory: StoreDirectory, markers: readonly Marker[]): Promise<Verification> {
  const verdicts = new Map<Digest, Verdict>();
  for (const { digest } of markers) {
    if (!verdicts.has(digest)) verdicts.set(digest, await verifyBlob(directory, digest));
  }
  const bad = new Set([...verdicts].filter(([, verdict]) => verdict !== "good").map(([digest]) => digest));
  const finish = async () => {
    for (const digest of bad) if (verdicts.get(digest) === "wrong") await removeIfWrong(directory, digest);
    for (const { digest, path } of markers) {
      // A missing blob may still be on its way on another machine that shares the store.
      if (verdicts.get(digest) !== "missing" || !isYoung(directory, path)) unlinkIfThere(path);
    }
  };
  return { bad, finish };
}

/** All names in tmp/; one cheap call tells if there is anything left over at all. */
export function namesInTmp(directory: StoreDirectory): string[] {
  return namesIn(directory.at("tmp"));
}

type Verdict = "good" | "wrong" | "missing";

async function verifyBlob(directory: StoreDirectory, digest: Digest): Promise<Verdict> {
  const fd = openIfThere(directory.at("blobs", "sha256", digest.slice(7)));
  if (fd === undefined) return "missing";
  try {
    if ((await hashFile(fd)) !== digest.slice(7)) return "wrong";
    await syncFile(fd);
    return "good";
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Takes a blob away and deletes it if its bytes do not hash to its name. It is moved before it is judged, so that a good
 * one which another process has put in its place meanwhile is not lost.
 * @returns false if what was moved turned out to be good (it is back in its place) or nothing was there
 */
export async function removeIfWrong(directory: StoreDirectory, digest: Digest): Promise<boolean> {
  const hex = digest.slice(7);
  const path = directory.at("blobs", "sha256", hex);
  const aside = directory.at("tombstones", `wrong.${hex}.${uniqueSuffix()}`);
  if (!renameIfThere(path, aside)) return false;
  const fd = openIfThere(aside);
  if (fd === undefined) return true;
  const actual = await hashFile(fd).finally(() => fs.closeSync(fd));
  if (actual === hex) return !renameIfThere(aside, path);
  unlinkIfThere(aside);
  return true;
}

async function syncBlob(directory: StoreDirectory, digest: Digest): Promise<boolean> {
  const fd = openIfThere(directory.at("blobs", "sha256", digest.slice(7)));
  if (fd === undefined) return false;
  await syncFile(fd).finally(() => fs.closeSync(fd));
  return true;
}

function isYoung(directory: StoreDirectory, path: string): boolean {
  return directory.now() - (statIfThere(path)?.mtimeMs ?? 0) < HEARTBEAT_LIMIT;
}
