/** What overlayfs shows of the snapshots is what the merged tree of the indexes says. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { newStore, tarOf as plainTarOf } from "../archive/images.js";
import { type Member, tarOf } from "../layer/helpers.js";
import { toolMissing } from "../setup/tools.js";
import { canMount } from "../store/helpers.js";
import { bothViews, contentOf, overlayView, putLayers, ROOT, snapshotsOf, treeView } from "./overlay.js";

const dir = (path: string, more: Partial<Member> = {}): Member => ({ path, type: "dir", ...more });

/** Layers, lowest first, and some names that must be there (or, with `undefined`, must not). */
const STACKS: Readonly<
  Record<string, readonly [layers: readonly (readonly Member[])[], some: Record<string, unknown>]>
> = {
  "files, directories, links and pipes": [
    [
      [
        dir("a", { mode: 0o1777, mtime: 1_600_000_001, uid: 7, gid: 8 }),
        { path: "a/f", content: "one", mode: 0o640, mtime: 1_500_000_000 },
        { path: "a/empty" },
        { path: "a/link", type: "symlink", link: "/../f", mtime: 3 },
        { path: "a/pipe", type: "fifo", mode: 0o600 },
        dir("a/closed", { mode: 0, mtime: 12 }),
        { path: "a/closed/in", content: "x", mode: 0 },
        { path: "old", mtime: -5 },
        { path: "future", mtime: 4_000_000_000 },
      ],
    ],
    { "a/f": contentOf("one") },
  ],
  whiteouts: [
    [
      [
        dir("d"),
        { path: "d/gone" },
        { path: "d/stays" },
        dir("tree"),
        dir("tree/sub"),
        { path: "tree/sub/f" },
        { path: "x" },
      ],
      [dir("d"), { path: "d/.wh.gone" }, { path: ".wh.tree" }, { path: "x2" }],
      [{ path: ".wh.x" }, dir("tree"), { path: "tree/new" }],
    ],
    { "d/gone": undefined, "tree/sub": undefined, x: undefined, "d/stays": contentOf("") },
  ],
  "whiteouts of what was never there": [
    [
      [
        { path: ".wh.nothing" },
        dir("d"),
        { path: "d/.wh.nothing" },
        dir("d/e"),
        { path: "d/e/.wh.x" },
        { path: "d/e/f" },
      ],
      [dir("o"), { path: "o/.wh..wh..opq" }, { path: "o/.wh.x" }, { path: "o/y" }],
    ],
    { "d/e/x": undefined, "d/nothing": undefined, "o/x": undefined },
  ],
  "opaque directories": [
    [
      [dir("d"), { path: "d/below" }, dir("d/sub"), { path: "d/sub/below" }],
      [dir("d"), { path: "d/.wh..wh..opq" }, { path: "d/above" }, dir("d/sub"), { path: "d/sub/above" }],
      [dir("d/sub"), { path: "d/sub/top" }],
    ],
    { "d/below": undefined, "d/sub/below": undefined, "d/sub/above": contentOf("") },
  ],
  "an opaque root": [
    [
      [{ path: "below" }, dir("d"), { path: "d/below" }],
      [{ path: ".wh..wh..opq" }, dir("d"), { path: "d/above" }],
    ],
    { below: undefined, "d/below": undefined },
  ],
  "names that change what they are": [
    [
      [
        dir("a"),
        { path: "a/x" },
        { path: "b", content: "file" },
        { path: "c", type: "symlink", link: "a" },
        dir("d"),
        { path: "d/x" },
      ],
      [
        { path: "a", content: "file now" },
        dir("b"),
        { path: "b/x" },
        dir("c"),
        { path: "c/x" },
        { path: "d", type: "symlink", link: "b" },
      ],
      [dir("a"), { path: "a/y" }],
    ],
    { "a/x": undefined, "a/y": contentOf("") },
  ],
  "hard links": [
    [
      [
        { path: "z", content: "shared", mode: 0o4711, uid: 3 },
        dir("d"),
        { path: "d/a", type: "hardlink", link: "z" },
        { path: "b", type: "hardlink", link: "z" },
        { path: "e" },
        { path: "f", type: "hardlink", link: "e" },
      ],
      [{ path: "b", content: "alone" }],
    ],
    { "d/a": contentOf("shared"), b: contentOf("alone") },
  ],
  "hard links to files of a lower layer": [
    [
      [
        dir("d"),
        { path: "d/f", content: "lower", mode: 0o4755, uid: 5, gid: 6, mtime: 9 },
        { path: "l", type: "symlink", link: "d" },
      ],
      [
        { path: "copy", type: "hardlink", link: "d/f" },
        { path: "l2", type: "hardlink", link: "l" },
      ],
    ],
    { copy: contentOf("lower") },
  ],
  "parents that a layer leaves out": [
    [
      [
        dir("usr", { mode: 0o711, uid: 1 }),
        dir("usr/lib", { mode: 0o2750, gid: 50, mtime: 77, xattrs: { "user.k": "v" } }),
      ],
      [{ path: "usr/lib/deep/new/f", content: "1" }],
      [{ path: "usr/lib/deep/other" }, { path: "nowhere/else/f" }],
    ],
    { "usr/lib/deep/new/f": contentOf("1") },
  ],
  "files written through a symlink of a lower layer": [
    [
      [dir("usr"), dir("usr/lib", { mode: 0o700, mtime: 5 }), { path: "lib", type: "symlink", link: "usr/lib" }],
      [{ path: "lib/f", content: "through" }, { path: "lib/sub/g" }],
    ],
    { "usr/lib/f": contentOf("through"), "lib/f": undefined },
  ],
  "device nodes": [
    [
      [
        dir("dev"),
        { path: "dev/null", type: "char", devMajor: 1, devMinor: 3, mode: 0o666 },
        { path: "dev/sda", type: "block", devMajor: 8, devMinor: 0, mode: 0o660, gid: 6 },
        { path: "dev/big", type: "char", devMajor: 250, devMinor: 70_000 },
      ],
    ],
    { "dev/big": "250,70000" },
  ],
  "setuid, setgid and sticky, whoever owns them": [
    [
      [
        { path: "u", mode: 0o4755, uid: 1000, gid: 1000 },
        { path: "g", mode: 0o2711, gid: 5 },
        dir("s", { mode: 0o3777, uid: 9 }),
      ],
    ],
    { u: contentOf("") },
  ],
  "any owners": [
    [
      [
        { path: "a", uid: 4_294_967_294, gid: 4_294_967_294 },
        { path: "b", uid: 2_097_152, gid: 65_534 },
        dir("c", { uid: 3_000_000_000, gid: 1 }),
        { path: "d", type: "symlink", link: "a", uid: 70_000, gid: 2_097_151 },
      ],
    ],
    { a: contentOf("") },
  ],
  "extended attributes": [
    [
      [
        {
          path: "cap",
          content: "x",
          uid: 12,
          mode: 0o755,
          xattrs: {
            "security.capability": "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            "user.binary": "\0\n=\xff\xfe",
            "user.100%": "odd",
            "user.a%25b%3D": "odder",
            "trusted.md": "t",
          },
        },
        dir("d", { xattrs: { "user.dir": "yes", "trusted.x": "\0" } }),
        { path: "big", xattrs: { "user.big": "0123456789".repeat(300) } },
      ],
    ],
    { cap: contentOf("x") },
  ],
  "attributes of overlayfs and of the host": [
    [
      [dir("d"), { path: "d/below" }],
      [
        dir("d", { xattrs: { "trusted.overlay.opaque": "y", "user.overlay.opaque": "y", "security.selinux": "s" } }),
        { path: "d/r", xattrs: { "trusted.overlay.redirect": "/d/below", "trusted.overlay.metacopy": "" } },
      ],
    ],
    { "d/below": contentOf("") },
  ],
  "names that are not UTF-8, long, or look like options": [
    [
      [
        { path: "caf\xe9", content: "1" },
        dir("\xff\xfe"),
        { path: "\xff\xfe/-rf" },
        { path: "--checkpoint-action=exec=sh" },
        { path: " a\nb\\n* ?[]" },
        { path: "n".repeat(255) },
        dir("d".repeat(200)),
        { path: `${"d".repeat(200)}/${"e".repeat(200)}`, type: "symlink", link: "t".repeat(1000) },
        { path: `${"d".repeat(200)}/target` },
        { path: "later", type: "hardlink", link: `${"d".repeat(200)}/target` },
      ],
    ],
    { "caf\xe9": contentOf("1") },
  ],
  "an empty layer in between": [
    [[{ path: "a" }], [], [dir("")], [{ path: "b" }]],
    { a: contentOf(""), b: contentOf("") },
  ],
  "a layer that comes twice": [
    [
      [{ path: "a", content: "1" }, dir("d"), { path: "d/x" }],
      [{ path: "a", content: "2" }, { path: "d/.wh.x" }],
      [{ path: "a", content: "1" }, dir("d"), { path: "d/x" }],
    ],
    { a: contentOf("1"), "d/x": contentOf("") },
  ],
};

