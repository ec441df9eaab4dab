/** Images from everywhere, as other tools made them and as other tools read them. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  imageHistory,
  inspectImage,
  mergedTree,
  openImage,
  rawDocument,
  withImage,
} from "../../src/analysis/analysis.js";
import { placeOf } from "../../src/analysis/layerFacts.js";
import { readNode, readSmall } from "../../src/analysis/mergedTree.js";
import type { ImageWorld, OpenedImage } from "../../src/analysis/types.js";
import { lookup, pathOf, walkTree } from "../../src/layer/fileTree.js";
import type { MergedNode } from "../../src/layer/layerTree.js";
import { OCI_LAYER_GZIP } from "../../src/oci/mediaTypes.js";
import { parsePlatform } from "../../src/oci/platform.js";
import type { Store } from "../../src/store/store.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { type Member, newStore, putImage, tarOf, tempDir } from "../archive/images.js";
import { engineServer } from "../output/engineServer.js";
import { startRegistry } from "../registry/servers/dockerRegistry.js";
import { makeImage, makeIndex, noiseLayer, putImage as pushImage, writeLayout } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";

const LAYERS: readonly (readonly Member[])[] = [
  [
    { path: "etc", type: "dir", mode: 0o755 },
    { path: "etc/motd", content: "hello\n" },
    { path: "etc/gone", content: "soon" },
    { path: "big", content: Buffer.alloc(700_000, "0123456789") },
  ],
  [
    { path: "etc/.wh.gone" },
    { path: "etc/hard", type: "hardlink", link: "etc/motd" },
    { path: "late", content: "from the second layer" },
    { path: "link", type: "symlink", link: "etc/motd" },
  ],
];
const world = (store?: Store, more: Partial<ImageWorld> = {}): ImageWorld => ({
  env: {},
  ...(store ? { store } : {}),
  ...more,
});
const sha = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");

async function all(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function failureOf(work: Promise<unknown>): Promise<NacreError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (isNacreError(error)) return error;
  throw error ?? new Error("nothing was thrown");
}

/** Every path with its kind, and the contents of files, through the layers. */
async function filesOf(image: OpenedImage): Promise<Record<string, string>> {
  const tree = await mergedTree(image);
  const nodes: MergedNode[] = [];
  walkTree(tree, tree.root, (node) => nodes.push(node as MergedNode) > 0);
  const found: Record<string, string> = {};
  for (const node of nodes.slice(1)) {
    found[pathOf(node)] = node.type === "file" ? sha(await all(readNode(image, tree, node))) : node.type;
  }
  return found;
}

const FILES = {
  big: sha(Buffer.alloc(700_000, "0123456789")),
  etc: "dir",
  "etc/hard": sha("hello\n"),
  "etc/motd": sha("hello\n"),
  late: sha("from the second layer"),
  link: "symlink",
};

/** A docker-archive of old form: `ID/layer.tar`, the second time by a link. */
function dockerArchive(compress: (tar: Buffer) => Buffer = (tar) => tar): string {
  const root = tempDir();
  const tars = LAYERS.map(tarOf);
  const config = JSON.stringify({
    ...{ architecture: "amd64", os: "linux", created: "2024-01-02T03:04:05Z", config: { Env: ["A=b"] } },
    rootfs: { type: "layers", diff_ids: tars.map((tar) => `sha256:${sha(tar)}`) },
    history: [{ created_by: "first" }, { created_by: "second" }],
  });
  const paths = tars.map((tar, at) => {
    mkdirSync(join(root, `layer${at}`));
    writeFileSync(join(root, `layer${at}/layer.tar`), compress(tar));
    return `layer${at}/layer.tar`;
  });
  writeFileSync(join(root, "config.json"), config);
  writeFileSync(
    join(root, "manifest.json"),
    JSON.stringify([{ Config: "config.json", RepoTags: ["old:1"], Layers: paths }]),
  );
  execFileSync("tar", ["-cf", join(root, "image.tar"), "-C", root, "manifest.json", "config.json", ...paths]);
  return join(root, "image.tar");
}

