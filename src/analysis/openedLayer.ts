/** A layer of an opened image: its index from the store or from one pass over its blob, and the contents of its files. */
import type { ImageSource } from "../image/imageSource.js";
import { storedBlob } from "../image/storedBlob.js";
import { decompressStream } from "../layer/decompress.js";
import { LayerIndexer } from "../layer/indexTar.js";
import { LayerIndex } from "../layer/layerIndex.js";
import { type DiffId, type Digest, digestOfHex, shortDigest } from "../oci/digest.js";
import type { Descriptor, HistoryEntry } from "../oci/documents.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { Outcome } from "../support/events.js";
import { createHasher } from "../support/hash.js";
import { isEncryptedType, isForeignType, isLayerType, statsOf } from "./layerFacts.js";
import { type LazyLayer, rangedBlob } from "./rangedBlob.js";
import { openLazyLayer } from "./remoteFile.js";
import { contentOf, ForwardReader, storedBytes } from "./tarReading.js";
import type { FilePlace, ImageWorld, LayerObstacle, LayerStats, OpenedLayer, TocFacts, TocTrust } from "./types.js";

/** Milliseconds between two events about the progress of one layer. */
const PROGRESS_INTERVAL = 50;

/** What a layer is made of. */
export interface LayerParts {
  readonly number: number;
  readonly descriptor: Descriptor;
  readonly diffId: DiffId;
  readonly chainId: Digest;
  readonly history: HistoryEntry | undefined;
  readonly isRemote: boolean;
  readonly tocTrust: TocTrust;
}

/** See {@link OpenedLayer}. */
export class SourceLayer implements OpenedLayer {
  readonly number: number;
  readonly descriptor: Descriptor;
  readonly diffId: DiffId;
  readonly chainId: Digest;
  readonly history: HistoryEntry | undefined;
  readonly isRemote: boolean;
  readonly isForeign: boolean;
  readonly isEncrypted: boolean;
  readonly #tocTrust: TocTrust;
  readonly #source: ImageSource;
  readonly #world: ImageWorld;
  #known: LayerIndex | undefined;
  #stats: LayerStats | undefined;
  #making: Promise<LayerIndex> | undefined;
  #lazy: Promise<LazyLayer | undefined> | undefined;
  /** Set once its index was given out: places come from there. */
  #inUse: LazyLayer | undefined;

  constructor(parts: LayerParts, source: ImageSource, world: ImageWorld) {
    this.number = parts.number;
    this.descriptor = parts.descriptor;
    this.diffId = parts.diffId;
    this.chainId = parts.chainId;
    this.history = parts.history;
    this.isRemote = parts.isRemote;
    this.#tocTrust = parts.tocTrust;
    this.isForeign = isForeignType(parts.descriptor.mediaType);
    this.isEncrypted = isEncryptedType(parts.descriptor.mediaType);
    this.#source = source;
    this.#world = world;
  }

  get obstacle(): LayerObstacle | undefined {
    if (this.isEncrypted) return "encrypted";
    if (!isLayerType(this.descriptor.mediaType)) return "media-type";
    // What must not be distributed is looked for where the manifest is, and nowhere else.
    return this.isForeign && this.isRemote ? "foreign" : undefined;
  }

  hasIndex(): boolean {
    return this.#known !== undefined || (this.#world.store?.hasIndex(this.diffId) ?? false);
  }

