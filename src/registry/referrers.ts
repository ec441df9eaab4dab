/**
 * What refers to a manifest (distribution-spec, "Listing Referrers"): asked of the registry, or where it does not know,
 * read from an image index under a tag that clients keep.
 */
import { type Digest, hexOf } from "../oci/digest.js";
import { type Descriptor, type ImageIndex, MAX_MANIFEST_BYTES, parseDocument } from "../oci/documents.js";
import { encodeIndex } from "../oci/encode.js";
import { OCI_INDEX } from "../oci/mediaTypes.js";
import { NacreError } from "../support/errors.js";
import { digestOfManifest, manifestName, readManifest, type TaggedManifest } from "./manifestReader.js";
import { putManifest } from "./manifestWriter.js";
import { pages } from "./pages.js";
import { failed } from "./registryErrors.js";
import type { Exchange } from "./transportExchange.js";

/** Most referrers that are read. */
const MAX_REFERRERS = 100_000;
/** Times that the tag is written anew because someone else wrote it meanwhile. */
const MAX_WRITES = 10;
/** Statuses of registries that do not know the API. */
const UNKNOWN = [404, 405];

const writing = new Map<string, Promise<unknown>>();

/** The tag that stands in for the API. */
export function fallbackTag(digest: Digest): string {
  return `sha256-${hexOf(digest)}`;
}

/**
 * What refers to a manifest.
 * @throws NacreError CONTENT_INVALID, DENIED, NETWORK, LIMIT_EXCEEDED, CANCELLED
 */
export async function listReferrers(
  exchange: Exchange,
  digest: Digest,
  artifactType: string | undefined,
): Promise<readonly Descriptor[]> {
  const found = (await fromApi(exchange, digest, artifactType)) ?? (await fromTag(exchange, digest)).index.manifests;
  // Registries may leave the filter to the client.
  return artifactType === undefined ? found : found.filter((one) => one.artifactType === artifactType);
}

async function fromApi(exchange: Exchange, digest: Digest, artifactType: string | undefined) {
  const doing = `list what refers to ${manifestName(exchange, digest)}`;
  const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  const first = `${exchange.target.endpoint.repository}/referrers/${digest}${query}`;
  const found: Descriptor[] = [];
  let isKnown = false;
  for await (const { json } of pages(exchange, first, doing, { missing: UNKNOWN, limit: MAX_MANIFEST_BYTES })) {
    isKnown = true;
    found.push(...indexOf(Buffer.from(JSON.stringify(json)), exchange, doing).manifests);
    if (found.length > MAX_REFERRERS)
      throw failed("LIMIT_EXCEEDED", exchange.attempt(doing), `more than ${MAX_REFERRERS} refer to it`);
  }
  return isKnown ? found : undefined;
}

interface TaggedIndex {
  readonly index: ImageIndex;
  readonly etag: string | undefined;
}

/** The index under the fallback tag; an empty one if there is none. */
async function fromTag(exchange: Exchange, subject: Digest): Promise<TaggedIndex> {
  const tag = fallbackTag(subject);
  const found: TaggedManifest | undefined = await readManifest(exchange, tag);
  if (found === undefined) return { index: { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }, etag: undefined };
  const doing = `read ${manifestName(exchange, tag)}`;
  return { index: indexOf(found.bytes, exchange, doing), etag: found.etag };
}

/** @throws NacreError CONTENT_INVALID if it is none: nothing that someone keeps there is to be overwritten */
function indexOf(bytes: Uint8Array, exchange: Exchange, doing: string): ImageIndex {
  const document = parseDocument(bytes, "the list of referrers");
  if (document.kind === "index") return document.index;
  throw failed("CONTENT_INVALID", exchange.attempt(doing), "it is no image index", {
    hint: "something else stands under the tag for referrers: remove that tag",
  });
}

/**
 * Puts a manifest that has a subject, and sees to it that the registry, or the tag, lists it.
 * @throws NacreError CONTENT_INVALID, DENIED, NETWORK, LIMIT_EXCEEDED, CANCELLED
 */
export async function putReferrer(
  exchange: Exchange,
  mediaType: string,
  bytes: Uint8Array,
  subject: Digest,
): Promise<Digest> {
  const digest = digestOfManifest(bytes);
  const entry = entryOf(bytes, mediaType, digest, subject);
  const put = await putManifest(exchange, digest, mediaType, bytes);
  if (put?.knowsSubject) return digest;
  const key = manifestName(exchange, fallbackTag(subject));
  // Two of this process wait for each other; with others, the registry decides, or a look afterwards.
  const before = writing.get(key) ?? Promise.resolve();
  const done = before.catch(() => {}).then(() => addToTag(exchange, subject, entry));
  writing.set(key, done);
  try {
    await done;
  } finally {
    if (writing.get(key) === done) writing.delete(key);
  }
  return digest;
}

/** The descriptor of a referrer (distribution-spec, "Pushing Manifests with Subject"). */
function entryOf(bytes: Uint8Array, mediaType: string, digest: Digest, subject: Digest): Descriptor {
  const document = parseDocument(bytes, `the manifest ${digest}`);
  const body = document.kind === "index" ? undefined : document.manifest;
  const of = (document.kind === "index" ? document.index : document.manifest) as {
    readonly artifactType?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly subject?: Descriptor;
  };
  if (of.subject?.digest !== subject)
    throw new NacreError("CONTENT_INVALID", `the manifest ${digest} does not have the subject ${subject}`);
  const artifactType = of.artifactType || body?.config.mediaType;
  return {
    ...{ mediaType, digest, size: bytes.length },
    ...(of.annotations === undefined ? {} : { annotations: of.annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

async function addToTag(exchange: Exchange, subject: Digest, entry: Descriptor): Promise<void> {
  const tag = fallbackTag(subject);
  for (let writes = 0; ; writes++) {
    const { index, etag } = await fromTag(exchange, subject);
    if (index.manifests.some(({ digest }) => digest === entry.digest)) return;
    if (writes === MAX_WRITES) {
      const attempt = exchange.attempt(`add a referrer to ${manifestName(exchange, tag)}`);
      throw failed("NETWORK", attempt, "others write it all the time", { hint: "try again" });
    }
    const bytes = encodeIndex({ ...index, mediaType: OCI_INDEX, manifests: [...index.manifests, entry] });
    // Only a strong one can be compared (RFC 9110, 13.1.1).
    await putManifest(exchange, tag, OCI_INDEX, bytes, etag?.startsWith('"') ? etag : undefined);
    // The next round sees whether it stands: most registries do not know If-Match.
  }
}
