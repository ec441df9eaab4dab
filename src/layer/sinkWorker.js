// @ts-check
/**
 * A thread of a threaded chunk sink (see chunkSink.ts): hashes or writes chunks, in order. In plain JavaScript,
 * because a thread cannot load TypeScript sources when the tests run from them.
 */
import { createHash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { FileWriter } from "./fileWriter.js";

const SUBMITTED = 0;
const STATE = 1;
const CONSUMED = 2;
const LENGTHS = 4;
const STATE_ABORTED = 2;

/** @type {{ fd: number, control: Int32Array, memory: SharedArrayBuffer, chunkSize: number, chunks: number, role: "hash" | "write", number: number }} */
const { fd, control, memory, chunkSize, chunks, role, number } = workerData;
const hash = createHash("sha256");
const file = new FileWriter(fd);
let consumed = 0;
let size = 0;
/** @type {any} */
let failure;

/** @param {Uint8Array} bytes */
function take(bytes) {
  if (role === "hash") hash.update(bytes);
  else file.write(bytes);
  size += bytes.length;
}

for (;;) {
  const submitted = Atomics.load(control, SUBMITTED);
  if (submitted === consumed) {
    if (Atomics.load(control, STATE) !== 0 && Atomics.load(control, SUBMITTED) === consumed) break;
    // The end changes no awaited value, so it may be missed; hence the limit.
    Atomics.wait(control, SUBMITTED, submitted, 20);
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
  Atomics.store(control, CONSUMED + number, consumed);
  Atomics.notify(control, CONSUMED + number);
}

try {
  if (role === "write" && failure === undefined && Atomics.load(control, STATE) !== STATE_ABORTED) file.end();
} catch (error) {
  failure = error;
}

parentPort?.postMessage(
  // A copy of an error loses what is not standard, such as the code.
  failure !== undefined
    ? { error: failure, code: failure.code }
    : role === "hash"
      ? { hex: hash.digest("hex"), size }
      : { size },
);
