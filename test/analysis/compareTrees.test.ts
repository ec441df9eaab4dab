import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChangeList, type FileChange } from "../../src/analysis/changeList.js";
import { findMoves, sumChanges } from "../../src/analysis/changeTotals.js";
import { compareTrees, type TreeComparison } from "../../src/analysis/compareTrees.js";
import { linkDifferences } from "../../src/analysis/linkDifferences.js";
import { pairStacks, treeOfIndexes } from "../../src/analysis/stackLookup.js";
import { pathOf, walkTree } from "../../src/layer/fileTree.js";
import type { LayerIndex } from "../../src/layer/layerIndex.js";
import type { LayerTree, MergedNode } from "../../src/layer/layerTree.js";
import { indexOf, type Member, tarOf } from "../layer/helpers.js";

type Layers = readonly (readonly Member[])[];
const indexesOf = (layers: Layers): LayerIndex[] => layers.map((members) => indexOf(tarOf(members)).index);

/** All differences of two images that begin with the same layers. */
function listOf(shared: Layers, ownA: Layers, ownB: Layers, options: TreeComparison = {}): ChangeList {
  const { a, b } = pairStacks(indexesOf(shared), indexesOf(ownA), indexesOf(ownB));
  const list = new ChangeList({ a, b, firstA: 0, firstB: 0, own: options.own ?? false });
  const links = options.own ? undefined : linkDifferences(a, b);
  compareTrees(a, b, (difference) => list.add(difference), { links, ...options });
  return list;
}

const line = ({ kind, path, reasons }: FileChange): string =>
  `${{ added: "+", removed: "-", changed: "~", unsettled: "?" }[kind]} ${path}${reasons.length > 0 ? ` ${reasons}` : ""}`;
const lines = (...parameters: Parameters<typeof listOf>): string[] => [...listOf(...parameters)].map(line);

