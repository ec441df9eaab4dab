/**
 * From a root that a step has changed to a layer in the store, and to a root that looks as if that layer had been unpacked
 * into it.
 */
import * as fs from "node:fs";
import { storeWrittenLayer } from "../image/writeLayer.js";
import type { FileTree } from "../layer/fileTree.js";
import { Pace } from "../layer/pace.js";
import { contentBytes } from "../layer/upper.js";
import { UpperAttributes } from "../layer/upperAttributes.js";
import { changeOf, hashContent, readAttributes } from "../layer/upperContent.js";
import { type DiffItem, diffUpper, isWritten } from "../layer/upperDiff.js";
import { type UpperNode, upperPath } from "../layer/upperWalk.js";
import { writeChanges } from "../layer/writeChanges.js";
import type { Store } from "../store/store.js";
import { type ByteString, fsPath, toByteString } from "../support/bytes.js";
import { ioError } from "../support/errors.js";
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

/** @throws NacreError TOOL_MISSING, CONTENT_INVALID, STORE, DISK_FULL, CANCELLED */
export async function collectChroot(request: ChrootCollectRequest): Promise<CollectedChroot> {
  const { store, record, below, singleId, mtime, signal, warn } = request;
  const dir = toByteString(request.root);
  const pace = new Pace(signal);
  const node = await changesSince(dir, record, pace);
  const attributes = await attributesOf(request, node);
  const hash = (file: UpperNode) => hashContent(dir, file, pace);
  const items = await diffUpper(node, below, { attributes, singleId, stubs: new Set(), hash }, pace);
  const changes = items.filter(isWritten).map((item) => changeOf(dir, item, singleId));
  const { diffId, size, reservedName } = await storeWrittenLayer(store, {
    expected: contentBytes(changes),
    warn,
    fill: (writer) => writeChanges(changes, writer, { mtime, signal }),
  });
  const reusable = reservedName === undefined && canBeTidied(items);
  if (reusable) tidy(dir, items, request);
  return { layer: { diffId, size }, reusable };
}

function attributesOf({ root, signal }: ChrootCollectRequest, changed: UpperNode): Promise<UpperAttributes> {
  if (changed.children.length === 0) return Promise.resolve(new UpperAttributes(new Map(), "trusted"));
  return readAttributes({ dir: root, xattrs: "trusted", signal });
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
