/**
 * The part of pulling that asks the registry: manifests and configs first, then all layers that are wanted, and nothing
 * that the store has. Documents go into the store as they come; layers follow while the lease keeps everything.
 */
import { type Image, type ImageLayer, loadImage, pairLayers } from "../image/image.js";
import { checkHardLinks } from "../image/layers.js";
import type { Digest } from "../oci/digest.js";
import { type Descriptor, type ImageIndex, MAX_CONFIG_BYTES, type Manifest, parseConfig } from "../oci/documents.js";
import { isIndexType, isManifestType } from "../oci/mediaTypes.js";
import type { Lease, Store } from "../store/store.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { Emit } from "../support/events.js";
import { sha256Hex } from "../support/hash.js";
import { assertImage, isImage } from "./imageManifest.js";
import { interruptible, reasonOf } from "./interruptible.js";
import { chooseImage } from "./platformChoice.js";
import { type PulledLayer, pullLayer } from "./pullLayer.js";
import { platformWarnings, type WantedImages } from "./pullLocal.js";
import { fetchDocument, type WantedDocument } from "./resolve.js";
import { runTogether } from "./runTogether.js";
import type { RepositoryClient } from "./types.js";

/** Most image indexes that may lie within each other. */
const MAX_DEPTH = 4;
/** Most manifests, indexes and configs of one pull, and their bytes: an index may list thousands. */
const MAX_DOCUMENTS = 2000;
const MAX_DOCUMENT_BYTES = 64 << 20;

/** What is to be fetched. */
export interface FetchRequest {
  /** What the reference stands for. */
  readonly digest: Digest;
  /** The image as people see it, for messages. */
  readonly name: string;
  readonly wanted: WantedImages;
  readonly jobs: number;
  readonly lease: Lease;
  readonly emit: Emit;
  readonly now: () => number;
  readonly signal: AbortSignal | undefined;
  readonly onResolved?: ((descriptor: Descriptor) => void) | undefined;
}

/** What was fetched. Nothing refers to it yet. */
export interface FetchedImage {
  /** What the name stands for. */
  readonly descriptor: Descriptor;
  /** What a reference is to point at. */
  readonly stored: Descriptor;
  readonly image: Image;
  readonly layers: readonly PulledLayer[];
  readonly warnings: readonly string[];
}

/**
 * Fetches an image, or all that an image index lists.
 * @throws NacreError as {@link pullImage}
 */
export async function fetchImage(store: Store, client: RepositoryClient, request: FetchRequest): Promise<FetchedImage> {
  const fetch = new Fetch(store, client, request);
  const { descriptor, stored } = await fetch.documents();
  request.onResolved?.(descriptor);
  const layers = await fetch.content();
  const image = loadImage(store, stored, fetch.choice());
  const warnings = platformWarnings(image.config, request.wanted, request.name);
  for (const message of warnings)
    request.emit({ type: "warning", rule: "PlatformMismatch", message, time: request.now() });
  return { descriptor, stored, image, layers, warnings };
}

class Fetch {
  readonly #store: Store;
  readonly #client: RepositoryClient;
  readonly #request: FetchRequest;
  /** The layers of each image, lowest first. */
  readonly #images: (readonly ImageLayer[])[] = [];
  /** What artifacts beside the images hold: kept, not understood. */
  readonly #others = new Map<Digest, Descriptor>();
  readonly #seen = new Set<Digest>();
  #bytes = 0;
  /** False once an index has been seen without an image for the platform. */
  #hasPlatform = true;

  constructor(store: Store, client: RepositoryClient, request: FetchRequest) {
    this.#store = store;
    this.#client = client;
    this.#request = request;
  }

