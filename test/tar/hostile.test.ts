/**
 * Archives made so that programs disagree about them (parser differentials), or damaged. The rule for each: either we
 * refuse it, or our list is that of Python and GNU tar, byte for byte of every name and content.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { isNacreError } from "../../src/support/errors.js";
import { base256, content, END, file, GNU_MAGIC, globalPax, gnuLong, header, pax, rawPax, record } from "./craft.js";
import { bsdList, gnuList, type Listed, pythonLists, scan } from "./tools.js";

interface Case {
  readonly title: string;
  readonly archive: Buffer;
  /** The names that we list, or a part of the message with which we refuse. */
  readonly expected: readonly string[] | RegExp;
  /** Why a program reads an archive that we accept in its own way. */
  readonly except?: { readonly python?: string; readonly gnu?: string; readonly bsd?: string };
}

const join = (...parts: Buffer[]) => Buffer.concat([...parts, END]);
const inner = file("smuggled", "evil");
const after = file("after", "ok");
const octal12 = (value: number) => value.toString(8).padStart(11, "0");
/** Of an end that is missing: they list the member first. Go says nothing. */
const COMPLAINTS = { python: "complains", gnu: "complains", bsd: "complains" };

const CASES: readonly Case[] = [
  // Sizes: whoever believes another size sees other members.
  {
    title: "a PAX size over a header size of zero (TARmageddon)",
    archive: join(pax(["size", String(inner.length)]), header({ name: "outer", size: 0 }), inner, after),
    expected: ["outer", "after"],
  },
  {
    title: "a PAX size of zero over a header size",
    archive: join(pax(["size", "0"]), header({ name: "outer", size: inner.length }), inner, after),
    expected: ["outer", "smuggled", "after"],
  },
  {
    title: "a PAX size in front of a GNU long name, which it must not touch",
    archive: join(
      pax(["size", String(inner.length)]),
      gnuLong("L", "long"),
      header({ name: "outer", size: 0 }),
      inner,
      after,
    ),
    expected: ["long", "after"],
  },
  {
    title: "a PAX size between a GNU long name and its member",
    archive: join(
      gnuLong("L", "long"),
      pax(["size", String(inner.length)]),
      header({ name: "outer", size: 0 }),
      inner,
      after,
    ),
    expected: ["long", "after"],
  },
  {
    title: "a PAX size that is negative",
    archive: join(pax(["size", "-1"]), file("a", "x"), after),
    expected: /PAX record size is not a number/,
  },
  {
    title: "a PAX size with a sign",
    archive: join(pax(["size", "+1"]), file("a", "x"), after),
    expected: /PAX record size/,
  },
  {
    title: "a PAX size that is hexadecimal",
    archive: join(pax(["size", "0x200"]), file("a", "x"), inner, after),
    expected: /PAX record size/,
  },
  {
    title: "a PAX size with a blank before it",
    archive: join(pax(["size", " 1"]), file("a", "x"), after),
    expected: /PAX record size/,
  },
  {
    title: "a PAX size beyond what a number holds",
    archive: join(pax(["size", "99999999999999999999"]), file("a", "x")),
    expected: /PAX record size/,
  },
  {
    title: "a PAX size without a value",
    archive: join(pax(["size", ""]), file("a", "x"), after),
    expected: /PAX record size/,
  },
  {
    title: "two PAX sizes: the last one counts",
    archive: join(pax(["size", "0"], ["size", String(inner.length)]), header({ name: "outer", size: 0 }), inner, after),
    expected: ["outer", "after"],
  },
  {
    title: "a base-256 size",
    archive: join(header({ name: "outer", size: base256(BigInt(inner.length)) }), inner, after),
    expected: ["outer", "after"],
  },
  {
    title: "a negative base-256 size",
    archive: join(header({ name: "outer", size: base256(-512n) }), after),
    expected: /negative size/,
  },
  {
    title: "a base-256 size of 2^63",
    archive: join(header({ name: "outer", size: `\x80${"\0".repeat(3)}\x80${"\0".repeat(7)}` }), after),
    expected: /size is not a number/,
  },
  {
    title: "a base-256 size with a first byte of its own",
    archive: join(header({ name: "outer", size: `\x81${"\0".repeat(10)}\x01` }), after),
    expected: /size is not a number/,
  },
  {
    title: "twelve octal digits without an end",
    archive: join(header({ name: "outer", size: octal12(inner.length).padStart(12, "0") }), inner, after),
    expected: ["outer", "after"],
  },
  {
    title: "a size with blanks before and after",
    archive: join(header({ name: "outer", size: `    ${inner.length.toString(8)} ` }), inner, after),
    expected: ["outer", "after"],
  },
  {
    title: "a size with a NUL before its digits",
    archive: join(header({ name: "outer", size: `\0${octal12(inner.length).slice(1)}\0` }), inner, after),
    expected: /size is not a number/,
  },
  {
    title: "a size of digits, blank, digits",
    archive: join(header({ name: "outer", size: "0000001 000\0" }), inner, after),
    expected: /size is not a number/,
  },
  {
    title: "a size with an 8",
    archive: join(header({ size: "00000000008\0" }), after),
    expected: /size is not a number/,
  },
  {
    title: "a size with underscores",
    archive: join(header({ size: "0000001_000\0" }), inner),
    expected: /size is not a number/,
  },
  {
    title: "a size in Python's octal",
    archive: join(header({ size: "0o000001000\0" }), inner),
    expected: /size is not a number/,
  },
  {
    title: "a size with a minus",
    archive: join(header({ size: "-0000000001\0" }), after),
    expected: /size is not a number/,
  },
  { title: "a size of blanks", archive: join(header({ size: " ".repeat(12) }), after), expected: /no size/ },
  { title: "a size of NULs", archive: join(header({ size: "\0".repeat(12) }), after), expected: /no size/ },
  {
    title: "a directory with a size",
    archive: join(header({ name: "d/", flag: "5", size: inner.length }), inner, after),
    expected: /type dir has a size/,
  },
  {
    title: "a symlink with a size",
    archive: join(header({ name: "s", flag: "2", link: "t", size: inner.length }), inner, after),
    expected: /type symlink has a size/,
  },
  {
    title: "a device with a size",
    archive: join(header({ name: "c", flag: "3", size: inner.length }), inner, after),
    expected: /type char has a size/,
  },
  {
    title: "a fifo with a PAX size",
    archive: join(pax(["size", "512"]), header({ name: "p", flag: "6" }), inner, after),
    expected: /type fifo has a size/,
  },
  {
    title: "a hard link with a size and no content, as old writers made them",
    archive: join(file("t", "x"), header({ name: "h", flag: "1", link: "t", size: 1 }), after),
    expected: ["t", "h", "after"],
  },
  {
    title: "a hard link with a size in a PAX archive, where content may follow",
    archive: join(pax(["mtime", "1"]), file("t", "x"), header({ name: "h", flag: "1", link: "t", size: 1 }), after),
    expected: /type hardlink has a size/,
  },

  // PAX records.
  {
    title: "a PAX record without a length",
    archive: join(rawPax(" path=a\n"), after),
    expected: /does not start with its length/,
  },
  {
    title: "a PAX record with a signed length",
    archive: join(rawPax("+9 path=a\n"), after),
    expected: /start with its length/,
  },
  { title: "a PAX record with length zero", archive: join(rawPax("0 path=a\n"), after), expected: /longer or shorter/ },
  {
    title: "a PAX record that is longer than its header",
    archive: join(rawPax("99 path=a\n"), after),
    expected: /longer or shorter/,
  },
  { title: "a PAX record that is too short", archive: join(rawPax("8 path=abc\n"), after), expected: /newline/ },
  { title: "a PAX record without a newline", archive: join(rawPax("9 path=abX"), after), expected: /newline|longer/ },
  { title: "a PAX record without an equals sign", archive: join(rawPax("8 path1\n"), after), expected: /equals sign/ },
  { title: "a PAX record without a key", archive: join(rawPax("6 =ab\n"), after), expected: /empty or unreadable key/ },
  {
    title: "a PAX record with a NUL in its key",
    archive: join(rawPax(record("pa\0th", "a")), after),
    expected: /unreadable key/,
  },
  {
    title: "a PAX header with NULs after its records",
    archive: join(rawPax(`${record("path", "a")}\0\0\0`), after),
    expected: /start with its length/,
  },
  {
    title: "PAX records that go on in the padding",
    archive: (() => {
      const shown = record("comment", "c");
      const block = content(shown + record("path", "smuggled"));
      return join(header({ flag: "x", size: shown.length }), block, after);
    })(),
    expected: /bytes that do not belong to it/,
  },
  { title: "a PAX path with a NUL", archive: join(pax(["path", "a\0b"]), after), expected: /path holds a NUL/ },
  { title: "a PAX path without a value", archive: join(pax(["path", ""]), after), expected: /path is empty/ },
  {
    title: "a PAX link target without a value",
    archive: join(pax(["linkpath", ""]), header({ name: "s", flag: "2", link: "t" })),
    expected: /linkpath is empty/,
  },
  {
    title: "two PAX paths: the last one counts",
    archive: join(pax(["path", "a"], ["path", "b"]), after),
    expected: ["b"],
  },
  {
    title: "two PAX headers for one member",
    archive: join(pax(["path", "a"]), pax(["path", "b"]), after),
    expected: /two extended headers of one kind/,
  },
  { title: "a PAX header at the end", archive: join(after, pax(["path", "a"])), expected: /no member/ },
  {
    title: "a PAX header at the end of a file without end",
    archive: Buffer.concat([after, pax(["path", "a"])]),
    expected: /no member/,
  },
  { title: "an empty PAX header", archive: join(rawPax(""), after), expected: ["after"] },
  {
    title: "unknown PAX records",
    archive: join(pax(["VENDOR.x", "=\n="], ["comment", "10 path=b\n"]), after),
    expected: ["after"],
  },
  {
    title: "a PAX mtime that is no time",
    archive: join(pax(["mtime", "1e9"]), after),
    expected: /mtime is not a time/,
  },
  { title: "a PAX uid with a fraction", archive: join(pax(["uid", "1.5"]), after), expected: /uid is not a number/ },
  {
    title: "a PAX uid beyond 32 bits",
    archive: join(pax(["uid", "4294967296"]), after),
    expected: /uid 4294967296 is out of range/,
  },
  {
    title: "a global PAX header that renames all that follows",
    archive: join(globalPax(["path", "x"]), after),
    expected: /global extended header sets path/,
  },
  {
    title: "a global PAX header with a size",
    archive: join(globalPax(["size", "512"]), after),
    expected: /global extended header sets size/,
  },
  { title: "a global PAX header with an owner", archive: join(globalPax(["uid", "0"]), after), expected: /sets uid/ },
  {
    title: "a global PAX header with a capability",
    archive: join(globalPax(["SCHILY.xattr.security.capability", "x"]), after),
    expected: /sets SCHILY.xattr/,
  },
  {
    title: "a global PAX header with a comment, as git writes",
    archive: join(globalPax(["comment", "c0ffee"]), after),
    expected: ["after"],
  },
  {
    title: "a global PAX header between a PAX header and its member",
    archive: join(pax(["path", "a"]), globalPax(["comment", "c"]), after),
    expected: ["a"],
  },

  // GNU's long names, and both dialects together.
  {
    title: "two GNU long names for one member",
    archive: join(gnuLong("L", "one"), gnuLong("L", "two"), after),
    expected: /two extended headers of one kind/,
  },
  {
    title: "a GNU long name and another PAX path",
    archive: join(gnuLong("L", "one"), pax(["path", "two"]), after),
    expected: /different name/,
  },
  {
    title: "a PAX path and another GNU long name",
    archive: join(pax(["path", "two"]), gnuLong("L", "one"), after),
    expected: /different name/,
  },
  {
    title: "a GNU long link target and another PAX linkpath",
    archive: join(gnuLong("K", "one"), pax(["linkpath", "two"]), header({ name: "s", flag: "2", link: "x" })),
    expected: /different link target/,
  },
  {
    title: "a GNU long name and the same PAX path",
    archive: join(gnuLong("L", "one"), pax(["path", "one"]), after),
    expected: ["one"],
  },
  {
    title: "a GNU long name that goes on in the padding",
    archive: join(header({ flag: "L", size: 3, magic: GNU_MAGIC }), content("abcdef"), after),
    expected: /bytes that do not belong to it/,
  },
  {
    title: "a GNU long name with something behind its NUL",
    archive: join(header({ flag: "L", size: 8, magic: GNU_MAGIC }), content("abc\0def\0"), after),
    expected: ["abc"],
  },
  { title: "an empty GNU long name", archive: join(gnuLong("L", ""), after), expected: /long name is empty/ },
  { title: "a GNU long name at the end", archive: join(after, gnuLong("L", "x")), expected: /no member/ },
  {
    title: "a GNU long name and a long link target",
    archive: join(
      gnuLong("K", "t".repeat(200)),
      gnuLong("L", "n".repeat(200)),
      header({ flag: "2", link: "x", magic: GNU_MAGIC }),
    ),
    expected: ["n".repeat(200)],
  },

  // Types and names.
  {
    title: "an old directory: type NUL, slash at the end",
    archive: join(header({ name: "d/", flag: "\0", magic: "" }), after),
    expected: ["d", "after"],
  },
  {
    title: "an old directory with a size",
    archive: join(header({ name: "d/", flag: "\0", magic: "", size: inner.length }), inner, after),
    expected: /type dir has a size/,
  },
  {
    title: "a file of type 0 with a slash at the end",
    archive: join(header({ name: "d/", flag: "0" }), after),
    expected: /file's name ends in a slash/,
  },
  {
    title: "type NUL whose PAX path is a directory and whose own name is not",
    archive: join(pax(["path", "d/"]), header({ name: "d", flag: "\0" }), after),
    expected: /file's name ends in a slash/,
  },
  { title: "a contiguous file", archive: join(file("c", "data", { flag: "7" }), after), expected: ["c", "after"] },
  {
    title: "an unknown type",
    archive: join(file("q", "data", { flag: "Q" }), after),
    expected: /type "Q" are not supported/,
  },
  { title: "a volume label", archive: join(header({ flag: "V", magic: GNU_MAGIC }), after), expected: /type "V"/ },
  {
    title: "a continued file",
    archive: join(file("m", "x", { flag: "M", magic: GNU_MAGIC }), after),
    expected: /type "M"/,
  },
  {
    title: "Solaris' extended header",
    archive: join(rawPax(record("path", "a"), { flag: "X" }), after),
    expected: /type "X"/,
  },
  {
    title: "a symlink without a target",
    archive: join(header({ name: "s", flag: "2" }), after),
    expected: /no target/,
  },
  {
    title: "a hard link without a target",
    archive: join(header({ name: "h", flag: "1" }), after),
    expected: /no target/,
  },
  { title: "a member without a name", archive: join(header({ patch: { 0: "\0" } }), after), expected: /no name/ },
  {
    title: "names that leave the root",
    archive: join(file("../x"), file("/etc/x"), file("a/../../x")),
    expected: ["../x", "/etc/x", "a/../../x"],
  },
  {
    title: "a name with ./ in front",
    archive: join(header({ name: "./", flag: "5" }), file("./x")),
    expected: [".", "./x"],
  },
  {
    title: "bytes behind a name's NUL",
    archive: join(header({ name: "shown\0hidden" }), after),
    expected: ["shown", "after"],
  },
  {
    title: "a prefix",
    archive: join(header({ name: "name", prefix: "pre/fix" }), after),
    expected: ["pre/fix/name", "after"],
  },
  {
    title: "a prefix in an old header, which Python alone would read",
    archive: join(header({ name: "name", prefix: "prefix", magic: "" }), after),
    expected: /no field/,
  },
  {
    title: "a prefix in a GNU header, which Go and Python would read",
    archive: join(header({ name: "name", prefix: "prefix", magic: GNU_MAGIC }), after),
    expected: /no field/,
  },
  {
    title: "times in a GNU header, in the place of a prefix",
    archive: join(header({ name: "name", prefix: "15000000000\x0015000000000\0", magic: GNU_MAGIC }), after),
    expected: ["name", "after"],
    except: { python: "takes the access time for a prefix" },
  },
  {
    title: "a device in an old header, which has no numbers for it",
    archive: join(header({ name: "c", flag: "3", magic: "", patch: { 329: "0000001\0" } }), after),
    expected: /POSIX or GNU header/,
  },
  { title: "an unknown magic", archive: join(header({ magic: "ustarX00" }), after), expected: /magic/ },
  {
    title: "a PAX header in front of an old header",
    archive: join(pax(["path", "new"]), header({ name: "old", magic: "" }), after),
    expected: ["new", "after"],
  },
  {
    title: "device numbers that only libarchive reads",
    archive: join(pax(["SCHILY.devmajor", "1"]), header({ name: "c", flag: "3", devMajor: 5 }), after),
    expected: /not every reader/,
  },

  // Checksums, ends and what follows.
  { title: "a wrong checksum", archive: join(after, header({ checksum: "000000\0 " }), after), expected: /checksum/ },
  {
    title: "a checksum that is no number",
    archive: join(header({ checksum: "hello\0  " }), after),
    expected: /checksum/,
  },
  {
    title: "a checksum of signed bytes",
    archive: join(
      header({ name: "\xff\xff", checksum: `${signedSum("\xff\xff").toString(8).padStart(6, "0")}\0 ` }),
      after,
    ),
    expected: ["\xff\xff", "after"],
  },
  { title: "members after the end", archive: Buffer.concat([after, END, inner, END]), expected: ["after"] },
  { title: "rubbish after the end", archive: Buffer.concat([after, END, Buffer.from("rubbish")]), expected: ["after"] },
  {
    title: "a lone block of zeros, then a member",
    archive: Buffer.concat([after, Buffer.alloc(512), inner, END]),
    expected: /single block of zeros/,
  },
  {
    title: "a lone block of zeros at the end",
    archive: Buffer.concat([after, Buffer.alloc(512)]),
    expected: ["after"],
  },
  { title: "no end", archive: Buffer.concat([inner, after]), expected: ["smuggled", "after"] },
  { title: "nothing but the end", archive: END, expected: [] },
  {
    title: "nothing at all",
    archive: Buffer.alloc(0),
    expected: [],
    except: { gnu: "refuses it from a pipe, not from a file" },
  },
  { title: "rubbish alone", archive: Buffer.alloc(2048, "rubbish"), expected: /checksum/ },
  { title: "a header cut off", archive: after.subarray(0, 300), expected: /cut off/ },
  { title: "content cut off", archive: after.subarray(0, 513), expected: /cut off/ },
  { title: "padding cut off", archive: after.subarray(0, 700), expected: ["after"], except: COMPLAINTS },
  { title: "no padding and no end", archive: after.subarray(0, 514), expected: ["after"], except: COMPLAINTS },
  { title: "a PAX header cut off", archive: pax(["path", "a"]).subarray(0, 520), expected: /cut off/ },

  // The same path twice, and kinds that replace each other: reported as they come, the last one counts elsewhere.
  { title: "one path twice", archive: join(file("a", "1"), file("a", "22")), expected: ["a", "a"] },
  {
    title: "a directory over a file over a symlink",
    archive: join(header({ name: "a", flag: "2", link: "b" }), file("a", "x"), header({ name: "a/", flag: "5" })),
    expected: ["a", "a", "a"],
  },
  {
    title: "a file below a symlink",
    archive: join(header({ name: "d", flag: "2", link: "/" }), file("d/f")),
    expected: ["d", "d/f"],
  },

  // Sparse files.
  {
    title: "a sparse map that leaves the file",
    archive: join(
      pax(["GNU.sparse.size", "10"], ["GNU.sparse.numblocks", "1"], ["GNU.sparse.map", "8,4"]),
      file("s", "data"),
    ),
    expected: /out of order or leaves the file/,
  },
  {
    title: "a sparse map that overlaps",
    archive: join(
      pax(["GNU.sparse.size", "10"], ["GNU.sparse.numblocks", "2"], ["GNU.sparse.map", "0,3,2,1"]),
      file("s", "data"),
    ),
    expected: /out of order/,
  },
  {
    title: "a sparse map that does not use all data",
    archive: join(
      pax(["GNU.sparse.size", "10"], ["GNU.sparse.numblocks", "1"], ["GNU.sparse.map", "0,3"]),
      file("s", "data"),
    ),
    expected: /does not fit the data/,
  },
  {
    title: "a sparse map of another length than it says",
    archive: join(
      pax(["GNU.sparse.size", "10"], ["GNU.sparse.numblocks", "2"], ["GNU.sparse.map", "0,4"]),
      file("s", "data"),
    ),
    expected: /the length that it says/,
  },
  {
    title: "a sparse name alone, which GNU tar would obey",
    archive: join(pax(["GNU.sparse.name", "other"]), after),
    expected: /sparse/,
  },
  {
    title: "an unknown sparse form",
    archive: join(
      pax(["GNU.sparse.major", "2"], ["GNU.sparse.minor", "0"], ["GNU.sparse.realsize", "4"]),
      file("s", "data"),
    ),
    expected: /unknown form of sparse/,
  },
  {
    title: "a sparse directory",
    archive: join(
      pax(["GNU.sparse.size", "9"], ["GNU.sparse.numblocks", "1"], ["GNU.sparse.map", "0,0"]),
      header({ name: "d/", flag: "5" }),
    ),
    expected: /only a file can be sparse/,
  },
  {
    title: "sparse map text that never ends",
    archive: join(
      pax(["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.name", "s"], ["GNU.sparse.realsize", "9"]),
      file("s", "1".repeat(600)),
    ),
    expected: /sparse file is malformed/,
  },
  {
    title: "sparse map text that is longer than the member",
    archive: join(
      pax(["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.name", "s"], ["GNU.sparse.realsize", "9"]),
      file("s", "99\n0\n0\n"),
    ),
    expected: /longer than the member|malformed|checksum/,
  },
  {
    title: "an old sparse file in a POSIX header",
    archive: join(header({ name: "s", flag: "S", patch: { 386: "00000000000\x0000000000000\0" } }), after),
    expected: /GNU header|no field/,
  },
  {
    title: "an old sparse file with a PAX size",
    archive: join(
      pax(["size", "4"]),
      header({
        name: "s",
        flag: "S",
        magic: GNU_MAGIC,
        size: 4,
        patch: { 386: "00000000000\x0000000000004\0", 483: "00000000004\0" },
      }),
      content("data"),
    ),
    expected: /two sizes/,
  },
  {
    title: "an old sparse file",
    archive: join(
      header({
        name: "s",
        flag: "S",
        magic: GNU_MAGIC,
        size: 4,
        patch: { 386: "00000000010\x0000000000004\0", 483: "00000000020\0" },
      }),
      content("data"),
      after,
    ),
    expected: ["s", "after"],
  },
];