describe.skipIf(!canMount() || toolMissing("unshare") || toolMissing("python3"))("snapshots", () => {
  test.each(Object.entries(STACKS))("show the tree of the layers: %s", async (_name, [layers, some]) => {
    const { overlay, tree } = await bothViews(
      await newStore(),
      layers.map((members) => tarOf(members)),
    );
    expect(overlay).toEqual(tree);
    for (const [path, content] of Object.entries(some)) expect([path, overlay[path]?.[5]]).toEqual([path, content]);
  });

  test("can be more than a hundred, and more than overlayfs takes", async () => {
    const layer = (i: number): Buffer =>
      tarOf([
        dir("d", { mtime: i }),
        { path: `d/${i}`, content: String(i) },
        { path: "d/same", content: String(i) },
        ...(i % 7 === 6 ? [{ path: `d/.wh.${i - 3}` }] : []),
      ]);
    const store = await newStore();
    const some = await bothViews(
      store,
      Array.from({ length: 130 }, (_, i) => layer(i)),
    );
    expect(some.directories).toHaveLength(130);
    expect(some.overlay).toEqual(some.tree);
    const many = await bothViews(
      store,
      Array.from({ length: 420 }, (_, i) => layer(i)),
    );
    expect(many.directories).toHaveLength(221);
    expect(many.overlay).toEqual(many.tree);
    expect(many.overlay["d/3"]).toBeUndefined();
  }, 60_000);

  test("hold big files whole, and sparse ones", async () => {
    const content = Buffer.alloc(5_000_001, "some bytes, and again ").toString("latin1");
    const { overlay, tree } = await bothViews(await newStore(), [
      tarOf([
        { path: "big", content },
        { path: "small", content: "s" },
        { path: "other", content: content.slice(0, 1 << 20) },
      ]),
    ]);
    expect(overlay).toEqual(tree);
    const holey = join(fs.mkdtempSync("/tmp/nacre-sparse-"), "holey");
    fs.writeFileSync(holey, "");
    fs.truncateSync(holey, 3_000_000);
    const fd = fs.openSync(holey, "r+");
    fs.writeSync(fd, "data", 1_000_000);
    fs.closeSync(fd);
    const packed = spawnSync("tar", ["-cS", "-C", join(holey, ".."), "--format=pax", "holey"], { maxBuffer: 1 << 26 });
    fs.rmSync(join(holey, ".."), { recursive: true });
    const sparse = await bothViews(await newStore(), [packed.stdout]);
    expect(sparse.overlay).toEqual(sparse.tree);
  });

  test("are made of compressed layers too, and only once", async () => {
    const store = await newStore();
    const packed = spawnSync("gzip", ["-c"], { input: plainTarOf([{ path: "f", content: "zipped" }]) }).stdout;
    const [layer] = await putLayers(store, [packed]);
    const { snapshots, close } = snapshotsOf(store);
    const [first] = await snapshots.directories([layer!]);
    expect(fs.readFileSync(join(first!, "f"), "utf8")).toBe("zipped");
    const before = fs.statSync(first!).ino;
    const both = await Promise.all([snapshots.directories([layer!]), snapshots.directories([layer!])]);
    expect(both).toEqual([[first], [first]]);
    expect(fs.statSync(first!).ino).toBe(before);
    close();
  });

  test("of a layer are shared by all stacks, unless it depends on what is below", async () => {
    const store = await newStore();
    const [a, b, plain, dependent] = await putLayers(store, [
      tarOf([dir("d", { mode: 0o700 }), { path: "a" }]),
      tarOf([dir("d", { mode: 0o711 }), { path: "b" }]),
      tarOf([{ path: "f" }]),
      tarOf([{ path: "d/f" }]),
    ]);
    const { snapshots, close } = snapshotsOf(store);
    const [onA, onB] = [await snapshots.directories([a!, plain!]), await snapshots.directories([b!, plain!])];
    expect(onA[0]).toBe(onB[0]);
    const [overA, overB] = [
      await snapshots.directories([a!, dependent!]),
      await snapshots.directories([b!, dependent!]),
    ];
    expect(overA[0]).not.toBe(overB[0]);
    expect([overA[0]!, overB[0]!].map((path) => fs.statSync(join(path, "d")).mode & 0o777)).toEqual([0o700, 0o711]);
    close();
  });

  test("without devices and owners leave those out", async () => {
    const hand = { ...ROOT, flavour: "poor1", devices: false, singleId: true };
    const store = await newStore();
    const layers = [
      tarOf([
        dir("dev"),
        { path: "dev/null", type: "char", devMajor: 1, devMinor: 3 },
        { path: "f", uid: 5, gid: 6, mode: 0o4755 },
      ]),
      tarOf([{ path: ".wh.f" }, dir("dev")]),
    ];
    const { overlay } = await bothViews(store, layers.slice(0, 1), hand);
    expect(Object.keys(overlay).sort()).toEqual(["dev", "f"]);
    expect(overlay.f!.slice(0, 4)).toEqual(["file", 0o4755, 0, 0]);
    expect(Object.keys((await bothViews(store, layers, hand)).overlay)).toEqual(["dev"]);
  });

  test("for overlays of a user namespace have their marks in the name space that those read", async () => {
    const store = await newStore();
    const layers = await putLayers(store, [
      tarOf([dir("d"), { path: "d/below" }, dir("e"), { path: "e/gone" }]),
      tarOf([dir("d", { xattrs: { "user.k": "v" } }), { path: "d/.wh..wh..opq" }, dir("e"), { path: "e/.wh.gone" }]),
    ]);
    const { snapshots, open, close } = snapshotsOf(store, { ...ROOT, flavour: "user1", overlayXattrs: "user" });
    const directories = await snapshots.directories(layers);
    expect(overlayView(directories, ",userxattr")).toEqual(treeView(await open.tree(layers)));
    close();
  });

  test("of the upper directory of a RUN take its place", async () => {
    const store = await newStore();
    const [base, layer] = await putLayers(store, [
      tarOf([dir("d"), { path: "d/old" }]),
      tarOf([dir("d"), { path: "d/new", content: "made" }]),
    ]);
    const upper = join(store.path, "tmp", "upper");
    fs.mkdirSync(join(upper, "d"), { recursive: true });
    fs.writeFileSync(join(upper, "d", "new"), "made");
    const { ino } = fs.statSync(upper);
    const { snapshots, close } = snapshotsOf(store);
    expect(await snapshots.adopt(layer!.diffId, [base!], upper)).toBe(true);
    expect(fs.existsSync(upper)).toBe(false);
    expect(fs.statSync((await snapshots.directories([base!, layer!]))[0]!).ino).toBe(ino);
    fs.mkdirSync(upper);
    expect(await snapshots.adopt(layer!.diffId, [base!], upper)).toBe(false);
    expect(fs.existsSync(upper)).toBe(true);
    close();
  });

  test("of a damaged layer are refused, and nothing is left of them", async () => {
    const store = await newStore();
    const [cut, gone, changed] = await putLayers(store, [
      tarOf([{ path: "a", content: "a".repeat(100_000) }]),
      tarOf([{ path: "b", content: "b" }]),
      tarOf([{ path: "c", content: "c".repeat(100_000) }]),
    ]);
    const blob = (layer: typeof cut) => store.blobPath(layer!.diffId);
    fs.chmodSync(blob(cut), 0o600);
    fs.truncateSync(blob(cut), 50_000);
    fs.rmSync(blob(gone));
    fs.chmodSync(blob(changed), 0o600);
    const fd = fs.openSync(blob(changed), "r+");
    fs.writeSync(fd, "X", 70_000);
    fs.closeSync(fd);
    const { snapshots, close } = snapshotsOf(store);
    for (const layer of [cut!, gone!, changed!]) {
      await expect(snapshots.directories([layer])).rejects.toMatchObject({ code: "CONTENT_INVALID" });
    }
    expect(store.snapshots.names()).toEqual([]);
    expect(fs.readdirSync(join(store.path, "tmp")).filter((name) => name.startsWith("t."))).toEqual([]);
    close();
  });

  test("in the making are given up when they are not wanted any more", async () => {
    const store = await newStore();
    const [layer] = await putLayers(store, [tarOf([{ path: "a", content: "a".repeat(30_000_000) }])]);
    const { snapshots, close } = snapshotsOf(store);
    const controller = new AbortController();
    const stopped = snapshots.directories([layer!], {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    const waiting = snapshots.directories([layer!]);
    await expect(stopped).rejects.toMatchObject({ code: "CANCELLED" });
    // Another step that waits for the same is not stopped with it.
    expect(fs.statSync(join((await waiting)[0]!, "a")).size).toBe(30_000_000);
    expect(fs.readdirSync(join(store.path, "tmp")).filter((name) => name.startsWith("t."))).toEqual([]);
    close();
  });

  test("are used again by the next process", async () => {
    const store = await newStore();
    const [layer] = await putLayers(store, [tarOf([{ path: "a" }])]);
    const first = snapshotsOf(store);
    const made = await first.snapshots.directories([layer!]);
    first.close();
    const second = snapshotsOf(store);
    fs.rmSync(store.blobPath(layer!.diffId));
    expect(await second.snapshots.directories([layer!])).toEqual(made);
    expect(overlayView(made)).toEqual(treeView(await second.open.tree([layer!])));
    second.close();
  });
});