describe("an image is opened", () => {
  test("out of the store, by name, id, digest and beginnings of them", async () => {
    const store = await newStore();
    const descriptor = await putImage(store, LAYERS);
    await store.setReferences([{ name: "docker.io/library/some:1", descriptor }]);
    const image = await openImage("some:1", world(store));
    expect(image).toMatchObject({
      place: "store",
      names: ["docker.io/library/some:1"],
      descriptor: { digest: descriptor.digest },
    });
    expect(await filesOf(image)).toEqual(FILES);
    await image.close();
    for (const text of [
      "docker.io/library/some:1",
      "store:some:1",
      image.id,
      image.id.slice(7, 17),
      descriptor.digest,
    ]) {
      expect(await withImage(text, world(store), {}, async ({ id }) => id)).toBe(image.id);
    }
  });

  const layout = () => writeLayout(makeImage({ layers: LAYERS }), "v1");
  test("out of a layout, as directory, tar and compressed tar, with or without its tag", async () => {
    const directory = layout();
    const file = join(tempDir(), "layout.tar");
    execFileSync("tar", ["-cf", file, "-C", directory, "."]);
    writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
    const spellings = [
      ...[`oci:${directory}`, `oci:${directory}:v1`, directory, `${directory}:v1`],
      ...[`oci-archive:${file}`, `oci-archive:${file}:v1`, file, `${file}:v1`, `${file}.gz`],
    ];
    for (const spec of spellings) expect(await withImage(spec, world(), {}, filesOf)).toEqual(FILES);
  });

  test.each([
    ["plain", undefined],
    ["compressed", gzipSync],
  ])("out of an old docker-archive with %s layers", async (_name, compress) => {
    const file = dockerArchive(compress);
    for (const spec of [`docker-archive:${file}`, `docker-archive:${file}:old:1`, file]) {
      await withImage(spec, world(), {}, async (image) => {
        expect(image.history.map(({ entry, layer }) => [entry?.created_by, layer])).toEqual([
          ["first", 0],
          ["second", 1],
        ]);
        expect(image.layers.map(({ history }) => history?.created_by)).toEqual(["first", "second"]);
        expect(await filesOf(image)).toEqual(FILES);
      });
    }
  });

  test("out of an engine", async () => {
    const server = await engineServer();
    const store = await newStore();
    const archive = readFileSync(dockerArchive());
    (server.archives as Map<string, Buffer>).set("docker.io/library/old:1", archive);
    const env = { DOCKER_HOST: `unix://${server.socket}` };
    const files = await withImage("docker-daemon:old:1", world(store, { env }), {}, filesOf);
    expect(files).toEqual(FILES);
    expect((await failureOf(openImage("docker-daemon:other:1", world(store, { env })))).code).toBe("IMAGE_NOT_FOUND");
  });

  test("by a name that a directory has too, out of the store; the path says that the directory is meant", async () => {
    const store = await newStore();
    const descriptor = await putImage(store, [[{ path: "x", content: "stored" }]]);
    await store.setReferences([{ name: "docker.io/library/both:latest", descriptor }]);
    const directory = join(tempDir(), "both");
    symlinkSync(layout(), directory);
    const before = process.cwd();
    process.chdir(join(directory, ".."));
    try {
      expect(await withImage("both", world(store), {}, async ({ place }) => place)).toBe("store");
      expect(await withImage("./both", world(store), {}, async ({ place }) => place)).toBe("archive");
    } finally {
      process.chdir(before);
    }
  });

  test("what is nowhere is told with the place that was meant", async () => {
    const store = await newStore();
    const descriptor = await putImage(store, LAYERS);
    await store.setReferences([{ name: "docker.io/library/alpine:1", descriptor }]);
    const missing = await failureOf(openImage("alpin:1", world(store), { offline: true }));
    expect(missing).toMatchObject({ code: "IMAGE_NOT_FOUND", hint: "did you mean alpine:1?" });
    expect((await failureOf(openImage("./nothing", world(store)))).code).toBe("CONTEXT_UNREADABLE");
    expect((await failureOf(openImage("dokcer://x", world(store)))).message).toContain("unknown transport");
    expect((await failureOf(openImage("", world()))).code).toBe("USAGE");
  });
});

