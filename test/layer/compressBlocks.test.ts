import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, gunzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Codec, codecVersion } from "../../src/layer/codecs.js";
import {
  type CompressedLayer,
  type CompressOptions,
  compressLayer,
  readCompressed,
} from "../../src/layer/compressBlocks.js";
import { combineCrc32 } from "../../src/layer/gzipFraming.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "nacre-blocks-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Bytes that compress to about a half, the same ones for the same seed. */
function sample(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = (state >>> 24) & 0x8f;
  }
  return bytes;
}

class MemoryCache {
  readonly map = new Map<string, Buffer>();
  get(key: string): Buffer | undefined {
    return this.map.get(key);
  }
  put(key: string, bytes: Buffer): void {
    this.map.set(key, bytes);
  }
}

async function run(
  tar: Buffer,
  cuts: number[],
  more: Partial<CompressOptions> = {},
): Promise<{ options: CompressOptions; result: CompressedLayer; bytes: Buffer }> {
  const options: CompressOptions = {
    read: (offset, length) => tar.subarray(offset, offset + length),
    size: tar.length,
    cuts,
    codec: "gzip",
    level: 6,
    jobs: 2,
    ...more,
  };
  const result = await compressLayer(options);
  return { options, result, bytes: await bytesOf(readCompressed(options, result)) };
}

async function bytesOf(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const piece of pieces) chunks.push(piece);
  return Buffer.concat(chunks);
}

const sha = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const tar = sample(700_000, 7);
const cuts = [0, 100_000, 100_512, 340_000, 600_000];

