import { describe, expect, test } from "vitest";
import { lookup, resolvePath } from "../../src/layer/fileTree.js";
import { listTree, readContent, treeOf } from "./helpers.js";

describe("the merged tree", () => {
  test("upper layers add, replace and remove", () => {
    const tree = treeOf(
      [
        { path: "keep", content: "1" },
        { path: "gone", content: "2" },
        { path: "d/" },
        { path: "d/low", content: "3" },
        { path: "f2d", content: "4" },
      ],
      [
        { path: ".wh.gone" },
        { path: "keep", content: "new", mode: 0o600 },
        { path: "d/up", content: "5" },
        { path: "f2d/" },
        { path: "f2d/in", content: "6" },
      ],
    );
    expect(listTree(tree)).toEqual([
      "d dir 755 0:0",
      "d/low file 644 0:0 3",
      "d/up file 644 0:0 5",
      "f2d dir 755 0:0",
      "f2d/in file 644 0:0 6",
      "keep file 600 0:0 new",
    ]);
  });

  test("an opaque directory hides what is below, not what is beside", () => {
    const tree = treeOf([{ path: "d/old" }, { path: "d/sub/old" }], [{ path: "d/.wh..wh..opq" }, { path: "d/new" }]);
    expect(listTree(tree)).toEqual(["d dir 755 0:0", "d/new file 644 0:0 "]);
  });

  test("a removed directory that a later layer makes again starts empty", () => {
    const tree = treeOf([{ path: "d/old" }], [{ path: ".wh.d" }], [{ path: "d/new" }]);
    expect(listTree(tree)).toEqual(["d dir 755 0:0", "d/new file 644 0:0 "]);
  });

  test("a directory that becomes a file and a directory again has nothing of the first", () => {
    const tree = treeOf(
      [{ path: "d/old" }],
      [{ path: "d", content: "file" }],
      [{ path: "d/", mode: 0o700 }, { path: "d/new" }],
    );
    expect(listTree(tree)).toEqual(["d dir 700 0:0", "d/new file 644 0:0 "]);
  });

  test("implied parents take their metadata from below", () => {
    const tree = treeOf([{ path: "d/", mode: 0o2775, uid: 7 }], [{ path: "d/f" }]);
    expect(listTree(tree)[0]).toBe("d dir 2775 7:0");
  });

  test("a layer that writes through a symlink of a lower one lands where that leads", () => {
    const tree = treeOf(
      [
        { path: "usr/" },
        { path: "usr/lib/" },
        { path: "lib", type: "symlink", link: "usr/lib" },
        { path: "usr/lib/old" },
      ],
      [{ path: "lib/new", content: "x" }, { path: "lib/.wh.old" }],
    );
    expect(listTree(tree)).toEqual([
      "lib symlink 644 0:0 -> usr/lib",
      "usr dir 755 0:0",
      "usr/lib dir 755 0:0",
      "usr/lib/new file 644 0:0 x",
    ]);
  });

  test("a layer that lists the directory itself replaces the symlink", () => {
    const tree = treeOf(
      [{ path: "usr/lib/" }, { path: "lib", type: "symlink", link: "usr/lib" }],
      [{ path: "lib/" }, { path: "lib/new" }],
    );
    expect(listTree(tree)).toEqual([
      "lib dir 755 0:0",
      "lib/new file 644 0:0 ",
      "usr dir 755 0:0",
      "usr/lib dir 755 0:0",
    ]);
  });

  test("names of one inode share it; a link into a lower layer is a copy", () => {
    const tree = treeOf(
      [{ path: "low", content: "L" }],
      [
        { path: "a", content: "A" },
        { path: "b", type: "hardlink", link: "a" },
        { path: "c", type: "hardlink", link: "low" },
      ],
    );
    const [a, b, c] = ["a", "b", "c"].map((name) => lookup(tree, name)!);
    expect(a!.inode).toBeDefined();
    expect(b!.inode).toBe(a!.inode);
    expect(c!.type).toBe("file");
    expect(readContent(tree.open(c!))).toBe("L");
  });

  test("a hard link to nothing is a damaged image", () => {
    const tree = treeOf([{ path: "a", type: "hardlink", link: "none" }]);
    expect(() => listTree(tree)).toThrow(expect.objectContaining({ code: "CONTENT_INVALID" }));
  });
});

describe("resolving paths", () => {
  const tree = treeOf([
    { path: "usr/bin/" },
    { path: "bin", type: "symlink", link: "usr/bin" },
    { path: "abs", type: "symlink", link: "/usr" },
    { path: "up", type: "symlink", link: "../../../usr/bin" },
    { path: "usr/bin/sh", type: "symlink", link: "dash" },
    { path: "usr/bin/dash" },
    { path: "dangling", type: "symlink", link: "nowhere/x" },
    { path: "loop", type: "symlink", link: "loop" },
  ]);
  test.each([
    ["bin/dash", "usr/bin/dash"],
    ["abs/bin/../bin/dash", "usr/bin/dash"],
    ["up/dash", "usr/bin/dash"],
    ["../../bin", "usr/bin"],
    ["bin/sh", "usr/bin/dash"],
    ["dangling/y", "nowhere/x/y"],
    ["bin/new/file", "usr/bin/new/file"],
  ])("%s leads to %s", (path, real) => {
    expect(resolvePath(tree, path, true).path).toBe(real);
  });

  test("the last symlink is followed only where asked for", () => {
    expect(resolvePath(tree, "bin/sh", false)).toMatchObject({ path: "usr/bin/sh", node: { type: "symlink" } });
  });

  test("a loop is an error, not a hang", () => {
    expect(() => resolvePath(tree, "loop/x", true)).toThrow(expect.objectContaining({ code: "COPY_CONFLICT" }));
  });
});
