/** Images of the store as they are, for archives: no byte of them is changed, so their digests stay. */
import { closeSync, readSync } from "node:fs";
import {
  type Descriptor,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseConfig,
  parseDocument,
} from "../oci/documents.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import type { ArchiveBlob } from "./archiveBlob.js";
import type { ListedImage } from "./layoutDocuments.js";
import type { ArchiveContent } from "./write.js";

const CHUNK_BYTES = 256 << 10;
const MAX_INDEX_DEPTH = 4;

/** A blob of the store. */
export function storedBlob(store: Store, { digest, size }: Pick<Descriptor, "digest" | "size">): ArchiveBlob {
  return { digest, size, open: () => readBlob(store, digest) };
}

/** Bytes in memory as a blob. */
export function blobOf({ digest, size }: Pick<Descriptor, "digest" | "size">, bytes: Uint8Array): ArchiveBlob {
  return { digest, size, open: () => [bytes] };
}

/**
 * What an archive of these images holds. An image index is taken with all its images that are in the store.
 * @throws NacreError CONTENT_INVALID
 */
export function storedContent(
  store: Store,
  images: readonly { readonly descriptor: Descriptor; readonly names: readonly string[] }[],
): ArchiveContent {
  const blobs: ArchiveBlob[] = [];
  const listed = images.map(({ descriptor, names }) => listImage(store, descriptor, names, blobs));
  return { images: listed, blobs };
}

function listImage(store: Store, descriptor: Descriptor, names: readonly string[], blobs: ArchiveBlob[]): ListedImage {
  const manifest = collect(store, descriptor, blobs, 0);
  if (manifest === undefined) return { descriptor, names };
  const what = `config of ${descriptor.digest}`;
  const config = parseConfig(store.readBlob(manifest.config.digest, MAX_CONFIG_BYTES), what);
  const { os, architecture, variant, created } = config;
  const platform = { architecture, os, ...(variant ? { variant } : {}) };
  const parts = { config: manifest.config.digest, layers: manifest.layers.map(({ digest }) => digest) };
  const { mediaType, digest, size } = descriptor;
  return { descriptor: { mediaType, digest, size, ...(os ? { platform } : {}) }, names, created, parts };
}

/** Adds all blobs below a descriptor. @returns the manifest, unless it is an image index */
function collect(store: Store, descriptor: Descriptor, blobs: ArchiveBlob[], depth: number): Manifest | undefined {
  if (depth > MAX_INDEX_DEPTH) {
    throw new NacreError("CONTENT_INVALID", `an image nests image indexes more than ${MAX_INDEX_DEPTH} deep`);
  }
  const bytes = store.readBlob(descriptor.digest, MAX_MANIFEST_BYTES);
  blobs.push(blobOf(descriptor, bytes));
  const document = parseDocument(bytes, descriptor.digest);
  if (document.kind === "index") {
    for (const entry of document.index.manifests) {
      if (store.hasBlob(entry.digest)) collect(store, entry, blobs, depth + 1);
    }
    return undefined;
  }
  const { config, layers } = document.manifest;
  blobs.push(...[config, ...layers].map((part) => storedBlob(store, part)));
  return document.manifest;
}

function* readBlob(store: Store, digest: Descriptor["digest"]): Iterable<Buffer> {
  const fd = store.openBlob(digest);
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const got = readSync(fd, chunk);
      if (got === 0) return;
      yield chunk.subarray(0, got);
    }
  } finally {
    closeSync(fd);
  }
}
