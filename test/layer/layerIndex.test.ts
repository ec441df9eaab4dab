import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IndexBuilder } from "../../src/layer/indexBuilder.js";
import { LayerIndex } from "../../src/layer/layerIndex.js";
import { sha256Hex } from "../../src/support/hash.js";
import { entryOf, indexOf, type Member, readerOf, tarOf, writtenLayer } from "./helpers.js";

function list(index: LayerIndex): string[] {
  return Array.from(
    { length: index.count },
    (_, i) =>
      `${index.path(i)} ${index.type(i)}${index.isImplied(i) ? " implied" : ""}${index.isOpaque(i) ? " opaque" : ""}`,
  ).slice(1);
}

describe("the index of a layer", () => {
  test("lists every path once, sorted by component, with implied parents", () => {
    const { index } = indexOf(tarOf([{ path: "b/x" }, { path: "a.txt" }, { path: "a/" }, { path: "a/b" }]));
    expect(list(index)).toEqual(["a dir", "a/b file", "a.txt file", "b dir implied", "b/x file"]);
  });

  test("gives the content of each file by its offset", () => {
    const tar = tarOf([
      { path: "a", content: "one" },
      { path: "d/long", content: "x".repeat(2000) },
    ]);
    const { index } = indexOf(tar);
    for (const [path, content] of [
      ["a", "one"],
      ["d/long", "x".repeat(2000)],
    ] as const) {
      const entry = index.find(path);
      const at = index.contentOffset(entry);
      expect(tar.toString("latin1", at, at + index.size(entry))).toBe(content);
      expect(index.digestHex(entry)).toBe(sha256Hex(content));
    }
    expect(index.find("d/none")).toBe(-1);
  });

  test("a later member takes the place of an earlier one, and what was below is gone", () => {
    const { index } = indexOf(tarOf([{ path: "a/" }, { path: "a/b" }, { path: "a", content: "now a file" }]));
    expect(list(index)).toEqual(["a file"]);
  });

  test("a directory again changes its metadata and keeps what is in it", () => {
    const { index } = indexOf(tarOf([{ path: "a/" }, { path: "a/b" }, { path: "a/", mode: 0o700 }]));
    expect(list(index)).toEqual(["a dir", "a/b file"]);
    expect(index.mode(index.find("a"))).toBe(0o700);
  });

  test("a hard link shares the content of its target, even if the target's name is taken over later", () => {
    const { index } = indexOf(
      tarOf([
        { path: "a", content: "old" },
        { path: "b", type: "hardlink", link: "a" },
        { path: "a", content: "new" },
      ]),
    );
    expect(index.digestHex(index.find("b"))).toBe(sha256Hex("old"));
    expect(index.digestHex(index.find("a"))).toBe(sha256Hex("new"));
  });

  test("members below a symlink of the same layer go where it leads, inside the root", () => {
    const { index } = indexOf(
      tarOf([
        { path: "real/" },
        { path: "d", type: "symlink", link: "../../real" },
        { path: "d/f" },
        { path: "abs", type: "symlink", link: "/real" },
        { path: "abs/g" },
      ]),
    );
    expect(list(index)).toEqual(["abs symlink", "d symlink", "real dir", "real/f file", "real/g file"]);
  });

  test("whiteouts act on lower layers only, in whatever order they come", () => {
    const first = indexOf(tarOf([{ path: "d/.wh.x" }, { path: "d/x", content: "new" }, { path: "d/.wh.gone" }])).index;
    expect(list(first)).toEqual(["d dir implied", "d/gone whiteout", "d/x file"]);
    const second = indexOf(
      tarOf([{ path: "d/" }, { path: "d/sub/" }, { path: "d/.wh.sub" }, { path: "e/.wh..wh..opq" }]),
    ).index;
    expect(list(second)).toEqual(["d dir", "d/sub dir opaque", "e dir implied opaque"]);
  });

  test("bookkeeping of AUFS is skipped, and in plain archives whiteout names are files", () => {
    const tar = tarOf([{ path: ".wh..wh.plnk/" }, { path: ".wh.x" }]);
    expect(list(indexOf(tar).index)).toEqual(["x whiteout"]);
    expect(list(indexOf(tar, { whiteouts: false }).index)).toEqual([".wh..wh.plnk dir", ".wh.x file"]);
  });

  test.each<[string, Member[]]>([
    ["a whiteout of no name", [{ path: "a/.wh." }]],
    ["a whiteout of ..", [{ path: "a/.wh..." }]],
    ["a hard link to itself", [{ path: "a" }, { path: "a", type: "hardlink", link: "a" }]],
    ["a hard link to a directory", [{ path: "a/" }, { path: "b", type: "hardlink", link: "a" }]],
    ["a member below a file", [{ path: "a" }, { path: "a/b" }]],
    [
      "a loop of symlinks",
      [{ path: "a", type: "symlink", link: "b" }, { path: "b", type: "symlink", link: "a" }, { path: "a/x" }],
    ],
    ["a root that is a file", [{ path: "." }]],
  ])("refuses %s", (_, members) => {
    expect(() => indexOf(tarOf(members))).toThrow(expect.objectContaining({ code: "TAR_INVALID" }));
  });

  test("more members than memory could hold are refused before it is used up", () => {
    const builder = new IndexBuilder({ maxEntries: 2 });
    for (const path of ["a", "b"]) builder.add(entryOf({ path }), 0, 0);
    expect(() => builder.add(entryOf({ path: "c" }), 0, 0)).toThrow(
      expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
    );
  });

  test("names with .. stay inside the root", () => {
    expect(list(indexOf(tarOf([{ path: "../../etc/x" }, { path: "/abs" }])).index)).toEqual([
      "abs file",
      "etc dir implied",
      "etc/x file",
    ]);
  });

  test("keeps passwd whole, so that names are looked up without opening the layer", () => {
    const { index } = indexOf(tarOf([{ path: "etc/passwd", content: "root:x:0:0::/root:/bin/sh\n" }]));
    expect(LayerIndex.decode(index.encode()).smallFile("etc/passwd")?.toString()).toContain("root:x");
  });

  test("a damaged or truncated index is refused, never misread", () => {
    const bytes = indexOf(tarOf([{ path: "a", content: "x" }])).index.encode();
    for (let at = 0; at < bytes.length; at += 7) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 0x40;
      expect(() => LayerIndex.decode(flipped)).toThrow(expect.objectContaining({ code: "CONTENT_INVALID" }));
      expect(() => LayerIndex.decode(bytes.subarray(0, at))).toThrow(
        expect.objectContaining({ code: "CONTENT_INVALID" }),
      );
    }
  });

  test("the digest of a directory tells of everything below but mtimes", () => {
    const digest = (...members: Member[]): string | undefined => indexOf(tarOf(members)).index.digestHex(0);
    const base: Member[] = [{ path: "d/" }, { path: "d/f", content: "1" }];
    expect(digest(...base)).toBe(digest({ path: "d/", mtime: 5 }, { path: "d/f", content: "1", mtime: 9 }));
    expect(digest(...base)).not.toBe(digest({ path: "d/" }, { path: "d/f", content: "2" }));
    expect(digest(...base)).not.toBe(digest({ path: "d/", mode: 0o700 }, { path: "d/f", content: "1" }));
  });
});

