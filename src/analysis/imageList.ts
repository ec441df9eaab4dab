/**
 * The images of a store with what listings show of them. Three models of size: *content* is what manifests name (config and
 * layers as they lie there, mostly compressed), *unpacked* the bytes of the regular files in all layers (Docker's classic
 * SIZE), *disk* what the store has on disk for the image: all its blobs, uncompressed companions and unpacked snapshots, of
 * all its platforms.
 */
import { type CatalogEntry, catalogEntries, findImage, loadPreferred } from "../image/catalog.js";
import { type Image, loadImage } from "../image/image.js";
import { pulledFrom } from "../image/pulledFrom.js";
import type { Digest } from "../oci/digest.js";
import { type Descriptor, MAX_MANIFEST_BYTES, parseDocument } from "../oci/documents.js";
import { isIndexType } from "../oci/mediaTypes.js";
import { formatPlatform } from "../oci/platform.js";
import { shortenName } from "../oci/reference.js";
import type { Store } from "../store/store.js";
import { isNacreError } from "../support/errors.js";
import { hasLabels, type ImageFilters, parseImageFilters } from "./imageFilters.js";
import { ImageSizes, type SizedPart, type SizeModel } from "./imageSizes.js";
import { chainIds } from "./layerFacts.js";

export type { SizeModel } from "./imageSizes.js";

/** Which images are listed, and how they are measured. */
export interface ImageQuery {
  /** `NAME=VALUE` each: dangling, label, before, since, until, reference. */
  readonly filters?: readonly string[] | undefined;
  /** `REPOSITORY[:TAG]`, wildcards allowed. */
  readonly reference?: string | undefined;
  /** Default: unpacked. */
  readonly size?: SizeModel | undefined;
  /** Tell the platforms of multi-platform images. */
  readonly platforms?: boolean | undefined;
  /** Milliseconds since 1970; default: the system's clock. */
  readonly now?: (() => number) | undefined;
}

/** A name of a listed image. An image without any has one with nothing in it. */
export interface ListedName {
  /** Short, e.g. `alpine` or `registry.example/app`; undefined if it has none. */
  readonly repository?: string | undefined;
  readonly tag?: string | undefined;
}

/** One platform of a multi-platform image. */
export interface ListedPlatform {
  readonly platform: string;
  /** Of its manifest. */
  readonly digest: Digest;
  /** Digest of its config; undefined where the store does not have it. */
  readonly id?: Digest | undefined;
  readonly size?: number | undefined;
  /** Bytes that its manifest names; undefined where the store does not have it. */
  readonly contentSize?: number | undefined;
}

/** An image of a listing. Sizes are bytes, by the model of the listing. */
export interface ListedImage {
  /** Digest of the config; undefined where the image cannot be read. */
  readonly id?: Digest | undefined;
  /** What its names stand for where they come from: an index or a manifest. */
  readonly digest: Digest;
  readonly names: readonly ListedName[];
  /** RFC 3339. */
  readonly created?: string | undefined;
  readonly platform?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Undefined where a part of it is missing. */
  readonly size?: number | undefined;
  /** Of its size, what another image of the store has too, and what only this one has. */
  readonly sharedSize?: number | undefined;
  readonly uniqueSize?: number | undefined;
  /** Of a multi-platform image, if they were asked for. */
  readonly platforms?: readonly ListedPlatform[] | undefined;
  /** Why it cannot be read, or be measured. */
  readonly problem?: string | undefined;
}

/** A listing. */
export interface ImageListing {
  readonly schemaVersion: 1;
  readonly sizeModel: SizeModel;
  /** Newest first; those that cannot be read come last. */
  readonly images: readonly ListedImage[];
  /** Bytes of all listed images together, what several share counted once. */
  readonly totalSize: number;
}

/** One image while it is listed. */
interface Candidate {
  readonly entry: CatalogEntry;
  readonly image?: Image | undefined;
  readonly problem?: string | undefined;
}

/**
 * Lists the images of a store.
 * @throws NacreError USAGE for a bad filter; IMAGE_NOT_FOUND for one that names an image that is not there
 */
export async function listStoredImages(store: Store, query: ImageQuery = {}): Promise<ImageListing> {
  const filters = parseImageFilters(query.filters ?? [], query.reference, (query.now ?? Date.now)());
  const sizeModel = query.size ?? "unpacked";
  const all = catalogEntries(store).map((entry): Candidate => candidateOf(store, entry));
  const passes = imageTest(store, filters);
  const chosen = all.flatMap((candidate) => (passes(candidate) ? namesTaken(candidate, filters) : []));
  const sizes = new ImageSizes(store, sizeModel);
  // What is shared is shared with any image of the store, listed or not.
  for (const { entry, image } of all)
    await sizes.count(entry.descriptor.digest, partsOf(store, entry, image, sizeModel));
  const images = await Promise.all(chosen.map((candidate) => listed(store, candidate, sizes, query)));
  images.sort((a, b) => timeOf(b) - timeOf(a));
  const total = await sizes.together(chosen.map(({ entry }) => entry.descriptor.digest));
  return { schemaVersion: 1, sizeModel, images, totalSize: total };
}

function candidateOf(store: Store, entry: CatalogEntry): Candidate {
  try {
    return { entry, image: loadPreferred(store, entry.descriptor) };
  } catch (error) {
    if (!isNacreError(error)) throw error;
    return { entry, problem: error.message };
  }
}

