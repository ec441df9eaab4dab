/** Media types of image-spec 1.1 and of Docker's schema 2, and what they mean. */

export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
export const OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
export const OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";
export const DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
export const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";
export const DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/** How the bytes of a layer blob are compressed. */
export type Compression = "none" | "gzip" | "zstd";

/** True for an OCI image index or a Docker manifest list. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_INDEX;
}

/** True for an OCI or Docker schema 2 image manifest. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

/**
 * The compression that a layer's media type promises, or undefined if it is no layer type that nacre can read.
 * What the bytes really are decides in the end (see layer/decompress.ts).
 */
export function compressionOf(mediaType: string): Compression | undefined {
  const plain = mediaType.replace("layer.nondistributable.", "layer.").replace("rootfs.foreign.", "rootfs.");
  switch (plain) {
    case OCI_LAYER:
    case DOCKER_LAYER:
      return "none";
    case OCI_LAYER_GZIP:
    case DOCKER_LAYER_GZIP:
      return "gzip";
    case OCI_LAYER_ZSTD:
      return "zstd";
    default:
      return undefined;
  }
}

/** The OCI layer media type for a compression. */
export function layerType(compression: Compression): string {
  return { none: OCI_LAYER, gzip: OCI_LAYER_GZIP, zstd: OCI_LAYER_ZSTD }[compression];
}

/** The OCI name of a layer's media type, where it has one: manifests do not mix Docker's names with OCI's. */
export function asOciLayer(mediaType: string): string {
  const compression = compressionOf(mediaType);
  return compression === undefined ? mediaType : layerType(compression);
}
