/**
 * From a root that a step has changed to a layer in the store, and to a root that looks as if that layer had been unpacked
 * into it.
 */
import * as fs from "node:fs";
import { storeWrittenLayer } from "../image/writeLayer.js";
import type { Change, PresentChange } from "../layer/changes.js";
import type { ContentReader, FileTree } from "../layer/fileTree.js";
import { Pace } from "../layer/pace.js";
import { UpperAttributes } from "../layer/upperAttributes.js";
import { type DiffItem, diffUpper, isWritten } from "../layer/upperDiff.js";
import { notQuiet, reading, stampOf, type UpperNode, upperPath } from "../layer/upperWalk.js";
import { writeChanges } from "../layer/writeChanges.js";
import { dumpXattrs } from "../layer/xattrDump.js";
import type { Store } from "../store/store.js";
import { type ByteString, fsPath, toByteString } from "../support/bytes.js";
import { ioError, NacreError } from "../support/errors.js";
import { createHasher } from "../support/hash.js";
import { changesSince, type TreeRecord } from "./chrootRecord.js";
import type { RunLayer } from "./types.js";

/** What is collected. */
export interface ChrootCollectRequest {
  readonly store: Store;
  /** Absolute path of the root; no process has it any more. */
  readonly root: string;
  /** A directory beside it. */
  readonly beside: string;
  /** What it was. */
  readonly record: TreeRecord;
  /** The tree of the layers that it was made of. */
  readonly below: FileTree;
  readonly singleId: boolean;
  readonly mtime: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly warn: (rule: string, message: string) => void;
}

/** What came of it. */
export interface CollectedChroot {
  readonly layer: RunLayer;
  /** The root is now what the layers and this one make. */
  readonly reusable: boolean;
}

const CHUNK = 128 << 10;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

/** @throws NacreError TOOL_MISSING, CONTENT_INVALID, STORE, DISK_FULL, CANCELLED */
export async function collectChroot(request: ChrootCollectRequest): Promise<CollectedChroot> {
  const { store, record, below, singleId, mtime, signal, warn } = request;
  const dir = toByteString(request.root);
  const pace = new Pace(signal);
  const node = await changesSince(dir, record, pace);
  const attributes = await attributesOf(request, node);
  const hash = (file: UpperNode) => hashOf(dir, file, pace);
  const items = await diffUpper(node, below, { attributes, singleId, stubs: new Set(), hash }, pace);
  const changes = items.filter(isWritten).map((item) => changeOf(dir, item, singleId));
  const { diffId, size, reservedName } = await storeWrittenLayer(store, {
    expected: changes.reduce((sum, change) => sum + (change.kind === "present" ? change.size : 0), 0),
    warn,
    fill: (writer) => writeChanges(changes, writer, { mtime, signal }),
  });
  const reusable = reservedName === undefined && canBeTidied(items);
  if (reusable) tidy(dir, items, request);
  return { layer: { diffId, size }, reusable };
}

async function attributesOf({ root, signal }: ChrootCollectRequest, changed: UpperNode): Promise<UpperAttributes> {
  if (changed.children.length === 0) return new UpperAttributes(new Map(), "trusted");
  const dump = await dumpXattrs({ dir: root, wanted: UpperAttributes.wanted("trusted"), signal });
  if (dump.known) return new UpperAttributes(dump.values, "trusted");
  throw new NacreError("TOOL_MISSING", `extended attributes of changed files cannot be read: ${dump.why}`, {
    hint: "install getfattr (in most distributions the package attr) or GNU tar",
  });
}

function changeOf(dir: ByteString, { path, node, below, xattrs, verdict }: DiffItem, singleId: boolean): Change {
  if (verdict === "removed" || node === undefined) return { kind: "removed", path };
  const owner = singleId ? { uid: 0, gid: 0, ...ownerOf(node, below) } : { uid: node.uid, gid: node.gid };
  const { mode, size, mtime, link, devMajor, devMinor, inode } = node;
  return {
    ...{ kind: "present", path, type: node.type as PresentChange["type"], mode, ...owner, size, mtime, link },
    ...{ devMajor, devMinor, xattrs, inode },
    open: node.type === "file" ? () => openContent(dir, node) : undefined,
  };
}

/** Where files keep no owners, a changed one has that of the file below. */
function ownerOf(node: UpperNode, below: DiffItem["below"]): { uid: number; gid: number } | undefined {
  return below?.type === node.type ? { uid: below.uid, gid: below.gid } : undefined;
}

/** At its end the file must still be the one that was seen. */
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

/** Further names of an inode are made files of their own, which only ordinary files can be here. */
function canBeTidied(items: readonly DiffItem[]): boolean {
  return items.every(({ node, verdict, xattrs }) => {
    const linked = verdict === "changed" && node?.inode !== undefined;
    return !linked || (node.type === "file" && xattrs === undefined);
  });
}

/** The deepest first: what is done in a directory changes its time. */
function tidy(dir: ByteString, items: readonly DiffItem[], request: ChrootCollectRequest): void {
  const seen = new Set<string>();
  const beside = `${toByteString(request.beside)}/copy`;
  try {
    for (const item of [...items].reverse()) tidyOne(dir, item, request, seen, beside);
  } catch (error) {
    throw ioError("STORE", `making the root ${request.root} ready for the next step`, error);
  }
}

function tidyOne(
  dir: ByteString,
  { node, below, verdict, path }: DiffItem,
  { mtime }: ChrootCollectRequest,
  seen: Set<string>,
  beside: ByteString,
): void {
  if (node === undefined || (node.type === "char" && node.stamp === "")) return;
  const at = upperPath(dir, path);
  if (node.type === "socket") {
    fs.unlinkSync(at);
    return;
  }
  if (verdict === "changed") {
    if (node.inode !== undefined && seen.has(node.inode)) copyApart(at, node, beside);
    if (node.inode !== undefined) seen.add(node.inode);
    const time = mtime ?? node.mtime;
    if (mtime !== undefined || node.type === "dir") fs.lutimesSync(at, time, time);
  } else if (below !== undefined && node.type === "dir") {
    fs.lutimesSync(at, below.mtime, below.mtime);
  }
}

function copyApart(at: string | Buffer, node: UpperNode, beside: ByteString): void {
  const copy = fsPath(beside);
  fs.copyFileSync(at, copy, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE);
  fs.lchownSync(copy, node.uid, node.gid);
  fs.chmodSync(copy, node.mode);
  fs.lutimesSync(copy, node.mtime, node.mtime);
  fs.renameSync(copy, at);
}
