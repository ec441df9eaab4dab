/**
 * An image as a value: a manifest, a config and layers, read from the store and checked to fit together. Nothing here
 * changes an image; changes make new ones.
 */
import { type DiffId, type Digest, shortDigest } from "../oci/digest.js";
import {
  type Descriptor,
  type ImageConfig,
  type ImageIndex,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseConfig,
  parseDocument,
} from "../oci/documents.js";
import { isIndexType } from "../oci/mediaTypes.js";
import { compatiblePlatforms, formatPlatform, type Platform, samePlatform } from "../oci/platform.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";

/** A layer of an image. */
export interface ImageLayer {
  readonly diffId: DiffId;
  /** The blob as the manifest names it, compressed or not. */
  readonly descriptor: Descriptor;
}

/** An image; see the top of this file. */
export interface Image {
  /** Points at the manifest. */
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** The config's very bytes: its digest is of them. */
  readonly configBytes: Buffer;
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
}

/** Most image indexes that may lie within each other. */
const MAX_INDEX_DEPTH = 4;

/**
 * Reads an image from the store. Where the descriptor points at an image index, the manifest for the platform is taken.
 * @param platform what is wanted of an index; default: its only or first image
 * @throws NacreError CONTENT_INVALID, IMAGE_NOT_FOUND (no such platform)
 */
export function loadImage(store: Store, descriptor: Descriptor, platform?: Platform): Image {
  let here = descriptor;
  for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth++) {
    const what = `manifest ${shortDigest(here.digest)}`;
    const document = parseDocument(store.readBlob(here.digest, MAX_MANIFEST_BYTES), what);
    if (document.kind === "manifest") {
      const configBytes = store.readBlob(document.manifest.config.digest, MAX_CONFIG_BYTES);
      return imageOf(here, document.manifest, configBytes, `config of ${shortDigest(here.digest)}`);
    }
    here = choosePlatform(document.index, platform, here.digest);
  }
  throw new NacreError("CONTENT_INVALID", `${descriptor.digest} nests image indexes more than ${MAX_INDEX_DEPTH} deep`);
}

/**
 * The entry of an image index for a platform: an exact match, else the best compatible one. Attestations
 * (`unknown/unknown`) never count.
 * @throws NacreError IMAGE_NOT_FOUND
 */
export function choosePlatform(index: ImageIndex, platform: Platform | undefined, digest: Digest): Descriptor {
  const images = index.manifests.filter((entry) => entry.platform?.os !== "unknown" && !isAttestation(entry));
  const first = images[0];
  if (first === undefined) throw new NacreError("IMAGE_NOT_FOUND", `the image index ${digest} lists no image`);
  if (platform === undefined) return first;
  for (const candidate of compatiblePlatforms(platform)) {
    const match = images.find((entry) => entry.platform && samePlatform(entry.platform, candidate));
    if (match) return match;
  }
  const alone = images.length === 1 && (first.platform === undefined || isIndexType(first.mediaType));
  if (alone) return first;
  const there = images.map((entry) => (entry.platform ? formatPlatform(entry.platform) : "unknown")).join(", ");
  throw new NacreError("IMAGE_NOT_FOUND", `no image for ${formatPlatform(platform)} in the image index ${digest}`, {
    hint: `it has ${there}`,
  });
}

function isAttestation(entry: Descriptor): boolean {
  return entry.annotations?.["vnd.docker.reference.type"] === "attestation-manifest";
}

/**
 * The image that a manifest and a config make, wherever they lie.
 * @param what of whom the config is, for errors
 * @throws NacreError CONTENT_INVALID
 */
export function imageOf(descriptor: Descriptor, manifest: Manifest, configBytes: Buffer, what: string): Image {
  const config = parseConfig(configBytes, what);
  return { descriptor, manifest, config, configBytes, layers: pairLayers(manifest, config, what) };
}

/**
 * Pairs the layers of a manifest with the diffIDs of its config.
 * @throws NacreError CONTENT_INVALID if their numbers differ
 */
export function pairLayers(manifest: Manifest, config: ImageConfig, what: string): ImageLayer[] {
  const diffIds = config.rootfs.diff_ids ?? [];
  if (diffIds.length !== manifest.layers.length) {
    throw new NacreError(
      "CONTENT_INVALID",
      `the ${what} lists ${diffIds.length} layers, its manifest ${manifest.layers.length}`,
      {
        hint: "the image is damaged; get it again from where it came from",
      },
    );
  }
  return manifest.layers.map((layer, i) => ({ descriptor: layer, diffId: diffIds[i]! }));
}
