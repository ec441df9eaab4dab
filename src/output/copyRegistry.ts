/** Copies out of a registry: streamed, nothing is kept on the way. */
import { MAX_MANIFEST_BYTES } from "../oci/documents.js";
import { familiarName, formatReference, type Reference } from "../oci/reference.js";
import { resolveDigest } from "../registry/resolve.js";
import type { Registries } from "../registry/types.js";
import { NacreError } from "../support/errors.js";
import type { CopySource } from "./copySource.js";

/**
 * Opens an image in a registry. A tag is resolved once.
 * @throws NacreError IMAGE_NOT_FOUND, NETWORK, DENIED, CREDENTIALS
 */
export async function openRegistrySource(registries: Registries, reference: Reference): Promise<CopySource> {
  const { host, path } = reference;
  const client = registries.open(host, path, "pull");
  const digest = await resolveDigest(client, reference);
  const top = await client.manifest(digest);
  if (top === undefined) {
    throw new NacreError("IMAGE_NOT_FOUND", `${familiarName(reference)} is not in the registry ${host}`, {
      hint: "check its name and tag",
    });
  }
  return {
    shown: formatReference(reference),
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
      open: (offset) => client.blob(descriptor, { offset }),
    }),
    referrers: (of) => client.referrers(of),
    tagged: (tag) => client.resolve(tag),
    async close() {},
  };
}
