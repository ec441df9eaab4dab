/** Writing an OCI image layout as a directory, which other programs may read at any time. */
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type ImageIndex, MAX_MANIFEST_BYTES, parseDocument } from "../oci/documents.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import type { ArchiveBlob } from "./archiveBlob.js";
import { DirectoryFiles } from "./archiveFiles.js";
import { fillDirectory } from "./destination.js";
import { blobPath, indexJson, type ListedImage, OCI_LAYOUT } from "./layoutDocuments.js";

/**
 * Makes a layout, or adds images to one: blobs first (`jobs` of them at once), `index.json` last, everything written beside and renamed.
 * @throws NacreError OUTPUT if something else is there, DISK_FULL
 */
export async function writeLayoutDirectory(
  path: string,
  images: readonly ListedImage[],
  blobs: readonly ArchiveBlob[],
  jobs = 1,
): Promise<void> {
  const before = existingLayout(path);
  await fillDirectory(path, () => fillLayout(path, images, blobs, jobs, before));
}

async function fillLayout(
  path: string,
  images: readonly ListedImage[],
  blobs: readonly ArchiveBlob[],
  jobs: number,
  before: ImageIndex | undefined,
): Promise<void> {
  try {
    mkdirSync(join(path, "blobs", "sha256"), { recursive: true });
  } catch (error) {
    throw ioError("OUTPUT", `making ${path}`, error, "choose a place that you may write to");
  }
  await placeBlobs(path, blobs, jobs);
  if (before === undefined) await replace(join(path, "oci-layout"), 0o444, [OCI_LAYOUT]);
  // Read again: another program may have added to it while blobs were written.
  await replace(join(path, "index.json"), 0o644, [indexJson(images, existingLayout(path))]);
}

/** Writes the blobs that are not there yet. After a failure no other is begun, and those that were have ended. */
async function placeBlobs(path: string, blobs: readonly ArchiveBlob[], jobs: number): Promise<void> {
  const waiting = eachOnce(blobs);
  const worker = async (): Promise<void> => {
    for (const blob of waiting) {
      const target = join(path, blobPath(blob.digest));
      if (statSync(target, { throwIfNoEntry: false })?.size !== blob.size) await replace(target, 0o444, blob.open());
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: jobs }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

/** A list that is taken from by several loops, and ends for all of them where one breaks off. */
function* eachOnce<T>(items: readonly T[]): Generator<T> {
  yield* items;
}

/** What the directory lists; undefined if it is new, empty, or a layout without `index.json`. */
function existingLayout(path: string): ImageIndex | undefined {
  const files = new DirectoryFiles(path);
  if (files.has("oci-layout")) {
    if (!files.has("index.json")) return undefined;
    const document = parseDocument(files.read("index.json", MAX_MANIFEST_BYTES), join(path, "index.json"));
    if (document.kind === "index") return document.index;
  }
  const names = list(path).filter((name) => name !== "blobs");
  if (names.length === 0) return undefined;
  throw new NacreError("OUTPUT", `${path} holds other files and is no OCI image layout`, {
    hint: "name an empty or new directory",
  });
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw ioError("OUTPUT", `writing into ${path}`, error, "name an empty or new directory");
  }
}

async function replace(
  target: string,
  mode: number,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const temporary = `${target}.${randomBytes(6).toString("hex")}.tmp`;
  let fd: number | undefined;
  try {
    fd = openSync(temporary, "wx", mode);
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at);
    }
    closeSync(fd);
    fd = undefined;
    renameSync(temporary, target);
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    rmSync(temporary, { force: true });
    throw errnoOf(error) ? ioError("OUTPUT", `writing ${target}`, error) : error;
  }
}
