/**
 * A process that uses one cache mount, alone, until it is told to end: it says `waiting` when it has to wait and `held`
 * once it has the cache, then ends at the end of its standard input. Arguments: store, sharing.
 */
import * as fs from "node:fs";
import { CacheMounts } from "../../src/sandbox/cacheMounts.js";
import { Store } from "../../src/store/store.js";

const [location = "", sharing = "locked"] = process.argv.slice(2);
const say = (line: string): void => void fs.writeSync(1, `${line}\n`);

const store = await Store.open(location);
const hand = { flavour: "root", overlayXattrs: "trusted", singleId: true, devices: false, upper: "store" } as const;
const caches = new CacheMounts(store, store.acquireLease(), hand, async () => {});
const owner = { mode: 0o755, uid: 0, gid: 0 };
const mount = {
  type: "cache",
  target: "/c",
  id: "contended",
  readOnly: false,
  seed: undefined,
  owner,
  fresh: false,
} as const;
const { dir, release } = await caches.acquire(
  { ...mount, sharing: sharing as "locked" },
  { note: () => say("waiting") },
);
say(`held ${dir}`);
process.stdin.resume().on("end", async () => {
  await release();
  await store.close();
  say("released");
});
