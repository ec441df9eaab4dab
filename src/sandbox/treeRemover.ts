/** Removing trees of a store that hold files of other users, without loading what can do that before it is needed. */
import type { TreeRemover } from "./sandbox.js";

/**
 * A remover for `Store.open`. Close it after the store.
 * @param storePath of the store that the trees are in
 */
export function lazyTreeRemover(storePath: string): TreeRemover {
  let opened: Promise<TreeRemover> | undefined;
  return {
    async removeTree(path) {
      opened ??= import("./sandbox.js").then(({ openTreeRemover }) => openTreeRemover(storePath));
      await (await opened).removeTree(path);
    },
    async close() {
      await (await opened)?.close();
    },
  };
}