  knownIndex(): LayerIndex | undefined {
    if (this.#known !== undefined) return this.#known;
    const bytes = this.#world.store?.readIndex(this.diffId);
    if (bytes === undefined) return undefined;
    try {
      this.#known = LayerIndex.decode(bytes);
    } catch {
      // Derived data: it can be made again.
    }
    return this.#known;
  }

  get toc(): TocFacts | undefined {
    return this.#inUse?.facts;
  }

  async index(): Promise<LayerIndex> {
    if (this.#inUse !== undefined) return this.#inUse.index;
    const known = this.knownIndex();
    if (known !== undefined) return known;
    this.#inUse = await this.#lazyLayer();
    if (this.#inUse !== undefined) return this.#inUse.index;
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  knownStats(): LayerStats | undefined {
    if (this.#stats !== undefined) return this.#stats;
    const held = this.#known !== undefined;
    const index = this.knownIndex();
    if (index !== undefined) this.#stats = statsOf(index);
    // Asked for numbers only, there is no reason to hold the index.
    if (!held) this.#known = undefined;
    return this.#stats;
  }

  async stats(): Promise<LayerStats> {
    const known = this.knownStats();
    if (known !== undefined) return known;
    this.#stats = statsOf(await this.index());
    return this.#stats;
  }

  forget(): void {
    this.#known = undefined;
  }

  async *read(place: FilePlace): AsyncGenerator<Buffer> {
    const lazy = await this.#lazyFor([place]);
    if (lazy !== undefined) return yield* lazy.read(place);
    const reader = await this.#readerFrom(place.offset);
    try {
      yield* contentOf(place, reader.take(place.offset, storedBytes(place)));
    } finally {
      await reader.close();
    }
  }

  async *readMany<P extends FilePlace>(
    places: readonly P[],
  ): AsyncGenerator<{ place: P; content: AsyncIterable<Buffer> }> {
    const ordered = [...places].sort((a, b) => a.offset - b.offset);
    if (ordered.length === 0) return;
    const lazy = await this.#lazyFor(ordered);
    if (lazy !== undefined) return yield* lazy.readMany(ordered);
    const reader = await this.#readerFrom(ordered[0]!.offset);
    let end = 0;
    try {
      for (const place of ordered) {
        // Names of one inode share their content: it is read again for each.
        if (place.offset < end) {
          yield { place, content: this.read(place) };
          continue;
        }
        const content = contentOf(place, reader.take(place.offset, storedBytes(place)));
        end = place.offset + storedBytes(place);
        yield { place, content };
        await content.return(undefined);
      }
    } finally {
      await reader.close();
    }
  }

  /** What compares the whole tar with the diffID; readers of single files end it early and compare by themselves. */
  async *tar(): AsyncGenerator<Buffer> {
    const hasher = createHasher();
    for await (const chunk of this.#unpacked()) {
      hasher.update(chunk);
      yield chunk;
    }
    this.#assertDiffId(digestOfHex(hasher.hex()));
  }

  async blobRange(offset: number, length: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let left = Math.max(0, Math.min(length, this.descriptor.size - offset));
    if (left === 0) return Buffer.alloc(0);
    for await (const chunk of this.#source.blob(this.descriptor).open(offset, left)) {
      chunks.push(Buffer.from(chunk.subarray(0, left)));
      left -= Math.min(left, chunk.length);
      if (left === 0) break;
    }
    return Buffer.concat(chunks);
  }

  #lazyLayer(): Promise<LazyLayer | undefined> {
    if (!this.isRemote || this.obstacle !== undefined || this.#hasStored()) return Promise.resolve(undefined);
    const blob = rangedBlob(this.#source, this.descriptor, this.diffId);
    this.#lazy ??= openLazyLayer(blob, this.#tocTrust, (message) => this.#warn("TableOfContents", message));
    return this.#lazy;
  }

  /** The table of contents where these are to be read by it: it has all of them, and the layer is not at hand. */
  async #lazyFor(places: readonly FilePlace[]): Promise<LazyLayer | undefined> {
    const lazy = this.#inUse ?? (await this.#lazyLayer());
    return lazy !== undefined && places.every((place) => lazy.has(place)) ? lazy : undefined;
  }

  /** One pass over the blob: decompressed, indexed, compared with blob digest and diffID. */
  async #make(): Promise<LayerIndex> {
    const indexer = new LayerIndexer();
    try {
      for await (const chunk of this.#unpacked()) indexer.write(chunk);
    } catch (error) {
      throw this.#named(error);
    }
    const { index, diffId } = this.#ended(indexer);
    this.#assertDiffId(diffId);
    this.#known = index;
    this.#keep(index);
    return index;
  }

  #ended(indexer: LayerIndexer): ReturnType<LayerIndexer["end"]> {
    try {
      return indexer.end();
    } catch (error) {
      throw this.#named(error);
    }
  }

  /** The index is a convenience: a store that cannot take it is no reason to fail. */
  #keep(index: LayerIndex): void {
    const { store } = this.#world;
    if (store === undefined || store.directory.readOnly) return;
    try {
      store.writeIndex(this.diffId, index.encode());
    } catch (error) {
      if (!isNacreError(error)) throw error;
      this.#warn("IndexNotKept", `the index of layer ${shortDigest(this.diffId)} cannot be kept: ${error.message}`);
    }
  }

  #warn(rule: string, message: string): void {
    this.#world.emit?.({ type: "warning", rule, message, time: this.#now() });
  }

  #now(): number {
    return (this.#world.now ?? Date.now)();
  }

  /** A reader that stands at or before a position: of what lies uncompressed exactly there. */
  async #readerFrom(offset: number): Promise<ForwardReader> {
    await this.#assertReadable();
    const { store } = this.#world;
    const size = store?.blobSize(this.diffId);
    if (store !== undefined && size !== undefined) {
      return new ForwardReader(storedBlob(store, { digest: this.diffId, size }).open(offset), offset);
    }
    if (this.descriptor.digest === this.diffId) {
      return new ForwardReader(this.#source.blob(this.descriptor).open(offset), offset);
    }
    return new ForwardReader(this.#unpacked());
  }

  /** The uncompressed tar, out of the store if it has any form of the layer. */
  async *#unpacked(): AsyncGenerator<Buffer> {
    await this.#assertReadable();
    const { store } = this.#world;
    const [stored] = store?.layerBlobs(this.diffId) ?? [];
    const blob = stored !== undefined ? storedBlob(store!, stored) : this.#source.blob(this.descriptor);
    yield* decompressStream(this.#watched(blob.open(0), blob.size));
  }

  async *#watched(source: AsyncIterable<Uint8Array>, total: number): AsyncGenerator<Buffer> {
    const { emit, signal } = this.#world;
    const id = `layer:${this.descriptor.digest}`;
    let [current, told] = [0, this.#now()];
    // A reader that has seen enough ends this early, and all is well.
    let outcome: Outcome = "done";
    emit?.({ type: "start", id, name: shortDigest(this.descriptor.digest), time: told });
    try {
      for await (const chunk of source) {
        if (signal?.aborted) throw new NacreError("CANCELLED", "stopped while a layer was being read");
        yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
        current += chunk.length;
        if (current < total && this.#now() - told < PROGRESS_INTERVAL) continue;
        told = this.#now();
        emit?.({ type: "progress", id, current, total, unit: "bytes", time: told });
      }
    } catch (error) {
      outcome = signal?.aborted ? "cancelled" : "error";
      throw error;
    } finally {
      emit?.({ type: "end", id, outcome, time: this.#now() });
    }
  }

  async #assertReadable(): Promise<void> {
    const { mediaType, digest, urls } = this.descriptor;
    const { obstacle } = this;
    const isMissing = async () => !(this.#hasStored() || (await this.#source.has(this.descriptor)));
    if (obstacle === undefined) {
      if (!this.isForeign || !(await isMissing())) return;
    } else if (this.#hasStored()) return;
    const reasons: Readonly<Record<LayerObstacle, string>> = {
      encrypted: "is encrypted",
      "media-type": `is of the type ${mediaType}, which is no layer of files`,
      foreign: `is kept elsewhere than the image${urls?.[0] ? `, at ${urls[0]}` : ""}`,
    };
    throw new NacreError("UNSUPPORTED", `the layer ${shortDigest(digest)} ${reasons[obstacle ?? "foreign"]}`, {
      hint: "its files cannot be looked at; what the manifest and the config say can",
      facts: { digest, mediaType, number: this.number },
    });
  }

  #hasStored(): boolean {
    return (this.#world.store?.layerBlobs(this.diffId).length ?? 0) > 0;
  }

  #assertDiffId(actual: DiffId): void {
    if (actual === this.diffId) return;
    throw new NacreError("CONTENT_INVALID", `the layer ${this.descriptor.digest} has the content ${actual}`, {
      hint: `the image's config says ${this.diffId}: it is damaged; get it again from where it came from`,
      facts: { digest: this.descriptor.digest, expected: this.diffId, actual },
    });
  }

  /** What cannot be unpacked does not say by itself whose bytes it is about. */
  #named(error: unknown): unknown {
    if (!isNacreError(error) || (error.code !== "COMPRESSION" && error.code !== "TAR_INVALID")) return error;
    return new NacreError(error.code, `the layer ${this.descriptor.digest} is damaged: ${error.message}`, {
      ...{ hint: error.hint, facts: { ...error.facts, digest: this.descriptor.digest }, cause: error },
    });
  }
}
