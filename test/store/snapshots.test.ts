import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, test } from "vitest";
import { checkStore } from "../../src/store/check.js";
import { ownerName } from "../../src/store/owner.js";
import { pruneStore } from "../../src/store/prune.js";
import { planPrune } from "../../src/store/prunePlan.js";
import { removeTree } from "../../src/store/removeTree.js";
import type { SnapshotFacts } from "../../src/store/snapshots.js";
import type { Store } from "../../src/store/store.js";
import type { Entry } from "../../src/store/tombstones.js";
import { storeUsage } from "../../src/store/usage.js";
import { age, flipByte, keyOf, openStore, tempDirectory, withStore } from "./helpers.js";

const NAME = `root.${keyOf("a")}`;
const DELTA = `root.d-${keyOf("delta")}`;

async function put(store: Store, name: string, facts: SnapshotFacts = { bytes: 4096 }) {
  const made = store.snapshots.create();
  fs.writeFileSync(path.join(made.fs, "file"), name);
  return store.snapshots.publish(made, name, facts);
}

function putMount(store: Store, name: string, content: string): string {
  const directory = path.join(store.path, "mounts", name);
  fs.mkdirSync(path.join(directory, "data"), { recursive: true });
  fs.writeFileSync(path.join(directory, "meta"), "{}");
  fs.writeFileSync(path.join(directory, "data", "f"), content);
  return directory;
}

const inTmp = (store: Store) => fs.readdirSync(path.join(store.path, "tmp"));

describe("snapshots in the store", () => {
  test("appear whole, and the first of a name stays", async () => {
    const store = await openStore();
    expect(store.snapshots.find(NAME)).toBeUndefined();
    const first = await put(store, NAME, { bytes: 12_288, opaque: true });
    expect(first).toMatchObject({ name: NAME, bytes: 12_288, opaque: true, trusted: true, synced: false });
    expect(fs.readFileSync(path.join(first.fs, "file"), "utf8")).toBe(NAME);
    const { ino } = fs.statSync(first.fs);
    expect((await put(store, NAME)).bytes).toBe(12_288);
    expect(fs.statSync(first.fs).ino).toBe(ino);
    expect(inTmp(store)).toEqual([]);
  });

  test("are not there if their notes are damaged, cut, of another name, or their files are gone", async () => {
    const store = await openStore();
    const { fs: files } = await put(store, NAME);
    const meta = path.join(files, "..", "meta");
    const whole = fs.readFileSync(meta);
    for (const at of [0, 40, whole.length - 2]) {
      flipByte(meta, at);
      expect(store.snapshots.find(NAME)).toBeUndefined();
      fs.writeFileSync(meta, whole);
    }
    fs.truncateSync(meta, 90);
    expect(store.snapshots.find(NAME)).toBeUndefined();
    fs.writeFileSync(meta, whole);
    fs.cpSync(path.join(files, ".."), path.join(store.path, "snapshots", DELTA), { recursive: true });
    expect(store.snapshots.find(DELTA)).toBeUndefined();
    expect(store.snapshots.find(NAME)).toBeDefined();
    fs.rmSync(files, { recursive: true });
    expect(store.snapshots.find(NAME)).toBeUndefined();
    await put(store, NAME);
    expect(store.snapshots.find(NAME)).toBeDefined();
  });

  test("of another boot count only if they were synchronised", async () => {
    const store = await openStore();
    await put(store, NAME);
    const owner = store.directory.owner;
    Object.assign(owner, { boot: "b".repeat(32) });
    expect(store.snapshots.find(NAME)).toBeUndefined();
    expect(store.snapshots.read(NAME)?.trusted).toBe(false);
    store.snapshots.noteSynced(NAME);
    expect(store.snapshots.find(NAME)).toMatchObject({ synced: true });
    fs.rmSync(path.join(store.path, "snapshots", NAME, "synced"));
    // What cannot be trusted makes room for what is made anew.
    expect((await put(store, NAME)).trusted).toBe(true);
  });

  test("have no names that lead elsewhere", async () => {
    const store = await openStore();
    for (const name of ["../x", "root.", `root.${keyOf("a")}/..`, `Root.${keyOf("a")}`, ""]) {
      expect(() => store.snapshots.find(name)).toThrow(/not a name/);
    }
  });

  test("that a killed process was making are swept, those of a living one are not", async () => {
    const store = await openStore();
    const made = store.snapshots.create();
    fs.mkdirSync(path.join(made.fs, "d", "e"), { recursive: true });
    const dead = path.join(store.path, "tmp", `t.${ownerName({ ...store.directory.owner, start: "1" })}.abcdef`);
    fs.mkdirSync(path.join(dead, "fs", "d"), { recursive: true });
    fs.writeFileSync(path.join(dead, "fs", "d", "f"), "");
    fs.chmodSync(path.join(dead, "fs", "d"), 0);
    await withStore(store.path, () => {});
    expect(fs.existsSync(dead)).toBe(false);
    expect(fs.existsSync(made.fs)).toBe(true);
  });
});

