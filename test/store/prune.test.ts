import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { describe, expect, test } from "vitest";
import { type Digest, hexOf } from "../../src/oci/digest.js";
import { OCI_LAYER_GZIP } from "../../src/oci/mediaTypes.js";
import { autoPrune } from "../../src/store/autoPrune.js";
import { checkStore } from "../../src/store/check.js";
import { type CacheLimits, defaultLimit } from "../../src/store/limits.js";
import { currentOwner, ownerName } from "../../src/store/owner.js";
import { type PruneReport, pruneStore } from "../../src/store/prune.js";
import type { Store } from "../../src/store/store.js";
import { storeUsage } from "../../src/store/usage.js";
import { age, canMount, keyOf, openStore, putCompressedImage, putImage, tempDirectory, withStore } from "./helpers.js";

const NAME = "docker.io/library/kept:1";
const HOUR = 3_600_000;

/** A record of a step whose layer has that content; its last use lies so many hours back. */
function putStep(store: Store, content: string, hours = 0): Digest {
  const { digest } = store.putBlob(Buffer.from(content));
  store.writeIndex(digest, Buffer.from(`index of ${content}`));
  const child = store.putList(Buffer.from(`child of ${content}`));
  const list = store.putList(Buffer.from(`list of ${content}`), [child]);
  store.putRecord({ key: keyOf(content), blobs: [digest], indexes: [digest], lists: [list], body: null });
  ageRecord(store, content, hours);
  return digest;
}

function ageRecord(store: Store, content: string, hours: number): void {
  for (const file of store.records.files(keyOf(content))) age(file.path, hours * HOUR);
}

function isWhole(store: Store, content: string): boolean {
  return store.findRecords(keyOf(content)).length > 0;
}

/** Fills a store as an earlier process would have: nothing of it is leased afterwards. */
async function filledStore(fill: (store: Store) => void | Promise<void>): Promise<Store> {
  const { path: location } = await openStore();
  await withStore(location, fill);
  return openStore(location);
}

