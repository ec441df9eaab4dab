/**
 * Writing image archives. In: images, and the blobs that they are made of. Out: an OCI image layout as a tar or a
 * directory, or the same with `manifest.json` for `docker load`; entry order, modes, owners and times are those of
 * BuildKit's exporters, so equal images give equal archives. Blobs are hashed on the way; a destination never holds
 * half an archive.
 */
import { NacreError } from "../support/errors.js";
import { createHasher } from "../support/hash.js";
import type { ArchiveBlob } from "./archiveBlob.js";
import { type Destination, writeDestination } from "./destination.js";
import { writeLayoutDirectory } from "./layoutDirectory.js";
import { blobPath, indexJson, type ListedImage, manifestJson, OCI_LAYOUT } from "./layoutDocuments.js";
import { packTar, type TarFile } from "./packTar.js";

/** What goes into an archive. */
export interface ArchiveContent {
  readonly images: readonly ListedImage[];
  /** All blobs of the images, manifests and configs included, in any order; several of one digest are written once. */
  readonly blobs: readonly ArchiveBlob[];
}

/** How it is written. */
export interface WriteOptions {
  /** `docker`: with `manifest.json`. */
  readonly format: "oci" | "docker";
  /** False: a directory. One that is a layout already is added to. */
  readonly tar: boolean;
  /** Blobs of a directory that are written at once; default 1. */
  readonly jobs?: number | undefined;
  /** Called with the number of bytes written. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes an archive.
 * @throws NacreError OUTPUT, DISK_FULL, CONTENT_INVALID (a blob is not what its digest says), CANCELLED
 */
export async function writeArchive(
  destination: Destination,
  content: ArchiveContent,
  options: WriteOptions,
): Promise<void> {
  const blobs = sortedBlobs(content.blobs, options);
  if (!options.tar) {
    if (destination.kind === "stream") {
      throw new NacreError("USAGE", "a directory cannot be written to a stream", {
        hint: "give a path, or leave tar=false out",
      });
    }
    return writeLayoutDirectory(destination.path, content.images, blobs, options.jobs);
  }
  const files: TarFile[] = [
    { path: "blobs/" },
    { path: "blobs/sha256/" },
    ...blobs.map((blob) => ({ path: blobPath(blob.digest), mode: 0o444, size: blob.size, open: blob.open })),
    document("index.json", 0o644, indexJson(content.images)),
    ...(options.format === "docker" ? [document("manifest.json", 0o644, manifestJson(content.images))] : []),
    document("oci-layout", 0o444, OCI_LAYOUT),
  ];
  await writeDestination(destination, (sink) => packTar(files, sink));
}

function document(path: string, mode: number, bytes: Buffer): TarFile {
  return { path, mode, size: bytes.length, open: () => [bytes] };
}

/** Each blob once, in the order of digests, checked while it is read. */
function sortedBlobs(blobs: readonly ArchiveBlob[], options: WriteOptions): ArchiveBlob[] {
  const byDigest = new Map(blobs.map((blob) => [blob.digest, blob]));
  const progress = { bytes: 0 };
  return [...byDigest.values()]
    .sort((a, b) => (a.digest < b.digest ? -1 : 1))
    .map((blob) => ({ ...blob, open: () => checked(blob, options, progress) }));
}

async function* checked(
  blob: ArchiveBlob,
  { signal, onProgress }: WriteOptions,
  progress: { bytes: number },
): AsyncIterable<Uint8Array> {
  const hasher = createHasher();
  let size = 0;
  for await (const chunk of blob.open()) {
    if (signal?.aborted) throw new NacreError("CANCELLED", "stopped while an archive was being written");
    hasher.update(chunk);
    size += chunk.length;
    if (size > blob.size) break;
    yield chunk;
    progress.bytes += chunk.length;
    onProgress?.(progress.bytes);
  }
  if (size === blob.size && `sha256:${hasher.hex()}` === blob.digest) return;
  throw new NacreError("CONTENT_INVALID", `the blob ${blob.digest} is damaged in the store`, {
    hint: "find what else is damaged with: nacre check",
  });
}
