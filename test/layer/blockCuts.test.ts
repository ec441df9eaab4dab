import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blockCuts } from "../../src/layer/blockCuts.js";
import { LayerIndexer } from "../../src/layer/indexTar.js";
import type { IndexColumns } from "../../src/layer/layerIndex.js";
import type { TarEntry } from "../../src/tar/entry.js";
import { TarWriter } from "../../src/tar/write.js";

type File = readonly [path: string, content: Buffer];

function tarOf(files: readonly File[]): { tar: Buffer; columns: IndexColumns } {
  const chunks: Buffer[] = [];
  const indexer = new LayerIndexer();
  const writer = new TarWriter((chunk) => {
    chunks.push(chunk);
    indexer.write(chunk);
  });
  for (const [path, content] of files) {
    const entry: TarEntry = { path, type: "file", mode: 0o644, uid: 0, gid: 0, size: content.length, mtime: 0 };
    writer.add(entry, content);
  }
  writer.end();
  return { tar: Buffer.concat(chunks), columns: indexer.end().index.columns };
}

function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** About 20 MB of files, sizes spread like those of node_modules. */
function someFiles(seed: number, count = 2000): File[] {
  const next = random(seed);
  return Array.from({ length: count }, (_, i) => {
    const size = Math.floor(Math.exp(5 + 6 * next() ** 1.3));
    const content = Buffer.alloc(size, `${i} ${next()} `);
    return [`pkg${Math.floor(i / 40)}/file${i % 40}.js`, content] as const;
  });
}

function blocksOf(files: readonly File[]): string[] {
  const { tar, columns } = tarOf(files);
  const cuts = blockCuts(columns);
  return cuts.map((start, i) => tar.toString("latin1", start, cuts[i + 1] ?? tar.length));
}

function newBlocks(before: readonly File[], after: readonly File[]): { made: number; all: number } {
  const known = new Set(blocksOf(before));
  const blocks = blocksOf(after);
  return { made: blocks.filter((block) => !known.has(block)).length, all: blocks.length };
}

describe("blockCuts", () => {
  test("covers the tar with blocks of about 0.7 MiB", () => {
    const { tar, columns } = tarOf(someFiles(1, 4000));
    const cuts = blockCuts(columns);
    expect(cuts[0]).toBe(0);
    expect(cuts.every((cut, i) => i === 0 || cut > cuts[i - 1]!)).toBe(true);
    const mean = tar.length / cuts.length;
    expect(mean).toBeGreaterThan(0.4 * 2 ** 20);
    expect(mean).toBeLessThan(1.2 * 2 ** 20);
  });

  test("keeps all blocks but the touched one when a file grows, wherever it is", () => {
    const files = someFiles(2);
    for (const at of [3, 700, 1500, 1990]) {
      const grown = files.map(
        (file, i): File => (i === at ? [file[0], Buffer.concat([file[1], Buffer.alloc(3000, 7)])] : file),
      );
      const { made, all } = newBlocks(files, grown);
      expect(all).toBeGreaterThan(10);
      expect(made).toBeLessThanOrEqual(2);
    }
  });

  test("keeps nearly all blocks when a file is added or removed", () => {
    const files = someFiles(3);
    expect(newBlocks(files, [...files.slice(0, 900), ...files.slice(901)]).made).toBeLessThanOrEqual(2);
    const added: File = ["pkg22/new.js", Buffer.alloc(5000, "x")];
    expect(newBlocks(files, [...files.slice(0, 900), added, ...files.slice(900)]).made).toBeLessThanOrEqual(2);
  });

  test("cuts big files inside, so that growing one at its end touches its end only", () => {
    const next = random(4);
    const content = Buffer.alloc(9 << 20);
    for (let i = 0; i < content.length; i += 4096) content.writeUInt32LE(next() * 2 ** 32, i);
    const small: File = ["a", Buffer.alloc(100, "a")];
    const before: File[] = [small, ["big", content]];
    const after: File[] = [small, ["big", Buffer.concat([content, Buffer.alloc(600, 1)])]];
    const { made, all } = newBlocks(before, after);
    expect(all).toBeGreaterThanOrEqual(5);
    // The first block holds the header with the size.
    expect(made).toBe(2);
  });

  test("bounds blocks for many tiny entries and for content without entries", () => {
    const tiny = Array.from({ length: 20_000 }, (_, i): File => [`d${i % 7}/${i}`, Buffer.alloc(0)]);
    for (const cuts of [blockCuts(tarOf(tiny).columns), blockCuts(gap(100 << 20))]) {
      for (let i = 1; i < cuts.length; i++) {
        expect(cuts[i]! - cuts[i - 1]!).toBeLessThanOrEqual(8 << 20);
        expect(cuts[i]! - cuts[i - 1]!).toBeGreaterThanOrEqual(64 << 10);
      }
    }
    expect(blockCuts(gap(100 << 20)).length).toBeGreaterThan(12);
  });

  test("of an empty layer are one block, of no bytes none", () => {
    expect(blockCuts(tarOf([]).columns)).toEqual([0]);
    expect(blockCuts({ ...tarOf([]).columns, tarSize: 0 })).toEqual([]);
  });

  test("are ascending and bounded for any index", () => {
    const entry = fc.record({ header: fc.nat(1 << 16), size: fc.nat(1 << 26), type: fc.nat(7) });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 50 }), fc.nat(1 << 26), (entries, tarSize) => {
        const cuts = blockCuts({
          ...gap(tarSize),
          count: entries.length,
          headerOffsets: Float64Array.from(entries, (e) => e.header * 512),
          contentOffsets: Float64Array.from(entries, (e) => e.header * 512 + 512),
          sizes: Float64Array.from(entries, (e) => e.size),
          types: Uint8Array.from(entries, (e) => e.type),
          parents: new Uint32Array(entries.length),
          nameStarts: Uint32Array.from({ length: entries.length + 1 }, (_, i) => i),
          names: Buffer.alloc(entries.length, "abcdefg"),
        });
        const ends = [...cuts.slice(1), tarSize];
        cuts.forEach((start, i) => {
          expect(ends[i]! - start).toBeGreaterThan(0);
          expect(ends[i]! - start).toBeLessThanOrEqual(8 << 20);
        });
      }),
      { numRuns: 50 },
    );
  });
});

/** An index of a tar of zeros. */
function gap(tarSize: number): IndexColumns {
  return { ...tarOf([]).columns, tarSize };
}
