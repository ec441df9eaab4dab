/**
 * The images in a store as people handle them: listing, finding by name or digest, naming and removing. In: an opened
 * store and texts as typed. Out: facts; nothing is printed here. Removing a name frees no space: the blobs go when
 * garbage collection finds that nothing needs them.
 */
import { type Digest, hexOf, isDigest, shortDigest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import { localPlatform, type Platform } from "../oci/platform.js";
import { formatReference, parseReference, type Reference, shortenName } from "../oci/reference.js";
import { nameOf } from "../store/references.js";
import type { Lease, Store } from "../store/store.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import { type Image, type ImageLayer, loadImage } from "./image.js";
import { layerIndex } from "./layers.js";
import { pulledFrom } from "./pulledFrom.js";

/** An image of the catalog: one entry of the store's index, with all its names. */
export interface CatalogEntry {
  /** Points at the manifest, or at an image index. */
  readonly descriptor: Descriptor;
  /** Full names, in the order in which they were given. */
  readonly names: readonly string[];
}

/** What was found for a text. */
export interface FoundImage extends CatalogEntry {
  /** The full name that the text is, or undefined if it was a digest or an id. */
  readonly name?: string | undefined;
}

/** What removing did. */
export interface Removal {
  /** Full names that are gone. */
  readonly untagged: readonly string[];
  /** Ids of images that have no name any more (manifest digests of those that cannot be read). */
  readonly deleted: readonly Digest[];
  /** What could not be removed. */
  readonly failures: readonly NacreError[];
}

/** The images of a store by what they point at, in the order of the store's index. */
export function catalogEntries(store: Store): CatalogEntry[] {
  const entries = new Map<Digest, { descriptor: Descriptor; names: string[] }>();
  // Other tools may have left images without a name there.
  for (const descriptor of store.references.entries()) {
    if (nameOf(descriptor) === undefined) entries.set(descriptor.digest, { descriptor, names: [] });
  }
  for (const { name, descriptor } of store.listReferences()) {
    const entry = entries.get(descriptor.digest);
    if (entry) entry.names.push(name);
    else entries.set(descriptor.digest, { descriptor, names: [name] });
  }
  return [...entries.values()];
}

/**
 * Finds an image by name, `name@digest`, manifest digest, id, or the unique beginning of one of the last two.
 * @throws NacreError IMAGE_NOT_FOUND, with the nearest name; USAGE if several images begin so
 */
export function findImage(store: Store, text: string): FoundImage {
  const entries = catalogEntries(store);
  const found = byName(store, entries, text) ?? byDigest(store, entries, text);
  if (found) return found;
  throw new NacreError("IMAGE_NOT_FOUND", `no image ${JSON.stringify(text)} in the store`, {
    hint: nearHint(entries, text),
    facts: { name: text },
  });
}

/**
 * Finds an image as {@link findImage} does and protects it in a lease. A name that is moved to another image meanwhile is
 * followed: what it meant before may have been removed by then.
 * @throws NacreError IMAGE_NOT_FOUND, USAGE
 */
export function holdImage(store: Store, lease: Lease, text: string): FoundImage {
  for (let found = findImage(store, text); ; ) {
    lease.protect([found.descriptor.digest]);
    // Protected first, looked at then: what is whole now stays so, and what is not was damaged, or removed just before.
    if (store.flawsOf(found.descriptor).length === 0) return found;
    const now = findImage(store, text);
    if (now.descriptor.digest === found.descriptor.digest) return now;
    found = now;
  }
}

/**
 * Gives an image more names. A name that another image had moves over.
 * @returns the full names
 * @throws NacreError IMAGE_NOT_FOUND, REFERENCE_INVALID, USAGE
 */
export async function tagImage(store: Store, source: string, targets: readonly string[]): Promise<string[]> {
  const names = targets.map((target) => {
    const reference = parseReference(target);
    if (!reference.digest) return formatReference(reference);
    throw new NacreError("REFERENCE_INVALID", `a new name cannot have a digest: ${target}`, { hint: "write name:tag" });
  });
  const lease = store.acquireLease();
  try {
    const { descriptor } = holdImage(store, lease, source);
    await store.setReferences(names.map((name) => ({ name, descriptor })));
    return names;
  } finally {
    lease.release();
  }
}

/**
 * Removes names, or images with all their names where they are given by digest or id. One that fails does not keep the
 * others from being removed.
 * @param options.force by id: remove all names, even of different repositories (Docker refuses that without force)
 */
export async function removeImages(
  store: Store,
  texts: readonly string[],
  options: { readonly force?: boolean | undefined } = {},
): Promise<Removal> {
  const untagged: string[] = [];
  const deleted: Digest[] = [];
  const failures: NacreError[] = [];
  for (const text of texts) {
    try {
      const found = findImage(store, text);
      const names = found.name === undefined ? allNames(found, text, options.force === true) : [found.name];
      const id = idOf(store, found.descriptor) ?? found.descriptor.digest;
      if (found.names.length === 0) await removeNameless(store, found.descriptor.digest);
      for (const name of names) if (await store.removeReference(name)) untagged.push(name);
      if (names.length === found.names.length) deleted.push(id);
    } catch (error) {
      if (!isNacreError(error)) throw error;
      failures.push(error);
    }
  }
  return { untagged, deleted, failures };
}

/** The id (config digest) of an image, or undefined if it cannot be read. */
export function idOf(store: Store, descriptor: Descriptor): Digest | undefined {
  try {
    return loadPreferred(store, descriptor).manifest.config.digest;
  } catch (error) {
    if (isNacreError(error)) return undefined;
    throw error;
  }
}

/**
 * Loads an image; of an image index the one for this machine, else the first.
 * @throws NacreError CONTENT_INVALID, IMAGE_NOT_FOUND (the platform asked for)
 */
export function loadPreferred(store: Store, descriptor: Descriptor, platform?: Platform): Image {
  if (platform) return loadImage(store, descriptor, platform);
  try {
    return loadImage(store, descriptor, localPlatform());
  } catch (error) {
    if (!isNacreError(error) || error.code !== "IMAGE_NOT_FOUND") throw error;
    return loadImage(store, descriptor);
  }
}

/** Number of the regular files in a layer, and their bytes, from the layer's index. */
export async function layerContent(
  store: Store,
  layer: ImageLayer,
): Promise<{ readonly files: number; readonly size: number }> {
  const { INDEX_TYPES } = await import("../layer/layerIndex.js");
  const { columns } = await layerIndex(store, layer);
  const file = INDEX_TYPES.indexOf("file");
  let files = 0;
  let size = 0;
  for (let i = 0; i < columns.count; i++) {
    if (columns.types[i] !== file) continue;
    files++;
    size += columns.sizes[i]!;
  }
  return { files, size };
}

async function removeNameless(store: Store, digest: Digest): Promise<void> {
  await store.references.removeWhere((entry) => entry.digest === digest && nameOf(entry) === undefined);
}

function byName(store: Store, entries: readonly CatalogEntry[], text: string): FoundImage | undefined {
  const reference = referenceOf(text);
  if (!reference) return undefined;
  const { digest } = reference;
  if (digest === undefined) return withName(store, entries, formatReference(reference));
  // The digest may be that of the image index which the name stands for in its registry.
  const found = store.listReferences().find(({ name, descriptor }) => {
    const other = referenceOf(name);
    if (other?.host !== reference.host || other.path !== reference.path) return false;
    return descriptor.digest === digest || pulledFrom(descriptor)?.digest === digest;
  });
  return found && entryOf(entries, found.descriptor);
}

/** The entry of an image, with the annotations of the one name that was asked for. */
function entryOf(entries: readonly CatalogEntry[], descriptor: Descriptor): CatalogEntry | undefined {
  const entry = entries.find((each) => each.descriptor.digest === descriptor.digest);
  return entry && { ...entry, descriptor };
}

function withName(store: Store, entries: readonly CatalogEntry[], name: string): FoundImage | undefined {
  const descriptor = store.resolveReference(name);
  const entry = descriptor && entryOf(entries, descriptor);
  return entry && { ...entry, name };
}

function byDigest(store: Store, entries: readonly CatalogEntry[], text: string): FoundImage | undefined {
  const start = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(text)?.[1];
  if (start === undefined) return undefined;
  const matches = entries.filter(({ descriptor }) => {
    if (hexOf(descriptor.digest).startsWith(start)) return true;
    const id = idOf(store, descriptor);
    return id !== undefined && hexOf(id).startsWith(start);
  });
  if (matches.length <= 1) return matches[0];
  const names = matches.map(({ names, descriptor }) => names.map(shortenName)[0] ?? shortDigest(descriptor.digest));
  throw new NacreError("USAGE", `several images begin with ${text}: ${names.join(", ")}`, {
    hint: "write more of the digest, or a name",
  });
}

function allNames(found: FoundImage, text: string, force: boolean): readonly string[] {
  const repositories = new Set(found.names.map((name) => name.replace(/:[^:/]*$/, "")));
  if (force || repositories.size <= 1) return found.names;
  throw new NacreError(
    "USAGE",
    `${text} has names in several repositories: ${found.names.map(shortenName).join(", ")}`,
    {
      hint: "remove it by name, or all of them with --force",
    },
  );
}

function nearHint(entries: readonly CatalogEntry[], text: string): string {
  if (entries.length === 0) return "the store holds no named images yet: build one with -t, or use nacre load";
  const wanted = isDigest(text) ? undefined : referenceOf(text);
  const names = entries.flatMap((entry) => entry.names);
  const near = wanted && nearest(shortenName(formatReference(wanted)), names.map(shortenName));
  const sameName = wanted && names.find((name) => name.startsWith(`${wanted.host}/${wanted.path}:`));
  const best = near ?? (sameName && shortenName(sameName));
  return best ? `did you mean ${best}?` : "see what there is with: nacre image ls";
}

function referenceOf(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (isNacreError(error) && error.code === "REFERENCE_INVALID") return undefined;
    throw error;
  }
}
