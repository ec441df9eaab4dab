import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { inspectImage, listImages, rawDocument } from "../../src/analysis/analysis.js";
import { parseImageFilters } from "../../src/analysis/imageFilters.js";
import { compileGlob } from "../../src/analysis/nameGlob.js";
import { build } from "../../src/build/build.js";
import { findImage, removeImages } from "../../src/image/catalog.js";
import { Store } from "../../src/store/store.js";
import { sha256Hex } from "../../src/support/hash.js";

const BIG = "x".repeat(1000);

/** A store with two images: `one:1` (also `other/one:1`) and, newer, `two:latest` on top of the same first layer. */
async function makeStore() {
  const root = mkdtempSync(join(tmpdir(), "nacre-list-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const context = join(root, "context");
  mkdirSync(context);
  writeFileSync(join(context, "a"), BIG);
  writeFileSync(join(context, "b"), "bb");
  const path = join(root, "store");
  const make = (text: string, tags: string[], sourceDateEpoch: number) =>
    build({ context, dockerfile: { kind: "text", text }, tags, store: path, sourceDateEpoch });
  const one = await make("FROM scratch\nCOPY a /\nENV X=1\n", ["one:1", "other/one:1"], 1000);
  const two = await make("FROM scratch\nCOPY a /\nLABEL l=v\nCOPY b /\n", ["two"], 2000);
  const store = await Store.open(path);
  onTestFinished(() => store.close());
  return { store, one, two };
}

describe("listing", () => {
  test("shows each image once, newest first, with all its names and the bytes of its files", async () => {
    const { store, one, two } = await makeStore();
    const { images, totalSize } = await listImages(store);
    expect(images).toMatchObject([
      {
        names: [{ repository: "two", tag: "latest" }],
        id: two.configDigest,
        digest: two.descriptor.digest,
        created: "1970-01-01T00:33:20Z",
        labels: { l: "v" },
        size: BIG.length + 2,
        sharedSize: BIG.length,
        uniqueSize: 2,
      },
      {
        names: [
          { repository: "one", tag: "1" },
          { repository: "other/one", tag: "1" },
        ],
        id: one.configDigest,
        size: BIG.length,
        sharedSize: BIG.length,
        uniqueSize: 0,
      },
    ]);
    // What the two share counts once.
    expect(totalSize).toBe(BIG.length + 2);
  });

  test("sizes can be those of the manifest, or those on the disk", async () => {
    const { store, two } = await makeStore();
    const blob = (digest: string) => statSync(join(store.path, "blobs/sha256", digest.slice(7))).size;
    const manifest = JSON.parse(readFileSync(store.blobPath(two.descriptor.digest), "utf8")) as {
      readonly config: { readonly digest: string };
      readonly layers: readonly { readonly digest: string }[];
    };
    const parts = [manifest.config, ...manifest.layers].reduce((sum, { digest }) => sum + blob(digest), 0);
    const size = async (model: "content" | "disk") => (await listImages(store, { size: model })).images[0]?.size;
    expect(await size("content")).toBe(parts);
    expect(await size("disk")).toBe(parts + blob(two.descriptor.digest));
  });

  test("an image whose config is gone is listed last with the reason, and can be removed by name", async () => {
    const { store, two } = await makeStore();
    unlinkSync(store.blobPath(two.configDigest));
    const last = (await listImages(store)).images.at(-1);
    expect(last).toMatchObject({ names: [{ repository: "two" }], problem: expect.stringContaining("missing") });
    expect(last?.id).toBeUndefined();
    expect(await removeImages(store, ["two"])).toMatchObject({
      untagged: ["docker.io/library/two:latest"],
      failures: [],
    });
    expect((await listImages(store)).images).toHaveLength(1);
  });

  test("an image that another tool left without a name is listed, found by its id and removed by it", async () => {
    const { store, one } = await makeStore();
    await removeImages(store, [one.configDigest], { force: true });
    const path = join(store.path, "index.json");
    const index = JSON.parse(readFileSync(path, "utf8")) as { manifests: unknown[] };
    writeFileSync(path, JSON.stringify({ ...index, manifests: [...index.manifests, one.descriptor] }));
    const dangling = await listImages(store, { filters: ["dangling=true"] });
    expect(dangling.images).toMatchObject([{ id: one.configDigest, names: [{}] }]);
    expect(findImage(store, one.configDigest.slice(7, 19)).names).toEqual([]);
    expect(await removeImages(store, [one.configDigest])).toMatchObject({ deleted: [one.configDigest], failures: [] });
    expect((await listImages(store)).images).toHaveLength(1);
  });
});

describe("inspecting", () => {
  test("tells Docker's fields, and of each layer what it holds and what made it", async () => {
    const { store, two } = await makeStore();
    const image = await inspectImage("two", { env: {}, store });
    expect(image).toMatchObject({
      Id: two.configDigest,
      RepoTags: ["two:latest"],
      RepoDigests: [`two@${two.descriptor.digest}`],
      Created: "1970-01-01T00:33:20Z",
      Os: "linux",
      Size: BIG.length + 2,
      Config: { Labels: { l: "v" } },
      Descriptor: { digest: two.descriptor.digest },
      // The other image of the store has its first layer, and nothing else.
      Base: { Name: "one:1", Layers: 1 },
    });
    expect(image.Layers.map(({ Files, UnpackedSize, CreatedBy }) => [Files, UnpackedSize, CreatedBy])).toEqual([
      [1, BIG.length, "COPY a / # buildkit"],
      [1, 2, "COPY b / # buildkit"],
    ]);
    const [first, second] = image.RootFS.Layers;
    expect(image.Layers.map(({ ChainID }) => ChainID)).toEqual([first, `sha256:${sha256Hex(`${first} ${second}`)}`]);
  });

  test("raw documents have the bytes that their digests are of", async () => {
    const { store, two } = await makeStore();
    const digest = async (which: "manifest" | "config") =>
      `sha256:${sha256Hex(await rawDocument("two", which, { env: {}, store }))}`;
    expect(await digest("manifest")).toBe(two.descriptor.digest);
    expect(await digest("config")).toBe(two.configDigest);
  });
});

describe("patterns of names", () => {
  test.each([
    ["*", "abc", true],
    ["*", "a/b", false],
    ["a*/b", "abc/b", true],
    ["a*/b", "a/c/b", false],
    ["a*b*c/d", "abxbyc/d", true],
    ["ab[c]", "abc", true],
    ["ab[b-d]", "abc", true],
    ["ab[^b-d]", "abc", false],
    ["a?b", "a☺b", true],
    ["a?b", "a/b", false],
    ["[\\]a]", "]", true],
    ["[x\\-]", "-", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "axb", false],
    ["*x", "xxx", true],
  ])("%s on %s: %s", (pattern, name, fits) => {
    expect(compileGlob(pattern)(name)).toBe(fits);
  });

  test.each(["[", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[^", "a\\"])("%s is malformed", (pattern) => {
    expect(() => compileGlob(pattern)).toThrow("syntax error in pattern");
  });

  test("stars take what an expression would take, however many there are", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "/", "*", "?"), maxLength: 12 });
    fc.assert(
      fc.property(text, fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 12 }), (pattern, name) => {
        const source = pattern.replaceAll("?", "[^/]").replace(/\*+/g, "[^/]*");
        expect(compileGlob(pattern)(name)).toBe(new RegExp(`^${source}$`).test(name));
      }),
    );
    expect(compileGlob("*a".repeat(100))(`${"a".repeat(90)}b`)).toBe(false);
  });
});

