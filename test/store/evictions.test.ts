import * as fs from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evictionOf, noteEvictions, rotateEvictions } from "../../src/store/evictions.js";
import { pruneStore } from "../../src/store/prune.js";
import type { Store } from "../../src/store/store.js";
import { age, keyOf, openStore, tempDirectory, withStore } from "./helpers.js";

const HOUR = 3_600_000;

async function filledStore(fill: (store: Store) => void): Promise<Store> {
  const location = `${tempDirectory()}/store`;
  await withStore(location, fill);
  return openStore(location);
}

function putStep(store: Store, content: string, hours = 0): void {
  const { digest } = store.putBlob(Buffer.from(content));
  store.putRecord({ key: keyOf(content), blobs: [digest], indexes: [], lists: [], body: null });
  for (const file of store.records.files(keyOf(content))) age(file.path, hours * HOUR);
}

describe("records that garbage collection removed", () => {
  test("are remembered with the time and the reason, by the next process too", async () => {
    const store = await filledStore((filling) => {
      putStep(filling, "old", 50);
      putStep(filling, "big", 2);
      putStep(filling, "lost its layer", 1);
      for (const { digest } of filling
        .findRecords(keyOf("lost its layer"))
        .flatMap((record) => record.blobs.map((one) => ({ digest: one })))) {
        fs.rmSync(filling.blobPath(digest));
      }
      putStep(filling, "kept");
    });
    const before = Date.now();
    const { cacheAfter } = await pruneStore(store, { keepDuration: 24 * HOUR });
    await pruneStore(store, { maxBytes: cacheAfter - 1 });
    const again = await openStore(store.path, { readOnly: true });
    const reasons = ["old", "big", "lost its layer", "kept"].map((name) => evictionOf(again, keyOf(name))?.reason);
    expect(reasons).toEqual(["unused for too long", "least recently used", "unusable", undefined]);
    const { at } = evictionOf(again, keyOf("old"))!;
    expect(at).toBeGreaterThanOrEqual(Math.floor(before));
    expect(at).toBeLessThanOrEqual(Date.now());
  });

  test("that are put back because someone uses them are not noted as gone", async () => {
    const store = await filledStore((filling) => putStep(filling, "step"));
    const record = store.findRecords(keyOf("step"))[0]!;
    const user = await openStore(store.path);
    const original = store.locks.withLock.bind(store.locks);
    store.locks.withLock = (name, work) => {
      if (name === "index") expect(user.useRecord(record, user.acquireLease())).toBe(true);
      return original(name, work);
    };
    await pruneStore(store, { all: true });
    expect(evictionOf(store, keyOf("step"))).toBeUndefined();
  });

  test("the last of several removals of a key is what is told", async () => {
    const times = [1_700_000_000_000, 1_700_000_001_000];
    const { directory, path } = await openStore(undefined, { now: () => times[0]! });
    noteEvictions(directory, [{ key: keyOf("a"), reason: "unusable" }]);
    times.shift();
    noteEvictions(directory, [{ key: keyOf("a"), reason: "least recently used" }]);
    const store = await openStore(path);
    expect(evictionOf(store, keyOf("a"))).toEqual({ at: 1_700_000_001_000, reason: "least recently used" });
  });
});

describe("the notes", () => {
  test("are bounded: the oldest are forgotten, the newest are found", async () => {
    const store = await openStore();
    const batch = (from: number) =>
      Array.from({ length: 20_000 }, (_, i) => ({ key: keyOf(`${from + i}`), reason: "unusable" as const }));
    for (let from = 0; from < 200_000; from += 20_000) {
      rotateEvictions(store.directory);
      noteEvictions(store.directory, batch(from));
    }
    const bytes = fs
      .readdirSync(`${store.path}/evictions`)
      .map((name) => fs.statSync(`${store.path}/evictions/${name}`).size);
    expect(bytes.length).toBe(2);
    expect(Math.max(...bytes)).toBeLessThan(8 << 20);
    expect(evictionOf(store, keyOf("0"))).toBeUndefined();
    for (const number of [199_999, 180_000, 150_000]) expect(evictionOf(store, keyOf(`${number}`))).toBeDefined();
  });

  test("survive damage: whatever stands in them, what is whole is found and nothing is made up", async () => {
    const store = await openStore();
    const file = `${store.path}/evictions/newer`;
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.nat(), fc.nat(), async (junk, cut, flip) => {
        fs.rmSync(file, { force: true });
        noteEvictions(store.directory, [{ key: keyOf("a"), reason: "unusable" }]);
        const bytes = Buffer.concat([fs.readFileSync(file), Buffer.from(junk)]);
        const cutAt = cut % (bytes.length + 1);
        const damaged = bytes.subarray(0, cutAt);
        if (damaged.length > 0) damaged[flip % damaged.length]! ^= 1;
        fs.writeFileSync(file, damaged);
        const found = evictionOf(store, keyOf("a"));
        expect([undefined, "unusable"]).toContain(found?.reason);
        expect(evictionOf(store, keyOf("b"))).toBeUndefined();
        noteEvictions(store.directory, [{ key: keyOf("b"), reason: "least recently used" }]);
        expect(evictionOf(store, keyOf("b"))?.reason).toBe("least recently used");
      }),
      { numRuns: 200 },
    );
  });

  test("that cannot be read are not known", async () => {
    const store = await openStore();
    fs.mkdirSync(`${store.path}/evictions/newer`, { recursive: true });
    expect(evictionOf(store, keyOf("a"))).toBeUndefined();
    expect(evictionOf(store, "../../etc/passwd")).toBeUndefined();
  });

  test("of two processes at once do not overwrite each other", async () => {
    const one = await openStore();
    const two = await openStore(one.path);
    for (let i = 0; i < 50; i++) {
      noteEvictions(one.directory, [{ key: keyOf(`one ${i}`), reason: "unusable" }]);
      noteEvictions(two.directory, [{ key: keyOf(`two ${i}`), reason: "unusable" }]);
    }
    for (let i = 0; i < 50; i++) {
      for (const who of ["one", "two"]) expect(evictionOf(one, keyOf(`${who} ${i}`))).toBeDefined();
    }
  });
});
