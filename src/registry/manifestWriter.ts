/** Putting manifests and image indexes into a repository. */
import { type Digest, isDigest } from "../oci/digest.js";
import { MAX_MANIFEST_BYTES } from "../oci/documents.js";
import { NacreError } from "../support/errors.js";
import { digestOfManifest, manifestName, manifestPath } from "./manifestReader.js";
import { failed } from "./registryErrors.js";
import { bytesBody } from "./tokens.js";
import type { Exchange } from "./transportExchange.js";

/** What was put. */
export interface PutManifest {
  readonly digest: Digest;
  /** The registry has taken note of the subject itself. */
  readonly knowsSubject: boolean;
}

/**
 * Puts a manifest, byte for byte.
 * @param ifMatch the ETag of the version that it replaces; `*`-less, undefined for any
 * @returns undefined if there is another version by now
 * @throws NacreError CONTENT_INVALID if the registry has made something else of it; LIMIT_EXCEEDED, DENIED, NETWORK, CANCELLED
 */
export async function putManifest(
  exchange: Exchange,
  reference: string,
  mediaType: string,
  bytes: Uint8Array,
  ifMatch?: string,
): Promise<PutManifest | undefined> {
  const digest = digestOfManifest(bytes);
  const name = manifestName(exchange, reference);
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw new NacreError("LIMIT_EXCEEDED", `${name} has ${bytes.length} bytes; registries take ${MAX_MANIFEST_BYTES}`);
  }
  if (isDigest(reference) && reference !== digest)
    throw new NacreError("CONTENT_INVALID", `the bytes that are to be pushed as ${name} are ${digest}`);
  const doing = `push ${name}`;
  const answer = await exchange.call({
    ...{ method: "PUT", to: manifestPath(exchange, reference), body: bytesBody(bytes), doing },
    headers: { "content-type": mediaType, ...(ifMatch === undefined ? {} : { "if-match": ifMatch }) },
    accept: [200, 201, 202, ...(ifMatch === undefined ? [] : [412])],
  });
  await answer.discard();
  if (answer.status === 412) return undefined;
  const told = answer.header("docker-content-digest");
  if (told !== undefined && isDigest(told) && told !== digest) {
    throw failed(
      "CONTENT_INVALID",
      exchange.attempt(doing, answer.url.origin),
      `it was ${digest} and is stored as ${told}`,
      {
        hint: "the registry changes what is pushed: it cannot be pulled by its digest",
      },
    );
  }
  return { digest, knowsSubject: answer.header("oci-subject") !== undefined };
}
