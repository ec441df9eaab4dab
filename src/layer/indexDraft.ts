/** Entries of a layer's index while its tree is being made. */
import type { ByteString } from "../support/bytes.js";
import type { SparseSegment } from "../tar/sparse.js";
import { FLAG_OPAQUE, type IndexType } from "./layerIndex.js";

/** A file's content: shared by all names of its inode. */
export interface DraftContent {
  size: number;
  offset: number;
  /** SHA-256 in hex, set once the content has passed. */
  digest: string | undefined;
  /** Set for a sparse file: where its stretches of data stand in the tar, one after the other from `offset` on. */
  sparse: readonly SparseSegment[] | undefined;
  /** The inode's first name. */
  readonly first: Draft;
}

/** An entry while the tree is being made. */
export interface Draft {
  readonly name: ByteString;
  readonly parent: Draft | undefined;
  type: IndexType;
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  flags: number;
  headerOffset: number;
  link: ByteString | undefined;
  device: readonly [number, number] | undefined;
  xattrs: Readonly<Record<string, ByteString>> | undefined;
  content: DraftContent | undefined;
  children: Map<ByteString, Draft> | undefined;
  /** False once a later member has taken its place. */
  alive: boolean;
}

/** A new entry; directories start as 0755 root. */
export function draft(name: ByteString, parent: Draft | undefined, type: IndexType, flags: number): Draft {
  const mode = type === "dir" ? 0o755 : 0;
  const none = undefined;
  return {
    name,
    parent,
    type,
    mode,
    uid: 0,
    gid: 0,
    mtime: 0,
    flags,
    headerOffset: -1,
    link: none,
    device: none,
    xattrs: none,
    content: none,
    children: none,
    alive: true,
  };
}

/** Hangs an entry below a directory, in place of an earlier one of its name. */
export function put(parent: Draft, node: Draft): Draft {
  parent.children ??= new Map();
  const old = parent.children.get(node.name);
  if (old) bury(old);
  // What the whiteout of this name said stays true for a directory that takes its place; anything else replaces by itself.
  if (old?.type === "whiteout" && node.type === "dir") node.flags |= FLAG_OPAQUE;
  parent.children.set(node.name, node);
  return node;
}

function bury(node: Draft): void {
  node.alive = false;
  for (const child of node.children?.values() ?? []) bury(child);
}
