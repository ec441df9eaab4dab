/**
 * Downloads in the store: below `sources/http/NAME/` lie the content, under its digest, and `response`, which says what
 * it is. The content is there before `response` names it, so that a process that is killed leaves nothing half made; a
 * `response` that is damaged, or whose content is not what it says, counts as nothing.
 */
import * as fs from "node:fs";
import * as v from "valibot";
import { type Digest, hexOf, isDigest } from "../oci/digest.js";
import { answeredBy, type Validators } from "../registry/httpContent.js";
import { hashFile, isMissing, namesIn, readIfThere, renameIfThere, unlinkIfThere } from "../store/files.js";
import { bootId } from "../store/owner.js";
import { holdSource } from "../store/sources.js";
import type { Store } from "../store/store.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import { canonicalJson } from "../support/json.js";
import type { Transferred } from "./downloadTransfer.js";

const MAX_RESPONSE_BYTES = 64 << 10;
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const header = v.optional(v.pipe(v.string(), v.maxLength(1024)));

const Response = v.strictObject({
  version: v.literal(1),
  digest: v.custom<Digest>(isDigest),
  size: whole,
  mtime: v.pipe(v.number(), v.safeInteger()),
  contentType: header,
  etag: header,
  lastModified: header,
  /** Digest of the address that answered: what its validators hold for. */
  answered: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  /** What the file looked like when its bytes were last known to be right. */
  seen: v.string(),
});

/** What is known of a download in the store. */
export type StoredDownload = v.InferOutput<typeof Response>;

/** A content in use. */
export interface HeldDownload {
  /** A read-only file for this use alone, whatever becomes of the download. */
  readonly path: string;
  release(): Promise<void>;
}

/** What the store has in the directory of a download; undefined if nothing, or nothing that can be read. */
export function readStored(directory: string): StoredDownload | undefined {
  const bytes = readIfThere(`${directory}/response`, MAX_RESPONSE_BYTES);
  if (bytes === undefined) return undefined;
  try {
    const result = v.safeParse(Response, JSON.parse(bytes.toString()));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** The validators of a stored download. */
export function validatorsOf({ etag, lastModified }: StoredDownload): Validators {
  return { etag, lastModified };
}

/** True if the content looks as it did when its bytes were last known to be right: then they are not read again. */
export function looksUntouched(directory: string, stored: StoredDownload): boolean {
  return seen(contentPath(directory, stored.digest)) === stored.seen;
}

/** Reads the content again, and notes it if it is right. The directory must be locked. @returns false if it is wrong */
export async function verifyStored(store: Store, directory: string, stored: StoredDownload): Promise<boolean> {
  const path = contentPath(directory, stored.digest);
  try {
    const fd = fs.openSync(path, "r");
    try {
      const look = seen(path);
      if (look === undefined || (await hashFile(fd)) !== hexOf(stored.digest)) return false;
      writeResponse(store, directory, { ...stored, seen: look });
      return true;
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    if (isMissing(error) || errnoOf(error) === "EIO") return false;
    throw ioError("STORE", `reading ${path}`, error);
  }
}

/** Makes what was brought the stored download. The directory must be locked. @throws NacreError STORE, DISK_FULL */
export function adoptTransferred(store: Store, directory: string, brought: Transferred): StoredDownload {
  const { temp, digest, size, head } = brought;
  const path = contentPath(directory, digest);
  try {
    fs.chmodSync(temp, 0o444);
    if (!renameIfThere(temp, path)) throw new NacreError("STORE", `${temp} was removed while it was written`);
  } catch (error) {
    unlinkIfThere(temp);
    throw ioError("STORE", `writing ${path}`, error);
  }
  store.directory.bytesWritten += size;
  const stored: StoredDownload = {
    ...{ version: 1, digest, size, mtime: head.mtime, contentType: head.contentType },
    ...{ etag: head.validators.etag, lastModified: head.validators.lastModified },
    answered: answeredBy(head.identity),
    seen: seen(path) ?? "",
  };
  writeResponse(store, directory, stored);
  for (const name of namesIn(directory)) {
    if (/^[0-9a-f]{64}$/.test(name) && name !== hexOf(digest)) unlinkIfThere(`${directory}/${name}`);
  }
  return stored;
}

/**
 * Takes a content into use: it stays what and where it is until it is released, whoever downloads anew or collects
 * garbage meanwhile.
 * @returns undefined if it is gone
 */
export async function holdContent(
  store: Store,
  name: string,
  directory: string,
  stored: StoredDownload,
): Promise<HeldDownload | undefined> {
  const held = await holdSource(store, "http", name);
  const path = store.directory.tempPath();
  try {
    linkOrCopy(contentPath(directory, stored.digest), path);
  } catch (error) {
    unlinkIfThere(path);
    held.release();
    if (isMissing(error)) return undefined;
    throw ioError("STORE", `linking ${path}`, error);
  }
  return {
    path,
    release: async () => {
      unlinkIfThere(path);
      held.release();
    },
  };
}

function linkOrCopy(from: string, to: string): void {
  try {
    fs.linkSync(from, to);
  } catch (error) {
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(errnoOf(error) ?? "")) throw error;
    fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE);
  }
}

function contentPath(directory: string, digest: Digest): string {
  return `${directory}/${hexOf(digest)}`;
}

/** Changes with the file, and with each start of the machine: what had not reached the disk may be gone then. */
function seen(path: string): string | undefined {
  try {
    const { ino, size, mtimeNs } = fs.lstatSync(path, { bigint: true });
    return [bootId(), ino, size, mtimeNs].join(" ");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function writeResponse(store: Store, directory: string, stored: StoredDownload): void {
  store.directory.publish(`${directory}/response`, [Buffer.from(`${canonicalJson(stored)}\n`)]);
}