describe("garbage collection", () => {
  test("drops snapshots, but none that a living process uses, and no base under a delta in use", async () => {
    const store = await openStore();
    for (const name of [NAME, `root.${keyOf("b")}`]) await put(store, name);
    await put(store, DELTA, { bytes: 4096, base: NAME });
    const lease = store.acquireLease();
    await store.useDirectories(lease, [`snapshot:${DELTA}`]);
    const report = await pruneStore(store, { all: true });
    expect(report.removed.map(({ name, reason }) => [name, reason])).toEqual([[`root.${keyOf("b")}`, "regenerable"]]);
    expect(store.snapshots.find(DELTA)).toBeDefined();
    lease.release();
    const rest = await pruneStore(store, { all: true });
    expect(rest.removed.map(({ name }) => name)).toEqual([DELTA, NAME]);
    expect([fs.readdirSync(path.join(store.path, "snapshots")), inTmp(store)]).toEqual([[], []]);
  });

  test("takes the snapshot that was not used for the longest time first, a delta before its base", () => {
    const entry = (name: string, used: number, base?: string): Entry => ({
      id: `snapshot.${name}`,
      kind: "snapshot",
      name,
      bytes: 10,
      used,
      ...(base ? { base: `snapshot.${base}` } : {}),
    });
    const none = { strong: new Set<never>(), weak: new Set<never>() };
    const entries = [entry("base", 1), entry("delta", 5, "base"), entry("other", 3), entry("young", 9)];
    const plan = (maxBytes: number) =>
      planPrune({
        entries: new Map(entries.map((one) => [one.id, one])),
        images: none,
        leases: none,
        records: [],
        unusable: [],
        maxBytes,
        mustFree: 0,
        usedBefore: Number.NEGATIVE_INFINITY,
        unreferencedBefore: 100,
      }).removals.map(({ name }) => name);
    expect(plan(40)).toEqual([]);
    expect(plan(25)).toEqual(["other", "delta"]);
    expect(plan(0)).toEqual(["other", "delta", "base", "young"]);
  });

  test("drops what cache mounts keep like records, and with all of it unless in use", async () => {
    const store = await openStore();
    const [old, young, used] = ["old", "young", "used"].map((name) => putMount(store, keyOf(name), "x".repeat(50_000)));
    age(path.join(old!, "meta"), 100_000_000);
    await pruneStore(store, { maxBytes: 200_000 });
    expect([old, young, used].map((one) => fs.existsSync(one!))).toEqual([true, true, true]);
    await pruneStore(store, { maxBytes: 140_000 });
    expect([old, young, used].map((one) => fs.existsSync(one!))).toEqual([false, true, true]);
    const lease = store.acquireLease();
    await store.useDirectories(lease, [`mount:${keyOf("used")}`]);
    const { removed } = await pruneStore(store, { all: true });
    expect(removed.map(({ kind, reason }) => [kind, reason])).toEqual([["mount", "least recently used"]]);
    expect([young, used].map((one) => fs.existsSync(one!))).toEqual([false, true]);
  });

  test("leaves a directory that it cannot remove, says so, and goes on", async () => {
    const warnings: string[] = [];
    const location = path.join(tempDirectory(), "store");
    const store = await openStore(location, {
      warn: (message) => warnings.push(message),
      removeTree: async (tree) => {
        if (fs.existsSync(path.join(tree, "fs", "stuck"))) throw new Error("not permitted");
        await removeTree(tree);
      },
    });
    const stuck = await put(store, NAME);
    fs.writeFileSync(path.join(stuck.fs, "stuck"), "");
    await put(store, `root.${keyOf("b")}`);
    expect((await pruneStore(store, { all: true })).removed).toHaveLength(2);
    expect(store.snapshots.names()).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining("not permitted")]);
    expect(inTmp(store)).toHaveLength(1);
  });

  test("that was killed is undone: a directory comes back, or makes room for a new one", async () => {
    const store = await openStore();
    const { fs: files } = await put(store, NAME);
    const buried = path.join(store.path, "tombstones", `snapshot.${NAME}`);
    fs.renameSync(path.join(files, ".."), buried);
    await pruneStore(store, { maxBytes: 1e9 });
    expect(store.snapshots.find(NAME)).toBeDefined();
    fs.renameSync(path.join(files, ".."), buried);
    await put(store, NAME, { bytes: 8192 });
    await pruneStore(store, { maxBytes: 1e9 });
    expect(store.snapshots.find(NAME)?.bytes).toBe(8192);
    expect(fs.readdirSync(path.join(store.path, "tombstones"))).toEqual([]);
  });

  test("counts snapshots by what they took when they were made", async () => {
    const store = await openStore();
    const before = storeUsage(store);
    await put(store, NAME, { bytes: 1_000_000 });
    putMount(store, keyOf("m"), "x".repeat(10_000));
    const usage = storeUsage(store);
    expect(usage.snapshots).toEqual({ count: 1, bytes: 1_000_000 });
    expect(usage.mounts.count).toBe(1);
    expect(usage.mounts.bytes).toBeGreaterThanOrEqual(12_288);
    expect(usage.total.bytes - before.total.bytes).toBe(usage.snapshots.bytes + usage.mounts.bytes);
    expect(usage.other).toEqual(before.other);
    expect((await pruneStore(store, { dryRun: true, all: true })).freed).toBe(
      usage.snapshots.bytes + usage.mounts.bytes,
    );
  });
});

