/** What a comparison of images is asked and what it tells. */
import type { Digest } from "../oci/digest.js";
import type { ChangedType, ChangeList, FileChange, FileFacts } from "./changeList.js";
import type { ChangeTotals, FolderDelta } from "./changeTotals.js";
import type { ConfigChange } from "./diffConfig.js";
import type { HistoryChange } from "./diffHistory.js";
import type { DownloadCost, LayerRow } from "./diffLayerRows.js";
import type { ChangeReason } from "./diffReasons.js";
import type { OpenOptions } from "./types.js";

export type {
  ChangedType,
  ChangeReason,
  ChangeTotals,
  ConfigChange,
  DownloadCost,
  FileChange,
  FileFacts,
  FolderDelta,
  HistoryChange,
  LayerRow,
};

/**
 * What `semantic` leaves aside:
 * - `timestamps`: when the image and the lines of its history were created (also as the annotation or label
 *   `org.opencontainers.image.created`); times of files
 * - `history`: all of it
 * - `order`, `format`: in which order a layer's tar has its members, of which kind its headers are, how it is compressed, and
 *   the media types; so digests of layers count only through their files
 * - `name`: under which name the image is known, also as an annotation
 * - `paths`: `./` before the names of members
 */
export const SEMANTIC_IGNORES = ["timestamps", "history", "order", "format", "name", "paths"] as const;
export type SemanticIgnore = (typeof SEMANTIC_IGNORES)[number];

/** How files are compared. */
export interface FileComparison {
  /** Times of files count. Default: false. */
  readonly times?: boolean | undefined;
  /** Patterns of paths whose differences are left out: see pathPatterns.ts. */
  readonly ignore?: readonly string[] | undefined;
  /** Patterns of the only paths that are looked at. */
  readonly only?: readonly string[] | undefined;
  /** How deep folders are told apart in {@link FilesDiff.folders}. Default: 2. */
  readonly depth?: number | undefined;
}

/** How images are compared. */
export interface DiffOptions extends OpenOptions, FileComparison {
  /** `final`: what a container sees. `layer`: what the layers that belong together list. Default: final. */
  readonly by?: "final" | "layer" | undefined;
  /** Leave aside what means nothing: {@link SEMANTIC_IGNORES}. Default: false. */
  readonly semantic?: boolean | undefined;
  /**
   * Read layers that both images share where the store does not have their indexes. Default: false; then paths that only they
   * could settle are called `unsettled`.
   */
  readonly readShared?: boolean | undefined;
}

/** One of the compared images. */
export interface DiffedImage {
  /** As it was named. */
  readonly image: string;
  readonly id: Digest;
  /** Of the manifest. */
  readonly digest: Digest;
  readonly platform: string;
  readonly created?: string | undefined;
  /** Number of layers. */
  readonly layers: number;
  /** Bytes of all their blobs. */
  readonly compressedSize: number;
  /** Which of the layers are compared, where that is not all of them: e.g. `layers 0 to 3`. */
  readonly part?: string | undefined;
}

/** Files that differ. */
export interface FilesDiff {
  readonly totals: ChangeTotals;
  /** The folder that differs by most bytes first. */
  readonly folders: readonly FolderDelta[];
  /** In the order of paths; made when it is asked for, so that a million of them cost little. Its JSON is an array. */
  readonly changes: ChangeList;
  /** Pairs of a removed and an added file with the same content. */
  readonly moves: number;
  /** Differences left out by patterns. */
  readonly ignored: number;
  /** Where one layer is compared with those below: files that it lists again although nothing is different, and their bytes. */
  readonly repeated?: { readonly files: number; readonly bytes: number } | undefined;
}

/** Layers that belong together; by `layer`, with the files that differ between them. */
export interface ComparedLayer extends LayerRow {
  readonly files?: FilesDiff | undefined;
}

/** Two images compared. JSON of it has all there is. */
export interface ImageDiff {
  readonly schema: "nacre.diff/1";
  readonly before: DiffedImage;
  readonly after: DiffedImage;
  /** Nothing of what was compared differs. */
  readonly isSame: boolean;
  readonly differs: {
    readonly layers: boolean;
    readonly config: boolean;
    readonly history: boolean;
    readonly files: boolean;
  };
  readonly compared: {
    readonly by: "final" | "layer";
    readonly times: boolean;
    readonly ignores: readonly SemanticIgnore[];
    readonly ignore: readonly string[];
    readonly only: readonly string[];
  };
  /** Absent where layers of one image are compared. */
  readonly download?: DownloadCost | undefined;
  /** Lowest first. */
  readonly layers: readonly ComparedLayer[];
  readonly config: readonly ConfigChange[];
  readonly history: readonly HistoryChange[];
  /** Absent by `layer`, and where layers cannot be read: then a warning says why. */
  readonly files?: FilesDiff | undefined;
  readonly warnings: readonly string[];
}

/** Which layers of one image are compared; numbers from 0, or beginnings of digests. */
export type LayerChoice =
  /** One layer with what lies below it. */
  | { readonly layer: string }
  /** What two layers list. */
  | { readonly pair: readonly [string, string] }
  /** All layers up to the first with all layers up to the second. */
  | { readonly from: string; readonly to: string };

/** One file of two images. */
export interface FileDiff {
  readonly schema: "nacre.file-diff/1";
  readonly path: string;
  readonly before?: FileFacts | undefined;
  readonly after?: FileFacts | undefined;
  readonly reasons: readonly ChangeReason[];
  readonly isSame: boolean;
  /** `text`: the patch tells all; `binary`, `large`: only digests and sizes are told; `none`: neither is a file or symlink. */
  readonly form: "text" | "binary" | "large" | "none";
  /** A unified diff; empty if the content is the same. Bytes that are not UTF-8 are lone surrogates: `encodeText` gives them back. */
  readonly patch?: string | undefined;
}
