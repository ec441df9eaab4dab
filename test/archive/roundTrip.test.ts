import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { importArchive } from "../../src/archive/import.js";
import { openArchive } from "../../src/archive/read.js";
import { storedContent } from "../../src/archive/stored.js";
import { writeArchive } from "../../src/archive/write.js";
import { loadImage } from "../../src/image/image.js";
import type { Descriptor } from "../../src/oci/documents.js";
import type { Store } from "../../src/store/store.js";
import { newStore, pieces, putImage, SOME_LAYERS, tempDir } from "./images.js";

const NAME = "docker.io/library/some:1";

async function write(
  store: Store,
  descriptor: Descriptor,
  path: string,
  options: { format: "oci" | "docker"; tar: boolean; names?: string[] },
): Promise<string> {
  const content = storedContent(store, [{ descriptor, names: options.names ?? [NAME] }]);
  await writeArchive({ kind: "path", path }, content, options);
  return path;
}

async function load(
  path: string | AsyncIterable<Buffer>,
): Promise<{ store: Store; images: Awaited<ReturnType<typeof importArchive>> }> {
  const store = await newStore();
  const source = await openArchive(path, { spoolDir: join(store.path, "tmp") });
  try {
    return { store, images: await importArchive(store, source) };
  } finally {
    source.close();
  }
}

const sh = (command: string): string => execFileSync("sh", ["-c", command], { stdio: "pipe" }).toString();

describe.each([
  { format: "oci", tar: true },
  { format: "oci", tar: false },
  { format: "docker", tar: true },
  { format: "docker", tar: false },
] as const)("an archive of format $format, tar=$tar", (options) => {
  test("comes back as the same image", async () => {
    const store = await newStore();
    const descriptor = await putImage(store, SOME_LAYERS);
    const path = await write(store, descriptor, join(tempDir(), "out"), options);
    const { images, store: other } = await load(path);
    expect(images).toMatchObject([{ names: [NAME], descriptor: { digest: descriptor.digest } }]);
    const image = loadImage(other, images[0]!.descriptor);
    expect(image.layers).toEqual(loadImage(store, descriptor).layers);
    for (const { diffId } of image.layers) expect(other.readIndex(diffId)).toEqual(store.readIndex(diffId));
    await other.setReferences([{ name: NAME, descriptor: images[0]!.descriptor }]);
    expect(other.listReferences()).toHaveLength(1);
  });

  test("is the same bytes each time", async () => {
    const store = await newStore();
    const descriptor = await putImage(store, SOME_LAYERS);
    const dir = tempDir();
    for (const name of ["a", "b"]) await write(store, descriptor, join(dir, name), options);
    expect(sh(`cd ${dir} && diff -r a b && echo same`)).toBe("same\n");
  });

  test("is read by skopeo", async () => {
    const store = await newStore();
    const descriptor = await putImage(store, SOME_LAYERS);
    const path = await write(store, descriptor, join(tempDir(), "out"), options);
    const transport = options.tar ? `oci-archive:${path}:1` : `oci:${path}:1`;
    const seen = JSON.parse(sh(`skopeo inspect ${transport}`));
    expect(seen).toMatchObject({ Digest: descriptor.digest, Architecture: "amd64", Labels: { a: "<b>" } });
    expect(seen.Layers).toHaveLength(2);
  });
});

