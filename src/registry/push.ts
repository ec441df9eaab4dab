/**
 * Pushing: all that an image is made of goes into one repository. In: blobs as they become ready, then manifests. Out:
 * the image under its tag. Manifests go when every blob is there, the tag goes last of all, so a push that fails leaves
 * the tag where it was.
 */
import type { Digest } from "../oci/digest.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { BlobPusher } from "./pushBlobs.js";
import type { RepositoryClient } from "./types.js";

/** A manifest or index, byte for byte. */
export interface PushDocument {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  /** What it refers to (image-spec, manifest.md, `subject`). */
  readonly subject?: Digest | undefined;
}

/** Codes by which registries refuse a manifest because a blob that it names is not there. */
const BLOB_MISSING: ReadonlySet<string> = new Set(["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"]);

/**
 * Puts manifests, the innermost first and the last one under the given names, once all blobs of the pusher are there. A
 * registry that has lost a blob meanwhile gets it once more.
 * @param documents children before the indexes that list them; the last one is the image
 * @param references tags of the image; none: it can be had by its digest alone
 * @throws NacreError as the client's methods; CONTENT_INVALID if the registry takes it for another digest
 */
export async function putDocuments(
  pusher: BlobPusher,
  documents: readonly PushDocument[],
  references: readonly string[],
): Promise<void> {
  await pusher.settle();
  const { client } = pusher;
  try {
    await putAll(client, documents, references);
  } catch (error) {
    if (!isBlobMissing(error)) throw error;
    await pusher.repair();
    await putAll(client, documents, references);
  }
}

async function putAll(
  client: RepositoryClient,
  documents: readonly PushDocument[],
  references: readonly string[],
): Promise<void> {
  const top = documents.at(-1);
  for (const document of documents) {
    const tags = document === top ? references : [];
    // What refers to something is listed there under its digest, whatever tag it has.
    const names = document.subject === undefined && tags.length > 0 ? tags : [document.digest, ...tags];
    for (const name of names) await putOne(client, document, name);
  }
}

async function putOne(client: RepositoryClient, document: PushDocument, reference: string): Promise<void> {
  const { mediaType, bytes, digest, subject } = document;
  const found =
    subject !== undefined && reference === digest
      ? await client.putReferrer(mediaType, bytes, subject)
      : await client.putManifest(reference, mediaType, bytes);
  if (found === digest) return;
  throw new NacreError("CONTENT_INVALID", `the registry ${client.host} took ${digest} for ${found}`, {
    hint: "the registry, or a proxy on the way, changes what is sent",
    facts: { expected: digest, actual: found },
  });
}

function isBlobMissing(error: unknown): boolean {
  if (!isNacreError(error) || !Array.isArray(error.facts.codes)) return false;
  return error.facts.codes.some((code) => BLOB_MISSING.has(String(code)));
}