/** The checksum of a default header with this name, its bytes taken as signed. */
function signedSum(name: string): number {
  const block = header({ name });
  block.fill(0x20, 148, 156);
  return block.reduce((sum, byte) => sum + (byte > 127 ? byte - 256 : byte), 0);
}

function ours(archive: Buffer): Listed[] | Error {
  try {
    return scan(archive);
  } catch (error) {
    return error as Error;
  }
}

let python: ReturnType<typeof pythonLists>;
beforeAll(() => {
  python = pythonLists(CASES.map((one) => one.archive));
});

describe("either an error or the same members for everyone", () => {
  test.each(CASES.map((one, i) => ({ ...one, i })))("$title", ({ archive, expected, except, i }) => {
    const found = ours(archive);
    if (expected instanceof RegExp) {
      expect(isNacreError(found) ? found.code : found).toBe("TAR_INVALID");
      expect((found as Error).message).toMatch(expected);
      return;
    }
    if (found instanceof Error) throw found;
    expect(found.map((entry) => entry.path)).toEqual(expected);
    if (!except?.python) expect(python[i]).toEqual(found);
    if (!except?.gnu)
      expect(gnuList(archive)?.map(({ path, size }) => [path, size])).toEqual(
        found.map(({ path, size }) => [path, size]),
      );
    if (!except?.bsd) expect(bsdList(archive)?.map(({ path }) => path)).toEqual(expected);
  });

  test("an error names the offset and the member", () => {
    const found = ours(join(after, header({ name: "d/", flag: "5", size: 9 })));
    expect((found as Error).message).toContain('at offset 1024 (member "d/")');
  });
});
