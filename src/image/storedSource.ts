/** Images of the store: the bytes as they lie there, layers that were built here uncompressed. */

import { MAX_MANIFEST_BYTES } from "../oci/documents.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { findImage } from "./catalog.js";
import type { ImageSource } from "./imageSource.js";
import { storedBlob } from "./storedBlob.js";

/**
 * Opens an image of the store, which stays there until it is closed.
 * @param options.damaged open it even if parts of it are missing: what is asked for of them fails then
 * @throws NacreError IMAGE_NOT_FOUND, CONTENT_INVALID
 */
export function openStoredSource(
  store: Store,
  name: string,
  options: { readonly damaged?: boolean | undefined } = {},
): ImageSource {
  const { descriptor, names } = findImage(store, name);
  const lease = store.acquireLease();
  lease.protect([descriptor.digest]);
  const flaw = store.flawsOf(descriptor)[0];
  if (flaw !== undefined && options.damaged !== true) {
    lease.release();
    throw new NacreError("CONTENT_INVALID", `${name} cannot be copied: ${flaw.message}`, {
      hint: "build, load or pull it again",
      facts: { digest: flaw.digest },
    });
  }
  const { mediaType, digest, size, platform, annotations } = descriptor;
  return {
    shown: `store:${name}`,
    names,
    root: { mediaType, digest, size, ...(platform ? { platform } : {}) },
    annotations,
    document: async (of) => (store.hasBlob(of.digest) ? store.readBlob(of.digest, MAX_MANIFEST_BYTES) : undefined),
    has: async (of) => store.hasBlob(of.digest),
    blob: (of) => storedBlob(store, of),
    referrers: async () => [],
    tagged: async () => undefined,
    close: async () => lease.release(),
  };
}
