/**
 * Published layer indexes: beside an image's layers a registry may have, for each, a small blob that tells what is in it and
 * where. The layer's descriptor names the blob, so that the manifest's digest vouches for it; an artifact that refers to the
 * image holds the blobs, so that registries keep them (image-spec, manifest.md, "Guidelines for Artifact Usage").
 */
import { NacreError } from "../support/errors.js";
import { isDigest } from "./digest.js";
import type { Descriptor } from "./documents.js";

/** Of the blob; see layer/publishedIndex.ts. */
export const LAYER_INDEX = "application/vnd.nacre.layer.index.v1";
/** Of the artifact whose layers are the indexes of an image's layers. */
export const LAYER_INDEXES = "application/vnd.nacre.layer.indexes.v1";
/** In the descriptor of a layer: digest and bytes of the blob. */
export const INDEX_DIGEST = "io.nacre.index.digest";
const INDEX_SIZE = "io.nacre.index.size";

/** A layer's descriptor that names its index. */
export function withLayerIndex(layer: Descriptor, index: Pick<Descriptor, "digest" | "size">): Descriptor {
  const annotations = { ...layer.annotations, [INDEX_DIGEST]: index.digest, [INDEX_SIZE]: String(index.size) };
  return { ...layer, annotations };
}

/**
 * What points at the index of a layer; undefined if none was published.
 * @throws NacreError CONTENT_INVALID if the annotations are no digest and size
 */
export function layerIndexOf({ annotations = {} }: Descriptor): Descriptor | undefined {
  const digest = annotations[INDEX_DIGEST];
  if (digest === undefined) return undefined;
  const size = annotations[INDEX_SIZE] ?? "";
  if (!isDigest(digest) || !/^\d{1,15}$/.test(size)) {
    throw new NacreError("CONTENT_INVALID", "the manifest gives no digest and size for it");
  }
  return { mediaType: LAYER_INDEX, digest, size: Number(size) };
}
