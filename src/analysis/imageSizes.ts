/** Measuring images of a store by one of three models, what several share counted once where it has to be. */
import { layerContent } from "../image/catalog.js";
import type { ImageLayer } from "../image/image.js";
import { type Digest, hexOf } from "../oci/digest.js";
import type { Store } from "../store/store.js";
import { isNacreError } from "../support/errors.js";

/** How sizes are counted; see imageList.ts. */
export type SizeModel = "content" | "unpacked" | "disk";

/** A thing that takes room, and is shared where two images have the same one. */
export type SizedPart =
  | { readonly kind: "blob"; readonly digest: Digest; readonly size?: number | undefined }
  /** Its regular files; on disk, other forms of it than the blob that the manifest names. */
  | { readonly kind: "layer"; readonly layer: ImageLayer }
  /** A directory that is named after a diffID or chainID. */
  | { readonly kind: "snapshot"; readonly of: Digest };

/** Sizes of one image. */
export interface MeasuredImage {
  readonly size?: number;
  readonly sharedSize?: number;
  readonly uniqueSize?: number;
}

/** Sizes of the images of a store; see the top of this file. */
export class ImageSizes {
  readonly model: SizeModel;
  readonly #store: Store;
  /** Bytes of each part, by its key; undefined where it cannot be measured. */
  readonly #bytes = new Map<string, Promise<number | undefined>>();
  readonly #images = new Map<Digest, ReadonlyMap<string, number>>();
  readonly #users = new Map<string, number>();
  #snapshots: ReadonlyMap<string, number> | undefined;

  constructor(store: Store, model: SizeModel) {
    this.#store = store;
    this.model = model;
  }

  /** Takes note of an image and of what it is made of. */
  async count(image: Digest, parts: readonly SizedPart[]): Promise<void> {
    const times = new Map<string, number>();
    for (const part of parts) {
      const key = this.#keyOf(part);
      times.set(key, (times.get(key) ?? 0) + 1);
      this.#measure(key, part);
    }
    this.#images.set(image, times);
    for (const key of times.keys()) this.#users.set(key, (this.#users.get(key) ?? 0) + 1);
  }

  /** The sizes of an image that has been counted; nothing where they are not known. */
  async of(image: Digest): Promise<MeasuredImage> {
    const times = this.#images.get(image);
    if (times === undefined || times.size === 0) return {};
    let [size, shared] = [0, 0];
    for (const [key, count] of times) {
      const bytes = await this.#bytes.get(key);
      if (bytes === undefined) return {};
      // A layer that an image has twice is there twice for Docker, and once on disk.
      const counted = this.model === "unpacked" ? bytes * count : bytes;
      size += counted;
      if (this.#users.get(key)! > 1) shared += counted;
    }
    return { size, sharedSize: shared, uniqueSize: size - shared };
  }

  /** Bytes of some images together, each part once. */
  async together(images: readonly Digest[]): Promise<number> {
    const keys = new Set(images.flatMap((image) => [...(this.#images.get(image)?.keys() ?? [])]));
    let total = 0;
    for (const key of keys) total += (await this.#bytes.get(key)) ?? 0;
    return total;
  }

  /** Bytes of some parts; undefined where one cannot be measured. */
  async sum(parts: readonly SizedPart[]): Promise<number | undefined> {
    let total = 0;
    for (const part of parts) {
      const bytes = await this.#measure(this.#keyOf(part), part);
      if (bytes === undefined) return undefined;
      total += bytes;
    }
    return total;
  }

  #keyOf(part: SizedPart): string {
    if (part.kind === "blob") return part.digest;
    return part.kind === "layer" ? `layer:${part.layer.diffId}` : `snapshot:${part.of}`;
  }

  #measure(key: string, part: SizedPart): Promise<number | undefined> {
    let bytes = this.#bytes.get(key);
    if (bytes === undefined) {
      bytes = this.#bytesOf(part);
      this.#bytes.set(key, bytes);
    }
    return bytes;
  }

  async #bytesOf(part: SizedPart): Promise<number | undefined> {
    if (part.kind === "blob") return this.model === "disk" ? (this.#store.blobSize(part.digest) ?? 0) : part.size;
    if (part.kind === "snapshot") {
      this.#snapshots ??= snapshotSizes(this.#store);
      return this.#snapshots.get(hexOf(part.of)) ?? 0;
    }
    if (this.model === "disk") return this.#beside(part.layer);
    try {
      return (await layerContent(this.#store, part.layer)).size;
    } catch (error) {
      if (isNacreError(error)) return undefined;
      throw error;
    }
  }

  #beside({ diffId, descriptor }: ImageLayer): number {
    const blobs = this.#store.layerBlobs(diffId).filter(({ digest }) => digest !== descriptor.digest);
    return blobs.reduce((sum, { size }) => sum + size, 0);
  }
}

/** Bytes of snapshots by the hex digits in their names: those of a diffID, or of a chain. */
function snapshotSizes(store: Store): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const name of store.snapshots.names()) {
    const bytes = store.snapshots.read(name)?.bytes ?? 0;
    const hex = name.slice(name.indexOf(".") + 1);
    sizes.set(hex, (sizes.get(hex) ?? 0) + bytes);
  }
  return sizes;
}
