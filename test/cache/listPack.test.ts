import * as fs from "node:fs";
import * as path from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { openPack, type Pack } from "../../src/cache/listPack.js";
import { applyPatch, makePatch } from "../../src/cache/listPatch.js";
import { rootOf, type StepRoots } from "../../src/cache/listRoots.js";
import { keyContextSources } from "../../src/cache/sources.js";
import { GatheredLists, hexOfText, readList } from "../../src/cache/stepLists.js";
import { writePack } from "../../src/cache/writePack.js";
import { openLocalContext } from "../../src/context/local.js";
import { treeDigest } from "../../src/context/treeDigest.js";
import { entryDigest, scanList } from "../../src/context/treeList.js";
import type { FileTree } from "../../src/layer/fileTree.js";
import { type Digest, digestOfHex } from "../../src/oci/digest.js";
import type { CopyStep } from "../../src/plan/graph.js";
import { Store } from "../../src/store/store.js";
import { folder, plain } from "../context/folder.js";
import { directory, memoryTree, spec } from "./memoryTree.js";

const open: Store[] = [];

afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

async function emptyStore(): Promise<Store> {
  const store = await Store.open(folder());
  open.push(store);
  return store;
}

const copyOf = (change: Partial<CopyStep>): CopyStep =>
  ({ keyword: "COPY", exclude: [], parents: false, sources: ["."], ...change }) as unknown as CopyStep;

async function rootsOf(tree: FileTree, step: Partial<CopyStep> = {}): Promise<StepRoots> {
  return (await keyContextSources(copyOf(step), tree, undefined)).lists;
}

/** A tree of `count` directories with ten files each. */
function wide(count: number, changed = -1): FileTree {
  const files = (dir: number) =>
    Object.fromEntries(
      Array.from({ length: 10 }, (_, i) => [
        `file-${i}`,
        spec({ content: `${dir} ${i} ${dir === changed && i === 3}` }),
      ]),
    );
  return memoryTree(
    directory({
      top: directory(Object.fromEntries(Array.from({ length: count }, (_, i) => [`d${i}`, directory(files(i))]))),
    }),
  );
}

/** All lists below the roots, as a pack has them. */
function listsIn(pack: { readonly roots: Pack["roots"]; bytes(hex: string): Buffer | undefined }): Map<string, string> {
  const lists = new Map<string, string>();
  const todo = pack.roots.map(({ digest }) => hexOfText(digest));
  for (let hex = todo.pop(); hex !== undefined; hex = todo.pop()) {
    const bytes = pack.bytes(hex);
    if (!bytes) throw new Error(`the list ${hex} is missing`);
    lists.set(hex, bytes.toString("hex"));
    scanList(bytes, (place) => {
      if (place.type === "dir") todo.push(entryDigest(bytes, place));
    });
  }
  return lists;
}

describe("a pack", () => {
  test("keeps every list below the roots, however they were made", async () => {
    const root = folder({ "a/b/c": "1", "a/d": "2", "e/f": "3", "g.md": "4" });
    const store = await emptyStore();
    for (const make of [async () => openLocalContext({ root }), async () => plain(await openLocalContext({ root }))]) {
      for (const step of [
        {},
        { exclude: ["*.md"] },
        { sources: ["a/b/c"], parents: true },
        { sources: ["*"] },
        { sources: ["g.md"] },
      ]) {
        const tree = await make();
        const roots = await rootsOf(tree, step);
        const pack = openPack(store, writePack(store, roots)!)!;
        expect(pack.roots.map(({ digest }) => digest)).toEqual(roots.roots.map(({ digest }) => digest));
        expect(pack.words).toEqual(roots.words);
        expect(listsIn(pack)).toEqual(listsIn(new GatheredLists(roots)));
      }
    }
  });

  test("knows how many files lie below each list, names of one content counted each", async () => {
    const twin = directory({ x: spec(), y: spec({ type: "symlink", link: "x" }), empty: directory({}) });
    const store = await emptyStore();
    const roots = await rootsOf(memoryTree(directory({ a: twin, b: twin, c: spec() })));
    const pack = openPack(store, writePack(store, roots)!)!;
    expect(pack.files(hexOfText(roots.roots[0]!.digest))).toBe(5);
  });

  test("is small where little differs from an earlier one, which need not have been full", async () => {
    const store = await emptyStore();
    const [first, second, third] = [
      await rootsOf(wide(200)),
      await rootsOf(wide(200, 7)),
      await rootsOf(wide(200, 150)),
    ];
    const full = writePack(store, first)!;
    const delta = writePack(store, second, full)!;
    const further = writePack(store, third, delta)!;
    const size = openPack(store, full)!.size;
    for (const [digest, roots] of [
      [delta, second],
      [further, third],
    ] as const) {
      const pack = openPack(store, digest)!;
      expect(pack.base?.digest).toBe(full);
      expect(pack.size).toBeLessThan(size / 50);
      expect(store.readListNode(digest)?.children).toEqual([full]);
      expect(listsIn(pack)).toEqual(listsIn(new GatheredLists(roots)));
      expect(pack.files(hexOfText(roots.roots[0]!.digest))).toBe(2000);
    }
  });

  test("is full where much differs, and where its base is gone", async () => {
    const store = await emptyStore();
    const base = writePack(store, await rootsOf(wide(20)))!;
    const other = await rootsOf(wide(40));
    expect(openPack(store, writePack(store, other, base)!)!.base).toBeUndefined();
    const missing = digestOfHex("0".repeat(64));
    expect(openPack(store, writePack(store, other, missing)!)!.base).toBeUndefined();
  });

  test("is not made of files that are not those that were keyed", async () => {
    const store = await emptyStore();
    const tree = memoryTree(directory({ a: spec() }));
    const digest = treeDigest(memoryTree(directory({ a: spec({ content: "other" }) })), tree.root);
    const root = rootOf({ kind: "word", word: 0, match: 0 }, tree, tree.root, digest.replace(/.$/, "x"));
    expect(writePack(store, { words: [{ text: "." }], roots: [root] })).toBeUndefined();
  });

  test("says as much as it can of words that have no lists", async () => {
    const store = await emptyStore();
    expect(writePack(store, { words: [], roots: [] })).toBeUndefined();
    const words = [{ text: "https://example.test/a", remote: true as const }];
    expect(openPack(store, writePack(store, { words, roots: [] })!)!.words).toEqual(words);
  });
});

