/** What is known of the file system that a path lies on. */
import { statfsSync } from "node:fs";

/** `f_type` of statfs(2), as Linux numbers them. */
const TYPES: Readonly<Record<number, string>> = {
  61267: "ext4",
  1481003842: "xfs",
  2435016766: "btrfs",
  16914836: "tmpfs",
  2035054128: "overlay",
  801189825: "zfs",
  26985: "nfs",
  1702057286: "fuse",
  4076150800: "f2fs",
  16914839: "v9fs",
  4283649346: "cifs",
  3393526350: "bcachefs",
};

/** A file system. Sizes in bytes. */
export interface FileSystem {
  /** Its name, or the number of its type in hexadecimal. */
  readonly type: string;
  readonly size: number;
  /** Free for ordinary users. */
  readonly free: number;
}

/** The file system of an existing path. */
export function fileSystemOf(path: string): FileSystem {
  const { type, bsize, blocks, bavail } = statfsSync(path);
  const known = process.platform === "linux" ? TYPES[type >>> 0] : undefined;
  return { type: known ?? `0x${(type >>> 0).toString(16)}`, size: bsize * blocks, free: bsize * bavail };
}
