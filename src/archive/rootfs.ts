/** Root file systems as images: any tar becomes the only layer of one, as `docker import` does it. */
import { createReadStream } from "node:fs";
import { storeLayer } from "../image/layers.js";
import { decompressStream } from "../layer/decompress.js";
import type { ContainerConfig, Descriptor, ImageConfig, Manifest } from "../oci/documents.js";
import { encodeConfig, encodeManifest } from "../oci/encode.js";
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../oci/mediaTypes.js";
import type { Platform } from "../oci/platform.js";
import type { Store } from "../store/store.js";
import { ioError, NacreError } from "../support/errors.js";

/** What the image says beside its files. */
export interface RootfsOptions {
  readonly platform: Platform;
  /** RFC 3339. */
  readonly created: string;
  /** Where the files come from, for the history; default: the path, or `-`. */
  readonly origin?: string | undefined;
  readonly config?: ContainerConfig | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes read, each time some are. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Takes a tar (gzip, bzip2, xz and zstd are unpacked) into the store as an image of one layer. Owners, devices and
 * attributes stay as they are in it.
 * @returns points at the manifest; setting a reference is up to the caller
 * @throws NacreError TAR_INVALID, COMPRESSION, LIMIT_EXCEEDED, CONTEXT_UNREADABLE, CANCELLED
 */
export async function importRootfs(
  store: Store,
  tar: string | AsyncIterable<Buffer>,
  options: RootfsOptions,
): Promise<Descriptor> {
  const source = watched(typeof tar === "string" ? readFile(tar) : tar, options);
  const layer = await storeLayer(store, decompressStream(source), undefined, OCI_LAYER);
  const { os, architecture, variant, osVersion } = options.platform;
  const origin = options.origin ?? (typeof tar === "string" ? tar : "-");
  const config: ImageConfig = {
    created: options.created,
    architecture,
    os,
    ...(variant ? { variant } : {}),
    ...(osVersion ? { "os.version": osVersion } : {}),
    config: options.config ?? {},
    rootfs: { type: "layers", diff_ids: [layer.diffId] },
    history: [{ created: options.created, comment: `Imported from ${origin}` }],
  };
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...(await store.putBlob(encodeConfig(config))) },
    layers: [layer.descriptor],
  };
  return { mediaType: OCI_MANIFEST, ...(await store.putBlob(encodeManifest(manifest))) };
}

async function* watched(source: AsyncIterable<Buffer>, options: RootfsOptions): AsyncIterable<Buffer> {
  for await (const chunk of source) {
    if (options.signal?.aborted) throw new NacreError("CANCELLED", "stopped while a root file system was being read");
    yield chunk;
    options.onProgress?.(chunk.length);
  }
}

async function* readFile(path: string): AsyncIterable<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: 256 << 10 });
  } catch (error) {
    throw ioError("CONTEXT_UNREADABLE", `reading ${path}`, error, "check the path of the tar");
  }
}
