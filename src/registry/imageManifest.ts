/** What of a manifest makes it an image that can be unpacked, and what to say of those that are something else. */
import type { Digest } from "../oci/digest.js";
import type { Descriptor, Manifest } from "../oci/documents.js";
import { compressionOf, DOCKER_CONFIG, OCI_CONFIG } from "../oci/mediaTypes.js";
import { NacreError } from "../support/errors.js";

/** True if the config is that of a container image, and all layers are of types that can be unpacked. */
export function isImage(manifest: Manifest): boolean {
  return isImageConfig(manifest.config) && manifest.layers.every(({ mediaType }) => compressionOf(mediaType));
}

/**
 * Refuses what is no container image, and images whose layers cannot be had from the registry as they are.
 * @param name the image, for errors
 * @throws NacreError CONTENT_INVALID
 */
export function assertImage(manifest: Manifest, name: string): void {
  if (!isImageConfig(manifest.config)) throw noImage(manifest, name);
  for (const layer of manifest.layers) {
    const { mediaType } = layer;
    if (/[+.]encrypted$/.test(mediaType)) throw encrypted(layer, name);
    if (/\.nondistributable\.|\.foreign\./.test(mediaType)) throw foreign(layer, name);
    if (compressionOf(mediaType) === undefined) throw unknownType(layer, name);
  }
  assertOneSize([manifest.config, ...manifest.layers], name);
}

function isImageConfig({ mediaType }: Descriptor): boolean {
  return mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG;
}

/** What is listed twice is fetched once, so it must be the same both times. */
function assertOneSize(descriptors: readonly Descriptor[], name: string): void {
  const sizes = new Map<Digest, number>();
  for (const { digest, size } of descriptors) {
    const known = sizes.get(digest) ?? size;
    if (known !== size) {
      throw new NacreError("CONTENT_INVALID", `${name} lists ${digest} with ${known} bytes and with ${size}`, {
        hint: "the image is damaged: push it again",
      });
    }
    sizes.set(digest, size);
  }
}

function noImage({ artifactType, config }: Manifest, name: string): NacreError {
  const type = artifactType ?? config.mediaType;
  return new NacreError("CONTENT_INVALID", `${name} is no container image but an artifact of the type ${type}`, {
    hint: type.includes("helm") ? "it is a chart: use helm" : "use the tool that the artifact was made with",
    facts: { type },
  });
}

function encrypted({ digest, mediaType }: Descriptor, name: string): NacreError {
  return new NacreError("CONTENT_INVALID", `${name} has an encrypted layer: ${digest}`, {
    hint: "nacre has no keys for images: decrypt it first, e.g. with skopeo copy --decryption-key",
    facts: { mediaType },
  });
}

function foreign({ digest, mediaType, urls }: Descriptor, name: string): NacreError {
  const [where] = urls ?? [];
  return new NacreError(
    "CONTENT_INVALID",
    `${name} has a layer that must not be distributed by registries: ${digest}${where ? `, kept at ${where}` : ""}`,
    { hint: "nacre fetches layers from the image's own registry only", facts: { mediaType } },
  );
}

function unknownType({ digest, mediaType }: Descriptor, name: string): NacreError {
  return new NacreError("CONTENT_INVALID", `${name} has a layer of the unknown type ${mediaType}: ${digest}`, {
    hint: "nacre unpacks tar layers, plain or compressed with gzip or zstd",
    facts: { mediaType },
  });
}
