/**
 * Pushing an image of the store. In: an image by name or digest, and the name it is to have in a registry. Out: the image
 * there. Layers that came compressed go as they came, and an image in which nothing has to be compressed keeps its
 * digest; layers that were built here are compressed on the way, from cached blocks.
 */

import { holdImage } from "../image/catalog.js";
import { type Image, loadImage } from "../image/image.js";
import { OpenLayers } from "../image/layers.js";
import type { Digest } from "../oci/digest.js";
import { digestOfHex } from "../oci/digest.js";
import {
  type Descriptor,
  type ImageIndex,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseDocument,
} from "../oci/documents.js";
import { encodeIndex } from "../oci/encode.js";
import { compressionOf, isIndexType, isManifestType, OCI_INDEX, OCI_MANIFEST } from "../oci/mediaTypes.js";
import type { Platform } from "../oci/platform.js";
import type { EarlyBlob } from "../registry/earlyBlob.js";
import { isImage } from "../registry/imageManifest.js";
import { chooseImage } from "../registry/platformChoice.js";
import type { PushDocument } from "../registry/push.js";
import type { Registries } from "../registry/types.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { prepareImage } from "./preparedImage.js";
import { addDocuments } from "./pushBuilt.js";
import { layerPushBlob, storedPushBlob } from "./pushSources.js";
import { type PushDocuments, type PushEnv, type PushedImage, type PushItem, pushToAll } from "./pushTargets.js";
import type { OutputCompression } from "./request.js";

/** How an image is pushed. */
export interface PushOptions extends Omit<PushEnv, "store" | "registries"> {
  /** Of layers that are not compressed yet; default gzip, as other outputs have it. */
  readonly compression?: OutputCompression | undefined;
  /**
   * Publish indexes of the layers that are compressed here, by which files can be read without all of the layer. They are
   * named in the manifest, so that the image gets another digest than without.
   */
  readonly layerIndex?: boolean | undefined;
  /** The one image of an image index; default: all of the index. */
  readonly platform?: Platform | undefined;
  /** Layers are compressed in this many threads. */
  readonly jobs: number;
  /** Told of the bytes compressed since the last call. */
  readonly onCompress?: ((what: string, bytes: number) => void) | undefined;
}

/** Most image indexes that may lie within each other. */
const MAX_DEPTH = 4;
const ATTESTED = "vnd.docker.reference.digest";

/**
 * Pushes an image.
 * @param image what points at it, or a text as {@link holdImage} takes it
 * @param references full or short names, with tags or not
 * @throws NacreError IMAGE_NOT_FOUND, REFERENCE_INVALID, USAGE, CONTENT_INVALID, NETWORK, DENIED, CREDENTIALS, CANCELLED
 */
export async function pushImage(
  store: Store,
  registries: Registries,
  image: Descriptor | string,
  references: readonly string[],
  options: PushOptions,
): Promise<PushedImage[]> {
  const lease = store.acquireLease();
  const opened = new OpenLayers(store);
  try {
    const descriptor = typeof image === "string" ? holdImage(store, lease, image).descriptor : image;
    lease.protect([descriptor.digest]);
    const flaw = store.flawsOf(descriptor)[0];
    if (flaw) {
      throw new NacreError("CONTENT_INVALID", `the image cannot be pushed: ${flaw.message}`, {
        hint: "build, load or pull it again",
        facts: { digest: flaw.digest },
      });
    }
    const chosen = choose(store, descriptor, options.platform, typeof image === "string" ? image : descriptor.digest);
    return await pushToAll(references, { ...options, store, registries }, async (add, early) => {
      const exporter = new StoredExport(store, opened, options, add, early);
      await exporter.document(chosen, 0);
      return exporter.documents;
    });
  } finally {
    opened.close();
    lease.release();
  }
}

/** What is pushed of an image: all, or the one for a platform. */
function choose(store: Store, descriptor: Descriptor, platform: Platform | undefined, name: string): Descriptor {
  let here = descriptor;
  for (let depth = 0; platform !== undefined && isIndexType(here.mediaType) && depth < MAX_DEPTH; depth++) {
    const document = parseDocument(store.readBlob(here.digest, MAX_MANIFEST_BYTES), here.digest);
    if (document.kind === "manifest") break;
    here = chooseImage(document.index, platform, here, name);
  }
  return here;
}

/** Walks through an image, hands over its blobs, and gathers its manifests. */
class StoredExport {
  readonly #store: Store;
  readonly #opened: OpenLayers;
  readonly #options: PushOptions;
  readonly #add: (item: PushItem) => void;
  readonly #early: () => EarlyBlob;
  readonly #documents = new Map<Digest, PushDocument>();

  constructor(
    store: Store,
    opened: OpenLayers,
    options: PushOptions,
    add: (item: PushItem) => void,
    early: () => EarlyBlob,
  ) {
    this.#store = store;
    this.#opened = opened;
    this.#options = options;
    this.#add = add;
    this.#early = early;
  }

