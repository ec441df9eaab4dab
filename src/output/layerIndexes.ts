/**
 * Indexes that are published with an image: for each layer that nacre has put together itself a blob that says what is where,
 * and an artifact that refers to the image and holds these blobs. See oci/layerIndexes.ts for what readers find.
 */
import { framingOf } from "../layer/codecs.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import { encodePublishedIndex } from "../layer/publishedIndex.js";
import { type DiffId, digestOfHex } from "../oci/digest.js";
import type { Descriptor, Manifest } from "../oci/documents.js";
import { encodeManifest } from "../oci/encode.js";
import { LAYER_INDEX, LAYER_INDEXES, withLayerIndex } from "../oci/layerIndexes.js";
import { compressionOf, OCI_MANIFEST } from "../oci/mediaTypes.js";
import { sha256Hex } from "../support/hash.js";
import type { EncodedDocument, ExportedLayer } from "./exportedLayer.js";

/** An artifact has no config: this stands for none (image-spec, manifest.md, "Guidance for an Empty Descriptor"). */
const EMPTY = encoded("application/vnd.oci.empty.v1+json", Buffer.from("{}"));

/** What is pushed beside an image. */
export interface PublishedIndexes {
  /** The artifact. */
  readonly manifest: EncodedDocument;
  /** What it is made of. */
  readonly blobs: readonly EncodedDocument[];
}

/** The layer with its index; as it is where nothing can be read in the middle of it (layers that came compressed). */
export async function withPublishedIndex(
  exported: ExportedLayer,
  diffId: DiffId,
  index: () => Promise<LayerIndex>,
): Promise<ExportedLayer> {
  const { descriptor, codec, blocks } = exported;
  const isPlain = compressionOf(descriptor.mediaType) === "none" && descriptor.digest === diffId;
  if (!isPlain && (codec === undefined || blocks === undefined)) return exported;
  const begin = codec === undefined ? 0 : framingOf(codec).begin().length;
  const { digest, size } = descriptor;
  const blob = { diffId, digest, size };
  const bytes = await encodePublishedIndex(blob, codec ?? "none", await index(), blocks && { ...blocks, begin });
  if (bytes === undefined) return exported;
  const published = encoded(LAYER_INDEX, bytes);
  return { ...exported, descriptor: withLayerIndex(descriptor, published.descriptor), published };
}

/** The artifact that goes with an image; undefined if no layer has an index. @param image points at the manifest */
export function publishedIndexes(image: Descriptor, layers: readonly ExportedLayer[]): PublishedIndexes | undefined {
  const all = layers.flatMap(({ published }) => (published === undefined ? [] : [published]));
  const indexes = [...new Map(all.map((one) => [one.descriptor.digest, one])).values()];
  if (indexes.length === 0) return undefined;
  const { mediaType, digest, size } = image;
  const manifest: Manifest = {
    ...{ schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType: LAYER_INDEXES, config: EMPTY.descriptor },
    layers: indexes.map(({ descriptor }) => descriptor),
    subject: { mediaType, digest, size },
  };
  return { manifest: encoded(OCI_MANIFEST, encodeManifest(manifest)), blobs: [EMPTY, ...indexes] };
}

function encoded(mediaType: string, bytes: Buffer): EncodedDocument {
  return { descriptor: { mediaType, digest: digestOfHex(sha256Hex(bytes)), size: bytes.length }, bytes };
}
