/**
 * Pulling: a reference goes in, a named image in the store comes out. The name is resolved once, to a digest; manifests
 * and configs are fetched by digest, layers several at once in one pass each; the reference is set at the very end. Until
 * then nothing refers to what has come, and what has come whole is not fetched again.
 */
import type { Image } from "../image/image.js";
import { withPulledFrom } from "../image/pulledFrom.js";
import type { Descriptor } from "../oci/documents.js";
import { formatPlatform, localPlatform, type Platform } from "../oci/platform.js";
import { familiarName, formatReference, type Reference } from "../oci/reference.js";
import type { Lease, Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import type { Emit } from "../support/events.js";
import { noteBlobOrigin } from "./blobOrigins.js";
import type { PulledLayer } from "./pullLayer.js";
import { findLocal } from "./pullLocal.js";
import { resolveDigest } from "./resolve.js";
import type { RepositoryClient } from "./types.js";

export type { LayerOutcome, PulledLayer } from "./pullLayer.js";

/** Layers that are fetched at a time, as Docker has it (daemon.json, `max-concurrent-downloads`). */
const DOWNLOADS = 3;

/** When the registry is asked: if the store has no such image, each time, or not at all. */
export type PullPolicy = "missing" | "always" | "never";

/** How an image is pulled. */
export interface PullOptions {
  /** Which image of an image index; default: this machine's. */
  readonly platform?: Platform | undefined;
  /** Take all images of an image index, and the index itself. */
  readonly allPlatforms?: boolean | undefined;
  /** Layers at a time; default 3. */
  readonly jobs?: number | undefined;
  /** The same as the policy `never`. */
  readonly offline?: boolean | undefined;
  readonly policy: PullPolicy;
  /** Gets `start`, `progress` and `end` of each layer, with ids `layer:DIGEST`, and warnings. */
  readonly emit: Emit;
  /** Told what the name stands for, before any layer is fetched; not called if nothing has to be. */
  readonly onResolved?: ((descriptor: Descriptor) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Of the store; what is pulled stays until it ends, even without a reference. */
  readonly lease: Lease;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A pulled image. */
export interface PulledImage {
  /** Full name in the store. */
  readonly name: string;
  /** What the name stands for in the registry: an image index or a manifest. */
  readonly descriptor: Descriptor;
  /** What the reference in the store points at: the manifest of the platform, or all of the index. */
  readonly stored: Descriptor;
  /** The image for the platform. */
  readonly image: Image;
  /** All layers that were looked at, those of several platforms if all are wanted; each digest once. */
  readonly layers: readonly PulledLayer[];
  readonly status: "new" | "up to date";
  readonly warnings: readonly string[];
}

/** The name under which a pulled image is kept: where there is a digest, it decides and the tag is left out. */
export function pulledName(reference: Reference): string {
  return formatReference(reference.digest === undefined ? reference : { ...reference, tag: undefined });
}

/**
 * Pulls an image.
 * @param client for the reference's host and path
 * @throws NacreError IMAGE_NOT_FOUND (also: no image for the platform; not in the store and not to be fetched),
 *   CONTENT_INVALID, LIMIT_EXCEEDED, TAR_INVALID, COMPRESSION, NETWORK, DENIED, CREDENTIALS, CANCELLED, STORE, DISK_FULL
 */
export async function pullImage(
  store: Store,
  client: RepositoryClient,
  reference: Reference,
  options: PullOptions,
): Promise<PulledImage> {
  const { platform = localPlatform(), lease } = options;
  const policy = options.offline ? "never" : options.policy;
  const name = pulledName(reference);
  const wanted = { platform, all: options.allPlatforms === true, explicit: options.platform !== undefined };
  const local = policy === "always" ? undefined : findLocal(store, lease, reference, wanted);
  if (local !== undefined) return settled(store, name, local, options);
  if (policy === "never") throw notLocal(reference, platform);
  const digest = await resolveDigest(client, reference);
  const known = findLocal(store, lease, reference, wanted, digest);
  if (known !== undefined) return settled(store, name, known, options);
  const { fetchImage } = await import("./pullFetch.js");
  const fetched = await fetchImage(store, client, {
    digest,
    name: familiarName(reference),
    wanted,
    jobs: options.jobs ?? DOWNLOADS,
    ...{ lease, emit: options.emit, now: options.now, signal: options.signal, onResolved: options.onResolved },
  });
  await store.setReferences([{ name, descriptor: withPulledFrom(fetched.stored, fetched.descriptor) }]);
  const layers = fetched.layers.map(({ descriptor }) => descriptor.digest);
  noteBlobOrigin(store, reference.host, reference.path, layers);
  return { name, status: "new", ...fetched };
}

/** An image that is in the store already, perhaps under another name. */
async function settled(
  store: Store,
  name: string,
  { descriptor, stored, image, warnings }: NonNullable<ReturnType<typeof findLocal>>,
  { emit, now }: PullOptions,
): Promise<PulledImage> {
  const before = store.resolveReference(name);
  await store.setReferences([{ name, descriptor: withPulledFrom(stored, descriptor) }]);
  for (const message of warnings) emit({ type: "warning", rule: "PlatformMismatch", message, time: now() });
  const layers = image.layers.map((layer) => ({ ...layer, outcome: "exists" as const }));
  const status = before?.digest === stored.digest ? "up to date" : "new";
  return { name, descriptor, stored, image, layers, status, warnings };
}

function notLocal(reference: Reference, platform: Platform): NacreError {
  const name = familiarName(reference);
  return new NacreError("IMAGE_NOT_FOUND", `${name} is not in the store for ${formatPlatform(platform)}`, {
    hint: `the registry is not to be asked: get it first with: nacre pull ${name}`,
    facts: { name, platform: formatPlatform(platform) },
  });
}