describe("two stacks", () => {
  test("differ in type, content, mode, owner, link, xattr, device, hard links; in times on demand", () => {
    const before: Member[] = [
      { path: "content", content: "a" },
      { path: "device", type: "char", devMajor: 1, devMinor: 3 },
      { path: "group", gid: 1 },
      { path: "hard1", content: "h" },
      { path: "hard2", content: "h" },
      { path: "late", mtime: 1 },
      { path: "link", type: "symlink", link: "x", mode: 0o777 },
      { path: "many", content: "many", mode: 0o755, uid: 5 },
      { path: "mode", mode: 0o755 },
      { path: "same", content: "same" },
      { path: "type" },
      { path: "xattr", xattrs: { "user.a": "1" } },
    ];
    const after: Member[] = [
      { path: "content", content: "b" },
      { path: "device", type: "char", devMajor: 1, devMinor: 5 },
      { path: "group", gid: 2 },
      { path: "hard1", content: "h" },
      { path: "hard2", type: "hardlink", link: "hard1" },
      { path: "late", mtime: 2 },
      { path: "link", type: "symlink", link: "y", mode: 0o755 },
      { path: "many", content: "less" },
      { path: "mode", mode: 0o4755 },
      { path: "same", content: "same" },
      { path: "type/in" },
      { path: "xattr", xattrs: { "user.a": "2" } },
    ];
    const expected = [
      ...["~ content content", "~ device device", "~ group owner", "~ hard1 hardlink", "~ hard2 hardlink"],
      ...["~ link link", "~ many content,mode,owner", "~ mode mode", "~ type type", "+ type/in", "~ xattr xattr"],
    ];
    expect(lines([], [before], [after])).toEqual(expected);
    const timed = [...expected.slice(0, 5), "~ late time", ...expected.slice(5)];
    expect(lines([], [before], [after], { times: true })).toEqual(timed);
  });

  test("tell of everything below a directory that is new, gone or another thing now", () => {
    const a = [{ path: "gone/deep/x" }, { path: "turned/y" }];
    const b = [{ path: "fresh/z", content: "z" }, { path: "turned" }];
    expect(lines([], [a], [b])).toEqual([
      ...["+ fresh", "+ fresh/z", "- gone", "- gone/deep", "- gone/deep/x", "~ turned type", "- turned/y"],
    ]);
  });

  test("are seen through whiteouts, opaque directories and parents that are symlinks", () => {
    const base = [
      { path: "usr/bin/a", content: "a" },
      { path: "bin", type: "symlink" as const, link: "usr/bin" },
      { path: "d/one" },
      { path: "d/two" },
    ];
    expect(lines([base], [], [[{ path: ".wh.d" }]])).toEqual(["- d", "- d/one", "- d/two"]);
    expect(lines([base], [], [[{ path: "d/.wh..wh..opq" }, { path: "d/two" }]])).toEqual(["- d/one"]);
    expect(lines([base], [], [[{ path: "bin/a", content: "b" }, { path: "bin/c" }]])).toEqual([
      ...["~ usr/bin/a content", "+ usr/bin/c"],
    ]);
    expect(lines([base], [[{ path: ".wh.d" }]], [[{ path: "d/.wh.one" }, { path: "d/.wh.two" }]])).toEqual(["+ d"]);
  });

  test("do not differ where layers say the same in other words", () => {
    const whole = [
      { path: "a/b", content: "1" },
      { path: "c", content: "2" },
    ];
    expect(
      lines(
        [],
        [whole],
        whole.map((member) => [member]),
      ),
    ).toEqual([]);
    expect(lines([], [[...whole, { path: "x" }], [{ path: ".wh.x" }]], [whole])).toEqual([]);
    expect(lines([whole], [whole], [])).toEqual([]);
  });

  test("take hard links into lower layers for what they lead to", () => {
    const base = [{ path: "f", content: "one" }];
    const link = [{ path: "g", type: "hardlink" as const, link: "f" }];
    expect(lines([base], [link], [[{ path: "g", content: "one" }]])).toEqual(["~ f hardlink", "~ g hardlink"]);
    expect(lines([], [base, link], [[{ path: "f", content: "two" }], link])).toEqual(["~ f content", "~ g content"]);
  });

  test("an image without layers has an empty root", () => {
    expect(lines([], [], [])).toEqual([]);
    expect(lines([], [], [[{ path: "x" }]])).toEqual(["+ x"]);
    expect(lines([], [[{ path: "", type: "dir", mode: 0o700 }]], [])).toEqual(["~  mode"]);
  });
});

describe("over shared layers that are not read", () => {
  const unread = { unread: true };

  test("what both have is compared, what one has is unsettled", () => {
    const a = [{ path: "app/x", content: "1" }, { path: "app/only" }];
    const b = [{ path: "app/x", content: "2" }, { path: "new" }];
    expect(lines([], [a], [b], unread)).toEqual(["~ app/x content", "? app/only unread", "? new unread"].sort(byPath));
  });

  test("what an opaque directory or a replaced one hides is certain", () => {
    const a = [{ path: "d/" }, { path: "d/.wh..wh..opq" }, { path: "d/x" }];
    const b = [{ path: "d/" }, { path: "d/.wh..wh..opq" }, { path: "d/y" }];
    expect(lines([], [a], [b], unread)).toEqual(["- d/x", "+ d/y"]);
    expect(lines([], [a], [[{ path: "d/" }]], unread)).toEqual(["? d unread", "? d/x unread"]);
    expect(lines([], [[{ path: ".wh.gone" }]], [[]], unread)).toEqual(["? gone unread"]);
    expect(lines([], [[{ path: ".wh.gone" }]], [[{ path: ".wh.gone" }]], unread)).toEqual([]);
    expect(lines([], [[{ path: ".wh.d" }]], [[{ path: "d/" }, { path: "d/x" }]], unread)).toEqual([
      ...["+ d unread", "? d/x unread"].map((text) => text.replace("? d/x unread", "+ d/x")),
    ]);
  });
});

const byPath = (one: string, other: string): number => (one.slice(2) < other.slice(2) ? -1 : 1);

