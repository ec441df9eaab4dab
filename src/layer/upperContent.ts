/**
 * What is read of changed files, in whichever directory they are: attributes, contents, and the changes that they make of
 * what a comparison has found.
 */
import * as fs from "node:fs";
import type { ByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { createHasher, sha256Hex } from "../support/hash.js";
import type { Change, PresentChange } from "./changes.js";
import type { ContentReader } from "./fileTree.js";
import type { Pace } from "./pace.js";
import { type OverlayXattrs, UpperAttributes } from "./upperAttributes.js";
import type { DiffItem } from "./upperDiff.js";
import { notQuiet, reading, stampOf, type UpperNode } from "./upperWalk.js";
import { dumpXattrs, type XattrTool } from "./xattrDump.js";

/** Files from this size on are hashed in pieces, so that the event loop goes on. */
const CHUNK = 128 << 10;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/** Whose attributes are read. */
export interface AttributesRequest {
  /** Absolute path. */
  readonly dir: string;
  readonly xattrs: OverlayXattrs;
  readonly signal?: AbortSignal | undefined;
  /** For tests: programs that tell extended attributes. */
  readonly tools?: readonly XattrTool[] | undefined;
}

/** @throws NacreError TOOL_MISSING if nothing here can tell extended attributes; CANCELLED */
export async function readAttributes({ dir, xattrs, signal, tools }: AttributesRequest): Promise<UpperAttributes> {
  const dump = await dumpXattrs({ dir, wanted: UpperAttributes.wanted(xattrs), signal, tools });
  if (dump.known) return new UpperAttributes(dump.values, xattrs);
  throw new NacreError("TOOL_MISSING", `extended attributes of changed files cannot be read: ${dump.why}`, {
    hint: "install getfattr (in most distributions the package attr) or GNU tar",
  });
}

/**
 * What an item that was found comes to in a layer.
 * @param singleId owners come from below, those of new files are 0:0
 */
export function changeOf(dir: ByteString, { path, node, below, xattrs, verdict }: DiffItem, singleId: boolean): Change {
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
export function openContent(dir: ByteString, node: UpperNode): ContentReader {
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

/** SHA-256 of a file's content, 64 hex digits. @throws NacreError CONTENT_INVALID if it changes meanwhile; CANCELLED */
export async function hashContent(dir: ByteString, node: UpperNode, pace: Pace): Promise<string> {
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
