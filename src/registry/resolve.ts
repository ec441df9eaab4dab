/**
 * From a name to bytes that cannot change any more. A tag is asked for once; from then on only its digest counts, so that
 * a tag which moves meanwhile changes nothing.
 */
import type { Digest } from "../oci/digest.js";
import { type Descriptor, type Document, MAX_MANIFEST_BYTES, parseDocument } from "../oci/documents.js";
import { isIndexType, isManifestType, OCI_INDEX, OCI_MANIFEST } from "../oci/mediaTypes.js";
import { familiarName, type Reference } from "../oci/reference.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { nearest } from "../support/suggest.js";
import type { RepositoryClient } from "./types.js";

/** Tags that are looked at for one that may have been meant: what a registry gives at once. */
const MOST_TAGS = 1000;

/** A manifest or image index, read and checked. */
export interface FetchedDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly document: Document;
}

/** What is known of a document before it is fetched. */
export type WantedDocument = Pick<Descriptor, "digest"> & Partial<Descriptor>;

/**
 * The digest that a reference names now: its own, or that of the tag. Costs one HEAD, which registries do not count as a
 * pull, or no request at all.
 * @throws NacreError IMAGE_NOT_FOUND; what the client throws
 */
export async function resolveDigest(client: RepositoryClient, reference: Reference): Promise<Digest> {
  if (reference.digest !== undefined) return reference.digest;
  const descriptor = await client.resolve(reference.tag ?? "latest");
  if (descriptor === undefined) throw notFound(reference, await nearTag(client, reference.tag ?? "latest"));
  return descriptor.digest;
}

/** The tag that may have been meant: looked for on the first page of what there is. Undefined also if that cannot be had. */
async function nearTag(client: RepositoryClient, tag: string): Promise<string | undefined> {
  const tags: string[] = [];
  try {
    for await (const each of client.tags()) if (tags.push(each) === MOST_TAGS) break;
  } catch {
    return undefined;
  }
  return nearest(tag, tags) ?? tags.find((each) => each.startsWith(`${tag}.`) || each.startsWith(`${tag}-`));
}

/**
 * A manifest or image index by its digest: from the store, where it is there, else from the registry.
 * @param name the image, for errors
 * @throws NacreError CONTENT_INVALID, LIMIT_EXCEEDED, IMAGE_NOT_FOUND; what the client throws
 */
export async function fetchDocument(
  store: Store,
  client: RepositoryClient,
  wanted: WantedDocument,
  name: string,
): Promise<FetchedDocument> {
  const { digest, size } = wanted;
  if (size !== undefined && size > MAX_MANIFEST_BYTES) {
    throw new NacreError("LIMIT_EXCEEDED", `the manifest ${digest} of ${name} has ${size} bytes`, {
      hint: `at most ${MAX_MANIFEST_BYTES} are read`,
    });
  }
  const bytes = readStored(store, wanted) ?? (await fetchBytes(client, wanted, name));
  const document = parseDocument(bytes, `the manifest ${digest} of ${name}`);
  assertKind(document, wanted, name);
  const mediaType = typeOf(document);
  return { descriptor: { ...wanted, mediaType, size: bytes.length }, bytes, document };
}

function readStored(store: Store, { digest, size }: WantedDocument): Buffer | undefined {
  const there = store.blobSize(digest);
  if (there === undefined || there > MAX_MANIFEST_BYTES || (size !== undefined && there !== size)) return undefined;
  return store.readBlob(digest, MAX_MANIFEST_BYTES);
}

async function fetchBytes(client: RepositoryClient, wanted: WantedDocument, name: string): Promise<Buffer> {
  const { digest, size } = wanted;
  const expected = isWhole(wanted) ? wanted : undefined;
  const fetched = await client.manifest(digest, expected);
  if (fetched === undefined) {
    throw new NacreError("IMAGE_NOT_FOUND", `${name} names the manifest ${digest}, which the registry does not have`, {
      hint: "push the image again",
      facts: { digest },
    });
  }
  const { bytes } = fetched;
  const actual = `sha256:${sha256Hex(bytes)}`;
  if (actual === digest && (size === undefined || size === bytes.length)) return bytes;
  throw new NacreError("CONTENT_INVALID", `the manifest of ${name} is ${actual} with ${bytes.length} bytes`, {
    hint: `wanted is ${digest}${size === undefined ? "" : ` with ${size} bytes`}: the registry, or something on the way, is faulty`,
    facts: { expected: digest, actual },
  });
}

function isWhole(wanted: WantedDocument): wanted is Descriptor {
  return wanted.mediaType !== undefined && wanted.size !== undefined;
}

/** An index must not be taken for a manifest, nor the other way round, because of what points at it. */
function assertKind({ kind }: Document, { mediaType, digest }: WantedDocument, name: string): void {
  const fits = { manifest: isManifestType, index: isIndexType }[kind];
  if (mediaType === undefined || mediaType === "" || fits(mediaType)) return;
  throw new NacreError("CONTENT_INVALID", `${digest} of ${name} is of another type than ${mediaType}`, {
    hint: "do not trust this image",
  });
}

function typeOf(document: Document): string {
  if (document.kind === "manifest") return document.manifest.mediaType ?? OCI_MANIFEST;
  return document.index.mediaType ?? OCI_INDEX;
}

function notFound(reference: Reference, near: string | undefined): NacreError {
  const name = familiarName(reference);
  const { host } = reference;
  const meant = near && familiarName({ ...reference, tag: near });
  return new NacreError("IMAGE_NOT_FOUND", `${name} is not in the registry ${host}`, {
    hint: meant
      ? `did you mean ${meant}?`
      : `check its name and tag, see: nacre tags ${familiarName({ host, path: reference.path })}`,
    facts: { name, ...(meant ? { meant } : {}) },
  });
}
