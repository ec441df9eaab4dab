/**
 * What the parts of the analysis say to each other: an opened image and its layers, wherever they are. Metadata is there as
 * soon as an image is open; the content of a layer is read only when its index, or a file of it, is asked for.
 */
import type { LayerIndex } from "../layer/layerIndex.js";
import type { LayerTree } from "../layer/layerTree.js";
import type { DiffId, Digest } from "../oci/digest.js";
import type { Descriptor, HistoryEntry, ImageConfig, ImageIndex, Manifest } from "../oci/documents.js";
import type { Platform } from "../oci/platform.js";
import type { Registries, RegistryEnv } from "../registry/types.js";
import type { Store } from "../store/store.js";
import type { Emit } from "../support/events.js";

/** What opening images needs of the outside world. */
export interface ImageWorld {
  /** Where indexes are looked for and kept, and images by name. Stays open; the caller closes it. */
  readonly store?: Store | undefined;
  /** Variables: proxies, places of configuration files, DOCKER_HOST, PATH. */
  readonly env: RegistryEnv["env"];
  /** Registries that are open already; default: opened when one is needed, and closed with the image. */
  readonly registries?: Registries | undefined;
  readonly limits?: RegistryEnv["limits"];
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: (() => number) | undefined;
  /** Told of warnings, and of each layer that is read (`start`, `progress`, `end`, ids `layer:DIGEST`). */
  readonly emit?: Emit | undefined;
}

/** What is wanted of an image. */
export interface OpenOptions {
  /** Which image of an image index; default: this machine's, else the first. */
  readonly platform?: Platform | undefined;
  /** Take a bare name for one in a registry, even if the store has such an image. */
  readonly remote?: boolean | undefined;
  /** Ask no registry. */
  readonly offline?: boolean | undefined;
  /** Default: `verified`. */
  readonly toc?: TocTrust | undefined;
}

/**
 * Which tables of contents of remote layers (eStargz, zstd:chunked, published indexes) are believed: those whose digest is in the manifest, any,
 * or none. Whoever wants to know what the tar has, and not what the layer's maker says that it has, believes none.
 */
export type TocTrust = "verified" | "any" | "never";

/** A layer's own table of contents, through which it is listed and read. */
export interface TocFacts {
  /** `nacre`: an index that was published beside the layer. */
  readonly format: "estargz" | "zstd:chunked" | "nacre";
  /** The manifest gives its digest. */
  readonly isVerified: boolean;
}

/** Where an image was found. */
export type ImagePlaceKind = "store" | "archive" | "engine" | "registry";

/** An image index that the name stands for. */
export interface OpenedIndex {
  readonly descriptor: Descriptor;
  /** Its very bytes. */
  readonly bytes: Buffer;
  readonly index: ImageIndex;
}