describe("a check", () => {
  test("finds snapshots that are damaged or have lost their base, and removes them if asked to", async () => {
    const store = await openStore();
    const { fs: files } = await put(store, NAME);
    await put(store, DELTA, { bytes: 4096, base: NAME });
    expect(await checkStore(store)).toMatchObject({ snapshots: 2, problems: [] });
    flipByte(path.join(files, "..", "meta"), 100);
    const { problems } = await checkStore(store, { repair: true });
    expect(problems.map(({ kind, name, message }) => [kind, name, message]).sort()).toEqual([
      ["snapshot", NAME, "is damaged"],
      ["snapshot", DELTA, expect.stringContaining(NAME)],
    ]);
    expect(store.snapshots.names()).toEqual([]);
    expect((await checkStore(store)).problems).toEqual([]);
  });
});

describe("removing a tree", () => {
  test("copes with any modes, names and depth, and follows no symlink", async () => {
    const root = tempDirectory();
    const kept = path.join(root, "kept");
    fs.mkdirSync(kept);
    fs.writeFileSync(path.join(kept, "f"), "precious");
    const tree = path.join(root, "tree");
    fs.mkdirSync(path.join(tree, "a", "b"), { recursive: true });
    fs.writeFileSync(path.join(tree, "a", "b", "f"), "");
    fs.symlinkSync(kept, path.join(tree, "a", "link"));
    fs.linkSync(path.join(kept, "f"), path.join(tree, "hard"));
    fs.writeFileSync(Buffer.from(`${tree}/caf\xe9`, "latin1"), "");
    spawnSync("mkfifo", [path.join(tree, "pipe")]);
    fs.chmodSync(path.join(tree, "a", "b"), 0);
    fs.chmodSync(path.join(tree, "a"), 0);
    // Deeper than any path can say: every step is made from within.
    const deep =
      'import os,sys\nos.chdir(sys.argv[1])\nfor i in range(10000):\n os.mkdir("d"); os.chdir("d")\nopen("f","w")';
    expect(spawnSync("python3", ["-c", deep, tree]).status).toBe(0);
    await removeTree(tree);
    expect(fs.readdirSync(root)).toEqual(["kept"]);
    expect(fs.readFileSync(path.join(kept, "f"), "utf8")).toBe("precious");
    await removeTree(tree);
  });

  test.skipIf(process.getuid?.() !== 0)("gives those who are not root the right to what is theirs", async () => {
    const root = tempDirectory();
    fs.chmodSync(root, 0o777);
    const tree = path.join(root, "tree");
    const make = `mkdir -p ${tree}/a/b; touch ${tree}/a/b/f ${tree}/a/g; chmod 0 ${tree}/a/b; chmod 0500 ${tree}/a ${tree}`;
    const nobody = 65_534;
    expect(spawnSync("sh", ["-c", make], { uid: nobody, gid: nobody }).status).toBe(0);
    process.seteuid?.(nobody);
    try {
      await removeTree(tree);
    } finally {
      process.seteuid?.(0);
    }
    expect(fs.readdirSync(root)).toEqual([]);
  });
});
