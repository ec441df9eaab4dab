/** What images as outputs want them are made of; see preparedImage.ts. */
import type { ArchiveBlob } from "../archive/archiveBlob.js";
import type { Codec } from "../layer/codecs.js";
import type { Descriptor } from "../oci/documents.js";

/** A document and what points at it. */
export interface EncodedDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** A layer ready to be written. */
export interface ExportedLayer {
  readonly descriptor: Descriptor;
  readonly blob: ArchiveBlob;
  /** Set if it was compressed here. */
  readonly codec?: Codec | undefined;
  /** Its bytes from an offset on, verified block by block. Set if it was compressed here. */
  readonly openAt?: ((offset: number) => AsyncIterable<Uint8Array>) | undefined;
  /** Where its blocks begin in the tar, and their bytes in the blob. Set if it was compressed here. */
  readonly blocks?: { readonly cuts: readonly number[]; readonly lengths: readonly number[] } | undefined;
  /** Its index, to be published beside it; the descriptor names it. */
  readonly published?: EncodedDocument | undefined;
}
