/**
 * What a process changed in a tree, found by whoever looked (the upper directory of an overlay, a root compared with what
 * it was): the common form from which the layer of a RUN is written.
 */
import type { ByteString } from "../support/bytes.js";
import type { ContentReader, FileType } from "./fileTree.js";

/** A name that is there, and may differ from the layers below. */
export interface PresentChange {
  readonly kind: "present";
  /** Clean path from the root, which itself is "". */
  readonly path: ByteString;
  readonly type: FileType;
  /** The low 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content; 0 for everything but files. */
  readonly size: number;
  /** Whole seconds since 1970, floored. */
  readonly mtime: number;
  readonly link?: ByteString | undefined;
  readonly devMajor?: number | undefined;
  readonly devMinor?: number | undefined;
  /** Only what belongs into a layer; absent if none. */
  readonly xattrs?: Readonly<Record<string, ByteString>> | undefined;
  /** Equal for all names of one inode; undefined where there is one name only. */
  readonly inode?: string | undefined;
  /** Directories: what the layers below have here is hidden. */
  readonly opaque?: boolean | undefined;
  /** Files: opens the content. */
  readonly open?: (() => ContentReader) | undefined;
}

/** A name that is gone. */
export interface RemovedChange {
  readonly kind: "removed";
  readonly path: ByteString;
}

/** In the order of a layer's index: parents first, then names in byte order per component. */
export type Change = PresentChange | RemovedChange;

/**
 * Which extended attributes belong into a layer: all but the kernel's and the host's own (BuildKit's content digest, and
 * overlayfs), and those whose names no tar archive can hold.
 */
export function isLayerXattr(name: string): boolean {
  if (name === "security.capability") return true;
  if (name.startsWith("security.") || name.startsWith("system.")) return false;
  // A PAX record ends its key at the first =.
  if (name.includes("=")) return false;
  return !name.startsWith("trusted.overlay.") && !name.startsWith("user.overlay.");
}
