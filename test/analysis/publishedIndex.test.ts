/** Images that were pushed with indexes of their layers: what of them is fetched for a file, and what is not believed. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findFile, listFiles, verifyImage } from "../../src/analysis/analysis.js";
import type { OpenedImage } from "../../src/analysis/types.js";
import { assertSound } from "../../src/layer/checkIndex.js";
import { LayerIndexer } from "../../src/layer/indexTar.js";
import { LayerIndex } from "../../src/layer/layerIndex.js";
import { decodePublishedIndex } from "../../src/layer/publishedIndex.js";
import type { Digest } from "../../src/oci/digest.js";
import type { Descriptor, Manifest } from "../../src/oci/documents.js";
import { encodeManifest } from "../../src/oci/encode.js";
import { type PushOptions, pushImage } from "../../src/output/pushImage.js";
import { isNacreError } from "../../src/support/errors.js";
import { type Member, newStore, putImage, SOME_LAYERS, tarOf, tempDir } from "../archive/images.js";
import { nacre } from "../cli/invocation.js";
import { clientWorld, digestOf } from "../registry/clientWorld.js";
import { cuttingProxy } from "../registry/servers/cuttingProxy.js";
import { startRegistry } from "../registry/servers/dockerRegistry.js";
import { type FaultyRegistry, faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { noiseLayer, skopeo } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";
import { withRemote } from "./remoteImage.js";

const noise = (size: number, seed: string): Buffer => noiseLayer(size, seed)[0]!.content as Buffer;
const TEXT = "the one that is wanted\n".repeat(100);

/** Files enough for several blocks, among them odd ones. */
const MEMBERS: readonly Member[] = [
  { path: "etc", type: "dir", mode: 0o755 },
  { path: "etc/motd", content: "hello\n", mtime: 1_600_000_000 },
  { path: "etc/empty", content: "" },
  { path: "etc/.wh.gone", content: "" },
  { path: "bin", type: "dir", mode: 0o1777, uid: 7, gid: 8 },
  { path: "bin/su", content: "#!su", mode: 0o4755, xattrs: { "user.note": "\x01\xff" } },
  { path: "bin/also-su", type: "hardlink", link: "bin/su" },
  { path: "bin/link", type: "symlink", link: "../etc/motd", mode: 0o777 },
  { path: "null", type: "char", devMajor: 1, devMinor: 3, mode: 0o666 },
  ...Array.from({ length: 40 }, (_, at): Member => ({ path: `data/${at}`, content: noise(100_000, `f${at}`) })),
  { path: "large", content: noise(5_000_000, "large") },
  { path: "last", content: TEXT },
];

/** Files of two blocks. */
const FEW: readonly Member[] = [...MEMBERS.slice(0, 30), { path: "last", content: TEXT }];

const sent = { jobs: 2, now: Date.now, layerIndex: true } as const;

async function push(host: string, layers: readonly (readonly Member[])[], more: Partial<PushOptions> = {}) {
  const store = await newStore();
  const image = await putImage(store, layers);
  const [pushed] = await pushImage(store, clientWorld().registries, image, [`${host}/app:1`], { ...sent, ...more });
  return pushed!;
}

