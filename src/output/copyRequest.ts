/** What a copy is asked for and what it answers. */

import type { EngineVariables } from "../archive/engineAddress.js";
import type { Digest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import type { Platform } from "../oci/platform.js";
import type { BlobOutcome } from "../registry/pushBlobs.js";
import type { Registries } from "../registry/types.js";
import type { Store } from "../store/store.js";
import type { TransferEnv } from "./transferEvents.js";

/** What copies need beside their places. Events are those of each blob, with ids `copy:DIGEST`. */
export interface CopyTargetEnv extends TransferEnv {
  readonly registries: Registries;
  readonly variables: EngineVariables;
  /** Blobs at once; default 5. */
  readonly jobs?: number | undefined;
  /** Told of each blob that the target has now. */
  readonly onBlob?: ((blob: CopiedBlob) => void) | undefined;
}

/** What became of a blob. */
export interface CopiedBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly outcome: BlobOutcome;
}

/** What is copied of an image. */
export interface CopyOptions {
  /** Which image of an index; default: this machine's. */
  readonly platform?: Platform | undefined;
  /** All of an index, and the index itself. */
  readonly all?: boolean | undefined;
  /** What refers to the image, too: signatures, attestations, SBOMs. */
  readonly referrers?: boolean | undefined;
  /** Where a destination cannot hold all of it, copy what it can hold: then the digest is another one. */
  readonly allowDigestChange?: boolean | undefined;
}

/** What copies need of the world. */
export interface CopyEnv extends CopyTargetEnv {
  /** Opens the store; called once, and only if a place is in it. The caller closes it. */
  readonly openStore: (access: "read" | "write") => Promise<Store>;
}

/** What was copied. */
export interface CopyReport {
  /** Full names of the two places. */
  readonly from: string;
  readonly to: string;
  /** Points at what was copied. */
  readonly descriptor: Descriptor;
  /** Empty where the destination is the store. */
  readonly blobs: readonly CopiedBlob[];
  /** Manifests that refer to the image. */
  readonly referrers: readonly Digest[];
  /** Tags made of the image's digest. */
  readonly tags: readonly string[];
}
