import builtinFs, * as fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import * as path from "node:path";
import { describe, expect, test } from "vitest";
import { checkStore } from "../../src/store/check.js";
import { StoreDirectory } from "../../src/store/directory.js";
import { readVersion, STORE_VERSION } from "../../src/store/layout.js";
import { MIGRATIONS, type Migration, migrate } from "../../src/store/migrations.js";
import { pruneStore } from "../../src/store/prune.js";
import { Store } from "../../src/store/store.js";
import { contentsOf, keyOf, openStore, putImage, tempDirectory, withStore } from "./helpers.js";

const NAME = "docker.io/library/kept:1";

/** A store as the first version made and filled it. */
async function firstVersion(): Promise<string> {
  const { path: location } = await openStore(path.join(tempDirectory(), "store"));
  await withStore(location, async (store) => {
    const { descriptor, layer } = putImage(store, "layer");
    await store.setReferences([{ name: NAME, descriptor }]);
    store.putRecord({ key: keyOf("step"), blobs: [layer], indexes: [], lists: [], body: { n: 1 } });
  });
  for (const name of ["evictions", "projects", "uses"])
    fs.rmSync(`${location}/${name}`, { recursive: true, force: true });
  fs.writeFileSync(`${location}/version`, "nacre store 1\n");
  return location;
}

function versionAs(location: string, version: number): void {
  fs.writeFileSync(`${location}/version`, `nacre store ${version}\n`);
}

describe("a store of an earlier version", () => {
  test("is brought up to date when it is opened for writing, and keeps everything", async () => {
    const location = await firstVersion();
    const store = await openStore(location);
    expect(readVersion(location)).toBe(STORE_VERSION);
    expect(fs.statSync(`${location}/evictions`).isDirectory()).toBe(true);
    expect(fs.statSync(`${location}/projects`).isDirectory()).toBe(true);
    expect(store.flawsOf(store.resolveReference(NAME)!)).toEqual([]);
    expect(store.findRecords(keyOf("step"))).toHaveLength(1);
    expect((await checkStore(store)).problems).toEqual([]);
  });

  test("is read as it is, without a change", async () => {
    const location = await firstVersion();
    const before = contentsOf(location);
    const store = await openStore(location, { readOnly: true });
    expect(store.resolveReference(NAME)).toBeDefined();
    expect(store.findRecords(keyOf("step"))).toHaveLength(1);
    expect((await pruneStore(store, { all: true, dryRun: true })).removed.map(({ kind }) => kind)).toEqual(["record"]);
    expect(contentsOf(location)).toEqual(before);
  });

  test("is brought up to date once, by whichever of many comes first", async () => {
    const location = await firstVersion();
    const versions: number[] = [];
    const stores = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const store = await openStore(location);
        versions.push(readVersion(location)!);
        return store;
      }),
    );
    expect(new Set(versions)).toEqual(new Set([STORE_VERSION]));
    for (const store of stores) expect(store.resolveReference(NAME)).toBeDefined();
  });

  test("survives being cut off after every single call that writes, and goes on from there", async () => {
    // The lock of a process that is killed is freed by the kernel.
    const locks = { withLock: <T>(_name: string, work: () => Promise<T>) => work() };
    for (let allowed = 0; ; allowed++) {
      const location = await firstVersion();
      const directory = new StoreDirectory(location, false, () => {}, Date.now);
      const isDone = await failingAfter(allowed, () => migrate({ directory, locks }));
      expect(isDone ? [STORE_VERSION] : [1, STORE_VERSION]).toContain(readVersion(location));
      await withStore(location, (store) => expect(store.resolveReference(NAME)).toBeDefined(), { readOnly: true });
      await withStore(location, async (store) => {
        expect(readVersion(location)).toBe(STORE_VERSION);
        expect(store.findRecords(keyOf("step"))).toHaveLength(1);
        expect((await checkStore(store)).problems).toEqual([]);
      });
      if (isDone) break;
      expect(allowed).toBeLessThan(60);
    }
  });

  test("goes through all steps in order, stops where one fails, and starts there again", async () => {
    const location = await firstVersion();
    const store = await openStore(location);
    versionAs(location, 1);
    const done: number[] = [];
    let isBroken = true;
    const steps: Migration[] = [2, 3, 4].map((to) => ({
      to,
      run: () => {
        if (to === 3 && isBroken) throw new Error("no");
        done.push(to);
      },
    }));
    await expect(migrate(store, steps)).rejects.toMatchObject({
      code: "STORE",
      message: expect.stringContaining("from version 2 to 3"),
      hint: expect.stringContaining("goes on"),
    });
    expect(readVersion(location)).toBe(2);
    isBroken = false;
    await migrate(store, steps);
    await migrate(store, steps);
    expect(done).toEqual([2, 3, 4]);
    expect(readVersion(location)).toBe(4);
  });

  test("has a way to this version, one step at a time", () => {
    expect(MIGRATIONS.map(({ to }) => to)).toEqual(Array.from({ length: STORE_VERSION - 1 }, (_, i) => i + 2));
  });
});

