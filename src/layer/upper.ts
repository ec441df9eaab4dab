/**
 * From an overlay's upper directory to changes. In come the directory, the tree that was below it, and how overlayfs was
 * mounted; out come the changes, in the order of a layer's index, and what has to be done to the directory so that, as a
 * snapshot, it shows what the layer says. Only the directory is read, and only what is written or may be equal to a file
 * below is opened: the cost follows the change.
 */
import * as fs from "node:fs";
import { type ByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { createHasher, sha256Hex } from "../support/hash.js";
import type { Change, PresentChange } from "./changes.js";
import type { ContentReader, FileTree } from "./fileTree.js";
import { Pace } from "./pace.js";
import { type OverlayXattrs, UpperAttributes } from "./upperAttributes.js";
import { type DiffItem, diffUpper, isWritten } from "./upperDiff.js";
import { planTidy, type UpperTidy } from "./upperTidy.js";
import { notQuiet, reading, stampOf, type UpperNode, walkUpper } from "./upperWalk.js";
import { dumpXattrs, type XattrTool } from "./xattrDump.js";

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

/** Files from this size on are hashed in pieces, so that the event loop goes on. */
const CHUNK = 128 << 10;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

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
  const noting = isEmpty(dir) ? undefined : attributesOf(options);
  // It is awaited after the walk, whose own failure would leave it alone.
  noting?.catch(() => {});
  const root = await walkUpper(dir, pace);
  const attributes = (await noting) ?? new UpperAttributes(new Map(), xattrs);
  const hash = (node: UpperNode) => hashOf(dir, node, pace);
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

async function attributesOf({ dir, xattrs, signal, tools }: UpperOptions): Promise<UpperAttributes> {
  const dump = await dumpXattrs({ dir, wanted: UpperAttributes.wanted(xattrs), signal, tools });
  if (dump.known) return new UpperAttributes(dump.values, xattrs);
  throw new NacreError("TOOL_MISSING", `extended attributes of changed files cannot be read: ${dump.why}`, {
    hint: "install getfattr (in most distributions the package attr) or GNU tar",
  });
}

function changeOf(dir: ByteString, { path, node, below, xattrs, verdict }: DiffItem, singleId: boolean): Change {
  if (verdict === "removed" || node === undefined) return { kind: "removed", path };
  const owner = singleId && below?.type === node.type ? below : undefined;
  return {
    kind: "present",
    path,
    type: node.type as PresentChange["type"],
    mode: node.mode,
    uid: singleId ? (owner?.uid ?? 0) : node.uid,
    gid: singleId ? (owner?.gid ?? 0) : node.gid,
    size: node.size,
    mtime: node.mtime,
    link: node.link,
    devMajor: node.devMajor,
    devMinor: node.devMinor,
    xattrs,
    inode: node.inode,
    open: node.type === "file" ? () => openContent(dir, node) : undefined,
  };
}

/** Reads a file that the walk has seen; at its end it must still be the one that was seen. */
function openContent(dir: ByteString, node: UpperNode): ContentReader {
  const descriptor = reading(dir, node.path, (at) => fs.openSync(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  let left = node.size;
  return {
    read: (target, at, length) => {
      const got = reading(dir, node.path, () => fs.readSync(descriptor, target, at, Math.min(length, left), null));
      left -= got;
      const ended = left === 0 || (got === 0 && length > 0);
      if (ended && (left > 0 || stampOf(fs.fstatSync(descriptor, { bigint: true })) !== node.stamp)) {
        throw notQuiet(node.path);
      }
      return got;
    },
    close: () => fs.closeSync(descriptor),
  };
}

async function hashOf(dir: ByteString, node: UpperNode, pace: Pace): Promise<string> {
  const reader = openContent(dir, node);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(node.size, CHUNK));
    if (node.size <= CHUNK) return sha256Hex(buffer.subarray(0, fill(reader, buffer)));
    const hasher = createHasher();
    for (let left = node.size; left > 0; ) {
      const got = reader.read(buffer, 0, buffer.length);
      hasher.update(buffer.subarray(0, got));
      left -= got;
      if (pace.isDue()) await pace.pause();
    }
    return hasher.hex();
  } finally {
    reader.close();
  }
}

function fill(reader: ContentReader, buffer: Buffer): number {
  let at = 0;
  while (at < buffer.length) at += reader.read(buffer, at, buffer.length - at);
  return at;
}

/** Bytes of all contents that changes have, as they are for choosing how a layer is written. */
export function contentBytes(changes: readonly Change[]): number {
  return changes.reduce((sum, change) => sum + (change.kind === "present" ? change.size : 0), 0);
}
