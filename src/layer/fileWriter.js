// @ts-check
/** Writes a layer's bytes into an open file, one after the other, by the quicker way (see directIo.js). */
import { writeSync } from "node:fs";
import { alignedBuffer, closeDirect, DIRECT_BYTES, openDirect, Trial } from "./directIo.js";

export class FileWriter {
  #fd;
  /** @type {number | undefined} */
  #direct;
  /** @type {Buffer} */
  #staging = Buffer.allocUnsafeSlow(DIRECT_BYTES);
  #filled = 0;
  #position = 0;
  #trial;

  /**
   * @param {number} fd open for writing, empty
   * @param {Trial} [trial]
   */
  constructor(fd, trial = new Trial()) {
    this.#fd = fd;
    this.#trial = trial;
  }

  /** @param {Uint8Array} bytes may be reused afterwards */
  write(bytes) {
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(bytes.length - at, DIRECT_BYTES - this.#filled);
      this.#staging.set(bytes.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled === DIRECT_BYTES) this.#flushWhole();
    }
  }

  /** Writes what is left. */
  end() {
    try {
      this.#writeCached();
    } finally {
      closeDirect(this.#direct);
      this.#direct = undefined;
    }
  }

  #flushWhole() {
    if (this.#trial.wantsDirect) this.#startDirect();
    const start = performance.now();
    if (this.#trial.way === "direct") this.#writeDirect();
    else this.#writeCached();
    this.#trial.took(performance.now() - start);
  }

  #writeCached() {
    for (let at = 0; at < this.#filled; ) {
      at += writeSync(this.#fd, this.#staging, at, this.#filled - at, this.#position + at);
    }
    this.#position += this.#filled;
    this.#filled = 0;
  }

  #writeDirect() {
    if (this.#direct === undefined || !this.#tryWriteDirect(this.#direct)) {
      this.#trial.giveUp();
      this.#writeCached();
      return;
    }
    this.#position += this.#filled;
    this.#filled = 0;
  }

  /** @param {number} direct */
  #tryWriteDirect(direct) {
    try {
      return writeSync(direct, this.#staging, 0, DIRECT_BYTES, this.#position) === DIRECT_BYTES;
    } catch {
      // Whatever is wrong, the cached way meets it too, or gets on without.
      return false;
    }
  }

  /** The staging buffer has to be aligned from now on; what it holds goes along. */
  #startDirect() {
    const direct = openDirect(this.#fd, "w");
    const aligned =
      direct === undefined
        ? undefined
        : alignedBuffer((candidate) => {
            candidate.set(this.#staging);
            writeSync(direct, candidate, 0, DIRECT_BYTES, this.#position);
          });
    if (aligned === undefined) {
      closeDirect(direct);
      this.#trial.giveUp();
      return;
    }
    this.#direct = direct;
    this.#staging = aligned;
    this.#trial.tryDirect();
  }
}
