/** Copies out of the store: the bytes as they lie there, layers that were built here uncompressed. */
import { findImage } from "../image/catalog.js";
import { MAX_MANIFEST_BYTES } from "../oci/documents.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import type { CopySource } from "./copySource.js";
import { storedPushBlob } from "./pushSources.js";

/**
 * Opens an image of the store, which stays there until it is closed.
 * @throws NacreError IMAGE_NOT_FOUND, CONTENT_INVALID
 */
export function openStoredSource(store: Store, name: string): CopySource {
  const { descriptor } = findImage(store, name);
  const lease = store.acquireLease();
  lease.protect([descriptor.digest]);
  const flaw = store.flawsOf(descriptor)[0];
  if (flaw !== undefined) {
    lease.release();
    throw new NacreError("CONTENT_INVALID", `${name} cannot be copied: ${flaw.message}`, {
      hint: "build, load or pull it again",
      facts: { digest: flaw.digest },
    });
  }
  const { mediaType, digest, size, platform } = descriptor;
  return {
    shown: `store:${name}`,
    root: { mediaType, digest, size, ...(platform ? { platform } : {}) },
    document: async (of) => (store.hasBlob(of.digest) ? store.readBlob(of.digest, MAX_MANIFEST_BYTES) : undefined),
    has: async (of) => store.hasBlob(of.digest),
    blob: (of) => storedPushBlob(store, of),
    referrers: async () => [],
    tagged: async () => undefined,
    close: async () => lease.release(),
  };
}
