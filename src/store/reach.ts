/** What an image needs of the store: from a descriptor through image index, manifest and config down to the layers. */
import type { DiffId, Digest } from "../oci/digest.js";
import {
  type Descriptor,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseConfig,
  parseDocument,
} from "../oci/documents.js";
import { DOCKER_CONFIG, isIndexType, isManifestType, OCI_CONFIG } from "../oci/mediaTypes.js";
import { isNacreError } from "../support/errors.js";

/** Image indexes may nest; deeper than this is hostile. */
const MAX_DEPTH = 8;

/** Reading blobs, as far as reaching needs it. */
export interface BlobSource {
  size(digest: Digest): number | undefined;
  /** The whole blob, verified. @throws NacreError CONTENT_INVALID */
  read(digest: Digest, limit: number): Buffer;
}

/** Something that an image needs and that is not as it should be. */
export interface Flaw {
  readonly digest: Digest;
  readonly message: string;
}

/** All that some descriptors need. */
export interface Reach {
  readonly blobs: ReadonlySet<Digest>;
  /** Layers by diffID, as the image configs name them. */
  readonly diffIds: ReadonlySet<DiffId>;
  readonly flaws: readonly Flaw[];
}

/** Walks from the descriptors to everything they need. Flaws do not end the walk. */
export function reachOf(source: BlobSource, roots: Iterable<Descriptor>): Reach {
  const walk = new Walk(source);
  for (const root of roots) walk.visit(root, 0);
  return walk;
}

class Walk implements Reach {
  readonly blobs = new Set<Digest>();
  readonly diffIds = new Set<DiffId>();
  readonly flaws: Flaw[] = [];
  readonly #source: BlobSource;

  constructor(source: BlobSource) {
    this.#source = source;
  }

  visit(descriptor: Descriptor, depth: number): void {
    const { digest, mediaType } = descriptor;
    if (this.blobs.has(digest)) return;
    this.blobs.add(digest);
    if (!this.#isThere(descriptor)) return;
    if (depth > MAX_DEPTH) this.flaws.push({ digest, message: `${digest} is nested too deeply` });
    else if (isIndexType(mediaType) || isManifestType(mediaType)) this.#document(digest, depth);
    else if (mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG) this.#config(digest);
  }

  #document(digest: Digest, depth: number): void {
    this.#reading(digest, () => {
      const document = parseDocument(this.#source.read(digest, MAX_MANIFEST_BYTES), `the manifest ${digest}`);
      if (document.kind === "manifest") this.#manifest(document.manifest, depth);
      else for (const child of document.index.manifests) this.visit(child, depth + 1);
    });
  }

  #manifest(manifest: Manifest, depth: number): void {
    for (const part of [manifest.config, ...manifest.layers]) this.visit(part, depth + 1);
    // A subject may be absent (image-spec, manifest.md); where it is there, it is kept.
    if (manifest.subject && this.#source.size(manifest.subject.digest) !== undefined) {
      this.visit(manifest.subject, depth + 1);
    }
  }

  #config(digest: Digest): void {
    this.#reading(digest, () => {
      const config = parseConfig(this.#source.read(digest, MAX_CONFIG_BYTES), `the image config ${digest}`);
      for (const diffId of config.rootfs.diff_ids ?? []) this.diffIds.add(diffId);
    });
  }

  #isThere({ digest, size }: Descriptor): boolean {
    const actual = this.#source.size(digest);
    if (actual === size) return true;
    const message =
      actual === undefined
        ? `the blob ${digest} is missing`
        : `the blob ${digest} has ${actual} bytes instead of ${size}`;
    this.flaws.push({ digest, message });
    return false;
  }

  #reading(digest: Digest, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!isNacreError(error) || (error.code !== "CONTENT_INVALID" && error.code !== "LIMIT_EXCEEDED")) throw error;
      this.flaws.push({ digest, message: error.message });
    }
  }
}