  /** So far; children first. */
  get documents(): PushDocuments {
    return [...this.#documents.values()];
  }

  /** @returns what points at it as it is pushed */
  async document(descriptor: Descriptor, depth: number): Promise<Descriptor> {
    if (depth > MAX_DEPTH) {
      throw new NacreError("CONTENT_INVALID", `an image nests image indexes more than ${MAX_DEPTH} deep`);
    }
    const bytes = this.#store.readBlob(descriptor.digest, MAX_MANIFEST_BYTES);
    const document = parseDocument(bytes, descriptor.digest);
    if (document.kind === "index") return this.#index(document.index, bytes, descriptor, depth);
    return this.#manifest(document.manifest, bytes, descriptor);
  }

  async #index(index: ImageIndex, bytes: Buffer, descriptor: Descriptor, depth: number): Promise<Descriptor> {
    const renamed = new Map<string, Digest>();
    const entries: Descriptor[] = [];
    for (const entry of index.manifests) {
      const isDocument = isManifestType(entry.mediaType) || isIndexType(entry.mediaType);
      if (!isDocument) this.#add({ blob: storedPushBlob(this.#store, entry) });
      const pushed = isDocument ? await this.document(entry, depth + 1) : entry;
      if (pushed.digest !== entry.digest) renamed.set(entry.digest, pushed.digest);
      entries.push(pushed);
    }
    if (renamed.size === 0) return this.#keep(descriptor, index.mediaType ?? OCI_INDEX, bytes);
    const manifests = entries.map((entry) => withSubject(entry, renamed));
    return this.#keep(descriptor, OCI_INDEX, encodeIndex({ ...index, mediaType: OCI_INDEX, manifests }));
  }

  async #manifest(manifest: Manifest, bytes: Buffer, descriptor: Descriptor): Promise<Descriptor> {
    if (!isImage(manifest)) {
      for (const part of [manifest.config, ...manifest.layers]) {
        this.#add({
          blob: storedPushBlob(this.#store, part),
          ...(part === manifest.config ? {} : { id: part.digest }),
        });
      }
      return this.#keep(descriptor, manifest.mediaType ?? OCI_MANIFEST, bytes, manifest.subject?.digest);
    }
    const image = loadImage(this.#store, descriptor);
    if (manifest.layers.some((layer) => this.#changes(layer))) return this.#recompress(image, descriptor);
    for (const layer of image.layers) {
      this.#add({ blob: storedPushBlob(this.#store, layer.descriptor), id: layer.diffId });
    }
    this.#add({ blob: storedPushBlob(this.#store, manifest.config) });
    return this.#keep(descriptor, manifest.mediaType ?? OCI_MANIFEST, bytes, manifest.subject?.digest);
  }

  async #recompress(image: Image, descriptor: Descriptor): Promise<Descriptor> {
    const { jobs, signal, onCompress, layerIndex } = this.#options;
    const annotations = new Map<string, string>();
    const form = { compression: this.#compression, rewriteTimestamp: false, annotations, layerIndex };
    const env = {
      store: this.#store,
      names: [],
      created: "",
      newLayers: new Set<Digest>(),
      jobs,
      early: this.#early,
      signal,
      onProgress: onCompress,
    };
    const prepared = await prepareImage(form, image, this.#opened, env, (exported, layer) =>
      this.#add({ blob: layerPushBlob(exported), id: layer.diffId }),
    );
    for (const document of addDocuments(prepared, this.#add)) this.#documents.set(document.digest, document);
    const { mediaType, digest, size } = prepared.manifest.descriptor;
    return { ...descriptor, mediaType, digest, size };
  }

  #keep(descriptor: Descriptor, mediaType: string, bytes: Buffer, subject?: Digest): Descriptor {
    const digest = digestOfHex(sha256Hex(bytes));
    this.#documents.set(digest, { mediaType, digest, bytes, subject });
    return { ...descriptor, mediaType, digest, size: bytes.length };
  }

  get #compression(): OutputCompression {
    return this.#options.compression ?? { type: "gzip", force: false };
  }

  /** True for layers that are not pushed as they are, or not without more. */
  #changes({ mediaType }: Descriptor): boolean {
    const { type, force } = this.#compression;
    const present = compressionOf(mediaType);
    if (this.#options.layerIndex && present === "none") return true;
    return present !== type && (present === "none" || force);
  }
}

/** An entry that speaks about another one (BuildKit's attestations), whose digest has changed. */
function withSubject(entry: Descriptor, renamed: ReadonlyMap<string, Digest>): Descriptor {
  const digest = renamed.get(entry.annotations?.[ATTESTED] ?? "");
  return digest === undefined ? entry : { ...entry, annotations: { ...entry.annotations, [ATTESTED]: digest } };
}