describe("pruning", () => {
  test("everything keeps images whole and removes all else", async () => {
    const store = await filledStore(async (filling) => {
      const image = putImage(filling, "image layer");
      filling.writeIndex(image.layer, Buffer.from("index"));
      await filling.setReferences([{ name: NAME, descriptor: image.descriptor }]);
      putImage(filling, "untagged");
      putStep(filling, "step");
      filling.writeBlock(keyOf("block"), Buffer.from("block"));
    });
    const report = await pruneStore(store, { all: true });
    expect(storeUsage(store)).toMatchObject({
      blobs: { count: 3 },
      indexes: { count: 1 },
      records: { count: 0 },
      lists: { count: 0 },
      blocks: { count: 0 },
    });
    expect(store.flawsOf(store.resolveReference(NAME)!)).toEqual([]);
    expect((await checkStore(store)).problems).toEqual([]);
    expect(report.freed).toBe(report.cacheBefore - report.cacheAfter);
    expect(new Set(report.removed.map((one) => one.reason))).toEqual(
      new Set(["unreferenced", "regenerable", "least recently used", "its records were removed"]),
    );
    expect(fs.readdirSync(`${store.path}/tombstones`)).toEqual([]);
  });

  test("by size removes the least recently used step whole, and keeps the others whole", async () => {
    const store = await filledStore((filling) => {
      for (const [content, hours] of [
        ["old", 30],
        ["older", 40],
        ["new", 1],
      ] as const)
        putStep(filling, content, hours);
    });
    const before = await pruneStore(store, { maxBytes: 2 ** 40 });
    expect(before.removed).toEqual([]);
    const report = await pruneStore(store, { maxBytes: before.cacheBefore - 1 });
    expect(["old", "older", "new"].map((content) => isWhole(store, content))).toEqual([true, false, true]);
    expect(report.removed.map((one) => one.kind).sort()).toEqual(["blob", "index", "list", "list", "record"]);
    expect(report.cacheAfter).toBeLessThan(before.cacheBefore);
  });

  test("by age keeps what was used since", async () => {
    const store = await filledStore((filling) => {
      putStep(filling, "old", 30);
      putStep(filling, "new", 1);
    });
    await pruneStore(store, { keepDuration: 24 * HOUR });
    expect([isWhole(store, "old"), isWhole(store, "new")]).toEqual([false, true]);
  });

  test("without options keeps young things that nobody needs yet, and takes them an hour later", async () => {
    const store = await filledStore((filling) => void putImage(filling, "untagged"));
    expect((await pruneStore(store)).removed).toEqual([]);
    const later = await pruneStore(store, { now: Date.now() + 2 * HOUR });
    expect(later.removed.map((one) => one.reason)).toEqual(["unreferenced", "unreferenced", "unreferenced"]);
    expect(later.maxBytes).toBe(defaultLimit(store.path));
    expect(later.maxBytes).toBeGreaterThanOrEqual(10 * 2 ** 30);
  });

  test("as a dry run names what would go, and changes nothing", async () => {
    const store = await filledStore((filling) => void putStep(filling, "step"));
    const dry = await pruneStore(store, { all: true, dryRun: true });
    expect(dry.dryRun).toBe(true);
    expect(isWhole(store, "step")).toBe(true);
    const real = await pruneStore(store, { all: true });
    expect(real.removed).toEqual(dry.removed);
    expect(real.freed).toBe(dry.freed);
  });

  test("drops the uncompressed companion of a pulled layer before any record, and keeps the pulled blob", async () => {
    const store = await filledStore(async (filling) => {
      const image = putCompressedImage(filling, "zipped", "plain");
      filling.addLayerBlob(image.diffId, { digest: image.layer, size: 6, mediaType: OCI_LAYER_GZIP });
      filling.putBlob(Buffer.from("plain"));
      await filling.setReferences([{ name: NAME, descriptor: image.descriptor }]);
      putStep(filling, "step", 100);
    });
    const usage = storeUsage(store);
    expect(usage.companions).toEqual({ count: 1, bytes: 4096 });
    expect((await pruneStore(store, { maxBytes: 2 ** 40 })).removed).toEqual([]);
    const { cacheBefore } = await pruneStore(store, { maxBytes: 2 ** 40 });
    const report = await pruneStore(store, { maxBytes: cacheBefore - 1 });
    expect(report.removed).toEqual([
      expect.objectContaining({ kind: "blob", name: keyOf("plain"), reason: "regenerable" }),
    ]);
    expect(isWhole(store, "step")).toBe(true);
    expect(store.flawsOf(store.resolveReference(NAME)!)).toEqual([]);
  });

  test("removes records that can never answer again", async () => {
    const store = await filledStore((filling) => {
      fs.rmSync(filling.blobPath(putStep(filling, "lost its layer")));
      putStep(filling, "damaged");
      fs.truncateSync(filling.records.files(keyOf("damaged"))[0]!.path, 100);
      putStep(filling, "whole");
    });
    const report = await pruneStore(store);
    expect(report.removed.map((one) => one.reason)).toEqual(["unusable", "unusable"]);
    expect(isWhole(store, "whole")).toBe(true);
  });

  test("leaves alone what a lease protects: blobs, records, and an image by its manifest", async () => {
    const store = await filledStore((filling) => {
      putStep(filling, "by record");
      putStep(filling, "by digest");
      putStep(filling, "not at all");
      putImage(filling, "by manifest");
    });
    const image = await withStore(store.path, (other) => putImage(other, "by manifest"));
    const user = await openStore(store.path);
    const lease = user.acquireLease();
    expect(user.useRecord(user.findRecords(keyOf("by record"))[0]!, lease)).toBe(true);
    lease.protect([...user.findRecords(keyOf("by digest"))[0]!.blobs, image.descriptor.digest]);
    await pruneStore(store, { all: true });
    expect(isWhole(store, "by record")).toBe(true);
    expect(isWhole(store, "by digest")).toBe(false);
    expect(store.readBlob(store.findRecords(keyOf("by record"))[0]!.blobs[0]!, 100).toString()).toBe("by record");
    expect(store.layers.hasIndex(store.findRecords(keyOf("by record"))[0]!.blobs[0]!)).toBe(true);
    expect(store.hasBlob(store.putBlob(Buffer.from("by digest")).digest)).toBe(true);
    expect(store.flawsOf(image.descriptor)).toEqual([]);
    lease.release();
    await store.close();
    await withStore(store.path, (other) => pruneStore(other, { all: true }));
    expect(fs.readdirSync(`${store.path}/blobs/sha256`)).toEqual([]);
  });

  test("puts back what was leased while it was being moved aside", async () => {
    const store = await filledStore((filling) => void putStep(filling, "step"));
    const record = store.findRecords(keyOf("step"))[0]!;
    const user = await openStore(store.path);
    const original = store.locks.withLock.bind(store.locks);
    // The lease is taken after the plan was made and before anything is moved.
    store.locks.withLock = (name, work) => {
      if (name === "index") expect(user.useRecord(record, user.acquireLease())).toBe(true);
      return original(name, work);
    };
    const report = await pruneStore(store, { all: true });
    expect(report.removed.map((one) => one.kind)).toEqual([]);
    expect(isWhole(store, "step")).toBe(true);
    expect(fs.readdirSync(`${store.path}/tombstones`)).toEqual([]);
  });

  test("keeps an image that was named after the plan was made", async () => {
    const store = await filledStore((filling) => void putImage(filling, "layer"));
    const { descriptor } = await withStore(store.path, (other) => putImage(other, "layer"));
    const original = store.locks.withLock.bind(store.locks);
    store.locks.withLock = async (name, work) => {
      if (name === "index") await withStore(store.path, (other) => other.setReferences([{ name: NAME, descriptor }]));
      return original(name, work);
    };
    await pruneStore(store, { all: true });
    expect(store.resolveReference(NAME)).toEqual(descriptor);
    expect(store.flawsOf(descriptor)).toEqual([]);
  });

  test.runIf(canMount())("makes room on a disk that is full to the last byte", async () => {
    const directory = tempDirectory();
    spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory]);
    try {
      await withStore(directory, (store) => {
        const fill = () => {
          for (let i = 0; i < 1000; i++) putStep(store, `${i}`.padEnd(10_000));
        };
        expect(fill).toThrow(expect.objectContaining({ code: "DISK_FULL" }));
      });
      fs.writeFileSync(`${directory}/filler`, "");
      spawnSync("dd", ["if=/dev/zero", `of=${directory}/filler`, "bs=4096"], { stdio: "ignore" });
      await withStore(directory, async (store) => {
        expect((await pruneStore(store, { all: true })).freed).toBeGreaterThan(100_000);
        putStep(store, "new");
      });
    } finally {
      spawnSync("umount", [directory]);
    }
  });

  test("that was killed half way is undone when the store is opened next", async () => {
    const store = await filledStore((filling) => void putStep(filling, "step"));
    const blob = store.findRecords(keyOf("step"))[0]!.blobs[0]!;
    fs.renameSync(store.blobPath(blob), `${store.path}/tombstones/blob.${hexOf(blob)}`);
    fs.writeFileSync(`${store.path}/tmp/p.${ownerName({ ...currentOwner(), start: "1" })}.aa`, "");
    const again = await openStore(store.path);
    expect(fs.existsSync(store.blobPath(blob))).toBe(true);
    expect(isWhole(again, "step")).toBe(true);
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
  });
});