describe("filters", () => {
  const now = Date.parse("2024-05-06T12:00:00Z");
  test.each([
    ["24h", "2024-05-05T12:00:00Z"],
    ["1h30m", "2024-05-06T10:30:00Z"],
    ["2024-05-01", "2024-05-01T00:00:00Z"],
    ["2024-05-01T07:08", "2024-05-01T07:08:00Z"],
    ["2024-05-01T07:08:09.5", "2024-05-01T07:08:09.5Z"],
    ["2024-05-01T07:08:09+02:00", "2024-05-01T05:08:09Z"],
    ["1714521600", "2024-05-01T00:00:00Z"],
  ])("until=%s is %s", (text, time) => {
    expect(parseImageFilters([`until=${text}`], undefined, now).until).toBe(Date.parse(time));
  });

  test("a name in full fits the short one that is listed", () => {
    const { takesName } = parseImageFilters(["reference=docker.io/library/alpine"], undefined, now);
    expect(["alpine:3", "alpine@sha256:0", "alpine/git:1"].map((name) => takesName!(name))).toEqual([
      true,
      true,
      false,
    ]);
  });

  test.each([
    ["danglin=true", "did you mean dangling?"],
    ["dangling=perhaps", "dangling=true or dangling=false"],
    ["label", "name=value"],
  ])("%s is refused: %s", (filter, hint) => {
    expect(() => parseImageFilters([filter], undefined, now)).toThrow(
      expect.objectContaining({ code: "USAGE", hint: expect.stringContaining(hint) }),
    );
  });
});
