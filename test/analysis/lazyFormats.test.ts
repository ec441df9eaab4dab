/** Files of remote images by ranges: what is asked of the registry, what comes, and what is not believed. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { extractFiles, findFile, listFiles, whichLayers } from "../../src/analysis/analysis.js";
import { indexOfToc } from "../../src/analysis/tocIndex.js";
import type { OpenedImage } from "../../src/analysis/types.js";
import { isNacreError } from "../../src/support/errors.js";
import { type Member, newStore, tempDir } from "../archive/images.js";
import { nacre } from "../cli/invocation.js";
import { cuttingProxy } from "../registry/servers/cuttingProxy.js";
import { type FaultyRegistry, faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { noiseLayer, writeLayout } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";
import { estargz, imageOf, type LazyBlob, type LazyWish, plainGzip, readLayout, zstdChunked } from "./lazyLayers.js";
import { withRemote } from "./remoteImage.js";

const FORMATS = [
  ["eStargz", estargz, "estargz"],
  ["zstd:chunked", zstdChunked, "zstd:chunked"],
] as const;

const sha = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");
const noise = (size: number, seed: string): Buffer => noiseLayer(size, seed)[0]!.content as Buffer;

/** A bit of everything. */
const MEMBERS: readonly Member[] = [
  { path: "etc", type: "dir", mode: 0o755 },
  { path: "etc/motd", content: "hello\n", mtime: 1_600_000_000 },
  { path: "etc/empty", content: "" },
  { path: "bin", type: "dir", mode: 0o1777, uid: 7, gid: 8 },
  { path: "bin/su", content: "#!su", mode: 0o4755, xattrs: { "user.note": "\x01\xff" } },
  { path: "bin/also-su", type: "hardlink", link: "bin/su" },
  { path: "bin/link", type: "symlink", link: "../etc/motd", mode: 0o777 },
  { path: "null", type: "char", devMajor: 1, devMinor: 3, mode: 0o666 },
  { path: "pipe", type: "fifo" },
  { path: "etc/.wh.gone", content: "" },
  { path: "big", content: noise(300_000, "big") },
];
const LOWER: readonly Member[] = [
  { path: "etc", type: "dir", mode: 0o700 },
  { path: "etc/gone", content: "soon" },
  { path: "etc/motd", content: "from below" },
];