describe("what garbage collection had moved aside when it was killed", () => {
  /** Moves a file to where garbage collection would. */
  function moveAside(store: Store, file: string, tombstone: string): void {
    fs.renameSync(file, `${store.path}/tombstones/${tombstone}`);
  }

  test("does not stop a build that needs it and was under way already", async () => {
    const store = await openStore();
    const { descriptor, layer, config } = putImage(store, "layer");
    store.writeIndex(layer, Buffer.from("index"));
    for (const digest of [descriptor.digest, layer, config]) {
      moveAside(store, store.blobPath(digest), `blob.${hexOf(digest)}`);
    }
    moveAside(store, store.layers.indexPath(layer), `index.${hexOf(layer)}`);
    expect(store.readIndex(layer)?.toString()).toBe("index");
    store.putRecord({ key: keyOf("step"), blobs: [layer], indexes: [layer], lists: [], body: null });
    await store.setReferences([{ name: NAME, descriptor }]);
    expect(isWhole(store, "step")).toBe(true);
    expect(fs.readdirSync(`${store.path}/tombstones`)).toEqual([]);
    expect((await checkStore(store)).problems).toEqual([]);
  });

  test("is read where it lies in a store that is only read", async () => {
    const { path: location } = await openStore();
    const { descriptor, layer } = await withStore(location, (store) => putImage(store, "layer"));
    const store = await openStore(location, { readOnly: true });
    moveAside(store, store.blobPath(layer), `blob.${hexOf(layer)}`);
    expect(store.flawsOf(descriptor)).toEqual([]);
    expect(store.readBlob(layer, 100).toString()).toBe("layer");
    expect(fs.readdirSync(`${store.path}/tombstones`)).toEqual([`blob.${hexOf(layer)}`]);
  });
});

