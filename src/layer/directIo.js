// @ts-check
/**
 * Input and output past the page cache, where that is quicker. In a virtual machine whose memory has never been touched
 * (a CI job's, mostly) every new page of the cache costs a fault in the host: 2 s a GB were measured, while the disk
 * itself took 0.5 s. Elsewhere the cache is quicker by far. So nothing is assumed: both ways are timed on the first
 * megabytes and the quicker one is kept. In plain JavaScript, because a thread uses it (see sinkWorker.js).
 */
import { closeSync, constants, openSync } from "node:fs";

/** Bytes of one transfer past the cache: a multiple of every block size. */
export const DIRECT_BYTES = 1 << 20;
/** Every device and file system is content with memory that is aligned so. */
const ALIGNMENT = 4096;
/** Each way is timed on this many transfers. */
const TRIAL = 8;
/** Below this many milliseconds a transfer the page cache is doing well, and nothing else is tried. */
const QUICK_MS = 0.8;

/**
 * Opens a file a second time, past the cache.
 * @param {number} fd an open descriptor of the file
 * @param {"r" | "w"} mode
 * @returns {number | undefined} undefined where the system or the file system knows no such thing
 */
export function openDirect(fd, mode) {
  if (process.platform !== "linux") return undefined;
  try {
    const access = mode === "r" ? constants.O_RDONLY : constants.O_WRONLY;
    return openSync(`/proc/self/fd/${fd}`, access | constants.O_DIRECT);
  } catch {
    return undefined;
  }
}

/**
 * A buffer of {@link DIRECT_BYTES} that starts at an aligned address. Addresses are not told to JavaScript, so each offset that it
 * could be is tried.
 * @param {(candidate: Buffer) => void} attempt does a direct transfer with the buffer; throws where it is not aligned
 * @returns {Buffer | undefined} undefined if no offset will do
 */
export function alignedBuffer(attempt) {
  const memory = Buffer.from(new ArrayBuffer(DIRECT_BYTES + ALIGNMENT));
  for (let offset = 0; offset < ALIGNMENT; offset += 16) {
    const candidate = memory.subarray(offset, offset + DIRECT_BYTES);
    try {
      attempt(candidate);
      return candidate;
    } catch {
      // The next offset.
    }
  }
  return undefined;
}

/**
 * Times transfers and decides. As long as the cache is quick nothing else is tried; it may become slow later, for a file of
 * which only the beginning is cached. Once both ways have been timed, the choice is final.
 */
export class Trial {
  /** @type {"cached" | "direct"} */
  way = "cached";
  #decided = false;
  #count = 0;
  #sum = 0;
  /** What the cached way took before the other was tried. */
  #cached = 0;
  #quickMs;

  /** @param {number} [quickMs] milliseconds a transfer below which the page cache is not called in question */
  constructor(quickMs = QUICK_MS) {
    this.#quickMs = quickMs;
  }

  /** True if the cache has been slow, so that the next transfer should go past it. */
  get wantsDirect() {
    return !this.#decided && this.way === "cached" && this.#cached > 0;
  }

  /** @param {number} milliseconds that one whole transfer took, the way that `way` says */
  took(milliseconds) {
    if (this.#decided) return;
    this.#count++;
    this.#sum += milliseconds;
    if (this.#count < TRIAL) return;
    if (this.way === "cached") {
      if (this.#sum >= this.#quickMs * TRIAL) this.#cached = this.#sum;
    } else {
      this.#decided = true;
      if (this.#sum >= this.#cached) this.way = "cached";
    }
    this.#count = 0;
    this.#sum = 0;
  }

  /** Goes past the cache from now on, to be timed. */
  tryDirect() {
    this.way = "direct";
    this.#count = 0;
    this.#sum = 0;
  }

  /** Stays with the cache for good. */
  giveUp() {
    this.way = "cached";
    this.#decided = true;
  }
}

/** @param {number | undefined} fd */
export function closeDirect(fd) {
  if (fd !== undefined) closeSync(fd);
}
