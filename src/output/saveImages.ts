/**
 * Saving images of the store to one archive: as they are (no byte changes, digests stay), or with their layers in another
 * compression (then manifests change, configs and ids do not). What writes archives is loaded when it is called for, so
 * that the library loads quickly.
 */

import type { ArchiveBlob } from "../archive/archiveBlob.js";
import { keepFailure } from "../archive/callerStreams.js";
import type { Destination } from "../archive/destination.js";
import type { ListedImage } from "../archive/layoutDocuments.js";
import type { ArchiveContent } from "../archive/write.js";
import { holdImage, loadPreferred } from "../image/catalog.js";
import type { Image } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import { type Digest, digestOfHex } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import { encodeManifest } from "../oci/encode.js";
import { OCI_CONFIG, OCI_MANIFEST } from "../oci/mediaTypes.js";
import type { Lease, Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import type { OutputCompression } from "./request.js";

/** How images are saved. */
export interface SaveOptions {
  readonly destination: Destination;
  readonly format: "oci" | "docker";
  /** False: a directory. */
  readonly tar: boolean;
  /** Default: layers as they lie in the store. */
  readonly compression?: OutputCompression | undefined;
  /** Layers are compressed in this many threads. */
  readonly jobs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes written so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** An image that has been saved. */
export interface SavedImage {
  /** Full names in the archive; none if the image was asked for by digest or id. */
  readonly names: readonly string[];
  readonly digest: Digest;
}

interface Wanted {
  readonly descriptor: Descriptor;
  readonly names: readonly string[];
}

/**
 * Saves images, found as by holdImage. Those asked for by name have that name in the archive.
 * @throws NacreError IMAGE_NOT_FOUND, OUTPUT, DISK_FULL, CONTENT_INVALID, USAGE, CANCELLED
 */
export async function saveImages(store: Store, texts: readonly string[], options: SaveOptions): Promise<SavedImage[]> {
  if (options.destination.kind === "stream") keepFailure(options.destination.stream);
  const [{ storedContent }, { writeArchive }] = await Promise.all([
    import("../archive/stored.js"),
    import("../archive/write.js"),
  ]);
  const lease = store.acquireLease();
  const opened = new OpenLayers(store);
  try {
    const wanted = gather(store, lease, texts);
    const content = options.compression
      ? await recompress(store, wanted, options.compression, opened, options)
      : storedContent(store, wanted);
    await writeArchive(options.destination, content, options);
    return content.images.map(({ names, descriptor }) => ({ names, digest: descriptor.digest }));
  } finally {
    opened.close();
    lease.release();
  }
}

/** Each image once, with all the names it was asked for by. */
function gather(store: Store, lease: Lease, texts: readonly string[]): Wanted[] {
  const images = new Map<Digest, { descriptor: Descriptor; names: string[] }>();
  for (const text of texts) {
    const { descriptor, name } = holdImage(store, lease, text);
    const image = images.get(descriptor.digest) ?? { descriptor, names: [] };
    if (name !== undefined && !image.names.includes(name)) image.names.push(name);
    images.set(descriptor.digest, image);
  }
  return [...images.values()];
}

async function recompress(
  store: Store,
  wanted: readonly Wanted[],
  compression: OutputCompression,
  opened: OpenLayers,
  options: SaveOptions,
): Promise<ArchiveContent> {
  const { exportLayer } = await import("./layerExport.js");
  const images: ListedImage[] = [];
  const blobs: ArchiveBlob[] = [];
  for (const { descriptor, names } of wanted) {
    const image = loadPreferred(store, descriptor);
    const layers: Descriptor[] = [];
    for (const layer of image.layers) {
      if (options.signal?.aborted) throw new NacreError("CANCELLED", "stopped while an image was being saved");
      const exported = await exportLayer(layer, compression, opened, {
        store,
        names,
        created: image.config.created ?? "",
        newLayers: new Set(),
        jobs: options.jobs,
        signal: options.signal,
      });
      layers.push(exported.descriptor);
      blobs.push(exported.blob);
    }
    const { listed, documents } = await describe(image, layers, names);
    images.push(listed);
    blobs.push(...documents);
  }
  return { images, blobs };
}

async function describe(
  image: Image,
  layers: readonly Descriptor[],
  names: readonly string[],
): Promise<{ readonly listed: ListedImage; readonly documents: readonly ArchiveBlob[] }> {
  const { blobOf } = await import("../archive/stored.js");
  const config = { mediaType: OCI_CONFIG, digest: image.manifest.config.digest, size: image.configBytes.length };
  const bytes = encodeManifest({ ...image.manifest, mediaType: OCI_MANIFEST, config, layers });
  const manifest = { mediaType: OCI_MANIFEST, digest: digestOfHex(sha256Hex(bytes)), size: bytes.length };
  const { os, architecture, variant, created } = image.config;
  const platform = os ? { platform: { os, architecture, ...(variant ? { variant } : {}) } } : {};
  const parts = { config: config.digest, layers: layers.map(({ digest }) => digest) };
  return {
    listed: { descriptor: { ...manifest, ...platform }, names, created, parts },
    documents: [blobOf(manifest, bytes), blobOf(config, image.configBytes)],
  };
}