describe("layers by what they list", () => {
  test("whiteouts, opaque directories and targets of hard links count, implied directories do not", () => {
    const a = [{ path: ".wh.x" }, { path: "d/f" }, { path: "o/" }, { path: "p", type: "hardlink" as const, link: "q" }];
    const b = [
      { path: "d/" },
      { path: "d/f" },
      { path: "o/.wh..wh..opq" },
      { path: "o/" },
      { path: "p", type: "hardlink" as const, link: "r" },
      { path: "x" },
    ];
    expect(lines([], [a], [b], { own: true })).toEqual(["~ o opaque", "~ p hardlink", "~ x type"]);
    expect(lines([], [a], [], { own: true })).toEqual(["- d/f", "- o", "- p", "- x"]);
  });
});

describe("sums", () => {
  test("count what is below each folder, the largest difference first", () => {
    const a = [
      { path: "usr/lib/x", content: "1234567890" },
      { path: "etc/y", content: "12" },
    ];
    const b = [
      { path: "usr/lib/deep/z", content: "1" },
      { path: "etc/y", content: "123" },
      { path: "top", content: "1" },
    ];
    const { totals, folders } = sumChanges(listOf([], [a], [b]), 2);
    expect(totals).toEqual({
      ...{ added: 3, removed: 1, changed: 1, unsettled: 0, addedBytes: 2, removedBytes: 10, changedBytes: 1 },
      ...{ delta: -7, isComplete: true },
    });
    expect(folders.map(({ path, delta }) => [path, delta])).toEqual([
      ...[
        ["usr/lib", -9],
        ["", 1],
        ["etc", 1],
      ],
    ]);
    expect(sumChanges(listOf([], [a], [b]), 0).folders).toMatchObject([{ path: "", delta: -7, added: 3 }]);
  });

  test("content that stands elsewhere now has moved, best under its own name", () => {
    const text = "the same content, long enough";
    const a = [
      { path: "a/one", content: text },
      { path: "a/two", content: text },
      { path: "b", content: "tiny" },
    ];
    const b = [
      { path: "c/two", content: text },
      { path: "c/zero", content: text },
      { path: "d", content: "tiny" },
    ];
    const list = listOf([], [a], [b]);
    list.setMoves(findMoves(list));
    expect([...list].filter(({ moved }) => moved).map(({ path, moved }) => `${path} ${moved}`)).toEqual([
      ...["a/one c/zero", "a/two c/two", "c/two a/two", "c/zero a/one"],
    ]);
    expect(list.moves).toBe(2);
  });
});

/** The model: both merged trees as a map of lines, compared line by line. */
function modelOf(layers: readonly LayerIndex[]): Map<string, string> {
  const tree: LayerTree = treeOfIndexes(layers);
  const found = new Map<string, string>();
  const names = new Map<unknown, string[]>();
  const nodes: MergedNode[] = [];
  walkTree(tree, tree.root, (node) => nodes.push(node as MergedNode) > 0);
  for (const node of nodes) {
    if (node.inode === undefined) continue;
    const list = names.get(node.inode) ?? [];
    list.push(pathOf(node));
    names.set(node.inode, list);
  }
  for (const node of nodes) {
    const { type, mode, uid, size, link } = node;
    const digest = type === "file" ? tree.digest(node) : "";
    const linked = node.inode === undefined ? [] : (names.get(node.inode) ?? []);
    const group = linked.length > 1 ? linked.sort().join(":") : "";
    found.set(pathOf(node), JSON.stringify([type, type === "symlink" ? 0 : mode, uid, size, link, digest, group]));
  }
  return found;
}

