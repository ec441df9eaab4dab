import { describe, expect, test } from "vitest";
import { type CopyRules, copyInto } from "../../src/compose/copy.js";
import { OutTree } from "../../src/compose/outTree.js";
import { excludeFilter } from "../../src/context/exclude.js";
import { selectSources } from "../../src/context/select.js";
import { parseChmod } from "../../src/plan/chmod.js";
import { type Member, treeOf } from "../layer/helpers.js";

/** Copies words from a tree onto a base; gives the entries of the new layer. */
function copy(
  words: readonly string[],
  destination: string,
  options: Partial<CopyRules> & { readonly from: readonly Member[]; readonly base?: readonly Member[] },
): string[] {
  const { from, base = [], ...rules } = options;
  const out = new OutTree(treeOf(base));
  const tree = treeOf(from);
  for (const word of words) {
    copyInto(
      out,
      { tree, matches: selectSources(tree, word) },
      { owner: undefined, chmod: undefined, destination, now: 99, ...rules },
    );
  }
  const lines: string[] = [];
  for (const [path, meta] of out.entries())
    lines.push(
      `${path} ${meta.type} ${meta.mode.toString(8)} ${meta.uid}:${meta.gid}${meta.link ? ` -> ${meta.link}` : ""}`,
    );
  return lines;
}

const FROM: Member[] = [
  { path: "f", content: "F", mode: 0o600, uid: 5, gid: 6 },
  { path: "g", content: "G" },
  { path: "d/", mode: 0o700, uid: 7 },
  { path: "d/in", mode: 0o755 },
  { path: "d/sub/", mode: 0o711 },
  { path: "d/sub/deep" },
  { path: "link", type: "symlink", link: "d" },
  { path: "dangling", type: "symlink", link: "nowhere" },
];

describe("where a file goes", () => {
  test.each<[string, string, Member[], string[]]>([
    ["a new name is the file's name", "/x", [], ["x file 600 5:6"]],
    ["a trailing slash makes a directory", "/x/", [], ["x dir 755 0:0", "x/f file 600 5:6"]],
    [
      "an existing directory takes the file",
      "/x",
      [{ path: "x/", mode: 0o750, uid: 3 }],
      ["x dir 750 3:0", "x/f file 600 5:6"],
    ],
    ["missing parents are root's, 0755", "/a/b/x", [], ["a dir 755 0:0", "a/b dir 755 0:0", "a/b/x file 600 5:6"]],
    [
      "a symlink to a directory is followed",
      "/l/",
      [{ path: "real/" }, { path: "l", type: "symlink", link: "/real" }],
      ["real dir 755 0:0", "real/f file 600 5:6"],
    ],
    [
      "a dangling symlink's target is made",
      "/l/",
      [{ path: "l", type: "symlink", link: "made/here" }],
      ["made dir 755 0:0", "made/here dir 755 0:0", "made/here/f file 600 5:6"],
    ],
    [
      "a destination that is a symlink to a file is followed",
      "/x",
      [{ path: "x", type: "symlink", link: "y" }, { path: "y" }],
      ["y file 600 5:6"],
    ],
    [
      "a symlink of the file's name inside a directory is replaced, not written through",
      "/d/",
      [{ path: "d/" }, { path: "d/f", type: "symlink", link: "y" }],
      ["d dir 755 0:0", "d/f file 600 5:6"],
    ],
  ])("%s", (_, destination, base, expected) => {
    expect(copy(["f"], destination, { from: FROM, base })).toEqual(expected);
  });

  test("a file cannot take a directory's place", () => {
    expect(() => copy(["f"], "/x/", { from: FROM, base: [{ path: "x/f/" }] })).toThrow(
      /cannot replace to directory \/x\/f with file/,
    );
  });

  test("several sources without a slash overwrite each other, as BuildKit has it", () => {
    expect(copy(["f", "g"], "/x", { from: FROM })).toEqual(["x file 644 0:0"]);
  });
});

