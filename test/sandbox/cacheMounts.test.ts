import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as readline from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { digestOfHex } from "../../src/oci/digest.js";
import { CacheMounts, type UnpackSeed } from "../../src/sandbox/cacheMounts.js";
import type { Hand } from "../../src/sandbox/hand.js";
import type { CacheRunMount, TreeSource } from "../../src/sandbox/types.js";
import { listCacheMounts, removeCacheMount } from "../../src/store/cacheMounts.js";
import { pruneStore } from "../../src/store/prune.js";
import { Store } from "../../src/store/store.js";
import { toolMissing } from "../setup/tools.js";

const isRoot = process.getuid?.() === 0;
const hand: Hand = { flavour: "root", overlayXattrs: "trusted", singleId: !isRoot, devices: true, upper: "store" };
const MOUNT: CacheRunMount = {
  type: "cache",
  target: "/c",
  id: "contended",
  sharing: "shared",
  readOnly: false,
  seed: undefined,
  owner: { mode: 0o755, uid: 0, gid: 0 },
  fresh: false,
};

const folders: string[] = [];
const stores: Store[] = [];
const children = new Set<ChildProcess>();

afterEach(async () => {
  await Promise.all([...children].map(killed));
  for (const store of stores.splice(0)) await store.close();
  for (const folder of folders.splice(0)) fs.rmSync(folder, { recursive: true, force: true });
});

function tempFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-caches-"));
  folders.push(folder);
  return folder;
}

async function openStore(location = path.join(tempFolder(), "store")): Promise<Store> {
  const store = await Store.open(location);
  stores.push(store);
  return store;
}

const noSeed: UnpackSeed = () => Promise.reject(new Error("there is no seed"));

/** The caches of one build. */
function buildOn(store: Store, unpackSeed: UnpackSeed = noSeed, of: Hand = hand): CacheMounts {
  return new CacheMounts(store, store.acquireLease(), of, unpackSeed);
}

const source = (layer: string, at: string): TreeSource => ({
  layers: [
    {
      diffId: digestOfHex(layer.repeat(64)),
      descriptor: { mediaType: "x", digest: digestOfHex(layer.repeat(64)), size: 1 },
    },
  ],
  path: at,
});

/** A promise, and whether it has settled by now. */
function watched<T>(promise: Promise<T>): { promise: Promise<T>; settled: () => boolean } {
  let settled = false;
  promise.then(
    () => (settled = true),
    () => (settled = true),
  );
  return { promise, settled: () => settled };
}

/** Resolves when the store's caches have told someone to wait. */
function noted(): { note: (message: string) => void; told: Promise<string> } {
  let note: (message: string) => void = () => {};
  const told = new Promise<string>((resolve) => (note = resolve));
  return { note, told };
}