describe("an OCI tar", () => {
  test("has BuildKit's entries, order, modes and times", async () => {
    const store = await newStore();
    const path = await write(store, await putImage(store, SOME_LAYERS), join(tempDir(), "o.tar"), {
      format: "docker",
      tar: true,
    });
    const lines = sh(`TZ=UTC tar --numeric-owner -tvf ${path}`)
      .trim()
      .split("\n")
      .map((line) => line.split(/ +/));
    const names = lines.map((line) => line[5]!);
    expect([...names].sort()).toEqual(names);
    expect(names.filter((name) => !/sha256\/./.test(name))).toEqual([
      "blobs/",
      "blobs/sha256/",
      "index.json",
      "manifest.json",
      "oci-layout",
    ]);
    for (const [mode, owner, , date, , name] of lines) {
      expect(owner).toBe("0/0");
      expect(date).toBe("1970-01-01");
      const wanted = name!.endsWith("/") ? "drwxr-xr-x" : name!.endsWith(".json") ? "-rw-r--r--" : "-r--r--r--";
      expect(mode).toBe(wanted);
    }
  });

  test("lists one descriptor for each name, and one without names", async () => {
    const store = await newStore();
    const descriptor = await putImage(store, SOME_LAYERS);
    const names = [NAME, "localhost:5000/other:two"];
    const path = await write(store, descriptor, join(tempDir(), "o.tar"), { format: "docker", tar: true, names });
    const index = JSON.parse(sh(`tar xOf ${path} index.json`));
    expect(index).toMatchObject({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json" });
    expect(index.manifests.map((entry: { annotations: object }) => entry.annotations)).toEqual([
      {
        "io.containerd.image.name": NAME,
        "org.opencontainers.image.created": "2024-01-02T03:04:05Z",
        "org.opencontainers.image.ref.name": "1",
      },
      {
        "io.containerd.image.name": names[1],
        "org.opencontainers.image.created": "2024-01-02T03:04:05Z",
        "org.opencontainers.image.ref.name": "two",
      },
    ]);
    expect(index.manifests[0].platform).toEqual({ architecture: "amd64", os: "linux" });
    const [entry] = JSON.parse(sh(`tar xOf ${path} manifest.json`));
    expect(entry.RepoTags).toEqual(["some:1", "localhost:5000/other:two"]);
    const bare = await write(store, descriptor, join(tempDir(), "o.tar"), { format: "docker", tar: true, names: [] });
    expect(JSON.parse(sh(`tar xOf ${bare} index.json`)).manifests).toHaveLength(1);
    expect(JSON.parse(sh(`tar xOf ${bare} manifest.json`))[0].RepoTags).toBeNull();
  });

  test("is copied by skopeo and unpacked by umoci", async () => {
    const store = await newStore();
    const dir = tempDir();
    const path = await write(store, await putImage(store, SOME_LAYERS), join(dir, "o.tar"), {
      format: "oci",
      tar: true,
    });
    sh(
      `skopeo copy -q oci-archive:${path}:1 oci:${dir}/copy:1 && umoci unpack --rootless --image ${dir}/copy:1 ${dir}/bundle`,
    );
    expect(readdirSync(join(dir, "bundle/rootfs/etc")).sort()).toEqual(["motd", "passwd"]);
    expect(readFileSync(join(dir, "bundle/rootfs/bin/bash"), "utf8")).toBe("#!shell\n");
  });

  test("goes to a stream with backpressure", async () => {
    const store = await newStore();
    const descriptor = await putImage(store, SOME_LAYERS);
    const path = await write(store, descriptor, join(tempDir(), "o.tar"), { format: "oci", tar: true });
    const stream = new PassThrough({ highWaterMark: 100 });
    const collected = (async () => Buffer.concat(await stream.toArray()))();
    const content = storedContent(store, [{ descriptor, names: [NAME] }]);
    await writeArchive({ kind: "stream", stream }, content, { format: "oci", tar: true });
    stream.end();
    expect((await collected).equals(readFileSync(path))).toBe(true);
  });
});

describe("an OCI directory", () => {
  test("gets more images, and a name moves to the newer one", async () => {
    const store = await newStore();
    const dir = join(tempDir(), "layout");
    const first = await putImage(store, SOME_LAYERS);
    const second = await putImage(store, [SOME_LAYERS[0]!]);
    const oci = { format: "oci", tar: false } as const;
    await write(store, first, dir, { ...oci, names: ["a:1", "b:2"].map((name) => `docker.io/library/${name}`) });
    await write(store, second, dir, { ...oci, names: ["docker.io/library/b:2"] });
    const { images } = await load(dir);
    expect(images.map(({ names, descriptor }) => [names, descriptor.digest])).toEqual([
      [["docker.io/library/a:1"], first.digest],
      [["docker.io/library/b:2"], second.digest],
    ]);
    expect(sh(`cd ${dir} && find . -name '*.tmp'`)).toBe("");
  });

  test("keeps what other tools wrote into it", async () => {
    const store = await newStore();
    const dir = join(tempDir(), "layout");
    const descriptor = await putImage(store, SOME_LAYERS);
    sh(`umoci init --layout ${dir} && umoci new --image ${dir}:theirs`);
    await write(store, descriptor, dir, { format: "oci", tar: false });
    expect(sh(`umoci ls --layout ${dir}`).trim().split("\n").sort()).toEqual(["1", "theirs"]);
  });

  test("is refused where other files are, which stay", async () => {
    const store = await newStore();
    const dir = tempDir();
    writeFileSync(join(dir, "precious"), "x");
    const wrong = write(store, await putImage(store, SOME_LAYERS), dir, { format: "oci", tar: false });
    await expect(wrong).rejects.toMatchObject({ code: "OUTPUT" });
    expect(readdirSync(dir)).toEqual(["precious"]);
  });
});

describe("what other programs write", () => {
  const saved = gunzipSync(readFileSync("testdata/archives/docker-save-28.tar.gz"));

  test("docker save (28): plain, compressed, and through a pipe", async () => {
    const dir = tempDir();
    writeFileSync(join(dir, "plain.tar"), saved);
    sh(`cd ${dir} && xz -k plain.tar && zstd -q plain.tar`);
    const sources = [
      "testdata/archives/docker-save-28.tar.gz",
      ...["plain.tar", "plain.tar.xz", "plain.tar.zst"].map((name) => join(dir, name)),
      pieces(saved, 1000),
    ];
    for (const source of sources) {
      const { images } = await load(source);
      expect(images).toMatchObject([
        {
          names: ["docker.io/library/fixture:1", "docker.io/library/fixture:two"],
          descriptor: { digest: "sha256:27c6dce846379ea21794a59144e6322357d55d4288637183bf5e4171054c8d12" },
        },
      ]);
    }
  });

  test("docker save, read by its manifest.json alone", async () => {
    const dir = tempDir();
    writeFileSync(join(dir, "whole.tar"), saved);
    sh(`cd ${dir} && mkdir x && tar xf whole.tar -C x && tar cf s.tar -C x manifest.json repositories blobs`);
    const { images, store } = await load(join(dir, "s.tar"));
    expect(images[0]!.names).toEqual(["docker.io/library/fixture:1", "docker.io/library/fixture:two"]);
    const image = loadImage(store, images[0]!.descriptor);
    expect(image.manifest.config.digest).toBe(
      "sha256:c6908c27765b0f16e2df77ae481a4289d50de9df2b22ccff77d3326d59593994",
    );
    expect(image.config.config?.Env).toContain("A=b");
  });

  test("members in any order", async () => {
    const dir = tempDir();
    writeFileSync(join(dir, "whole.tar"), saved);
    sh(`cd ${dir} && mkdir x && tar xf whole.tar -C x && cd x && tar cf ../r.tar $(find . -type f | sort -r)`);
    expect((await load(join(dir, "r.tar"))).images).toHaveLength(1);
    sh(`cd ${dir}/x && tar cf ../o.tar index.json oci-layout manifest.json blobs`);
    expect((await load(join(dir, "o.tar"))).images).toHaveLength(1);
  });

  test("skopeo's docker-archive, with symlinked layers", async () => {
    const store = await newStore();
    const dir = tempDir();
    const layers = [SOME_LAYERS[0]!, SOME_LAYERS[1]!, SOME_LAYERS[0]!];
    const descriptor = await putImage(store, layers);
    const path = await write(store, descriptor, join(dir, "o.tar"), { format: "oci", tar: true });
    sh(`skopeo copy -q oci-archive:${path}:1 docker-archive:${dir}/d.tar:name:tag`);
    const { images, store: other } = await load(join(dir, "d.tar"));
    expect(images[0]!.names).toEqual(["docker.io/library/name:tag"]);
    const image = loadImage(other, images[0]!.descriptor);
    expect(image.layers.map(({ diffId }) => diffId)).toEqual(
      loadImage(store, descriptor).layers.map(({ diffId }) => diffId),
    );
  });

  test("skopeo's OCI directory with a tag alone", async () => {
    const store = await newStore();
    const dir = tempDir();
    const path = await write(store, await putImage(store, SOME_LAYERS), join(dir, "o.tar"), {
      format: "oci",
      tar: true,
    });
    sh(`skopeo copy -q oci-archive:${path}:1 oci:${dir}/l:mine`);
    const { images } = await load(join(dir, "l"));
    expect(images).toMatchObject([{ names: [], tags: ["mine"] }]);
  });

  test("is loaded by skopeo out of what nacre writes for docker load", async () => {
    const store = await newStore();
    const dir = tempDir();
    const path = await write(store, await putImage(store, SOME_LAYERS), join(dir, "d.tar"), {
      format: "docker",
      tar: true,
    });
    const seen = JSON.parse(sh(`skopeo inspect docker-archive:${path}:some:1`));
    expect(seen.Layers).toHaveLength(2);
  });
});
