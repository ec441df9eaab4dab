/** What an output is asked for. */
import type { Destination } from "../archive/destination.js";
import type { DiffId, Digest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import type { Compression } from "../oci/mediaTypes.js";
import type { EarlyBlob } from "../registry/earlyBlob.js";
import type { Store } from "../store/store.js";

/** How layers are compressed. */
export interface OutputCompression {
  readonly type: Compression;
  /** gzip 0–9 (default 4), zstd 1–22 (default 3). */
  readonly level?: number | undefined;
  /** Recompress layers that have come compressed, too. */
  readonly force: boolean;
}

/** An image as an archive. */
export interface ImageOutput {
  /** `oci`: OCI image layout; `docker`: the same with `manifest.json`, for `docker load`. */
  readonly type: "oci" | "docker";
  readonly destination: Destination;
  /** False: a directory instead of a tar. */
  readonly tar: boolean;
  readonly compression: OutputCompression;
  /** Names in the archive; default: {@link OutputEnv.names}. */
  readonly names?: readonly string[] | undefined;
  /** Clamp the times in new layers to {@link OutputEnv.epoch}. */
  readonly rewriteTimestamp: boolean;
  /** Added to those of the manifest. */
  readonly annotations: ReadonlyMap<string, string>;
}

/** The files of an image: in a directory, or as one tar. */
export interface FilesOutput {
  readonly type: "local" | "tar";
  readonly destination: Destination;
}

export type Output = ImageOutput | FilesOutput;

/** What outputs need beside the image. */
export interface OutputEnv {
  readonly store: Store;
  /** Names for image outputs that name none. */
  readonly names: readonly string[];
  /** RFC 3339: the annotation `org.opencontainers.image.created`. */
  readonly created: string;
  /** SOURCE_DATE_EPOCH in seconds, if it is set. */
  readonly epoch?: number | undefined;
  /** Image outputs hold an image index with the one manifest, not the manifest alone (BUILDKIT_MULTI_PLATFORM). */
  readonly index?: boolean | undefined;
  /** Layers that this build made, not its base: the ones that `rewriteTimestamp` may change. */
  readonly newLayers: ReadonlySet<DiffId>;
  /** Layers are compressed in this many threads. */
  readonly jobs: number;
  /** Where a layer can go while it is being compressed. */
  readonly early?: (() => EarlyBlob) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with bytes done since the last call. `what`: a sentence for people, the same while the same work goes on. */
  readonly onProgress?: ((what: string, bytes: number) => void) | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What was written. */
export interface OutputResult {
  /** The exported manifest, for image outputs. */
  readonly image?: ExportedDigests | undefined;
  /** Names that the store is to have for the image by the exported digest, too: full ones, without tags. */
  readonly canonical?: readonly string[] | undefined;
}

/** What identifies an exported image. */
export interface ExportedDigests {
  /** Points at the manifest in the output and has the platform; or at the image index around it. */
  readonly descriptor: Descriptor;
  readonly configDigest: Digest;
  /** Full names in the output. */
  readonly names: readonly string[];
  /** Versions of the codecs that layers were compressed with: the digests depend on them. */
  readonly codecs: readonly string[];
}
