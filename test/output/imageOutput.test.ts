import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { importArchive } from "../../src/archive/import.js";
import { openArchive } from "../../src/archive/read.js";
import { type Image, loadImage } from "../../src/image/image.js";
import { codecVersion } from "../../src/layer/codecs.js";
import { hexOf } from "../../src/oci/digest.js";
import { writeOutput, writeOutputs } from "../../src/output/output.js";
import type { ImageOutput } from "../../src/output/request.js";
import type { Store } from "../../src/store/store.js";
import { type Member, newStore, putImage, SOME_LAYERS, tempDir } from "../archive/images.js";
import { envOf, sh } from "./images.js";

const IMAGE_OUTPUT: Omit<ImageOutput, "destination"> = {
  type: "oci",
  tar: true,
  compression: { type: "gzip", force: false },
  rewriteTimestamp: false,
  annotations: new Map(),
};

const outputTo = (path: string, more: Partial<ImageOutput> = {}): ImageOutput => ({
  ...IMAGE_OUTPUT,
  destination: { kind: "path", path },
  ...more,
});

async function someImage(layers = SOME_LAYERS): Promise<{ store: Store; image: Image }> {
  const store = await newStore();
  return { store, image: loadImage(store, await putImage(store, layers)) };
}

async function reload(path: string): Promise<{ store: Store; image: Image }> {
  const store = await newStore();
  const source = await openArchive(path);
  const [imported] = await importArchive(store, source).finally(() => source.close());
  return { store, image: loadImage(store, imported!.descriptor) };
}

/** Files of about 6 MB: enough for several blocks. */
const BIG_LAYER: readonly Member[] = Array.from({ length: 300 }, (_, i) => ({
  path: `f${String(i).padStart(3, "0")}`,
  content: Buffer.alloc(500 + (i % 37) * 1000, `${i} some text that repeats `),
}));

