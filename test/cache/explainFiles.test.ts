import * as fs from "node:fs";
import * as path from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { changesBetween, compareSteps } from "../../src/cache/explain.js";
import type { StepFacts } from "../../src/cache/explainFacts.js";
import { keyOf } from "../../src/cache/ingredients.js";
import { openPack } from "../../src/cache/listPack.js";
import { keyContextSources } from "../../src/cache/sources.js";
import { GatheredLists, type StepLists } from "../../src/cache/stepLists.js";
import type { Change, FileChange, FilesChange } from "../../src/cache/why.js";
import { writePack } from "../../src/cache/writePack.js";
import { openLocalContext } from "../../src/context/local.js";
import type { FileTree } from "../../src/layer/fileTree.js";
import { parseChmod } from "../../src/plan/chmod.js";
import type { CopyStep } from "../../src/plan/graph.js";
import { Store } from "../../src/store/store.js";
import { fromByteString, toByteString } from "../../src/support/bytes.js";
import type { Json } from "../../src/support/json.js";
import { folder } from "../context/folder.js";
import { directory, memoryTree, pathsIn, type Spec, spec } from "./memoryTree.js";

const none = compareSteps([], []);
const open: Store[] = [];

afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

/** A COPY of a tree as it is keyed, with its lists over those that are known. */
async function copied(tree: FileTree, change: Partial<CopyStep> = {}, known?: StepLists): Promise<StepFacts> {
  const step = { keyword: "COPY", exclude: [], parents: false, sources: ["."], ...change } as unknown as CopyStep;
  const modeOf = step.chmod === undefined ? undefined : parseChmod(step.chmod).apply;
  const { sources, lists } = await keyContextSources(step, tree, modeOf);
  const ingredients = {
    instruction: "copy",
    sources,
    chmod: step.chmod,
    parents: step.parents || undefined,
  } as unknown as Json;
  return { key: keyOf(ingredients), ingredients, instruction: "COPY", lists: new GatheredLists(lists, known) };
}

/** The changes between two copies; what is told does not depend on how the lists of then are kept. */
function differences(before: StepFacts, after: StepFacts): readonly Change[] {
  return before.key === after.key ? [] : changesBetween(before, after, none);
}

function filesIn(changes: readonly Change[]): readonly FileChange[] {
  return changes.flatMap((change) => (change.what === "files" && change.known ? change.files : []));
}

const told = (files: readonly FileChange[]): Record<string, string> =>
  Object.fromEntries(
    files.map(({ path: at, reasons }) => [
      at,
      reasons
        .map(({ what }) => what)
        .sort()
        .join(),
    ]),
  );

/** What differs between two rows of paths, found without lists. */
function expected(before: ReadonlyMap<string, Spec>, after: ReadonlyMap<string, Spec>): Record<string, string> {
  const all: Record<string, string> = {};
  const stays = (at: string): boolean => before.get(at)?.type === after.get(at)?.type;
  for (const at of new Set([...before.keys(), ...after.keys()])) {
    const [a, b] = [before.get(at), after.get(at)];
    const reasons: string[] = [];
    if (!a) reasons.push("added");
    else if (!b) reasons.push("removed");
    else if (a.type !== b.type) reasons.push("type");
    else {
      if (a.mode !== b.mode) reasons.push("mode");
      if (a.uid !== b.uid) reasons.push("owner");
      if (a.type === "file" && a.content !== b.content) reasons.push("content");
      if (a.type === "file" && (a.capability ?? "") !== (b.capability ?? "")) reasons.push("capability");
      if (a.type === "symlink" && a.link !== b.link) reasons.push("link");
      if (a.type === "char" && a.device !== b.device) reasons.push("device");
      if (a.type !== "dir" && partners(before, at, stays) !== partners(after, at, stays)) reasons.push("hardLinks");
    }
    if (reasons.length > 0) all[fromByteString(at)] = reasons.sort().join();
  }
  return all;
}

/** Other names of the inode, of those that stay. */
function partners(paths: ReadonlyMap<string, Spec>, at: string, stays: (at: string) => boolean): string {
  const { inode } = paths.get(at)!;
  if (inode === undefined) return "";
  return [...paths]
    .filter(([name, one]) => one.inode === inode && one.type !== "dir" && name !== at && stays(name))
    .map(([name]) => name)
    .sort()
    .join("\0");
}

