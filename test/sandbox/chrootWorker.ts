/**
 * A process of its own that runs one step in a copied root, to be killed, or to be run without the right to mount:
 * `chrootWorker.js STORE LAYERS NODES SCRIPT` with the layers as JSON and `nodes` or `none`. Prints the output, then how it
 * ended as JSON. Without a script it sweeps.
 */
import type { ImageLayer } from "../../src/image/image.js";
import { OpenLayers } from "../../src/image/layers.js";
import { CacheMounts } from "../../src/sandbox/cacheMounts.js";
import { closeChrootRoots, prepareChrootRun, sweepChroots } from "../../src/sandbox/chroot.js";
import { Store } from "../../src/store/store.js";
import { ROOT_HAND } from "./ociRoot.js";
import { cache, requestOf } from "./planInput.js";

const [path = "", stack = "[]", nodes = "none", script] = process.argv.slice(2);
const store = await Store.open(path);
const layers = new OpenLayers(store);
const lease = store.acquireLease();
const hand = { ...ROOT_HAND, devices: nodes === "nodes" };
try {
  if (script === undefined) await sweepChroots(store);
  else {
    const root = JSON.parse(stack) as ImageLayer[];
    const caches = new CacheMounts(store, lease, hand, async () => {});
    const request = requestOf({
      ...{ root, args: ["/bin/sh", "-c", script], env: ["PATH=/bin"], mtime: 0, user: process.env.STEP_USER ?? "" },
      mounts: [cache("/cache/kept")],
    });
    const events = { warn: console.error };
    const prepared = await prepareChrootRun(request, { store, lease, layers, hand, events, caches });
    try {
      const io = { kind: "log", onOutput: (chunk: Buffer) => process.stdout.write(chunk) } as const;
      const exit = await prepared.execute(io);
      console.log(JSON.stringify({ exit, layer: await prepared.collect() }));
    } finally {
      await prepared.release();
    }
  }
} finally {
  await closeChrootRoots({ store, layers });
  lease.release();
  layers.close();
  await store.close();
}