const name = fc.constantFrom("a", "b", "c", "é".normalize("NFC"), "z z", "\xff\xfe", "long".repeat(30));
const member = fc.record({
  path: fc
    .array(name, { minLength: 1, maxLength: 3 })
    .map((parts) => Buffer.from(parts.join("/"), "latin1").toString("latin1")),
  content: fc.string({ maxLength: 50 }),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 3_000_000 }),
  mtime: fc.integer({ min: 0, max: 2 ** 33 }),
});

/** All that does not tell where in the archive an entry stands. */
function facts(index: LayerIndex): unknown[] {
  return Array.from({ length: index.count }, (_, i) => [
    ...[index.path(i), index.type(i), index.end(i), index.mode(i), index.uid(i), index.mtime(i), index.size(i)],
    ...[index.isImplied(i), index.isOpaque(i), index.link(i), index.digestHex(i)],
  ]);
}

describe("members in any order", () => {
  test("property: give the index of the same members in order", () => {
    const members = fc.uniqueArray(member, { selector: (m) => m.path, maxLength: 20 }).map((all) => {
      const files = all.filter((m) => !all.some((other) => other.path.startsWith(`${m.path}/`)));
      return files.sort((a, b) => (sortKey(a.path) < sortKey(b.path) ? -1 : 1));
    });
    const shuffled = members.chain((files) => fc.tuple(fc.constant(files), fc.shuffledSubarray(files, whole(files))));
    fc.assert(
      fc.property(shuffled, ([files, others]) => {
        expect(facts(indexOf(tarOf(others)).index)).toEqual(facts(indexOf(tarOf(files)).index));
      }),
      { numRuns: 60 },
    );
  });

  test("in directories of thousands of entries too, as nacre itself writes them", async () => {
    const members = Array.from({ length: 9000 }, (_, i): Member => {
      const path = i < 6000 ? `a/link-${i}` : `b/${i % 7}/link-${i}`;
      return { path, type: "symlink", link: `../target-${i % 10}`, mode: 0o777, mtime: i };
    });
    const sorted = [...members].sort((a, b) => (sortKey(a.path) < sortKey(b.path) ? -1 : 1));
    const { layer } = await writtenLayer((writer) => {
      for (const each of sorted) writer.add(entryOf(each));
    });
    const { index } = indexOf(tarOf(members));
    expect(facts(index)).toEqual(facts(layer.index));
    expect(index.find("b/3/link-6009")).toBe(layer.index.find("b/3/link-6009"));
  });

  test("keep what hard links say, whichever names of the inode are replaced later", () => {
    const linked: Member[] = [
      { path: "z", content: "shared", mode: 0o600 },
      { path: "y", type: "hardlink", link: "z" },
      { path: "x", type: "hardlink", link: "y" },
    ];
    const links = (...more: Member[]): unknown[] => {
      const { index } = indexOf(tarOf([...linked, ...more]));
      return ["x", "y", "z"].map((path) => index.link(index.find(path)));
    };
    expect(links()).toEqual(["z", "z", undefined]);
    expect(links({ path: "y", content: "new" })).toEqual(["z", undefined, undefined]);
    expect(links({ path: "z", content: "new" })).toEqual(["y", "z", undefined]);
  });
});