const name = fc.constantFrom("a", "b", "c", "\xe9", ".d", "a-b");
const anySpec = fc.letrec<{ node: Spec; leaf: Spec; dir: Spec }>((tie) => {
  const common = {
    mode: fc.constantFrom(0o644, 0o755, 0o4711),
    uid: fc.constantFrom(0, 1000),
    content: fc.constantFrom("", "x", "yy"),
    link: fc.constantFrom("a", "b"),
    device: fc.constantFrom(1, 2),
  };
  return {
    leaf: fc.record({
      ...common,
      type: fc.constantFrom(
        "file" as const,
        "file" as const,
        "file" as const,
        "symlink" as const,
        "char" as const,
        "fifo" as const,
      ),
      capability: fc.constantFrom(undefined, undefined, "\x01"),
      inode: fc.constantFrom(undefined, undefined, 1, 2),
      entries: fc.constant({}),
    }),
    dir: fc.record({
      ...common,
      type: fc.constant("dir" as const),
      capability: fc.constant(undefined),
      inode: fc.constant(undefined),
      entries: fc.dictionary(name, tie("node"), { maxKeys: 4 }),
    }),
    node: fc.oneof({ depthSize: "small" }, tie("leaf"), tie("leaf"), tie("dir")),
  };
});
const anyTree = fc.dictionary(name, anySpec.node, { maxKeys: 5 }).map(directory);

/** A change of some of a tree, so that most of it stays. */
const anyEdit = fc
  .tuple(anyTree, fc.array(fc.tuple(name, name, fc.option(anySpec.node)), { maxLength: 4 }))
  .map(([before, edits]) => {
    let after = before;
    for (const [top, below, fresh] of edits) {
      const dir = after.entries[top];
      const put = (entries: Readonly<Record<string, Spec>>, at: string): Record<string, Spec> => {
        const { [at]: _gone, ...rest } = entries;
        return fresh ? { ...rest, [at]: fresh } : rest;
      };
      const entries =
        dir?.type === "dir"
          ? { ...after.entries, [top]: { ...dir, entries: put(dir.entries, below) } }
          : put(after.entries, top);
      after = directory(entries);
    }
    return [before, after] as const;
  });

describe("files that differ", () => {
  test("are all named, each with what differs, and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(anyEdit, async ([old, fresh]) => {
        const before = await copied(memoryTree(old));
        const after = await copied(memoryTree(fresh), {}, before.lists);
        const changes = differences(before, after);
        expect(told(filesIn(changes))).toEqual(expected(pathsIn(old), pathsIn(fresh)));
        expect(changes.length).toBe(before.key === after.key ? 0 : 1);
        // The same without knowing the lists of then while those of now are gathered.
        expect(differences(before, await copied(memoryTree(fresh)))).toEqual(changes);
      }),
      { numRuns: 300 },
    );
  });

  test("are counted among all files, directories apart", async () => {
    await fc.assert(
      fc.asyncProperty(anyEdit, async ([old, fresh]) => {
        const changes = differences(await copied(memoryTree(old)), await copied(memoryTree(fresh)));
        if (changes.length === 0) return;
        const { totals } = changes[0] as FilesChange & { readonly known: true };
        const [a, b] = [pathsIn(old), pathsIn(fresh)];
        const isFile = (at: string): boolean => [a.get(at), b.get(at)].some((one) => one && one.type !== "dir");
        const files = [...new Set([...a.keys(), ...b.keys()])].filter(isFile);
        const differing = Object.keys(expected(a, b)).map(toByteString);
        expect(totals).toEqual({
          files: files.length,
          differing: differing.filter(isFile).length,
          directories: differing.filter((at) => !isFile(at)).length,
        });
      }),
    );
  });

  test("are named in the order of the tree, with both values", async () => {
    const before = await copied(
      memoryTree(
        directory({
          "a-b": spec({ content: "1" }),
          a: directory({ z: spec({ uid: 5 }) }),
          l: spec({ type: "symlink", link: "a" }),
        }),
      ),
    );
    const after = await copied(
      memoryTree(
        directory({
          "a-b": spec({ content: "123" }),
          a: directory({ z: spec({ mode: 0o4755, capability: "\x01" }) }),
          l: spec({ type: "symlink", link: "b" }),
        }),
      ),
    );
    expect(filesIn(differences(before, after))).toEqual([
      {
        path: "a/z",
        type: "file",
        reasons: [
          { what: "mode", before: "0644", after: "4755" },
          { what: "owner", before: "5:0", after: "0:0" },
          { what: "capability", before: "", after: "01" },
        ],
      },
      { path: "a-b", type: "file", reasons: [{ what: "content", before: 1, after: 3 }] },
      { path: "l", type: "symlink", reasons: [{ what: "link", before: "a", after: "b" }] },
    ]);
  });

  test("of a context on disk are told from a pack as from memory, whatever was done to it", async () => {
    const edit = fc.record({
      what: fc.constantFrom("write", "chmod", "remove", "directory", "link", "symlink", "touch"),
      path: fc.constantFrom("a", "b", "d/a", "d/b", "d/e/a", "e"),
      other: fc.constantFrom("a", "b", "d/a", "d/b"),
      content: fc.constantFrom("", "x", "yy"),
    });
    const store = await Store.open(folder());
    open.push(store);
    await fc.assert(
      fc.asyncProperty(
        fc.array(edit, { maxLength: 10 }),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        async (first, second) => {
          const root = folder({ "d/e/": "", keep: "k" });
          const statCache = path.join(folder(), "stat");
          for (const one of first) apply(root, one);
          const [old, context] = [onDisk(root), await openLocalContext({ root, statCache })];
          const before = await copied(context);
          const roots = (
            await keyContextSources({ sources: ["."], exclude: [] } as unknown as CopyStep, context, undefined)
          ).lists;
          const pack = openPack(store, writePack(store, roots)!)!;
          context.save();
          for (const one of second) apply(root, one);
          const after = await copied(await openLocalContext({ root, statCache }), {}, pack);
          const changes = differences({ ...before, lists: pack }, after);
          expect(told(filesIn(changes))).toEqual(expected(old, onDisk(root)));
        },
      ),
      { numRuns: 30 },
    );
  });

  test("below what has been a file, or is none any more, count as added or removed", async () => {
    const file = await copied(memoryTree(directory({ x: spec() })));
    const dir = await copied(memoryTree(directory({ x: directory({ y: spec(), z: directory({}) }) })));
    expect(told(filesIn(differences(file, dir)))).toEqual({ x: "type", "x/y": "added", "x/z": "added" });
    expect(told(filesIn(differences(dir, file)))).toEqual({ x: "type", "x/y": "removed", "x/z": "removed" });
  });
});