/** An image, opened for reading. Close it in the end. */
export interface OpenedImage {
  /** As people know it: full name, `oci:DIR:TAG`, … */
  readonly shown: string;
  readonly place: ImagePlaceKind;
  /** Full names that it has there, e.g. `docker.io/library/alpine:3`. */
  readonly names: readonly string[];
  /** What the name stands for, where it came from: an image index or the manifest. */
  readonly root: Descriptor;
  /** The image index, where there is one and it is at hand. */
  readonly index?: OpenedIndex | undefined;
  /** Points at the manifest. */
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
  readonly config: ImageConfig;
  readonly configBytes: Buffer;
  /** Digest of the config: Docker's id of the image. */
  readonly id: Digest;
  /** What the config says, normalized. */
  readonly platform: Platform;
  /** Lowest first. */
  readonly layers: readonly OpenedLayer[];
  /** Oldest first: every line of the history, and a line for each layer that none speaks of. */
  readonly history: readonly HistoryRow[];
  /** What is odd about the image without keeping anything from working. */
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

/** A line of an image's history and the layer that it made. One of the two may be missing, never both. */
export interface HistoryRow {
  /** Undefined: the history does not speak of this layer. */
  readonly entry?: HistoryEntry | undefined;
  /** Number in {@link OpenedImage.layers}; undefined: the instruction made none, or none is left for it. */
  readonly layer?: number | undefined;
}

/** Why the content of a layer cannot be read, as far as its descriptor tells. */
export type LayerObstacle =
  /** It is kept elsewhere than the image (`nondistributable`), and this source does not have it. */
  | "foreign"
  /** It is encrypted (ocicrypt). */
  | "encrypted"
  /** Its media type is not one of a tar, plain or compressed with gzip or zstd. */
  | "media-type";

/** Where the content of one file stands in a layer. */
export interface FilePlace {
  /** In the uncompressed tar. */
  readonly offset: number;
  /** Bytes of the file, holes included. */
  readonly size: number;
  /** Stretches of data of a sparse file; in the tar they stand one after the other. */
  readonly sparse?: readonly (readonly [offset: number, length: number])[] | undefined;
  /** SHA-256 of the content, 64 hex digits. What is read is compared with it. */
  readonly digest?: string | undefined;
}

/** Numbers that an index tells of a layer. */
export interface LayerStats {
  /** Names that the layer lists, whiteouts included. */
  readonly entries: number;
  /** Regular files; further names of one inode do not count. */
  readonly files: number;
  /** Bytes of these files: what Docker calls the size of a layer. */
  readonly bytes: number;
  /** Names that it removes, and directories whose lower content it hides. */
  readonly whiteouts: number;
  /** Bytes of the uncompressed tar. */
  readonly tarBytes: number;
}

/** A layer of an opened image. */
export interface OpenedLayer {
  /** From 0, the lowest. */
  readonly number: number;
  /** The blob, as the manifest names it: media type, digest, size (compressed), annotations. */
  readonly descriptor: Descriptor;
  readonly diffId: DiffId;
  /** Identifies the layer with all below it (image-spec, config.md). */
  readonly chainId: Digest;
  /** The line of the history that made it, where the history tells. */
  readonly history?: HistoryEntry | undefined;
  /** True for a media type that registries must not distribute. It may be at hand all the same. */
  readonly isForeign: boolean;
  readonly isEncrypted: boolean;
  /** Undefined if the layer can be read, as far as is known without reading. */
  readonly obstacle?: LayerObstacle | undefined;
  /** True if {@link index} needs nothing but the store's copy. */
  hasIndex(): boolean;
  /** The index where it is at hand; nothing is fetched or decompressed for it. */
  knownIndex(): LayerIndex | undefined;
  /**
   * The index: the store's, else made in one verified pass over the blob and, where the store can be written, kept there.
   * The same object for the same layer; {@link forget} lets go of it.
   * @throws NacreError UNSUPPORTED for a layer with an {@link obstacle}; CONTENT_INVALID, COMPRESSION, TAR_INVALID,
   *   LIMIT_EXCEEDED, NETWORK, CANCELLED
   */
  index(): Promise<LayerIndex>;
  /** Numbers out of the index, where it is at hand. */
  knownStats(): LayerStats | undefined;
  stats(): Promise<LayerStats>;
  /** Set where {@link index} came from the layer's own table of contents and not from its tar. */
  readonly toc?: TocFacts | undefined;
  /** Lets go of the index in memory. */
  forget(): void;
  /**
   * The content of one file, verified where its digest is known. What is not at hand uncompressed is decompressed up to there.
   * @param place of an entry: `placeOf(index, entry)`
   * @throws NacreError as {@link index}
   */
  read(place: FilePlace): AsyncIterable<Buffer>;
  /**
   * The contents of many files in one pass over the layer, in the order in which they stand there. Each content is to be read
   * before the next is asked for; what is left of it is skipped.
   */
  readMany<P extends FilePlace>(
    places: readonly P[],
  ): AsyncIterable<{ readonly place: P; readonly content: AsyncIterable<Buffer> }>;
  /** The bytes of the uncompressed tar, front to back, compared with the diffID at their end. */
  tar(): AsyncIterable<Buffer>;
  /** Bytes of the blob as it lies there, compressed; not verified. */
  blobRange(offset: number, length: number): Promise<Buffer>;
  /** True where ranges of the blob cost less than all of it: a registry's, for layers with a table of contents of their own. */
  readonly isRemote: boolean;
}

/** A stack of indexes, lowest first, as {@link import("./stackWalk.js").walkStack} takes it. */
export type IndexStack = readonly LayerIndex[];

export type { LayerTree };
