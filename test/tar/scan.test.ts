import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isNacreError } from "../../src/support/errors.js";
import type { TarEntry } from "../../src/tar/entry.js";
import { startsWithTarHeader } from "../../src/tar/header.js";
import type { TarLimits } from "../../src/tar/limits.js";
import { TarScanner } from "../../src/tar/scan.js";
import type { SparseSegment } from "../../src/tar/sparse.js";
import { base256, content, END, file, GNU_MAGIC, gnuLong, header, pax } from "./craft.js";
import { type Listed, pythonLists, scan } from "./tools.js";

const isRoot = process.getuid?.() === 0;
const LONG = `${"d".repeat(70)}/${"e".repeat(70)}/${"f".repeat(70)}`;
/** Names that ustar can hold. */
const SHORT_NAMES = [
  "plain.txt",
  "empty",
  "suid",
  "dir",
  "dir/inner",
  "sym",
  "hard",
  "with space",
  "line\nbreak",
  "big",
];

let tree: string;
beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), "nacre-tree-"));
  const path = (name: string | Buffer) => Buffer.concat([Buffer.from(`${tree}/`), Buffer.from(name)]);
  writeFileSync(path("plain.txt"), "hello");
  writeFileSync(path("empty"), "");
  writeFileSync(path("suid"), "x", { mode: 0o755 });
  execFileSync("chmod", ["4755", path("suid").toString()]);
  mkdirSync(path("dir"), { mode: 0o1777 });
  writeFileSync(path("dir/inner"), Buffer.alloc(1537, 3));
  symlinkSync("plain.txt", path("sym"));
  linkSync(path("plain.txt"), path("hard"));
  writeFileSync(path("with space"), "s");
  writeFileSync(path("line\nbreak"), "n");
  writeFileSync(path("big"), Buffer.alloc(300_000, "big "));
  mkdirSync(path(`long/${LONG.slice(0, LONG.lastIndexOf("/"))}`), { recursive: true });
  writeFileSync(path(`long/${LONG}`), "long");
  symlinkSync(`${"t".repeat(180)}`, path("long/link"));
  mkdirSync(path("names"));
  writeFileSync(path("names/ünïcödé-日本"), "u");
  writeFileSync(path(Buffer.from("names/caf\xe9", "latin1")), "l");
  mkdirSync(path("sparse"));
  writeFileSync(path("sparse/one"), "start");
  truncateSync(path("sparse/one"), 3_000_000);
  writeFileSync(path("sparse/hole"), "");
  truncateSync(path("sparse/hole"), 1_000_000);
  writeFileSync(path("sparse/many"), "");
  truncateSync(path("sparse/many"), 120 * 65_536);
  execFileSync("python3", [
    "-c",
    "import sys\nf=open(sys.argv[1],'r+b')\nfor i in range(120):\n f.seek(i*65536); f.write(b'x%d'%i)",
    path("sparse/many").toString(),
  ]);
  utimesSync(path("plain.txt"), 1_600_000_000.75, 1_600_000_000.75);
  execFileSync("mkfifo", [path("dir/fifo").toString()]);
  if (isRoot) execFileSync("mknod", [path("dir/null").toString(), "c", "1", "3"]);
});
afterAll(() => rmSync(tree, { recursive: true, force: true }));

const run = (tool: string, args: readonly string[]): Buffer =>
  execFileSync(tool, args, {
    cwd: tree,
    maxBuffer: 1 << 28,
    env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" },
    stdio: ["ignore", "pipe", "ignore"],
  });

/** What we find, which must be what Python finds: every field and the digest of every content. */
function expectAsPython(archive: Buffer): Listed[] {
  const found = scan(archive);
  expect(found.length).toBeGreaterThan(0);
  expect(pythonLists([archive])[0]).toEqual(found);
  return found;
}

