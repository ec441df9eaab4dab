import { spawnSync } from "node:child_process";
import builtinFs, * as fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import * as path from "node:path";
import { describe, expect, test } from "vitest";
import { createStore, versionOf } from "../../src/store/layout.js";
import { defaultStorePath, Store } from "../../src/store/store.js";
import { age, canMount, contentsOf, modeOf, openStore, putImage, tempDirectory, withStore } from "./helpers.js";

describe("defaultStorePath", () => {
  test("prefers NACRE_HOME, then XDG_DATA_HOME, then the home directory", () => {
    expect(defaultStorePath({ NACRE_HOME: "/a/b", XDG_DATA_HOME: "/c", HOME: "/d" })).toBe("/a/b");
    expect(defaultStorePath({ XDG_DATA_HOME: "/c", HOME: "/d" })).toBe("/c/nacre");
    expect(defaultStorePath({ HOME: "/d" })).toBe("/d/.local/share/nacre");
  });

  test("ignores an empty NACRE_HOME and a relative XDG_DATA_HOME, as the XDG specification says", () => {
    expect(defaultStorePath({ NACRE_HOME: "", XDG_DATA_HOME: "data", HOME: "/d" })).toBe("/d/.local/share/nacre");
  });
});

describe("opening a store", () => {
  test("makes an OCI image layout in a directory that is not there, private to its owner", async () => {
    const store = await openStore(path.join(tempDirectory(), "deep", "down"));
    expect(JSON.parse(fs.readFileSync(`${store.path}/oci-layout`, "utf8"))).toEqual({ imageLayoutVersion: "1.0.0" });
    expect(JSON.parse(fs.readFileSync(`${store.path}/index.json`, "utf8"))).toMatchObject({
      schemaVersion: 2,
      manifests: [],
    });
    expect(fs.statSync(`${store.path}/blobs/sha256`).isDirectory()).toBe(true);
    expect(modeOf(store.path)).toBe(0o700);
  });

  test("makes one in an empty directory and leaves that directory's mode alone", async () => {
    const directory = tempDirectory();
    fs.chmodSync(directory, 0o750);
    await openStore(directory);
    expect(modeOf(directory)).toBe(0o750);
  });

  test("finishes a store whose making was interrupted, and keeps what was there", async () => {
    const { path: location } = await openStore();
    fs.writeFileSync(`${location}/.nacre-creating`, "");
    fs.rmSync(`${location}/version`);
    fs.rmSync(`${location}/oci-layout`);
    fs.writeFileSync(`${location}/index.json`, '{"schemaVersion":2,"manifests":[],"annotations":{"kept":"yes"}}');
    await openStore(location);
    expect(fs.existsSync(`${location}/oci-layout`)).toBe(true);
    expect(fs.existsSync(`${location}/.nacre-creating`)).toBe(false);
    expect(fs.readFileSync(`${location}/index.json`, "utf8")).toContain("kept");
  });

  test("made by many at once gives one store that all can use", async () => {
    const location = path.join(tempDirectory(), "store");
    const stores = await Promise.all(Array.from({ length: 8 }, () => openStore(location)));
    const { descriptor } = putImage(stores[0]!, "layer");
    await stores[0]!.setReferences([{ name: "docker.io/library/a:1", descriptor }]);
    for (const store of stores) expect(store.resolveReference("docker.io/library/a:1")).toEqual(descriptor);
  });

  test("can be joined by another process at every moment of its making", async () => {
    const location = path.join(tempDirectory(), "store");
    const seen: boolean[] = [];
    const restore = afterEveryCall(["mkdirSync", "openSync", "linkSync", "unlinkSync"], () =>
      seen.push(versionOf(location) !== undefined),
    );
    try {
      createStore(location);
    } finally {
      restore();
    }
    expect(seen.length).toBeGreaterThan(10);
    expect([seen[0], seen.at(-1)]).toEqual([false, true]);
  });

  test.runIf(fs.existsSync("/proc/self"))(
    "where no directory can be made is a clear error, not an endless try",
    async () => {
      await expect(Store.open("/proc/nacre/store")).rejects.toMatchObject({ code: "STORE" });
    },
  );

  test("refuses a directory that holds something else, and touches nothing in it", async () => {
    const directory = tempDirectory();
    fs.writeFileSync(`${directory}/precious.txt`, "mine");
    fs.writeFileSync(`${directory}/version`, "2.1\n");
    const before = contentsOf(directory);
    await expect(Store.open(directory)).rejects.toMatchObject({
      code: "STORE",
      message: expect.stringContaining("not empty"),
    });
    expect(contentsOf(directory)).toEqual(before);
  });

  test("refuses another tool's OCI image layout and says how to bring it in", async () => {
    const directory = tempDirectory();
    fs.writeFileSync(`${directory}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    await expect(Store.open(directory)).rejects.toMatchObject({
      code: "STORE",
      hint: expect.stringContaining("nacre load"),
    });
  });

  test("refuses a file, and a path below a file", async () => {
    const directory = tempDirectory();
    fs.writeFileSync(`${directory}/file`, "x");
    await expect(Store.open(`${directory}/file`)).rejects.toMatchObject({ code: "STORE" });
    await expect(Store.open(`${directory}/file/store`)).rejects.toMatchObject({ code: "STORE" });
  });

  test("without create says that there is none, and makes nothing", async () => {
    const location = path.join(tempDirectory(), "store");
    await expect(Store.open(location, { create: false })).rejects.toMatchObject({ code: "STORE" });
    await expect(Store.open(location, { readOnly: true })).rejects.toMatchObject({ code: "STORE" });
    expect(fs.existsSync(location)).toBe(false);
  });

  test("for reading only writes nothing, not even to tidy up, and refuses to write", async () => {
    const { path: location } = await openStore();
    const image = await withStore(location, async (store) => {
      const made = putImage(store, "layer");
      await store.setReferences([{ name: "docker.io/library/a:1", descriptor: made.descriptor }]);
      return made;
    });
    fs.writeFileSync(`${location}/tmp/t.0-0-1-0.aa`, "left over");
    age(`${location}/tmp/t.0-0-1-0.aa`, 3_600_000);
    const before = contentsOf(location);
    const store = await openStore(location, { readOnly: true });
    expect(store.resolveReference("docker.io/library/a:1")).toEqual(image.descriptor);
    expect(store.readBlob(image.layer, 100).toString()).toBe("layer");
    store.acquireLease().protect([image.layer]);
    expect(() => store.putBlob(Buffer.from("new"))).toThrow(/reading only/);
    await expect(store.removeReference("docker.io/library/a:1")).rejects.toMatchObject({ code: "STORE" });
    expect(contentsOf(location)).toEqual(before);
  });

  test.runIf(canMount())("that cannot be written gives a clear error", async () => {
    const { path: location } = await openStore();
    spawnSync("mount", ["--bind", location, location]);
    spawnSync("mount", ["-o", "remount,ro,bind", location]);
    try {
      await expect(Store.open(location)).rejects.toMatchObject({
        code: "STORE",
        hint: expect.stringContaining("NACRE_HOME"),
      });
      await withStore(location, (store) => expect(store.listReferences()).toEqual([]), { readOnly: true });
    } finally {
      spawnSync("umount", [location]);
    }
  });

  test("removes temporary files of processes that are gone, and keeps those of the living", async () => {
    const { path: location } = await openStore();
    const [mine, dead] = await withStore(location, (store) => {
      const temp = store.tempFile();
      fs.closeSync(temp.fd);
      const other = temp.path.replace(`-${process.pid}-`, "-4194305-");
      fs.writeFileSync(other, "");
      return [temp.path, other];
    });
    await openStore(location);
    expect(fs.existsSync(mine!)).toBe(true);
    expect(fs.existsSync(dead!)).toBe(false);
  });

  test("judges a maker that it cannot look up by the age of the file", async () => {
    const { path: location } = await openStore();
    const foreign = `${location}/tmp/t.${"0".repeat(31)}1-77-12-345`;
    for (const [suffix, minutes] of [
      ["aa", 1],
      ["bb", 30],
    ] as const) {
      fs.writeFileSync(`${foreign}.${suffix}`, "");
      age(`${foreign}.${suffix}`, minutes * 60_000);
    }
    await openStore(location);
    expect(fs.existsSync(`${foreign}.aa`)).toBe(true);
    expect(fs.existsSync(`${foreign}.bb`)).toBe(false);
  });
});

/** Looks in after every call of some functions of node:fs, as another process could. @returns undoes it */
function afterEveryCall(names: readonly ("mkdirSync" | "openSync" | "linkSync" | "unlinkSync")[], look: () => void) {
  const functions = builtinFs as unknown as Record<string, (...values: unknown[]) => unknown>;
  const originals = names.map((name) => [name, functions[name]!] as const);
  let looking = false;
  for (const [name, original] of originals) {
    functions[name] = (...values) => {
      try {
        return original(...values);
      } finally {
        if (!looking) {
          looking = true;
          look();
          looking = false;
        }
      }
    };
  }
  syncBuiltinESMExports();
  return () => {
    for (const [name, original] of originals) functions[name] = original;
    syncBuiltinESMExports();
  };
}

describe("modes", () => {
  for (const umask of [0o000, 0o022, 0o077]) {
    test(`are the same with umask ${umask.toString(8).padStart(3, "0")}`, async () => {
      const before = process.umask(umask);
      try {
        const store = await openStore(path.join(tempDirectory(), "store"));
        const { descriptor, layer } = putImage(store, "layer");
        await store.setReferences([{ name: "docker.io/library/a:1", descriptor }]);
        const writer = store.createBlob();
        writer.write(Buffer.from("more"));
        const { digest } = await writer.commit();
        expect([layer, digest, descriptor.digest].map((blob) => modeOf(store.blobPath(blob)))).toEqual([
          0o444, 0o444, 0o444,
        ]);
        const documents = ["index.json", "oci-layout", "version"].map((name) => modeOf(`${store.path}/${name}`));
        expect(documents).toEqual([0o644, 0o644, 0o644]);
        expect(["blobs", "blobs/sha256", "tmp", "leases"].map((name) => modeOf(`${store.path}/${name}`))).toEqual([
          0o755, 0o755, 0o755, 0o755,
        ]);
        expect(modeOf(store.path)).toBe(0o700);
      } finally {
        process.umask(before);
      }
    });
  }
});