function whole(list: readonly unknown[]): { minLength: number; maxLength: number } {
  return { minLength: list.length, maxLength: list.length };
}

describe("writing a layer", () => {
  test("property: encode and decode of an index are inverse, and equal to an index made from the tar", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(member, { selector: (m) => m.path, maxLength: 12 }), async (members) => {
        const files = members.filter((m) => !members.some((other) => other.path.startsWith(`${m.path}/`)));
        files.sort((a, b) => (sortKey(a.path) < sortKey(b.path) ? -1 : 1));
        const { tar, layer } = await writtenLayer((writer) => {
          for (const file of files) {
            const bytes = Buffer.from(file.content, "latin1");
            writer.addFile(entryOf(file), readerOf(bytes), sha256Hex(bytes));
          }
        });
        const again = indexOf(tar);
        expect(again.diffId).toBe(layer.diffId);
        expect(again.index.encode().equals(layer.index.encode())).toBe(true);
        expect(LayerIndex.decode(layer.index.encode()).encode().equals(layer.index.encode())).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("the sink with a thread gives the same bytes as the one without", async () => {
    const big = Buffer.alloc(3_000_000, "0123456789abcdef");
    const fill = (writer: Parameters<Parameters<typeof writtenLayer>[0]>[0]): void => {
      writer.add(entryOf({ path: "d/" }));
      for (let i = 0; i < 40; i++)
        writer.addFile(
          { ...entryOf({ path: `d/${String(i).padStart(2, "0")}` }), size: big.length - i * 7919 },
          readerOf(big),
          undefined,
        );
    };
    const direct = await writtenLayer(fill, 0);
    const threaded = await writtenLayer(fill, 1e9);
    expect(threaded.layer.diffId).toBe(direct.layer.diffId);
    expect(threaded.tar.equals(direct.tar)).toBe(true);
    expect(`sha256:${sha256Hex(direct.tar)}`).toBe(direct.layer.diffId);
  });

  test("what it writes is what GNU tar reads", async () => {
    const { tar } = await writtenLayer((writer) => {
      writer.add(entryOf({ path: "d/", mode: 0o1777 }));
      writer.addFile(
        entryOf({ path: "d/f", content: "hello", mode: 0o4755, uid: 3_000_000 }),
        readerOf(Buffer.from("hello")),
        sha256Hex("hello"),
      );
      writer.share("d/f");
      writer.add(entryOf({ path: "d/h", type: "hardlink", link: "d/f" }));
      writer.add(entryOf({ path: "d/l", type: "symlink", link: "f", mode: 0o777 }));
    });
    const listing = execFileSync("tar", ["-tvf", "-", "--numeric-owner"], { input: tar, encoding: "utf8" });
    expect(listing).toMatch(
      /drwxrwxrwt .* d\/\n-rwsr-xr-x 3000000\/0 .* d\/f\nhrw-r--r-- .* d\/h link to d\/f\nlrwxrwxrwx .* d\/l -> f/,
    );
  });

  test.each([
    ["shorter", "hell"],
    ["another", "HELLO"],
  ])("a content that is %s than what was keyed is refused", async (_, found) => {
    const writing = writtenLayer((writer) => {
      writer.addFile(entryOf({ path: "f", content: "hello" }), readerOf(Buffer.from(found)), sha256Hex("hello"));
    });
    await expect(writing).rejects.toMatchObject({
      code: "CONTEXT_CHANGED",
      message: expect.stringContaining("f changed while it was being built"),
    });
  });
});

/** Order by components: a slash sorts before every other byte. */
function sortKey(path: string): string {
  return path.replaceAll("/", "\0");
}
