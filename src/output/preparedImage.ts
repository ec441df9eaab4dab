/**
 * An image as an output wants it: its layers in the wanted compression, and the config, the manifest and the image index
 * that follow from them. Archives and pushes are made of this, so that both have the same digests.
 */

import type { Image, ImageLayer } from "../image/image.js";
import type { OpenLayers } from "../image/layers.js";
import { codecVersion } from "../layer/codecs.js";
import { digestOfHex } from "../oci/digest.js";
import { type Descriptor, MAX_MANIFEST_BYTES, type Manifest } from "../oci/documents.js";
import { encodeConfig, encodeIndex, encodeManifest } from "../oci/encode.js";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../oci/mediaTypes.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import type { EncodedDocument, ExportedLayer } from "./exportedLayer.js";
import { exportLayer } from "./layerExport.js";
import type { PublishedIndexes } from "./layerIndexes.js";
import type { ImageOutput, OutputEnv } from "./request.js";
import { rewriteTimestamps } from "./rewriteTimestamps.js";

/** How an image is to be. */
export interface ImageForm extends Pick<ImageOutput, "compression" | "rewriteTimestamp" | "annotations"> {
  /** Make indexes of the layers that are compressed here, to be published beside them. */
  readonly layerIndex?: boolean | undefined;
}

/** An image ready to be written; see the top of this file. */
export interface PreparedImage {
  /** Points at the index where there is one, else at the manifest, with its platform. */
  readonly descriptor: Descriptor;
  readonly config: EncodedDocument;
  readonly manifest: EncodedDocument;
  /** Where {@link OutputEnv.index} is set. */
  readonly index: EncodedDocument | undefined;
  /** Lowest first. */
  readonly layers: readonly ExportedLayer[];
  /** What is published beside the image, where the form asks for it and a layer has an index. */
  readonly published?: PublishedIndexes | undefined;
  /** Versions of the codecs that layers were compressed with. */
  readonly codecs: readonly string[];
}

/**
 * Brings an image into a form.
 * @param opened serves the layers' blobs too, as long as they are read
 * @param onLayer told of each layer, the lowest first, as soon as its digest is known
 * @throws NacreError USAGE, CONTENT_INVALID, CANCELLED
 */
export async function prepareImage(
  form: ImageForm,
  image: Image,
  opened: OpenLayers,
  env: OutputEnv,
  onLayer?: (exported: ExportedLayer, layer: ImageLayer) => void,
): Promise<PreparedImage> {
  const layers = form.rewriteTimestamp ? await rewriteNewLayers(image, opened, env) : image.layers;
  const exported: ExportedLayer[] = [];
  for (const layer of layers) {
    if (env.signal?.aborted) throw new NacreError("CANCELLED", "stopped while layers were being compressed");
    const one = await exportLayer(layer, form.compression, opened, env, form.layerIndex);
    exported.push(one);
    onLayer?.(one, layer);
  }
  const { config, manifest } = makeDocuments(form, image, layers, exported, env);
  const single = { ...manifest.descriptor, ...platformOf(image) };
  const index = env.index ? indexOf(single) : undefined;
  const codecs = new Set(exported.flatMap(({ codec }) => (codec ? [codecVersion(codec)] : [])));
  const published = form.layerIndex ? await publish(manifest.descriptor, exported) : undefined;
  // The manifest has the digests of the indexes, which are compressed too.
  if (published !== undefined) codecs.add(codecVersion("gzip"));
  const descriptor = index?.descriptor ?? single;
  return { descriptor, config, manifest, index, layers: exported, published, codecs: [...codecs] };
}

async function publish(image: Descriptor, layers: readonly ExportedLayer[]): Promise<PublishedIndexes | undefined> {
  const { publishedIndexes } = await import("./layerIndexes.js");
  return publishedIndexes(image, layers);
}

async function rewriteNewLayers(image: Image, opened: OpenLayers, env: OutputEnv): Promise<readonly ImageLayer[]> {
  const { epoch } = env;
  if (epoch === undefined) {
    throw new NacreError("USAGE", "rewrite-timestamp needs SOURCE_DATE_EPOCH", {
      hint: "set it in the environment, or as a build argument",
    });
  }
  const layers: ImageLayer[] = [];
  for (const layer of image.layers) {
    const isNew = env.newLayers.has(layer.diffId);
    layers.push(isNew ? await rewriteTimestamps(env.store, opened, layer, epoch, env.signal) : layer);
  }
  return layers;
}

function makeDocuments(
  form: ImageForm,
  image: Image,
  layers: readonly ImageLayer[],
  exported: readonly ExportedLayer[],
  env: OutputEnv,
): { readonly config: EncodedDocument; readonly manifest: EncodedDocument } {
  const config = encoded(OCI_CONFIG, configBytes(image, layers));
  const annotations = { ...image.manifest.annotations, ...Object.fromEntries(form.annotations) };
  const { annotations: _, ...rest } = image.manifest;
  const manifest: Manifest = {
    ...rest,
    mediaType: OCI_MANIFEST,
    config: config.descriptor,
    layers: exported.map(({ descriptor }) => descriptor),
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
  const bytes = encodeManifest(manifest);
  const isSame = bytes.equals(encodeManifest(image.manifest));
  // The very bytes of the store where nothing has changed, however they were indented.
  return { config, manifest: encoded(OCI_MANIFEST, isSame ? storedManifest(image, env) : bytes) };
}

function storedManifest(image: Image, env: OutputEnv): Buffer {
  return env.store.readBlob(image.descriptor.digest, MAX_MANIFEST_BYTES);
}

/** The config's own bytes, unless layers have got other diffIDs. */
function configBytes(image: Image, layers: readonly ImageLayer[]): Buffer {
  if (layers.every(({ diffId }, i) => diffId === image.layers[i]?.diffId)) return image.configBytes;
  const rootfs = { ...image.config.rootfs, diff_ids: layers.map(({ diffId }) => diffId) };
  return encodeConfig({ ...image.config, rootfs });
}

/** An image index of one manifest. */
function indexOf(manifest: Descriptor): EncodedDocument {
  const { mediaType, digest, size, platform } = manifest;
  const manifests = [{ mediaType, digest, size, ...(platform ? { platform } : {}) }];
  return encoded(OCI_INDEX, encodeIndex({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
}

function encoded(mediaType: string, bytes: Buffer): EncodedDocument {
  return { descriptor: { mediaType, digest: digestOfHex(sha256Hex(bytes)), size: bytes.length }, bytes };
}

function platformOf({ config }: Image): Pick<Descriptor, "platform"> {
  const { os, architecture, variant } = config;
  if (!os) return {};
  const version = config["os.version"];
  return {
    platform: { architecture, os, ...(version ? { "os.version": version } : {}), ...(variant ? { variant } : {}) },
  };
}
