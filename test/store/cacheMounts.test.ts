import * as fs from "node:fs";
import { describe, expect, test } from "vitest";
import {
  type CacheIdentity,
  cacheMountName,
  cacheMountPath,
  createCacheMount,
  listCacheMounts,
  removeCacheMount,
  replaceCacheContent,
  touchCacheMount,
} from "../../src/store/cacheMounts.js";
import { flock } from "../../src/store/flock.js";
import { pruneStore } from "../../src/store/prune.js";
import type { Store } from "../../src/store/store.js";
import { hasTool, openStore, tempDirectory } from "./helpers.js";

const IDENTITY: CacheIdentity = {
  flavour: "root",
  namespace: "",
  id: "/root/.cache",
  seed: undefined,
  owner: { mode: 0o755, uid: 0, gid: 0 },
  copy: 0,
};

const makeEmpty = async (path: string): Promise<void> => fs.mkdirSync(path);

async function put(store: Store, identity: Partial<CacheIdentity> = {}, files: Record<string, string> = {}) {
  const whole = { ...IDENTITY, ...identity };
  await createCacheMount(store, whole, "shared", makeEmpty);
  const name = cacheMountName(whole);
  const data = `${cacheMountPath(store.directory, name)}/data`;
  for (const [file, content] of Object.entries(files)) fs.writeFileSync(`${data}/${file}`, content);
  return { name, data };
}

describe("the name of a cache", () => {
  test("differs with everything that makes it another cache, and with nothing else", () => {
    const others: Partial<CacheIdentity>[] = [
      { flavour: "u1" },
      { namespace: "ci" },
      { id: "/root/.cache/" },
      { id: "../../x" },
      { seed: "a" },
      { owner: { mode: 0o700, uid: 0, gid: 0 } },
      { owner: { mode: 0o755, uid: 5, gid: 0 } },
      { owner: { mode: 0o755, uid: 0, gid: 5 } },
      { copy: 1 },
    ];
    const names = [{}, ...others].map((other) => cacheMountName({ ...IDENTITY, ...other }));
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[0-9a-f]{64}$/);
    expect(cacheMountName({ ...IDENTITY, owner: { gid: 0, uid: 0, mode: 0o755 } })).toBe(names[0]);
  });

  test("is never taken from outside as a path", async () => {
    const store = await openStore();
    for (const name of ["", "..", "../../etc", "a".repeat(63), "A".repeat(64)]) {
      expect(() => cacheMountPath(store.directory, name)).toThrow("not a name");
      await expect(removeCacheMount(store, name)).rejects.toThrow("not a name");
    }
  });
});

describe("a cache in the store", () => {
  test("appears whole, and stays as it is when it is made again", async () => {
    const store = await openStore();
    const { data } = await put(store, {}, { kept: "x" });
    await put(store);
    expect(fs.readdirSync(data)).toEqual(["kept"]);
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
  });

  test("that could not be filled is not there", async () => {
    const store = await openStore();
    const failing = createCacheMount(store, IDENTITY, "shared", async (path) => {
      fs.mkdirSync(path);
      throw new Error("no such layer");
    });
    await expect(failing).rejects.toThrow("no such layer");
    expect(listCacheMounts(store)).toEqual([]);
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
  });

  test("is replaced as a whole; where the new content cannot be made the old one stays", async () => {
    const store = await openStore();
    const { name, data } = await put(store, {}, { old: "x" });
    const failing = replaceCacheContent(store, name, () => Promise.reject(new Error("full")));
    await expect(failing).rejects.toThrow("full");
    expect(fs.readdirSync(data)).toEqual(["old"]);
    await replaceCacheContent(store, name, makeEmpty);
    expect(fs.readdirSync(data)).toEqual([]);
    fs.rmSync(data, { recursive: true });
    await replaceCacheContent(store, name, makeEmpty);
    expect(fs.readdirSync(data)).toEqual([]);
    expect(fs.readdirSync(`${store.path}/tmp`)).toEqual([]);
  });

  test("keeps an id of any length and any characters as data", async () => {
    const store = await openStore();
    const id = `../../\udc80\n"${"x".repeat(100_000)}`;
    await put(store, { id });
    expect(listCacheMounts(store)[0]!.id).toBe(id.slice(0, 4096));
  });
});