async function all(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function registryWith(layers: readonly LazyBlob[]): Promise<FaultyRegistry> {
  const registry = await faultyRegistry();
  registry.content.add("app", imageOf(layers), "1");
  return registry;
}

const read = (path: string) => async (image: OpenedImage) => all((await findFile(image, path)).open());
const rowsOf = async (image: OpenedImage, layer?: number) => {
  const listing = await listFiles(image, { layer });
  return [...listing.rows()].map((row) => listing.file(row));
};

describe.each(FORMATS)("a layer as %s", (_, encode, format) => {
  test("of 100 MB gives one file for less than 1 MB", async () => {
    const members = Array.from(
      { length: 25 },
      (_, at): Member => ({ path: `data/${at}`, content: noise(4 << 20, `f${at}`) }),
    );
    const text = "the one that is wanted\n".repeat(100);
    members.splice(12, 0, { path: "data/wanted", content: text });
    const layer = encode(members, { level: 0 });
    expect(layer.blob.length).toBeGreaterThan(100e6);
    const registry = await registryWith([layer]);
    const proxy = await cuttingProxy(registry.url);
    const { result } = await withRemote(proxy.host, read("/data/wanted"));
    expect(result.toString()).toBe(text);
    expect(proxy.passed.down).toBeLessThan(1e6);
    const store = join(tempDir(), "store");
    const ran = await nacre(["cat", "--store", store, "--remote", `${proxy.host}/app:1`, "data/wanted"]);
    expect(ran).toMatchObject({ code: 0, stdout: text });
    expect(proxy.passed.down).toBeLessThan(1e6);
  });

  test("is listed from its table as it is from its tar", async () => {
    const registry = await registryWith([plainGzip(encode(LOWER)), encode(MEMBERS)]);
    const { result: lazy } = await withRemote(registry.host, async (image) => ({
      rows: await rowsOf(image),
      changes: await rowsOf(image, 1),
      which: (await whichLayers(image, "/etc/gone")).versions.map(({ action }) => action),
      toc: image.layers.map(({ toc }) => toc),
    }));
    expect(lazy.toc).toEqual([undefined, { format, isVerified: true }]);
    const { result: whole } = await withRemote(
      registry.host,
      async (image) => ({ rows: await rowsOf(image), changes: await rowsOf(image, 1), toc: image.layers[1]!.toc }),
      { toc: "never" },
    );
    expect(whole.toc).toBeUndefined();
    expect(lazy.rows).toEqual(whole.rows);
    expect(lazy.changes).toEqual(whole.changes);
    expect(lazy.which).toEqual(["added", "removed"]);
  });

  test.each<[string, LazyWish]>([
    ["in many chunks", { chunkSize: 1000 }],
    ["with small files in one piece", { shared: format === "estargz", chunkSize: 70_000 }],
    ["with holes", { holes: format === "zstd:chunked", chunkSize: 4096 }],
  ])("gives every content, %s", async (_, wish) => {
    const holes = Buffer.concat([Buffer.from("start"), Buffer.alloc(20_000), Buffer.from("end")]);
    const registry = await registryWith([
      encode([...MEMBERS, { path: "holes", content: holes }, { path: "last", content: "z" }], wish),
    ]);
    const destination = join(tempDir(), "out");
    const { warnings } = await withRemote(registry.host, (image) => extractFiles(image, "/", destination));
    expect(warnings).toEqual([]);
    for (const { path, content } of MEMBERS) {
      if (content !== undefined && !path.includes(".wh."))
        expect(readFileSync(join(destination, path)).equals(Buffer.from(content))).toBe(true);
    }
    expect(readFileSync(join(destination, "holes")).equals(holes)).toBe(true);
    expect(readFileSync(join(destination, "bin/also-su"), "utf8")).toBe("#!su");
    expect(readFileSync(join(destination, "last"), "utf8")).toBe("z");
    const blobs = registry.requests.filter(({ operation }) => operation === "blob.get");
    // Config, footer or table, table, and neighbours by one request; what is shared or a hole costs one more each.
    expect(blobs.length).toBeLessThan(16);
  });

  test("whose table is not the one that the manifest speaks of is read whole", async () => {
    const forged = encode(MEMBERS, { bend: (toc) => ({ ...toc, entries: toc.entries.slice(0, 1) }) });
    const { annotations } = encode(MEMBERS);
    const key = Object.keys(annotations).find((name) => /digest|checksum/.test(name))!;
    const registry = await registryWith([
      { ...forged, annotations: { ...forged.annotations, [key]: annotations[key]! } },
    ]);
    const { result, warnings } = await withRemote(registry.host, read("/etc/motd"));
    expect(result.toString()).toBe("hello\n");
    expect(warnings).toEqual([expect.stringContaining("not of the digest")]);
  });

  test("of whose table the manifest does not speak is read whole, unless any table will do", async () => {
    const registry = await registryWith([{ ...encode(MEMBERS), annotations: {} }]);
    const toc = async (image: OpenedImage) => {
      expect((await read("/etc/motd")(image)).toString()).toBe("hello\n");
      return image.layers[0]!.toc;
    };
    expect((await withRemote(registry.host, toc)).result).toBeUndefined();
    expect((await withRemote(registry.host, toc, { toc: "any" })).result).toEqual({ format, isVerified: false });
  });

  test("whose content is another than the table says is an error", async () => {
    const layer = encode(MEMBERS, { bend: (toc) => toc });
    const lie = encode(MEMBERS, {
      bend: (toc) => {
        const entry = toc.entries.find(({ name }) => name === "etc/motd")!;
        const wrong = `sha256:${sha("hellO\n")}`;
        Object.assign(entry, { digest: wrong, chunkDigest: wrong });
        return toc;
      },
    });
    expect(lie.tar.length).toBeGreaterThanOrEqual(layer.tar.length - 1024);
    const registry = await registryWith([lie]);
    await expect(withRemote(registry.host, read("/etc/motd"))).rejects.toMatchObject({ code: "CONTENT_INVALID" });
  });

  test("is read right from a registry that knows no ranges, or breaks off", async () => {
    const registry = await registryWith([encode(MEMBERS, { chunkSize: 50_000 })]);
    registry.setFaults({ on: "blob.get", fault: "range", how: "ignored" });
    const wanted = MEMBERS.find(({ path }) => path === "big")!.content as Buffer;
    expect((await withRemote(registry.host, read("/big"))).result.equals(wanted)).toBe(true);
  });

  test("is read by ranges though its index is at hand", async () => {
    const layer = encode([...MEMBERS, { path: "more", content: noise(3_000_000, "more") }]);
    const registry = await registryWith([layer]);
    const store = await newStore();
    await withRemote(registry.host, (image) => image.layers[0]!.index(), { toc: "never" }, { store });
    const proxy = await cuttingProxy(registry.url);
    const { result } = await withRemote(
      proxy.host,
      async (image) => {
        expect(image.layers[0]!.hasIndex()).toBe(true);
        return read("/etc/motd")(image);
      },
      {},
      { store },
    );
    expect(result.toString()).toBe("hello\n");
    expect(proxy.passed.down).toBeLessThan(50_000);
  });

  test("with a damaged table is an error or a layer that is read whole, and nothing else", () => {
    const { entries } = tocOf(encode);
    const scalar = fc.oneof(
      fc.integer(),
      fc.string(),
      fc.constant(null),
      fc.double(),
      fc.constant([]),
      fc.constant({}),
      fc.maxSafeInteger(),
    );
    const change = fc.tuple(
      fc.nat(entries.length - 1),
      fc.constantFrom(...new Set(entries.flatMap((entry) => Object.keys(entry)))),
      scalar,
    );
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bent = structuredClone(entries);
        for (const [at, key, value] of changes) bent[at]![key] = value;
        const content = Buffer.from(JSON.stringify({ version: 1, entries: bent }));
        try {
          indexOfToc({ format, isVerified: true, content, end: 1 << 30 });
        } catch (error) {
          if (!isNacreError(error) || error.code === "INTERNAL") throw error;
        }
      }),
    );
  });
});