describe("platforms", () => {
  const index = makeIndex([makeImage({ layers: LAYERS }), makeImage({ config: { architecture: "arm64" } })]);

  test("this machine's is taken, another one if it is asked for; the index is told", async () => {
    const directory = writeLayout(index);
    await withImage(`oci:${directory}`, world(), { platform: parsePlatform("linux/arm64") }, async (image) => {
      expect(image.platform.architecture).toBe("arm64");
      expect(image.root.digest).toBe(index.descriptor.digest);
      expect(image.index?.index.manifests).toHaveLength(2);
    });
    const inspected = await inspectImage(`oci:${directory}`, world(), { platform: parsePlatform("linux/amd64") });
    expect(inspected.PlatformTable).toMatchObject([
      { Platform: "linux/amd64", Chosen: true },
      { Platform: "linux/arm64", Chosen: false },
    ]);
    const refused = await failureOf(openImage(`oci:${directory}`, world(), { platform: parsePlatform("linux/s390x") }));
    expect(refused).toMatchObject({ code: "IMAGE_NOT_FOUND" });
  });
});

describe("indexes", () => {
  test("are kept in the store, so that the second look reads no layer", async () => {
    const store = await newStore();
    const directory = writeLayout(makeImage({ layers: LAYERS }));
    const first = await withImage(`oci:${directory}`, world(store), {}, filesOf);
    // What the layers were is in the store's indexes now: listing works without their blobs.
    const blobs = join(directory, "blobs/sha256");
    const { manifest } = await withImage(`oci:${directory}`, world(store), {}, async (image) => image);
    for (const { digest } of manifest.layers) rmSync(join(blobs, digest.slice(7)));
    const second = await withImage(`oci:${directory}`, world(store), {}, async (image) => {
      expect(image.layers.every((layer) => layer.hasIndex())).toBe(true);
      const tree = await mergedTree(image);
      const paths: string[] = [];
      walkTree(tree, tree.root, (node) => paths.push(pathOf(node)) > 0);
      return paths.slice(1);
    });
    expect(second).toEqual(Object.keys(first));
    expect(readdirSync(join(store.path, "blobs/sha256"))).toEqual([]);
  });

  test("of a blob that is not what the manifest says are not made", async () => {
    const directory = writeLayout(makeImage({ layers: LAYERS }));
    const { layers } = await withImage(`oci:${directory}`, world(), {}, async (image) => image);
    const path = join(directory, "blobs/sha256", layers[0]!.descriptor.digest.slice(7));
    const store = await newStore();
    const refused = async (bytes: Buffer) => {
      writeFileSync(path, bytes);
      return failureOf(withImage(`oci:${directory}`, world(store), {}, (image) => image.layers[0]!.index()));
    };
    const good = readFileSync(path);
    const other = gzipSync(tarOf([{ path: "other", content: "x" }]));
    expect((await refused(other)).code).toBe("CONTENT_INVALID");
    expect((await refused(good.subarray(0, good.length - 20))).code).toMatch(/CONTENT_INVALID|COMPRESSION/);
    expect(store.hasIndex(layers[0]!.diffId)).toBe(false);
  });

  test("numbers of a layer are those of GNU tar's listing", async () => {
    const directory = writeLayout(makeImage({ layers: LAYERS }));
    await withImage(`oci:${directory}`, world(), {}, async (image) => {
      for (const layer of image.layers) {
        const blob = join(directory, "blobs/sha256", layer.descriptor.digest.slice(7));
        const listing = execFileSync("tar", ["-tvzf", blob], { encoding: "utf8" }).trim().split("\n");
        const files = listing.filter((line) => line.startsWith("-") && !line.includes(".wh."));
        const stats = await layer.stats();
        expect(stats.files).toBe(files.length);
        expect(stats.bytes).toBe(files.reduce((sum, line) => sum + Number(line.split(/ +/)[2]), 0));
        expect(stats.entries).toBe(listing.length);
        expect(stats.tarBytes).toBe(execFileSync("gzip", ["-dc", blob]).length);
      }
    });
  });
});

