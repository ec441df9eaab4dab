/** Deltas: over the old layer's directory they show what the new layer's own would. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FileTree } from "../../src/layer/fileTree.js";
import { LayerTree } from "../../src/layer/layerTree.js";
import { snapshotDelta } from "../../src/layer/snapshotDelta.js";
import { layerEntries } from "../../src/layer/unpack.js";
import { indexOf, type Member, readContent, tarOf } from "./helpers.js";

const OPTIONS = { overlayXattrs: "trusted", devices: true, singleId: false } as const;

interface Layer {
  readonly tar: Buffer;
  readonly index: ReturnType<typeof indexOf>["index"];
  readonly content: {
    prepare(): Promise<void>;
    read(target: Buffer, at: number, length: number, from: number): number;
  };
}

function layerOf(members: readonly Member[]): Layer {
  const tar = tarOf(members);
  return {
    tar,
    index: indexOf(tar).index,
    content: { prepare: async () => {}, read: (target, at, length, from) => tar.copy(target, at, from, from + length) },
  };
}

/** Everything in a tree, times and links included. */
function everything(tree: FileTree): unknown[] {
  const out: unknown[] = [];
  const names = new Map<unknown, string>();
  const visit = (node: Parameters<FileTree["children"]>[0], path: string): void => {
    for (const child of tree.children(node)) {
      const here = `${path}/${child.name}`;
      const { type, mode, uid, gid, mtime, link, xattrs, devMajor, devMinor, inode } = child;
      const content = type === "file" ? readContent(tree.open(child)) : "";
      if (inode !== undefined && !names.has(inode)) names.set(inode, here);
      out.push([here, type, mode, uid, gid, mtime, link, xattrs, devMajor, devMinor, content, names.get(inode)]);
      visit(child, here);
    }
  };
  visit(tree.root, "");
  return out;
}

/** The delta as a layer. */
function deltaLayer(fresh: Layer, entries: readonly number[], removed: readonly string[]): Layer {
  const members: Member[] = [];
  for (const { entry, open } of layerEntries({ layer: fresh }, OPTIONS, entries, removed)) {
    const isWhiteout = entry.type === "char" && entry.devMajor === 0;
    if (isWhiteout) members.push({ path: entry.path.replace(/[^/]*$/, (name) => `.wh.${name}`) });
    else members.push({ ...entry, content: open ? readContent(open()) : "" });
  }
  return layerOf(members.map((member) => (member.path === "" ? { ...member, path: "./" } : member)));
}

/** Pads a layer, so that a few changes stay below the share at which everything is unpacked. */
const PADDING: Member[] = [
  { path: "~", type: "dir" },
  ...Array.from({ length: 60 }, (_, i) => ({ path: `~/${String(i).padStart(3, "0")}` })),
];

const name = fc.constantFrom("a", "b", "c", "d");
const content = fc.constantFrom("", "1", "22", "333");
type Node =
  | { kind: "dir"; mode: number; children: Record<string, Node> }
  | { kind: "file" | "link" | "pipe"; text: string; mtime: number };
const { node } = fc.letrec<{ node: Node; dir: Node; leaf: Node }>((tie) => ({
  node: fc.oneof({ maxDepth: 3 }, tie("leaf"), tie("dir")),
  dir: fc.record({
    kind: fc.constant("dir" as const),
    mode: fc.constantFrom(0o755, 0o700),
    children: fc.dictionary(name, tie("node"), { maxKeys: 4 }),
  }),
  leaf: fc.record({ kind: fc.constantFrom("file", "file", "link", "pipe"), text: content, mtime: fc.nat(2) }),
}));
const root = fc.dictionary(name, node, { maxKeys: 4 });

/** Members of a tree; every third file whose content came before is a hard link to where it came. */
function membersOf(children: Record<string, Node>, links: boolean): Member[] {
  const members: Member[] = [];
  const seen = new Map<string, string>();
  const visit = (list: Record<string, Node>, path: string): void => {
    for (const key of Object.keys(list).sort()) {
      const one = list[key]!;
      const here = path === "" ? key : `${path}/${key}`;
      if (one.kind === "dir") {
        members.push({ path: here, type: "dir", mode: one.mode });
        visit(one.children, here);
      } else if (one.kind === "file") {
        const first = links ? seen.get(one.text) : undefined;
        if (first !== undefined && (here.length + one.mtime) % 3 === 0)
          members.push({ path: here, type: "hardlink", link: first });
        else {
          seen.set(one.text, here);
          members.push({ path: here, content: one.text, mtime: one.mtime });
        }
      } else if (one.kind === "link") members.push({ path: here, type: "symlink", link: `t${one.text}` });
      else members.push({ path: here, type: "fifo" });
    }
  };
  visit(children, "");
  return [...members, ...PADDING];
}

