import * as fs from "node:fs";
import * as path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openLocalContext } from "../../src/context/local.js";
import { type TreeDigestOptions, treeDigest } from "../../src/context/treeDigest.js";
import { type ListEntry, ListWriter, parseList } from "../../src/context/treeList.js";
import type { FileTree, FileType, TreeNode } from "../../src/layer/fileTree.js";
import { type Digest, digestOfHex, hexOf } from "../../src/oci/digest.js";
import { isNacreError } from "../../src/support/errors.js";
import { sha256Hex } from "../../src/support/hash.js";
import { at, folder, plain } from "./folder.js";

/** A tree in memory. */
interface Spec {
  type: FileType;
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  content: string;
  link: string;
  device: number;
  capability: string | undefined;
  /** Names with equal numbers share an inode. */
  inode: number | undefined;
  entries: Record<string, Spec>;
}

interface MemoryNode extends TreeNode {
  readonly spec: Spec;
}

function memoryTree(spec: Spec): FileTree {
  const known = new Map<TreeNode, readonly MemoryNode[]>();
  const make = (name: string, parent: TreeNode | undefined, of: Spec): MemoryNode => ({
    name,
    parent,
    type: of.type,
    mode: of.mode,
    uid: of.uid,
    gid: of.gid,
    mtime: of.mtime,
    size: of.type === "file" ? of.content.length : 0,
    link: of.type === "symlink" ? of.link : undefined,
    devMajor: of.type === "char" ? of.device : undefined,
    devMinor: of.type === "char" ? 1 : undefined,
    xattrs: of.capability === undefined ? undefined : { "security.capability": of.capability },
    inode: of.inode,
    spec: of,
  });
  const root = make("", undefined, spec);
  const children = (node: TreeNode): readonly MemoryNode[] => {
    let list = known.get(node);
    if (!list) {
      const { entries } = (node as MemoryNode).spec;
      const names = Object.keys(entries).sort();
      list = names.map((name) => make(name, node, entries[name]!));
      known.set(node, list);
    }
    return list;
  };
  return {
    root,
    children,
    child: (node, name) => children(node).find((one) => one.name === name),
    prepare: async () => {},
    digest: (node) => sha256Hex((node as MemoryNode).spec.content),
    open: () => {
      throw new Error("nothing opens files for a digest");
    },
  };
}

const name = fc
  .string({ unit: fc.constantFrom("a", "b", "\xe9", "\n", "."), minLength: 1, maxLength: 2 })
  .filter((text) => !/^\.+$/.test(text));
const common = {
  mode: fc.constantFrom(0o644, 0o755, 0o4711),
  uid: fc.constantFrom(0, 1000),
  gid: fc.constantFrom(0, 4294967294),
  mtime: fc.integer(),
  content: fc.string({ maxLength: 3 }),
  link: fc.constantFrom("x", "../y", "\xff"),
  device: fc.nat(300),
  inode: fc.constant<number | undefined>(undefined),
};
const leaf: fc.Arbitrary<Spec> = fc.record({
  ...common,
  type: fc.constantFrom<FileType>("file", "file", "symlink", "char", "fifo"),
  capability: fc.constant<string | undefined>(undefined),
  entries: fc.constant({}),
});
const { spec: anySpec } = fc.letrec<{ spec: Spec; dir: Spec }>((tie) => ({
  spec: fc.oneof({ depthSize: "small" }, leaf, tie("dir")),
  dir: fc.record({
    ...common,
    type: fc.constant<FileType>("dir"),
    capability: fc.constant<string | undefined>(undefined),
    entries: fc.dictionary(name, tie("spec"), { maxKeys: 4 }),
  }),
}));
const rootSpec = fc
  .dictionary(name, anySpec, { minKeys: 1, maxKeys: 5 })
  .map((entries): Spec => ({ ...emptyDir(), entries }));

function emptyDir(): Spec {
  return {
    type: "dir",
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: 0,
    content: "",
    link: "",
    device: 0,
    capability: undefined,
    inode: undefined,
    entries: {},
  };
}

const file = (content: string, more: Partial<Spec> = {}): Spec => ({
  ...emptyDir(),
  type: "file",
  mode: 0o644,
  content,
  ...more,
});
const dir = (entries: Record<string, Spec>, more: Partial<Spec> = {}): Spec => ({ ...emptyDir(), entries, ...more });
const key = (spec: Spec, options?: TreeDigestOptions): string => {
  const tree = memoryTree(spec);
  return treeDigest(tree, tree.root, options);
};

function all(spec: Spec): Spec[] {
  return Object.values(spec.entries).flatMap((one) => [one, ...all(one)]);
}

