/**
 * Taking images out of archives into the store. Every blob is hashed on its way in and compared with the digest and the
 * size that name it; layers are decompressed, compared with their diffIDs and indexed in the same pass. References are
 * the caller's to set, once all of it is there.
 */

import { choosePlatform, pairLayers } from "../image/image.js";
import { checkHardLinks, storeLayer } from "../image/layers.js";
import { decompressStream, sniffCompression } from "../layer/decompress.js";
import { type Digest, digestOfHex } from "../oci/digest.js";
import {
  type Descriptor,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseConfig,
  parseDocument,
} from "../oci/documents.js";
import { encodeManifest } from "../oci/encode.js";
import { compressionOf, layerType, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../oci/mediaTypes.js";
import { localPlatform, type Platform } from "../oci/platform.js";
import { formatReference, parseReference } from "../oci/reference.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { nearest } from "../support/suggest.js";
import type { ArchiveFiles } from "./archiveFiles.js";
import type { ArchiveImage } from "./archiveImage.js";
import { blobPath } from "./layoutDocuments.js";
import type { ArchiveSource } from "./read.js";

/** Which images are wanted. */
export interface ImportOptions {
  /** Names or tags in the archive; default: every image in it. */
  readonly names?: readonly string[] | undefined;
  /** Which image of an image index; default: this machine's. */
  readonly platform?: Platform | undefined;
  /** Take all platforms, and the image index itself. */
  readonly allPlatforms?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with bytes of layers read since the last call. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** An image now in the store. */
export interface Imported {
  /** Full names that the archive gives it. */
  readonly names: readonly string[];
  /** Tags without a name, as OCI layouts may have them. */
  readonly tags: readonly string[];
  /** Points at its manifest, or at its image index where all platforms were taken. */
  readonly descriptor: Descriptor;
}

/** Most image indexes that may lie within each other. */
const MAX_INDEX_DEPTH = 4;

/**
 * Imports images. If it throws, blobs that were complete may be in the store, but nothing refers to them.
 * @throws NacreError CONTENT_INVALID, TAR_INVALID, COMPRESSION, LIMIT_EXCEEDED, IMAGE_NOT_FOUND
 */
export async function importArchive(
  store: Store,
  source: ArchiveSource,
  options: ImportOptions = {},
): Promise<Imported[]> {
  const imported: Imported[] = [];
  for (const image of selectImages(source, options.names)) {
    const { origin, names, tags } = image;
    const importer = new Importer(store, source.files, options);
    const descriptor =
      origin.kind === "docker"
        ? await importer.dockerImage(origin.config, origin.layers)
        : await importer.candidates(origin.candidates);
    imported.push({ names, tags, descriptor });
  }
  return imported;
}

/**
 * The images of an archive by tag, name (in any spelling) or digest; all of them if none is named.
 * @throws NacreError IMAGE_NOT_FOUND
 */
export function selectImages(source: ArchiveSource, names: readonly string[] | undefined): readonly ArchiveImage[] {
  if (names === undefined) return source.images;
  return names.map((name) => {
    const found = source.images.find((image) => answersTo(image, name));
    if (found) return found;
    const there = source.images.flatMap((image) => [...image.names, ...image.tags]);
    const near = nearest(name, there);
    throw new NacreError("IMAGE_NOT_FOUND", `${source.files.name} holds no image ${JSON.stringify(name)}`, {
      hint: near ? `did you mean ${near}?` : `it holds: ${there.join(", ") || "images without names"}`,
    });
  });
}

/** True for a tag, any spelling of a full name, or a digest. */
function answersTo({ names, tags, origin }: ArchiveImage, name: string): boolean {
  if (tags.includes(name) || names.includes(name)) return true;
  if (origin.kind === "oci" && origin.candidates.some((candidate) => candidate.digest === name)) return true;
  try {
    return names.includes(formatReference(parseReference(name)));
  } catch {
    return false;
  }
}

class Importer {
  readonly #store: Store;
  readonly #files: ArchiveFiles;
  readonly #options: ImportOptions;

  constructor(store: Store, files: ArchiveFiles, options: ImportOptions) {
    this.#store = store;
    this.#files = files;
    this.#options = options;
  }

  /** One image of an OCI layout; of several candidates the one for the platform. */
  async candidates(candidates: readonly Descriptor[]): Promise<Descriptor> {
    const [first, ...others] = candidates;
    const chosen =
      others.length === 0
        ? first!
        : choosePlatform({ schemaVersion: 2, manifests: candidates }, this.#platform(), first!.digest);
    const { mediaType, digest, size, platform } = await this.#document(chosen, 0);
    return { mediaType, digest, size, ...(platform ? { platform } : {}) };
  }

  /** Makes a manifest for an image of a docker-archive; its config stays as it is, byte for byte. */
  async dockerImage(configPath: string, layerPaths: readonly string[]): Promise<Descriptor> {
    const bytes = this.#files.read(configPath, MAX_CONFIG_BYTES);
    const what = `config ${configPath} of ${this.#files.name}`;
    const config = parseConfig(bytes, what);
    const diffIds = config.rootfs.diff_ids ?? [];
    if (diffIds.length !== layerPaths.length) {
      throw new NacreError(
        "CONTENT_INVALID",
        `the ${what} lists ${diffIds.length} layers, manifest.json ${layerPaths.length}`,
        { hint: "the archive is damaged; save the image again" },
      );
    }
    const layers: Descriptor[] = [];
    for (const [i, path] of layerPaths.entries()) layers.push(await this.#dockerLayer(path, diffIds[i]!));
    await checkHardLinks(
      this.#store,
      layers.map((descriptor, i) => ({ descriptor, diffId: diffIds[i]! })),
    );
    const blob = this.#store.putBlob(bytes);
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, ...(await blob) },
      layers,
    };
    return { mediaType: OCI_MANIFEST, ...(await this.#store.putBlob(encodeManifest(manifest))) };
  }

  async #dockerLayer(path: string, diffId: Digest): Promise<Descriptor> {
    const compression = sniffCompression(await head(this.#files.open(path)));
    if (compression === "none" || compression === "gzip" || compression === "zstd") {
      const mediaType = layerType(compression);
      return (await storeLayer(this.#store, this.#open(path), undefined, mediaType, diffId)).descriptor;
    }
    // OCI has no media types for other compressions: such layers are kept unpacked.
    const plain = decompressStream(this.#open(path));
    return (await storeLayer(this.#store, plain, undefined, OCI_LAYER, diffId)).descriptor;
  }

  /** A manifest, or an image index and what lies below it. */
  async #document(descriptor: Descriptor, depth: number): Promise<Descriptor> {
    const { digest } = descriptor;
    if (depth > MAX_INDEX_DEPTH) {
      throw new NacreError(
        "CONTENT_INVALID",
        `${this.#files.name} nests image indexes more than ${MAX_INDEX_DEPTH} deep`,
      );
    }
    const bytes = this.#small(descriptor, MAX_MANIFEST_BYTES);
    const document = parseDocument(bytes, `${digest} of ${this.#files.name}`);
    if (document.kind === "manifest") {
      await this.#manifest(document.manifest, digest);
    } else if (this.#options.allPlatforms) {
      for (const entry of document.index.manifests) await this.#document(entry, depth + 1);
    } else {
      return this.#document(choosePlatform(document.index, this.#platform(), digest), depth + 1);
    }
    await this.#store.putBlob(bytes);
    return descriptor;
  }

  async #manifest(manifest: Manifest, digest: Digest): Promise<void> {
    const configBytes = this.#small(manifest.config, MAX_CONFIG_BYTES);
    if (manifest.layers.every((layer) => compressionOf(layer.mediaType) !== undefined)) {
      const what = `config of ${digest}`;
      const layers = pairLayers(manifest, parseConfig(configBytes, what), what);
      for (const { descriptor, diffId } of layers) await this.#layer(descriptor, diffId);
      await checkHardLinks(this.#store, layers);
    } else if (this.#options.allPlatforms) {
      // Attestations and other artifacts: kept, not understood.
      for (const layer of manifest.layers) await this.#copy(layer);
    } else {
      throw new NacreError("CONTENT_INVALID", `${digest} of ${this.#files.name} is no container image`, {
        hint: "its layers are of types that no container runtime unpacks",
      });
    }
    await this.#store.putBlob(configBytes);
  }

  async #layer(descriptor: Descriptor, diffId: Digest): Promise<void> {
    this.#store.protect([descriptor.digest, diffId]);
    const known = this.#store.layerBlobs(diffId).some(({ digest }) => digest === descriptor.digest);
    if (known && this.#store.blobSize(descriptor.digest) === descriptor.size && this.#store.hasIndex(diffId)) return;
    await storeLayer(this.#store, this.#open(blobPath(descriptor.digest)), descriptor, descriptor.mediaType, diffId);
  }

  async #copy(descriptor: Descriptor): Promise<void> {
    this.#store.protect([descriptor.digest]);
    if (this.#store.blobSize(descriptor.digest) === descriptor.size) return;
    const blob = this.#store.createBlob();
    try {
      let size = 0;
      for await (const chunk of this.#open(blobPath(descriptor.digest))) {
        blob.write(chunk);
        size += chunk.length;
      }
      if (size !== descriptor.size) throw wrongBytes(this.#files, descriptor, `${size} bytes`);
      await blob.commit(descriptor.digest);
    } catch (error) {
      blob.abort();
      throw error;
    }
  }

  /** A document, checked against its digest and size. */
  #small(descriptor: Descriptor, limit: number): Buffer {
    const bytes = this.#files.read(blobPath(descriptor.digest), limit);
    const found = digestOfHex(sha256Hex(bytes));
    if (bytes.length !== descriptor.size) throw wrongBytes(this.#files, descriptor, `${bytes.length} bytes`);
    if (found !== descriptor.digest) throw wrongBytes(this.#files, descriptor, `the digest ${found}`);
    return bytes;
  }

  async *#open(path: string): AsyncIterable<Buffer> {
    const { signal, onProgress } = this.#options;
    for await (const chunk of this.#files.open(path)) {
      if (signal?.aborted) throw new NacreError("CANCELLED", `stopped while ${this.#files.name} was being read`);
      yield chunk;
      onProgress?.(chunk.length);
    }
  }

  #platform(): Platform {
    return this.#options.platform ?? localPlatform();
  }
}

async function head(source: AsyncIterable<Buffer>): Promise<Buffer> {
  for await (const chunk of source) return chunk;
  return Buffer.alloc(0);
}

function wrongBytes(files: ArchiveFiles, { digest, size }: Descriptor, found: string): NacreError {
  return new NacreError(
    "CONTENT_INVALID",
    `the blob ${digest} of ${files.name} has ${found}; wanted are ${size} bytes`,
    {
      hint: "the archive is damaged; make it again",
    },
  );
}
