/** Two images compared, wherever they are: against what other tools unpack of them, and without touching what they share. */
import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { diffFile, diffImages, diffLayers } from "../../src/analysis/analysis.js";
import type { FileChange } from "../../src/analysis/changeList.js";
import type { DiffOptions, ImageDiff } from "../../src/analysis/diffTypes.js";
import type { ImageWorld } from "../../src/analysis/types.js";
import { encodeManifest } from "../../src/oci/encode.js";
import { OCI_LAYER } from "../../src/oci/mediaTypes.js";
import type { NacreEvent } from "../../src/support/events.js";
import { type Member, newStore } from "../archive/images.js";
import { startRegistry } from "../registry/servers/dockerRegistry.js";
import { digestOf, type ImageWish, makeImage, makeIndex, putImage, writeLayout } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";

type Layers = NonNullable<ImageWish["layers"]>;

const layoutOf = (layers: Layers, wish: ImageWish = {}): string => `oci:${writeLayout(makeImage({ ...wish, layers }))}`;
const diff = (a: string, b: string, options: DiffOptions = {}, world: Partial<ImageWorld> = {}): Promise<ImageDiff> =>
  diffImages(a, b, { env: {}, ...world }, options);
const told = (changes: Iterable<FileChange> | undefined): string[] =>
  [...(changes ?? [])].map(({ kind, path, reasons }) => [kind, path, ...reasons].join(" "));

const BASE: readonly Member[] = [
  { path: "etc", type: "dir", mode: 0o755 },
  { path: "etc/motd", content: "hello\nworld\n" },
  { path: "etc/passwd", content: "root\n" },
  { path: "opt/old/name", content: "the content of a file that moves" },
];
const OWN_A: readonly Member[] = [
  { path: "app", type: "dir", mode: 0o755 },
  { path: "app/x", content: "1" },
];
const OWN_B: readonly Member[] = [
  { path: "app", type: "dir", mode: 0o755 },
  { path: "app/x", content: "22", mode: 0o755 },
  { path: "etc/motd", content: "hello\nyou\n" },
  { path: "opt/.wh.old" },
  { path: "opt/new/name", content: "the content of a file that moves" },
];

