/** Where a copy reads from: documents and blobs by their descriptors, whatever holds them. */
import type { Digest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import type { PushBlob } from "../registry/pushBlobs.js";

/** An image, or several of an index, to be copied. Close it in the end. */
export interface CopySource {
  /** As people know it. */
  readonly shown: string;
  /** Where that is a repository of a registry: blobs can be mounted from there. */
  readonly repository?: { readonly host: string; readonly path: string } | undefined;
  /** What is to be copied. @throws NacreError IMAGE_NOT_FOUND */
  readonly root: Descriptor;
  /** The bytes of a manifest or index, verified; undefined if the source does not have it. */
  document(descriptor: Descriptor): Promise<Buffer | undefined>;
  /** True if the source itself has the blob. */
  has(descriptor: Descriptor): Promise<boolean>;
  /** A blob, verified while it is read. */
  blob(descriptor: Descriptor): PushBlob;
  /** What refers to a manifest. */
  referrers(digest: Digest): Promise<readonly Descriptor[]>;
  /** What a tag beside the image's own stands for. */
  tagged(tag: string): Promise<Descriptor | undefined>;
  close(): Promise<void>;
}
