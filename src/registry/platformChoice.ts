/** Which image of an image index is pulled. */
import { choosePlatform } from "../image/image.js";
import type { Descriptor, ImageConfig, ImageIndex } from "../oci/documents.js";
import { isIndexType, isManifestType } from "../oci/mediaTypes.js";
import { compatiblePlatforms, formatPlatform, type Platform, samePlatform } from "../oci/platform.js";
import { isNacreError, NacreError } from "../support/errors.js";

/**
 * The entry of an image index for a platform: an exact match, else the best compatible one (BuildKit's order).
 * Attestations, `unknown/unknown` and what is no manifest at all never count; of several equal ones the first is taken.
 * @param name the image, for errors
 * @throws NacreError IMAGE_NOT_FOUND, with the platforms that there are
 */
export function chooseImage(index: ImageIndex, platform: Platform, descriptor: Descriptor, name: string): Descriptor {
  const manifests = index.manifests.filter(({ mediaType }) => isManifestType(mediaType) || isIndexType(mediaType));
  const sameVersion = manifests.filter((entry) => isVersion(entry, platform));
  try {
    return choosePlatform({ ...index, manifests: sameVersion }, platform, descriptor.digest);
  } catch (error) {
    if (!isNacreError(error) || error.code !== "IMAGE_NOT_FOUND") throw error;
    throw notThere(index, platform, name);
  }
}

/** True if an image of that config is meant for, or runs on, the platform. */
export function runsOn({ os, architecture, variant }: ImageConfig, platform: Platform): boolean {
  const own: Platform = { os, architecture, variant };
  return compatiblePlatforms(platform).some((candidate) => samePlatform(candidate, own));
}

/** Windows images run on one build of the system only; elsewhere nobody asks for a version. */
function isVersion({ platform }: Descriptor, { osVersion }: Platform): boolean {
  const there = platform?.["os.version"];
  return osVersion === undefined || there === undefined || there === osVersion || there.startsWith(`${osVersion}.`);
}

function notThere(index: ImageIndex, platform: Platform, name: string): NacreError {
  const known = index.manifests.flatMap(({ platform: each }) =>
    each && each.os !== "unknown" ? [formatPlatform(each)] : [],
  );
  const there = [...new Set(known)];
  const message = `${name} has no image for ${formatPlatform(platform)}`;
  if (there.length === 0) {
    return new NacreError("IMAGE_NOT_FOUND", `${message}, nor for any other platform`, {
      hint: "it is an index of something else than images",
    });
  }
  return new NacreError("IMAGE_NOT_FOUND", message, {
    hint: `it has images for ${there.join(", ")}; choose one with --platform`,
    facts: { wanted: formatPlatform(platform), platforms: there },
  });
}
