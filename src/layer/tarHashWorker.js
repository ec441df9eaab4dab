// @ts-check
/**
 * A thread that hashes a layer's tar in one pass (see tarDigests.ts): the whole, and each of its blocks. In plain
 * JavaScript, because a thread cannot load TypeScript sources when the tests run from them.
 */
import { createHash } from "node:crypto";
import { readSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

/** Small enough that what one hash has read is still in the processor's cache for the other. */
const CHUNK_BYTES = 256 << 10;
/** Digests are told when this many bytes are read: a message for each block would cost more than it helps. */
const TELL_EVERY = 4 << 20;

/** @type {{ fd: number, size: number, starts: readonly number[] }} */
const { fd, size, starts } = workerData;
const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
const whole = createHash("sha256");
/** @type {string[]} */
let digests = [];
let told = 0;

/** @param {number} from @param {number} to */
function hashBlock(from, to) {
  const block = createHash("sha256");
  for (let at = from; at < to; ) {
    const got = readSync(fd, chunk, 0, Math.min(CHUNK_BYTES, to - at), at);
    if (got === 0) throw new Error("the file is too short");
    const bytes = chunk.subarray(0, got);
    block.update(bytes);
    whole.update(bytes);
    at += got;
  }
  digests.push(block.digest("hex"));
}

for (const [number, start] of starts.entries()) {
  const end = starts[number + 1] ?? size;
  hashBlock(start, end);
  if (end - told < TELL_EVERY && end < size) continue;
  parentPort?.postMessage({ digests });
  digests = [];
  told = end;
}
parentPort?.postMessage({ whole: whole.digest("hex") });