describe("an image output", () => {
  test.each([
    { type: "gzip", mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" },
    { type: "zstd", mediaType: "application/vnd.oci.image.layer.v1.tar+zstd" },
    { type: "none", mediaType: "application/vnd.oci.image.layer.v1.tar" },
  ] as const)("has layers compressed with $type, and the same config", async ({ type, mediaType }) => {
    const { store, image } = await someImage();
    const path = join(tempDir(), "o.tar");
    const { image: exported } = await writeOutput(
      outputTo(path, { compression: { type, force: false } }),
      image,
      envOf(store),
    );
    const { image: back } = await reload(path);
    expect(back.descriptor.digest).toBe(exported!.descriptor.digest);
    expect(back.manifest.layers.map((layer) => layer.mediaType)).toEqual([mediaType, mediaType]);
    expect(back.layers.map(({ diffId }) => diffId)).toEqual(image.layers.map(({ diffId }) => diffId));
    expect(back.configBytes.equals(image.configBytes)).toBe(true);
    expect(exported!.configDigest).toBe(image.manifest.config.digest);
    expect(exported!.codecs).toEqual(type === "none" ? [] : [codecVersion(type)]);
    if (type === "none") expect(exported!.descriptor.digest).toBe(image.descriptor.digest);
  });

  test.each(["gzip", "zstd"] as const)("with %s is read by skopeo and unpacked by its tools", async (type) => {
    const { store, image } = await someImage();
    const dir = tempDir();
    const output = outputTo(join(dir, "l"), { tar: false, compression: { type, force: false } });
    const { image: exported } = await writeOutput(output, image, envOf(store));
    expect(JSON.parse(sh(`skopeo inspect oci:${dir}/l:1`)).Digest).toBe(exported!.descriptor.digest);
    sh(`skopeo copy -q oci:${dir}/l:1 dir:${dir}/copy`);
    const { layers } = JSON.parse(readFileSync(join(dir, "copy/manifest.json"), "utf8"));
    const top = `${dir}/copy/${layers[1].digest.slice(7)}`;
    expect(sh(`${type} -t < ${top} && ${type} -dc < ${top} | tar xOf - etc/motd`)).toBe("welcome\n".repeat(1000));
  });

  test("with gzip is unpacked by umoci", async () => {
    const { store, image } = await someImage();
    const dir = tempDir();
    await writeOutput(outputTo(join(dir, "l"), { tar: false }), image, envOf(store));
    sh(`umoci unpack --rootless --image ${dir}/l:1 ${dir}/bundle`);
    expect(readFileSync(join(dir, "bundle/rootfs/etc/motd"), "utf8")).toBe("welcome\n".repeat(1000));
  });

  test("is the same for any number of jobs, with and without cached blocks", async () => {
    const seen = new Set<string>();
    for (const jobs of [1, 3, 8]) {
      const { store, image } = await someImage([BIG_LAYER]);
      for (const run of ["cold", "warm"]) {
        const path = join(tempDir(), run);
        await writeOutput(outputTo(path), image, envOf(store, { jobs }));
        seen.add(sh(`sha256sum < ${path}`));
      }
    }
    expect(seen.size).toBe(1);
  });

  test("compresses a layer once; lost blocks are made again", async () => {
    const { store, image } = await someImage([BIG_LAYER]);
    const dir = tempDir();
    const progress: string[] = [];
    const env = envOf(store, { onProgress: (what) => void progress.push(what) });
    await writeOutput(outputTo(join(dir, "a")), image, env);
    expect(progress).toContain("compressing layers with gzip");
    progress.length = 0;
    await writeOutput(outputTo(join(dir, "b")), image, env);
    expect(progress).not.toContain("compressing layers with gzip");
    const blocks = readdirSync(join(store.path, "blocks"), { recursive: true, encoding: "utf8" });
    const files = blocks.filter((name) => /\/[0-9a-f]{64}$/.test(name));
    expect(files.length).toBeGreaterThan(4);
    rmSync(join(store.path, "blocks", files[0]!));
    sh(`cd ${store.path}/blocks && chmod u+w ${files[1]} && echo damage >> ${files[1]}`);
    await writeOutput(outputTo(join(dir, "c")), image, env);
    expect(sh(`cd ${dir} && cmp a b && cmp a c && echo same`)).toBe("same\n");
  });

  test("keeps layers that came compressed, unless it is forced", async () => {
    const { store, image } = await someImage();
    const dir = tempDir();
    await writeOutput(outputTo(join(dir, "gzip.tar")), image, envOf(store));
    const { store: other, image: compressed } = await reload(join(dir, "gzip.tar"));
    const zstd = { type: "zstd", force: false } as const;
    await writeOutput(outputTo(join(dir, "kept.tar"), { compression: zstd }), compressed, envOf(other));
    const kept = (await reload(join(dir, "kept.tar"))).image;
    expect(kept.manifest.layers).toEqual(compressed.manifest.layers);
    for (const type of ["zstd", "none"] as const) {
      await writeOutput(outputTo(join(dir, type), { compression: { type, force: true } }), compressed, envOf(other));
      const forced = (await reload(join(dir, type))).image;
      expect(forced.layers.map(({ diffId }) => diffId)).toEqual(image.layers.map(({ diffId }) => diffId));
      expect(
        forced.manifest.layers.every((layer) => layer.mediaType.endsWith(type === "zstd" ? "+zstd" : ".tar")),
      ).toBe(true);
    }
  });

  test("adds annotations to the manifest, indented as Go does it", async () => {
    const { store, image } = await someImage();
    const dir = join(tempDir(), "l");
    const annotations = new Map([["org.example", "<yes>"]]);
    const { image: exported } = await writeOutput(outputTo(dir, { tar: false, annotations }), image, envOf(store));
    const text = readFileSync(join(dir, "blobs/sha256", hexOf(exported!.descriptor.digest)), "utf8");
    expect(JSON.parse(text).annotations).toEqual({ "org.example": "<yes>" });
    expect(text).toMatch(/^\{\n {2}"schemaVersion": 2,\n {2}"mediaType"/);
  });

  test("takes names of its own, or those of the build", async () => {
    const { store, image } = await someImage();
    const dir = tempDir();
    const named = await writeOutput(
      outputTo(join(dir, "a"), { names: ["mine", "ghcr.io/x/y:2"] }),
      image,
      envOf(store),
    );
    expect(named.image!.names).toEqual(["docker.io/library/mine:latest", "ghcr.io/x/y:2"]);
    const source = await openArchive(join(dir, "a"));
    expect(source.images[0]!.names).toEqual(named.image!.names);
    source.close();
    expect((await writeOutput(outputTo(join(dir, "b")), image, envOf(store))).image!.names).toEqual([
      "docker.io/library/some:1",
    ]);
  });

  test("leaves nothing behind when it fails, and what was there before stays", async () => {
    const { store, image } = await someImage();
    const dir = tempDir();
    const path = join(dir, "o.tar");
    writeFileSync(path, "before");
    const broken = store.blobPath(image.layers[1]!.descriptor.digest);
    sh(`chmod u+w ${broken} && printf X | dd of=${broken} bs=1 seek=700 conv=notrunc status=none`);
    for (const type of ["none", "gzip"] as const) {
      const output = outputTo(path, { compression: { type, force: false } });
      await expect(writeOutput(output, image, envOf(store))).rejects.toMatchObject({ code: "CONTENT_INVALID" });
    }
    expect(readdirSync(dir)).toEqual(["o.tar"]);
    expect(readFileSync(path, "utf8")).toBe("before");
  });

  test("says what is wrong with its destination", async () => {
    const { store, image } = await someImage();
    const dir = tempDir();
    const failing = (path: string) => expect(writeOutput(outputTo(path), image, envOf(store))).rejects;
    await failing(join(dir, "no/such/o.tar")).toMatchObject({
      code: "OUTPUT",
      hint: expect.stringContaining("no/such"),
    });
    await failing(dir).toMatchObject({ code: "OUTPUT" });
    const bad = outputTo(join(dir, "x"), { compression: { type: "gzip", level: 12, force: false } });
    await expect(writeOutput(bad, image, envOf(store))).rejects.toMatchObject({ code: "USAGE" });
    const stream = { ...outputTo(""), destination: { kind: "stream", stream: process.stderr } } as const;
    await expect(writeOutput({ ...stream, tar: false }, image, envOf(store))).rejects.toMatchObject({ code: "USAGE" });
    await expect(writeOutputs([stream, stream], image, envOf(store))).rejects.toMatchObject({ code: "USAGE" });
    expect(readdirSync(dir)).toEqual([]);
  });

  test("stops when it is aborted", async () => {
    const { store, image } = await someImage([BIG_LAYER]);
    const dir = tempDir();
    const controller = new AbortController();
    const env = envOf(store, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(writeOutput(outputTo(join(dir, "o")), image, env)).rejects.toMatchObject({ code: "CANCELLED" });
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe("rewrite-timestamp", () => {
  const EPOCH = 1_700_000_100;

  test("clamps later times in new layers only, and changes config and diffIDs accordingly", async () => {
    const late: Member[] = [
      { path: "early", content: "e", mtime: 5 },
      { path: "late", content: "l", mtime: EPOCH + 50, xattrs: { "security.capability": "\x01\x80" } },
      { path: "beyond", content: "b", mtime: 2 ** 40 },
    ];
    const { store, image } = await someImage([late, [...late, { path: "top", content: "t", mtime: EPOCH + 1 }]]);
    const path = join(tempDir(), "o.tar");
    const env = envOf(store, { epoch: EPOCH, newLayers: new Set([image.layers[1]!.diffId]) });
    const output = outputTo(path, { rewriteTimestamp: true, compression: { type: "none", force: false } });
    const { image: exported } = await writeOutput(output, image, env);
    const { image: back } = await reload(path);
    expect(back.layers[0]!.diffId).toBe(image.layers[0]!.diffId);
    expect(back.layers[1]!.diffId).not.toBe(image.layers[1]!.diffId);
    expect({ ...back.config, rootfs: 0 }).toEqual({ ...image.config, rootfs: 0 });
    const digest = hexOf(back.layers[1]!.diffId);
    const times = sh(`tar xOf ${path} blobs/sha256/${digest} | tar --full-time -tvf - | awk '{print $6, $4, $5}'`);
    expect(times).toBe(
      ["early 1970-01-01 00:00:05", ...["late", "beyond", "top"].map((name) => `${name} 2023-11-14 22:15:00`), ""].join(
        "\n",
      ),
    );
    const again = await writeOutput({ ...output, destination: { kind: "path", path: `${path}2` } }, image, env);
    expect(again.image).toEqual(exported);
    expect(sh(`cmp ${path} ${path}2 && echo same`)).toBe("same\n");
  });

  test("changes nothing where no time is later, and needs an epoch", async () => {
    const { store, image } = await someImage([[{ path: "a", mtime: EPOCH }]]);
    const newLayers = new Set([image.layers[0]!.diffId]);
    const output = outputTo(join(tempDir(), "o"), {
      rewriteTimestamp: true,
      compression: { type: "none", force: false },
    });
    const { image: exported } = await writeOutput(output, image, envOf(store, { epoch: EPOCH, newLayers }));
    expect(exported!.descriptor.digest).toBe(image.descriptor.digest);
    await expect(writeOutput(output, image, envOf(store, { newLayers }))).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("several outputs", () => {
  test("are all written", async () => {
    const { store, image } = await someImage();
    const dir = tempDir();
    const results = await writeOutputs(
      [
        outputTo(join(dir, "a.tar"), { compression: { type: "zstd", level: 19, force: false } }),
        outputTo(join(dir, "b.tar"), { type: "docker" }),
        { type: "tar", destination: { kind: "path", path: join(dir, "root.tar") } },
        { type: "local", destination: { kind: "path", path: join(dir, "files") } },
      ],
      image,
      envOf(store),
    );
    expect(results.map(({ image: exported }) => exported !== undefined)).toEqual([true, true, false, false]);
    expect(readdirSync(dir).sort()).toEqual(["a.tar", "b.tar", "files", "root.tar"]);
    const [entry] = JSON.parse(sh(`tar xOf ${dir}/b.tar manifest.json`));
    const layer = gunzipSync(Buffer.from(sh(`tar xOf ${dir}/b.tar ${entry.Layers[0]} | base64 -w0`), "base64"));
    expect(layer.length).toBeGreaterThan(1024);
  });
});
