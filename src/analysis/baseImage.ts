/**
 * Which image another one began with. What the image says of itself comes first (the annotations and labels of image-spec,
 * `org.opencontainers.image.base.name` and `.digest`); else the image of the store whose layers are the longest proper
 * beginning of its own. Nothing is fetched.
 */
import { catalogEntries, loadPreferred } from "../image/catalog.js";
import { pulledFrom } from "../image/pulledFrom.js";
import { type Digest, isDigest } from "../oci/digest.js";
import { formatReference, parseReference, shortenName } from "../oci/reference.js";
import type { Store } from "../store/store.js";
import { isNacreError } from "../support/errors.js";
import { chainIds } from "./layerFacts.js";
import type { OpenedImage } from "./types.js";

const NAME = "org.opencontainers.image.base.name";
const DIGEST = "org.opencontainers.image.base.digest";

/** The base of an image. */
export interface BaseImage {
  /** As the image names it, else the short name in the store. */
  readonly name?: string | undefined;
  readonly digest?: Digest | undefined;
  /** How many of the lowest layers are the base's; undefined where that is not known. */
  readonly layers?: number | undefined;
  /** How it was found out. */
  readonly by: "annotation" | "label" | "layers";
}

/** Finds the base of an image; undefined if nothing tells. */
export function findBase(image: OpenedImage, store: Store | undefined): BaseImage | undefined {
  const named = statedBase(image);
  const stored = store === undefined ? [] : storedBases(image, store);
  if (named === undefined) {
    const [longest] = stored;
    return longest && { name: longest.name, digest: longest.digest, layers: longest.layers, by: "layers" };
  }
  const match =
    stored.find(({ digest }) => named.digest !== undefined && digest === named.digest) ??
    stored.find(({ name }) => named.digest === undefined && sameName(name, named.name));
  return { ...named, ...(match ? { layers: match.layers } : {}) };
}

function statedBase({ manifest, config }: OpenedImage): Omit<BaseImage, "layers"> | undefined {
  const labels = config.config?.Labels ?? {};
  for (const [by, texts] of [
    ["annotation", manifest.annotations ?? {}],
    ["label", labels],
  ] as const) {
    const [name, digest] = [texts[NAME], texts[DIGEST]];
    if (name === undefined && !isDigest(digest)) continue;
    return { ...(name === undefined ? {} : { name }), ...(isDigest(digest) ? { digest } : {}), by };
  }
  return undefined;
}

interface StoredBase {
  readonly name: string;
  readonly digest: Digest;
  readonly layers: number;
}

/** Images of the store that the image could stem from, the one with most layers first. */
function storedBases(image: OpenedImage, store: Store): StoredBase[] {
  const chain = image.layers.map(({ chainId }) => chainId);
  const found: StoredBase[] = [];
  for (const { descriptor, names } of catalogEntries(store)) {
    const diffIds = diffIdsOf(store, descriptor);
    if (diffIds === undefined || diffIds.length === 0 || diffIds.length >= chain.length) continue;
    if (chainIds(diffIds).at(-1) !== chain[diffIds.length - 1]) continue;
    const digest = pulledFrom(descriptor)?.digest ?? descriptor.digest;
    found.push({ name: shortenName(names[0] ?? digest), digest, layers: diffIds.length });
  }
  return found.sort((a, b) => b.layers - a.layers);
}

function diffIdsOf(store: Store, descriptor: Parameters<typeof loadPreferred>[1]): readonly Digest[] | undefined {
  try {
    return loadPreferred(store, descriptor).layers.map(({ diffId }) => diffId);
  } catch (error) {
    if (isNacreError(error)) return undefined;
    throw error;
  }
}

function sameName(short: string, name: string | undefined): boolean {
  if (name === undefined) return false;
  try {
    return formatReference(parseReference(short)) === formatReference(parseReference(name));
  } catch {
    return false;
  }
}
