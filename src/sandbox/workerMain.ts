/**
 * The worker: a process of nacre that is root in a user namespace, or has a mount namespace of its own, and executes
 * steps there. Started by workerStart.ts, never by hand; ends with the process that started it.
 */

import { removeTree } from "../store/removeTree.js";
import { Store } from "../store/store.js";
import { closeInherited } from "./inherited.js";
import { type FromWorker, OUTPUT_FD, type ProbeCall } from "./workerProtocol.js";
import { mountUpper, openWorkerSandbox } from "./workerSandbox.js";
import { WorkerServer } from "./workerServer.js";

closeInherited();

const stores = new Set<Store>();

const server = new WorkerServer({
  openSandbox: async (path, sandbox) => openWorkerSandbox(await openStore(path), sandbox),
  probe,
  removeTree,
  send,
  outputFd: OUTPUT_FD,
});

// Ctrl-C reaches the whole process group; what is to end then, and in which order, is for nacre itself to say.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
process.on("message", (message) => server.receive(message));
process.on("disconnect", () => void end(0));
process.on("uncaughtException", (error: Error) => {
  send({ type: "dying", message: error.stack ?? String(error) });
  void end(70);
});
send({ type: "ready" });

async function probe(path: string, call: ProbeCall) {
  const { probeHere } = await import("./probe.js");
  const { gatherFacts } = await import("./probeFacts.js");
  const store = await openStore(path);
  const tmpfs = call.tmpfs === undefined ? undefined : await mountUpper(store, call.tmpfs).catch(() => undefined);
  return probeHere(store, gatherFacts(call.path), { levels: call.levels, tmpfs, around: call.around });
}

async function openStore(path: string): Promise<Store> {
  const store = await Store.open(path, { create: false });
  stores.add(store);
  return store;
}

function send(message: FromWorker): void {
  // Whoever is gone hears nothing, and its going is told by "disconnect".
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

let ending = false;

async function end(code: number): Promise<void> {
  if (ending) return;
  ending = true;
  try {
    await server.close();
    for (const store of stores) await store.close();
  } finally {
    process.exit(code);
  }
}
