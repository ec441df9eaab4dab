import * as fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { checkStore } from "../../src/store/check.js";
import { pruneStore } from "../../src/store/prune.js";
import { holdSource, listSources, sourcePath, touchSource, useSource } from "../../src/store/sources.js";
import type { Store } from "../../src/store/store.js";
import { storeUsage } from "../../src/store/usage.js";
import { sha256Hex } from "../../src/support/hash.js";
import { hasTool, openStore, tempDirectory } from "./helpers.js";

const [A, B] = ["a".repeat(64), "b".repeat(64)];

/** A source that holds these files. */
async function put(store: Store, kind: "http" | "git", name: string, files: Record<string, string> = {}) {
  await useSource(store, kind, name, `label of ${name[0]}`, async (directory) => {
    for (const [file, content] of Object.entries(files)) fs.writeFileSync(`${directory}/${file}`, content);
  });
  return sourcePath(store, kind, name);
}

describe("a source", () => {
  test("has a directory from its first use on, and gives back what the work gives", async () => {
    const store = await openStore();
    const seen: string[][] = [];
    for (const _ of [1, 2]) {
      const result = await useSource(store, "git", A, "label", async (directory) => {
        expect(directory).toBe(`${store.path}/sources/git/${A}`);
        seen.push(fs.readdirSync(directory));
        fs.writeFileSync(`${directory}/kept`, "x");
        return 7;
      });
      expect(result).toBe(7);
    }
    expect(seen).toEqual([["meta"], ["kept", "meta"]]);
    for (const folder of ["tmp", "leases"]) expect(fs.readdirSync(`${store.path}/${folder}`)).toEqual([]);
  });

  test("is used by one at a time, in this process and through other handles, and each of them gets its turn", async () => {
    const location = `${tempDirectory()}/store`;
    const stores = [await openStore(location), await openStore(location)];
    let [inside, most] = [0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await sleep(5);
      inside--;
    };
    await Promise.all([...stores, ...stores, ...stores].map((store) => useSource(store, "http", A, "", work)));
    expect(most).toBe(1);
    let both = 0;
    const meet = async (): Promise<void> => {
      both++;
      while (both < 2) await sleep(1);
    };
    await Promise.all([useSource(stores[0]!, "http", A, "", meet), useSource(stores[0]!, "git", A, "", meet)]);
  });

  test("is free again after work that failed", async () => {
    const store = await openStore();
    const failing = useSource(store, "http", A, "", () => Promise.reject(new Error("no such host")));
    await expect(failing).rejects.toThrow("no such host");
    expect(await useSource(store, "http", A, "", async () => 1)).toBe(1);
    expect(fs.readdirSync(`${store.path}/leases`)).toEqual([]);
  });

  test.runIf(hasTool("flock"))("is waited for until the wait is called off", async () => {
    const store = await openStore();
    const abort = new AbortController();
    await useSource(store, "http", A, "", async () => {
      const waiting = useSource(store, "http", A, "", async () => 1, abort.signal);
      setTimeout(() => abort.abort(), 20);
      await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    });
  });

  test("is never taken from outside as a path", async () => {
    const store = await openStore();
    for (const name of ["", "..", "../../etc", "a".repeat(63), "A".repeat(64)]) {
      await expect(useSource(store, "http", name, "", async () => 1)).rejects.toThrow("not a name");
      await expect(holdSource(store, "http", name)).rejects.toThrow("not a name");
    }
    await expect(useSource(store, "../x" as "http", A, "", async () => 1)).rejects.toThrow("not a name");
    expect(fs.existsSync(`${store.path}/sources`)).toBe(false);
  });

  test("is not made in a store that is only read", async () => {
    const location = `${tempDirectory()}/store`;
    await openStore(location);
    const store = await openStore(location, { readOnly: true });
    await expect(useSource(store, "http", A, "", async () => 1)).rejects.toMatchObject({ code: "STORE" });
    expect(listSources(store)).toEqual([]);
  });
});