describe("what a source word means", () => {
  const tree = (entries: Readonly<Record<string, Spec>>): FileTree => memoryTree(directory(entries));
  const dir = directory({ f: spec() });

  test.each<[string, FileTree, FileTree, readonly [string[], string[]], object[]]>([
    [
      "names that a wildcard matches",
      tree({ "a.c": spec(), "b.c": spec(), x: dir }),
      tree({ "a.c": spec({ content: "1" }), "d.c": spec(), x: dir }),
      [["*.c"], ["*.c"]],
      [
        { what: "matches", added: ["d.c"], removed: ["b.c"] },
        { what: "files", totals: { files: 3, differing: 3, directories: 0 } },
      ],
    ],
    [
      "directories that a wildcard matches",
      tree({ p1: dir, p2: dir }),
      tree({ p1: dir, p2: directory({ f: spec({ content: "1" }) }), p3: dir }),
      [["p*"], ["p*"]],
      [
        { what: "matches", added: ["p3"], removed: [] },
        { what: "files", totals: { files: 3, differing: 2, directories: 0 } },
      ],
    ],
    [
      "words of which one goes",
      tree({ a: spec(), b: spec() }),
      tree({ a: spec({ content: "1" }), b: spec() }),
      [["./a", "b"], ["a"]],
      [
        { what: "sources", added: [], removed: ["b"] },
        { what: "files", source: { word: 0 } },
      ],
    ],
    [
      "the order of words",
      tree({ a: spec(), b: spec() }),
      tree({ a: spec(), b: spec() }),
      [
        ["a", "b"],
        ["b", "a"],
      ],
      [{ what: "sources", added: [], removed: [], reordered: true }],
    ],
    [
      "the name of a file",
      tree({ a: spec(), b: spec() }),
      tree({ b: spec(), c: spec() }),
      [["a"], ["c"]],
      [{ what: "sources", added: ["c"], removed: ["a"] }],
    ],
  ])("%s", async (_, old, fresh, [then, now], changes) => {
    const found = differences(await copied(old, { sources: then }), await copied(fresh, { sources: now }));
    expect(found.length).toBe(changes.length);
    expect(found).toMatchObject(changes);
  });

  test("the same files under another path are no difference", async () => {
    const both = tree({ a: directory({ f: spec() }), b: directory({ f: spec() }) });
    const [before, after] = [
      await copied(both, { sources: ["a/f", "a"] }),
      await copied(both, { sources: ["b/f", "b"] }),
    ];
    expect(after.key).toBe(before.key);
    const more = await copied(both, { sources: ["b/f", "b", "a"] });
    expect(differences(before, more)).toEqual([{ what: "sources", added: ["b"], removed: [] }]);
  });

  test("modes that --chmod gives are told as --chmod, and other differences beside it", async () => {
    const old = tree({ a: spec(), b: spec() });
    const before = await copied(old, { chmod: "644" });
    expect(differences(before, await copied(old, { chmod: "755" }))).toEqual([
      { what: "setting", name: "chmod", before: "644", after: "755" },
    ]);
    const after = await copied(tree({ a: spec({ content: "1" }), b: spec({ mode: 0o600 }) }), { chmod: "755" });
    expect(told(filesIn(differences(before, after)))).toEqual({ a: "content" });
    const { lists: _, ...without } = before;
    expect(differences(without, after).map(({ what }) => what)).toEqual(["setting"]);
  });

  test("links between matches are told, unless they follow from names that came or went", async () => {
    const linked = (...names: string[]) =>
      tree(
        Object.fromEntries(["a", "b", "c"].map((one) => [one, spec({ inode: names.includes(one) ? 1 : undefined })])),
      );
    const of = (from: FileTree) => copied(from, { sources: ["?"] });
    const before = await of(linked("a", "b"));
    expect(differences(before, await of(linked()))).toEqual([
      { what: "links", source: { kind: "word", word: 0, text: "?" } },
    ]);
    expect(differences(before, await of(linked("a", "b", "c"))).map(({ what }) => what)).toEqual(["links"]);
    const gone = await of(tree({ a: spec(), c: spec() }));
    expect(differences(before, gone).map(({ what }) => what)).toEqual(["matches", "files"]);
  });

  test("without the lists of then only that files differ is told, or which names", async () => {
    const before = await copied(tree({ "a.c": spec(), "b.c": spec() }), { sources: ["*.c"] });
    const after = await copied(tree({ "a.c": spec({ content: "1" }), "d.c": spec() }), { sources: ["*.c"] });
    const source = { kind: "word", word: 0, text: "*.c" };
    const { lists: _, ...without } = before;
    expect(differences(without, after)).toEqual([
      { what: "matches", source, added: ["d.c"], removed: ["b.c"] },
      { what: "files", source, known: false },
    ]);
    const words: StepLists = { words: [], roots: [], has: () => false, bytes: () => undefined, files: () => undefined };
    expect(differences({ ...before, lists: words }, after)).toEqual(differences(without, after));
  });
});

