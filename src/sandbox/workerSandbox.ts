/** The sandbox that a worker serves: the local one, after the mount namespace of the worker has been furnished. */
import { execFile } from "node:child_process";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { lastWords } from "./probeReasons.js";
import type { Sandbox } from "./types.js";
import type { SandboxCall } from "./workerProtocol.js";

/** Opens the sandbox in this process, which is the worker. @throws NacreError ISOLATION */
export async function openWorkerSandbox(store: Store, call: SandboxCall): Promise<Sandbox> {
  const { LocalSandbox } = await import("./localSandbox.js");
  if (typeof call.hand.upper === "object") await mountUpper(store, call.tmpfs ?? 0);
  return new LocalSandbox({ store, level: call.level, hand: call.hand, runtime: call.runtime });
}

/**
 * Mounts a tmpfs for upper directories. Only this process and its children see it, and the kernel frees it with them.
 * @param size bytes; it takes memory only as far as it is filled
 * @returns where it is
 * @throws NacreError ISOLATION
 */
export async function mountUpper(store: Store, size: number): Promise<string> {
  const directory = store.directory.ensure("upper");
  const args = ["-t", "tmpfs", "-o", `size=${size},mode=0700,nosuid,nodev`, "tmpfs", directory];
  const env = { PATH: process.env.PATH, LC_ALL: "C", LIBMOUNT_FORCE_MOUNT2: "always" };
  return new Promise((resolve, reject) => {
    execFile("mount", args, { env }, (error, _stdout, stderr) => {
      if (!error) resolve(directory);
      else reject(new NacreError("ISOLATION", `mounting a tmpfs at ${directory} failed: ${lastWords(stderr)}`));
    });
  });
}
