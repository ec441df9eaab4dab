/**
 * Reading image archives. In: a path or a stream with an OCI image layout (directory or tar) or a docker-archive of any
 * age, compressed as a whole or not. Out: which images are in it, under which names; archive/import.ts takes them into
 * the store. Nothing is believed before its digest has been checked, and no member can reach a file outside.
 */
import { statSync } from "node:fs";
import { tmpdir } from "node:os";
import { NacreError } from "../support/errors.js";
import { type ArchiveFiles, DirectoryFiles, TarFiles } from "./archiveFiles.js";
import type { ArchiveImage } from "./archiveImage.js";
import { dockerImages } from "./dockerArchive.js";
import { layoutImages } from "./layout.js";
import { openSeekable } from "./spool.js";

/** An opened archive. Close it when nothing reads from it any more. */
export interface ArchiveSource {
  readonly kind: "oci" | "docker";
  readonly images: readonly ArchiveImage[];
  readonly files: ArchiveFiles;
  close(): void;
}

/** How an archive is opened. */
export interface OpenOptions {
  /** What errors call it; default: its path, or `the archive` for a stream. */
  readonly name?: string | undefined;
  /** Directory for a copy of what cannot be read in place; it may grow as large as the archive unpacked. */
  readonly spoolDir?: string | undefined;
}

/**
 * Opens an archive and finds out what is in it.
 * @throws NacreError CONTEXT_UNREADABLE, TAR_INVALID, COMPRESSION, CONTENT_INVALID, LIMIT_EXCEEDED
 */
export async function openArchive(
  archive: string | AsyncIterable<Buffer>,
  options: OpenOptions = {},
): Promise<ArchiveSource> {
  const files = await openFiles(archive, options);
  try {
    return describe(files);
  } catch (error) {
    files.close();
    throw error;
  }
}

async function openFiles(archive: string | AsyncIterable<Buffer>, options: OpenOptions): Promise<ArchiveFiles> {
  if (typeof archive === "string" && isDirectory(archive)) return new DirectoryFiles(archive);
  const name = options.name ?? (typeof archive === "string" ? archive : "the archive");
  return TarFiles.list(name, await openSeekable(archive, options.spoolDir ?? tmpdir()));
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function describe(files: ArchiveFiles): ArchiveSource {
  const close = (): void => files.close();
  // What Docker saves today is both; the layout keeps the manifest's digest.
  if (files.has("index.json") && files.has("oci-layout")) {
    return { kind: "oci", images: layoutImages(files), files, close };
  }
  if (files.has("manifest.json")) return { kind: "docker", images: dockerImages(files), files, close };
  if (files.has("repositories")) {
    throw new NacreError("CONTENT_INVALID", `${files.name} is a docker-archive without manifest.json`, {
      hint: "it comes from a Docker before 1.10; load and save it with a current one",
    });
  }
  throw new NacreError("CONTENT_INVALID", `${files.name} is neither an OCI image layout nor a docker-archive`, {
    hint: "a tar of a root file system can be imported with --rootfs",
  });
}
