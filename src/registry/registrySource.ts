/** Images in registries: streamed, nothing is kept on the way. */

import type { ImageSource } from "../image/imageSource.js";
import { MAX_MANIFEST_BYTES } from "../oci/documents.js";
import { familiarName, formatReference, type Reference } from "../oci/reference.js";
import { NacreError } from "../support/errors.js";
import { resolveDigest } from "./resolve.js";
import type { Registries } from "./types.js";

/** How an image is opened. */
export interface RegistrySourceOptions {
  /** Ask for the manifest at once, by its tag: one request less, but registries count it as a pull. */
  readonly direct?: boolean | undefined;
}

/**
 * Opens an image in a registry. A tag is resolved once.
 * @throws NacreError IMAGE_NOT_FOUND, NETWORK, DENIED, CREDENTIALS
 */
export async function openRegistrySource(
  registries: Registries,
  reference: Reference,
  options: RegistrySourceOptions = {},
): Promise<ImageSource> {
  const { host, path, digest, tag = "latest" } = reference;
  const client = registries.open(host, path, "pull");
  const direct = options.direct === true ? await client.manifest(digest ?? tag) : undefined;
  const top = direct ?? (await client.manifest(await resolveDigest(client, reference)));
  if (top === undefined) {
    throw new NacreError("IMAGE_NOT_FOUND", `${familiarName(reference)} is not in the registry ${host}`, {
      hint: "check its name and tag",
    });
  }
  return {
    shown: formatReference(reference),
    names: [formatReference(reference)],
    repository: { host, path },
    root: top.descriptor,
    async document(descriptor) {
      if (descriptor.digest === top.descriptor.digest) return top.bytes;
      if (descriptor.size > MAX_MANIFEST_BYTES) {
        throw new NacreError("LIMIT_EXCEEDED", `the manifest ${descriptor.digest} has ${descriptor.size} bytes`, {
          hint: `at most ${MAX_MANIFEST_BYTES} are read`,
        });
      }
      return (await client.manifest(descriptor.digest, descriptor))?.bytes;
    },
    has: async ({ digest: blob }) => (await client.blobSize(blob)) !== undefined,
    blob: (descriptor) => ({
      ...{ digest: descriptor.digest, size: descriptor.size },
      open: (offset, length) => client.blob(descriptor, { offset, length }),
    }),
    referrers: (of) => client.referrers(of),
    tagged: (tag) => client.resolve(tag),
    async close() {},
  };
}
