import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Change, PresentChange } from "../../src/layer/changes.js";
import type { LayerIndex } from "../../src/layer/layerIndex.js";
import { writeChanges } from "../../src/layer/writeChanges.js";
import { toolMissing } from "../setup/tools.js";
import { indexOf, listTree, readerOf, writtenLayer } from "./helpers.js";
import { treeOfTar } from "./upperWorld.js";

/** A change with defaults; `content` is a file's. */
function present(path: string, more: Partial<PresentChange> & { readonly content?: string } = {}): PresentChange {
  const { content, ...rest } = more;
  const bytes = Buffer.from(content ?? "", "latin1");
  const type = rest.type ?? "file";
  return {
    kind: "present",
    path,
    mode: type === "dir" ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size: type === "file" ? bytes.length : 0,
    mtime: 1,
    open: type === "file" ? () => readerOf(bytes) : undefined,
    ...rest,
    type,
  };
}

const removed = (path: string): Change => ({ kind: "removed", path });

function write(changes: readonly Change[], mtime?: number, expectedSize = 0) {
  return writtenLayer((writer) => writeChanges(changes, writer, { mtime }), expectedSize);
}

/** Entries of an index: path, type and flags. */
function entries(index: LayerIndex): string[] {
  const out: string[] = [];
  for (let entry = 1; entry < index.count; entry++) {
    const flags = `${index.isImplied(entry) ? " implied" : ""}${index.isOpaque(entry) ? " opaque" : ""}`;
    out.push(`${index.path(entry)} ${index.type(entry)}${flags}`);
  }
  return out;
}