describe.skipIf(toolMissing("setpriv"))("a cache mount", () => {
  test("keeps what was written from build to build, whatever its id looks like", async () => {
    const store = await openStore();
    for (const id of ["/root/.cache", "../../x", "a\0b", ""]) {
      const first = await buildOn(store).acquire({ ...MOUNT, id });
      fs.writeFileSync(`${first.dir}/kept`, id);
      await first.release();
      const second = await buildOn(store).acquire({ ...MOUNT, id });
      expect(fs.readFileSync(`${second.dir}/kept`, "utf8")).toBe(id);
      expect(second.dir).toMatch(new RegExp(`^${store.path}/mounts/[0-9a-f]{64}/data$`));
      await second.release();
    }
    expect(fs.readdirSync(store.path)).not.toContain("x");
    expect(fs.readdirSync(`${store.path}/mounts`)).toHaveLength(4);
  });

  test("is another one with another owner, seed, namespace, or world of owners", async () => {
    const store = await openStore();
    const unpack: UnpackSeed = async (_, into) => fs.mkdirSync(into);
    const other: Hand = { ...hand, flavour: "u1" };
    const caches = buildOn(store, unpack);
    const dirs = await Promise.all([
      caches.acquire(MOUNT),
      caches.acquire({ ...MOUNT, owner: { mode: 0o700, uid: 0, gid: 0 } }),
      caches.acquire({ ...MOUNT, seed: source("a", "/x") }),
      caches.acquire({ ...MOUNT, seed: source("b", "/x") }),
      caches.acquire({ ...MOUNT, seed: source("a", "/y") }),
      caches.acquire({ ...MOUNT, namespace: "ci" }),
      buildOn(store, unpack, other).acquire(MOUNT),
    ]);
    expect(new Set(dirs.map(({ dir }) => dir)).size).toBe(dirs.length);
    const again = await caches.acquire({ ...MOUNT, seed: source("a", "x/../x/") });
    expect(again.dir).toBe(dirs[2]!.dir);
    for (const { release } of [...dirs, again]) await release();
  });

  test.skipIf(!isRoot)(
    "starts with the mode and owner that were given; with a single id it keeps only the mode",
    async () => {
      const store = await openStore();
      const owner = { mode: 0o3750, uid: 12, gid: 13 };
      const { dir, release } = await buildOn(store).acquire({ ...MOUNT, owner });
      expect(fs.statSync(dir)).toMatchObject({ uid: 12, gid: 13 });
      expect(fs.statSync(dir).mode & 0o7777).toBe(0o3750);
      await release();
      const single = await buildOn(store, noSeed, { ...hand, flavour: "s", singleId: true }).acquire({
        ...MOUNT,
        owner,
      });
      expect(fs.statSync(single.dir)).toMatchObject({ uid: 0, gid: 0 });
      await single.release();
    },
  );

  test("starts with its seed, which may be a file, and keeps what became of it", async () => {
    const store = await openStore();
    const seen: string[] = [];
    const unpack: UnpackSeed = async ({ path: at }, into) => {
      seen.push(at);
      if (at === "/dir") {
        fs.mkdirSync(into, { mode: 0o700 });
        fs.writeFileSync(`${into}/f`, "seed");
      }
      if (at === "/file") fs.writeFileSync(into, "seed");
      if (at === "/link") fs.symlinkSync("/etc", into);
    };
    for (const at of ["/dir", "/file"]) {
      const first = await buildOn(store, unpack).acquire({ ...MOUNT, seed: source("a", at) });
      const file = at === "/dir" ? `${first.dir}/f` : first.dir;
      expect(fs.readFileSync(file, "utf8")).toBe("seed");
      fs.writeFileSync(file, "changed");
      await first.release();
      const second = await buildOn(store, unpack).acquire({ ...MOUNT, seed: source("a", at) });
      expect(fs.readFileSync(file, "utf8")).toBe("changed");
      await second.release();
    }
    expect(seen).toEqual(["/dir", "/file"]);
    for (const at of ["/missing", "/link"]) {
      const failing = buildOn(store, unpack).acquire({ ...MOUNT, seed: source("a", at) });
      await expect(failing).rejects.toMatchObject({ code: "MOUNT", message: `open ${at}: no such file or directory` });
    }
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
    expect(listCacheMounts(store)).toHaveLength(2);
  });

  test("is in use, and not removed, as long as the build's lease lives", async () => {
    const store = await openStore();
    const lease = store.acquireLease();
    const caches = new CacheMounts(store, lease, hand, noSeed);
    const { dir, release } = await caches.acquire(MOUNT);
    await release();
    const [{ name, inUse, id, files }] = listCacheMounts(store) as [ReturnType<typeof listCacheMounts>[number]];
    expect({ inUse, id, files }).toEqual({ inUse: true, id: MOUNT.id, files: 0 });
    expect(await removeCacheMount(store, name)).toBe("used");
    await pruneStore(store, { maxBytes: 0 });
    expect(fs.existsSync(dir)).toBe(true);
    lease.release();
    expect(await removeCacheMount(store, name)).toBe("removed");
  });

  test("that vanished in the middle of a build, or lost its content, is made anew", async () => {
    const store = await openStore();
    const caches = buildOn(store);
    const first = await caches.acquire(MOUNT);
    await first.release();
    fs.rmSync(path.dirname(first.dir), { recursive: true });
    const second = await caches.acquire(MOUNT);
    await second.release();
    fs.rmSync(second.dir, { recursive: true });
    const third = await caches.acquire({ ...MOUNT, sharing: "locked" });
    expect(fs.readdirSync(third.dir)).toEqual([]);
    await third.release();
  });
});

