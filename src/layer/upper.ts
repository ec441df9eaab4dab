/**
 * From an overlay's upper directory to changes. In come the directory, the tree that was below it, and how overlayfs was
 * mounted; out come the changes, in the order of a layer's index, and what has to be done to the directory so that, as a
 * snapshot, it shows what the layer says. Only the directory is read, and only what is written or may be equal to a file
 * below is opened: the cost follows the change.
 */
import * as fs from "node:fs";
import { type ByteString, toByteString } from "../support/bytes.js";
import type { Change } from "./changes.js";
import type { FileTree } from "./fileTree.js";
import { Pace } from "./pace.js";
import { type OverlayXattrs, UpperAttributes } from "./upperAttributes.js";
import { changeOf, hashContent, readAttributes } from "./upperContent.js";
import { diffUpper, isWritten } from "./upperDiff.js";
import { planTidy, type UpperTidy } from "./upperTidy.js";
import { reading, type UpperNode, walkUpper } from "./upperWalk.js";
import type { XattrTool } from "./xattrDump.js";

/** What is read. */
export interface UpperOptions {
  /** Absolute path of the upper directory; nothing writes to it any more. */
  readonly dir: string;
  /** Where overlayfs keeps its notes. */
  readonly xattrs: OverlayXattrs;
  /** The tree of the layers below, without anything that was made for mounts. */
  readonly below: FileTree;
  /** Mount points that the image lacks and nacre made, with the parents made for them: left out while nothing is in them. */
  readonly stubs?: ReadonlySet<ByteString> | undefined;
  /** Only id 0 exists: owners come from below, those of new files are 0:0. */
  readonly singleId?: boolean | undefined;
  /** For tests: programs that tell extended attributes. */
  readonly tools?: readonly XattrTool[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was found. */
export interface UpperReading {
  /** In the order of a layer's index. */
  readonly changes: readonly Change[];
  readonly tidy: UpperTidy;
}

/**
 * Reads an upper directory.
 * @throws NacreError TOOL_MISSING if nothing here can tell extended attributes: without them it is not known which
 *   directories hide what is below; CONTENT_INVALID if the directory changes meanwhile or was mounted with other options;
 *   STORE; CANCELLED
 */
export async function readUpper(options: UpperOptions): Promise<UpperReading> {
  const { below, xattrs, signal, stubs = new Set(), singleId = false } = options;
  const dir = toByteString(options.dir);
  const pace = new Pace(signal);
  pace.check();
  const noting = isEmpty(dir) ? undefined : readAttributes(options);
  // It is awaited after the walk, whose own failure would leave it alone.
  noting?.catch(() => {});
  const root = await walkUpper(dir, pace);
  const attributes = (await noting) ?? new UpperAttributes(new Map(), xattrs);
  const hash = (node: UpperNode) => hashContent(dir, node, pace);
  const items = await diffUpper(root, below, { attributes, singleId, stubs, hash }, pace);
  const changes = items.filter(isWritten).map((item) => changeOf(dir, item, singleId));
  return { changes, tidy: planTidy(items) };
}

function isEmpty(dir: ByteString): boolean {
  const open = reading(dir, "", (at) => fs.opendirSync(at, { bufferSize: 1 }));
  try {
    return open.readSync() === null;
  } finally {
    open.closeSync();
  }
}

/** Bytes of all contents that changes have, as they are for choosing how a layer is written. */
export function contentBytes(changes: readonly Change[]): number {
  return changes.reduce((sum, change) => sum + (change.kind === "present" ? change.size : 0), 0);
}
