import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { extract } from "tar-stream";
import { describe, expect, test } from "vitest";
import { toByteString } from "../../src/support/bytes.js";
import type { TarEntry } from "../../src/tar/entry.js";
import {
  END_OF_ARCHIVE,
  encodeHeader,
  encodeHeaderInto,
  headerLength,
  paddingOf,
  TarWriter,
} from "../../src/tar/write.js";
import { bsdList, gnuList, inTemporary, pythonLists, scan, shown } from "./tools.js";

type Member = TarEntry & { readonly content?: Buffer };

function archiveOf(members: readonly Member[]): Buffer {
  const chunks: Buffer[] = [];
  const writer = new TarWriter((chunk) => chunks.push(chunk));
  for (const { content, ...entry } of members) writer.add(entry, content);
  writer.end();
  return Buffer.concat(chunks);
}

const file = (path: string, over: Partial<TarEntry> = {}): TarEntry => ({
  path: toByteString(path),
  type: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 1_700_000_000,
  ...over,
});

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** Elements of names: ordinary ones, long ones, ones with bytes that need quoting, UTF-8 and bytes that are not. */
const element = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[a-z0-9._-]{1,12}$/) },
  { weight: 3, arbitrary: fc.stringMatching(/^[a-zA-Z0-9 +"'\\\n\t*]{1,40}$/) },
  { weight: 2, arbitrary: fc.stringMatching(/^[a-z]{60,120}$/) },
  { weight: 2, arbitrary: fc.stringMatching(/^[äöü日本語😀]{1,30}$/u).map(toByteString) },
);
const notUtf8 = fc.stringMatching(/^[a-z]{1,5}[\x80-\xff]{1,4}[a-z]{1,5}$/);

const namesOf = (one: fc.Arbitrary<string>) =>
  fc
    .array(one, { minLength: 1, maxLength: 5 })
    .map((elements) =>
      elements.map((name) => (/^\.+$/.test(name) || name.trim() !== name ? `n${name}e` : name)).join("/"),
    );

const number = (small: number, limit: number, large: number) =>
  fc.oneof(
    fc.integer({ min: 0, max: small }),
    fc.constantFrom(limit - 1, limit, limit + 1),
    fc.integer({ min: 0, max: large }),
  );

const xattrs = fc.option(
  fc
    .dictionary(
      fc.constantFrom("security.capability", "user.note", "user.ünicode", "trusted.x").map(toByteString),
      fc.uint8Array({ maxLength: 90 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
      { minKeys: 1, maxKeys: 3, noNullPrototype: true },
    )
    // A value of no bytes says "no such attribute" to some readers; Linux has such values, tar has not.
    .map((record) => Object.fromEntries(Object.entries(record).map(([key, value]) => [key, `v${value}`]))),
  { freq: 4, nil: undefined },
);

const memberOf = (names: fc.Arbitrary<string>): fc.Arbitrary<Member> =>
  fc
    .record({
      path: names,
      link: names,
      type: fc.constantFrom<TarEntry["type"]>(
        "file",
        "file",
        "file",
        "dir",
        "symlink",
        "hardlink",
        "char",
        "block",
        "fifo",
      ),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: number(1000, 2_097_151, 0xfffffffe),
      gid: number(1000, 2_097_151, 0xfffffffe),
      mtime: fc.oneof(
        number(2_000_000_000, 8_589_934_591, 100_000_000_000),
        fc.integer({ min: -1_000_000_000, max: -1 }),
      ),
      content: fc.uint8Array({ maxLength: 1100 }),
      devMajor: number(255, 2_097_150, 2_097_151),
      devMinor: number(255, 2_097_150, 2_097_151),
      xattrs,
    })
    .map(({ link, content, devMajor, devMinor, xattrs: attributes, ...rest }) => ({
      ...rest,
      size: rest.type === "file" ? content.length : 0,
      ...(rest.type === "file" ? { content: Buffer.from(content) } : {}),
      ...(rest.type === "hardlink" || rest.type === "symlink" ? { link } : {}),
      ...(rest.type === "char" || rest.type === "block" ? { devMajor, devMinor } : {}),
      ...(attributes ? { xattrs: attributes } : {}),
    }));

/**
 * bsdtar (3.6) cannot convert the first link target of an archive if the header's own field is empty, as it is in Go's
 * archives too where no byte of the target is ASCII; after another link it can.
 */
const FIRST_LINK = file("first", { type: "symlink", link: "x" });

const withDigest = ({ content, ...entry }: Member) => (content ? { ...entry, sha256: sha256(content) } : entry);

describe("what we write is read the same by others", () => {
  test("by Python, GNU tar, bsdtar and ourselves, for any members (property)", () => {
    fc.assert(
      fc.property(fc.array(memberOf(namesOf(element)), { minLength: 1, maxLength: 80, size: "max" }), (members) => {
        const archive = archiveOf(members);
        const expected = members.map(withDigest);
        expect(scan(archive)).toEqual(expected);
        expect(pythonLists([archive])[0]).toEqual(expected);
        expect(gnuList(archive)).toEqual(members.map(shown));
        const bsd = bsdList(archiveOf([FIRST_LINK, ...members]))?.slice(1);
        expect(bsd).toEqual(members.map(shown).map(({ mtime: _, ...rest }) => rest));
      }),
      { numRuns: 8 },
    );
  });

  test("names that are not UTF-8 survive too (property)", () => {
    fc.assert(
      fc.property(
        fc.array(memberOf(namesOf(fc.oneof(element, notUtf8))), { minLength: 1, maxLength: 80, size: "max" }),
        (members) => {
          const archive = archiveOf(members);
          const expected = members.map(withDigest);
          expect(scan(archive)).toEqual(expected);
          expect(pythonLists([archive])[0]).toEqual(expected);
          expect(gnuList(archive)).toEqual(members.map(shown));
        },
      ),
      { numRuns: 6 },
    );
  });

  test("GNU tar extracts contents, modes, links and long names", () => {
    const long = `${"d".repeat(90)}/${"e".repeat(120)}/ünï`;
    const members: Member[] = [
      file("a", { size: 5, mode: 0o4755 }) && {
        ...file("a", { size: 5, mode: 0o4755 }),
        content: Buffer.from("hello"),
      },
      { ...file(long, { size: 513 }), content: Buffer.alloc(513, 7) },
      file("h", { type: "hardlink", link: "a" }),
      file("s", { type: "symlink", link: toByteString(`${"x".repeat(150)}ü`) }),
      file("dir", { type: "dir", mode: 0o1777 }),
      file("p", { type: "fifo" }),
    ];
    inTemporary((directory) => {
      execFileSync("tar", ["-xpf", "-", "-C", directory], { input: archiveOf(members) });
      expect(readFileSync(join(directory, "a"), "utf8")).toBe("hello");
      expect(lstatSync(join(directory, "a")).mode & 0o7777).toBe(0o4755);
      expect(lstatSync(join(directory, "a")).ino).toBe(lstatSync(join(directory, "h")).ino);
      expect(readFileSync(join(directory, long))).toEqual(Buffer.alloc(513, 7));
      expect(lstatSync(join(directory, "s")).isSymbolicLink()).toBe(true);
      expect(lstatSync(join(directory, "dir")).mode & 0o7777).toBe(0o1777);
      expect(lstatSync(join(directory, "p")).isFIFO()).toBe(true);
    });
  });

  test("tar-stream reads ordinary archives the same", async () => {
    const members: Member[] = [
      { ...file("a/b.txt", { size: 3 }), content: Buffer.from("abc") },
      file("a", { type: "dir", mode: 0o755 }),
      { ...file(`${"long/".repeat(40)}ü`, { size: 600 }), content: Buffer.alloc(600, 1) },
      file("l", { type: "symlink", link: "a/b.txt" }),
      file("h", { type: "hardlink", link: "a/b.txt" }),
    ];
    const found: unknown[] = [];
    const reader = extract();
    reader.end(archiveOf(members));
    for await (const entry of reader) {
      const { name, size, type, linkname, mode } = entry.header;
      found.push([name.replace(/\/$/, ""), size, type, linkname, mode]);
      entry.resume();
    }
    const types: Record<string, string> = { file: "file", dir: "directory", symlink: "symlink", hardlink: "link" };
    expect(found).toEqual(
      members.map(({ path, size, type, link, mode }) => {
        const name = Buffer.from(path, "latin1").toString();
        return [name, size, types[type], link ?? null, mode];
      }),
    );
  });
});

describe("the bytes are those of Go's archive/tar", () => {
  const dir = (path: string) => file(path, { type: "dir", mode: 0o755 });
  const one = (path: string, over: Partial<TarEntry> = {}): Member => ({
    ...file(path, { size: 1, ...over }),
    content: Buffer.from("x"),
  });
  const [p150, p156] = ["p".repeat(150), "p".repeat(156)];
  const [r, s] = ["r".repeat(90), "s".repeat(90)];
  const japanese = "日本".repeat(20);

  test("a whole layer equals the one that Docker 28.5 made of the same files", () => {
    // COPY of these files onto scratch; the digest is the diffID of Docker's layer.
    const members: Member[] = [
      one("a".repeat(100)),
      one("b".repeat(101)),
      file("capd", { mode: 0o755 }),
      dir("d".repeat(60)),
      one(`${"d".repeat(60)}/${"e".repeat(60)}`),
      one("future", { mtime: 8_589_934_592 }),
      { ...file("hard", { size: 5 }), content: Buffer.from("hello") },
      file("longlink", { type: "symlink", mode: 0o777, link: "x".repeat(120) }),
      one(`${"n".repeat(95)}é`),
      one("old", { mtime: -5 }),
      file("plain.txt", { type: "hardlink", link: "hard" }),
      dir(p150),
      one(`${p150}/${"q".repeat(99)}`),
      dir(p156),
      one(`${p156}/${"q".repeat(10)}`),
      dir(r),
      dir(`${r}/${s}`),
      one(`${r}/${s}/${"t".repeat(90)}`),
      file("sl", { type: "symlink", mode: 0o777, link: "plain.txt" }),
      one("suid", { mode: 0o4755 }),
      file("ulink", { type: "symlink", mode: 0o777, link: toByteString("zü") }),
      dir("v".repeat(99)),
      dir("w".repeat(100)),
      one("ümlaut.txt"),
      dir("ünidir"),
      dir("ünidir/ä"),
      one("ünidir/ä/x"),
      dir(japanese),
      one(`${japanese}/${"語".repeat(50)}`),
    ];
    expect(sha256(archiveOf(members))).toBe("2ca614c9e50fce6a44de20df2d4c5eda96a9ccbd2bb2acb5ec1d984f5590bb73");
  });

  test("a binary capability is written as Docker 28.5 writes it", () => {
    const capability = Buffer.from("0100000280040000000000000000000000000000", "hex").toString("latin1");
    const header = encodeHeader(file("capd", { mode: 0o755, xattrs: { "security.capability": capability } }));
    expect(sha256(header)).toBe("45496c41851db56baa0587ab8457a3c22230512539914c182acd013805aa0465");
  });
});

describe("encoding", () => {
  test("an ordinary member is one block, written into the caller's buffer whatever was there", () => {
    const entry = file("a/b", { size: 3 });
    const target = Buffer.alloc(2048, 0xff);
    expect(encodeHeaderInto(entry, target, 512)).toBe(1024);
    expect(target.subarray(512, 1024)).toEqual(encodeHeader(entry));
    expect(target.subarray(0, 512).every((byte) => byte === 0xff)).toBe(true);
    expect(target.subarray(1024).every((byte) => byte === 0xff)).toBe(true);
  });

  test("headerLength says what encodeHeaderInto writes, for any member (property)", () => {
    fc.assert(
      fc.property(memberOf(namesOf(fc.oneof(element, notUtf8))), (member) => {
        const target = Buffer.alloc(8192, 0xff);
        const end = encodeHeaderInto(member, target, 0);
        expect(headerLength(member)).toBe(end);
        expect(target.subarray(0, end)).toEqual(encodeHeader(member));
      }),
      { numRuns: 300 },
    );
  });

  test("an empty set of attributes needs no extended header", () => {
    const long = `${"p".repeat(100)}/${"q".repeat(50)}`;
    expect(encodeHeader(file(long, { xattrs: {} }))).toEqual(encodeHeader(file(long)));
    expect(headerLength(file(long, { xattrs: {} }))).toBe(512);
  });

  test("the root directory is written as ./", () => {
    const root = file("", { type: "dir", mode: 0o755 });
    expect(scan(archiveOf([root]))[0]!.path).toBe(".");
    expect(gnuList(archiveOf([root]))![0]!.path).toBe(".");
    expect(encodeHeader(file("/", { type: "dir" })).toString("latin1", 0, 3)).toBe("/\0\0");
  });

  test("only the low 12 bits of a mode are written, and no size where there is no content", () => {
    expect(scan(archiveOf([file("a", { mode: 0o100644 })]))[0]!.mode).toBe(0o644);
    expect(scan(archiveOf([file("d", { type: "dir", size: 4096 })]))[0]!.size).toBe(0);
  });

  test("a size beyond 8 GiB is told in a PAX record", () => {
    const size = 8 * 1024 ** 3;
    const header = encodeHeader(file("big", { size }));
    expect(header.toString("latin1")).toContain("19 size=8589934592\n");
    expect(encodeHeader(file("big", { size: size - 1 })).length).toBe(512);
  });

  test.each<[string, Partial<TarEntry>]>([
    ["a NUL in the path", { path: "a\0b" }],
    ["a NUL in a link target", { type: "symlink", link: "a\0b" }],
    ["a file whose path ends in a slash", { path: "a/" }],
    ["a file without a path", { path: "" }],
    ["a hard link without a target", { type: "hardlink" }],
    ["a symlink with an empty target", { type: "symlink", link: "" }],
    ["a negative size", { size: -1 }],
    ["half an id", { uid: 0.5 }],
    ["a negative id", { gid: -1 }],
    ["a time that is no number", { mtime: Number.NaN }],
    ["a device number that Linux does not have", { type: "char", devMajor: 2_097_152 }],
    ["an attribute with an equals sign in its name", { xattrs: { "user.a=b": "x" } }],
    ["a name that is not a byte string", { path: "日本" }],
  ])("%s is refused", (_, over) => {
    expect(() => encodeHeader({ ...file("x"), ...over })).toThrow(expect.objectContaining({ code: "TAR_INVALID" }));
  });

  test("padding fills up to a block, and the end is two blocks of zeros", () => {
    expect([0, 1, 511, 512, 513, 8589934593].map(paddingOf)).toEqual([0, 511, 1, 0, 511, 511]);
    expect(END_OF_ARCHIVE.equals(Buffer.alloc(1024))).toBe(true);
  });
});

describe("TarWriter", () => {
  test("content may come in pieces", () => {
    const chunks: Buffer[] = [];
    const writer = new TarWriter((chunk) => chunks.push(chunk));
    writer.add(file("a", { size: 600 }));
    writer.write(Buffer.alloc(100, 1));
    writer.write(Buffer.alloc(500, 2));
    writer.add(file("b"));
    writer.end();
    const archive = Buffer.concat(chunks);
    expect(archive.length).toBe(512 + 1024 + 512 + 1024);
    expect(scan(archive).map((entry) => entry.path)).toEqual(["a", "b"]);
  });

  test("too little or too much content is an error that names the member", () => {
    const writer = new TarWriter(() => {});
    writer.add(file("short", { size: 3 }));
    expect(() => writer.write(Buffer.alloc(4))).toThrow(/short/);
    writer.write(Buffer.alloc(2));
    expect(() => writer.add(file("next"))).toThrow(/"short" lacks 1 bytes/);
    expect(() => writer.end()).toThrow(/"short" lacks 1 bytes/);
  });

  test("a file on disk round-trips through it and GNU tar", () => {
    inTemporary((directory) => {
      mkdirSync(join(directory, "in"));
      writeFileSync(join(directory, "in", "x"), "content");
      const archive = execFileSync("tar", ["-cf", "-", "-C", directory, "in"]);
      expect(scan(archive).map((entry) => entry.path)).toEqual(["in", "in/x"]);
    });
  });
});