describe("the list of caches", () => {
  test("tells of each what it is, how big, and who uses it, the last used first", async () => {
    let now = 1_700_000_000_000;
    const store = await openStore(undefined, { now: () => now });
    const first = await put(store, { id: "npm", namespace: "ci", seed: "s" }, { a: "x".repeat(5000), b: "y" });
    now += 60_000;
    const second = await put(store, { id: "apt", copy: 2 });
    touchCacheMount(store.directory, second.name);
    fs.utimesSync(`${first.data}/../meta`, 1_700_000_000, 1_700_000_000);
    const lease = store.acquireLease();
    await store.useDirectories(lease, [`mount:${first.name}`]);
    expect(listCacheMounts(store)).toEqual([
      expect.objectContaining({ name: second.name, id: "apt", copy: 2, inUse: false, files: 0, created: now }),
      expect.objectContaining({
        ...{ name: first.name, id: "npm", namespace: "ci", flavour: "root", seeded: true, sharing: "shared" },
        ...{ files: 2, bytes: 4096 + 8192 + 4096, inUse: true, path: first.data, lastUsed: 1_700_000_000_000 },
      }),
    ]);
    expect(JSON.parse(JSON.stringify(listCacheMounts(store)[1]))).toMatchObject({ files: 2, id: "npm" });
  });

  test("looks at no file that a cache points to", async () => {
    const store = await openStore();
    const outside = tempDirectory();
    fs.writeFileSync(`${outside}/big`, "x".repeat(100_000));
    const { data } = await put(store);
    fs.symlinkSync(outside, `${data}/link`);
    fs.symlinkSync(".", `${data}/loop`);
    expect(listCacheMounts(store)).toEqual([expect.objectContaining({ files: 2, bytes: 3 * 4096 })]);
    const hijacked = await put(store, { id: "x" });
    fs.rmdirSync(hijacked.data);
    fs.symlinkSync(outside, hijacked.data);
    expect(listCacheMounts(store).find(({ id }) => id === "x")).toMatchObject({ files: 1, bytes: 4096 });
  });

  test("shows what has lost its description, and nothing that is no cache", async () => {
    const store = await openStore();
    for (const bad of ["", "{}", "x".repeat(100_000), '{"version":2}']) {
      const { data } = await put(store);
      fs.writeFileSync(`${data}/../meta`, bad);
      expect(listCacheMounts(store)).toEqual([expect.objectContaining({ id: "", files: 0 })]);
    }
    fs.mkdirSync(`${store.path}/mounts/other`);
    fs.writeFileSync(`${store.path}/mounts/${"0".repeat(63)}`, "");
    expect(listCacheMounts(store)).toHaveLength(1);
  });
});

describe("removing a cache", () => {
  test("takes all of it, but none that is in use, and follows no links", async () => {
    const store = await openStore();
    const outside = tempDirectory();
    fs.writeFileSync(`${outside}/mine`, "x");
    const { name, data } = await put(store, {}, { a: "x" });
    fs.symlinkSync(outside, `${data}/link`);
    const lease = store.acquireLease();
    await store.useDirectories(lease, [`mount:${name}`]);
    expect(await removeCacheMount(store, name)).toBe("used");
    expect(fs.readdirSync(data).sort()).toEqual(["a", "link"]);
    lease.release();
    expect(await removeCacheMount(store, name)).toBe("removed");
    expect(await removeCacheMount(store, name)).toBe("missing");
    expect(fs.readFileSync(`${outside}/mine`, "utf8")).toBe("x");
    for (const folder of ["mounts", "tombstones", "tmp"]) expect(fs.readdirSync(`${store.path}/${folder}`)).toEqual([]);
  });

  test("is done by garbage collection too, unless it is in use", async () => {
    const store = await openStore();
    const [used, unused] = [await put(store, { id: "a" }), await put(store, { id: "b" })];
    const lease = store.acquireLease();
    await store.useDirectories(lease, [`mount:${used.name}`]);
    await pruneStore(store, { maxBytes: 0 });
    expect(listCacheMounts(store).map(({ id }) => id)).toEqual(["a"]);
    expect(fs.existsSync(unused.data)).toBe(false);
  });
});

describe.runIf(hasTool("flock"))("a lock of the kernel", () => {
  test("lets many share or one alone, on a directory", async () => {
    const directory = tempDirectory();
    const take = (kind: "shared" | "exclusive") => flock(directory, { kind, patience: "try" });
    const held = [await take("shared"), await take("shared")];
    expect(held).not.toContain("busy");
    expect(await take("exclusive")).toBe("busy");
    for (const lock of held) if (lock !== "busy") await lock.release();
    const alone = await take("exclusive");
    expect(await take("shared")).toBe("busy");
    if (alone !== "busy") await Promise.all([alone.release(), alone.release()]);
    const last = await take("shared");
    expect(last).not.toBe("busy");
    if (last !== "busy") await last.release();
  });

  test("is waited for until the wait is called off, and then not taken", async () => {
    const directory = tempDirectory();
    const first = await flock(directory, { kind: "exclusive", patience: "wait" });
    if (first === "busy") throw new Error("busy");
    const abort = new AbortController();
    const waiting = flock(directory, { kind: "exclusive", patience: "wait", signal: abort.signal });
    const second = flock(directory, { kind: "exclusive", patience: "wait" });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
    await first.release();
    const got = await second;
    if (got !== "busy") await got.release();
    await expect(flock(directory, { kind: "shared", patience: "try", signal: abort.signal })).rejects.toMatchObject({
      code: "CANCELLED",
    });
  });

  test("cannot be had on what is not there, nor without the program", async () => {
    const directory = tempDirectory();
    const missing = flock(`${directory}/no/such`, { kind: "shared", patience: "wait" });
    await expect(missing).rejects.toMatchObject({ code: "STORE" });
    const helper = "/no/such/flock";
    const toolless = flock(directory, { kind: "shared", patience: "wait", helper });
    await expect(toolless).rejects.toMatchObject({ code: "TOOL_MISSING" });
  });
});