/** Replaces, adds or removes a few nodes. */
function edited(
  children: Record<string, Node>,
  edits: readonly (readonly [string[], Node | undefined])[],
): Record<string, Node> {
  const copy = structuredClone(children);
  for (const [path, value] of edits) {
    let here = copy;
    for (const part of path.slice(0, -1)) {
      const next = here[part];
      if (next?.kind !== "dir") break;
      here = next.children;
    }
    const last = path[path.length - 1]!;
    if (value === undefined) delete here[last];
    else here[last] = structuredClone(value);
  }
  return copy;
}

describe("a delta", () => {
  test("shows over the old layer what the new one shows, whatever was edited and whatever is below", () => {
    let made = 0;
    const edit = fc.tuple(fc.array(name, { minLength: 1, maxLength: 3 }), fc.option(node, { nil: undefined }));
    const arbitrary = fc.tuple(root, root, fc.array(edit, { maxLength: 4 }), fc.boolean());
    fc.assert(
      fc.property(arbitrary, ([lowest, first, edits, links]) => {
        const below = layerOf(membersOf(lowest, false));
        const old = layerOf(membersOf(first, links));
        const fresh = layerOf(membersOf(edited(first, edits), links));
        const delta = snapshotDelta(old.index, fresh.index, () => new LayerTree([below]));
        if (delta === undefined) return;
        made++;
        const over = deltaLayer(fresh, delta.entries, delta.removed);
        expect(everything(new LayerTree([below, old, over]))).toEqual(everything(new LayerTree([below, fresh])));
      }),
      { numRuns: 500 },
    );
    expect(made).toBeGreaterThan(100);
  });

  const plain: Member[] = [
    { path: "d", type: "dir" },
    { path: "d/a", content: "1" },
    { path: "d/b", type: "hardlink", link: "d/a" },
    { path: "d/c", content: "3" },
    ...PADDING,
  ];
  const deltaOf = (from: readonly Member[], to: readonly Member[], below: readonly Member[] = []) => {
    const [old, fresh] = [layerOf(from), layerOf(to)];
    const delta = snapshotDelta(old.index, fresh.index, () => new LayerTree([layerOf(below)]));
    return delta && { entries: delta.entries.map((entry) => fresh.index.path(entry)), removed: delta.removed };
  };
  const without = (path: string) => plain.filter((member) => member.path !== path);
  const changed = (path: string, by: Partial<Member>) =>
    plain.map((member) => (member.path === path ? { ...member, ...by } : member));

  test("holds what has changed, the directories above, and all names of an inode of which one has", () => {
    expect(deltaOf(plain, plain)).toEqual({ entries: [""], removed: [] });
    expect(deltaOf(plain, changed("d/c", { content: "4" }))?.entries).toEqual(["", "d", "d/c"]);
    expect(deltaOf(plain, changed("d/c", { mtime: 1 }))?.entries).toEqual(["", "d", "d/c"]);
    expect(deltaOf(plain, changed("d/a", { content: "4" }))?.entries).toEqual(["", "d", "d/a", "d/b"]);
    expect(deltaOf(plain, without("d/b"))).toEqual({ entries: ["", "d", "d/a"], removed: ["d/b"] });
    expect(deltaOf(plain, without("d/c"))).toEqual({ entries: ["", "d"], removed: ["d/c"] });
  });

  test("is not made where a whiteout would hide too much, or where there is more to say than names", () => {
    const whole = (to: readonly Member[], below: readonly Member[] = []) =>
      expect(deltaOf(plain, to, below)).toBeUndefined();
    whole(without("d/c"), [{ path: "d/c" }]);
    whole([...plain, { path: ".wh.x" }]);
    whole([...plain, { path: "implied/x" }]);
    whole([...plain, { path: "d/.wh..wh..opq" }]);
    whole([...plain, { path: "l", type: "hardlink", link: "elsewhere" }]);
    whole(plain.map((member) => ({ ...member, mtime: 7 })));
    whole(changed("d/c", { type: "dir", content: "" }), [{ path: "d/c", type: "dir" }]);
  });

  test("of a big layer is found by looking at what differs only", () => {
    const many = Array.from({ length: 20_000 }, (_, i) => ({ path: `f${String(i).padStart(5, "0")}`, content: "x" }));
    const more = many.map((member, i) => (i === 9_000 ? { ...member, content: "changed" } : member));
    expect(deltaOf(many, more)).toEqual({ entries: ["", "f09000"], removed: [] });
  });
});
