/**
 * Loading: taking images out of an archive, or a root file system, and giving them their names in the store. In: an
 * archive and how its images shall be called. Out: named images. Names are set at the very end, all or none.
 * What reads archives is loaded when it is called for, so that the library loads quickly.
 */
import type { Descriptor } from "../oci/documents.js";
import { localPlatform, type Platform } from "../oci/platform.js";
import { formatReference, parseReference } from "../oci/reference.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { keepFailure } from "./callerStreams.js";
import type { ImportOptions } from "./import.js";
import type { OpenOptions } from "./read.js";

/** An archive's bytes, or where it is. */
export type ArchiveInput = string | AsyncIterable<Buffer>;

/** How images are loaded. */
export interface LoadOptions extends ImportOptions, OpenOptions {
  /** Names for the image instead of those in the archive; only for a single image. */
  readonly tags?: readonly string[] | undefined;
}

/** A root file system and what its image shall be called. */
export interface LoadRootfsOptions {
  /** One name at least. */
  readonly tags: readonly string[];
  /** Default: this machine's. */
  readonly platform?: Platform | undefined;
  /** RFC 3339. */
  readonly created: string;
  /** Where the files come from, for the history. */
  readonly origin?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes read, each time some are. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** An image that has been loaded. */
export interface LoadedImage {
  /** Full names. */
  readonly names: readonly string[];
  /** Points at its manifest, or at its image index. */
  readonly descriptor: Descriptor;
}

/**
 * Loads the images of an archive: OCI layout (directory or tar) or docker-archive.
 * @throws NacreError as openArchive and importArchive; USAGE for images without a name
 */
export async function loadImages(
  store: Store,
  archive: ArchiveInput,
  options: LoadOptions = {},
): Promise<LoadedImage[]> {
  const tags = options.tags?.map(fullName) ?? [];
  keepFailure(archive);
  const [{ openArchive }, { importArchive }] = await Promise.all([import("./read.js"), import("./import.js")]);
  const source = await openArchive(archive, options);
  try {
    const wanted = options.names?.length ?? source.images.length;
    if (tags.length > 0 && wanted !== 1) {
      throw new NacreError("USAGE", `${source.files.name} holds ${wanted} images; new names are for a single one`, {
        hint: "choose one with --name, or load them under their own names",
      });
    }
    const nameless = tags.length === 0 && source.images.some((image) => image.names.length === 0);
    if (nameless && options.names === undefined) throw withoutName(source.files.name, source.images);
    const imported = await importArchive(store, source, options);
    const loaded = imported.map(({ names, descriptor, tags: bareTags }) => {
      if (tags.length === 0 && names.length === 0) throw withoutName(source.files.name, [{ names, tags: bareTags }]);
      return { names: tags.length > 0 ? tags : names, descriptor };
    });
    await nameAll(store, loaded);
    return loaded;
  } finally {
    source.close();
  }
}

/**
 * Loads a tar of files as an image of one layer.
 * @throws NacreError as importRootfs
 */
export async function loadRootfs(store: Store, tar: ArchiveInput, options: LoadRootfsOptions): Promise<LoadedImage> {
  const names = options.tags.map(fullName);
  const { platform = localPlatform(), created, origin, signal, onProgress } = options;
  keepFailure(tar);
  const { importRootfs } = await import("./rootfs.js");
  const descriptor = await importRootfs(store, tar, { platform, created, origin, signal, onProgress });
  const loaded = { names, descriptor };
  await nameAll(store, [loaded]);
  return loaded;
}

function fullName(text: string): string {
  const reference = parseReference(text);
  if (!reference.digest) return formatReference(reference);
  throw new NacreError("REFERENCE_INVALID", `a new name cannot have a digest: ${text}`, { hint: "write name:tag" });
}

function nameAll(store: Store, images: readonly LoadedImage[]): Promise<void> {
  return store.setReferences(images.flatMap(({ names, descriptor }) => names.map((name) => ({ name, descriptor }))));
}

function withoutName(
  archive: string,
  images: readonly { readonly names: readonly string[]; readonly tags: readonly string[] }[],
): NacreError {
  const tags = images.flatMap((image) => (image.names.length === 0 ? image.tags : []));
  const which = tags.length > 0 ? ` (only the tag ${tags.join(", ")})` : "";
  return new NacreError("USAGE", `${archive} holds an image without a name${which}`, {
    hint: "name it with --tag NAME",
  });
}
