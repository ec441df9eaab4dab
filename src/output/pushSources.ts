/** Blobs as pushes read them: from any offset on, and checked on the way. */
import { skip, verified } from "../image/storedBlob.js";
import type { Descriptor } from "../oci/documents.js";
import type { PushBlob } from "../registry/pushBlobs.js";
import type { ExportedLayer } from "./exportedLayer.js";

export { storedBlob as storedPushBlob } from "../image/storedBlob.js";

/** Bytes in memory. */
export function smallPushBlob({ digest, size }: Pick<Descriptor, "digest" | "size">, bytes: Uint8Array): PushBlob {
  return { digest, size, open: (offset) => once(bytes.subarray(offset)) };
}

/**
 * A layer as an output has it. What was compressed is put together from blocks that are verified one by one, from any of
 * them on; another one is read from its start, hashed, and left out up to the offset.
 */
export function layerPushBlob({ blob, openAt }: Pick<ExportedLayer, "blob" | "openAt">): PushBlob {
  const { digest, size } = blob;
  if (openAt !== undefined) return { digest, size, open: openAt };
  return { digest, size, open: (offset) => skip(verified(blob, blob.open()), offset) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
