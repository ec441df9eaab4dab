/**
 * Rules for the documents of an image: what image-spec 1.1 (manifest.md, image-index.md, config.md, annotations.md) says that
 * is not needed to read them at all. Pure.
 */
import { isDigest } from "../oci/digest.js";
import type { Descriptor, ImageConfig, ImageIndex, Manifest } from "../oci/documents.js";
import {
  compressionOf,
  DOCKER_CONFIG,
  DOCKER_MANIFEST,
  isIndexType,
  isManifestType,
  OCI_CONFIG,
  OCI_MANIFEST,
} from "../oci/mediaTypes.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import { mapHistory } from "./historyRows.js";
import { isEncryptedType } from "./layerFacts.js";
import type { Findings, VerifyPlace } from "./verifyTypes.js";

/** Clocks differ; what is more than a day ahead is no accident of that. Milliseconds. */
export const CLOCK_SLACK = 86_400_000;
/** In an entry of an index: the image that an attestation is about (BuildKit). */
const ATTESTED = "vnd.docker.reference.digest";
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;

/** True for what BuildKit lists beside images: it has no platform of its own. */
export function isAttestation({ platform, annotations }: Descriptor): boolean {
  return annotations?.["vnd.docker.reference.type"] === "attestation-manifest" || platform?.os === "unknown";
}

/** Looks at an image index: entries that stand there twice, attestations of nothing, types. */
export function verifyIndex(index: ImageIndex, place: VerifyPlace, findings: Findings): void {
  const platforms = new Set<string>();
  const digests = new Set(index.manifests.map(({ digest }) => digest as string));
  if (index.manifests.length === 0) findings.add("warning", "document", "the image index lists nothing", place);
  for (const entry of index.manifests) {
    const { mediaType, digest, platform, annotations } = entry;
    if (!isManifestType(mediaType) && !isIndexType(mediaType)) {
      findings.add("note", "media-type", `the entry ${digest} is of the type ${mediaType}`, place);
    }
    if (isAttestation(entry)) {
      const subject = annotations?.[ATTESTED];
      if (subject !== undefined && !digests.has(subject)) {
        findings.add(
          "warning",
          "referrer",
          `the attestation ${digest} is about ${subject}, which the index does not list`,
          place,
        );
      }
      continue;
    }
    if (platform === undefined) continue;
    const name = platformName(platform);
    if (platforms.has(name))
      findings.add("warning", "platform", `${name} is listed more than once: the first is taken`, place);
    platforms.add(name);
  }
  verifyAnnotations(index.annotations, place, findings);
}

/** Looks at a manifest by itself. @param pointer what points at it */
export function verifyManifest(manifest: Manifest, pointer: Descriptor, place: VerifyPlace, findings: Findings): void {
  const { mediaType, config, layers } = manifest;
  if (mediaType !== undefined && pointer.mediaType !== "" && mediaType !== pointer.mediaType) {
    findings.add(
      "error",
      "media-type",
      `it says that it is of the type ${mediaType}, what points at it says ${pointer.mediaType}`,
      place,
    );
  }
  const type = mediaType ?? pointer.mediaType;
  const isMixed =
    (type === OCI_MANIFEST && [config, ...layers].some((one) => one.mediaType.startsWith("application/vnd.docker."))) ||
    (type === DOCKER_MANIFEST && [config, ...layers].some((one) => one.mediaType.startsWith("application/vnd.oci.")));
  if (isMixed)
    findings.add("warning", "media-type", "types of OCI and of Docker are mixed: some programs refuse that", place);
  const sizes = new Map<string, number>();
  for (const { digest, size } of [config, ...layers]) {
    if ((sizes.get(digest) ?? size) !== size)
      findings.add("error", "blob", `${digest} is listed with two sizes`, place);
    sizes.set(digest, size);
  }
  for (const one of [pointer, config, ...layers]) verifyAnnotations(one.annotations, place, findings);
  verifyAnnotations(manifest.annotations, place, findings);
}

/** True if a manifest is an image's: its config is of a type that images have. */
export function isImageManifest({ config }: Manifest): boolean {
  return config.mediaType === OCI_CONFIG || config.mediaType === DOCKER_CONFIG;
}

