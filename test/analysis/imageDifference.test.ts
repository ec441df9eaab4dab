/** Why two images are not the same: each cause by its class, the first one first. */
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { withImage } from "../../src/analysis/analysis.js";
import { imageDifference } from "../../src/analysis/imageDifference.js";
import type { ImageCause } from "../../src/analysis/imageDifferenceTypes.js";
import { type Member, tarOf } from "../archive/images.js";
import * as raw from "./odd/rawImage.js";

const BASE: readonly Member[] = [
  { path: "d", type: "dir", mode: 0o755 },
  { path: "d/one", content: "one" },
  { path: "d/two", content: "two" },
  { path: "s", type: "symlink", link: "d/one", mode: 0o777 },
];
/** The members, some of them changed. */
const but = (path: string, change: Partial<Member>) =>
  BASE.map((one) => (one.path === path ? { ...one, ...change } : one));
const image = (members: readonly Member[], more: Partial<raw.RawImage> = {}): raw.RawImage => ({
  layers: [raw.gzipLayer(members)],
  ...more,
});

async function causesOf(a: raw.RawImage, b: raw.RawImage): Promise<ImageCause[]> {
  const world = { env: {} };
  return withImage(raw.layoutOf(a), world, {}, (x) =>
    withImage(raw.layoutOf(b), world, {}, (y) => imageDifference(x, y)),
  );
}

const told = (causes: readonly ImageCause[]) => causes.map(({ class: kind, path, field }) => [kind, path ?? field]);

test("images of one digest have none, and nothing is read for that", async () => {
  expect(await causesOf(image(BASE), image(BASE))).toEqual([]);
  const unreadable = { ...raw.gzipLayer(BASE), isThere: false };
  expect(await causesOf({ layers: [unreadable] }, { layers: [unreadable] })).toEqual([]);
});

test.each<[string, string, Partial<Member>, string]>([
  [
    "content",
    "d/two",
    { content: "TWO" },
    "/d/two has another content: 3 bytes, sha256:3fc4ccfe7458, then 3 bytes, sha256:a1a8a8cbbed4",
  ],
  ["mode", "d/one", { mode: 0o600 }, "/d/one has another mode: 0644, then 0600"],
  ["owner", "d/one", { uid: 7, gid: 8 }, "/d/one has another owner: 0:0, then 7:8"],
  ["mtime", "d", { mtime: 1_700_000_060 }, "/d has another mtime: 2023-11-14T22:13:20Z, then 2023-11-14T22:14:20Z"],
  ["link", "s", { link: "d/two" }, "/s has another link: d/one, then d/two"],
  ["xattr", "d/one", { xattrs: { "user.x": "1" } }, "/d/one has another xattr: none, then user.x"],
  ["type", "d/two", { type: "fifo", content: "" }, "/d/two has another type: file, then fifo"],
])("%s", async (kind, path, change, message) => {
  const causes = await causesOf(image(BASE), image(but(path, change)));
  expect(causes).toMatchObject([{ class: kind, path, message, layer: 0, createdBy: "layer 0", count: 1 }]);
});

test("files that only one has", async () => {
  const more = [...BASE, { path: "z", content: "z" }];
  expect(await causesOf(image(BASE), image(more))).toMatchObject([
    { class: "files", path: "z", message: "/z (file) is only in the second" },
  ]);
  expect(await causesOf(image(more), image(BASE))).toMatchObject([
    { class: "files", message: "/z (file) is only in the first" },
  ]);
});

test("the order of the members, if that is all", async () => {
  const [d, one, two, s] = BASE;
  expect(await causesOf(image(BASE), image([d!, two!, one!, s!]))).toMatchObject([
    { class: "order", before: "d/one", after: "d/two", message: "member 1 of the tar is /d/one, then /d/two" },
  ]);
});

test("how the same members are written: the field of the header", async () => {
  const tar = tarOf(BASE);
  const other = Buffer.from(tar);
  // A user name in the header of the second member, and its checksum.
  other.write("root", 512 + 265, "latin1");
  const header = other.subarray(512, 1024);
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  const causes = await causesOf({ layers: [raw.tarLayer(tar)] }, { layers: [raw.tarLayer(other)] });
  expect(causes).toMatchObject([{ class: "tar", path: "d/one", message: expect.stringContaining("field checksum") }]);
});

test("the compression of the same tar: another level, another header", async () => {
  const tar = tarOf([...BASE, { path: "big", content: "0123456789".repeat(10_000) }]);
  const layer = raw.tarLayer(tar);
  const header = Buffer.from(layer.blob);
  header.writeUInt32LE(12345, 4);
  const of = (blob: Buffer) => causesOf({ layers: [layer] }, { layers: [{ ...layer, blob }] });
  expect(await of(header)).toMatchObject([{ class: "gzip-header", message: expect.stringContaining("mtime 12345") }]);
  // Node writes the level into the header, too.
  const level = gzipSync(tar, { level: 1 });
  header.writeUInt32LE(0, 4);
  layer.blob.copy(level, 0, 0, 10);
  expect(told(await of(level))).toEqual([["compression", undefined]]);
});

test("settings by their field, lines of the history, times", async () => {
  const config = {
    created: "2024-02-02T00:00:00Z",
    config: { Cmd: ["/bin/sh"], Env: ["A=b"] },
    history: [{ created: "2024-02-02T00:00:00Z", created_by: "layer 0" }],
    author: "someone",
  };
  const causes = await causesOf(image(BASE), image(BASE, { config }));
  expect(told(causes)).toEqual([
    ["config", "author"],
    ["config", "config.Env"],
    ["created", "created"],
    ["created", "history[0].created"],
  ]);
  expect(causes[1]!.message).toBe('config.Env is not set, then ["A=b"]');
  const history = [{ created: raw.CREATED, created_by: "other" }];
  expect(told(await causesOf(image(BASE), image(BASE, { config: { history } })))).toEqual([["history", "history[0]"]]);
  const manifest = { annotations: { a: "b" } };
  expect(told(await causesOf(image(BASE), image(BASE, { manifest })))).toEqual([["manifest", "annotations"]]);
});

test("the first cause is of the lowest layer, and what the files are comes before when they were written", async () => {
  const first = { layers: [raw.gzipLayer(BASE), raw.gzipLayer([{ path: "later", content: "a", mtime: 1 }])] };
  const changed = BASE.map((one) => ({ ...one, mtime: 5, ...(one.path === "d/two" ? { content: "changed" } : {}) }));
  const second = { layers: [raw.gzipLayer(changed), raw.gzipLayer([{ path: "later", content: "b", mtime: 2 }])] };
  const causes = await causesOf(first, second);
  expect(told(causes)).toEqual([
    ["content", "d/two"],
    ["mtime", "d"],
    ["content", "later"],
    ["mtime", "later"],
  ]);
  expect(causes[1]!.count).toBe(4);
  expect(causes.map(({ layer }) => layer)).toEqual([0, 0, 1, 1]);
});

test("images with another number of layers", async () => {
  const more = { layers: [raw.gzipLayer(BASE), raw.gzipLayer([{ path: "x" }])] };
  expect((await causesOf(image(BASE), more))[0]).toMatchObject({
    class: "layers",
    message: "the first has 1 layers, the second 2",
  });
});
