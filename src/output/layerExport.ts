/**
 * A layer as an output wants it. Layers that lie uncompressed in the store are compressed twice if need be, never
 * written to disk as a whole: once for digest and size, which an archive needs before the bytes; then, out of the
 * blocks kept from the first time, for the bytes themselves. A note of the blocks is kept too, so that the next export
 * of the same layer only reads them.
 */

import { closeSync } from "node:fs";
import { storedBlob } from "../archive/stored.js";
import type { ImageLayer } from "../image/image.js";
import type { OpenLayers } from "../image/layers.js";
import { blockCuts } from "../layer/blockCuts.js";
import { CODEC_LEVELS, type Codec, codecVersion } from "../layer/codecs.js";
import { type CompressedParts, type CompressOptions, compressLayer, readCompressed } from "../layer/compressBlocks.js";
import type { LayerContent, StackedLayer } from "../layer/layerTree.js";
import { hashTar, THREAD_FROM_BYTES } from "../layer/tarDigests.js";
import { type Digest, isDigest } from "../oci/digest.js";
import { asOciLayer, compressionOf, layerType } from "../oci/mediaTypes.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { EarlyLayer } from "./earlyLayer.js";
import type { ExportedLayer } from "./exportedLayer.js";
import type { OutputCompression, OutputEnv } from "./request.js";

/** Raised when cuts or the note change their meaning. */
const NOTE_VERSION = 2;

/**
 * The layer in the wanted compression. One that has come compressed stays as it is, unless `force` is set and it has
 * another compression (BuildKit: force-compression).
 * @param opened serves reading from the layer while it is compressed and while its blob is written
 * @param withIndex make an index to be published beside the layer, too
 * @throws NacreError CONTENT_INVALID, USAGE (level), CANCELLED
 */
export async function exportLayer(
  layer: ImageLayer,
  compression: OutputCompression,
  opened: OpenLayers,
  env: OutputEnv,
  withIndex = false,
): Promise<ExportedLayer> {
  const exported = await inCompression(layer, compression, opened, env);
  if (!withIndex) return exported;
  const { withPublishedIndex } = await import("./layerIndexes.js");
  return withPublishedIndex(exported, layer.diffId, async () => (await opened.layer(layer)).index);
}

async function inCompression(
  layer: ImageLayer,
  compression: OutputCompression,
  opened: OpenLayers,
  env: OutputEnv,
): Promise<ExportedLayer> {
  const present = compressionOf(layer.descriptor.mediaType);
  if (present === undefined || present === compression.type || (present !== "none" && !compression.force)) {
    return asItIs(layer, env);
  }
  const stacked = await opened.layer(layer);
  await stacked.content.prepare();
  if (compression.type === "none") {
    const size = stacked.index.tarSize;
    const descriptor = { mediaType: layerType("none"), digest: layer.diffId, size };
    return { descriptor, blob: storedBlob(env.store, descriptor) };
  }
  return compress(layer, stacked, compression.type, compression.level, env);
}

function asItIs({ descriptor }: ImageLayer, env: OutputEnv): ExportedLayer {
  const { mediaType, digest, size, annotations } = descriptor;
  return {
    descriptor: {
      mediaType: asOciLayer(mediaType),
      digest,
      size,
      ...(annotations ? { annotations } : {}),
    },
    blob: storedBlob(env.store, descriptor),
  };
}

async function compress(
  layer: ImageLayer,
  { index, content }: StackedLayer,
  codec: Codec,
  wantedLevel: number | undefined,
  env: OutputEnv,
): Promise<ExportedLayer> {
  const { store } = env;
  const level = wantedLevel ?? CODEC_LEVELS[codec].usual;
  const options: CompressOptions = {
    read: (offset, length) => readExactly(content, offset, length, layer.diffId),
    size: index.tarSize,
    cuts: blockCuts(index.columns),
    codec,
    level,
    jobs: env.jobs,
    blocks: { get: (key) => store.readBlock(key), put: (key, bytes) => store.writeBlock(key, bytes) },
    signal: env.signal,
  };
  const noteKey = sha256Hex(`compressed layer ${NOTE_VERSION} ${codecVersion(codec)} ${level} ${layer.diffId}`);
  let note = readNote(store.readBlock(noteKey), options.cuts.length);
  if (note === undefined) {
    note = await compressOnce({ ...options, diffId: layer.diffId, onProgress: progressOf(env, codec) }, env);
    store.writeBlock(noteKey, encodeNote(note));
  }
  const { digest, size } = note;
  const openAt = (offset: number): AsyncIterable<Uint8Array> => readCompressed(options, note, offset);
  const blob = { digest, size, open: () => openAt(0) };
  const blocks = { cuts: options.cuts, lengths: note.lengths };
  return { descriptor: { mediaType: layerType(codec), digest, size }, blob, codec, openAt, blocks };
}

/** Compresses a layer; hands its bytes over on the way if most of them were there already. */
async function compressOnce(options: CompressOptions & { readonly diffId: Digest }, env: OutputEnv): Promise<Note> {
  const { size, cuts } = options;
  const fd = size < THREAD_FROM_BYTES ? undefined : env.store.tryOpenBlob(options.diffId);
  const digests = fd === undefined ? undefined : hashTar(fd, size, cuts);
  const early = env.early && new EarlyLayer(env.early);
  try {
    const made = await compressLayer({ ...options, digests, onPiece: early?.take });
    await early?.end(made);
    return made;
  } finally {
    early?.abort();
    await digests?.close();
    if (fd !== undefined) closeSync(fd);
  }
}

function progressOf(env: OutputEnv, codec: Codec): (done: number) => void {
  let before = 0;
  return (done) => {
    env.onProgress?.(`compressing layers with ${codec}`, done - before);
    before = done;
  };
}

function readExactly(content: LayerContent, offset: number, length: number, diffId: Digest): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let at = 0; at < length; ) {
    const got = content.read(bytes, at, length - at, offset + at);
    if (got === 0) {
      throw new NacreError("CONTENT_INVALID", `the layer ${diffId} is cut short in the store`, {
        hint: "find what else is damaged with: nacre check",
      });
    }
    at += got;
  }
  return bytes;
}

/** Digest and size of a compressed layer, and what it is put together from. */
interface Note extends CompressedParts {
  readonly digest: Digest;
  readonly size: number;
}

function encodeNote({ digest, size, keys, lengths, end }: Note): Buffer {
  return Buffer.from(JSON.stringify({ digest, size, keys, lengths, end: end.toString("hex") }));
}

/** The note, or undefined if there is none or it was made for other cuts. The store has verified its bytes. */
function readNote(bytes: Buffer | undefined, cuts: number): Note | undefined {
  if (bytes === undefined) return undefined;
  const { end, ...note } = JSON.parse(bytes.toString()) as Omit<Note, "end"> & { readonly end: string };
  if (!isDigest(note.digest) || note.keys.length !== Math.max(cuts, 1)) return undefined;
  return { ...note, end: Buffer.from(end, "hex") };
}
