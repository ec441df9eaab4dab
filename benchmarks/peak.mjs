/** Loaded into a measured Node process by `--import`: tells its peak memory, in KiB, when it ends. */
import { appendFileSync, readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

const file = process.env.NACRE_BENCH_PEAK;
if (file && isMainThread) {
  process.on("exit", () => {
    let peak = process.resourceUsage().maxRSS;
    try {
      // Unlike maxRSS, which a process takes over from the one that started it, this is the process's own.
      peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? peak);
    } catch {}
    appendFileSync(file, `${peak}\n`);
  });
}