describe("the list of sources", () => {
  test("tells what each is, how big, and who uses it, the last used first", async () => {
    let now = 1_700_000_000_000;
    const store = await openStore(undefined, { now: () => now });
    const first = await put(store, "http", A, { x: "x".repeat(5000) });
    now += 60_000;
    const second = await put(store, "git", B);
    const held = await holdSource(store, "http", A);
    expect(listSources(store)).toEqual([
      expect.objectContaining({ kind: "git", name: B, path: second, label: "label of b", inUse: false, lastUsed: now }),
      expect.objectContaining({ kind: "http", name: A, path: first, bytes: 4096 * 2 + 8192, inUse: true }),
    ]);
    held.release();
    now += 60_000;
    touchSource(store, "http", A);
    expect(listSources(store).map(({ name, inUse }) => [name, inUse])).toEqual([
      [A, false],
      [B, false],
    ]);
    expect(storeUsage(store).sources).toEqual({ count: 2, bytes: 4096 * 4 + 8192 });
  });

  test("shows what has lost its description, and nothing that is no source", async () => {
    const store = await openStore();
    const path = await put(store, "http", A);
    for (const bad of ["", "{}", "x".repeat(100_000), '{"version":2}', "null"]) {
      fs.writeFileSync(`${path}/meta`, bad);
      expect(listSources(store)).toEqual([expect.objectContaining({ name: A, label: "" })]);
    }
    fs.mkdirSync(`${store.path}/sources/other`);
    fs.mkdirSync(`${store.path}/sources/other/${A}`);
    fs.writeFileSync(`${store.path}/sources/http/${B}`, "");
    fs.mkdirSync(`${store.path}/sources/http/x`);
    expect(listSources(store)).toHaveLength(1);
    expect((await pruneStore(store, { all: true })).removed).toHaveLength(1);
  });
});

describe("garbage collection", () => {
  test("takes the source that was used longest ago first, and none that is in use", async () => {
    let now = 1_700_000_000_000;
    const store = await openStore(undefined, { now: () => now });
    for (const name of [A, B]) {
      await put(store, "http", name, { big: "x".repeat(100_000) });
      now += 60_000;
    }
    await put(store, "git", A, { big: "x".repeat(100_000) });
    const { removed } = await pruneStore(store, { maxBytes: 250_000 });
    expect(removed).toEqual([expect.objectContaining({ id: `source.http-${A}`, reason: "least recently used" })]);
    const held = await holdSource(store, "http", B);
    await pruneStore(store, { all: true });
    expect(listSources(store).map(({ kind, name }) => [kind, name])).toEqual([["http", B]]);
    await useSource(store, "http", B, "", async (directory) => {
      held.release();
      await pruneStore(store, { all: true });
      expect(fs.readdirSync(directory)).toEqual(["big", "meta"]);
    });
    await pruneStore(store, { all: true });
    expect(listSources(store)).toEqual([]);
    for (const folder of ["tombstones", "tmp", "sources/http", "sources/git"]) {
      expect(fs.readdirSync(`${store.path}/${folder}`)).toEqual([]);
    }
  });

  test("that was killed puts back what it had moved aside", async () => {
    const store = await openStore();
    const path = await put(store, "http", A, { f: "x" });
    fs.renameSync(path, `${store.path}/tombstones/source.http-${A}`);
    await pruneStore(store, { keepDuration: 3_600_000 });
    expect(fs.readdirSync(path)).toEqual(["f", "meta"]);
  });

  test("follows no link that lies in a source", async () => {
    const store = await openStore();
    const outside = tempDirectory();
    fs.writeFileSync(`${outside}/mine`, "x");
    const path = await put(store, "git", A);
    fs.symlinkSync(outside, `${path}/link`);
    await pruneStore(store, { all: true });
    expect(fs.existsSync(path)).toBe(false);
    expect(fs.readFileSync(`${outside}/mine`, "utf8")).toBe("x");
  });
});

test("the check of a store reads downloads again, and repairs it by removing what is wrong", async () => {
  const store = await openStore();
  const [right, wrong] = [sha256Hex("right"), sha256Hex("other")];
  const path = await put(store, "http", A, { [right]: "right", [wrong]: "wrong", response: "anything" });
  const report = await checkStore(store, { repair: true });
  expect(report.sources).toBe(1);
  expect(report.problems).toEqual([
    {
      kind: "source",
      name: `http-${A}`,
      message: `the download sha256:${wrong} has the digest sha256:${sha256Hex("wrong")}`,
      repaired: true,
    },
  ]);
  expect(fs.readdirSync(path).sort()).toEqual([right, "meta", "response"].sort());
  expect((await checkStore(store)).problems).toEqual([]);
});