describe.each<Codec>(["gzip", "zstd"])("compressLayer with %s", (codec) => {
  const level = codec === "gzip" ? 6 : 3;

  test("gives the same bytes for 1 to 8 jobs, and their digest and size", async () => {
    const first = await run(tar, cuts, { codec, level, jobs: 1 });
    expect(first.result).toMatchObject({ digest: sha(first.bytes), size: first.bytes.length, reused: 0, made: 5 });
    for (const jobs of [2, 3, 4, 8]) {
      const { bytes, result } = await run(tar, cuts, { codec, level, jobs });
      expect(bytes.equals(first.bytes)).toBe(true);
      expect(result).toEqual(first.result);
    }
  });

  test("makes a file that other programs unpack to the tar", async () => {
    const { bytes } = await run(tar, cuts, { codec, level });
    const file = join(dir, `a.${codec}`);
    writeFileSync(file, bytes);
    const out = execFileSync(codec, ["-dc", file], { maxBuffer: 1 << 24 });
    expect(out.equals(tar)).toBe(true);
    execFileSync(codec, ["-t", file], { stdio: "pipe" });
  });

  test("of an empty tar is still a valid file", async () => {
    const { bytes, result } = await run(Buffer.alloc(0), [], { codec, level });
    expect(result.digest).toBe(sha(bytes));
    const file = join(dir, `empty.${codec}`);
    writeFileSync(file, bytes);
    expect(execFileSync(codec, ["-dc", file]).length).toBe(0);
  });

  test("takes blocks from the cache, and the same ones again by their keys without reading", async () => {
    const blocks = new MemoryCache();
    const cold = await run(tar, cuts, { codec, level, blocks });
    const warm = await run(tar, cuts, { codec, level, blocks });
    expect(warm.result).toMatchObject({ digest: cold.result.digest, reused: 5, made: 0 });
    const never = (): Buffer => {
      throw new Error("must not read");
    };
    const keyed = await bytesOf(readCompressed({ ...warm.options, read: never }, cold.result));
    expect(keyed.equals(cold.bytes)).toBe(true);
  });

  test("is read from any offset on", async () => {
    const { options, result, bytes } = await run(tar, cuts, { codec, level, blocks: new MemoryCache() });
    const borders = [codec === "gzip" ? 10 : 0];
    for (const length of result.lengths) borders.push(borders.at(-1)! + length);
    const near = borders.flatMap((at) => [at - 1, at, at + 1]).filter((at) => at >= 0);
    for (const offset of [...near, 0, 5, bytes.length - 1, bytes.length]) {
      const rest = await bytesOf(readCompressed(options, result, offset));
      expect(rest.equals(bytes.subarray(offset)), `from ${offset} on`).toBe(true);
    }
  });

  test("refuses to put another block in the place of one that the cache lost", async () => {
    const { options, result } = await run(tar, cuts, { codec, level });
    const other = sample(tar.length, 8);
    const read = (offset: number, length: number) => other.subarray(offset, offset + length);
    await expect(bytesOf(readCompressed({ ...options, read }, result))).rejects.toMatchObject({
      code: "CONTENT_INVALID",
    });
  });

  test("makes a block that the cache lost anew", async () => {
    const blocks = new MemoryCache();
    const cold = await run(tar, cuts, { codec, level, blocks });
    const keys = [...blocks.map.keys()];
    for (const lost of [0, 1, 2]) blocks.map.delete(keys[lost]!);
    const bytes = await bytesOf(readCompressed(cold.options, cold.result));
    expect(bytes.equals(cold.bytes)).toBe(true);
    expect(blocks.map.size).toBe(5);
    for (const lost of [0, 1, 2]) blocks.map.delete(keys[lost]!);
    expect((await run(tar, cuts, { codec, level, blocks })).result).toMatchObject({ reused: 2, made: 3 });
  });

  test("does not mix up blocks of different levels", async () => {
    const blocks = new MemoryCache();
    await run(tar, cuts, { codec, level: 1, blocks });
    const { result, bytes } = await run(tar, cuts, { codec, level, blocks });
    expect(result.made).toBe(5);
    expect(bytes.equals((await run(tar, cuts, { codec, level })).bytes)).toBe(true);
  });

  test("refuses a level that it does not have", async () => {
    await expect(run(tar, cuts, { codec, level: 23 })).rejects.toMatchObject({ code: "USAGE" });
    await expect(run(tar, cuts, { codec, level: 1.5 })).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("combineCrc32", () => {
  test("gives the CRC-32 of both stretches together", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.uint8Array({ maxLength: 3000 }), (a, b) => {
        expect(combineCrc32(crc32(a), crc32(b), b.length)).toBe(crc32(Buffer.concat([a, b])));
      }),
    );
    const zeros = Buffer.alloc(9 << 20);
    expect(combineCrc32(crc32("x"), crc32(zeros), zeros.length)).toBe(crc32(Buffer.concat([Buffer.from("x"), zeros])));
  });
});

describe("compressLayer", () => {
  test("makes one gzip member, which names no time and no system", async () => {
    const { bytes } = await run(tar, cuts);
    expect(bytes.subarray(0, 4)).toEqual(Buffer.of(0x1f, 0x8b, 8, 0));
    expect(bytes.readUInt32LE(4)).toBe(0);
    expect(bytes[9]).toBe(255);
    expect(gunzipSync(bytes).equals(tar)).toBe(true);
    // An inflater that knows nothing of further members gets it all.
    const script =
      "import zlib,sys;d=zlib.decompressobj(31);n=len(d.decompress(sys.stdin.buffer.read()));print(n,d.eof,len(d.unused_data))";
    expect(execFileSync("python3", ["-c", script], { input: bytes }).toString().trim()).toBe(`${tar.length} True 0`);
  });

  test("is read by Python's gzip", async () => {
    const { bytes } = await run(tar, cuts);
    const script =
      "import gzip,sys,hashlib;print(hashlib.sha256(gzip.decompress(sys.stdin.buffer.read())).hexdigest())";
    const out = execFileSync("python3", ["-c", script], { input: bytes }).toString().trim();
    expect(`sha256:${out}`).toBe(sha(tar));
  });

  test("refuses a tar that is not that of its diffID", async () => {
    const wrong = sha(Buffer.from("other")) as CompressedLayer["digest"];
    await expect(run(tar, cuts, { diffId: wrong })).rejects.toMatchObject({ code: "CONTENT_INVALID" });
    const right = sha(tar) as CompressedLayer["digest"];
    expect((await run(tar, cuts, { diffId: right })).result.made).toBe(5);
  });

  test("stops when it is aborted, and passes on what reading throws", async () => {
    const controller = new AbortController();
    const stopped = run(tar, cuts, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(stopped).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(
      run(tar, cuts, {
        read: () => {
          throw new Error("gone");
        },
      }),
    ).rejects.toThrow("gone");
  });

  test("reports progress in bytes of the tar", async () => {
    const seen: number[] = [];
    await run(tar, cuts, { onProgress: (done) => void seen.push(done) });
    expect(seen).toEqual([100_000, 100_512, 340_000, 600_000, 700_000]);
  });

  test("names the implementation that decides about the bytes", () => {
    expect(codecVersion("gzip")).toContain(process.versions.zlib);
    expect(codecVersion("zstd")).toMatch(/^(zstd-wasm|libzstd)-\d+\.\d+\.\d+/);
  });
});