/** Each changes one thing; true if a layer would show it. */
const mutations: readonly ((spec: Spec) => boolean)[] = [
  (spec) => {
    spec.mtime += 1;
    return false;
  },
  (spec) => {
    spec.mode ^= 0o100;
    return true;
  },
  (spec) => {
    spec.uid += 1;
    return true;
  },
  (spec) => {
    spec.gid = spec.gid === 7 ? 8 : 7;
    return true;
  },
  (spec) => {
    spec.content += "x";
    return spec.type === "file";
  },
  (spec) => {
    spec.link += "x";
    return spec.type === "symlink";
  },
  (spec) => {
    spec.device += 1;
    return spec.type === "char";
  },
  (spec) => {
    if (spec.type !== "file") return false;
    spec.capability = "\x01\x00";
    return true;
  },
  (spec) => {
    spec.inode = 5;
    return false;
  },
  (spec) => {
    if (spec.type !== "dir") return false;
    spec.entries.new = file("");
    return true;
  },
  (spec) => {
    const names = Object.keys(spec.entries);
    if (names.length === 0) return false;
    delete spec.entries[names[0]!];
    return true;
  },
  (spec) => {
    const first = Object.keys(spec.entries)[0];
    if (first === undefined) return false;
    spec.entries[`${first}zz`] = spec.entries[first]!;
    delete spec.entries[first];
    return true;
  },
  (spec) => {
    if (spec.type !== "fifo" && spec.type !== "file") return false;
    spec.type = spec.type === "file" ? "fifo" : "file";
    return true;
  },
];

describe("the digest of a tree", () => {
  test("changes if, and only if, something changes that a layer would show", () => {
    fc.assert(
      fc.property(rootSpec, fc.nat(), fc.constantFrom(...mutations), (spec, which, mutate) => {
        const before = key(spec);
        const changed = structuredClone(spec);
        const below = all(changed);
        const visible = mutate(below[which % below.length]!);
        expect(key(changed) !== before).toBe(visible);
      }),
      { numRuns: 2000 },
    );
  });

  test("does not depend on the metadata of the selected directory", () => {
    expect(key(dir({ a: file("1") }, { mode: 0o700, uid: 5 }))).toBe(key(dir({ a: file("1") })));
    expect(key(dir({ d: dir({}, { mode: 0o700 }) }))).not.toBe(key(dir({ d: dir({}) })));
  });

  test("of a single file counts its metadata, but not its name", () => {
    const tree = memoryTree(
      dir({ a: file("1"), b: file("1"), c: file("1", { mode: 0o600 }), d: dir({ a: file("1") }) }),
    );
    const of = (path: string) => treeDigest(tree, at(tree, path));
    expect(of("a")).toBe(of("b"));
    expect(of("a")).toBe(of("d/a"));
    expect(of("a")).not.toBe(of("c"));
    expect(of("a")).not.toBe(of("d"));
  });

  test("counts hard links as groups within the selection, whatever their numbers", () => {
    const pair = (inode: number | undefined) => dir({ s: dir({ a: file("1", { inode }), b: file("1", { inode }) }) });
    expect(key(pair(1))).toBe(key(pair(77)));
    expect(key(pair(1))).not.toBe(key(pair(undefined)));
    const across = dir({ s: dir({ a: file("1", { inode: 1 }) }), t: dir({ b: file("1", { inode: 1 }) }) });
    const tree = memoryTree(across);
    const apart = memoryTree(dir({ s: dir({ a: file("1") }), t: dir({ b: file("1") }) }));
    expect(treeDigest(tree, at(tree, "s"))).toBe(treeDigest(apart, at(apart, "s")));
    expect(treeDigest(tree, tree.root)).not.toBe(treeDigest(apart, apart.root));
    const two = (x: number, y: number) =>
      dir({
        a: file("", { inode: x }),
        b: file("", { inode: y }),
        c: file("", { inode: x }),
        d: file("", { inode: y }),
      });
    expect(key(two(1, 2))).toBe(key(two(2, 1)));
    expect(key(two(1, 2))).not.toBe(
      key(
        dir({
          a: file("", { inode: 1 }),
          b: file("", { inode: 1 }),
          c: file("", { inode: 2 }),
          d: file("", { inode: 2 }),
        }),
      ),
    );
  });

  test("takes modes and owners as they will be written", () => {
    const one = dir({ a: file("1", { mode: 0o600, uid: 5, gid: 6 }), d: dir({}, { mode: 0o700 }) });
    const two = dir({ a: file("1", { mode: 0o644 }), d: dir({}) });
    expect(key(one, { mode: () => 0o640, owner: "zero" })).toBe(key(two, { mode: () => 0o640 }));
    expect(key(one, { mode: () => 0o640 })).not.toBe(key(two, { mode: () => 0o640 }));
  });

  test("leaves out what is not selected, keeping parents of what is", () => {
    const spec = dir({ x: dir({ y: dir({ keep: file("1"), drop: file("2") }), z: dir({}) }), drop: file("3") });
    const seen: string[] = [];
    const include = (_: TreeNode, path: string) => {
      seen.push(path);
      return path.endsWith("keep");
    };
    expect(key(spec, { include })).toBe(key(dir({ x: dir({ y: dir({ keep: file("1") }) }) })));
    expect(seen).toEqual(["drop", "x", "x/y", "x/y/drop", "x/y/keep", "x/z"]);
    expect(key(dir({ x: file("1") }), { include: () => false })).toBe(key(dir({})));
  });

  test("hands over its lists, which can be read back to the last attribute", () => {
    fc.assert(
      fc.property(rootSpec, (spec) => {
        const lists = new Map<string, ListEntry[]>();
        const putList = (bytes: Uint8Array): Digest => {
          const digest = digestOfHex(sha256Hex(bytes));
          const entries = parseList(bytes);
          for (const { type, digest: below } of entries) if (type === "dir") expect(lists.has(below!)).toBe(true);
          lists.set(hexOf(digest), entries);
          return digest;
        };
        const top = key(spec, { putList });
        expect(top).toBe(key(spec));
        compare(spec, lists.get(hexOf(top as Digest))!, lists);
      }),
      { numRuns: 300 },
    );
  });
});