describe("automatic pruning", () => {
  test("does nothing for a process that wrote nothing, and only counts below the limit", async () => {
    const store = await filledStore((filling) => void putStep(filling, "step", 100));
    expect(await autoPrune(store, { limits: () => ({ maxBytes: 0 }) })).toBeUndefined();
    putStep(store, "new");
    expect(await autoPrune(store, { limits: () => ({ maxBytes: 2 ** 40 }) })).toBeUndefined();
    expect(isWhole(store, "step")).toBe(true);
  });

  test("prunes once the bytes that all processes wrote exceed the limit, to somewhat below it", async () => {
    const { path: location } = await openStore();
    const limit = 40 * 4096;
    const reports: (PruneReport | undefined)[] = [];
    for (let i = 0; i < 12; i++) {
      await withStore(location, async (store) => {
        putStep(store, `step ${i}`, 12 - i);
        reports.push(await autoPrune(store, { limits: () => ({ maxBytes: limit }) }));
      });
    }
    const done = reports.filter((report) => report !== undefined);
    expect(done.length).toBeGreaterThan(0);
    expect(done.length).toBeLessThan(6);
    for (const report of done) expect(report.cacheAfter).toBeLessThanOrEqual(limit * 0.8);
    await withStore(location, async (store) => {
      expect(isWhole(store, "step 11")).toBe(true);
      expect(isWhole(store, "step 0")).toBe(false);
      expect((await checkStore(store)).problems).toEqual([]);
    });
  });
});

describe("pruning in the background", () => {
  const limits = () => ({ maxBytes: 4096 });

  /** A build that writes a step and then sees to the cache. @returns what was started, and what was waited for */
  async function build(location: string, n: number, options: { now?: () => number; starts?: boolean } = {}) {
    const started: CacheLimits[] = [];
    const waited = await withStore(
      location,
      (store) => {
        putStep(store, `step ${n}`, 100 - n);
        const start = (due: CacheLimits): boolean => {
          started.push(due);
          return options.starts ?? true;
        };
        return autoPrune(store, { limits, start });
      },
      { ...(options.now ? { now: options.now } : {}) },
    );
    return { started, waited };
  }

  test("is started once, and not again while it should still be going on", async () => {
    const { path: location } = await openStore();
    expect(await build(location, 1)).toEqual({ started: [{ maxBytes: 3276 }], waited: undefined });
    expect(await build(location, 2)).toEqual({ started: [], waited: undefined });
  });

  test("that has never come to its end is made up for by the next build, which waits for it", async () => {
    const { path: location } = await openStore();
    await build(location, 1);
    const later = await build(location, 2, { now: () => Date.now() + 120_000 });
    expect(later.started).toEqual([]);
    expect(later.waited?.removed.length).toBeGreaterThan(0);
    expect((await build(location, 3)).started).toHaveLength(1);
  });

  test("that cannot be started is waited for", async () => {
    const { path: location } = await openStore();
    const { started, waited } = await build(location, 1, { starts: false });
    expect(started).toHaveLength(1);
    expect(waited).toBeDefined();
  });

  test("is asked for by a disk that is too full, but not all the time", async () => {
    const { path: location } = await openStore();
    const started: CacheLimits[] = [];
    const fill = (now: number) =>
      withStore(
        location,
        (store) => {
          putStep(store, `at ${now}`);
          const start = (due: CacheLimits) => started.push(due) > 0;
          return autoPrune(store, { limits: () => ({ minFree: { percent: 99.9 } }), start });
        },
        { now: () => now },
      );
    const begin = Date.now();
    await fill(begin);
    expect(started).toEqual([]);
    await fill(begin + 11 * 60_000);
    expect(started).toHaveLength(1);
    expect(started[0]!.minFree).toBeGreaterThan(0);
  });

  test("reads no limits for a build that wrote nothing", async () => {
    const store = await openStore();
    const asked = () => {
      throw new Error("asked");
    };
    expect(await autoPrune(store, { limits: asked })).toBeUndefined();
  });
});

describe("pruning by free space", () => {
  test.runIf(canMount())("removes the least recently used until the disk has it, and tells both figures", async () => {
    const directory = tempDirectory();
    spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", directory]);
    try {
      await withStore(`${directory}/store`, (store) => {
        for (let i = 0; i < 20; i++) putStep(store, `${i}`.padEnd(60_000), 100 - i);
      });
      await withStore(`${directory}/store`, async (store) => {
        const report = await pruneStore(store, { minFree: { percent: 75 } });
        const { bsize, bavail, blocks } = fs.statfsSync(directory);
        expect(report.minFree).toBe((bsize * blocks * 3) / 4);
        expect(report.free).toBeLessThan(report.minFree!);
        expect(bsize * bavail).toBeGreaterThanOrEqual(report.minFree!);
        expect(isWhole(store, "19".padEnd(60_000))).toBe(true);
        expect(isWhole(store, "0".padEnd(60_000))).toBe(false);
        expect((await pruneStore(store, { minFree: { percent: 75 } })).removed).toEqual([]);
      });
    } finally {
      spawnSync("umount", [directory]);
    }
  });
});
