/** What one member of a tar archive is, whatever dialect it was written in. */
import type { ByteString } from "../support/bytes.js";

/** Kinds of members. Sparse files are read as files with their holes filled in. */
export type TarEntryType = "file" | "hardlink" | "symlink" | "char" | "block" | "dir" | "fifo";

/** A member's metadata. */
export interface TarEntry {
  /** As in the archive, but without a trailing `/` on directories. Writers add it. */
  readonly path: ByteString;
  readonly type: TarEntryType;
  /** The low 12 bits: permissions, setuid, setgid, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content; 0 for everything but files. */
  readonly size: number;
  /** Seconds since 1970, floored to a whole number; negative before. */
  readonly mtime: number;
  /** Target of a hardlink or symlink, else absent. */
  readonly link?: ByteString | undefined;
  readonly devMajor?: number | undefined;
  readonly devMinor?: number | undefined;
  /** Extended attributes by name, values as byte strings; absent if none. */
  readonly xattrs?: Readonly<Record<string, ByteString>> | undefined;
}