function apply(
  root: string,
  { what, path: at, other, content }: { what: string; path: string; other: string; content: string },
): void {
  const [target, source] = [path.join(root, at), path.join(root, other)];
  const stat = fs.lstatSync(target, { throwIfNoEntry: false });
  try {
    if (what === "touch" && stat) fs.lutimesSync(target, 1, content.length);
    else if (what === "chmod" && stat && !stat.isSymbolicLink())
      fs.chmodSync(target, [0o600, 0o755, 0o4711][content.length]!);
    else if (what !== "touch" && what !== "chmod") {
      fs.rmSync(target, { recursive: true, force: true });
      if (what === "write") fs.writeFileSync(target, content);
      if (what === "directory") fs.mkdirSync(target);
      if (what === "symlink") fs.symlinkSync(other, target);
      if (what === "link") fs.linkSync(source, target);
    }
  } catch (error) {
    // The directory of the path may be gone, or the source of a link be a directory: then nothing is done.
    if (!["ENOENT", "ENOTDIR", "EPERM", "EISDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

function onDisk(root: string): Map<string, Spec> {
  const paths = new Map<string, Spec>();
  for (const at of fs.readdirSync(root, { recursive: true }) as string[]) {
    const full = path.join(root, at);
    const stat = fs.lstatSync(full);
    const type = stat.isDirectory() ? "dir" : stat.isSymbolicLink() ? "symlink" : "file";
    const link = type === "symlink" ? fs.readlinkSync(full) : "";
    const content = type === "file" ? fs.readFileSync(full, "latin1") : "";
    paths.set(
      at,
      spec({
        type,
        mode: stat.mode & 0o7777,
        link,
        content,
        inode: type === "file" && stat.nlink > 1 ? stat.ino : undefined,
      }),
    );
  }
  return paths;
}