async function all(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const read = (path: string) => async (image: OpenedImage) => all((await findFile(image, path)).open());
const rowsOf = async (image: OpenedImage) => {
  const listing = await listFiles(image, {});
  return [...listing.rows()].map((row) => listing.file(row));
};
const tocsOf = (image: OpenedImage) => image.layers.map(({ toc }) => toc?.format);
const contents = async (image: OpenedImage) => {
  const index = await image.layers[0]!.index();
  const found = new Map<string, Buffer>();
  const entries = Array.from({ length: index.count }, (_, entry) => entry).filter((entry) => index.size(entry) > 0);
  const places = entries.map((entry) => ({
    ...{ path: index.path(entry), offset: index.contentOffset(entry), size: index.size(entry) },
    ...{ digest: index.digestHex(entry), sparse: index.sparse(entry) },
  }));
  for await (const { place, content } of image.layers[0]!.readMany(places)) found.set(place.path, await all(content));
  return found;
};

describe.skipIf(toolMissing("docker-registry"))("an image that was pushed with --layer-index", () => {
  test("gives a file of a layer of 100 MB for less than 1 MB, to a store that has nothing", async () => {
    const registry = await startRegistry();
    const members = Array.from({ length: 1010 }, (_, at): Member => {
      const content = noise(100_000, `f${at}`);
      return { path: `data/${at}`, content };
    });
    members.splice(500, 0, { path: "data/wanted", content: TEXT });
    const pushed = await push(registry.host, [members], { compression: { type: "gzip", level: 0, force: false } });
    expect(pushed.layers[0]!.size).toBeGreaterThan(100e6);
    const proxy = await cuttingProxy(registry.url);
    const store = join(tempDir(), "store");
    const cat = await nacre(["cat", "--store", store, "--remote", `${proxy.host}/app:1`, "data/wanted"]);
    expect(cat).toMatchObject({ code: 0, stdout: TEXT, stderr: "" });
    expect(proxy.passed.down).toBeLessThan(1e6);
    const tree = await nacre(["tree", "--store", store, "--remote", "--format", "json", `${proxy.host}/app:1`]);
    expect(tree.stdout).toContain("data/wanted");
    expect(proxy.passed.down).toBeLessThan(1.5e6);
  });

  test.skipIf(toolMissing("skopeo"))("is for other tools the image that it is", async () => {
    const registry = await startRegistry();
    const { digest } = await push(registry.host, [MEMBERS]);
    const from = `docker://${registry.host}/app:1`;
    const layout = tempDir();
    await skopeo("copy", "--quiet", "--src-tls-verify=false", from, `oci:${layout}:x`);
    const inspected = JSON.parse(await skopeo("inspect", "--tls-verify=false", from)) as { Digest: string };
    expect(inspected.Digest).toBe(digest);
    const { result, warnings } = await withRemote(registry.host, contents);
    expect(warnings).toEqual([]);
    if (toolMissing("umoci")) return;
    const root = join(tempDir(), "root");
    const rootless = process.getuid?.() === 0 ? [] : ["--rootless"];
    execFileSync("umoci", ["raw", "unpack", ...rootless, "--image", `${layout}:x`, root], { stdio: "pipe" });
    for (const [path, content] of result) {
      expect(execFileSync("cat", [join(root, path)], { maxBuffer: 1 << 25 }).equals(content)).toBe(true);
    }
  });

  test("keeps its indexes alive by what refers to it, and has the layers and the config of one without", async () => {
    const registry = await startRegistry();
    const plain = await push(registry.host, SOME_LAYERS, { layerIndex: undefined });
    const again = await push(registry.host, SOME_LAYERS, { layerIndex: false });
    const client = clientWorld().open(registry.host, "app");
    expect(again.digest).toBe(plain.digest);
    expect(await client.referrers(plain.digest)).toEqual([]);
    const before = await manifestOf(registry.host, plain.digest);
    expect(JSON.stringify(before)).not.toContain("io.nacre");
    const indexed = await push(registry.host, SOME_LAYERS);
    const after = await manifestOf(registry.host, indexed.digest);
    expect(after.layers.map(({ annotations: _, ...layer }) => layer)).toEqual(before.layers);
    expect(after.config).toEqual(before.config);
    expect((await push(registry.host, SOME_LAYERS)).digest).toBe(indexed.digest);
    const [referrer, ...others] = await client.referrers(indexed.digest);
    expect(others).toEqual([]);
    expect(referrer!.artifactType).toBe("application/vnd.nacre.layer.indexes.v1");
    const artifact = await manifestOf(registry.host, referrer!.digest);
    expect(artifact.layers.map(({ digest }) => digest)).toEqual(
      after.layers.map(({ annotations }) => annotations!["io.nacre.index.digest"]),
    );
  });

  test("is copied with its indexes where referrers are copied", async () => {
    const [one, two] = [await startRegistry(), await startRegistry()];
    await push(one.host, [MEMBERS]);
    const store = join(tempDir(), "store");
    const argv = ["copy", "--store", store, "--referrers", `${one.host}/app:1`, `${two.host}/app:1`];
    expect(await nacre(argv)).toMatchObject({ code: 0 });
    const { result, warnings } = await withRemote(two.host, async (image) => {
      await image.layers[0]!.index();
      return tocsOf(image);
    });
    expect({ result, warnings }).toEqual({ result: ["nacre"], warnings: [] });
  });

  test("is sound for verify, also where its indexes were left behind", async () => {
    const registry = await startRegistry();
    await push(registry.host, [FEW]);
    const verify = findingsOf;
    expect(await verify(registry.host)).toEqual([
      expect.objectContaining({ class: "unchecked", message: expect.stringContaining("vnd.nacre.layer.indexes.v1") }),
    ]);
    const other = await startRegistry();
    const argv = ["copy", "--store", join(tempDir(), "store"), `${registry.host}/app:1`, `${other.host}/app:1`];
    expect(await nacre(argv)).toMatchObject({ code: 0 });
    expect(await verify(other.host)).toEqual([
      expect.objectContaining({ class: "unchecked", severity: "note", message: expect.stringContaining("not there") }),
    ]);
  });
});

async function findingsOf(host: string) {
  const { findings } = await verifyImage(`docker://${host}/app:1`, { env: {} });
  return findings.filter((finding) => finding.class !== "whiteout");
}

async function manifestOf(host: string, digest: string): Promise<Manifest> {
  const found = await clientWorld().open(host, "app").manifest(digest);
  return JSON.parse(found!.bytes.toString()) as Manifest;
}

describe.each(["gzip", "zstd", "none"] as const)("with %s", (type) => {
  const compression = { type, force: false } as const;

  test("layers are listed and read as without indexes", async () => {
    const registry = await faultyRegistry();
    await push(registry.host, [MEMBERS, ...SOME_LAYERS], { compression });
    const { result: lazy, warnings } = await withRemote(registry.host, async (image) => {
      const rows = await rowsOf(image);
      return { rows, contents: await contents(image), tocs: tocsOf(image) };
    });
    expect(warnings).toEqual([]);
    expect(lazy.tocs).toEqual(["nacre", "nacre", "nacre"]);
    const { result: whole } = await withRemote(
      registry.host,
      async (image) => ({ rows: await rowsOf(image), contents: await contents(image), tocs: tocsOf(image) }),
      { toc: "never" },
    );
    expect(whole.tocs).toEqual([undefined, undefined, undefined]);
    expect(lazy.rows).toEqual(whole.rows);
    expect([...lazy.contents.keys()]).toEqual([...whole.contents.keys()]);
    for (const [path, content] of whole.contents) expect(lazy.contents.get(path)!.equals(content), path).toBe(true);
  });

  test("single files cost the blocks that they are in, also where the store has the index", async () => {
    const registry = await faultyRegistry();
    await push(registry.host, [MEMBERS], { compression });
    const store = await newStore();
    await withRemote(registry.host, (image) => image.layers[0]!.index(), { toc: "never" }, { store });
    for (const world of [{}, { store }]) {
      const proxy = await cuttingProxy(registry.url);
      const { result } = await withRemote(proxy.host, read("/last"), {}, world);
      expect(result.toString()).toBe(TEXT);
      // The end of the large file is in the same block.
      expect(proxy.passed.down).toBeLessThan(2_500_000);
    }
    const { result } = await withRemote(registry.host, read("/large"));
    expect(result.equals(noise(5_000_000, "large"))).toBe(true);
  });
});

/** A layer's index as it was published, taken apart. */
interface Parts {
  magic: string;
  version: number;
  header: Record<string, unknown> & { blocks: [number, number][] };
  index: Buffer;
}

function takeApart(bytes: Buffer): Parts {
  const end = 16 + bytes.readUInt32LE(12);
  const header = JSON.parse(bytes.toString("utf8", 16, end)) as Parts["header"];
  return { magic: bytes.toString("latin1", 0, 8), version: bytes.readUInt32LE(8), header, index: bytes.subarray(end) };
}

function putTogether({ magic, version, header, index }: Parts): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(16);
  prefix.write(magic, "latin1");
  prefix.writeUInt32LE(version, 8);
  prefix.writeUInt32LE(json.length, 12);
  return Buffer.concat([prefix, json, index]);
}