describe("archives of other programs are read as Python reads them", () => {
  test.each(["v7", "ustar", "oldgnu", "gnu", "posix"])("GNU tar, format %s", (format) => {
    const names = format === "v7" ? SHORT_NAMES.filter((name) => name !== "dir") : SHORT_NAMES;
    const found = expectAsPython(run("tar", ["--format", format, "--sort=name", "-cf", "-", ...names]));
    const plain = found.find((entry) => entry.path === "plain.txt")!;
    expect(plain.mtime).toBe(1_600_000_000);
    expect(plain.sha256).toBe(createHash("sha256").update("hello").digest("hex"));
    expect(found.find((entry) => entry.path === "hard")).toMatchObject({ type: "hardlink", link: "plain.txt" });
    expect(found.find((entry) => entry.path === "suid")!.mode).toBe(0o4755);
  });

  test.each(["oldgnu", "gnu", "posix"])(
    "GNU tar, format %s, with long names and names that are not UTF-8",
    (format) => {
      const found = expectAsPython(run("tar", ["--format", format, "--sort=name", "-cf", "-", "long", "names", "dir"]));
      expect(found.map((entry) => entry.path)).toContain(`long/${LONG}`);
      expect(found.map((entry) => entry.path)).toContain("names/caf\xe9");
      expect(found.find((entry) => entry.path === "long/link")!.link).toBe("t".repeat(180));
      if (isRoot)
        expect(found.find((entry) => entry.path === "dir/null")).toMatchObject({
          type: "char",
          devMajor: 1,
          devMinor: 3,
        });
    },
  );

  test("GNU tar's ids, sizes and times beyond what octal holds", () => {
    for (const format of ["gnu", "posix"]) {
      const options = ["--owner=:3000000", "--group=:4294967294", "--mtime=@-7"];
      const found = expectAsPython(run("tar", ["--format", format, ...options, "-cf", "-", "plain.txt"]));
      expect(found[0]).toMatchObject({ uid: 3_000_000, gid: 4_294_967_294, mtime: -7 });
    }
  });

  test.each(["ustar", "gnutar", "pax"])("bsdtar, format %s", (format) => {
    expectAsPython(run("bsdtar", ["--format", format, "-cf", "-", ...SHORT_NAMES]));
    if (format !== "ustar") expectAsPython(run("bsdtar", ["--format", format, "-cf", "-", "long", "names", "dir"]));
  });

  test.each(["USTAR", "GNU", "PAX"])("Python, format %s", (format) => {
    const script = [
      "import sys, tarfile",
      `t = tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.${format}_FORMAT)`,
      "for name in sys.argv[1:]: t.add(name)",
      "t.close()",
    ].join("\n");
    const names = format === "USTAR" ? SHORT_NAMES : [...SHORT_NAMES, "long", "names"];
    const found = expectAsPython(run("python3", ["-c", script, ...names]));
    expect(found.find((entry) => entry.path === "plain.txt")!.mtime).toBe(1_600_000_000);
  });

  test("tar-stream", async () => {
    const packer = pack();
    packer.entry({ name: "a.txt", mode: 0o600 }, "hello");
    packer.entry({ name: `${"long/".repeat(60)}ü` }, "x");
    packer.entry({ name: "d", type: "directory" });
    packer.entry({ name: "l", type: "symlink", linkname: "a.txt" });
    packer.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of packer) chunks.push(chunk as Buffer);
    expect(expectAsPython(Buffer.concat(chunks)).map((entry) => entry.type)).toEqual([
      "file",
      "file",
      "dir",
      "symlink",
    ]);
  });

  test("extended attributes of GNU tar and of bsdtar, which writes each twice", () => {
    const attributed = join(tree, "attributed");
    writeFileSync(attributed, "a");
    // Not every file system has attributes.
    try {
      execFileSync("setfattr", ["-n", "user.note", "-v", "0x00ff0a3d", attributed], { stdio: "ignore" });
    } catch {
      return;
    }
    const xattrs = { "user.note": "\0\xff\n=" };
    const gnu = run("tar", ["--xattrs", "--format=posix", "-cf", "-", "attributed"]);
    const bsd = run("bsdtar", ["--xattrs", "--format=pax", "-cf", "-", "attributed"]);
    expect(expectAsPython(gnu)[0]).toMatchObject({ xattrs });
    expect(scan(bsd)[0]).toMatchObject({ xattrs });
  });

  test("a LIBARCHIVE attribute alone is decoded from base64", () => {
    const archive = Buffer.concat([pax(["LIBARCHIVE.xattr.user.a%3Db", "AP8KPQ"]), file("a"), END]);
    expect(scan(archive)[0]!.xattrs).toEqual({ "user.a=b": "\0\xff\n=" });
  });

  test("an attribute may be called __proto__", () => {
    const archive = Buffer.concat([pax(["SCHILY.xattr.__proto__", "v"]), file("a"), END]);
    expect(Object.entries(scan(archive)[0]!.xattrs!)).toEqual([["__proto__", "v"]]);
  });
});