describe("contents", () => {
  test("are read one by one and many in a pass, in any order of asking", async () => {
    const store = await newStore();
    const descriptor = await putImage(store, LAYERS);
    await store.setReferences([{ name: "docker.io/library/some:1", descriptor }]);
    for (const spec of ["some:1", `oci:${writeLayout(makeImage({ layers: LAYERS }))}`]) {
      await withImage(spec, world(store), {}, async (image) => {
        const layer = image.layers[0]!;
        const index = await layer.index();
        const places = ["etc/motd", "etc/gone", "big"].map((path) => ({ ...placeOf(index, index.find(path))!, path }));
        const found: Record<string, string> = {};
        for await (const { place, content } of layer.readMany([...places, places[0]!])) {
          // One is only begun, and one is not read at all.
          if (place.path === "big") for await (const _ of content) break;
          else if (place.path === "etc/motd") found[place.path] = (await all(content)).toString();
        }
        expect(found).toEqual({ "etc/motd": "hello\n" });
        expect((await all(layer.read(places[2]!))).length).toBe(700_000);
      });
    }
  });

  test("that are not what the index says are refused before they end", async () => {
    const store = await newStore();
    const descriptor = await putImage(store, LAYERS);
    await store.setReferences([{ name: "docker.io/library/some:1", descriptor }]);
    await withImage("some:1", world(store), {}, async (image) => {
      const layer = image.layers[0]!;
      const index = await layer.index();
      const path = store.blobPath(layer.diffId);
      const bytes = readFileSync(path);
      bytes.write("J", index.contentOffset(index.find("etc/motd")));
      rmSync(path);
      writeFileSync(path, bytes);
      const place = placeOf(index, index.find("etc/motd"))!;
      expect((await failureOf(all(layer.read(place)))).code).toBe("CONTENT_INVALID");
      expect((await all(layer.read(placeOf(index, index.find("etc/gone"))!))).toString()).toBe("soon");
    });
  });

  test("of sparse files have zeros for holes", async () => {
    const root = tempDir();
    execFileSync("sh", [
      "-c",
      `truncate -s 300000 ${root}/hole && printf end >> ${root}/hole && printf mid | dd of=${root}/hole bs=1 seek=100000 conv=notrunc 2>/dev/null`,
    ]);
    execFileSync("tar", ["-C", root, "--sparse", "-cf", `${root}/layer.tar`, "hole"]);
    const tar = readFileSync(`${root}/layer.tar`);
    mkdirSync(join(root, "image"));
    const config = JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [`sha256:${sha(tar)}`] },
    });
    writeFileSync(join(root, "image/config.json"), config);
    writeFileSync(join(root, "image/layer.tar"), tar);
    writeFileSync(
      join(root, "image/manifest.json"),
      JSON.stringify([{ Config: "config.json", RepoTags: null, Layers: ["layer.tar"] }]),
    );
    await withImage(`docker-archive:${join(root, "image")}`, world(), {}, async (image) => {
      const tree = await mergedTree(image);
      const bytes = await readSmall(image, tree, lookup(tree, "hole") as MergedNode, 1 << 20);
      expect(sha(bytes!)).toBe(sha(readFileSync(join(root, "hole"))));
      expect(image.warnings).toEqual(["the image has no history"]);
    });
  });
});