let pushed: Promise<ReturnType<FaultyRegistry["content"]["repository"]>> | undefined;

/** A registry that has an image of FEW. */
async function registryWithFew(): Promise<FaultyRegistry> {
  pushed ??= faultyRegistry().then(async ({ host, content }) => {
    await push(host, [FEW]);
    return content.repository("app");
  });
  const { blobs, manifests, tags } = await pushed;
  const registry = await faultyRegistry();
  registry.content.repositories.set("app", {
    ...{ blobs: new Map(blobs), manifests: new Map(manifests), tags: new Map(tags) },
  });
  return registry;
}

/** Replaces the index of the only layer by other bytes, and the manifest by one that speaks of these. */
function replaceIndex(registry: FaultyRegistry, change: (stored: Buffer) => Buffer | undefined): void {
  const repository = registry.content.repository("app");
  const { bytes } = repository.manifests.get(repository.tags.get("1")!)!;
  const manifest = JSON.parse(bytes.toString()) as Manifest;
  const layer = manifest.layers[0]!;
  const index = change(repository.blobs.get(layer.annotations!["io.nacre.index.digest"]!)!);
  if (index === undefined) return;
  const annotations = {
    "io.nacre.index.digest": digestOf(index),
    "io.nacre.index.size": String(index.length),
  };
  replaceManifest(registry, { ...manifest, layers: [{ ...layer, annotations }] });
  repository.blobs.set(digestOf(index), index);
}

