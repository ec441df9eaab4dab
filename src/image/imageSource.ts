/** Where an image is read from: documents and blobs by their descriptors, whatever holds them. */
import type { Digest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";

/** A blob that can be read more than once. */
export interface SourceBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /**
   * Reads it from an offset on. From 0 the digest is checked: what is wrong throws before the last bytes come.
   * @param length bytes that are wanted: no more need be fetched, but they may come; what comes is not checked then
   */
  readonly open: (offset: number, length?: number) => AsyncIterable<Uint8Array>;
}

/** An image, or several of an index, to be read. Close it in the end. */
export interface ImageSource {
  /** As people know it. */
  readonly shown: string;
  /** Full names that it has there. */
  readonly names: readonly string[];
  /** Where that is a repository of a registry: blobs can be mounted from there. */
  readonly repository?: { readonly host: string; readonly path: string } | undefined;
  /** What is to be read. @throws NacreError IMAGE_NOT_FOUND */
  readonly root: Descriptor;
  /** What is noted about the name where it is kept. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The bytes of a manifest or index, verified; undefined if the source does not have it. */
  document(descriptor: Descriptor): Promise<Buffer | undefined>;
  /** True if the source itself has the blob. */
  has(descriptor: Descriptor): Promise<boolean>;
  /** A blob, verified while it is read. */
  blob(descriptor: Descriptor): SourceBlob;
  /** What refers to a manifest. */
  referrers(digest: Digest): Promise<readonly Descriptor[]>;
  /** What a tag beside the image's own stands for. */
  tagged(tag: string): Promise<Descriptor | undefined>;
  close(): Promise<void>;
}
