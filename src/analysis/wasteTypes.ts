/** What the measurement of waste tells. All sizes are bytes of regular files unless they say otherwise. */
import type { Digest } from "../oci/digest.js";
import type { BaseImage } from "./baseImage.js";
import type { DockerfileLine } from "./layerLines.js";
import type { WasteCause } from "./wasteCopies.js";

/** A number of stored contents and their bytes. */
export interface CopyCount {
  readonly bytes: number;
  readonly copies: number;
}

/** A layer, and what it does to the image's size. */
export interface WasteLayer {
  /** From 0, the lowest. */
  readonly number: number;
  readonly digest: Digest;
  /** The instruction that made it, as a Dockerfile has it, else what the history says. Empty if nothing is known. */
  readonly instruction: string;
  readonly line?: DockerfileLine | undefined;
  /** It belongs to the base image. Undefined where that is not known. */
  readonly isBase?: boolean | undefined;
  readonly stored: number;
  /** Of what it stores, what a container sees. */
  readonly visible: number;
  /** Of what it stores, what nobody sees: stored − visible. The sum over all layers is the image's waste. */
  readonly wasted: number;
  /** What it hides of lower layers. */
  readonly hides: number;
}

/** What to do about waste. */
export interface WasteAdvice {
  /** Stable name of the remedy. */
  readonly fix:
    | "copy-chown"
    | "copy-chmod"
    | "copy-once"
    | "copy-less"
    | "copy-to-place"
    | "same-run"
    | "remove-in-same-run"
    | "cache-mount"
    | "bind-mount"
    | "other-base"
    | "change-order";
  /** One sentence that names the instructions. */
  readonly text: string;
}

/** What one layer hides of another for one cause. */
export interface WastePair extends CopyCount {
  readonly cause: WasteCause;
  /** The layer that stores it in vain. */
  readonly storedBy: number;
  /** The layer that hides it. */
  readonly hiddenBy: number;
  /** Some of the biggest paths. */
  readonly examples: readonly string[];
  /** A sentence: who does what to whom. */
  readonly text: string;
  readonly advice: WasteAdvice;
}

/** A path and what is stored of it in vain. */
export interface WastePath extends CopyCount {
  readonly path: string;
  readonly causes: readonly WasteCause[];
  /** The layers that store it in vain. */
  readonly storedBy: readonly number[];
  /** The layers that hide that. */
  readonly hiddenBy: readonly number[];
}

/** A directory and what is stored below it in vain. */
export interface WasteFolder extends CopyCount {
  readonly path: string;
}

/** A content that is seen at several places. No waste by itself: links could share it. */
export interface WasteDuplicate {
  /** Bytes of one. */
  readonly bytes: number;
  readonly copies: number;
  /** Bytes of all but one. */
  readonly redundant: number;
  /** Some of its paths. */
  readonly paths: readonly string[];
}

/** Waste seen from the base image. The three kinds together are all waste. */
export interface WasteByOrigin {
  readonly base: BaseImage & { readonly layers: number };
  readonly baseStored: number;
  /** Stored and hidden by layers of the base: its makers can save it. */
  readonly inBase: number;
  /** Stored by the base, overwritten or deleted by later layers: only another base saves it. */
  readonly hiddenBase: number;
  readonly ownStored: number;
  /** What the image's own layers could do without: what they hide of each other, and what they store again of the base. */
  readonly own: number;
  /** 1 − own / ownStored; 1 if they store nothing. */
  readonly ownEfficiency: number;
}

/** The waste of an image. */
export interface ImageWaste {
  readonly schema: "nacre.waste/1";
  readonly image: string;
  readonly digest: Digest;
  /** Bytes that its layers store; names of one inode count once, holes of sparse files do not. */
  readonly stored: number;
  /** Of these, what a container sees. */
  readonly visible: number;
  /** stored − visible. */
  readonly reclaimable: number;
  /** About what that is after compression: each layer's waste by how well the layer was compressed. */
  readonly compressedReclaimable: number;
  /** visible / stored; 1 if nothing is stored. */
  readonly efficiency: number;
  /** Contents that are stored, and those that nobody sees. */
  readonly copies: { readonly stored: number; readonly wasted: number };
  readonly causes: Readonly<Record<WasteCause, CopyCount>>;
  /** Present where the base is known and so many of the lowest layers are its. */
  readonly origin?: WasteByOrigin | undefined;
  /** Lowest first. */
  readonly layers: readonly WasteLayer[];
  /** Most bytes first, as all lists below. */
  readonly pairs: readonly WastePair[];
  readonly paths: readonly WastePath[];
  readonly folders: readonly WasteFolder[];
  /** Contents that are seen at several places: for information, not counted as waste. */
  readonly duplicates: {
    readonly contents: number;
    readonly redundant: number;
    readonly top: readonly WasteDuplicate[];
  };
  /** How many more entries the lists would have. */
  readonly more: {
    readonly pairs: number;
    readonly paths: number;
    readonly folders: number;
    readonly duplicates: number;
  };
}

/** How waste is measured. */
export interface WasteOptions {
  /** Entries of each list. Default: 10. */
  readonly top?: number | undefined;
  /** Components of the paths by which folders are summed up. Default: 2. */
  readonly depth?: number | undefined;
  /** Patterns of paths that are left out, as if nothing were stored for them; see compilePathPatterns. */
  readonly ignore?: readonly string[] | undefined;
}