describe("sparse files", () => {
  const forms = [
    ["--format=gnu"],
    ["--format=oldgnu"],
    ["--format=posix", "--sparse-version=0.0"],
    ["--format=posix", "--sparse-version=0.1"],
    ["--format=posix", "--sparse-version=1.0"],
  ];

  test.each(forms)("are read whole, holes filled: %s %s", (...options) => {
    const sparse = run("tar", [
      ...options.filter(Boolean),
      "--sparse",
      "--sort=name",
      "-cf",
      "-",
      "sparse",
      "plain.txt",
    ]);
    const plain = run("tar", ["--format=posix", "--sort=name", "-cf", "-", "sparse", "plain.txt"]);
    expect(sparse.length).toBeLessThan(plain.length / 2);
    expect(scan(sparse)).toEqual(scan(plain));
    expect(scan(sparse, 700)).toEqual(scan(plain));
    expectAsPython(sparse);
  });

  test("the segments tell where the data lies in the archive", () => {
    const archive = run("tar", ["--format=posix", "--sparse", "-cf", "-", "sparse/one"]);
    let reported: { offset: number; segments: readonly SparseSegment[] | undefined } | undefined;
    const scanner = new TarScanner({ entry: (_, __, offset, segments) => (reported = { offset, segments }) });
    scanner.write(archive);
    scanner.end();
    expect(reported!.segments![0]!.at).toBe(0);
    expect(archive.toString("latin1", reported!.offset, reported!.offset + 5)).toBe("start");
  });

  test("ordinary files report no segments", () => {
    const seen: unknown[] = [];
    const scanner = new TarScanner({ entry: (...args) => void seen.push(args.length) });
    scanner.write(Buffer.concat([file("a", "x"), END]));
    expect(seen).toEqual([3]);
  });
});

describe("numbers, names and times", () => {
  const only = (...parts: Buffer[]) => scan(Buffer.concat([...parts, END]))[0]!;

  test.each([
    ["1.999999999", 1],
    ["-1.5", -2],
    ["-0.5", -1],
    ["-2.000", -2],
    ["-0", 0],
    ["12.", 12],
  ])("the PAX time %s is second %i", (text, seconds) => {
    expect(only(pax(["mtime", text]), file("a")).mtime).toBe(seconds);
  });

  test("base-256 numbers, negative times among them", () => {
    const entry = only(
      header({ magic: GNU_MAGIC, mtime: base256(-3n), uid: base256(3_000_000n, 8), gid: base256(0n, 8) }),
    );
    expect(entry).toMatchObject({ mtime: -3, uid: 3_000_000, gid: 0 });
  });

  test("a negative id is refused", () => {
    expect(() => only(header({ magic: GNU_MAGIC, uid: base256(-1n, 8) }))).toThrow(/negative user id/);
  });

  test("empty fields other than the size are zero", () => {
    expect(
      only(header({ uid: "\0".repeat(8), gid: " ".repeat(8), mtime: "\0".repeat(12), mode: "\0".repeat(8) })),
    ).toMatchObject({
      uid: 0,
      gid: 0,
      mtime: 0,
      mode: 0,
    });
  });

  test("only the low 12 bits of a mode are kept", () => {
    expect(only(header({ mode: "0107755\0" })).mode).toBe(0o7755);
  });

  test("the root keeps its name, other directories lose their slashes", () => {
    const paths = ["./", "/", "a//", "b/c/"].map((name) => only(header({ name, flag: "5" })).path);
    expect(paths).toEqual([".", "/", "a", "b/c"]);
  });
});