function replaceManifest(registry: FaultyRegistry, manifest: Manifest): void {
  const repository = registry.content.repository("app");
  const bytes = encodeManifest(manifest);
  repository.manifests.set(digestOf(bytes), { mediaType: manifest.mediaType!, bytes });
  repository.tags.set("1", digestOf(bytes));
}

const bent =
  (bend: (parts: Parts) => unknown) =>
  (stored: Buffer): Buffer => {
    const parts = takeApart(gunzipSync(stored));
    bend(parts);
    return gzipSync(putTogether(parts), { level: 1 });
  };

const OTHER = `sha256:${"a".repeat(64)}`;

describe("an index that cannot be right", () => {
  const cases: readonly [string, (stored: Buffer) => Buffer][] = [
    ["no gzip", () => Buffer.from("not gzip")],
    ["cut off", (stored) => stored.subarray(0, stored.length - 100)],
    ["with other magic", bent((parts) => (parts.magic = "nacreXXX"))],
    ["of another version", bent((parts) => parts.version++)],
    ["that ends in its header", (stored) => gzipSync(gunzipSync(stored).subarray(0, 40))],
    ["with a header without end", bent(({ header }) => (header.more = " ".repeat(5 << 20)))],
    ["without an index", bent((parts) => (parts.index = Buffer.alloc(0)))],
    ["with a damaged index", bent(({ index }) => index.writeUInt8(index[200]! ^ 1, 200))],
    ["of another diffID", bent(({ header }) => (header.diffId = OTHER))],
    ["of another blob", bent(({ header }) => (header.digest = OTHER))],
    ["of a blob of another size", bent(({ header }) => (header.size = (header.size as number) + 1))],
    ["of an unknown codec", bent(({ header }) => (header.codec = "xz"))],
    ["that says plain of what is compressed", bent(({ header }) => (header.codec = "none"))],
    ["without blocks", bent(({ header }) => (header.blocks = []))],
    ["with an empty block", bent(({ header }) => header.blocks.splice(1, 0, [0, 10]))],
    ["with a block less", bent(({ header }) => header.blocks.pop())],
    ["with a block more", bent(({ header }) => header.blocks.push([512, 10]))],
    ["with a negative block", bent(({ header }) => (header.blocks[1]![1] = -5))],
    ["with a huge block", bent(({ header }) => (header.blocks[0]![1] = 2 ** 40))],
    ["with blocks behind the end", bent(({ header }) => (header.begin = 1e9))],
    ["with blocks that are no numbers", bent(({ header }) => (header.blocks[0] = ["1", 2] as never))],
    ["with unequal blocks", bent(({ header }) => header.blocks[0]![0]--)],
    // These look right until they are used.
    ["with blocks of other lengths in the tar", bent(({ header }) => move(header.blocks, 0, 512))],
    ["with blocks that begin elsewhere in the blob", bent(({ header }) => move(header.blocks, 1, 7))],
    ["with a begin that is none", bent(({ header }) => (header.begin = 9))],
    ["of another compression", bent(({ header }) => (header.codec = "zstd"))],
  ];

  test.each(cases)("is not used: %s", async (_, change) => {
    const registry = await registryWithFew();
    replaceIndex(registry, change);
    const { result, warnings } = await withRemote(registry.host, async (image) => ({
      motd: (await read("/bin/link")(image)).toString(),
      last: (await read("/last")(image)).toString(),
    }));
    expect(result).toEqual({ motd: "hello\n", last: TEXT });
    expect(warnings).toEqual([expect.stringContaining("is not used")]);
  });

  test("is not used where the registry does not have it, or the manifest does not say what it is", async () => {
    const registry = await registryWithFew();
    replaceIndex(registry, () => undefined);
    const repository = registry.content.repository("app");
    const manifest = JSON.parse(repository.manifests.get(repository.tags.get("1")!)!.bytes.toString()) as Manifest;
    const told = manifest.layers[0]!.annotations!;
    const digest = told["io.nacre.index.digest"] as Digest;
    const bytes = repository.blobs.get(digest)!;
    const others: readonly [Record<string, string>, Buffer | undefined][] = [
      [told, undefined],
      [told, bytes.subarray(0, bytes.length - 1)],
      [told, Buffer.concat([bytes.subarray(1), Buffer.of(0)])],
      [{ ...told, "io.nacre.index.size": String(bytes.length - 1) }, bytes],
      [{ ...told, "io.nacre.index.size": "1e9" }, bytes],
      [{ ...told, "io.nacre.index.size": "999999999999" }, bytes],
      [{ ...told, "io.nacre.index.digest": "md5:1234" }, bytes],
      [{ "io.nacre.index.digest": digest }, bytes],
    ];
    for (const [annotations, content] of others) {
      if (content === undefined) repository.blobs.delete(digest);
      else repository.blobs.set(digest, content);
      replaceManifest(registry, { ...manifest, layers: [{ ...manifest.layers[0]!, annotations } as Descriptor] });
      const limits = { backoff: 1, attempts: 2 };
      const { result, warnings } = await withRemote(registry.host, read("/etc/motd"), {}, { limits });
      expect(result.toString()).toBe("hello\n");
      expect(warnings).toEqual([expect.stringContaining("is not used")]);
    }
  });

  test("of which a content is not as it says is an error", async () => {
    const registry = await registryWithFew();
    const lie = indexOf(FEW.map((one) => (one.path === "etc/motd" ? { ...one, content: "hellO\n" } : one)));
    replaceIndex(
      registry,
      bent((parts) => (parts.index = lie.encode())),
    );
    await expect(withRemote(registry.host, read("/etc/motd"))).rejects.toMatchObject({ code: "CONTENT_INVALID" });
    const found = await findingsOf(registry.host);
    expect(found).toEqual([expect.objectContaining({ class: "toc", path: "etc/motd", severity: "error" })]);
  });

  test("that says of files that they are elsewhere is an error", async () => {
    const registry = await registryWithFew();
    const lie = indexOf(FEW);
    const offsets = lie.columns.contentOffsets;
    const [one, other] = ["data/1", "data/2"].map((path) => lie.find(path)) as [number, number];
    [offsets[one], offsets[other]] = [offsets[other]!, offsets[one]!];
    replaceIndex(
      registry,
      bent((parts) => (parts.index = lie.encode())),
    );
    await expect(withRemote(registry.host, read("/data/1"))).rejects.toMatchObject({ code: "CONTENT_INVALID" });
    const message = expect.stringContaining("where they are not");
    expect(await findingsOf(registry.host)).toEqual([expect.objectContaining({ class: "toc", message })]);
  });

  test.each(["gnu", "posix"])("is not what sparse files of a %s tar make", (format) => {
    const directory = tempDir();
    execFileSync("truncate", ["-s", "10M", "holes"], { cwd: directory });
    execFileSync("sh", ["-c", "printf x | dd of=holes bs=1 seek=5000000 conv=notrunc status=none"], { cwd: directory });
    const tar = execFileSync("tar", ["-cS", "--format", format, "holes"], { cwd: directory, maxBuffer: 1 << 26 });
    expect(tar.length).toBeLessThan(1e6);
    const indexer = new LayerIndexer();
    indexer.write(tar);
    const { index } = indexer.end();
    expect(index.sparse(index.find("holes"))).toBeDefined();
    assertSound(index.columns);
  });

  test("whose columns are damaged is refused, or can be walked through", () => {
    const { columns } = indexOf([...MEMBERS.slice(0, 9), ...SOME_LAYERS[0]!, { path: "etc/x", content: "x" }]);
    expect(() => assertSound(columns)).not.toThrow();
    const names = ["sizes", "mtimes", "headerOffsets", "contentOffsets", "ends", "parents", "nameStarts"] as const;
    const more = ["digestSlots", "modes", "types", "flags"] as const;
    const value = fc.oneof(
      fc.nat(40),
      fc.integer(),
      fc.constantFrom(Number.NaN, -1, 0.5, 1e300, Number.POSITIVE_INFINITY, 0xffffffff),
    );
    const change = fc.tuple(fc.constantFrom(...names, ...more), fc.nat(columns.count - 1), value);
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const bad = structuredClone({ ...columns, names: undefined, digests: undefined });
        for (const [name, at, to] of changes) bad[name][at] = to;
        const index = new LayerIndex({ ...bad, names: columns.names, digests: columns.digests });
        try {
          assertSound(index.columns);
        } catch (error) {
          if (isNacreError(error) && error.code === "CONTENT_INVALID") return;
          throw error;
        }
        for (let entry = 0; entry < index.count; entry++) {
          expect(index.find(index.path(entry))).toBe(entry);
          index.digestHex(entry);
        }
        index.firstNames();
      }),
    );
  });

  test("that would take more than a tar could is refused", () => {
    const { columns } = indexOf([
      { path: "a", content: "one" },
      { path: "b", content: "two" },
    ]);
    const sizes = columns.sizes.slice();
    sizes[1] = columns.tarSize;
    expect(() => assertSound({ ...columns, sizes })).toThrow("where a content is");
    const sparse = { 1: [[0, 3]] } as const;
    const holes = columns.sizes.slice();
    holes[1] = 2 ** 50;
    const extras = { ...columns.extras, sparse };
    expect(() => assertSound({ ...columns, sizes: holes, extras })).toThrow("the sizes of its files");
    const both = columns.sizes.slice().fill(columns.tarSize - 1024, 1);
    const contentOffsets = columns.contentOffsets.slice().fill(512, 1);
    expect(() => assertSound({ ...columns, sizes: both, contentOffsets })).toThrow("the sizes of its files");
  });

  test("with any damage to its unpacked bytes is refused", async () => {
    const registry = await faultyRegistry();
    await push(registry.host, [SOME_LAYERS[0]!]);
    let bytes = Buffer.alloc(0);
    replaceIndex(registry, (stored) => {
      bytes = gunzipSync(stored);
      return undefined;
    });
    decodePublishedIndex(bytes);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bad = Buffer.from(bytes);
        bad[at]! ^= flip;
        try {
          decodePublishedIndex(bad);
        } catch (error) {
          if (!isNacreError(error) || error.code !== "CONTENT_INVALID") throw error;
        }
      }),
    );
  });
});