describe.skipIf(toolMissing("setpriv"))("sharing", () => {
  test("shared lets everyone into the same directory at once", async () => {
    const store = await openStore();
    const caches = buildOn(store);
    const users = await Promise.all(Array.from({ length: 5 }, () => caches.acquire(MOUNT)));
    users.push(await buildOn(store).acquire(MOUNT));
    expect(new Set(users.map(({ dir }) => dir)).size).toBe(1);
    for (const { release } of users) await release();
  });

  test("locked lets one step in at a time, and keeps out the shared too", async () => {
    const store = await openStore();
    const caches = buildOn(store);
    let inside = 0;
    let most = 0;
    const step = async (sharing: CacheRunMount["sharing"]): Promise<void> => {
      const { dir, release } = await caches.acquire({ ...MOUNT, sharing }, { note: () => {} });
      if (sharing === "locked") most = Math.max(most, ++inside);
      fs.readdirSync(dir);
      await new Promise((resolve) => setImmediate(resolve));
      if (sharing === "locked") inside--;
      await release();
    };
    await Promise.all(Array.from({ length: 6 }, () => step("locked")));
    expect(most).toBe(1);
    const alone = await caches.acquire({ ...MOUNT, sharing: "locked" });
    const { note, told } = noted();
    const shared = watched(caches.acquire(MOUNT, { note }));
    expect(await told).toContain(`cache mount ${MOUNT.id}`);
    expect(shared.settled()).toBe(false);
    await alone.release();
    await (await shared.promise).release();
  });

  test("locked can be given up while it is waited for, and leaves no process", async () => {
    const store = await openStore();
    const caches = buildOn(store);
    const holder = await caches.acquire({ ...MOUNT, sharing: "locked" });
    const { note, told } = noted();
    const abort = new AbortController();
    const waiting = caches.acquire({ ...MOUNT, sharing: "locked" }, { note, signal: abort.signal });
    await told;
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    await holder.release();
    await holder.release();
    const next = await caches.acquire({ ...MOUNT, sharing: "locked" });
    await next.release();
    expect(processesWith(store.path)).toEqual([]);
  });

  test("private gives the second user at once a copy of its own, which is used again", async () => {
    const store = await openStore();
    const own = { ...MOUNT, sharing: "private" } as const;
    const [a, b] = [buildOn(store), buildOn(store)];
    const first = await a.acquire(own);
    fs.writeFileSync(`${first.dir}/mine`, "1");
    const second = await b.acquire(own);
    expect(fs.readdirSync(second.dir)).toEqual([]);
    fs.writeFileSync(`${second.dir}/mine`, "2");
    const third = await a.acquire(own);
    expect(new Set([first.dir, second.dir, third.dir]).size).toBe(3);
    await second.release();
    const fourth = await a.acquire(own);
    expect(fs.readFileSync(`${fourth.dir}/mine`, "utf8")).toBe("2");
    for (const { release } of [first, third, fourth]) await release();
    const later = await buildOn(store).acquire(own);
    expect(fs.readFileSync(`${later.dir}/mine`, "utf8")).toBe("1");
    await later.release();
    expect(
      listCacheMounts(store)
        .map(({ copy }) => copy)
        .sort(),
    ).toEqual([0, 1, 2]);
  });

  test("of mounts of one step is no hindrance: the same cache is the same directory", async () => {
    const store = await openStore();
    const caches = buildOn(store);
    for (const pair of [
      ["locked", "locked"],
      ["private", "private"],
      ["shared", "locked"],
      ["private", "shared"],
    ] as const) {
      const { dirs, release } = await caches.acquireAll(pair.map((sharing) => ({ ...MOUNT, sharing })));
      expect(dirs[0]).toBe(dirs[1]);
      await release();
    }
  });

  test("locked by steps with several caches, named in any order, never comes to a standstill", async () => {
    const store = await openStore();
    const caches = buildOn(store);
    const locked = (id: string): CacheRunMount => ({ ...MOUNT, id, sharing: "locked" });
    const orders = [
      ["a", "b", "c"],
      ["c", "b", "a"],
      ["b", "a", "c"],
      ["c", "a"],
      ["b", "c"],
    ];
    const used = await Promise.all(
      orders.map(async (ids) => {
        const { dirs, release } = await caches.acquireAll(ids.map(locked), { note: () => {} });
        await release();
        return dirs;
      }),
    );
    expect(used[0]).toEqual([...used[1]!].reverse());
  });
});

describe.skipIf(toolMissing("setpriv"))("a fresh cache", () => {
  const fresh: CacheRunMount = { ...MOUNT, fresh: true };

  test("starts anew once in a build, whoever comes first, and keeps what this build puts there", async () => {
    const store = await openStore();
    for (const sharing of ["shared", "locked", "private"] as const) {
      const before = await buildOn(store).acquire({ ...MOUNT, sharing });
      fs.writeFileSync(`${before.dir}/old`, "");
      await before.release();
      const caches = buildOn(store);
      const first = await caches.acquire({ ...fresh, sharing });
      expect(fs.readdirSync(first.dir)).toEqual([]);
      fs.writeFileSync(`${first.dir}/new`, "");
      await first.release();
      const second = await caches.acquire({ ...fresh, sharing });
      expect(fs.readdirSync(second.dir)).toEqual(["new"]);
      await second.release();
    }
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
  });

  test("starts from its seed again", async () => {
    const store = await openStore();
    const unpack: UnpackSeed = async (_, into) => {
      fs.mkdirSync(into);
      fs.writeFileSync(`${into}/f`, "seed");
    };
    const seeded = { ...MOUNT, seed: source("a", "/") };
    const before = await buildOn(store, unpack).acquire(seeded);
    fs.writeFileSync(`${before.dir}/f`, "changed");
    await before.release();
    const after = await buildOn(store, unpack).acquire({ ...seeded, fresh: true });
    expect(fs.readFileSync(`${after.dir}/f`, "utf8")).toBe("seed");
    await after.release();
  });

  test("is not taken from under someone who uses it", async () => {
    const store = await openStore();
    const user = await buildOn(store).acquire(MOUNT);
    fs.writeFileSync(`${user.dir}/in-use`, "");
    const { note, told } = noted();
    const other = await buildOn(store).acquire(fresh, { note });
    expect(await told).toContain("is not emptied");
    expect(fs.readdirSync(other.dir)).toEqual(["in-use"]);
    for (const { release } of [user, other]) await release();
  });
});

