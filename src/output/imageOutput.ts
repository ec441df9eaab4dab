/** Writing an image as an archive: its layers as the output wants them, and the manifest and config that follow from them. */

import type { ArchiveBlob } from "../archive/archiveBlob.js";
import { blobOf } from "../archive/stored.js";
import { writeArchive } from "../archive/write.js";
import type { Image, ImageLayer } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import { codecVersion } from "../layer/codecs.js";
import { digestOfHex } from "../oci/digest.js";
import { type Descriptor, MAX_MANIFEST_BYTES, type Manifest } from "../oci/documents.js";
import { encodeConfig, encodeIndex, encodeManifest } from "../oci/encode.js";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../oci/mediaTypes.js";
import { formatReference, parseReference } from "../oci/reference.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { type ExportedLayer, exportLayer } from "./layerExport.js";
import type { ExportedDigests, ImageOutput, OutputEnv } from "./request.js";
import { rewriteTimestamps } from "./rewriteTimestamps.js";

/**
 * Writes an `oci` or `docker` output.
 * @throws NacreError OUTPUT, DISK_FULL, USAGE, CONTENT_INVALID, CANCELLED
 */
export async function writeImageOutput(output: ImageOutput, image: Image, env: OutputEnv): Promise<ExportedDigests> {
  if (env.index && output.type === "docker") throw noIndexInDockerArchive();
  const names = (output.names ?? env.names).map((name) => formatReference(parseReference(name)));
  const opened = new OpenLayers(env.store);
  try {
    const layers = output.rewriteTimestamp ? await rewriteNewLayers(image, opened, env) : image.layers;
    const exported: ExportedLayer[] = [];
    for (const layer of layers) exported.push(await exportLayer(layer, output.compression, opened, env));
    const documents = makeDocuments(output, image, layers, exported, env);
    const single = { ...documents.manifest.descriptor, ...platformOf(image) };
    const index = env.index ? indexOf(single) : undefined;
    const descriptor = index?.descriptor ?? single;
    const parts = {
      config: documents.config.descriptor.digest,
      layers: exported.map((layer) => layer.descriptor.digest),
    };
    const listed = { descriptor, names, created: env.created, ...(index ? {} : { parts }) };
    const small = [documents.manifest, documents.config, ...(index ? [index] : [])].map(({ descriptor: of, bytes }) =>
      blobOf(of, bytes),
    );
    await writeBlobs(output, [listed], [...small, ...exported.map(({ blob }) => blob)], env);
    const codecs = new Set(exported.flatMap(({ codec }) => (codec ? [codecVersion(codec)] : [])));
    return { descriptor, configDigest: parts.config, names, codecs: [...codecs] };
  } finally {
    opened.close();
  }
}

async function writeBlobs(
  output: ImageOutput,
  images: Parameters<typeof writeArchive>[1]["images"],
  blobs: readonly ArchiveBlob[],
  env: OutputEnv,
): Promise<void> {
  let before = 0;
  await writeArchive(
    output.destination,
    { images, blobs },
    {
      format: output.type,
      tar: output.tar,
      signal: env.signal,
      onProgress: (bytes) => {
        env.onProgress?.("writing the archive", bytes - before);
        before = bytes;
      },
    },
  );
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

interface Encoded {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

function makeDocuments(
  output: ImageOutput,
  image: Image,
  layers: readonly ImageLayer[],
  exported: readonly ExportedLayer[],
  env: OutputEnv,
): { readonly config: Encoded; readonly manifest: Encoded } {
  const config = encoded(OCI_CONFIG, configBytes(image, layers));
  const annotations = { ...image.manifest.annotations, ...Object.fromEntries(output.annotations) };
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
function indexOf(manifest: Descriptor): Encoded {
  const { mediaType, digest, size, platform } = manifest;
  const manifests = [{ mediaType, digest, size, ...(platform ? { platform } : {}) }];
  return encoded(OCI_INDEX, encodeIndex({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
}

function noIndexInDockerArchive(): NacreError {
  return new NacreError("OUTPUT", "docker exporter does not currently support exporting manifest lists", {
    hint: "leave BUILDKIT_MULTI_PLATFORM out, or write an OCI archive: -o type=oci,dest=FILE",
  });
}

function encoded(mediaType: string, bytes: Buffer): Encoded {
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