describe("odd images", () => {
  const oddLayout = (mediaType: string) => {
    const directory = writeLayout(makeImage({ layers: LAYERS }));
    const index = JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as {
      manifests: { digest: string; size: number }[];
    };
    const [entry] = index.manifests;
    const manifest = readFileSync(join(directory, "blobs/sha256", entry!.digest.slice(7)), "utf8").replace(
      OCI_LAYER_GZIP,
      mediaType,
    );
    entry!.digest = `sha256:${sha(manifest)}`;
    entry!.size = Buffer.byteLength(manifest);
    writeFileSync(join(directory, "blobs/sha256", entry!.digest.slice(7)), manifest);
    writeFileSync(join(directory, "index.json"), JSON.stringify(index));
    return directory;
  };

  test.each([
    ["application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted", "is encrypted"],
    ["application/vnd.in-toto+json", "media-type", "is of the type application/vnd.in-toto+json"],
  ])("layers of %s are told of, and refused only when they are to be read", async (mediaType, obstacle, message) => {
    const spec = `oci:${oddLayout(mediaType)}`;
    const inspected = await inspectImage(spec, world());
    expect(inspected.Layers[0]).toMatchObject({ MediaType: mediaType, Obstacle: obstacle });
    expect(inspected.Layers[1]).toMatchObject({ Files: 1 });
    expect(inspected.Size).toBeUndefined();
    expect((await imageHistory(spec, world())).lines.at(-1)?.size).toBeUndefined();
    const error = await failureOf(withImage(spec, world(), {}, (image) => image.layers[0]!.index()));
    expect(error).toMatchObject({ code: "UNSUPPORTED", message: expect.stringContaining(message) });
  });

  test("a foreign layer is read where it is at hand, else told with its address", async () => {
    const directory = oddLayout("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    await withImage(`oci:${directory}`, world(), {}, async (image) => {
      expect(image.layers[0]).toMatchObject({ isForeign: true });
      expect(await filesOf(image)).toEqual(FILES);
      rmSync(join(directory, "blobs/sha256", image.layers[0]!.descriptor.digest.slice(7)));
      image.layers[0]!.forget();
      const error = await failureOf(image.layers[0]!.index());
      expect(error).toMatchObject({ code: "UNSUPPORTED", message: expect.stringContaining("kept elsewhere") });
    });
  });

  test("history and layers of different numbers are told with a warning", async () => {
    const config = { history: [{ created_by: "one" }, { created_by: "two" }, { created_by: "three" }] };
    const more = `oci:${writeLayout(makeImage({ layers: LAYERS, config }))}`;
    const { lines, warnings } = await imageHistory(more, world());
    expect(lines.map(({ createdBy, layer }) => [createdBy, layer?.number])).toEqual([
      ["three", undefined],
      ["two", 1],
      ["one", 0],
    ]);
    expect(warnings).toEqual([expect.stringContaining("speaks of 3 layers, the image has 2")]);
    const less = `oci:${writeLayout(makeImage({ layers: LAYERS, config: { history: [{ created_by: "one" }] } }))}`;
    const told = await imageHistory(less, world());
    expect(told.lines.map(({ isTold, layer }) => [isTold, layer?.number])).toEqual([
      [false, 1],
      [true, 0],
    ]);
  });

  test("what is no image, of an old kind, or damaged says so", async () => {
    const directory = writeLayout(makeImage({ layers: LAYERS }));
    const index = JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as {
      manifests: { digest: string; size: number; mediaType: string }[];
    };
    const put = (text: string) => {
      const [entry] = index.manifests;
      entry!.digest = `sha256:${sha(text)}`;
      entry!.size = Buffer.byteLength(text);
      writeFileSync(join(directory, "blobs/sha256", entry!.digest.slice(7)), text);
      writeFileSync(join(directory, "index.json"), JSON.stringify(index));
    };
    const empty = "{}";
    writeFileSync(join(directory, "blobs/sha256", sha(empty)), empty);
    const config = { mediaType: "application/vnd.cncf.helm.config.v1+json", digest: `sha256:${sha(empty)}`, size: 2 };
    put(JSON.stringify({ schemaVersion: 2, config, layers: [] }));
    expect((await failureOf(openImage(`oci:${directory}`, world()))).message).toContain(
      "no container image but an artifact",
    );
    expect(JSON.parse((await rawDocument(`oci:${directory}`, "manifest", world())).toString())).toMatchObject({
      config,
    });
    put(JSON.stringify({ schemaVersion: 1, name: "x", fsLayers: [] }));
    expect((await failureOf(openImage(`oci:${directory}`, world()))).message).toContain("schema 1");
    put("{");
    expect((await failureOf(openImage(`oci:${directory}`, world()))).code).toBe("CONTENT_INVALID");
  });

  test("an image without layers is whole", async () => {
    const spec = `oci:${writeLayout(makeImage({ layers: [], config: { history: [] } }))}`;
    expect(await inspectImage(spec, world())).toMatchObject({ Size: 0, Layers: [], RootFS: { Layers: [] } });
    expect((await imageHistory(spec, world())).lines).toEqual([]);
    expect(await withImage(spec, world(), {}, filesOf)).toEqual({});
  });
});

