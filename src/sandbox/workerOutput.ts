/**
 * The output of processes on its way from the worker to nacre: frames in a pipe. The worker writes them synchronously,
 * so a process that writes faster than nacre reads waits for the pipe like any other; nothing piles up in memory.
 *
 * A frame: number of the call and number of bytes, 32 bits each, little endian; then the bytes. No bytes: the end.
 */
import { writeSync } from "node:fs";
import { errnoOf } from "../support/errors.js";

const HEADER = 8;

/** Writes one frame; blocks while the pipe is full. Nothing is written once the reader is gone. */
export function writeFrame(fd: number, call: number, bytes: Uint8Array): void {
  const header = Buffer.allocUnsafe(HEADER);
  header.writeUInt32LE(call, 0);
  header.writeUInt32LE(bytes.length, 4);
  try {
    writeAll(fd, header);
    writeAll(fd, bytes);
  } catch (error) {
    if (errnoOf(error) !== "EPIPE" && errnoOf(error) !== "ECONNRESET") throw error;
  }
}

/** Writes the frame that ends the output of a call. */
export function writeEnd(fd: number, call: number): void {
  writeFrame(fd, call, new Uint8Array(0));
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += writeSync(fd, bytes, at));
}

/** Takes frames apart, however they are cut. */
export class FrameReader {
  readonly #onBytes: (call: number, bytes: Buffer) => void;
  readonly #onEnd: (call: number) => void;
  readonly #header = Buffer.alloc(HEADER);
  #inHeader = 0;
  #left = 0;

  constructor(onBytes: (call: number, bytes: Buffer) => void, onEnd: (call: number) => void) {
    this.#onBytes = onBytes;
    this.#onEnd = onEnd;
  }

  /** The next bytes of the pipe. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) at += this.#left > 0 ? this.#body(chunk, at) : this.#head(chunk, at);
  }

  #head(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#header, this.#inHeader, at, at + HEADER - this.#inHeader);
    this.#inHeader += taken;
    if (this.#inHeader < HEADER) return taken;
    this.#inHeader = 0;
    this.#left = this.#header.readUInt32LE(4);
    if (this.#left === 0) this.#onEnd(this.#header.readUInt32LE(0));
    return taken;
  }

  #body(chunk: Buffer, at: number): number {
    const bytes = chunk.subarray(at, at + this.#left);
    this.#left -= bytes.length;
    this.#onBytes(this.#header.readUInt32LE(0), bytes);
    return bytes.length;
  }
}