/** What Python sees in a tar: `NAME TYPE MODE UID:GID SIZE MTIME LINK`. */
function seenByPython(tar: Buffer): string[] {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-changes-"));
  try {
    fs.writeFileSync(`${dir}/layer.tar`, tar);
    const program = `
import sys, tarfile
for m in tarfile.open(sys.argv[1], encoding='latin1'):
    print(m.name, m.type.decode(), oct(m.mode)[2:], '%d:%d' % (m.uid, m.gid), m.size, int(m.mtime), m.linkname)`;
    const text = execFileSync("python3", ["-c", program, `${dir}/layer.tar`], {
      encoding: "latin1",
      env: { ...process.env, PYTHONIOENCODING: "latin1" },
    });
    return text
      .split("\n")
      .map((line) => line.trimEnd())
      .filter(Boolean);
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

describe("the layer of changes", () => {
  test.skipIf(toolMissing("python3"))("has whiteouts where the names that are gone would stand", async () => {
    const { tar, layer } = await write([
      removed("a"),
      present("b", { type: "dir" }),
      removed("b/a"),
      present("b/m", { content: "x" }),
      removed("b/z"),
      removed("c/deep/gone"),
      present("d", { content: "yy", mtime: 7, uid: 3_000_000, mode: 0o4755 }),
    ]);
    expect(seenByPython(tar)).toEqual([
      ".wh.a 0 0 0:0 0 0",
      "b 5 755 0:0 0 1",
      "b/.wh.a 0 0 0:0 0 0",
      "b/m 0 644 0:0 1 1",
      "b/.wh.z 0 0 0:0 0 0",
      "c/deep/.wh.gone 0 0 0:0 0 0",
      "d 0 4755 3000000:0 2 7",
    ]);
    expect(entries(layer.index)).toEqual([
      "a whiteout",
      "b dir",
      "b/a whiteout",
      "b/m file",
      "b/z whiteout",
      "c dir implied",
      "c/deep dir implied",
      "c/deep/gone whiteout",
      "d file",
    ]);
  });

  test.skipIf(toolMissing("python3"))("says of a directory that it hides, before anything in it", async () => {
    const { tar, layer } = await write([
      present("d", { type: "dir", opaque: true }),
      present("d/!", { content: "x" }),
      present("e", { type: "dir", opaque: true }),
    ]);
    expect(seenByPython(tar).map((line) => line.split(" ")[0])).toEqual([
      "d",
      "d/.wh..wh..opq",
      "d/!",
      "e",
      "e/.wh..wh..opq",
    ]);
    expect(entries(layer.index)).toEqual(["d dir opaque", "d/! file", "e dir opaque"]);
  });

  test("says nothing of the root", async () => {
    const { tar } = await write([present("", { type: "dir", mode: 0o700 })]);
    expect(tar.equals(Buffer.alloc(1024))).toBe(true);
  });

  test.skipIf(toolMissing("python3"))("has one time everywhere if that is asked for", async () => {
    const shared = { content: "x", inode: "1:2" };
    const { tar } = await write(
      [removed("a"), present("b", shared), present("c", shared), present("d", { type: "dir", opaque: true })],
      99,
    );
    expect(seenByPython(tar).every((line) => / 99( b)?$/.test(line))).toBe(true);
  });

  test("links further names of an inode to its first one, whatever it is", async () => {
    const of = (type: PresentChange["type"], more: Partial<PresentChange> = {}) =>
      ["1", "2"].map((name) => present(`${type}${name}`, { type, inode: type, ...more }));
    const { tar, layer } = await write([
      ...of("block", { devMajor: 1, devMinor: 2, xattrs: { "trusted.b": "\0" } }),
      ...of("char", { devMajor: 5, devMinor: 300 }),
      ...of("fifo"),
      ...[present("file1", { content: "x", inode: "f" }), present("file2", { content: "x", inode: "f" })],
      ...of("symlink", { link: "file1", mode: 0o700 }),
    ]);
    expect(layer.index.encode().equals(indexOf(tar).index.encode())).toBe(true);
    const listed = listTree(treeOfTar(tar));
    expect(listed).toHaveLength(10);
    for (let at = 0; at < 10; at += 2) expect(listed[at + 1]!.replace(/2 /, "1 ")).toBe(listed[at]);
    expect(listed.filter((line) => line.includes("->"))).toEqual([
      "symlink1 symlink 777 0:0 -> file1",
      "symlink2 symlink 777 0:0 -> file1",
    ]);
  });

  test("keeps an empty file that builds consult in its index, as the index of its tar does", async () => {
    const { tar, layer } = await write([present("etc/group"), present("etc/passwd", { content: "x" })]);
    expect(layer.index.smallFile("etc/group")?.length).toBe(0);
    expect(layer.index.encode().equals(indexOf(tar).index.encode())).toBe(true);
  });

  test("names a real file whose name means that another is gone", async () => {
    const { layer } = await write([present("d/.wh.x", { content: "x" }), removed("d/a")]);
    expect(layer.reservedName).toBe("d/.wh.x");
    const { layer: other } = await write([removed("d/.a"), removed("wh.")]);
    expect(other.reservedName).toBeUndefined();
  });

  test("refuses changes that are out of order, twice there, or cannot be said", async () => {
    for (const changes of [
      [removed("b"), removed("a")],
      [removed("a"), present("a", { content: "x" })],
      [present("b"), present("a/x")],
      [removed(".wh.a")],
    ]) {
      await expect(write(changes)).rejects.toMatchObject({ code: "INTERNAL" });
    }
  });

  test("is not made of a file that has become shorter", async () => {
    for (const size of [10, 5 << 20]) {
      const change = { ...present("f", { content: "short" }), size };
      await expect(write([change])).rejects.toMatchObject({ code: "CONTENT_INVALID" });
    }
  });

  test("closes what it opened, and stops when the build is cancelled", async () => {
    let open = 0;
    const content = Buffer.alloc(6 << 20);
    const change = (path: string): PresentChange => ({
      ...present(path),
      size: content.length,
      open: () => {
        open++;
        const reader = readerOf(content);
        return { read: reader.read, close: () => void open-- };
      },
    });
    const controller = new AbortController();
    const many = Array.from({ length: 400 }, (_, at) => change(`f${String(at).padStart(3, "0")}`));
    const written = writtenLayer((writer) => {
      setTimeout(() => controller.abort(), 100);
      return writeChanges(many, writer, { signal: controller.signal });
    });
    await expect(written).rejects.toMatchObject({ code: "CANCELLED" });
    expect(open).toBe(0);
  });

  test("has, for any changes, the index that its bytes give", async () => {
    await fc.assert(
      fc.asyncProperty(tree, fc.constantFrom(0, 0, 0, 0, 64 << 20), async (nodes, expectedSize) => {
        const changes = flatten(nodes, "");
        const { tar, layer } = await write(changes, undefined, expectedSize);
        const again = indexOf(tar);
        expect(entries(layer.index)).toEqual(entries(again.index));
        expect(layer.index.columns.extras).toEqual(again.index.columns.extras);
        expect(layer.index.encode().equals(again.index.encode())).toBe(true);
        expect(layer.diffId).toBe(again.diffId);
        expect(layer.size).toBe(tar.length);
      }),
      { numRuns: 100 },
    );
  });
});

/** A name in a generated tree. */
interface Node {
  readonly name: string;
  readonly kind: PresentChange["type"] | "removed" | "implied";
  readonly number: number;
  readonly inode: number | undefined;
  readonly content: string;
  readonly xattrs: Record<string, string> | undefined;
  readonly opaque: boolean;
  readonly children: readonly Node[];
}

const bytes = (max: number, min = 0) =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((array) => Buffer.from(array).toString("latin1"));
const name = fc
  .oneof(
    fc.constantFrom("a", "b", "etc", "passwd", "group", "a.b", "a-b", "x".repeat(200), "y".repeat(255)),
    bytes(12, 1).map((text) => text.replace(/[\0/]/g, "_")),
  )
  .filter((text) => text !== "." && text !== ".." && !text.startsWith(".wh."));
const xattrs = fc.option(
  fc.dictionary(
    fc.constantFrom("security.capability", "user.a", "user.\xe9\n", "trusted.z", "user.Z", "user.10"),
    bytes(20),
    { minKeys: 1 },
  ),
  { nil: undefined, freq: 4 },
);

/** More than a chunk of the writer holds. */
const big = fc.integer({ min: 0, max: 400_000 }).map((size) => "z".repeat(size));

/** Directories in directories, down to a depth. */
function trees(depth: number): fc.Arbitrary<readonly Node[]> {
  const node: fc.Arbitrary<Node> = fc.record({
    name,
    kind: fc.constantFrom<Node["kind"][]>(
      ...(["file", "file", "dir", "dir", "symlink", "char", "block", "fifo", "removed", "implied"] as const),
    ),
    number: fc.integer({ min: -3, max: 2 ** 32 - 1 }),
    inode: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined, freq: 2 }),
    content: fc.oneof({ arbitrary: bytes(40), weight: 9 }, { arbitrary: big, weight: 1 }),
    xattrs,
    opaque: fc.boolean(),
    children: depth === 0 ? fc.constant([]) : trees(depth - 1),
  });
  return fc.uniqueArray(node, { selector: (one) => one.name, maxLength: 5 });
}

