/**
 * After a RUN: from the upper directory that its process left behind to a layer in the store, and to a directory that can
 * serve as the layer's snapshot.
 */
import { storeWrittenLayer } from "../image/writeLayer.js";
import type { FileTree } from "../layer/fileTree.js";
import { Pace } from "../layer/pace.js";
import { contentBytes, readUpper } from "../layer/upper.js";
import { tidyUpper, type UpperUse } from "../layer/upperTidy.js";
import { writeChanges } from "../layer/writeChanges.js";
import type { Store } from "../store/store.js";
import { type ByteString, toByteString } from "../support/bytes.js";
import type { Hand } from "./hand.js";
import type { RunLayer } from "./types.js";

export type { UpperUse } from "../layer/upperTidy.js";

/** What is collected. */
export interface CollectRequest {
  readonly store: Store;
  /** Absolute path of the upper directory. Its mount is gone, and so is every process of the step. */
  readonly upper: string;
  /** The tree of the layers that were below, without mount points that nacre made. */
  readonly below: FileTree;
  /** Mount points that nacre made because the image lacks them, with the parents made for them. */
  readonly stubs: ReadonlySet<ByteString>;
  readonly hand: Pick<Hand, "overlayXattrs" | "singleId">;
  /** Whole seconds that every mtime in the layer and its snapshot is set to. */
  readonly mtime: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly warn: (rule: string, message: string) => void;
  /** Bytes of contents that are written. */
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined;
}

/** What came of it. */
export interface CollectedRun {
  readonly layer: RunLayer;
  /** What the upper directory can serve as, by rename. */
  readonly upperUse: UpperUse;
}

/**
 * Writes the layer of everything that a process changed, and tidies the upper directory: names that only looked touched
 * and remains of mount points are removed, times of directories that the layer leaves out are restored, and with
 * `mtime` every entry of the layer gets that on disk as well. Sub-second parts of other times stay on disk.
 * @throws NacreError TOOL_MISSING where extended attributes cannot be read; CONTENT_INVALID if something still writes
 *   there; STORE, DISK_FULL, CANCELLED: the upper directory is not to be used as a snapshot then
 */
export async function collectUpper(request: CollectRequest): Promise<CollectedRun> {
  const { store, upper, below, stubs, hand, mtime, signal, warn } = request;
  const { singleId, overlayXattrs: xattrs } = hand;
  const { changes, tidy } = await readUpper({ dir: upper, xattrs, below, stubs, singleId, signal });
  const expected = contentBytes(changes);
  const onProgress = (bytes: number): void => request.onProgress?.(bytes, expected);
  const layer = await storeWrittenLayer(store, {
    expected,
    warn,
    fill: (writer) => writeChanges(changes, writer, { mtime, signal, onProgress }),
  });
  await tidyUpper(toByteString(upper), tidy, { mtime, singleId, pace: new Pace(signal) });
  const { diffId, size, reservedName } = layer;
  // To every reader of the layer such a name removes another one; on disk it is a file.
  const upperUse = reservedName === undefined ? tidy.use : "nothing";
  return { layer: { diffId, size }, upperUse };
}
