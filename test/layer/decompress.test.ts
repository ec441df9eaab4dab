import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { crc32, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { decompressStream, sniffCompression } from "../../src/layer/decompress.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";

const FORMATS = ["gzip", "bzip2", "xz", "zstd"] as const;
type Format = (typeof FORMATS)[number];

/** Compressible, but not trivially: words with numbers, then noise. */
const SAMPLE = Buffer.concat([
  Buffer.from(Array.from({ length: 20_000 }, (_, i) => `line ${i} of ${(i * 7919) % 1009}\n`).join("")),
  randomBytes(50_000),
  Buffer.alloc(300_000, "zeros and ones "),
]);

function compressWith(tool: string, data: Buffer, ...args: string[]): Buffer {
  return execFileSync(tool, ["-c", ...args], { input: data, maxBuffer: 1 << 28, stdio: ["pipe", "pipe", "ignore"] });
}

async function* inPieces(data: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function unpack(data: Buffer, options: Parameters<typeof decompressStream>[1] = {}, size = 10_000) {
  const chunks: Buffer[] = [];
  for await (const chunk of decompressStream(inPieces(data, size), options)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function failure(work: Promise<unknown>): Promise<NacreError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isNacreError(error)) throw new Error(`expected a NacreError, got ${String(error)}`);
  return error;
}

/** Names of the programs that this process has started and that still run. */
function children(): string[] {
  const own = String(process.pid);
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
        const [, name, rest] = /\((.*)\) (.*)/s.exec(stat) ?? [];
        return rest?.split(" ")[1] === own && (name === "xz" || name === "bzip2") ? [name] : [];
      } catch {
        return [];
      }
    });
}

const packed = new Map<Format, Buffer>();
beforeAll(() => {
  for (const format of FORMATS) packed.set(format, compressWith(format, SAMPLE));
});

afterEach(() => {
  expect(children()).toEqual([]);
});

describe("sniffing", () => {
  test("each format is told from its first bytes, anything else is none", () => {
    for (const format of FORMATS) expect(sniffCompression(packed.get(format)!.subarray(0, 8))).toBe(format);
    expect(sniffCompression(Buffer.from("BZhello, a text"))).toBe("none");
    expect(sniffCompression(Buffer.alloc(512))).toBe("none");
    expect(sniffCompression(Buffer.alloc(0))).toBe("none");
    expect(sniffCompression(Buffer.from([0x1f, 0x8b]))).toBe("none");
  });

  test("a zstd file may begin with a skippable frame", () => {
    expect(sniffCompression(Buffer.from("5a2a4d1804000000", "hex"))).toBe("zstd");
    expect(sniffCompression(Buffer.from("6a2a4d1804000000", "hex"))).toBe("none");
  });
});

