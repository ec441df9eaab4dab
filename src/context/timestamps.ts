/**
 * When the times of a file may be trusted to tell a change. A file that was changed just before it was looked at can be
 * changed again within the same tick of the file system's clock, and look the same ("racy git"). Such entries are
 * marked and read again by the next build, once.
 */
import * as fs from "node:fs";

/** How the clock of a file system behaves. */
export interface Granularity {
  /** An inode's ctime must be at least this many milliseconds old when it is looked at. */
  readonly margin: number;
  /** The same for times without a fraction of a second: they may come from a file system that keeps whole ones only. */
  readonly wholeSecondMargin: number;
  /** mtime is checked as well: the file system may not keep a real ctime. */
  readonly mtimeToo: boolean;
  /** A directory whose times are the same has the same names. */
  readonly listings: boolean;
}

/**
 * Linux stamps inodes with the time of the last clock tick: at most 10 ms late (CONFIG_HZ=100). 50 ms leave room.
 * ext4 with small inodes keeps whole seconds.
 */
const FINE: Granularity = { margin: 50, wholeSecondMargin: 2050, mtimeToo: false, listings: true };

/** Not seen to be fine: FAT's two seconds. */
const COARSE: Granularity = { margin: 2050, wholeSecondMargin: 2050, mtimeToo: true, listings: false };

/** The stamps come from another machine, whose clock may differ. */
const REMOTE: Granularity = { margin: 600_000, wholeSecondMargin: 600_000, mtimeToo: true, listings: false };

/** Superblock magic numbers (Linux: statfs(2), include/uapi/linux/magic.h). */
const FINE_TYPES = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x858458f6, 0xf2f52010, 0xca451a4e]);
/** Overlay: as fine as what is below, but the names of a merged directory may change under it. */
const FINE_WITHOUT_LISTINGS = new Set([0x794c7630, 0x2fc12fc1]);
/** NFS, SMB (three of them), 9p, FUSE, AFS, Ceph, Lustre, VirtualBox, coda, gfs2, ocfs2. */
const REMOTE_TYPES = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546, 0x5346414f, 0x00c36400, 0x0bd00bd0, 0x786f4256,
  0x73757245, 0x01161970, 0x7461636f,
]);

/** How the file system that holds a directory keeps time. */
export function granularityOf(directory: string | Buffer): Granularity {
  let type: number;
  try {
    type = fs.statfsSync(directory).type >>> 0;
  } catch {
    return COARSE;
  }
  if (process.platform !== "linux") return COARSE;
  if (FINE_TYPES.has(type)) return FINE;
  if (FINE_WITHOUT_LISTINGS.has(type)) return { ...FINE, listings: false };
  return REMOTE_TYPES.has(type) ? REMOTE : COARSE;
}

/** What is assumed of file systems mounted inside a context. */
export const UNKNOWN_GRANULARITY = REMOTE;

/**
 * True if a change after `now` might leave these times as they are.
 * @param now milliseconds since 1970, taken before the `lstat`
 */
export function isRacy(granularity: Granularity, mtimeMs: number, ctimeMs: number, now: number): boolean {
  const margin = ctimeMs % 1000 === 0 ? granularity.wholeSecondMargin : granularity.margin;
  if (ctimeMs > now - margin) return true;
  // An mtime in the future is one that somebody set: it does not make the file racy for ever.
  return granularity.mtimeToo && mtimeMs > now - margin && mtimeMs <= now + margin;
}
