/**
 * Images of docker-archives, which have no manifests: one is made, the same as loading the archive makes. The config and
 * the layers stay as they are, byte for byte.
 */

import { decompressStream, sniffCompression } from "../layer/decompress.js";
import { type Digest, digestOfHex } from "../oci/digest.js";
import { type Descriptor, MAX_CONFIG_BYTES, parseConfig } from "../oci/documents.js";
import { encodeManifest } from "../oci/encode.js";
import { layerType, OCI_CONFIG, OCI_MANIFEST } from "../oci/mediaTypes.js";
import { NacreError } from "../support/errors.js";
import { createHasher, sha256Hex } from "../support/hash.js";
import type { ArchiveFiles } from "./archiveFiles.js";
import type { ImageOrigin } from "./archiveImage.js";

/** What describing an image gives beside its descriptor, and how it is done. */
export interface DockerManifestOptions {
  /** Gets the manifest's bytes. */
  readonly made: Map<Digest, Buffer>;
  /** Gets where each blob lies. */
  readonly paths: Map<Digest, string>;
  /**
   * Do not read layers that are not compressed: their digests are their diffIDs, which the config tells. Whoever reads them
   * compares.
   */
  readonly lazy: boolean;
}

/**
 * Makes the manifest of an image.
 * @returns points at the manifest
 * @throws NacreError CONTENT_INVALID if the parts do not fit together
 */
export async function describeDockerImage(
  files: ArchiveFiles,
  { config: configPath, layers: layerPaths }: Extract<ImageOrigin, { kind: "docker" }>,
  { made, paths, lazy }: DockerManifestOptions,
): Promise<Descriptor> {
  const configBytes = files.read(configPath, MAX_CONFIG_BYTES);
  const what = `config ${configPath} of ${files.name}`;
  const diffIds = parseConfig(configBytes, what).rootfs.diff_ids ?? [];
  if (diffIds.length !== layerPaths.length) {
    throw new NacreError(
      "CONTENT_INVALID",
      `the ${what} lists ${diffIds.length} layers, manifest.json ${layerPaths.length}`,
      { hint: "the archive is damaged; save the image again" },
    );
  }
  const config = { mediaType: OCI_CONFIG, digest: digestOfHex(sha256Hex(configBytes)), size: configBytes.length };
  paths.set(config.digest, configPath);
  const layers: Descriptor[] = [];
  for (const [number, path] of layerPaths.entries()) {
    const layer = lazy
      ? await describeUnread(files, path, diffIds[number]!)
      : await describeLayer(files, path, diffIds[number]!);
    paths.set(layer.digest, path);
    layers.push(layer);
  }
  const bytes = encodeManifest({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers });
  const digest = digestOfHex(sha256Hex(bytes));
  made.set(digest, bytes);
  return { mediaType: OCI_MANIFEST, digest, size: bytes.length };
}

/** A layer that need not be read to be described, if it is none of the compressed ones. */
async function describeUnread(files: ArchiveFiles, path: string, diffId: Digest): Promise<Descriptor> {
  for await (const chunk of files.open(path)) {
    if (sniffCompression(chunk) !== "none") return describeLayer(files, path, diffId);
    break;
  }
  return { mediaType: layerType("none"), digest: diffId, size: files.size(path) };
}

/** Reads a layer once: its digest, its compression, and that it unpacks to its diffID. */
async function describeLayer(files: ArchiveFiles, path: string, diffId: Digest): Promise<Descriptor> {
  const packed = createHasher();
  const unpacked = createHasher();
  let size = 0;
  let compression: ReturnType<typeof sniffCompression> | undefined;
  const tee = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of files.open(path)) {
      compression ??= sniffCompression(chunk);
      packed.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  };
  for await (const chunk of decompressStream(tee())) unpacked.update(chunk);
  if (digestOfHex(unpacked.hex()) !== diffId) {
    throw new NacreError("CONTENT_INVALID", `the layer ${path} of ${files.name} is not the one that its config names`, {
      hint: "the archive is damaged; save the image again",
    });
  }
  const kind = compression ?? "none";
  if (kind !== "none" && kind !== "gzip" && kind !== "zstd") {
    throw new NacreError("UNSUPPORTED", `the layer ${path} of ${files.name} is compressed with ${kind}`, {
      hint: "manifests have no type for that: take it into the store with nacre load, and copy it from there",
    });
  }
  return { mediaType: layerType(kind), digest: digestOfHex(packed.hex()), size };
}
