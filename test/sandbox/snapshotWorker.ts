/** A process that asks for the snapshots of layers, lowest first. Arguments: store, diffIDs. Says where they are. */
import * as fs from "node:fs";
import { OpenLayers } from "../../src/image/layers.js";
import { digestOfHex } from "../../src/oci/digest.js";
import { OCI_LAYER } from "../../src/oci/mediaTypes.js";
import type { Hand } from "../../src/sandbox/hand.js";
import { Snapshots } from "../../src/sandbox/snapshots.js";
import { Store } from "../../src/store/store.js";

const [location = "", ...hexes] = process.argv.slice(2);
const hand: Hand = { flavour: "root", overlayXattrs: "trusted", singleId: false, devices: true, upper: "store" };

const store = await Store.open(location);
const open = new OpenLayers(store);
const snapshots = new Snapshots(store, store.acquireLease(), open, hand);
const stack = hexes.map(digestOfHex).map((diffId) => ({
  diffId,
  descriptor: { mediaType: OCI_LAYER, digest: diffId, size: store.blobSize(diffId) ?? 0 },
}));
let told = false;
const directories = await snapshots.directories(stack, {
  onProgress: () => {
    if (!told) fs.writeSync(1, "begun\n");
    told = true;
  },
});
fs.writeSync(1, `${JSON.stringify(directories)}\n`);
open.close();
await store.close();