describe.skipIf(toolMissing("docker-registry"))("out of a registry", () => {
  test("inspecting and histories fetch the manifest and the config only, each once", async () => {
    const registry = await startRegistry();
    const image = makeImage({ layers: [...LAYERS, noiseLayer(300_000, "x")] });
    await pushImage(image, registry, "team/app", "1");
    const name = `${registry.host}/team/app:1`;
    const before = registry.log().length;
    const inspected = await inspectImage(name, world());
    expect(inspected).toMatchObject({
      RepoTags: [name],
      RepoDigests: [`${registry.host}/team/app@${image.descriptor.digest}`],
    });
    expect(inspected.Layers.map(({ Size }) => Size)).toEqual(image.layers.map(({ size }) => size));
    expect(inspected.Size).toBeUndefined();
    const history = await imageHistory(`docker://${name}`, world());
    expect(history.lines.map(({ layer, size }) => [layer?.compressedSize, size])).toEqual(
      image.layers.map(({ size }): unknown[] => [size, undefined]).reverse(),
    );
    await expect.poll(() => registry.log().slice(before)).toContain("team/app/blobs/");
    const asked = [
      ...registry
        .log()
        .slice(before)
        .matchAll(/"(GET|HEAD) (\/v2\/team\/app\/[^" ]*)/g),
    ].map(([, method, path]) => `${method} ${path}`);
    expect([...new Set(asked)].sort()).toEqual([
      `GET /v2/team/app/blobs/${inspected.Id}`,
      "GET /v2/team/app/manifests/1",
    ]);
    await registry.stop();
  });

  test("a layer is fetched when its files are asked for, verified, and its index kept; its blob is not", async () => {
    const registry = await startRegistry();
    await pushImage(makeImage({ layers: LAYERS }), registry, "team/app", "1");
    const store = await newStore();
    const name = `${registry.host}/team/app:1`;
    expect(await withImage(name, world(store), {}, filesOf)).toEqual(FILES);
    expect(readdirSync(join(store.path, "blobs/sha256"))).toEqual([]);
    // Sizes are known from now on.
    expect((await imageHistory(name, world(store))).lines.map(({ size }) => size)).toEqual([21, 700_010]);
    await registry.stop();
  });

  test("a name that the store has too is the store's unless the registry is asked for", async () => {
    const registry = await startRegistry();
    const remote = makeImage({ layers: LAYERS });
    await pushImage(remote, registry, "app", "1");
    const store = await newStore();
    const descriptor = await putImage(store, [[{ path: "x", content: "stored" }]]);
    const name = `${registry.host}/app:1`;
    await store.setReferences([{ name, descriptor }]);
    const digestOf = (options: object) => withImage(name, world(store), options, async (image) => image.root.digest);
    expect(await digestOf({})).toBe(descriptor.digest);
    expect(await digestOf({ remote: true })).toBe(remote.descriptor.digest);
    const missing = await failureOf(openImage(`${registry.host}/app:2`, world(store)));
    expect(missing.code).toBe("IMAGE_NOT_FOUND");
    expect(missing.message).toMatch(/in the store; .*is not in the registry/);
    await registry.stop();
  });
});

describe.skipIf(toolMissing("skopeo") || toolMissing("umoci"))("other tools say the same", () => {
  test("skopeo of the config and layers, umoci of the history", async () => {
    const directory = writeLayout(makeImage({ layers: LAYERS }), "v1");
    const seen = JSON.parse(execFileSync("skopeo", ["inspect", `oci:${directory}:v1`], { encoding: "utf8" })) as {
      readonly Digest: string;
      readonly Layers: readonly string[];
    };
    const inspected = await inspectImage(`oci:${directory}:v1`, world());
    expect(inspected.Descriptor.digest).toBe(seen.Digest);
    expect(inspected.Layers.map(({ Digest }) => Digest)).toEqual(seen.Layers);
    const stat = JSON.parse(
      execFileSync("umoci", ["stat", "--json", "--image", `${directory}:v1`], { encoding: "utf8" }),
    ) as {
      readonly history: readonly {
        readonly diff_id: string;
        readonly created_by: string;
        readonly layer: { readonly size: number };
      }[];
    };
    const { lines } = await imageHistory(`oci:${directory}:v1`, world());
    expect(
      [...lines].reverse().map(({ layer, createdBy }) => [layer?.diffId, createdBy, layer?.compressedSize]),
    ).toEqual(stat.history.map(({ diff_id, created_by, layer }) => [diff_id, created_by, layer.size]));
    expect(existsSync(directory)).toBe(true);
  });
});
