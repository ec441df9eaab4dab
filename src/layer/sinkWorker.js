// @ts-check
/**
 * The thread of a threaded chunk sink (see chunkSink.ts): hashes and writes chunks in order. In plain JavaScript,
 * because a thread cannot load TypeScript sources when the tests run from them.
 */
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

const SUBMITTED = 0;
const CONSUMED = 1;
const STATE = 2;
const LENGTHS = 3;
const STATE_ABORTED = 2;

/** @type {{ fd: number, control: Int32Array, memory: SharedArrayBuffer, chunkSize: number, chunks: number }} */
const { fd, control, memory, chunkSize, chunks } = workerData;
const hash = createHash("sha256");
let consumed = 0;
let size = 0;
/** @type {unknown} */
let failure;

/** @param {Uint8Array} bytes */
function take(bytes) {
  hash.update(bytes);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
  size += bytes.length;
}

for (;;) {
  const submitted = Atomics.load(control, SUBMITTED);
  if (submitted === consumed) {
    if (Atomics.load(control, STATE) !== 0 && Atomics.load(control, SUBMITTED) === consumed) break;
    Atomics.wait(control, SUBMITTED, submitted, 100);
    continue;
  }
  const slot = consumed % chunks;
  if (failure === undefined && Atomics.load(control, STATE) !== STATE_ABORTED) {
    try {
      take(new Uint8Array(memory, slot * chunkSize, Atomics.load(control, LENGTHS + slot)));
    } catch (error) {
      failure = error;
    }
  }
  consumed++;
  Atomics.store(control, CONSUMED, consumed);
  Atomics.notify(control, CONSUMED);
}

parentPort?.postMessage(failure === undefined ? { hex: hash.digest("hex"), size } : { error: failure });