describe("the comparison of any stacks", () => {
  const name = fc.constantFrom("a", "b", "c");
  const content = fc.constantFrom("x", "yy");
  const member: fc.Arbitrary<Member> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.array(name, { minLength: 1, maxLength: 3 }), content, fc.constantFrom(0o644, 0o600))
        .map(([parts, text, mode]): Member => ({ path: parts.join("/"), content: text, mode })),
    },
    fc.array(name, { minLength: 1, maxLength: 3 }).map((parts): Member => ({ path: `${parts.join("/")}/` })),
    fc
      .array(name, { maxLength: 2 })
      .chain((parts) =>
        fc.constantFrom(".wh.a", ".wh.b", ".wh..wh..opq").map((last): Member => ({ path: [...parts, last].join("/") })),
      ),
    fc
      .tuple(fc.array(name, { minLength: 1, maxLength: 2 }), fc.array(name, { minLength: 1, maxLength: 2 }))
      .map(([parts, target]): Member => ({ path: parts.join("/"), type: "hardlink", link: target.join("/") })),
  );
  /** Members that no file system can hold together are left out, and hard links that lead nowhere in their layer. */
  const layer = fc.array(member, { maxLength: 8 }).map((members) => {
    const kept: Member[] = [];
    for (const one of members) {
      const path = one.path.replace(/\/$/, "");
      const isDirectory = one.path.endsWith("/");
      const clash = kept.some((other) => {
        const theirs = other.path.replace(/\/$/, "");
        if (theirs === path) return other.path.endsWith("/") !== isDirectory || one.type === "hardlink";
        return (path.startsWith(`${theirs}/`) && !other.path.endsWith("/")) || theirs.startsWith(`${path}/`);
      });
      const isLost =
        one.type === "hardlink" &&
        !kept.some((other) => other.path === one.link && other.type === undefined && !other.path.includes(".wh."));
      if (!clash && !isLost) kept.push(one);
    }
    return kept;
  });
  const layers = fc.array(layer, { maxLength: 3 });

  test("finds the paths that a comparison of the whole trees finds, in order, and no other", () => {
    fc.assert(
      fc.property(layers, layers, layers, (shared, ownA, ownB) => {
        const { a, b } = pairStacks(indexesOf(shared), indexesOf(ownA), indexesOf(ownB));
        const [modelA, modelB] = [modelOf(a), modelOf(b)];
        const all = [...new Set([...modelA.keys(), ...modelB.keys()])].sort(inIndexOrder);
        const expected = all
          .filter((path) => modelA.get(path) !== modelB.get(path))
          .map((path) => `${!modelA.has(path) ? "+" : !modelB.has(path) ? "-" : "~"} ${path}`);
        const list = listOf(shared, ownA, ownB);
        expect([...list].map((one) => line({ ...one, reasons: [] }))).toEqual(expected);
      }),
      { numRuns: 1500 },
    );
  });

  test("over unread layers says nothing for certain that is wrong, and misses nothing that the layers above tell of", () => {
    fc.assert(
      fc.property(layer, layers, layers, (shared, ownA, ownB) => {
        const whole = new Map([...listOf([shared], ownA, ownB)].map((change) => [change.path, change.kind]));
        const blind = [...listOf([], ownA, ownB, { unread: true, links: undefined })];
        for (const { kind, path, reasons } of blind) {
          if (kind === "unsettled" || reasons.includes("unread")) continue;
          expect([path, whole.get(path)]).toEqual([path, kind]);
        }
        const told = blind.map(({ path }) => path);
        const isAbove = (one: string, other: string): boolean => one === "" || other.startsWith(`${one}/`);
        const isTold = (path: string): boolean =>
          told.some((other) => path === other || isAbove(other, path) || isAbove(path, other));
        const linked = linkDifferences(...stacksOf(shared, ownA, ownB));
        for (const path of whole.keys()) if (!linked.has(path)) expect([path, isTold(path)]).toEqual([path, true]);
      }),
      { numRuns: 1000 },
    );
  });
});

function stacksOf(
  shared: readonly Member[],
  ownA: Layers,
  ownB: Layers,
): [readonly LayerIndex[], readonly LayerIndex[]] {
  const { a, b } = pairStacks(indexesOf([shared]), indexesOf(ownA), indexesOf(ownB));
  return [a, b];
}

/** A directory before what is in it, names in byte order. */
function inIndexOrder(one: string, other: string): number {
  const [a, b] = [one.split("/"), other.split("/")];
  if (one === "" || other === "") return one.length - other.length;
  for (let at = 0; at < Math.min(a.length, b.length); at++) if (a[at] !== b[at]) return a[at]! < b[at]! ? -1 : 1;
  return a.length - b.length;
}