describe("events", () => {
  interface Event {
    readonly kind: "entry" | "content" | "end";
    readonly value?: unknown;
  }

  /** All events, with content joined: how it is cut may follow the pieces. */
  function events(archive: Buffer, cuts: readonly number[]): Event[] {
    const seen: Event[] = [];
    let parts: Buffer[] = [];
    const flush = () => {
      if (parts.length > 0) seen.push({ kind: "content", value: Buffer.concat(parts).toString("latin1") });
      parts = [];
    };
    const scanner = new TarScanner({
      entry: (...value) => void seen.push({ kind: "entry", value }),
      content: (chunk) => void parts.push(Buffer.from(chunk)),
      endEntry() {
        flush();
        seen.push({ kind: "end" });
      },
    });
    try {
      let from = 0;
      for (const cut of [...cuts].sort((a, b) => a - b)) {
        scanner.write(archive.subarray(from, cut));
        from = cut;
      }
      scanner.write(archive.subarray(from));
      scanner.end();
    } catch (error) {
      flush();
      seen.push({ kind: "end", value: isNacreError(error) ? error.message : error });
    }
    return seen;
  }

  const samples = () => [
    Buffer.concat([
      file("a", "hello"),
      pax(["path", "p".repeat(300)], ["SCHILY.xattr.user.x", "\xff\0"]),
      file("short", "y".repeat(1300)),
      gnuLong("L", "l".repeat(600)),
      gnuLong("K", "k".repeat(101)),
      header({ flag: "2", link: "x", magic: GNU_MAGIC }),
      header({ name: "d/", flag: "5" }),
      file("exact", "z".repeat(1024)),
      END,
      Buffer.from("what follows"),
    ]),
    Buffer.concat([file("a", "hello"), header({ name: "d/", flag: "5", size: 1 }), END]),
    Buffer.concat([file("a", "hello"), pax(["path", "b\0"]), file("x")]),
    Buffer.concat([file("a", "hello"), pax(["path", "b"])]),
    Buffer.concat([file("a", "hello"), header({ checksum: "0000000\0" })]),
    run("tar", ["--format=gnu", "--sparse", "-cf", "-", "sparse/one", "dir"]),
    run("tar", ["--format=posix", "--sparse", "-cf", "-", "sparse/one", "names"]),
  ];

  test("do not depend on where the pieces are cut, errors and their offsets included (property)", () => {
    for (const archive of samples()) {
      const whole = events(archive, []);
      fc.assert(
        fc.property(fc.array(fc.nat(archive.length), { maxLength: 30 }), (cuts) => {
          expect(events(archive, cuts)).toEqual(whole);
        }),
        { numRuns: 25 },
      );
    }
    const small = samples()[0]!;
    expect(
      events(
        small,
        Array.from({ length: small.length }, (_, i) => i),
      ),
    ).toEqual(events(small, []));
  });

  test("offsets are those of the first header block and of the content", () => {
    const archive = Buffer.concat([file("a", "hello"), pax(["path", "b"]), file("x", "world"), END]);
    const offsets: number[][] = [];
    const scanner = new TarScanner({ entry: (_, headerAt, contentAt) => void offsets.push([headerAt, contentAt]) });
    for (const byte of archive) scanner.write(Uint8Array.of(byte));
    scanner.end();
    expect(offsets).toEqual([
      [0, 512],
      [1024, 2560],
    ]);
    expect(archive.toString("latin1", 2560, 2565)).toBe("world");
  });

  test("content is handed on without copying", () => {
    const archive = Buffer.concat([file("a", "hello"), END]);
    let same = false;
    const scanner = new TarScanner({ entry() {}, content: (chunk) => (same = chunk.buffer === archive.buffer) });
    scanner.write(archive);
    expect(same).toBe(true);
  });

  test("ended says that the end mark was seen, and nothing after it is looked at", () => {
    const entries: TarEntry[] = [];
    const scanner = new TarScanner({ entry: (entry) => void entries.push(entry) });
    scanner.write(file("a"));
    expect(scanner.ended).toBe(false);
    scanner.write(END);
    expect(scanner.ended).toBe(true);
    scanner.write(Buffer.alloc(5000, 0xff));
    scanner.write(file("b"));
    scanner.end();
    expect(entries.map((entry) => entry.path)).toEqual(["a"]);
  });
});

