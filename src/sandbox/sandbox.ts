/**
 * Executing RUN. In comes what a step's process observes ({@link RunRequest}: layers, arguments, environment, mounts),
 * out come how it ended and the layer of what it changed. The level of isolation is chosen once, by trying; it is known,
 * with all that it cannot keep, before anything runs, because that belongs into the keys of the steps. Whatever happens,
 * no process, no mount and no half-made layer stays behind.
 */
import type { Store } from "../store/store.js";
import { type ChooseOptions, chooseSandbox, type SandboxChoice, upperBytes } from "./detect.js";
import type { Sandbox } from "./types.js";

export { type ChooseOptions, chooseSandbox, type SandboxChoice } from "./detect.js";
export type { Sandbox } from "./types.js";

/** How a sandbox is opened. */
export interface SandboxOptions extends ChooseOptions {
  /** What was chosen for the keys; default: chosen now. */
  readonly choice?: SandboxChoice | undefined;
  readonly warn: (rule: string, message: string) => void;
}

/**
 * Opens a sandbox. Nothing is started before the first step is prepared; a sandbox that was not used costs nothing.
 * @throws NacreError ISOLATION
 */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  const choice = options.choice ?? (await chooseSandbox(options));
  for (const { rule, message } of choice.warnings) options.warn(rule, message);
  return sandboxOf(options.store, choice);
}

async function sandboxOf(store: Store, choice: SandboxChoice): Promise<Sandbox & Partial<TreeRemover>> {
  const { place, level, hand, runtime, losses, facts } = choice;
  if (place.kind === "process") {
    const { LocalSandbox } = await import("./localSandbox.js");
    return new LocalSandbox({ store, level, hand, runtime });
  }
  const [{ RemoteSandbox }, { startWorker }] = await Promise.all([
    import("./remoteSandbox.js"),
    import("./workerStart.js"),
  ]);
  const sandbox = { level, hand, runtime, tmpfs: upperBytes() };
  return new RemoteSandbox({ store, sandbox, losses, start: () => startWorker(place.ids, facts) });
}

/** Removes trees of the store that hold files of other users: what rootless steps have left. */
export interface TreeRemover {
  /** @param path inside the store's `snapshots/`, `mounts/`, `tombstones/` or `tmp/` */
  removeTree(path: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * A remover with the rights of the sandbox that made the trees: in this process as far as it may, else in a worker, which
 * is started when it is first needed. Fits {@link StoreOptions.removeTree}.
 * @param storePath of the store that the trees are in
 */
export function openTreeRemover(storePath: string): TreeRemover {
  let remote: Promise<{ readonly store: Store; readonly sandbox: Sandbox & Partial<TreeRemover> }> | undefined;
  return {
    async removeTree(path) {
      const { removeTree } = await import("../store/removeTree.js");
      try {
        await removeTree(path);
      } catch (error) {
        if (process.getuid?.() === 0 || process.platform !== "linux") throw error;
        remote ??= openRemote(storePath);
        const { sandbox } = await remote;
        if (!sandbox.removeTree) throw error;
        await sandbox.removeTree(path);
      }
    },
    async close() {
      const opened = await remote?.catch(() => undefined);
      await opened?.sandbox.close();
      await opened?.store.close();
    },
  };
}

async function openRemote(storePath: string) {
  const store = await (await import("../store/store.js")).Store.open(storePath, { create: false });
  try {
    return { store, sandbox: await sandboxOf(store, await chooseSandbox({ store, isolation: "auto" })) };
  } catch (error) {
    await store.close();
    throw error;
  }
}