function compare(spec: Spec, entries: readonly ListEntry[], lists: ReadonlyMap<string, ListEntry[]>): void {
  expect(entries.map((entry) => entry.name)).toEqual(Object.keys(spec.entries).sort());
  for (const entry of entries) {
    const of = spec.entries[entry.name]!;
    expect(entry).toMatchObject({ type: of.type, mode: of.mode, uid: of.uid, gid: of.gid, group: undefined });
    if (of.type === "file") expect(entry).toMatchObject({ size: of.content.length, digest: sha256Hex(of.content) });
    if (of.type === "symlink") expect(entry.link).toBe(of.link);
    if (of.type === "char") expect(entry).toMatchObject({ devMajor: of.device, devMinor: 1 });
    if (of.type === "dir") compare(of, lists.get(entry.digest!)!, lists);
  }
}

describe("a list", () => {
  test("of large files, long names and capabilities is read as it was written", () => {
    const entries: ListEntry[] = [
      {
        name: "a".repeat(255),
        type: "file",
        mode: 0o7777,
        uid: 0,
        gid: 0,
        size: 2 ** 40 + 5,
        digest: "ab".repeat(32),
        capability: "\x00\xff".repeat(12),
        group: 3,
      },
      { name: "b", type: "symlink", mode: 0o777, uid: 4294967295, gid: 0, link: "t".repeat(4095) },
      { name: "c", type: "block", mode: 0o600, uid: 0, gid: 1, devMajor: 4095, devMinor: 1048575 },
    ];
    const writer = new ListWriter();
    writer.start();
    for (const entry of entries) writer.add(entry);
    expect(parseList(writer.finish())).toEqual(
      entries.map((entry) => ({ group: undefined, capability: undefined, ...entry })),
    );
  });

  test.each([
    ["empty", ""],
    ["of another kind", "NCL2"],
    ["cut short", "NCL1d\0"],
    ["of an unknown type", "NCL1?\0\0\0\0\0"],
  ])("that is %s is refused", (_, text) => {
    try {
      parseList(Buffer.from(text, "latin1"));
      throw new Error("nothing was thrown");
    } catch (error) {
      expect(isNacreError(error) && error.code).toBe("CONTENT_INVALID");
    }
  });
});

describe("a local context", () => {
  test("gives the digests that its tree has by the slow way, at every node", async () => {
    const root = folder({ "a/b/c": "1", "a/b/d": "2", "e/f": "3", g: "4" });
    fs.linkSync(path.join(root, "a/b/c"), path.join(root, "e/c"));
    fs.linkSync(path.join(root, "a/b/d"), path.join(root, "a/d"));
    fs.symlinkSync("g", path.join(root, "l"));
    const context = await openLocalContext({ root });
    await context.prepare([context.root]);
    for (const name of ["a", "a/b", "a/b/c", "e", "e/f", "g", "l"]) {
      const node = at(context, name);
      expect(context.listDigest(node)).toBe(treeDigest(plain(context), node));
    }
    expect(context.listDigest(context.root)).toBe(treeDigest(plain(context), context.root));
    expect(treeDigest(context, context.root)).toBe(treeDigest(plain(context), context.root));
    expect(treeDigest(context, context.root, { mode: () => 0o600 })).not.toBe(context.listDigest(context.root));
  });

  test("hands over lists that changed, and all that are missing where asked", async () => {
    const root = folder({ "a/b/c": "1", "a/d": "2", "e/f": "3" });
    const context = await openLocalContext({ root });
    const lists = new Map<string, Uint8Array>();
    const putList = (bytes: Uint8Array): Digest => {
      const digest = digestOfHex(sha256Hex(bytes));
      lists.set(digest, Buffer.from(bytes));
      return digest;
    };
    const top = await context.treeDigestOf(context.root, putList);
    expect(lists.size).toBe(4);
    expect(lists.has(top)).toBe(true);
    const kept = new Set(lists.keys());
    lists.clear();
    expect(await context.treeDigestOf(context.root, putList)).toBe(top);
    expect(lists.size).toBe(0);
    const dropped = context.listDigest(at(context, "a/b"));
    kept.delete(dropped);
    kept.delete(context.listDigest(at(context, "a")));
    kept.delete(top);
    context.storeLists(context.root, (digest) => kept.has(digest), putList);
    expect(lists.size).toBe(3);
    expect(lists.has(dropped)).toBe(true);
  });
});
