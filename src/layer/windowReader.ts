/**
 * Reading a layer's tar at many small places near each other: one bigger read answers them all. Which way that read
 * goes, through the page cache or past it, is a matter of what is quicker here (see directIo.js).
 */
import { readSync } from "node:fs";
import { alignedBuffer, closeDirect, DIRECT_BYTES, openDirect, Trial } from "./directIo.js";

/** Through the cache a small window is best: it stays in the processor's own cache. */
const CACHED_BYTES = 256 << 10;

/** Reads from an open file; see the top of this file. */
export class WindowReader {
  readonly #fd: number;
  #direct: number | undefined;
  #bytes: Buffer = Buffer.allocUnsafeSlow(CACHED_BYTES);
  #start = 0;
  #end = 0;
  readonly #trial: Trial;
  /** Milliseconds that the cached way took since a whole DIRECT_BYTES was read, and how much of it is read. */
  #cachedMs = 0;
  #cachedBytes = 0;

  constructor(fd: number, trial: Trial = new Trial()) {
    this.#fd = fd;
    this.#trial = trial;
  }

  /** Reads up to `length` bytes from `position` on. @returns bytes read, 0 at the end of the file */
  read(target: Buffer, at: number, length: number, position: number): number {
    if (position < this.#start || position >= this.#end) this.#fill(position);
    const from = position - this.#start;
    return this.#bytes.copy(target, at, from, Math.min(from + length, this.#end - this.#start));
  }

  close(): void {
    closeDirect(this.#direct);
    this.#direct = undefined;
  }

  #fill(position: number): void {
    if (this.#trial.wantsDirect) this.#startDirect();
    if (this.#trial.way === "direct" && this.#fillDirect(position)) return;
    const start = performance.now();
    this.#start = position;
    this.#end = position + readSync(this.#fd, this.#bytes, 0, CACHED_BYTES, position);
    this.#tookCached(performance.now() - start, this.#end - position);
  }

  /** Small windows are put together until they are what one direct read would bring. */
  #tookCached(milliseconds: number, bytes: number): void {
    this.#cachedMs += milliseconds;
    this.#cachedBytes += bytes;
    if (this.#cachedBytes < DIRECT_BYTES) return;
    this.#trial.took(this.#cachedMs);
    this.#cachedMs = 0;
    this.#cachedBytes = 0;
  }

  #fillDirect(position: number): boolean {
    const aligned = position - (position % DIRECT_ALIGNMENT);
    const start = performance.now();
    try {
      const got = readSync(this.#direct!, this.#bytes, 0, DIRECT_BYTES, aligned);
      this.#start = aligned;
      this.#end = aligned + got;
      this.#trial.took(performance.now() - start);
      // Nothing at the wanted place: the cached way decides what that means.
      return this.#end > position;
    } catch {
      this.#trial.giveUp();
      return false;
    }
  }

  #startDirect(): void {
    const direct = openDirect(this.#fd, "r");
    const aligned =
      direct === undefined
        ? undefined
        : alignedBuffer((candidate) => void readSync(direct, candidate, 0, DIRECT_BYTES, 0));
    if (aligned === undefined) {
      closeDirect(direct);
      this.#trial.giveUp();
      return;
    }
    this.#direct = direct;
    this.#bytes = aligned;
    this.#end = this.#start;
    this.#trial.tryDirect();
  }
}

/** Positions past the cache are multiples of this. */
const DIRECT_ALIGNMENT = 4096;
