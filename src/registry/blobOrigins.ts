/**
 * Which repositories of a registry have a blob, as far as this store has seen it: written by pulls and pushes, read by
 * pushes, which then ask for a cross-repository mount and send nothing. Only a hint: a registry that has lost the blob
 * says so. Kept among the store's cached blocks, so it goes when it has not been used for long.
 */
import { type Digest, isDigest } from "../oci/digest.js";
import type { Store } from "../store/store.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalHost } from "./registryHost.js";

/** Raised when notes change their meaning. */
const NOTE_VERSION = 1;
/** Repositories that are remembered for a blob: the ones noted last. */
const MOST_REPOSITORIES = 8;

/** Repositories of a registry that had the blob, the one noted last first. */
export function blobOrigins(store: Store, host: string, digest: Digest): readonly string[] {
  const bytes = store.readBlock(keyOf(host, digest));
  if (bytes === undefined) return [];
  const names: unknown = JSON.parse(bytes.toString());
  return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
}

/** Notes that a repository has these blobs. A store that cannot be written stays as it is. */
export function noteBlobOrigin(store: Store, host: string, repository: string, digests: Iterable<Digest>): void {
  if (store.directory.readOnly) return;
  for (const digest of digests) {
    if (!isDigest(digest)) continue;
    const known = blobOrigins(store, host, digest);
    if (known[0] === repository) continue;
    const names = [repository, ...known.filter((name) => name !== repository)].slice(0, MOST_REPOSITORIES);
    store.writeBlock(keyOf(host, digest), Buffer.from(JSON.stringify(names)));
  }
}

function keyOf(host: string, digest: Digest): string {
  return sha256Hex(`repositories ${NOTE_VERSION} ${canonicalHost(host)} ${digest}`);
}
