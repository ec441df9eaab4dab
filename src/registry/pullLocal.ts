/** What the store has of images that were pulled: looked up without any request. */
import { type Image, loadImage } from "../image/image.js";
import { pulledFrom } from "../image/pulledFrom.js";
import type { Digest } from "../oci/digest.js";
import type { Descriptor, ImageConfig } from "../oci/documents.js";
import { isIndexType } from "../oci/mediaTypes.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import { familiarName, formatReference, type Reference } from "../oci/reference.js";
import type { Lease, Store } from "../store/store.js";
import { isNacreError } from "../support/errors.js";
import { runsOn } from "./platformChoice.js";

/** Which images are wanted. */
export interface WantedImages {
  readonly platform: Platform;
  /** Those of all platforms. */
  readonly all: boolean;
  /** The platform was asked for, and is not only the usual one. */
  readonly explicit: boolean;
}

/** An image that is whole in the store. */
export interface LocalImage {
  /** What the name stands for in the registry. */
  readonly descriptor: Descriptor;
  /** What a reference points at, or would. */
  readonly stored: Descriptor;
  readonly image: Image;
  readonly warnings: readonly string[];
}

/**
 * Finds an image by its digest, else by its name. It is protected by the lease first and looked at then.
 * @param digest what the reference stands for in the registry, where that is known
 * @returns undefined if it is not there, not whole, or not for the platform
 */
export function findLocal(
  store: Store,
  lease: Lease,
  reference: Reference,
  wanted: WantedImages,
  digest = reference.digest,
): LocalImage | undefined {
  const candidates = digest === undefined ? byName(store, reference) : byDigest(store, digest);
  for (const stored of candidates) {
    lease.protect([stored.digest]);
    const whole = pulledFrom(stored);
    if (wanted.all && whole !== undefined) continue;
    const image = wholeImage(store, stored, wanted.platform);
    if (image === undefined) continue;
    const isManifest = !isIndexType(stored.mediaType);
    // A registry that has an image for one platform only gives that one, whatever was asked for.
    const alone = isManifest && whole === undefined && digest !== undefined;
    if (isManifest && !alone && !runsOn(image.config, wanted.platform)) continue;
    const warnings = alone ? platformWarnings(image.config, wanted, familiarName(reference)) : [];
    // Asked for by its own digest, the manifest stands for itself.
    const descriptor = digest === stored.digest ? stored : (whole ?? stored);
    return { descriptor, stored, image, warnings };
  }
  return undefined;
}

/** What to say of an image that is for another platform than wanted; Docker's words where one was asked for. */
export function platformWarnings(config: ImageConfig, { platform, explicit }: WantedImages, name: string): string[] {
  if (runsOn(config, platform) || config.os === "" || config.architecture === "") return [];
  const { os, architecture, variant } = config;
  const actual = formatPlatform({ os, architecture, variant });
  const wanted = `${explicit ? "the specified platform" : "this machine's"} (${formatPlatform(platform)})`;
  return [`image with reference ${name} was found but its platform (${actual}) does not match ${wanted}`];
}

function byName(store: Store, reference: Reference): Descriptor[] {
  const found = store.resolveReference(formatReference(reference));
  return found === undefined ? [] : [found];
}

function byDigest(store: Store, digest: Digest): Descriptor[] {
  const named = store.listReferences().map(({ descriptor }) => descriptor);
  return named.filter((each) => each.digest === digest || pulledFrom(each)?.digest === digest);
}

function wholeImage(store: Store, stored: Descriptor, platform: Platform): Image | undefined {
  if (store.flawsOf(stored).length > 0) return undefined;
  try {
    return loadImage(store, stored, platform);
  } catch (error) {
    if (isNacreError(error) && (error.code === "IMAGE_NOT_FOUND" || error.code === "CONTENT_INVALID")) return undefined;
    throw error;
  }
}