/** Looks at a config and at what it says of the manifest's layers. @param now milliseconds since 1970 */
export function verifyConfig(
  config: ImageConfig,
  manifest: Manifest,
  now: number,
  place: VerifyPlace,
  findings: Findings,
): void {
  const diffIds = config.rootfs.diff_ids ?? [];
  const layers = manifest.layers.length;
  if (config.rootfs.type !== "layers")
    findings.add(
      "error",
      "document",
      `the type of its rootfs is ${JSON.stringify(config.rootfs.type)} and not "layers"`,
      place,
    );
  if (diffIds.length !== layers) {
    findings.add(
      "error",
      "diff-id",
      `the config lists ${count(diffIds.length, "diffID")}, the manifest ${count(layers, "layer")}`,
      place,
    );
  }
  if (layers === 0) findings.add("note", "document", "the image has no layers", place);
  verifyHistory(config, layers, place, findings);
  if (config.os === "" || config.architecture === "")
    findings.add("warning", "platform", "the config does not say for which platform the image is", place);
  verifyTimes(config, now, place, findings);
  for (const variable of config.config?.Env ?? []) {
    if (variable.indexOf("=") < 1)
      findings.add("warning", "document", `${JSON.stringify(variable.slice(0, 80))} in Env is no NAME=VALUE`, place);
  }
}

/** The types of an image's layers. */
export function verifyLayerTypes(layers: readonly Descriptor[], place: VerifyPlace, findings: Findings): void {
  for (const [layer, { mediaType, digest }] of layers.entries()) {
    if (compressionOf(mediaType) !== undefined || isEncryptedType(mediaType)) continue;
    findings.add("error", "media-type", `its type ${mediaType} is none of a layer`, { ...place, digest, layer });
  }
}

/** Compares the platform of an index's entry with the config that it leads to. */
export function verifyPlatform(entry: Descriptor, config: ImageConfig, place: VerifyPlace, findings: Findings): void {
  const { platform } = entry;
  if (platform === undefined || isAttestation(entry)) return;
  const { os, architecture, variant } = config;
  if (platform.os !== os || platform.architecture !== architecture) {
    const own = os === "" && architecture === "" ? "nothing" : platformName({ os, architecture, variant });
    findings.add("error", "platform", `the index says ${platformName(platform)}, the config ${own}`, place);
  } else if (variant !== undefined && platform.variant !== undefined && variant !== platform.variant) {
    findings.add("warning", "platform", `the index says the variant ${platform.variant}, the config ${variant}`, place);
  }
}

/** A platform as people write it. */
export function platformName({ os, architecture, variant }: Platform): string {
  return formatPlatform({ os, architecture, variant });
}

function verifyHistory(config: ImageConfig, layers: number, place: VerifyPlace, findings: Findings): void {
  const { warning } = mapHistory(config.history, layers);
  const isNone = (config.history ?? []).length === 0;
  if (warning !== undefined) findings.add(isNone ? "note" : "warning", "history", warning, place);
}

function verifyTimes(config: ImageConfig, now: number, place: VerifyPlace, findings: Findings): void {
  const times = [config.created, ...(config.history ?? []).map(({ created }) => created)];
  for (const [at, time] of times.entries()) {
    if (time === undefined) continue;
    const what = at === 0 ? "the config's created" : `created of line ${at} of the history`;
    if (!RFC3339.test(time) || Number.isNaN(Date.parse(time))) {
      findings.add("warning", "time", `${what} is no time: ${JSON.stringify(time.slice(0, 80))}`, place);
    } else if (Date.parse(time) > now + CLOCK_SLACK)
      findings.add("note", "time", `${what} has not come yet: ${time}`, place);
  }
}

/** The annotations that image-spec gives a form. */
export function verifyAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  place: VerifyPlace,
  findings: Findings,
): void {
  for (const [name, value] of Object.entries(annotations ?? {})) {
    const shown = JSON.stringify(value.slice(0, 80));
    if (name === "") findings.add("warning", "annotation", "an annotation has no name", place);
    if (name === "org.opencontainers.image.created" && !RFC3339.test(value)) {
      findings.add("warning", "annotation", `${name} is no time: ${shown}`, place);
    }
    if (name === "org.opencontainers.image.base.digest" && !isDigest(value)) {
      findings.add("warning", "annotation", `${name} is no digest: ${shown}`, place);
    }
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
