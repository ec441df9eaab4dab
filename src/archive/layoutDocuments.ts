/** The documents of an image archive: `oci-layout`, `index.json`, `manifest.json`, as BuildKit's exporters write them. Pure. */
import { type Digest, hexOf } from "../oci/digest.js";
import type { Descriptor, ImageIndex } from "../oci/documents.js";
import { encodeIndex } from "../oci/encode.js";
import { OCI_INDEX } from "../oci/mediaTypes.js";
import { familiarName, parseReference } from "../oci/reference.js";
import { NacreError } from "../support/errors.js";
import { goJson } from "../support/json.js";
import { IMAGE_NAME, REF_NAME } from "./layout.js";

/** Annotation with the time at which an image was made. */
const CREATED = "org.opencontainers.image.created";

/** The `oci-layout` file. */
export const OCI_LAYOUT = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

/** How an image is listed in an archive. */
export interface ListedImage {
  /** Points at the manifest or image index; `platform` is set where there is a single one. */
  readonly descriptor: Descriptor;
  /** Full names. */
  readonly names: readonly string[];
  /** Tags without a name, for layouts that say no more. */
  readonly tags?: readonly string[] | undefined;
  /** RFC 3339, for an annotation; left out where it is not known. */
  readonly created?: string | undefined;
  /** Config and layers (lowest first) of a single image: what `docker load` needs. */
  readonly parts?: { readonly config: Digest; readonly layers: readonly Digest[] } | undefined;
}

/** Where a blob lies in an archive. */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

/** One descriptor for each name and tag; a single one for an image without any. */
export function listedDescriptors({ descriptor, names, tags = [], created }: ListedImage): Descriptor[] {
  const { annotations: _, ...bare } = descriptor;
  const time: Record<string, string> = created === undefined ? {} : { [CREATED]: created };
  const of = (annotations: Record<string, string>): Descriptor =>
    Object.keys(annotations).length === 0 ? bare : { ...bare, annotations };
  if (names.length + tags.length === 0) return [of(time)];
  const named = names.map((name) => {
    const { tag } = parseReference(name);
    return of({ [IMAGE_NAME]: name, ...time, ...(tag === undefined ? {} : { [REF_NAME]: tag }) });
  });
  return [...named, ...tags.map((tag) => of({ ...time, [REF_NAME]: tag }))];
}

/**
 * The bytes of `index.json`.
 * @param before what the layout listed until now; entries of the new names are left out
 */
export function indexJson(images: readonly ListedImage[], before?: ImageIndex): Buffer {
  const added = images.flatMap(listedDescriptors);
  const kept = (before?.manifests ?? []).filter((old) => !added.some((entry) => replaces(entry, old)));
  return encodeIndex(
    { ...before, schemaVersion: 2, mediaType: before?.mediaType ?? OCI_INDEX, manifests: [...kept, ...added] },
    0,
  );
}

function replaces(added: Descriptor, old: Descriptor): boolean {
  const name = old.annotations?.[IMAGE_NAME];
  const tag = old.annotations?.[REF_NAME];
  const isTag = added.annotations?.[IMAGE_NAME] === undefined && added.annotations?.[REF_NAME] !== undefined;
  // A tag alone means whatever has that tag.
  if (name !== undefined && !isTag) return name === added.annotations?.[IMAGE_NAME];
  if (tag !== undefined) return tag === added.annotations?.[REF_NAME];
  return old.digest === added.digest;
}

/**
 * The bytes of `manifest.json`, which makes a layout loadable by `docker load` of any version.
 * @throws NacreError OUTPUT for an image index: that format holds single images
 */
export function manifestJson(images: readonly ListedImage[]): Buffer {
  const entries = images.map(({ parts, names, descriptor }) => {
    if (parts === undefined) {
      throw new NacreError("OUTPUT", `a docker archive cannot hold the image index ${descriptor.digest}`, {
        hint: "choose one platform, or write an OCI archive",
      });
    }
    const tags = names.map(parseReference).filter(({ tag }) => tag !== undefined);
    return {
      Config: blobPath(parts.config),
      RepoTags: tags.length === 0 ? null : tags.map((name) => familiarName({ ...name, digest: undefined })),
      Layers: parts.layers.map(blobPath),
    };
  });
  return Buffer.from(goJson(entries));
}