/** Moves bytes from the first block to the second one. */
function move(blocks: [number, number][], column: 0 | 1, by: number): void {
  blocks[0]![column] -= by;
  blocks[1]![column] += by;
}

function indexOf(members: readonly Member[]): LayerIndex {
  const indexer = new LayerIndexer();
  indexer.write(tarOf(members));
  return indexer.end().index;
}

describe.skipIf(toolMissing("docker-registry"))("nacre build and push", () => {
  test("publish indexes when they are asked to", async () => {
    const registry = await startRegistry();
    const [store, context] = [join(tempDir(), "store"), tempDir()];
    execFileSync("sh", ["-c", `printf 'FROM scratch\\nCOPY . /\\n' >Dockerfile; echo hi >hi`], { cwd: context });
    const name = (path: string): string => `${registry.host}/${path}:1`;
    const output = (path: string): string => `type=registry,layer-index=true,name=${name(path)}`;
    const common = ["--store", store, "--progress", "quiet"];
    expect(await nacre(["build", ...common, "-t", "app:1", "-o", output("built"), context])).toMatchObject({ code: 0 });
    expect(await nacre(["push", "--store", store, "--layer-index", "app:1", name("pushed")])).toMatchObject({
      code: 0,
    });
    expect(await nacre(["push", "--store", store, "app:1", name("plain")])).toMatchObject({ code: 0 });
    const digest = async (path: string) => (await clientWorld().open(registry.host, path).resolve("1"))!.digest;
    expect(await digest("built")).toBe(await digest("pushed"));
    expect(await digest("plain")).not.toBe(await digest("pushed"));
    for (const path of ["built", "pushed"]) {
      const argv = ["tree", "--store", join(tempDir(), "empty"), "--remote", "--format", "json", name(path)];
      expect((await nacre(argv)).stdout).toContain('"nacre"');
    }
  });
});