describe("limits", () => {
  function limited(limits: Partial<TarLimits>, ...parts: Buffer[]): string {
    try {
      const scanner = new TarScanner({ entry() {} }, limits);
      for (const part of parts) scanner.write(part);
      scanner.end();
      return "accepted";
    } catch (error) {
      return isNacreError(error) ? error.code : String(error);
    }
  }

  test("the number of members", () => {
    const three = [file("a"), file("b"), file("c"), END];
    expect(limited({ entries: 3 }, ...three)).toBe("accepted");
    expect(limited({ entries: 2 }, ...three)).toBe("LIMIT_EXCEEDED");
  });

  test("the length of paths and link targets: 4096 bytes", () => {
    const path = (length: number) => `${"p".repeat(99)}/`.repeat(60).slice(0, length - 1);
    expect(limited({}, pax(["path", `${path(4096)}x`]), file("x"), END)).toBe("accepted");
    expect(limited({}, pax(["path", `${path(4097)}x`]), file("x"), END)).toBe("LIMIT_EXCEEDED");
    expect(limited({}, gnuLong("L", path(5000)), file("x"), END)).toBe("LIMIT_EXCEEDED");
    const link = header({ flag: "2", link: "x" });
    expect(limited({}, pax(["linkpath", "l".repeat(4097)]), link, END)).toBe("LIMIT_EXCEEDED");
  });

  test("the depth of paths: 255 elements, empty ones and dots not counted", () => {
    const deep = (elements: number) => pax(["path", Array.from({ length: elements }, () => "d").join("/")]);
    expect(limited({}, deep(255), file("x"), END)).toBe("accepted");
    expect(limited({}, deep(256), file("x"), END)).toBe("LIMIT_EXCEEDED");
    expect(limited({}, pax(["path", `${".//".repeat(500)}x`]), file("x"), END)).toBe("accepted");
  });

  test("extended headers: 1 MiB, refused before anything is allocated", () => {
    expect(limited({}, header({ flag: "x", size: 1024 ** 2 + 1 }))).toBe("LIMIT_EXCEEDED");
    expect(limited({}, header({ flag: "L", magic: GNU_MAGIC, size: base256(2n ** 50n) }))).toBe("LIMIT_EXCEEDED");
    expect(limited({}, pax(["comment", "c".repeat(900_000)]), file("a"), END)).toBe("accepted");
  });

  test("all content together, as soon as it is claimed", () => {
    expect(limited({}, header({ size: base256(65n * 1024n ** 3n) }))).toBe("LIMIT_EXCEEDED");
    expect(limited({ contentSize: 10 }, file("a", "12345"), file("b", "12345"), END)).toBe("accepted");
    expect(limited({ contentSize: 9 }, file("a", "12345"), file("b", "12345"), END)).toBe("LIMIT_EXCEEDED");
  });

  test("holes, which cost nothing to claim", () => {
    const holes = (size: number) => [
      pax(["GNU.sparse.size", String(size)], ["GNU.sparse.numblocks", "1"], ["GNU.sparse.map", `${size},0`]),
      file("s"),
      END,
    ];
    expect(limited({ holeSize: 5000 }, ...holes(5000))).toBe("accepted");
    expect(limited({ holeSize: 5000 }, ...holes(5001))).toBe("LIMIT_EXCEEDED");
    expect(limited({}, ...holes(2 ** 50))).toBe("LIMIT_EXCEEDED");
  });

  test("the map of a sparse file", () => {
    const block = header({ magic: "", patch: { 0: "" } });
    block.fill(0);
    for (let i = 0; i < 21; i++) block.write("00000000000\x0000000000000\0", i * 24, "latin1");
    block[504] = 1;
    const first = "00000000000\x0000000000000\0".repeat(4);
    const start = header({
      name: "s",
      flag: "S",
      magic: GNU_MAGIC,
      patch: { 386: first, 482: "\x01", 483: "00000000000\0" },
    });
    const blocks = Array.from({ length: 3000 }, () => block);
    expect(limited({}, start, ...blocks)).toBe("LIMIT_EXCEEDED");
  });
});

describe("startsWithTarHeader", () => {
  test("knows tar archives of all kinds by their checksum", () => {
    expect(startsWithTarHeader(file("a", "x"))).toBe(true);
    expect(startsWithTarHeader(header({ magic: "" }))).toBe(true);
    expect(startsWithTarHeader(pax(["path", "a"]))).toBe(true);
    expect(startsWithTarHeader(content("just some text"))).toBe(false);
    expect(startsWithTarHeader(END)).toBe(false);
    expect(startsWithTarHeader(file("a").subarray(0, 511))).toBe(false);
  });
});
