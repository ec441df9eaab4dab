import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeIndex } from "../../src/oci/encode.js";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/mediaTypes.js";
import { contentsOf, digestOf, hasTool, openStore, putCompressedImage, putImage } from "./helpers.js";

const NAME = "docker.io/library/hello:1";

describe("setting references", () => {
  test("names images, moves names, and keeps the order", async () => {
    const store = await openStore();
    const [a, b] = [putImage(store, "a").descriptor, putImage(store, "b").descriptor];
    await store.setReferences([
      { name: NAME, descriptor: a },
      { name: "localhost:5000/x/y:2", descriptor: b },
    ]);
    await store.setReferences([{ name: NAME, descriptor: b }]);
    expect(store.listReferences()).toEqual([
      { name: NAME, descriptor: b },
      { name: "localhost:5000/x/y:2", descriptor: b },
    ]);
    expect(store.resolveReference("docker.io/library/other:1")).toBeUndefined();
  });

  test("writes nothing and takes no lock when nothing changes", async () => {
    const store = await openStore(undefined, { lockHelper: "false" });
    const { descriptor } = putImage(store, "a");
    const annotated = { ...descriptor, annotations: { note: "kept" } };
    await store.setReferences([{ name: NAME, descriptor: annotated }]);
    const before = fs.statSync(`${store.path}/index.json`);
    fs.rmSync(`${store.path}/locks`, { recursive: true });
    await store.setReferences([{ name: NAME, descriptor: store.resolveReference(NAME)! }]);
    await store.setReferences([]);
    expect(store.resolveReference(NAME)).toEqual(annotated);
    expect(fs.statSync(`${store.path}/index.json`).ino).toBe(before.ino);
    expect(fs.existsSync(`${store.path}/locks`)).toBe(false);
  });

  test("refuses an image that lacks its manifest, config or a layer, or has one of the wrong size", async () => {
    const store = await openStore();
    const before = contentsOf(store.path)["index.json"];
    for (const [name, damage] of [
      ["manifest", (image: ReturnType<typeof putImage>) => fs.rmSync(store.blobPath(image.descriptor.digest))],
      ["config", (image: ReturnType<typeof putImage>) => fs.rmSync(store.blobPath(image.config))],
      ["layer", (image: ReturnType<typeof putImage>) => fs.rmSync(store.blobPath(image.layer))],
      [
        "size",
        (image: ReturnType<typeof putImage>) => {
          fs.chmodSync(store.blobPath(image.layer), 0o600);
          fs.truncateSync(store.blobPath(image.layer), 1);
        },
      ],
    ] as const) {
      const whole = putImage(store, "whole");
      const image = putImage(store, `layer for ${name}`);
      damage(image);
      const entries = [
        { name: "docker.io/library/whole:1", descriptor: whole.descriptor },
        { name: NAME, descriptor: image.descriptor },
      ];
      await expect(store.setReferences(entries), name).rejects.toMatchObject({ code: "CONTENT_INVALID" });
    }
    expect(contentsOf(store.path)["index.json"]).toBe(before);
  });

  test("follows an image index to every manifest, and refuses one that contains itself too deeply", async () => {
    const store = await openStore();
    const image = putImage(store, "layer");
    const putIndex = (manifests: (typeof image.descriptor)[]) => ({
      ...store.putBlob(encodeIndex({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })),
      mediaType: OCI_INDEX,
    });
    const good = putIndex([image.descriptor]);
    await store.setReferences([{ name: NAME, descriptor: good }]);
    const bad = putIndex([image.descriptor, { mediaType: OCI_MANIFEST, digest: digestOf("not there"), size: 9 }]);
    await expect(store.setReferences([{ name: NAME, descriptor: bad }])).rejects.toThrow(/missing/);
    let deep = good;
    for (let i = 0; i < 12; i++) deep = putIndex([deep]);
    await expect(store.setReferences([{ name: NAME, descriptor: deep }])).rejects.toThrow(/nested too deeply/);
    expect(store.resolveReference(NAME)).toEqual(good);
  });

  test("takes names with odd characters as they are, and refuses those that cannot be kept", async () => {
    const store = await openStore();
    const { descriptor } = putImage(store, "a");
    const odd = [
      'quo"te',
      "back\\slash",
      "<tag>&amp;",
      "ünï-cödé 🐚",
      "__proto__",
      "../../etc/passwd",
      " ",
      "a@sha256:b",
    ];
    await store.setReferences(odd.map((name) => ({ name, descriptor })));
    expect(store.listReferences().map((reference) => reference.name)).toEqual(odd);
    for (const name of ["", "line\nbreak", "nul\0", "\ud800", "x".repeat(1025)]) {
      await expect(store.setReferences([{ name, descriptor }])).rejects.toMatchObject({ code: "REFERENCE_INVALID" });
    }
  });

  test("agrees with a map for any sequence of settings and removals", async () => {
    const store = await openStore();
    const images = ["a", "b", "c"].map((content) => putImage(store, content).descriptor);
    const model = new Map<string, string>();
    const command = fc.record({ name: fc.constantFrom("x", "y", "z"), image: fc.option(fc.nat(2)) });
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 6 }), async (commands) => {
        for (const { name, image } of commands) {
          if (image === null) expect(await store.removeReference(name)).toBe(model.delete(name));
          else {
            await store.setReferences([{ name, descriptor: images[image]! }]);
            model.set(name, images[image]!.digest);
          }
        }
        const listed = store.listReferences().map((reference) => [reference.name, reference.descriptor.digest]);
        expect(new Map(listed as [string, string][])).toEqual(model);
      }),
      { numRuns: 15 },
    );
  });

  test("of many callers at once loses none", async () => {
    const store = await openStore();
    const names = Array.from({ length: 20 }, (_, i) => `docker.io/library/app:${i}`);
    await Promise.all(
      names.map((name, i) => store.setReferences([{ name, descriptor: putImage(store, `${i}`).descriptor }])),
    );
    expect(
      store
        .listReferences()
        .map((reference) => reference.name)
        .sort(),
    ).toEqual(names.sort());
  });
});

