/** Listing, reading and tracing the files of images, compared with what other tools say of the same bytes. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findFile, listFiles, whichLayers, withImage } from "../../src/analysis/analysis.js";
import type { ChangeMark, FileListing, ListedFile } from "../../src/analysis/fileListing.js";
import { listStack } from "../../src/analysis/listFiles.js";
import { stackOf } from "../../src/analysis/mergedTree.js";
import { modeText } from "../../src/cli/commands/fileMode.js";
import { lookup, pathOf, type TreeNode, walkTree } from "../../src/layer/fileTree.js";
import { LayerTree } from "../../src/layer/layerTree.js";
import { type Member, SOME_LAYERS, tarOf, tempDir } from "../archive/images.js";
import { treeOf } from "../layer/helpers.js";
import { makeImage, writeLayout } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";

const sha = (text: string) => createHash("sha256").update(text).digest("hex");
const isRoot = process.getuid?.() === 0;

const layoutOf = (layers: readonly (readonly Member[])[]): string =>
  `oci:${writeLayout(makeImage({ layers }), "v1")}:v1`;

function filesOf(listing: FileListing): ListedFile[] {
  return [...listing.rows()].map((row) => listing.file(row));
}

const listed = async (layers: readonly (readonly Member[])[], options: Parameters<typeof listFiles>[1] = {}) =>
  withImage(layoutOf(layers), { env: {} }, {}, (image) => listFiles(image, options));

describe("the files of an image", () => {
  test.skipIf(toolMissing("umoci") || !isRoot)("are those that umoci unpacks", async () => {
    const layout = writeLayout(makeImage({ layers: SOME_LAYERS }), "v1");
    const bundle = join(tempDir(), "bundle");
    execFileSync("umoci", ["unpack", "--image", `${layout}:v1`, bundle], { stdio: "pipe" });
    const root = join(bundle, "rootfs");
    const files = await withImage(`oci:${layout}:v1`, { env: {} }, {}, async (image) =>
      filesOf(await listFiles(image)),
    );
    const found: string[] = [];
    const walk = (path: Buffer): void => {
      for (const name of readdirSync(path, { encoding: "buffer" })) {
        const here = Buffer.concat([path, Buffer.from("/"), name]);
        const stat = lstatSync(here);
        const text = here.subarray(root.length + 1).toString("latin1");
        const link = stat.isSymbolicLink() ? readlinkSync(here) : "";
        const size = stat.isFile() ? stat.size : 0;
        found.push(
          [text, (stat.mode & 0o7777).toString(8), stat.uid, stat.gid, size, stat.mtimeMs / 1000, link].join(" "),
        );
        if (stat.isDirectory()) walk(here);
      }
    };
    walk(Buffer.from(root));
    const ours = files.slice(1).map(({ pathBytes, type, mode, uid, gid, size, mtime, link }) => {
      const target = type === "symlink" ? link : "";
      return [pathBytes, mode.toString(8), uid, gid, type === "file" ? size : 0, mtime, target].join(" ");
    });
    // umoci leaves its own time on directories that it wrote into.
    const withoutTimes = (lines: readonly string[]) =>
      lines.map((line) => line.replace(/^((?:bin|etc|home|tmp) .*) \S+ $/, "$1")).sort();
    expect(withoutTimes(ours)).toEqual(withoutTimes(found));
  });

  test("of one layer are those that GNU tar lists", async () => {
    const members: Member[] = [
      ...SOME_LAYERS[0]!,
      { path: "dev", type: "dir", mode: 0o755 },
      { path: "dev/null", type: "char", devMajor: 1, devMinor: 3, mode: 0o666 },
      { path: "dev/sda", type: "block", devMajor: 8, devMinor: 0, mode: 0o660, gid: 6 },
      { path: "dev/pipe", type: "fifo", mode: 0o600, uid: 12, gid: 34 },
      { path: "sgid", type: "dir", mode: 0o2775 },
      { path: "S", content: "x", mode: 0o6644 },
    ];
    const tar = join(tempDir(), "layer.tar");
    writeFileSync(tar, tarOf(members));
    const env = { PATH: process.env.PATH, TZ: "UTC", LC_ALL: "C" };
    const wanted = execFileSync("tar", ["-tvf", tar, "--numeric-owner", "--full-time"], { env })
      .toString()
      .trimEnd()
      .split("\n");
    const files = filesOf(await listed([members], { layer: 0 })).slice(1);
    const ours = files.map(({ path, type, mode, uid, gid, size, mtime, link, isHardLink, device }) => {
      const facts = device ? device.join(",") : String(type === "file" && !isHardLink ? size : 0);
      const time = new Date(mtime * 1000).toISOString().replace("T", " ").slice(0, 19);
      const tail = isHardLink ? ` link to ${link}` : type === "symlink" ? ` -> ${link}` : type === "dir" ? "/" : "";
      const letters = isHardLink ? `h${modeText(type, mode).slice(1)}` : modeText(type, mode);
      return `${letters} ${uid}/${gid} ${facts} ${time} ${path}${tail}`;
    });
    // The tar has other metadata for a further name of an inode than the inode; what counts is the inode.
    const clean = (line: string) => line.replace(/\s+/g, " ").replace(/^h\S+ /, "h ");
    expect(ours.map(clean).sort()).toEqual(wanted.map(clean).sort());
  });

  test("have sizes by directory in which an inode with several names counts once", async () => {
    const layers: Member[][] = [
      [
        { path: "a/x", content: "12345" },
        { path: "a/y", type: "hardlink", link: "a/x" },
        { path: "b/z", type: "hardlink", link: "a/x" },
      ],
      [{ path: "a/.wh.x" }, { path: "b/more", content: "123" }],
    ];
    const final = filesOf(await listed(layers));
    expect(Object.fromEntries(final.map(({ path, size }) => [path, size]))).toEqual({
      "": 8,
      a: 5,
      "a/y": 5,
      b: 3,
      "b/more": 3,
      "b/z": 5,
    });
    const lower = filesOf(await listed(layers, { upTo: 0 }));
    expect(Object.fromEntries(lower.map(({ path, size }) => [path, size]))).toEqual({
      "": 5,
      a: 5,
      "a/x": 5,
      "a/y": 5,
      b: 0,
      "b/z": 5,
    });
  });

  const CHANGED: readonly (readonly Member[])[] = [
    [
      ...["same", "content", "mode", "owner", "time", "gone", "swap"].map((path): Member => ({ path, content: "old" })),
      { path: "link", type: "symlink", link: "same" },
      { path: "attr", content: "", xattrs: { "user.a": "1" } },
      { path: "null", type: "char", devMajor: 1, devMinor: 3 },
      { path: "tree", type: "dir" },
      { path: "tree/deep/file", content: "12345678" },
      { path: "emptied", type: "dir", mode: 0o755 },
      { path: "emptied/was", content: "1234" },
      { path: "folder", type: "dir" },
      { path: "folder/in", content: "12" },
      { path: "inode", content: "shared" },
    ],
    [
      { path: "same", content: "old" },
      { path: "content", content: "new" },
      { path: "mode", content: "old", mode: 0o4755 },
      { path: "owner", content: "old", gid: 5 },
      { path: "time", content: "old", mtime: 1 },
      { path: ".wh.gone" },
      { path: ".wh.never" },
      { path: "swap", type: "dir", mode: 0o755 },
      { path: "swap/new", content: "n" },
      { path: "link", type: "symlink", link: "content" },
      { path: "attr", content: "", xattrs: { "user.a": "2" } },
      { path: "null", type: "char", devMajor: 1, devMinor: 5 },
      { path: ".wh.tree" },
      { path: "emptied", type: "dir", mode: 0o755 },
      { path: "emptied/.wh..wh..opq" },
      { path: "folder", content: "a file now" },
      { path: "inode2", type: "hardlink", link: "inode" },
    ],
  ];
  const told = (files: readonly ListedFile[]) =>
    Object.fromEntries(
      files.map(({ path, change, reasons, removedBytes }) => [
        path,
        [change, ...(reasons ?? []), ...(removedBytes ? [-removedBytes] : [])].join(" "),
      ]),
    );

  test("of a layer are marked with what it does to those below, and in what they differ", async () => {
    expect(told(filesOf(await listed(CHANGED, { layer: 1 })))).toEqual({
      "": "unchanged -17",
      attr: "modified xattr",
      content: "modified content",
      emptied: "modified opaque -4",
      "emptied/was": "removed -4",
      folder: "modified type -2",
      gone: "removed -3",
      inode2: "added",
      link: "modified link",
      mode: "modified mode",
      never: "removed",
      null: "modified device",
      owner: "modified owner",
      same: "unchanged",
      swap: "modified type",
      "swap/new": "added",
      time: "touched time",
      tree: "removed -8",
    });
    const below = told(filesOf(await listed(CHANGED, { layer: 1, removedBelow: true, changes: ["removed"] })));
    expect(Object.keys(below)).toEqual([
      "emptied/was",
      "folder/in",
      "gone",
      "never",
      "tree",
      "tree/deep",
      "tree/deep/file",
    ]);
  });

  test("of a lowest layer are all added", async () => {
    const { totals } = await listed(CHANGED, { layer: 0 });
    expect(totals.changes).toEqual({ added: 18, modified: 0, touched: 0, removed: 0, unchanged: 0 });
  });

  test("are filtered by patterns, size, change and depth, and found again below directories that lead to them", async () => {
    const paths = async (options: Parameters<typeof listFiles>[1]) =>
      filesOf(await listed(CHANGED, options)).map(({ path }) => path);
    expect(await paths({ globs: ["*o*t*"] })).toEqual(["content"]);
    expect(await paths({ regexes: ["^/swap/"] })).toEqual(["swap/new"]);
    expect(await paths({ minSize: 9 })).toEqual(["", "folder"]);
    expect(await paths({ only: "directories" })).toEqual(["", "emptied", "swap"]);
    expect(await paths({ path: "/swap" })).toEqual(["swap", "swap/new"]);
    expect(await paths({ path: "/swap/../swap/new" })).toEqual(["swap/new"]);
    expect((await listed(CHANGED, { depth: 0 })).totals).toMatchObject({ isCut: true, files: 12 });
    expect(await paths({ layer: 1, path: "/tree" })).toEqual(["tree"]);
    const listing = await listed(CHANGED, { globs: ["swap/new"] });
    const [root] = listing.below(undefined);
    expect(listing.below(root).map((row) => listing.file(row).path)).toEqual(["swap"]);
    expect(listing.isContext(root!)).toBe(true);
  });

  test("are sorted by size, and cut to the largest", async () => {
    const listing = await listed(
      [
        [
          { path: "a", content: "1" },
          { path: "b", content: "333" },
          { path: "c", content: "22" },
          { path: "d", content: "333" },
        ],
      ],
      {
        only: "files",
      },
    );
    const names = (rows: Iterable<number>) => [...rows].map((row) => listing.file(row).name).join("");
    expect(names(listing.bySize())).toBe("bdca");
    expect(names(listing.bySize(3))).toBe("bdc");
    expect(names(listing.bySize(1))).toBe("b");
    expect(names(listing.bySize(0))).toBe("");
  });

  const name = fc.constantFrom("a", "b", "c");
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  const member = fc.oneof(
    fc
      .tuple(path, fc.constantFrom("x", "yy"), fc.constantFrom(0o644, 0o755))
      .map(([at, content, mode]): Member => ({ path: at, content, mode })),
    path.map((at): Member => ({ path: `${at}/` })),
    fc
      .array(name, { maxLength: 2 })
      .chain((parts) =>
        fc
          .constantFrom(".wh.a", ".wh.b", ".wh..wh..opq")
          .map((last): Member => ({ path: [...parts, last].join("/"), content: "" })),
      ),
  );
  const layer = fc.array(member, { maxLength: 8 }).map((members) =>
    members.filter(({ path: at }, number) => {
      const others = members.slice(0, number);
      return !others.some(
        (other) => (!other.path.endsWith("/") && at.startsWith(`${other.path}/`)) || other.path.startsWith(`${at}/`),
      );
    }),
  );

  test("of a layer are told apart as the trees before and after it are, for any stack", () => {
    fc.assert(
      fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), (layers) => {
        const after = treeOf(...(layers as never[]));
        const stack = stackOf(after);
        const before = new LayerTree(after.layers.slice(0, -1));
        const listing = listStack(stack, { ownLayer: true, removedBelow: true });
        const marks = new Map(filesOf(listing).map(({ path: at, change }) => [at, change]));
        const paths = new Set<string>();
        for (const tree of [before, after]) walkTree(tree, tree.root, (node) => paths.add(pathOf(node)).size > 0);
        for (const at of paths) {
          const [old, now] = [lookup(before, at), lookup(after, at)];
          const marked = marks.get(at);
          const fitting = possible(old, now);
          if (at !== "" && !fitting.includes(marked)) expect([at, marked]).toEqual([at, fitting]);
        }
        for (const [at, mark] of marks) if (!paths.has(at)) expect(mark).toBe("removed");
      }),
    );
  });

  /** Marks that fit: what is the same, and directories, may be listed again or not at all. */
  function possible(old: TreeNode | undefined, now: TreeNode | undefined): (ChangeMark | undefined)[] {
    if (old === undefined) return ["added"];
    if (now === undefined) return ["removed"];
    const isSame = old.type === now.type && old.mode === now.mode && old.size === now.size;
    if (now.type === "dir") return isSame ? [undefined, "unchanged", "modified"] : ["modified"];
    return isSame ? [undefined, "unchanged", "modified"] : ["modified"];
  }
});

