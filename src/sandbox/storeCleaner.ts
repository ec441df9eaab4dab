/**
 * What a store cannot do by itself when it is opened or pruned: remove trees that hold files of other users, and clear up
 * after steps of a killed process. Nothing of it is loaded before it is needed.
 */
import type { Store, StoreOptions } from "../store/store.js";
import type { TreeRemover } from "./sandbox.js";

/** The part of `Store.open`'s options that comes from here. */
export interface StoreCleaner extends Required<Pick<StoreOptions, "removeTree" | "sweepRoots">> {
  /** Call it after the store's own `close`. */
  close(): Promise<void>;
}

/** @param storePath of the store that is opened with it */
export function storeCleaner(storePath: string): StoreCleaner {
  let remover: Promise<TreeRemover> | undefined;
  return {
    async removeTree(path) {
      remover ??= import("./sandbox.js").then(({ openTreeRemover }) => openTreeRemover(storePath));
      await (await remover).removeTree(path);
    },
    async sweepRoots(store: Store) {
      const { sweepChroots } = await import("./chrootSweep.js");
      await sweepChroots(store);
    },
    async close() {
      await (await remover)?.close();
    },
  };
}
