/**
 * A process that uses a store as builds do, for ever, until it is killed: it looks records up, writes what is missing,
 * names images, removes names, prunes. What it is about to do and has done it says on standard output, line by line.
 * Arguments: store, a number of its own, a seed.
 */
import * as fs from "node:fs";
import { digestOfHex, hexOf } from "../../src/oci/digest.js";
import { encodeConfig, encodeManifest } from "../../src/oci/encode.js";
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../../src/oci/mediaTypes.js";
import { autoPrune } from "../../src/store/autoPrune.js";
import { pruneStore } from "../../src/store/prune.js";
import { type Lease, Store } from "../../src/store/store.js";
import { createHasher, sha256Hex } from "../../src/support/hash.js";

const [location = "", slot = "", seed = "1"] = process.argv.slice(2);
/** Layers are few, so that processes keep meeting over the same blobs. */
const LAYERS = 12;
const BIG = 9 << 20;
let state = Number(seed) >>> 0 || 1;

function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

/** Said with one write, so that being killed afterwards does not take it back. */
function say(line: string): void {
  fs.writeSync(1, `${line}\n`);
}

function layerBytes(number: number): Buffer {
  return Buffer.alloc(number === 0 ? BIG : 1000 + 5000 * number, `layer ${number} `);
}

/** The layer of a step, from a record or made anew, and protected in any case. */
async function solve(store: Store, number: number, lease: Lease) {
  const key = sha256Hex(`step ${number}`);
  for (const record of store.findRecords(key)) {
    if (!store.useRecord(record, lease)) continue;
    const digest = record.blobs[0]!;
    verify(store, digest, layerBytes(number).length);
    return digest;
  }
  const writer = store.createBlob();
  writer.write(layerBytes(number));
  const { digest } = await writer.commit();
  store.writeIndex(digest, Buffer.from(`index ${number}`));
  const list = store.putList(Buffer.from(`list ${number}`), [store.putList(Buffer.from(`child ${number}`))]);
  store.putRecord({ key, blobs: [digest], indexes: [digest], lists: [list], body: { number } });
  return digest;
}

/** Reads a blob that this process has protected: it must be there and right. */
function verify(store: Store, digest: string, size: number): void {
  const fd = store.openBlob(digestOfHex(digest.slice(7)));
  const bytes = Buffer.alloc(size);
  fs.readSync(fd, bytes, 0, size, 0);
  fs.closeSync(fd);
  const hasher = createHasher();
  hasher.update(bytes);
  if (hasher.hex() !== digest.slice(7)) throw new Error(`read wrong bytes of ${digest}`);
}

async function build(store: Store): Promise<void> {
  const lease = store.acquireLease();
  const layers = [];
  for (const number of [random(LAYERS), random(LAYERS)]) {
    const digest = await solve(store, number, lease);
    layers.push({ mediaType: OCI_LAYER, digest, size: layerBytes(number).length });
  }
  const rootfs = { type: "layers", diff_ids: layers.map((layer) => layer.digest) };
  const config = store.putBlob(encodeConfig({ architecture: "amd64", os: "linux", rootfs }));
  const manifest = store.putBlob(
    encodeManifest({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: { ...config, mediaType: OCI_CONFIG }, layers }),
  );
  const name = `docker.io/test/app${slot}:${random(4)}`;
  say(`setting ${name} ${hexOf(manifest.digest)}`);
  await store.setReferences([{ name, descriptor: { ...manifest, mediaType: OCI_MANIFEST } }]);
  say(`set ${name} ${hexOf(manifest.digest)}`);
  lease.release();
}

async function remove(store: Store): Promise<void> {
  const name = `docker.io/test/app${slot}:${random(4)}`;
  say(`setting ${name} none`);
  await store.removeReference(name);
  say(`set ${name} none`);
}

async function main(): Promise<void> {
  for (;;) {
    const store = await Store.open(location);
    for (let i = 0; i < 5; i++) {
      const choice = random(10);
      if (choice < 6) await build(store);
      else if (choice < 7) await remove(store);
      else if (choice < 8) await pruneStore(store, { all: true });
      else if (choice < 9) await pruneStore(store, { maxBytes: random(20) * 65_536 });
      else await autoPrune(store, { limits: () => ({ maxBytes: 400_000 }) });
    }
    await store.close();
    say("round");
  }
}

await main();