function imageTest(store: Store, filters: ImageFilters): (candidate: Candidate) => boolean {
  const created = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : timeOfImage(loadPreferred(store, findImage(store, text).descriptor));
  const [before, since] = [created(filters.before), created(filters.since)];
  const { until, labels, dangling } = filters;
  const timed = before !== undefined || since !== undefined || until !== undefined;
  return ({ entry, image }) => {
    const time = image === undefined ? undefined : timeOfImage(image);
    if (timed && (time === undefined || image?.config.created === undefined)) return false;
    if (before !== undefined && time! >= before) return false;
    if (since !== undefined && time! <= since) return false;
    if (until !== undefined && time! >= until) return false;
    if (!hasLabels(image?.config.config?.Labels, labels)) return false;
    if (dangling === true) return entry.names.every((name) => nameParts(name).tag === undefined);
    return dangling !== false || entry.names.length > 0;
  };
}

/** The candidate with the names that the filter takes; nothing if there is a filter and it takes none. */
function namesTaken({ entry, ...rest }: Candidate, { takesName }: ImageFilters): Candidate[] {
  if (takesName === undefined) return [{ entry, ...rest }];
  const names = entry.names.filter((name) => takesName(shortenName(name)));
  return names.length === 0 ? [] : [{ entry: { ...entry, names }, ...rest }];
}

async function listed(
  store: Store,
  { entry, image, problem }: Candidate,
  sizes: ImageSizes,
  query: ImageQuery,
): Promise<ListedImage> {
  const { descriptor, names } = entry;
  const measured = await sizes.of(descriptor.digest);
  const { config } = image ?? {};
  const isIndex = isIndexType(descriptor.mediaType);
  return {
    ...(image ? { id: image.manifest.config.digest } : {}),
    digest: pulledFrom(descriptor)?.digest ?? descriptor.digest,
    names: names.length === 0 ? [{}] : [...names].sort().map(nameParts),
    ...(config?.created === undefined ? {} : { created: config.created }),
    ...(config ? { platform: formatPlatform(config) } : {}),
    labels: config?.config?.Labels ?? {},
    ...measured,
    ...(query.platforms && isIndex ? { platforms: await platformsOf(store, descriptor, sizes) } : {}),
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Names with a digest have no tag. */
function nameParts(name: string): ListedName {
  const short = shortenName(name);
  const bare = short.replace(/@sha256:[0-9a-f]{64}$/, "");
  const match = bare === short ? /^(.*):([^:/]+)$/s.exec(short) : undefined;
  return match ? { repository: match[1]!, tag: match[2]! } : { repository: bare };
}

async function platformsOf(store: Store, descriptor: Descriptor, sizes: ImageSizes): Promise<ListedPlatform[]> {
  const document = parseDocument(store.readBlob(descriptor.digest, MAX_MANIFEST_BYTES), descriptor.digest);
  if (document.kind !== "index") return [];
  const entries = document.index.manifests.filter(({ platform }) => platform && platform.os !== "unknown");
  const found: ListedPlatform[] = [];
  for (const entry of entries) {
    const shown = { platform: formatPlatform(entry.platform!), digest: entry.digest };
    const image = imageAt(store, entry);
    if (image === undefined) {
      found.push(shown);
      continue;
    }
    const parts = imageParts(image, sizes.model);
    const size = await sizes.sum(parts);
    const contentSize = await new ImageSizes(store, "content").sum(imageParts(image, "content"));
    found.push({ ...shown, id: image.manifest.config.digest, ...(size === undefined ? {} : { size }), contentSize });
  }
  return found;
}

/** The image that a descriptor points at, if all of it is there. */
function imageAt(store: Store, descriptor: Descriptor): Image | undefined {
  if (!store.hasBlob(descriptor.digest) || store.flawsOf(descriptor).length > 0) return undefined;
  try {
    return loadImage(store, descriptor);
  } catch (error) {
    if (isNacreError(error)) return undefined;
    throw error;
  }
}

/** All that counts of an image: what is on disk for all its platforms, else what this one has. */
function partsOf(
  store: Store,
  { descriptor }: CatalogEntry,
  image: Image | undefined,
  model: SizeModel,
): readonly SizedPart[] {
  if (model !== "disk" || image === undefined) return image === undefined ? [] : imageParts(image, model);
  if (!isIndexType(descriptor.mediaType)) return imageParts(image, model);
  const parts: SizedPart[] = [{ kind: "blob", digest: descriptor.digest }];
  const document = parseDocument(store.readBlob(descriptor.digest, MAX_MANIFEST_BYTES), descriptor.digest);
  if (document.kind !== "index") return parts;
  for (const entry of document.index.manifests) {
    const each = imageAt(store, entry);
    if (each !== undefined) parts.push(...imageParts(each, model));
  }
  return parts;
}

function imageParts(image: Image, model: SizeModel): SizedPart[] {
  const { manifest, descriptor, layers } = image;
  const config: SizedPart = { kind: "blob", digest: manifest.config.digest, size: manifest.config.size };
  const unpacked = layers.map((layer): SizedPart => ({ kind: "layer", layer }));
  if (model === "unpacked") return unpacked;
  const blobs = layers.map(({ descriptor: { digest, size } }): SizedPart => ({ kind: "blob", digest, size }));
  if (model === "content") return [config, ...blobs];
  const diffIds = layers.map(({ diffId }) => diffId);
  const snapshots = [...new Set([...diffIds, ...chainIds(diffIds)])].map((of): SizedPart => ({ kind: "snapshot", of }));
  return [config, { kind: "blob", digest: descriptor.digest }, ...blobs, ...unpacked, ...snapshots];
}

function timeOfImage({ config }: Image): number {
  const time = Date.parse(config.created ?? "");
  return Number.isNaN(time) ? 0 : time;
}

function timeOf({ id, created }: ListedImage): number {
  if (id === undefined) return Number.NEGATIVE_INFINITY;
  const time = Date.parse(created ?? "");
  return Number.isNaN(time) ? 0 : time;
}