describe("a store of a newer version", () => {
  test("is refused for writing, in words that say what to do, and is not touched", async () => {
    const location = await firstVersion();
    versionAs(location, STORE_VERSION + 1);
    const before = contentsOf(location);
    await expect(Store.open(location)).rejects.toMatchObject({
      code: "STORE",
      message: `the store ${location} has version ${STORE_VERSION + 1}; this nacre writes up to ${STORE_VERSION}`,
      hint: "use a newer nacre, or another directory with NACRE_HOME",
      facts: { version: STORE_VERSION + 1, supported: STORE_VERSION },
    });
    expect(contentsOf(location)).toEqual(before);
  });

  test("is read, with a word about it; what is of an unknown form counts as absent", async () => {
    const location = await firstVersion();
    versionAs(location, 99);
    const [shard] = fs.readdirSync(`${location}/records`);
    const [record] = fs.readdirSync(`${location}/records/${shard}`);
    fs.writeFileSync(`${location}/records/${shard}/${record}`, `nacre 2 ${"0".repeat(71)}\n{}`);
    fs.mkdirSync(`${location}/unheard-of`);
    const before = contentsOf(location);
    const said: string[] = [];
    const store = await openStore(location, { readOnly: true, warn: (message) => said.push(message) });
    expect(said).toEqual([expect.stringContaining("has version 99")]);
    const descriptor = store.resolveReference(NAME)!;
    expect(store.flawsOf(descriptor)).toEqual([]);
    expect(store.readBlob(descriptor.digest, 10_000).length).toBe(descriptor.size);
    expect(store.findRecords(keyOf("step"))).toEqual([]);
    expect(() => store.putBlob(Buffer.from("x"))).toThrow(/reading only/);
    expect(contentsOf(location)).toEqual(before);
  });

  test("that appears while one waits to move an older one is left as it is", async () => {
    const location = await firstVersion();
    const store = await openStore(location);
    versionAs(location, 7);
    await migrate(store);
    expect(readVersion(location)).toBe(7);
  });
});

/** Lets so many writing calls through and fails from then on, as a process that is killed. @returns true if all went through */
async function failingAfter(allowed: number, work: () => Promise<void>): Promise<boolean> {
  const names = ["mkdirSync", "openSync", "renameSync", "unlinkSync", "symlinkSync", "fsyncSync", "writeSync"] as const;
  const functions = builtinFs as unknown as Record<string, (...values: unknown[]) => unknown>;
  const originals = names.map((name) => [name, functions[name]!] as const);
  let left = allowed;
  for (const [name, original] of originals) {
    functions[name] = (...values) => {
      const isReading = name === "openSync" && typeof values[1] === "number" && (values[1] & 3) === 0;
      if (!isReading && left-- <= 0) throw Object.assign(new Error("EIO: cut off"), { code: "EIO" });
      return original(...values);
    };
  }
  syncBuiltinESMExports();
  try {
    await work();
    return true;
  } catch {
    return false;
  } finally {
    for (const [name, original] of originals) functions[name] = original;
    syncBuiltinESMExports();
  }
}