describe("a damaged pack", () => {
  test("never gives a list that is not the one asked for, and never fails", async () => {
    const store = await emptyStore();
    const full = writePack(store, await rootsOf(wide(40)))!;
    const roots = await rootsOf(wide(40, 3));
    const delta = writePack(store, roots, full)!;
    const whole = listsIn(new GatheredLists(roots));
    const node = store.readListNode(delta)!;
    fc.assert(
      fc.property(fc.nat(node.content.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(3), (at, bits, cut) => {
        const bytes = Buffer.from(node.content.subarray(0, node.content.length - (cut === 0 ? at : 0)));
        if (at < bytes.length) bytes[at]! ^= bits;
        const digest = store.putList(bytes, node.children);
        const pack = openPack(store, digest);
        for (const [hex, list] of whole) {
          const found = pack?.bytes(hex);
          if (found) expect(found.toString("hex")).toBe(list);
          if (pack) readList(pack, hex);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("counts as none where it is foreign, changed on disk, or needs a base that is not full", async () => {
    const store = await emptyStore();
    const full = writePack(store, await rootsOf(wide(40)))!;
    const delta = writePack(store, await rootsOf(wide(40, 3)), full)!;
    const { content } = store.readListNode(delta)!;
    const packs = [
      store.putList(Buffer.from("anything")),
      store.putList(Buffer.from("NCP1")),
      store.putList(content),
      store.putList(content, [delta]),
      store.putList(content, [full, full]),
      store.putList(Buffer.concat([Buffer.from("NCP2"), content.subarray(4)]), [full]),
    ];
    for (const digest of packs) expect(openPack(store, digest)).toBeUndefined();
    const file = store.lists.path(full);
    fs.appendFileSync(file, "x");
    for (const digest of [full, delta]) expect(openPack(store, digest)).toBeUndefined();
    fs.rmSync(path.dirname(file), { recursive: true });
    for (const digest of [full, delta]) expect(openPack(store, digest as Digest)).toBeUndefined();
  });
});

describe("a patch", () => {
  const entries = fc.dictionary(fc.constantFrom("a", "b", "c", "d", "e", "f", "gg", "h"), fc.constantFrom("1", "2"));
  const listOf = (names: Record<string, string>): Buffer => {
    const files = Object.fromEntries(Object.entries(names).map(([name, content]) => [name, spec({ content })]));
    const tree = memoryTree(directory(files));
    const root = rootOf({ kind: "tree" }, tree, tree.root, treeDigest(tree, tree.root));
    return [...new GatheredLists({ words: [], roots: [root] }).own.values()][0]!;
  };

  test("makes the later list of the earlier one", () => {
    fc.assert(
      fc.property(entries, entries, (before, after) => {
        const [old, fresh] = [listOf(before), listOf(after)];
        expect(applyPatch(old, makePatch(old, fresh))).toEqual(fresh);
      }),
    );
  });

  test("that does not fit its list, or repeats it again and again, makes nothing", () => {
    const list = listOf({ a: "1" });
    const piece = Buffer.alloc(12);
    piece.writeUInt32BE(list.length + 1, 4);
    expect(applyPatch(list, piece)).toBeUndefined();
    piece.writeUInt32BE(list.length, 4);
    expect(applyPatch(list, Buffer.concat(Array.from({ length: 100 }, () => piece)))).toBeUndefined();
    expect(applyPatch(list, piece.subarray(0, 11))).toBeUndefined();
  });
});
