/**
 * Reading manifests and image indexes of a repository. What they are is decided by their bytes: a registry's word for the
 * digest only tells what a tag is now, and its word for the type must agree with the document's own.
 */
import { type Digest, digestOfHex, isDigest } from "../oci/digest.js";
import { type Descriptor, type Document, MAX_MANIFEST_BYTES, parseDocument } from "../oci/documents.js";
import {
  DOCKER_INDEX,
  DOCKER_MANIFEST,
  isIndexType,
  isManifestType,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../oci/mediaTypes.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { duplicateKey } from "./duplicateKeys.js";
import { failed, networkFailure } from "./registryErrors.js";
import type { TransportAnswer } from "./transport.js";
import type { Exchange } from "./transportExchange.js";
import { withRetries } from "./transportRetry.js";
import type { FetchedManifest } from "./types.js";

/** All kinds that nacre reads: a registry may convert what it is not asked for. */
const ACCEPT = [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].join(", ");
/** What servers say that do not know what they send. */
const VAGUE: ReadonlySet<string> = new Set(["", "application/json", "application/octet-stream", "text/plain"]);

/** A manifest with what the registry says of this version of it. */
export interface TaggedManifest extends FetchedManifest {
  readonly etag: string | undefined;
}

/** How errors name a manifest. */
export function manifestName({ target }: Exchange, reference: string): string {
  const { registry, repository } = target;
  return `${registry}/${repository}${reference.includes(":") ? "@" : ":"}${reference}`;
}

/**
 * What a reference is now, without reading it (Docker Hub counts reading); undefined if there is none.
 * @throws NacreError CONTENT_INVALID, DENIED, NETWORK, LIMIT_EXCEEDED, CANCELLED
 */
export async function headManifest(exchange: Exchange, reference: string): Promise<Descriptor | undefined> {
  const doing = `resolve ${manifestName(exchange, reference)}`;
  const answer = await exchange.call({
    ...{ method: "HEAD", to: manifestPath(exchange, reference), headers: { accept: ACCEPT }, doing },
    // Not all registries know HEAD here.
    accept: [200, 404, 405],
  });
  await answer.discard();
  if (answer.status === 404) return undefined;
  const told = answer.status === 200 ? descriptorOf(answer, reference) : undefined;
  if (told === undefined) return (await readManifest(exchange, reference))?.descriptor;
  if (isDigest(reference) && told.digest !== reference) {
    throw failed("CONTENT_INVALID", exchange.attempt(doing, answer.url.origin), `it says that this is ${told.digest}`);
  }
  return told;
}

/** What a HEAD says, if it says all. */
function descriptorOf(answer: TransportAnswer, reference: string): Descriptor | undefined {
  const digest = answer.header("docker-content-digest") ?? (isDigest(reference) ? reference : undefined);
  const length = answer.header("content-length") ?? "";
  const mediaType = typeOf(answer);
  if (!isDigest(digest) || !/^\d{1,12}$/.test(length)) return undefined;
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return undefined;
  return { mediaType, digest, size: Number(length) };
}

/**
 * Reads a manifest or index; undefined if there is none.
 * @param expected what it must be
 * @throws NacreError CONTENT_INVALID, LIMIT_EXCEEDED, DENIED, NETWORK, CANCELLED
 */
export async function readManifest(
  exchange: Exchange,
  reference: string,
  expected?: Descriptor,
): Promise<TaggedManifest | undefined> {
  const doing = `read ${manifestName(exchange, reference)}`;
  const once = async (): Promise<TaggedManifest | undefined> => {
    const answer = await exchange.call({
      ...{ method: "GET", to: manifestPath(exchange, reference), headers: { accept: ACCEPT }, doing },
      ...{ accept: [200, 404], once: true },
    });
    if (answer.status === 404) {
      await answer.discard();
      return undefined;
    }
    const bytes = await readBody(answer, exchange, doing);
    return { ...verify(bytes, answer, { exchange, doing, reference, expected }), etag: answer.header("etag") };
  };
  return withRetries(once, exchange.rules(doing));
}

async function readBody(answer: TransportAnswer, exchange: Exchange, doing: string): Promise<Buffer> {
  const attempt = exchange.attempt(doing, answer.url.origin);
  try {
    const length = Number(answer.header("content-length") ?? 0);
    if (length > MAX_MANIFEST_BYTES) {
      await answer.discard();
      throw new NacreError("LIMIT_EXCEEDED", `it has ${length} bytes; at most ${MAX_MANIFEST_BYTES} are read`);
    }
    return await answer.read(MAX_MANIFEST_BYTES, "it");
  } catch (error) {
    if (isNacreError(error) && error.code === "LIMIT_EXCEEDED") throw failed(error.code, attempt, error.message);
    throw networkFailure(error, attempt, exchange.rules(doing).signal);
  }
}

interface Asked {
  readonly exchange: Exchange;
  readonly doing: string;
  readonly reference: string;
  readonly expected: Descriptor | undefined;
}

/** @throws NacreError CONTENT_INVALID */
function verify(bytes: Buffer, answer: TransportAnswer, asked: Asked): FetchedManifest {
  const { exchange, doing, reference, expected } = asked;
  const digest = digestOfHex(sha256Hex(bytes));
  const wrong = (why: string, hint?: string): NacreError =>
    failed("CONTENT_INVALID", exchange.attempt(doing, answer.url.origin), why, { hint, facts: { digest } });
  if (isDigest(reference) && digest !== reference) throw wrong(`its bytes are ${digest}`, "do not trust this registry");
  if (expected !== undefined && digest !== expected.digest) {
    throw wrong(
      `it was ${expected.digest} a moment ago and is ${digest} now`,
      "someone pushed it meanwhile: try again",
    );
  }
  if (expected !== undefined && bytes.length !== expected.size)
    throw wrong(`it has ${bytes.length} bytes, not the ${expected.size} of its descriptor`, "do not trust this image");
  const mediaType = mediaTypeOf(bytes, typeOf(answer), manifestName(exchange, reference), wrong);
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

/**
 * The one type that the document, and who sends it, call it by (CVE-2021-41190).
 * @param told Content-Type
 */
function mediaTypeOf(
  bytes: Buffer,
  told: string,
  what: string,
  wrong: (why: string, hint?: string) => NacreError,
): string {
  if (told === "text/html")
    throw wrong(
      "it sends a web page",
      "check the name of the registry; a page for logging in to the network may stand before it",
    );
  const document = parsed(bytes, what, wrong);
  const key = duplicateKey(bytes.toString("utf8"));
  if (key !== undefined)
    throw wrong(`${JSON.stringify(key.slice(0, 50))} stands twice in it`, "do not trust this image");
  const own = document.kind === "index" ? document.index.mediaType : document.manifest.mediaType;
  if (own !== undefined && (own === told || VAGUE.has(told))) return own;
  if (own !== undefined)
    throw wrong(`it is sent as ${told || "nothing"}, but says that it is ${own}`, "do not trust this image");
  const fits = document.kind === "index" ? isIndexType(told) : isManifestType(told);
  if (fits) return told;
  if (VAGUE.has(told)) return document.kind === "index" ? OCI_INDEX : OCI_MANIFEST;
  throw wrong(`it is sent as ${told}, which does not fit its content`, "do not trust this image");
}

function parsed(bytes: Buffer, what: string, wrong: (why: string, hint?: string) => NacreError): Document {
  try {
    return parseDocument(bytes, what);
  } catch (error) {
    if (!isNacreError(error) || error.hint !== undefined) throw error;
    throw wrong(error.message, "the image is damaged, or this is no registry");
  }
}

/** The Content-Type without parameters. */
function typeOf(answer: TransportAnswer): string {
  return (answer.header("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
}

/** Where a manifest is found below `/v2/`. */
export function manifestPath({ target }: Exchange, reference: string): string {
  return `${target.endpoint.repository}/manifests/${reference}`;
}

/** The digest of a manifest that is at hand. */
export function digestOfManifest(bytes: Uint8Array): Digest {
  return digestOfHex(sha256Hex(bytes));
}