describe("index.json", () => {
  test("keeps what other tools have written into it", async () => {
    const store = await openStore();
    const { descriptor } = putImage(store, "a");
    const foreign = {
      ...descriptor,
      annotations: { "org.example.thing": "1" },
      platform: { os: "linux", architecture: "arm64" },
    };
    const index = { schemaVersion: 2, manifests: [foreign] };
    fs.writeFileSync(`${store.path}/index.json`, JSON.stringify(index));
    await store.setReferences([{ name: NAME, descriptor }]);
    await store.removeReference(NAME);
    expect(JSON.parse(fs.readFileSync(`${store.path}/index.json`, "utf8")).manifests).toEqual([foreign]);
    expect(store.listReferences()).toEqual([]);
  });

  test("with a malformed entry still gives the others, with a warning", async () => {
    const warnings: string[] = [];
    const store = await openStore(undefined, { warn: (message) => warnings.push(message) });
    const { descriptor } = putImage(store, "a");
    await store.setReferences([{ name: NAME, descriptor }]);
    const index = JSON.parse(fs.readFileSync(`${store.path}/index.json`, "utf8"));
    index.manifests.unshift({ mediaType: "x", digest: "sha256:../../etc/passwd", size: 1 }, null, {
      ...descriptor,
      size: -1,
    });
    fs.writeFileSync(`${store.path}/index.json`, JSON.stringify(index));
    expect(store.listReferences()).toEqual([{ name: NAME, descriptor }]);
    expect(warnings).toHaveLength(3);
  });

  test("that is no JSON or not there is an error that names it", async () => {
    const store = await openStore();
    for (const damage of [
      () => fs.writeFileSync(`${store.path}/index.json`, "{"),
      () => fs.writeFileSync(`${store.path}/index.json`, "[]"),
      () => fs.rmSync(`${store.path}/index.json`),
    ]) {
      damage();
      expect(() => store.listReferences()).toThrow(
        expect.objectContaining({ code: "STORE", message: expect.stringContaining("index.json") }),
      );
    }
  });
});

describe("as an OCI image layout", () => {
  test.runIf(hasTool("skopeo"))("the store is read by skopeo as it stands, by reference name", async () => {
    const store = await openStore();
    const { descriptor, layer } = putImage(store, "not really a tar");
    const zipped = putCompressedImage(store, "zipped", "plain");
    await store.setReferences([
      { name: NAME, descriptor },
      { name: "localhost:5000/team/app:v2", descriptor: zipped.descriptor },
    ]);
    const inspect = (name: string) =>
      spawnSync("skopeo", ["inspect", "--raw", `oci:${store.path}:${name}`], { encoding: "utf8" });
    expect(JSON.parse(inspect(NAME).stdout).layers[0].digest).toBe(layer);
    expect(JSON.parse(inspect("localhost:5000/team/app:v2").stdout).layers[0].digest).toBe(zipped.layer);
    const full = spawnSync("skopeo", ["inspect", `oci:${store.path}:${NAME}`], { encoding: "utf8" });
    expect(JSON.parse(full.stdout).Digest).toBe(descriptor.digest);
  });
});
