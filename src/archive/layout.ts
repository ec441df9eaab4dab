/** What an OCI image layout holds (image-spec, image-layout.md). */
import type { Digest } from "../oci/digest.js";
import { type Descriptor, MAX_MANIFEST_BYTES, parseDocument, parseJson } from "../oci/documents.js";
import { formatPlatform } from "../oci/platform.js";
import { formatReference, parseReference } from "../oci/reference.js";
import { NacreError } from "../support/errors.js";
import type { ArchiveFiles } from "./archiveFiles.js";
import type { ArchiveImage } from "./archiveImage.js";

/** Annotation with a tag, or with whatever else the writer took for a name. */
export const REF_NAME = "org.opencontainers.image.ref.name";
/** containerd's and Docker's annotation with the full name. */
export const IMAGE_NAME = "io.containerd.image.name";

const MAX_LAYOUT_BYTES = 4096;

/**
 * The images that `index.json` lists. Entries of one digest are one image with several names; entries of the same name
 * for different platforms are one image too.
 * @throws NacreError CONTENT_INVALID, LIMIT_EXCEEDED
 */
export function layoutImages(files: ArchiveFiles): ArchiveImage[] {
  checkVersion(files);
  const what = `index.json of ${files.name}`;
  const document = parseDocument(files.read("index.json", MAX_MANIFEST_BYTES), what);
  if (document.kind !== "index") throw new NacreError("CONTENT_INVALID", `${what} is no image index`);
  const images = new Map<Digest, Draft>();
  for (const descriptor of document.index.manifests) {
    const image = images.get(descriptor.digest) ?? { names: new Set(), tags: new Set(), candidates: [descriptor] };
    images.set(descriptor.digest, image);
    addNames(image, descriptor);
  }
  return joinPlatforms([...images.values()]).map(({ names, tags, candidates }) => ({
    names: [...names],
    tags: [...tags],
    origin: { kind: "oci", candidates },
  }));
}

interface Draft {
  readonly names: Set<string>;
  readonly tags: Set<string>;
  readonly candidates: Descriptor[];
}

function checkVersion(files: ArchiveFiles): void {
  const what = `oci-layout of ${files.name}`;
  const layout = parseJson(files.read("oci-layout", MAX_LAYOUT_BYTES), MAX_LAYOUT_BYTES, what);
  const version =
    layout !== null && typeof layout === "object" && "imageLayoutVersion" in layout
      ? layout.imageLayoutVersion
      : undefined;
  if (typeof version === "string" && /^1\./.test(version)) return;
  throw new NacreError("CONTENT_INVALID", `${what} says version ${JSON.stringify(version) ?? "nothing"}`, {
    hint: "nacre reads layouts of version 1",
  });
}

function addNames(image: Draft, { annotations }: Descriptor): void {
  const refName = annotations?.[REF_NAME];
  const name = fullName(annotations?.[IMAGE_NAME]) ?? fullName(refName?.includes(":") ? refName : undefined);
  if (name !== undefined) image.names.add(name);
  if (refName !== undefined && fullName(refName.includes(":") ? refName : undefined) === undefined)
    image.tags.add(refName);
}

/** The full form of a name, or undefined if it is none: names in archives are not to be trusted. */
function fullName(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  try {
    return formatReference(parseReference(name));
  } catch {
    return undefined;
  }
}

/** Some tools list each platform's manifest in index.json itself. */
function joinPlatforms(images: readonly Draft[]): Draft[] {
  const groups = new Map<string, Draft>();
  const all: Draft[] = [];
  for (const image of images) {
    const platform = image.candidates[0]!.platform;
    const key = JSON.stringify([[...image.names].sort(), [...image.tags].sort()]);
    const group = groups.get(key);
    const spelled = platform ? formatPlatform(platform) : undefined;
    const isNew = group?.candidates.every((other) => other.platform && formatPlatform(other.platform) !== spelled);
    if (group && spelled !== undefined && isNew) {
      group.candidates.push(image.candidates[0]!);
    } else {
      groups.set(key, image);
      all.push(image);
    }
  }
  return all;
}
