/**
 * Pushing by digest: an image goes into a repository without a tag, and can be had by its digest alone. Manifests that
 * would get a tag are put under their digest instead; all else is as with any push.
 */
import { type Digest, digestOfHex, isDigest } from "../oci/digest.js";
import { familiarName, parseReference } from "../oci/reference.js";
import type { Registries, RepositoryClient } from "../registry/types.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import type { PushedImage } from "./pushTargets.js";

/** Where images go without a tag. */
export interface UntaggedNames {
  /** `HOST/PATH`, each once. */
  readonly repositories: readonly string[];
  /** By repository, the digest that the image must have, where its name says one. */
  readonly expected: ReadonlyMap<string, Digest>;
}

/**
 * Reads names of repositories, with a digest or not.
 * @throws NacreError REFERENCE_INVALID; USAGE for a name with a tag (BuildKit's words), or two digests for one repository
 */
export function untaggedNames(names: readonly string[]): UntaggedNames {
  const repositories = new Set<string>();
  const expected = new Map<string, Digest>();
  for (const text of names) {
    const { host, path, digest } = parseReference(text);
    const repository = `${host}/${path}`;
    if (hasTag(text)) {
      throw new NacreError("USAGE", `can't push tagged ref ${text} by digest`, {
        hint: `leave out the tag: ${familiarName({ host, path, digest })}`,
      });
    }
    const other = expected.get(repository);
    if (digest !== undefined && other !== undefined && other !== digest) {
      throw new NacreError("USAGE", `one image cannot have two digests: ${other} and ${digest}`);
    }
    repositories.add(repository);
    if (digest !== undefined) expected.set(repository, digest);
  }
  return { repositories: [...repositories], expected };
}

/** True for a name with a tag that is written out. */
export function hasTag(name: string): boolean {
  const repository = name.replace(/@.*$/s, "");
  return repository.lastIndexOf(":") > repository.lastIndexOf("/");
}

/**
 * Pushes without tags.
 * @param push pushes to names in the given registries
 * @returns one for each repository, named `HOST/PATH@DIGEST`
 * @throws NacreError CONTENT_INVALID for an image of another digest than its name says; what `push` throws
 */
export async function pushUntagged(
  { repositories, expected }: UntaggedNames,
  registries: Registries,
  push: (names: readonly string[], registries: Registries) => Promise<readonly PushedImage[]>,
): Promise<PushedImage[]> {
  const pushed = await push(repositories, { ...withoutTags(registries, expected), close: () => registries.close() });
  return pushed.map((image) => {
    const { host, path } = parseReference(image.name);
    return { ...image, name: `${host}/${path}@${image.digest}` };
  });
}

function withoutTags(registries: Registries, expected: ReadonlyMap<string, Digest>): Omit<Registries, "close"> {
  return {
    open: (host, repository, action) =>
      clientWithoutTags(registries.open(host, repository, action), expected.get(`${host}/${repository}`)),
    catalog: (host) => registries.catalog(host),
  };
}

function clientWithoutTags(client: RepositoryClient, expected: Digest | undefined): RepositoryClient {
  return {
    host: client.host,
    repository: client.repository,
    resolve: (reference) => client.resolve(reference),
    manifest: (...args) => client.manifest(...args),
    blobSize: (digest) => client.blobSize(digest),
    blob: (...args) => client.blob(...args),
    mount: (...args) => client.mount(...args),
    upload: (...args) => client.upload(...args),
    uploadStream: (...args) => client.uploadStream(...args),
    putManifest: (reference, mediaType, bytes) => {
      if (isDigest(reference)) return client.putManifest(reference, mediaType, bytes);
      const digest = digestOfHex(sha256Hex(bytes));
      if (expected !== undefined && digest !== expected) throw wrongDigest(digest, expected);
      return client.putManifest(digest, mediaType, bytes);
    },
    tags: () => client.tags(),
    referrers: (...args) => client.referrers(...args),
    putReferrer: (...args) => client.putReferrer(...args),
    rateLimit: () => client.rateLimit(),
  };
}

function wrongDigest(actual: Digest, expected: Digest): NacreError {
  return new NacreError("CONTENT_INVALID", `the image is ${actual} as it is pushed, not ${expected}`, {
    hint: "layers that were built here are compressed on the way: their image's digest is known when it is pushed; see --by-digest",
    facts: { expected, actual },
  });
}