const tree = trees(3);

function flatten(nodes: readonly Node[], above: string): Change[] {
  const sorted = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.flatMap((node) => {
    const path = above + node.name;
    if (node.kind === "removed") return [removed(path)];
    const isDir = node.kind === "dir" || node.kind === "implied";
    const below = isDir ? flatten(node.children, `${path}/`) : [];
    return node.kind === "implied" ? below : [changeOf(node, path, node.kind), ...below];
  });
}

/** All names of an inode have what belongs to the inode in common. */
function changeOf(node: Node, path: string, type: PresentChange["type"]): PresentChange {
  const inode = type === "dir" || node.inode === undefined ? undefined : `${type}${node.inode}`;
  const number = inode === undefined ? node.number : node.inode!;
  return present(path, {
    type,
    mode: Math.abs(number) & 0o7777,
    uid: Math.max(number, 0),
    gid: Math.abs(number) % 70_000,
    mtime: number,
    inode,
    opaque: type === "dir" && node.opaque,
    content: inode === undefined ? node.content : "shared",
    xattrs: inode === undefined ? node.xattrs : { "user.n": inode },
    ...(type === "symlink" ? { link: inode ?? `to ${node.name}` } : {}),
    ...(type === "char" || type === "block" ? { devMajor: 8, devMinor: Math.abs(number) % 1000 } : {}),
  });
}
