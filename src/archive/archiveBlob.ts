import type { Digest } from "../oci/digest.js";

/** A blob to be written. */
export interface ArchiveBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Its bytes from the start; may be called again. */
  open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}