describe("where there is no flock", () => {
  test("shared caches work, and the others say what is missing", async () => {
    const store = await openStore();
    const caches = new CacheMounts(store, store.acquireLease(), hand, noSeed, "/no/such/flock");
    const { release } = await caches.acquire({ ...MOUNT, fresh: true });
    await release();
    for (const sharing of ["locked", "private"] as const) {
      await expect(caches.acquire({ ...MOUNT, sharing })).rejects.toMatchObject({ code: "TOOL_MISSING" });
    }
  });
});

describe.skipIf(toolMissing("setpriv") || process.platform !== "linux")("between processes", () => {
  let script = "";
  let compiled = "";

  beforeAll(() => {
    compiled = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-worker-"));
    script = compileWorker(compiled);
    return () => fs.rmSync(compiled, { recursive: true, force: true });
  });

  test("a locked cache is free as soon as its holder is killed", async () => {
    const store = await openStore();
    const holder = start(script, store.path, "locked");
    expect(await holder.line()).toMatch(/^held /);
    const { note, told } = noted();
    const mine = watched(buildOn(store).acquire({ ...MOUNT, sharing: "locked" }, { note }));
    await told;
    const waiter = start(script, store.path, "locked");
    expect(await waiter.line()).toBe("waiting");
    expect(mine.settled()).toBe(false);
    // One that is killed while it waits must not get in the way either.
    await killed(waiter.child);
    await killed(holder.child);
    const got = await mine.promise;
    const next = start(script, store.path, "locked");
    expect(await next.line()).toBe("waiting");
    await got.release();
    expect(await next.line()).toBe(`held ${got.dir}`);
    next.child.stdin!.end();
    expect(await next.line()).toBe("released");
    expect(await untilGone(store.path)).toEqual([]);
  });

  test("a private cache is copied, a shared one is the same", async () => {
    const store = await openStore();
    const others = [start(script, store.path, "private"), start(script, store.path, "private")];
    const lines = await Promise.all(others.map((other) => other.line()));
    const mine = await buildOn(store).acquire({ ...MOUNT, sharing: "private" });
    expect(new Set([...lines, `held ${mine.dir}`]).size).toBe(3);
    for (const { child } of others) await killed(child);
    await mine.release();
    const shared = [start(script, store.path, "shared"), start(script, store.path, "shared")];
    expect(new Set(await Promise.all(shared.map((other) => other.line()))).size).toBe(1);
  });
});

/** A worker, and its lines one by one. */
function start(script: string, store: string, sharing: string) {
  const child = spawn(process.execPath, [script, store, sharing], { stdio: ["pipe", "pipe", "inherit"] });
  children.add(child);
  child.stdin.on("error", () => {});
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => String((await lines.next()).value);
  return { child, line };
}

function killed(child: ChildProcess): Promise<void> {
  children.delete(child);
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

/** Command lines of the processes that name a path. */
function processesWith(text: string): string[] {
  return fs.readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      const line = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      return line.includes(text) ? [line] : [];
    } catch {
      return [];
    }
  });
}

/** What is left of them once what was killed has had time to go. */
async function untilGone(text: string): Promise<string[]> {
  for (let tries = 0; tries < 500 && processesWith(text).length > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return processesWith(text);
}

/** Compiles the worker, because Node 20 runs no TypeScript. @returns the path of the script */
function compileWorker(folder: string): string {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const config = {
    extends: path.join(root, "tsconfig.json"),
    // Types are checked elsewhere.
    compilerOptions: {
      ...{ noEmit: false, noCheck: true, rootDir: root, outDir: folder },
      typeRoots: [path.join(root, "node_modules/@types")],
    },
    include: [],
    files: [path.join(root, "test/sandbox/cacheMountsWorker.ts")],
  };
  fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(config));
  fs.writeFileSync(path.join(folder, "package.json"), '{"type":"module"}');
  fs.symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  execFileSync(path.join(root, "node_modules/.bin/tsc"), ["-p", folder], { stdio: ["ignore", "pipe", "pipe"] });
  return path.join(folder, "test/sandbox/cacheMountsWorker.js");
}
