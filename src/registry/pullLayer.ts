/**
 * One layer from a registry into the store, in one pass: its bytes are written and hashed as they come, decompressed,
 * hashed again and indexed. What the store has is not asked for; what an interrupted download has left is used.
 */
import { createReadStream, existsSync, rmSync, statSync } from "node:fs";
import type { ImageLayer } from "../image/image.js";
import { storeLayer } from "../image/layers.js";
import { type Digest, hexOf, shortDigest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import { sourcePath, useSource } from "../store/sources.js";
import type { LayerBlob, Lease, Store } from "../store/store.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { Emit } from "../support/events.js";
import { interruptible } from "./interruptible.js";
import { KnownBlob, PartialLayer } from "./partialLayer.js";
import type { RepositoryClient } from "./types.js";

/** Layers of this many bytes and more are worth keeping when their download is interrupted. */
const KEEP_FROM = 4 << 20;
/** Milliseconds between two events about the progress of one layer. */
const PROGRESS_INTERVAL = 50;

/** How a layer came into the store. */
export type LayerOutcome = "exists" | "downloaded";

/** A layer of a pulled image. */
export interface PulledLayer extends ImageLayer {
  readonly outcome: LayerOutcome;
}

/** What the layers of one pull share. */
export interface LayerSetting {
  readonly store: Store;
  readonly client: RepositoryClient;
  readonly lease: Lease;
  readonly emit: Emit;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/**
 * Brings a layer into the store, unless it is there.
 * @throws NacreError CONTENT_INVALID, TAR_INVALID, COMPRESSION, LIMIT_EXCEEDED: nothing of it is kept; STORE, DISK_FULL,
 *   CANCELLED and what the client throws: what has come of it is kept for the next time
 */
export async function pullLayer(setting: LayerSetting, layer: ImageLayer): Promise<LayerOutcome> {
  const { lease, emit, now, signal } = setting;
  const { digest } = layer.descriptor;
  const id = `layer:${digest}`;
  emit({ type: "start", id, name: shortDigest(digest), time: now() });
  try {
    lease.protect([digest, layer.diffId]);
    // What a killed download has left is cleared away under its lock, though the layer be there.
    const isLeft = existsSync(sourcePath(setting.store, "layer", hexOf(digest)));
    const work = async (): Promise<LayerOutcome> =>
      !isLeft && (await fromStore(setting, layer)) ? "exists" : download(setting, layer, id);
    const outcome = await work().catch((error: unknown) => {
      throw named(error, setting.client, digest);
    });
    emit({ type: "end", id, outcome: outcome === "exists" ? "cached" : "done", time: now() });
    return outcome;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const end = signal.aborted ? { outcome: "cancelled" as const } : { outcome: "error" as const, error: message };
    emit({ type: "end", id, ...end, time: now() });
    throw error;
  }
}

/** What cannot be unpacked does not say by itself whose bytes it is about. */
function named(error: unknown, { host, repository }: RepositoryClient, digest: Digest): unknown {
  if (!isNacreError(error) || (error.code !== "COMPRESSION" && error.code !== "TAR_INVALID")) return error;
  return new NacreError(error.code, `the layer ${digest} of ${host}/${repository} is damaged: ${error.message}`, {
    hint: "it may have been changed on the way: try again; if it stays so, the image was pushed like that",
    facts: { ...error.facts, digest },
    cause: error,
  });
}

/** True if nothing is left to be done for the layer: its blob, and the index of it, are in the store. */
export function hasLayer(store: Store, { descriptor, diffId }: ImageLayer): boolean {
  if (store.blobSize(descriptor.digest) !== descriptor.size || !store.hasIndex(diffId)) return false;
  return store.layerBlobs(diffId).some(({ digest }) => digest === descriptor.digest);
}

/** Makes what is missing of a layer from what the store has of it. @returns false if that is not enough */
async function fromStore(setting: LayerSetting, layer: ImageLayer): Promise<boolean> {
  const { store } = setting;
  if (hasLayer(store, layer)) return true;
  const { descriptor, diffId } = layer;
  if (store.blobSize(descriptor.digest) === descriptor.size) {
    const bytes = interruptible(readBlob(store, descriptor), setting.signal);
    await storeLayer(store, bytes, descriptor, descriptor.mediaType, diffId, new KnownBlob());
    return true;
  }
  // A compressed blob holds the uncompressed one; the other way round the bytes would be others.
  const [other] = descriptor.digest === diffId ? store.layerBlobs(diffId) : [];
  return other !== undefined && decodeOther(setting, layer, other);
}

async function decodeOther(setting: LayerSetting, layer: ImageLayer, other: LayerBlob): Promise<boolean> {
  const { store, signal } = setting;
  const { decompressStream } = await import("../layer/decompress.js");
  const bytes = decompressStream(interruptible(readBlob(store, other), signal));
  try {
    await storeLayer(store, bytes, layer.descriptor, layer.descriptor.mediaType, layer.diffId);
    return true;
  } catch (error) {
    // A damaged blob of another image is that image's affair.
    if (isWrongContent(error)) return false;
    throw error;
  }
}

function readBlob(store: Store, { digest }: Pick<Descriptor, "digest">): AsyncIterable<Buffer> {
  return createReadStream("", { fd: store.openBlob(digest), highWaterMark: 256 << 10 });
}

async function download(setting: LayerSetting, layer: ImageLayer, id: string): Promise<LayerOutcome> {
  const { store, client, signal } = setting;
  const { descriptor, diffId } = layer;
  if (descriptor.size < KEEP_FROM) {
    await storeLayer(store, received(setting, descriptor, id), descriptor, descriptor.mediaType, diffId);
    return "downloaded";
  }
  const label = `${client.host}/${client.repository}@${descriptor.digest}`;
  const work = async (directory: string): Promise<LayerOutcome> => {
    // Another process may have been at it while this one waited for its turn.
    try {
      return (await fromStore(setting, layer)) ? "exists" : await resume(setting, layer, directory, id);
    } finally {
      const left = statSync(`${directory}/content`, { throwIfNoEntry: false })?.size ?? 0;
      if (left === 0 || hasLayer(store, layer)) rmSync(directory, { recursive: true, force: true });
    }
  };
  return useSource(store, "layer", hexOf(descriptor.digest), label, work, signal);
}

/** Downloads what is missing of a layer; if what is there turns out to be wrong, all of it, once. */
async function resume(
  setting: LayerSetting,
  { descriptor, diffId }: ImageLayer,
  directory: string,
  id: string,
): Promise<LayerOutcome> {
  const path = `${directory}/content`;
  for (;;) {
    const part = new PartialLayer(setting.store, path, descriptor.size);
    try {
      const source = received(setting, descriptor, id, part);
      await storeLayer(setting.store, source, descriptor, descriptor.mediaType, diffId, part);
      return "downloaded";
    } catch (error) {
      if (!isWrongContent(error)) throw error;
      rmSync(path, { force: true });
      if (part.found === 0) throw error;
    }
  }
}

/** True if the bytes are to blame: then none of them are worth keeping. */
function isWrongContent(error: unknown): boolean {
  const codes: readonly string[] = ["CONTENT_INVALID", "COMPRESSION", "TAR_INVALID", "LIMIT_EXCEEDED"];
  return isNacreError(error) && codes.includes(error.code);
}

/** The bytes of a layer, those that are there first, telling how many have come. */
async function* received(
  { client, emit, now, signal }: LayerSetting,
  descriptor: Descriptor,
  id: string,
  part?: PartialLayer,
): AsyncGenerator<Buffer> {
  const total = descriptor.size;
  let current = 0;
  let told = now();
  for await (const chunk of interruptible(bytesOf(client, descriptor, part), signal)) {
    yield chunk;
    current += chunk.length;
    if (current < total && now() - told < PROGRESS_INTERVAL) continue;
    told = now();
    emit({ type: "progress", id, current, total, unit: "bytes", time: told });
  }
}

async function* bytesOf(
  client: RepositoryClient,
  descriptor: Descriptor,
  part: PartialLayer | undefined,
): AsyncGenerator<Buffer> {
  if (part === undefined) return yield* client.blob(descriptor);
  yield* part.kept();
  if (part.found < descriptor.size) yield* client.blob(descriptor, { offset: part.found });
}