describe("two images", () => {
  test("layers, files, folders, moves and the cost of a download", async () => {
    const [a, b] = [layoutOf([BASE, OWN_A]), layoutOf([BASE, OWN_B])];
    const result = await diff(a, b, { readShared: true });
    expect(result.layers.map(({ match }) => match)).toEqual(["shared", "changed"]);
    expect(told(result.files?.changes)).toEqual([
      ...["changed app/x content mode", "changed etc/motd content", "added opt/new", "added opt/new/name"],
      ...["removed opt/old", "removed opt/old/name"],
    ]);
    const moved = [...result.files!.changes].filter((change) => change.moved !== undefined);
    expect(moved.map(({ path, moved: other }) => [path, other])).toEqual([
      ["opt/new/name", "opt/old/name"],
      ["opt/old/name", "opt/new/name"],
    ]);
    expect(result.files).toMatchObject({
      moves: 1,
      ignored: 0,
      totals: { added: 2, removed: 2, changed: 2, delta: -1 },
    });
    const own = result.layers[1]!.after!;
    expect(result.download).toMatchObject({ layers: 1, layerBytes: own.compressedSize });
    expect(result.differs).toEqual({ layers: true, config: false, history: false, files: true });
    expect(result.isSame).toBe(false);
  });

  test("an image is the same as itself, by whatever name and in whatever archive", async () => {
    const image = makeImage({ layers: [BASE, OWN_A] });
    const [one, other] = [`oci:${writeLayout(image)}`, `oci:${writeLayout(image, "v2")}`];
    expect((await diff(one, other)).isSame).toBe(true);
    const { isSame, download } = await diff(one, `oci:${writeLayout(makeIndex([image]))}`);
    expect([isSame, download]).toEqual([true, { layers: 0, layerBytes: 0, bytes: 0 }]);
  });

  test("config and history are told field by field", async () => {
    const history = (...lines: string[]) =>
      lines.map((created_by) => ({ created_by, created: "2024-01-01T00:00:00Z" }));
    const a = layoutOf([BASE], {
      config: {
        config: {
          Env: ["A=1", "PATH=/bin"],
          Labels: { a: "1" },
          User: "0",
          Cmd: ["x"],
          ExposedPorts: { "80/tcp": {} },
        },
        history: history("COPY a / # buildkit"),
      },
    });
    const b = layoutOf([BASE], {
      config: {
        architecture: "arm64",
        config: {
          Env: ["A=2", "PATH=/bin", "B="],
          Labels: { b: "1" },
          Cmd: ["y"],
          StopSignal: "SIGINT",
          Volumes: { "/v": {} },
        },
        history: [...history("COPY a / # buildkit"), { created_by: "LABEL b=1", empty_layer: true }],
      },
    });
    const result = await diff(a, b);
    expect(result.config.map(({ field, key, kind }) => [field, key, kind].filter(Boolean).join(" "))).toEqual([
      ...["platform changed", "env A changed", "env B added", "cmd changed", "user removed", "stopsignal added"],
      ...["label a removed", "label b added", "port 80/tcp removed", "volume /v added"],
    ]);
    expect(result.history).toMatchObject([{ kind: "added", after: { number: 1, entry: { created_by: "LABEL b=1" } } }]);
    expect(result.warnings).toEqual(["the images are for different platforms: linux/amd64 and linux/arm64"]);
  });

  test("by layer, each is compared with the one that the same instruction made", async () => {
    const config = (...lines: string[]) => ({ config: { history: lines.map((created_by) => ({ created_by })) } });
    const a = layoutOf([BASE, OWN_A], config("RUN one", `COPY file:${"1".repeat(64)} in /app `));
    const b = layoutOf(
      [BASE, [{ path: "etc/.wh.motd" }], OWN_B],
      config("RUN one", "RUN two", `COPY file:${"2".repeat(64)} in /app `),
    );
    const { layers, files } = await diff(a, b, { by: "layer" });
    expect(layers.map(({ match }) => match)).toEqual(["shared", "added", "changed"]);
    expect(files).toBeUndefined();
    expect(told(layers[1]!.files?.changes)).toEqual(["added etc/motd"]);
    expect(told(layers[2]!.files?.changes)).toEqual([
      ...["changed app/x content mode", "added etc/motd", "added opt/new/name", "added opt/old"],
    ]);
    expect([...layers[2]!.files!.changes].at(-1)).toMatchObject({ after: { type: "whiteout", layer: 2 } });
  });

  test("--semantic leaves aside times, history, packing and names, and nothing else", async () => {
    const times = (created: string, mtime: number, more: Partial<ImageWish> = {}): string =>
      layoutOf([BASE.map((member) => ({ ...member, mtime }))], {
        ...more,
        config: { created, history: [{ created, created_by: created }], config: { User: "1" } },
      });
    const a = times("2024-01-01T00:00:00Z", 5);
    const b = times("2025-01-01T00:00:00Z", 6, { compression: "none", docker: true });
    const strict = await diff(a, b, { times: true });
    expect(strict.differs).toEqual({ layers: true, config: true, history: true, files: true });
    expect(strict.config.map(({ field }) => field)).toEqual(["created", "media type"]);
    const semantic = await diff(a, b, { semantic: true });
    expect([semantic.isSame, semantic.compared.ignores]).toEqual([
      ...[true, ["timestamps", "history", "order", "format", "name", "paths"]],
    ]);
    expect((await diff(a, layoutOf([BASE], { config: { config: { User: "2" } } }), { semantic: true })).isSame).toBe(
      false,
    );
    const order = [[...BASE].reverse().map((member) => ({ ...member, path: `./${member.path}` }))];
    expect((await diff(layoutOf([BASE]), layoutOf(order), { semantic: true })).isSame).toBe(true);
  });

  test("patterns leave out paths, and choose them", async () => {
    const [a, b] = [layoutOf([BASE, OWN_A]), layoutOf([BASE, OWN_B])];
    const names = async (options: DiffOptions): Promise<(readonly string[] | number)[]> => {
      const { files } = await diff(a, b, { ...options, readShared: true });
      return [[...files!.changes].map(({ path }) => path), files!.ignored];
    };
    expect(await names({ ignore: ["/opt", "motd"] })).toEqual([["app/x"], 5]);
    expect(await names({ only: ["etc/**", "app/?"] })).toEqual([["app/x", "etc/motd"], 4]);
    expect(await names({ only: ["/opt"], ignore: ["name"] })).toEqual([["opt/new", "opt/old"], 4]);
    expect((await diff(a, b, { ignore: ["**"] })).differs.files).toBe(false);
    await expect(diff(a, b, { ignore: ["a[b"] })).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("layers that both images share", () => {
  const shared = [BASE, [{ path: "usr/lib/x", content: "x".repeat(10_000) }]];

  test("are never opened", async () => {
    const [a, b] = [layoutOf([...shared, OWN_A]), layoutOf([...shared, OWN_B])];
    const store = await newStore();
    const read: string[] = [];
    const emit = (event: NacreEvent): void =>
      void (event.type === "start" && read.push(event.id.replace("layer:", "")));
    const first = await diff(a, b, {}, { store, emit });
    expect(read.sort()).toEqual([first.layers[2]!.before!.digest, first.layers[2]!.after!.digest].sort());
    expect(told(first.files?.changes)).toEqual([
      ...["changed app/x content mode", "unsettled etc/motd unread"],
      ...["unsettled opt/new/name unread", "unsettled opt/old unread"],
    ]);
    expect(first.files!.totals.isComplete).toBe(false);
    read.length = 0;
    await diff(a, b, {}, { store, emit });
    expect(read).toEqual([]);
    const whole = await diff(a, b, { readShared: true }, { store, emit });
    expect(read.length).toBe(2);
    expect(whole.files!.totals).toMatchObject({ unsettled: 0, isComplete: true });
    expect(told((await diff(a, b, {}, { store, emit })).files?.changes)).toEqual(told(whole.files?.changes));
  });

  test("are not read either when they are cut away by a damaged blob", async () => {
    const image = makeImage({ layers: [...shared, OWN_A] });
    const blobs = new Map(image.blobs);
    blobs.set(image.layers[0]!.digest, Buffer.from("no layer at all"));
    const damaged = `oci:${writeLayout({ ...image, blobs })}`;
    expect((await diff(damaged, layoutOf([...shared, OWN_B]))).files?.totals.changed).toBe(1);
    await expect(diff(damaged, layoutOf([OWN_B]))).rejects.toMatchObject({ code: "CONTENT_INVALID" });
  });
});

describe.skipIf(toolMissing("docker-registry"))("images in registries", () => {
  test("of which only the manifests, the configs and the blobs of their own layers are asked for", async () => {
    const registry = await startRegistry();
    const [a, b] = [makeImage({ layers: [BASE, OWN_A] }), makeImage({ layers: [BASE, OWN_B] })];
    await putImage(a, registry, "a", "1");
    await putImage(b, registry, "b", "1");
    const before = registry.log().length;
    const result = await diff(`docker://${registry.host}/a:1`, `docker://${registry.host}/b:1`);
    const asked = registry.log().slice(before);
    expect(result.layers.map(({ match }) => match)).toEqual(["shared", "changed"]);
    expect(asked).toContain(a.layers[1]!.digest);
    expect(asked).toContain(b.layers[1]!.digest);
    expect(asked).not.toContain(a.layers[0]!.digest);
  });
});

describe("layers of one image", () => {
  const image = () =>
    layoutOf([
      BASE,
      [{ path: "etc", type: "dir", mode: 0o755 }, { path: "etc/passwd", content: "root\n" }, { path: "etc/.wh.motd" }],
      [{ path: "etc/passwd", content: "user\n", mode: 0o600 }],
    ]);
  const layers = (choice: Parameters<typeof diffLayers>[1]) => diffLayers(image(), choice, { env: {} });

  test("one with what lies below it: also what it lists again for nothing", async () => {
    const second = await layers({ layer: "1" });
    expect(told(second.files?.changes)).toEqual(["removed etc/motd"]);
    expect(second.files).toMatchObject({ repeated: { files: 1, bytes: 5 }, totals: { removedBytes: 12 } });
    expect((await layers({ layer: "0" })).files?.totals.added).toBe(6);
    expect((await layers({ layer: second.layers[0]!.after!.diffId })).files?.totals.removed).toBe(1);
  });

  test("all up to one with all up to another, both ways", async () => {
    const forth = await layers({ from: "0", to: "2" });
    expect(told(forth.files?.changes)).toEqual(["removed etc/motd", "changed etc/passwd content mode"]);
    expect(told((await layers({ from: "2", to: "0" })).files?.changes)).toEqual([
      ...["added etc/motd", "changed etc/passwd content mode"],
    ]);
    expect((await layers({ from: "1", to: "1" })).isSame).toBe(true);
  });

  test("two by what they list", async () => {
    const pair = await layers({ pair: ["1", "2"] });
    expect(told(pair.layers[0]!.files?.changes)).toEqual(["removed etc/motd", "changed etc/passwd content mode"]);
  });

  test("that are not there are refused", async () => {
    for (const text of ["3", "-1", "x", "sha256:0000000000"]) {
      await expect(layers({ layer: text })).rejects.toMatchObject({
        code: "USAGE",
        hint: expect.stringContaining("0 to 2"),
      });
    }
  });
});

describe("one file", () => {
  const a = () => layoutOf([BASE, [{ path: "bin", type: "symlink", link: "usr/bin", mode: 0o777 }], OWN_A]);
  const file = (path: string, b: Layers, options: DiffOptions = {}) =>
    diffFile(path, { before: a(), after: layoutOf(b) }, { env: {} }, options);

  test("as a patch that patch understands", async () => {
    const result = await file("/etc/motd", [BASE, OWN_B]);
    expect(result).toMatchObject({ form: "text", reasons: ["content"], isSame: false });
    expect(result.patch).toBe("--- a/etc/motd\n+++ b/etc/motd\n@@ -1,2 +1,2 @@\n hello\n-world\n+you\n");
    const gone = await file("etc/passwd", [OWN_B]);
    expect(gone.patch).toBe("--- a/etc/passwd\n+++ /dev/null\n@@ -1 +0,0 @@\n-root\n");
  });

  test("that is binary or too large by digest and size, a symlink by its target", async () => {
    expect(await file("app/x", [BASE, [{ path: "app/x", content: "\0" }]])).toMatchObject({ form: "binary" });
    const large = await file("app/x", [[{ path: "app/x", content: "y".repeat((4 << 20) + 1) }]]);
    expect([large.form, large.patch, large.after?.size]).toEqual(["large", undefined, (4 << 20) + 1]);
    const link = await file("bin", [[{ path: "bin", type: "symlink", link: "bin2" }]]);
    expect(link.patch).toContain("-usr/bin\n\\ No newline at end of file\n+bin2\n");
    expect((await file("etc", [BASE, OWN_B])).form).toBe("none");
  });

  test("that is the same, also in shared layers, or in neither", async () => {
    expect(await file("etc/passwd", [BASE, OWN_B])).toMatchObject({ isSame: true, patch: "" });
    await expect(file("etc/nothing", [BASE, OWN_B])).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  });

  test("whose name a patch cannot hold as it is stands in quotes", async () => {
    const name = 'a\tb\u00ff"';
    const one = layoutOf([[{ path: name, content: "1\n" }]]);
    const place = { before: one, after: layoutOf([[{ path: name, content: "2\n" }]]) };
    const text = Buffer.from(name, "latin1").toString("utf8");
    expect(text).not.toBe(name);
    const { patch } = await diffFile('a\tb\udcff"', place, { env: {} });
    expect(patch).toMatch(/^--- "a\/a\\011b\\377\\""\n\+\+\+ "b\//);
  });
});

describe("odd images", () => {
  test("without layers, without history, and with layers that cannot be read", async () => {
    expect((await diff(layoutOf([]), layoutOf([]))).isSame).toBe(true);
    expect(told((await diff(layoutOf([]), layoutOf([BASE], { config: { history: [] } }))).files?.changes).length).toBe(
      6,
    );
    const image = makeImage({ layers: [BASE], compression: "none" });
    const manifest = JSON.parse(image.bytes.toString());
    manifest.layers[0].mediaType = `${OCI_LAYER}+encrypted`;
    const bytes = encodeManifest(manifest);
    const descriptor = { ...image.descriptor, digest: digestOf(bytes), size: bytes.length };
    const result = await diff(`oci:${writeLayout({ ...image, descriptor, bytes })}`, layoutOf([OWN_A]));
    expect([result.isSame, result.files]).toEqual([false, undefined]);
    expect(result.warnings.at(-1)).toMatch(/is encrypted: files are not compared/);
  });
});

/** Every path below a directory with all that a comparison looks at; names of one inode as one list. */
function unpackedTree(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const inodes = new Map<number, string[]>();
  const visit = (path: string): void => {
    const facts = lstatSync(join(root, path));
    const kind = facts.isDirectory() ? "dir" : facts.isSymbolicLink() ? "symlink" : facts.isFile() ? "file" : "other";
    const content =
      kind === "file"
        ? readFileSync(join(root, path), "latin1")
        : kind === "symlink"
          ? readlinkSync(join(root, path))
          : facts.rdev;
    const mode = kind === "symlink" ? 0 : facts.mode & 0o7777;
    found.set(path, JSON.stringify([kind, mode, facts.uid, facts.gid, content]));
    if (kind === "file") inodes.set(facts.ino, [...(inodes.get(facts.ino) ?? []), path]);
    if (kind === "dir") for (const name of readdirSync(join(root, path))) visit(path === "" ? name : `${path}/${name}`);
  };
  visit("");
  for (const names of inodes.values()) {
    for (const name of names) found.set(name, `${found.get(name)} ${names.length > 1 ? names.sort() : ""}`);
  }
  return found;
}

const isRoot = process.getuid?.() === 0;

describe.skipIf(toolMissing("umoci") || !isRoot)("what umoci unpacks", () => {
  const unpack = (layout: string): Map<string, string> => {
    const bundle = mkdtempSync(join(tmpdir(), "nacre-diff-"));
    onTestFinished(() => rmSync(bundle, { recursive: true, force: true }));
    rmSync(bundle, { recursive: true });
    execFileSync("umoci", ["unpack", "--image", `${layout.replace("oci:", "")}:latest`, bundle], { stdio: "ignore" });
    return unpackedTree(join(bundle, "rootfs"));
  };

  test.each<[string, Layers, Layers]>([
    [
      "whiteouts and opaque directories",
      [BASE, [{ path: "etc/.wh.motd" }]],
      [BASE, [{ path: "etc/.wh..wh..opq" }, { path: "etc/new" }]],
    ],
    [
      "hard links within and across layers",
      [BASE, [{ path: "etc/link", type: "hardlink", link: "etc/motd" }]],
      [
        BASE,
        [
          { path: "one", content: "1" },
          { path: "two", type: "hardlink", link: "one" },
        ],
        [
          { path: "one", content: "1" },
          { path: "etc/link", type: "hardlink", link: "etc/passwd" },
        ],
      ],
    ],
    [
      "types, owners, modes and devices",
      [
        [
          { path: "t/x", content: "1" },
          { path: "u", uid: 7 },
          { path: "s", mode: 0o4755 },
          { path: "n", type: "char", devMajor: 1, devMinor: 3 },
        ],
      ],
      [
        [
          { path: "t", type: "symlink", link: "u" },
          { path: "u", uid: 8 },
          { path: "s", mode: 0o755 },
          { path: "n", type: "char", devMajor: 1, devMinor: 5 },
        ],
      ],
    ],
    [
      "directories in place of files, and back",
      [BASE, [{ path: "etc", content: "a file" }]],
      [
        BASE,
        [{ path: ".wh.etc" }],
        [{ path: "etc/late", content: "x" }],
        [{ path: "opt/old/name", type: "dir", mode: 0o700 }],
      ],
    ],
    [
      "layers in other words",
      [BASE, OWN_A, OWN_B],
      [[...BASE.slice(0, 3), ...OWN_B.filter(({ path }) => !path.includes(".wh."))]],
    ],
  ])("has the same differences: %s", async (_name, layersA, layersB) => {
    const [a, b] = [layoutOf(layersA), layoutOf(layersB)];
    const { files } = await diff(a, b, { readShared: true });
    const [treeA, treeB] = [unpack(a), unpack(b)];
    const expected = [...new Set([...treeA.keys(), ...treeB.keys()])]
      .filter((path) => treeA.get(path) !== treeB.get(path))
      .map((path) => `${!treeA.has(path) ? "added" : !treeB.has(path) ? "removed" : "changed"} ${path}`)
      .sort();
    expect([...files!.changes].map(({ kind, path }) => `${kind} ${path}`).sort()).toEqual(expected);
  });
});