describe("a file of an image", () => {
  const LAYERS: readonly (readonly Member[])[] = [
    [
      { path: "usr/lib/os-release", content: "NAME=old\n" },
      { path: "bin", type: "symlink", link: "usr/bin" },
      { path: "etc", type: "dir" },
      { path: "etc/os-release", type: "symlink", link: "../usr/lib/os-release" },
      { path: "etc/loop", type: "symlink", link: "loop" },
      { path: "abs", type: "symlink", link: "/etc/../../etc/os-release" },
      { path: "dev/pipe", type: "fifo" },
    ],
    [
      { path: "bin/tool", content: "moved\n" },
      { path: "usr/lib/os-release", content: "NAME=new\n" },
    ],
    [{ path: "etc/.wh.os-release" }, { path: "far", type: "hardlink", link: "usr/lib/os-release" }],
  ];
  const text = (path: string, choice: Parameters<typeof findFile>[2] = {}) =>
    withImage(layoutOf(LAYERS), { env: {} }, {}, async (image) => {
      const chunks: Buffer[] = [];
      for await (const chunk of (await findFile(image, path, choice)).open()) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    });

  test("is read through symlinks that stay inside, of any view", async () => {
    expect(await text("/usr/lib/os-release")).toBe("NAME=new\n");
    expect(await text("/etc/os-release", { upTo: 1 })).toBe("NAME=new\n");
    expect(await text("abs", { upTo: 0 })).toBe("NAME=old\n");
    expect(await text("/usr/lib/os-release", { layer: 0 })).toBe("NAME=old\n");
    expect(await text("/bin/tool")).toBe("moved\n");
    expect(await text("/usr/bin/tool")).toBe("moved\n");
    expect(await text("/far")).toBe("NAME=new\n");
    expect(await text("/far", { layer: 2 })).toBe("NAME=new\n");
    expect(await text("../../usr/lib/os-release")).toBe("NAME=new\n");
  });

  test("that is not there, or is none, is an error that says so", async () => {
    await expect(text("/etc/os-release")).rejects.toMatchObject({
      code: "SOURCE_NOT_FOUND",
      hint: expect.stringContaining("nacre which"),
    });
    await expect(text("/usr/lib")).rejects.toMatchObject({
      code: "SOURCE_NOT_FOUND",
      message: "/usr/lib is a directory",
    });
    await expect(text("/dev/pipe")).rejects.toMatchObject({ message: "/dev/pipe is a pipe" });
    await expect(text("/etc/loop")).rejects.toThrow("too many levels of symbolic links");
    await expect(text("/usr/lib/os-release", { layer: 2 })).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
    await expect(text("/usr/lib/os-release", { layer: 3 })).rejects.toMatchObject({ code: "USAGE" });
  });

  test("has a history: added, changed, touched, removed with a directory, brought back", async () => {
    const layers: Member[][] = [
      [{ path: "d/f", content: "one" }],
      [{ path: "d/f", content: "three" }],
      [{ path: "d/f", content: "three", mtime: 5 }],
      [{ path: "other", content: "" }],
      [{ path: ".wh.d" }],
      [{ path: "d/f", content: "back", mode: 0o600 }],
      [{ path: "d/.wh..wh..opq" }],
    ];
    const history = await withImage(layoutOf(layers), { env: {} }, {}, (image) => whichLayers(image, "/d/f"));
    const short = history.versions.map(({ layer: { number }, action, reasons, cause, at, file }) =>
      [number, action, ...reasons, cause, at, file?.size].filter((word) => word !== undefined).join(" "),
    );
    expect(short).toEqual([
      "0 added 3",
      "1 modified content 5",
      "2 touched time 5",
      "4 removed directory-removed /d",
      "5 restored 4",
      "6 removed opaque /d",
    ]);
    expect(history).toMatchObject({ schema: "nacre.which/1", path: "/d/f", isPresent: false });
    expect(history.versions[1]).toMatchObject({
      instruction: "RUN layer 1",
      file: { digest: sha("three"), mode: 0o644 },
    });
  });

  test("is traced through symlinked parents, and its own link only if that is wanted", async () => {
    const which = (path: string, follow = false) =>
      withImage(layoutOf(LAYERS), { env: {} }, {}, (image) => whichLayers(image, path, { follow }));
    expect((await which("/bin/tool")).path).toBe("/usr/bin/tool");
    expect((await which("/etc/os-release")).versions.map(({ action }) => action)).toEqual(["added", "removed"]);
    expect((await which("/abs", false)).path).toBe("/abs");
    await expect(which("/nowhere")).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  });

  test("that the top layer lists is found without a look into the layers below", async () => {
    const layers: Member[][] = [
      [{ path: "low", content: "l" }],
      [
        { path: "app", type: "dir" },
        { path: "app/main", content: "m" },
      ],
    ];
    const image = makeImage({ layers });
    // The lower layer is damaged: whoever reads it fails.
    const blobs = new Map(image.blobs);
    blobs.set(image.layers[0]!.digest, Buffer.alloc(image.layers[0]!.size));
    const layout = writeLayout({ ...image, blobs }, "v1");
    await withImage(`oci:${layout}:v1`, { env: {} }, {}, async (opened) => {
      expect((await findFile(opened, "/app/main")).size).toBe(1);
      await expect(findFile(opened, "/low")).rejects.toMatchObject({
        code: expect.stringMatching(/CONTENT_INVALID|COMPRESSION|TAR_INVALID/),
      });
    });
    expect(readFileSync(join(layout, "index.json")).length).toBeGreaterThan(0);
  });
});
