/** The limits of the cache: what they are, and what they come to on the file system that a store lies on. */
import * as fs from "node:fs";
import { dirname } from "node:path";

/** A part of the file system's size. */
export interface Percent {
  readonly percent: number;
}

/** How big and how old the cache may become. Each limit holds by itself; what is absent is no limit. */
export interface CacheLimits {
  /** Most bytes on disk for the cache: all that no named image needs. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds: what was not used for longer goes. */
  readonly keepDuration?: number | undefined;
  /** What the file system shall have free, for ordinary users: bytes, or a part of its size. */
  readonly minFree?: number | Percent | undefined;
}

/** Limits in figures, as they stand now. */
export interface Thresholds {
  readonly maxBytes: number;
  /** Bytes that are wanted free, and are. */
  readonly minFree: number;
  readonly free: number;
  /** Milliseconds since 1970: what was used before has been kept too long. */
  readonly usedBefore: number;
}

/** The cache's size limit where none is given: 10 GiB, or a fifth of the file system if that is more. */
export function defaultLimit(path: string): number {
  return Math.max(10 * 2 ** 30, Math.floor(spaceOf(path).size / 5));
}

/** Bytes of a file system, and those that ordinary users may still write. @param path of something on it, or yet to be made */
export function spaceOf(path: string): { readonly size: number; readonly free: number } {
  const { bsize, blocks, bavail } = fs.statfsSync(existing(path));
  return { size: bsize * blocks, free: bsize * bavail };
}

function existing(path: string): string {
  const parent = dirname(path);
  return parent === path || fs.existsSync(path) ? path : existing(parent);
}

/** What the limits come to. @param now milliseconds since 1970 */
export function thresholdsOf(limits: CacheLimits, path: string, now: number): Thresholds {
  const { size, free } = spaceOf(path);
  const { maxBytes = Number.POSITIVE_INFINITY, keepDuration, minFree = 0 } = limits;
  return {
    maxBytes,
    minFree: typeof minFree === "number" ? minFree : Math.floor((size * minFree.percent) / 100),
    free,
    usedBefore: keepDuration === undefined ? Number.NEGATIVE_INFINITY : now - keepDuration,
  };
}