function tocOf(encode: typeof estargz): { entries: Record<string, unknown>[] } {
  let entries: Record<string, unknown>[] = [];
  encode(MEMBERS, {
    chunkSize: 100_000,
    bend: (toc) => {
      entries = toc.entries;
      return toc;
    },
  });
  return { entries };
}

describe.skipIf(toolMissing("skopeo"))("zstd:chunked as skopeo makes it", () => {
  test("is listed and read by ranges", async () => {
    const lazy = tempDir();
    const members = [...MEMBERS, { path: "large", content: noise(2_000_000, "large") }];
    const { blobs, bytes, descriptor } = imageOf([plainGzip(estargz(members))]);
    const from = writeLayout({ blobs, bytes, descriptor, layers: [], children: [] }, "v1");
    execFileSync("skopeo", [
      "copy",
      "-q",
      "--dest-compress-format",
      "zstd:chunked",
      `oci:${from}:v1`,
      `oci:${lazy}:v1`,
    ]);
    const registry = await faultyRegistry();
    registry.content.add("app", readLayout(lazy), "1");
    const proxy = await cuttingProxy(registry.url);
    const { result, warnings } = await withRemote(proxy.host, async (image) => ({
      motd: (await read("/bin/link")(image)).toString(),
      rows: await rowsOf(image),
      toc: image.layers[0]!.toc,
    }));
    expect(warnings).toEqual([]);
    expect(result).toMatchObject({ motd: "hello\n", toc: { format: "zstd:chunked", isVerified: true } });
    expect(proxy.passed.down).toBeLessThan(100_000);
    const { result: whole } = await withRemote(registry.host, (image) => rowsOf(image), { toc: "never" });
    expect(result.rows.map(({ xattrs: _, ...row }) => row)).toEqual(whole.map(({ xattrs: _, ...row }) => row));
    const { result: large } = await withRemote(registry.host, read("/large"));
    expect(large.equals(noise(2_000_000, "large"))).toBe(true);
  });
});