describe("what the real tools made", () => {
  test.each(FORMATS)("%s unpacks to the same bytes, whatever the pieces", async (format) => {
    for (const size of [777, 65_536, 1 << 30]) {
      expect((await unpack(packed.get(format)!, {}, size)).equals(SAMPLE)).toBe(true);
    }
    expect((await unpack(packed.get(format)!.subarray(0), { format })).equals(SAMPLE)).toBe(true);
  });

  test.each(FORMATS)("%s in one-byte pieces", async (format) => {
    const data = Buffer.from("a short text, a short text");
    expect(await unpack(compressWith(format, data), {}, 1)).toEqual(data);
  });

  test.each(FORMATS)("several %s streams in a row are one", async (format) => {
    const one = compressWith(format, Buffer.from("first,"));
    const two = compressWith(format, Buffer.from("second"));
    for (const size of [1, one.length, 10_000]) {
      expect((await unpack(Buffer.concat([one, two]), {}, size)).toString()).toBe("first,second");
    }
  });

  test.each(FORMATS)("an empty file in %s", async (format) => {
    expect(await unpack(compressWith(format, Buffer.alloc(0)))).toEqual(Buffer.alloc(0));
  });

  test("bytes that are not compressed pass through, an empty source too", async () => {
    expect((await unpack(SAMPLE)).equals(SAMPLE)).toBe(true);
    expect((await unpack(Buffer.alloc(0))).length).toBe(0);
    const gzip = packed.get("gzip")!;
    expect((await unpack(gzip, { format: "none" })).equals(gzip)).toBe(true);
  });

  test("every level and window of zstd, with and without checksum and size", async () => {
    for (const args of [
      ["-1"],
      ["-19"],
      ["--fast=5"],
      ["--no-check"],
      ["--no-content-size"],
      ["--long=24"],
      ["-T2", "-B65536"],
    ]) {
      expect((await unpack(compressWith("zstd", SAMPLE, ...args))).equals(SAMPLE)).toBe(true);
    }
  });

  test("skippable frames between zstd frames are skipped", async () => {
    const skippable = Buffer.concat([Buffer.from("502a4d18", "hex"), Buffer.from([5, 0, 0, 0]), Buffer.from("hello")]);
    const empty = Buffer.from("5f2a4d1800000000", "hex");
    const stream = Buffer.concat([
      skippable,
      compressWith("zstd", Buffer.from("a")),
      empty,
      skippable,
      compressWith("zstd", Buffer.from("b")),
      empty,
    ]);
    for (const size of [1, 3, 1000]) expect((await unpack(stream, {}, size)).toString()).toBe("ab");
  });

  test("thousands of tiny zstd frames do not overflow anything", async () => {
    const frame = compressWith("zstd", Buffer.from("x"));
    const count = 20_000;
    const stream = Buffer.concat(Array.from({ length: count }, () => frame));
    expect((await unpack(stream, {}, 1 << 20)).length).toBe(count);
  });

  test("zstd of arbitrary contents (property)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 600 })), { maxLength: 8 }),
        async (runs) => {
          const data = Buffer.concat(runs.flatMap(([bytes, times]) => Array.from({ length: times }, () => bytes)));
          expect((await unpack(compressWith("zstd", data))).equals(data)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("damage", () => {
  test.each(FORMATS)("a truncated %s stream is an error at every length", async (format) => {
    const whole = packed.get(format)!;
    const cuts = [1, 7, 20, whole.length >> 1, whole.length - 9, whole.length - 5, whole.length - 1];
    for (const cut of cuts) {
      expect((await failure(unpack(whole.subarray(0, cut), { format }))).code).toBe("COMPRESSION");
    }
  });

  test.each(FORMATS)("a damaged %s stream is an error or harmless, never other bytes", async (format) => {
    const whole = packed.get(format)!;
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const bad = Buffer.from(whole);
        bad[at]! ^= change;
        try {
          expect((await unpack(bad, { format }, 1 << 20)).equals(SAMPLE)).toBe(true);
        } catch (error) {
          expect(isNacreError(error) ? error.code : error).toMatch(/COMPRESSION|LIMIT_EXCEEDED/);
        }
      }),
      { numRuns: 40 },
    );
  });

  test.each(FORMATS)("an empty source that should be %s is an error that names it", async (format) => {
    const error = await failure(unpack(Buffer.alloc(0), { format }));
    expect(error.code).toBe("COMPRESSION");
    expect(error.message).toContain(format);
  });

  test("zeros behind a gzip stream are padding, anything else is damage", async () => {
    const gzip = gzipSync("content");
    for (const size of [1, gzip.length, 1000]) {
      expect((await unpack(Buffer.concat([gzip, Buffer.alloc(700)]), {}, size)).toString()).toBe("content");
      for (const tail of ["garbage", "\0\0garbage", `${"\0".repeat(600)}x`]) {
        const error = await failure(unpack(Buffer.concat([gzip, Buffer.from(tail)]), {}, size));
        expect(error.code).toBe("COMPRESSION");
      }
    }
  });

  test("garbage behind a zstd stream is damage", async () => {
    const bad = Buffer.concat([packed.get("zstd")!, Buffer.from("garbage")]);
    expect((await failure(unpack(bad))).code).toBe("COMPRESSION");
  });

  test("the wrong format is an error", async () => {
    for (const format of FORMATS) {
      expect((await failure(unpack(Buffer.from("just a text, nothing else"), { format }))).code).toBe("COMPRESSION");
    }
  });

  test("an error of the source comes through as it is", async () => {
    const broken = new Error("the network is gone");
    async function* source(data: Buffer) {
      yield data.subarray(0, 1000);
      throw broken;
    }
    for (const format of FORMATS) {
      const work = (async () => {
        for await (const chunk of decompressStream(source(packed.get(format)!)))
          expect(chunk.length).toBeGreaterThan(0);
      })();
      await expect(work).rejects.toBe(broken);
    }
  });
});

describe("limits", () => {
  const zeros = Buffer.alloc(8 << 20);

  test.each(FORMATS)("a %s bomb is stopped by its size", async (format) => {
    const error = await failure(unpack(compressWith(format, zeros), { maxOutput: 1 << 20 }));
    expect(error.code).toBe("LIMIT_EXCEEDED");
    expect(error.message).toContain("1048576");
  });

  test.each(FORMATS)("a %s bomb is stopped by its ratio", async (format) => {
    const bomb = compressWith(format, zeros);
    const error = await failure(unpack(bomb, { maxRatio: 50, ratioFrom: 1 << 20 }));
    expect(error.code).toBe("LIMIT_EXCEEDED");
    expect((await unpack(bomb, { maxRatio: 50 })).length).toBe(zeros.length);
  });

  test("a zstd window above 128 MiB is refused before it is allocated", async () => {
    const frame = (descriptor: number, ...rest: number[]) => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor, ...rest]);
    // A window descriptor of 2 GiB; a single segment of 2^60 bytes.
    for (const bad of [frame(0x00, 0xa8, 1, 0, 0), frame(0xe0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0, 0)]) {
      expect((await failure(unpack(bad))).code).toMatch(/LIMIT_EXCEEDED|COMPRESSION/);
    }
  });

  test("tiny blocks in a large window cannot keep the decoder busy", async () => {
    // Window 128 MiB, then a million blocks of one byte each.
    const blocks = Buffer.alloc(4 * 1_000_000);
    for (let at = 0; at < blocks.length; at += 4) blocks.writeUInt32LE((0x61 << 24) | (1 << 3) | (1 << 1), at);
    const bomb = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3]), blocks]);
    expect((await failure(unpack(bomb, {}, 1 << 20))).code).toMatch(/LIMIT_EXCEEDED|COMPRESSION/);
  });

  test("xz is not allowed the memory that a hostile header asks for", async () => {
    const greedy = Buffer.from(compressWith("xz", Buffer.from("x"), "-T1"));
    // The first block's header: its length, flags, filter and dictionary size (36: 1 GiB), and a checksum of these.
    const end = 12 + (greedy[12]! + 1) * 4 - 4;
    greedy[16] = 36;
    greedy.writeUInt32LE(crc32(greedy.subarray(12, end)), end);
    expect((await failure(unpack(greedy))).message).toMatch(/[Mm]emory/);
  });
});