describe("what a directory brings", () => {
  test("its contents, never itself: a new destination is 0755 root whatever the source", () => {
    expect(copy(["d"], "/x", { from: FROM })).toEqual([
      "x dir 755 0:0",
      "x/in file 755 0:0",
      "x/sub dir 711 0:0",
      "x/sub/deep file 644 0:0",
    ]);
  });

  test("an existing destination keeps its mode, existing directories below take the source's", () => {
    const base: Member[] = [
      { path: "x/", mode: 0o555 },
      { path: "x/sub/", mode: 0o500, uid: 9 },
      { path: "x/sub/old" },
    ];
    expect(copy(["d/"], "/x", { from: FROM, base })).toEqual([
      "x dir 555 0:0",
      "x/in file 755 0:0",
      "x/sub dir 711 0:0",
      "x/sub/deep file 644 0:0",
    ]);
  });

  test("onto a file it is refused", () => {
    expect(() => copy(["d"], "/x", { from: FROM, base: [{ path: "x" }] })).toThrow(/cannot copy to non-directory/);
  });

  test("a symlinked source is followed, links below are kept", () => {
    expect(copy(["link"], "/x", { from: FROM })).toContain("x/in file 755 0:0");
    expect(copy(["."], "/x/", { from: FROM })).toEqual(
      expect.arrayContaining(["x/dangling symlink 644 0:0 -> nowhere", "x/link symlink 644 0:0 -> d"]),
    );
  });

  test("names that two source words share are links of each other only within a word", () => {
    const from: Member[] = [{ path: "d/a" }, { path: "d/b", type: "hardlink", link: "d/a" }];
    const out = new OutTree(treeOf([]));
    const tree = treeOf(from);
    copyInto(
      out,
      { tree, matches: selectSources(tree, "d") },
      { owner: undefined, chmod: undefined, destination: "/x", now: 0 },
    );
    copyInto(
      out,
      { tree, matches: selectSources(tree, "d/b") },
      { owner: undefined, chmod: undefined, destination: "/y/", now: 0 },
    );
    const inodes: unknown[] = [];
    for (const [, meta] of out.entries()) if (meta.type === "file") inodes.push(meta.inode);
    expect(inodes[0]).toBe(inodes[1]);
    expect(inodes[2]).not.toBe(inodes[0]);
  });
});

describe("flags", () => {
  test("--chown owns copied entries and created parents", () => {
    expect(copy(["d"], "/n/x", { from: FROM, owner: { uid: 1, gid: 2 } })).toEqual([
      "n dir 755 1:2",
      "n/x dir 755 1:2",
      "n/x/in file 755 1:2",
      "n/x/sub dir 711 1:2",
      "n/x/sub/deep file 644 1:2",
    ]);
  });

  test("an octal --chmod reaches created parents and directories, but no symlink", () => {
    expect(copy(["."], "/n/", { from: FROM.slice(-1), chmod: parseChmod("640") })).toEqual([
      "n dir 640 0:0",
      "n/dangling symlink 644 0:0 -> nowhere",
    ]);
    expect(copy(["d"], "/n", { from: FROM, chmod: parseChmod("0644") })).toEqual([
      "n dir 644 0:0",
      "n/in file 644 0:0",
      "n/sub dir 644 0:0",
      "n/sub/deep file 644 0:0",
    ]);
  });

  test("a symbolic --chmod works on each entry's own mode and leaves created parents alone", () => {
    expect(copy(["d"], "/n", { from: FROM, chmod: parseChmod("go=u,a-w,u+X") })).toEqual([
      "n dir 755 0:0",
      "n/in file 555 0:0",
      "n/sub dir 555 0:0",
      "n/sub/deep file 444 0:0",
    ]);
  });

  test("--exclude leaves out what matches below a source directory, not a source that is a file", () => {
    expect(copy(["d"], "/x", { from: FROM, include: excludeFilter(["sub", "!sub/deep"]) })).toEqual([
      "x dir 755 0:0",
      "x/in file 755 0:0",
      "x/sub dir 711 0:0",
      "x/sub/deep file 644 0:0",
    ]);
    expect(copy(["d"], "/x", { from: FROM, include: excludeFilter(["**/deep", "in"]) })).toEqual([
      "x dir 755 0:0",
      "x/sub dir 711 0:0",
    ]);
    expect(copy(["f"], "/x", { from: FROM, include: excludeFilter(["f"]) })).toEqual(["x file 600 5:6"]);
  });
});

describe("source words", () => {
  const names = (word: string): string[] => selectSources(treeOf(FROM), word).map(({ name }) => name);
  test.each([
    ["../f", ["f"]],
    ["/./d/../f", ["f"]],
    ["?", ["d", "f", "g"]],
    ["[f-g]", ["f", "g"]],
    ["[^f]", ["d", "g"]],
    ["d/*", ["in", "sub"]],
    ["nothing*", []],
    ["nowhere/*", []],
    ["\\f*", ["f"]],
  ])("%s selects %j", (word, expected) => {
    expect(names(word)).toEqual(expected);
  });

  test("a missing name is an error with the nearest one", () => {
    expect(() => names("d/inn")).toThrow(
      expect.objectContaining({ code: "SOURCE_NOT_FOUND", message: '"/d/inn": not found', hint: "did you mean d/in?" }),
    );
  });

  test("a name that would leave the root says so", () => {
    expect(() => names("../../secret")).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("would leave the root") }),
    );
  });

  test("a dangling symlink is missing, even through a wildcard", () => {
    expect(() => names("dangling")).toThrow(/not found/);
    expect(() => names("dangl*")).toThrow(/not found/);
  });

  test("a malformed pattern is an error", () => {
    expect(() => names("[a")).toThrow(/malformed wildcard/);
  });
});
