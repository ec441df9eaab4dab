import * as fs from "node:fs";
import { describe, expect, test } from "vitest";
import { hexOf } from "../../src/oci/digest.js";
import { checkStore } from "../../src/store/check.js";
import type { Store } from "../../src/store/store.js";
import { storeUsage } from "../../src/store/usage.js";
import { flipByte, keyOf, openStore, putImage } from "./helpers.js";

const [GOOD, BAD] = ["docker.io/library/good:1", "docker.io/library/bad:1"];

async function storeWithImages() {
  const store = await openStore();
  const [good, bad] = [putImage(store, "good layer"), putImage(store, "bad layer")];
  await store.setReferences([
    { name: GOOD!, descriptor: good.descriptor },
    { name: BAD!, descriptor: bad.descriptor },
  ]);
  store.writeIndex(bad.layer, Buffer.from("index"));
  const list = store.putList(Buffer.from("list"));
  store.writeBlock(keyOf("block"), Buffer.from("block"));
  store.putRecord({ key: keyOf("step"), blobs: [good.layer], indexes: [bad.layer], lists: [list], body: null });
  return { store, good, bad, list };
}

const problemsOf = async (store: Store) =>
  (await checkStore(store)).problems.map(({ kind, name }) => `${kind} ${name}`);

describe("checking", () => {
  test("a sound store finds nothing and counts everything", async () => {
    const { store } = await storeWithImages();
    const progress: number[] = [];
    const report = await checkStore(store, { onProgress: (done, total) => progress.push(done / total) });
    expect(report).toMatchObject({
      blobs: 6,
      references: 2,
      indexes: 1,
      records: 1,
      lists: 1,
      blocks: 1,
      problems: [],
    });
    expect(report.bytes).toBeGreaterThan(100);
    expect(progress).toHaveLength(6);
  });

  test("finds one changed byte in a layer, and every reference that has it", async () => {
    const { store, bad } = await storeWithImages();
    flipByte(store.blobPath(bad.layer), 3);
    expect(await problemsOf(store)).toEqual([`blob ${bad.layer}`, `reference ${BAD}`]);
    expect(store.listReferences()).toHaveLength(2);
  });

  test("finds references to what is gone: layer, config and manifest", async () => {
    for (const part of ["layer", "config", "manifest"] as const) {
      const { store, bad } = await storeWithImages();
      fs.rmSync(store.blobPath(part === "manifest" ? bad.descriptor.digest : bad[part]));
      expect(await problemsOf(store)).toEqual([`reference ${BAD}`]);
    }
  });

  test("finds damaged indexes, lists, blocks and records", async () => {
    const { store, bad, list } = await storeWithImages();
    const block = keyOf("block");
    const record = store.records.files(keyOf("step"))[0]!.path;
    flipByte(`${store.path}/indexes/${hexOf(bad.layer)}`, 81);
    flipByte(`${store.path}/lists/${hexOf(list).slice(0, 2)}/${hexOf(list)}`, 0);
    flipByte(`${store.path}/blocks/${block.slice(0, 2)}/${block}`, 20);
    flipByte(record, 90);
    const kinds = (await checkStore(store)).problems.map((problem) => problem.kind);
    expect(kinds.sort()).toEqual(["block", "index", "list", "record"]);
    await checkStore(store, { repair: true });
    expect(await problemsOf(store)).toEqual([]);
  });

  test("repairs by removing what is wrong and what needs it, and nothing else", async () => {
    const { store, good, bad } = await storeWithImages();
    flipByte(store.blobPath(bad.layer), 3);
    const report = await checkStore(store, { repair: true });
    expect(report.problems.every((problem) => problem.repaired)).toBe(true);
    expect(store.listReferences()).toEqual([{ name: GOOD, descriptor: good.descriptor }]);
    expect(store.hasBlob(bad.layer)).toBe(false);
    expect(store.findRecords(keyOf("step"))).toHaveLength(1);
    expect(await problemsOf(store)).toEqual([]);
    store.putBlob(Buffer.from("bad layer"));
    await store.setReferences([{ name: BAD!, descriptor: bad.descriptor }]);
    expect(await problemsOf(store)).toEqual([]);
  });

  test("makes an empty index.json where it cannot be read", async () => {
    const { store } = await storeWithImages();
    fs.writeFileSync(`${store.path}/index.json`, "garbage");
    expect(await problemsOf(store)).toEqual([`index.json ${store.path}/index.json`]);
    await checkStore(store, { repair: true });
    expect(store.listReferences()).toEqual([]);
    expect(await problemsOf(store)).toEqual([]);
  });
});

test("usage adds up, by kind", async () => {
  const { store } = await storeWithImages();
  const usage = storeUsage(store);
  expect(usage).toMatchObject({
    blobs: { count: 6, bytes: 6 * 4096 },
    companions: { count: 0, bytes: 0 },
    indexes: { count: 1, bytes: 4096 },
    records: { count: 1 },
    lists: { count: 1 },
    blocks: { count: 1 },
    images: { count: 7 },
  });
  const { total, images: _images, ...parts } = usage;
  expect(Object.values(parts).reduce((sum, part) => sum + part.bytes, 0)).toBe(total.bytes);
  expect(Object.values(parts).reduce((sum, part) => sum + part.count, 0)).toBe(total.count);
});
