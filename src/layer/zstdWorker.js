// @ts-check
/**
 * A thread that compresses blocks with zstd in WebAssembly (see codecs.ts). In plain JavaScript, because a thread cannot
 * load TypeScript sources when the tests run from them.
 */
import { parentPort, workerData } from "node:worker_threads";
import { compress, init } from "@bokuweb/zstd-wasm";

const ready = init();

parentPort?.on("message", async (/** @type {Uint8Array<ArrayBuffer>} */ block) => {
  try {
    await ready;
    const frame = compress(block, workerData.level);
    parentPort?.postMessage({ frame });
  } catch (error) {
    parentPort?.postMessage({ error: String(error) });
  }
});
