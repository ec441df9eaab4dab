/** What is known of an image in an archive before it is taken out. */
import type { Descriptor } from "../oci/documents.js";

/** Where an image's parts are in an archive. */
export type ImageOrigin =
  /** Of an OCI layout: one descriptor, or several for different platforms. */
  | { readonly kind: "oci"; readonly candidates: readonly Descriptor[] }
  /** Of a docker-archive: paths of members, lowest layer first. */
  | { readonly kind: "docker"; readonly config: string; readonly layers: readonly string[] };

/** An image that an archive holds. */
export interface ArchiveImage {
  /** Full names, e.g. `docker.io/library/alpine:latest`. */
  readonly names: readonly string[];
  /** What `org.opencontainers.image.ref.name` says, where it is no full name: often a tag alone. */
  readonly tags: readonly string[];
  readonly origin: ImageOrigin;
}