describe("the system's programs", () => {
  test.each(["xz", "bzip2"] as const)("%s ends when the reader stops early", async (format) => {
    const big = Buffer.concat(Array.from({ length: 20 }, () => packed.get(format)!));
    for await (const chunk of decompressStream(inPieces(big, 65_536))) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(children()).toEqual([]);
  });

  test.each(FORMATS)("the endless source of a %s stream is closed when the reader stops early", async (format) => {
    let closed = false;
    async function* source() {
      try {
        for (;;) yield* inPieces(packed.get(format)!, 5000);
      } finally {
        closed = true;
      }
    }
    for await (const chunk of decompressStream(source())) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(true);
  });

  test.each([
    ["xz", "xz-utils"],
    ["bzip2", "bzip2"],
  ] as const)("where %s is missing, the error names the package", async (format, debianPackage) => {
    const path = process.env.PATH;
    process.env.PATH = "/nonexistent";
    try {
      const error = await failure(unpack(packed.get(format)!));
      expect(error.code).toBe("TOOL_MISSING");
      expect(error.hint).toContain(debianPackage);
    } finally {
      process.env.PATH = path;
    }
  });

  test("options in the environment do not change what comes out", async () => {
    process.env.XZ_OPT = "--format=raw";
    try {
      expect((await unpack(packed.get("xz")!)).equals(SAMPLE)).toBe(true);
    } finally {
      delete process.env.XZ_OPT;
    }
  });
});
