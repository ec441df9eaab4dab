/**
 * `nacre.lock`: which manifest each base image's name stood for, so that a later build takes the same ones. JSON, sorted,
 * made to be committed beside the Dockerfile.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { writeDestination } from "../archive/destination.js";
import { type Digest, isDigest } from "../oci/digest.js";
import { familiarName, formatReference, parseReference } from "../oci/reference.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import { isDirectory } from "./contextSource.js";
import type { BuildRequest } from "./request.js";

/** Its name in the directory of the context. */
export const LOCK_NAME = "nacre.lock";

const MAX_BYTES = 4 << 20;

const Lock = v.object({
  version: v.literal(1),
  images: v.record(v.string(), v.object({ digest: v.custom<Digest>(isDigest, "not a sha256 digest") })),
});

/** Digests by full name (`docker.io/library/alpine:3.20`). */
export type LockedImages = ReadonlyMap<string, Digest>;

/** Where the lock file of a build is: as named, else in the directory of the context, else in the working directory. */
export function lockPathOf({ context, lockFile }: Pick<BuildRequest, "context" | "lockFile">): string {
  if (lockFile !== undefined) return lockFile;
  return join(typeof context === "string" && isDirectory(context) ? context : ".", LOCK_NAME);
}

/**
 * Reads a lock file.
 * @returns undefined if there is none
 * @throws NacreError CONTENT_INVALID, with its name
 */
export function readLock(path: string): LockedImages | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  try {
    const { images } = v.parse(Lock, JSON.parse(text));
    return new Map(Object.entries(images).map(([name, { digest }]) => [formatReference(parseReference(name)), digest]));
  } catch (error) {
    throw new NacreError("CONTENT_INVALID", `${path} is no lock file that nacre can read`, {
      hint: "take it from version control again, or write it anew with: nacre build --lock",
      cause: error,
    });
  }
}

/** Writes a lock file; it appears whole. @throws NacreError OUTPUT, DISK_FULL */
export async function writeLock(path: string, images: LockedImages): Promise<void> {
  const entries = [...images].sort(([a], [b]) => (a < b ? -1 : 1));
  const document = {
    version: 1,
    images: Object.fromEntries(entries.map(([name, digest]) => [familiarName(parseReference(name)), { digest }])),
  };
  const bytes = Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
  await writeDestination({ kind: "path", path }, async (sink) => sink(bytes));
}

/**
 * What a name is locked to.
 * @throws NacreError LOCK if the lock file does not have it
 */
export function lockedDigest(images: LockedImages, name: string, path: string): Digest {
  const digest = images.get(name);
  if (digest) return digest;
  throw new NacreError("LOCK", `${familiarName(parseReference(name))} is not in ${path}`, {
    hint: "add it with: nacre lock update",
  });
}

function readText(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    if (text.length > MAX_BYTES) throw new NacreError("LIMIT_EXCEEDED", `${path} is too big for a lock file`);
    return text;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    if (error instanceof NacreError) throw error;
    throw ioError("CONTENT_INVALID", `reading ${path}`, error);
  }
}