  /** Fetches manifests and configs. */
  async documents(): Promise<{ readonly descriptor: Descriptor; readonly stored: Descriptor }> {
    const { digest, wanted } = this.#request;
    const top = await this.#document({ digest });
    let here = top;
    for (let depth = 0; here.document.kind === "index" && !wanted.all; depth++) {
      assertDepth(depth, this.#request.name);
      const { index } = here.document;
      here = await this.#document(chooseImage(index, wanted.platform, here.descriptor, this.#request.name));
    }
    if (here.document.kind === "index") await this.#index(here.document.index, here.descriptor, 0);
    else await this.#image(here.document.manifest);
    this.#put(here.bytes);
    if (this.#images.length === 0) throw noImages(this.#request.name);
    const { mediaType, size, platform } = here.descriptor;
    const stored = { mediaType, digest: here.descriptor.digest, size, ...(platform ? { platform } : {}) };
    return { descriptor: { mediaType: top.descriptor.mediaType, digest, size: top.descriptor.size }, stored };
  }

  /** Fetches layers, each digest once. If one fails, the others stop. */
  async content(): Promise<PulledLayer[]> {
    const layers = new Map<Digest, ImageLayer>();
    for (const layer of this.#images.flat()) layers.set(layer.descriptor.digest, layer);
    const outcomes = new Map<Digest, PulledLayer>();
    const { jobs, signal: outer, lease, emit, now } = this.#request;
    // The biggest first: what is left at the end is short then.
    const bySize = [...layers.values()].sort((a, b) => b.descriptor.size - a.descriptor.size);
    const pulling = bySize.map((layer) => async (signal: AbortSignal) => {
      const setting = { store: this.#store, client: this.#client, lease, emit, now, signal };
      outcomes.set(layer.descriptor.digest, { ...layer, outcome: await pullLayer(setting, layer) });
    });
    const others = [...this.#others.values()].filter(({ digest }) => !layers.has(digest));
    const copying = others.map((other) => (signal: AbortSignal) => this.#copy(other, signal));
    await runTogether(jobs, outer, [...pulling, ...copying]);
    for (const image of this.#images) await checkHardLinks(this.#store, image);
    return [...layers.keys()].map((digest) => outcomes.get(digest)!);
  }

  /** The platform for which there is an image; undefined if any must do. */
  choice(): WantedImages["platform"] | undefined {
    return this.#hasPlatform ? this.#request.wanted.platform : undefined;
  }

  /** All that an index lists. */
  async #index(index: ImageIndex, descriptor: Descriptor, depth: number): Promise<void> {
    const { name, wanted } = this.#request;
    assertDepth(depth, name);
    if (depth === 0) this.#hasPlatform = hasImage(index, wanted, descriptor, name);
    for (const entry of index.manifests) {
      if (this.#seen.has(entry.digest)) continue;
      if (!isManifestType(entry.mediaType) && !isIndexType(entry.mediaType)) {
        this.#others.set(entry.digest, entry);
        continue;
      }
      const { document, bytes, descriptor: below } = await this.#document(entry);
      if (document.kind === "index") await this.#index(document.index, below, depth + 1);
      else if (isImage(document.manifest)) await this.#image(document.manifest);
      else await this.#artifact(document.manifest);
      this.#put(bytes);
    }
  }

  async #image(manifest: Manifest): Promise<void> {
    const { name } = this.#request;
    assertImage(manifest, name);
    const bytes = await this.#small(manifest.config);
    const what = `config of ${name}`;
    const layers = pairLayers(manifest, parseConfig(bytes, `the ${what}`), what);
    this.#assertOneMeaning(layers);
    this.#images.push(layers);
    this.#put(bytes);
  }

  /** Attestations and the like. */
  async #artifact(manifest: Manifest): Promise<void> {
    for (const part of [manifest.config, ...manifest.layers]) this.#others.set(part.digest, part);
  }

  /** A blob stands for one layer: it cannot decompress to two contents. */
  #assertOneMeaning(layers: readonly ImageLayer[]): void {
    const known = new Map(this.#images.flat().map(({ descriptor, diffId }) => [descriptor.digest, diffId]));
    for (const { descriptor, diffId } of layers) {
      const other = known.get(descriptor.digest) ?? diffId;
      if (other !== diffId) {
        throw new NacreError(
          "CONTENT_INVALID",
          `${this.#request.name} says of the layer ${descriptor.digest} that its content is ${other}, and that it is ${diffId}`,
          { hint: "the image is damaged: push it again" },
        );
      }
      known.set(descriptor.digest, diffId);
    }
  }

  async #document(wanted: WantedDocument) {
    this.#assertRunning();
    this.#request.lease.protect([wanted.digest]);
    const fetched = await fetchDocument(this.#store, this.#client, wanted, this.#request.name);
    this.#seen.add(wanted.digest);
    this.#count(fetched.bytes.length);
    return fetched;
  }

  /** A config, bounded and verified. */
  async #small(descriptor: Descriptor): Promise<Buffer> {
    const { digest, size } = descriptor;
    const { name, lease } = this.#request;
    lease.protect([digest]);
    if (size > MAX_CONFIG_BYTES) {
      throw new NacreError("LIMIT_EXCEEDED", `the config of ${name} has ${size} bytes`, {
        hint: `at most ${MAX_CONFIG_BYTES} are read`,
      });
    }
    this.#count(size);
    if (this.#store.blobSize(digest) === size) return this.#store.readBlob(digest, MAX_CONFIG_BYTES);
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of this.#client.blob(descriptor)) {
      this.#assertRunning();
      length += chunk.length;
      if (length > size) break;
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    if (length === size && `sha256:${sha256Hex(bytes)}` === digest) return bytes;
    throw new NacreError("CONTENT_INVALID", `the config of ${name} is not what its manifest says: ${digest}`, {
      hint: "the registry, or something on the way, is faulty: try again",
      facts: { digest, size, length },
    });
  }

  async #copy(descriptor: Descriptor, signal: AbortSignal): Promise<void> {
    const { digest, size } = descriptor;
    this.#request.lease.protect([digest]);
    if (this.#store.blobSize(digest) === size) return;
    const blob = this.#store.createBlob();
    try {
      let length = 0;
      for await (const chunk of interruptible(this.#client.blob(descriptor), signal)) {
        length += chunk.length;
        if (length > size) break;
        blob.write(chunk);
      }
      if (length !== size) throw new NacreError("CONTENT_INVALID", `the blob ${digest} has not ${size} bytes`);
      await blob.commit(digest);
    } catch (error) {
      blob.abort();
      throw error;
    }
  }

  #put(bytes: Buffer): void {
    this.#store.putBlob(bytes);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#seen.size <= MAX_DOCUMENTS && this.#bytes <= MAX_DOCUMENT_BYTES) return;
    throw new NacreError("LIMIT_EXCEEDED", `${this.#request.name} lists too many images`, {
      hint: "pull those that you need one by one, with --platform",
    });
  }

  #assertRunning(): void {
    const { signal } = this.#request;
    if (signal?.aborted) throw reasonOf(signal);
  }
}

function hasImage(index: ImageIndex, { platform }: WantedImages, descriptor: Descriptor, name: string): boolean {
  try {
    chooseImage(index, platform, descriptor, name);
    return true;
  } catch (error) {
    if (isNacreError(error) && error.code === "IMAGE_NOT_FOUND") return false;
    throw error;
  }
}

function assertDepth(depth: number, name: string): void {
  if (depth < MAX_DEPTH) return;
  throw new NacreError("CONTENT_INVALID", `${name} nests image indexes more than ${MAX_DEPTH} deep`, {
    hint: "do not trust this image",
  });
}

function noImages(name: string): NacreError {
  return new NacreError("CONTENT_INVALID", `${name} is an index without any container image`, {
    hint: "use the tool that its artifacts were made with",
  });
}
