import * as fs from "node:fs";
import { describe, expect, test } from "vitest";
import { type Digest, hexOf } from "../../src/oci/digest.js";
import { encodeManifest } from "../../src/oci/encode.js";
import { OCI_LAYER, OCI_MANIFEST } from "../../src/oci/mediaTypes.js";
import { bootId } from "../../src/store/owner.js";
import type { Store } from "../../src/store/store.js";
import { DEFER_SYNC_FROM } from "../../src/store/unsynced.js";
import { age, flipByte, openStore, putImage, withStore } from "./helpers.js";

const BIG = DEFER_SYNC_FROM + 5;
const NAME = "docker.io/library/big:1";

async function putBig(store: Store): Promise<Digest> {
  const writer = store.createBlob();
  writer.write(Buffer.alloc(BIG, "big"));
  return (await writer.commit()).digest;
}

/** A store with a big image under NAME, a small one under another name, and a record on the big layer. */
async function storeWithBigImage(): Promise<{ location: string; big: Digest }> {
  const { path: location } = await openStore();
  const big = await withStore(location, async (store) => {
    const layer = await putBig(store);
    const small = putImage(store, "small");
    const config = store.readBlob(small.config, 10_000);
    const manifest = store.putBlob(
      encodeManifest({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: small.config, size: config.length },
        layers: [{ mediaType: OCI_LAYER, digest: layer, size: BIG }],
      }),
    );
    await store.setReferences([
      { name: NAME, descriptor: { ...manifest, mediaType: OCI_MANIFEST } },
      { name: "docker.io/library/small:1", descriptor: small.descriptor },
    ]);
    store.putRecord({ key: "0".repeat(64), blobs: [layer], indexes: [], lists: [], body: null });
    return layer;
  });
  return { location, big };
}

function markers(location: string): string[] {
  return fs.readdirSync(`${location}/tmp`).filter((name) => name.startsWith("u."));
}

/** Makes markers look as if they were from before a reboot. */
function reboot(location: string): void {
  for (const name of markers(location)) {
    fs.renameSync(`${location}/tmp/${name}`, `${location}/tmp/${name.replace(bootId(), "b".repeat(32))}`);
  }
}

describe.runIf(bootId() !== "0")("big blobs", () => {
  test("are marked as perhaps not on disk, small ones are not", async () => {
    const store = await openStore();
    store.putBlob(Buffer.from("small"));
    expect(markers(store.path)).toEqual([]);
    const digest = await putBig(store);
    expect(markers(store.path)).toEqual([expect.stringContaining(hexOf(digest))]);
    expect(store.blobSize(digest)).toBe(BIG);
  });

  test("are settled by a later run, once the kernel has had its time", async () => {
    const { location } = await storeWithBigImage();
    await withStore(location, () => {});
    expect(markers(location)).toHaveLength(1);
    for (const name of markers(location)) age(`${location}/tmp/${name}`, 60_000);
    await withStore(location, () => {});
    expect(markers(location)).toEqual([]);
  });

  test("keep their marker while they have not appeared yet, but not for ever", async () => {
    const { path: location } = await openStore();
    const marker = `${location}/tmp/u.${bootId()}.${"a".repeat(64)}.bb`;
    fs.writeFileSync(marker, "");
    age(marker, 120_000);
    await withStore(location, () => {});
    expect(fs.existsSync(marker)).toBe(true);
    age(marker, 2 * 3_600_000);
    await withStore(location, () => {});
    expect(fs.existsSync(marker)).toBe(false);
  });

  test("that are whole after an unclean boot stay, with all that refers to them", async () => {
    const { location, big } = await storeWithBigImage();
    reboot(location);
    await withStore(location, (store) => {
      expect(store.blobSize(big)).toBe(BIG);
      expect(store.listReferences()).toHaveLength(2);
      expect(store.findRecords("0".repeat(64))).toHaveLength(1);
    });
    expect(markers(location)).toEqual([]);
  });

  test("that are wrong after an unclean boot go, with the references and records that need them, and nothing else", async () => {
    for (const damage of [
      (file: string) => flipByte(file, BIG - 1),
      (file: string) => {
        fs.chmodSync(file, 0o600);
        fs.truncateSync(file, 100);
        fs.truncateSync(file, BIG);
      },
      (file: string) => fs.rmSync(file),
    ]) {
      const { location, big } = await storeWithBigImage();
      damage(`${location}/blobs/sha256/${hexOf(big)}`);
      reboot(location);
      const warnings: string[] = [];
      await withStore(
        location,
        async (store) => {
          expect(store.hasBlob(big)).toBe(false);
          expect(store.listReferences().map((reference) => reference.name)).toEqual(["docker.io/library/small:1"]);
          expect(store.findRecords("0".repeat(64))).toEqual([]);
          expect(await putBig(store)).toBe(big);
        },
        { warn: (message) => warnings.push(message) },
      );
      expect(warnings).toEqual([expect.stringContaining(NAME)]);
    }
  });

  test("of another machine that are still on their way keep their marker for a while", async () => {
    const { path: location } = await openStore();
    const marker = `${location}/tmp/u.${"b".repeat(32)}.${"a".repeat(64)}.cc`;
    fs.writeFileSync(marker, "");
    await withStore(location, () => {});
    expect(fs.existsSync(marker)).toBe(true);
    age(marker, 3_600_000);
    await withStore(location, () => {});
    expect(fs.existsSync(marker)).toBe(false);
  });
});
