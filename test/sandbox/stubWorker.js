/** A worker whose sandbox executes nothing: what a request asks for in its arguments is done by the worker itself. */
import { execFileSync } from "node:child_process";

const load = (/** @type {string} */ name) => import(new URL(`../../dist/${name}`, import.meta.url).href);
const [{ WorkerServer }, { NacreError }, { removeTree }, { closeInherited }] = await Promise.all([
  load("sandbox/workerServer.js"),
  load("support/errors.js"),
  load("store/removeTree.js"),
  load("sandbox/inherited.js"),
]);

closeInherited();

/** @type {Record<string, (run: { args: readonly string[], io: any, signal: AbortSignal }) => any>} */
const acts = {
  flood({ args, io }) {
    const chunk = Buffer.alloc(1 << 20, "x");
    for (let i = 0; i < Number(args[1]); i++) io.onOutput(chunk);
    return { kind: "code", code: process.resourceUsage().maxRSS >> 10 };
  },
  say({ args, io }) {
    for (const word of args.slice(1)) io.onOutput(Buffer.from(word));
    return { kind: "code", code: 0 };
  },
  fail() {
    throw new NacreError("MOUNT", "no such thing", { hint: "do this", facts: { name: "x", sizes: [1, 2] } });
  },
  wait({ signal }) {
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new NacreError("CANCELLED", "stopped")));
    });
  },
  crash() {
    setImmediate(() => {
      throw new Error("a bug in the worker");
    });
    return new Promise(() => {});
  },
  nonsense() {
    return { kind: "nothing that is known" };
  },
  descriptors() {
    const list = execFileSync("ls", ["/proc/self/fd"], { stdio: ["ignore", "pipe", "inherit"] });
    return { kind: "signal", signal: list.toString().trim().split("\n").join() };
  },
  pid() {
    return { kind: "code", code: process.pid };
  },
};

const sandbox = {
  async prepare(/** @type {any} */ request, /** @type {any} */ events) {
    events.warn("SomeRule", `secret is ${request.secretEnv.get("TOKEN")}`);
    events.onProgress(1, undefined);
    return {
      execute: (/** @type {any} */ io, /** @type {any} */ options) => {
        const args = options.args ?? request.args;
        return acts[args[0]]?.({ args, io, signal: options.signal });
      },
      collect: async () => ({ diffId: `sha256:${"5".repeat(64)}`, size: request.mounts[0]?.content?.length ?? 0 }),
      release: async () => {},
    };
  },
  close: async () => {},
};

const server = new WorkerServer({
  openSandbox: async () => sandbox,
  probe: async () => {
    throw new Error("not probed here");
  },
  removeTree,
  send: (/** @type {any} */ message) => process.send?.(message),
  outputFd: 5,
});
process.on("message", (message) => server.receive(message));
process.on("disconnect", () => process.exit(0));
process.on("uncaughtException", (error) => {
  process.send?.({ type: "dying", message: error.message }, undefined, undefined, () => process.exit(70));
});
process.send?.({ type: "ready" });
