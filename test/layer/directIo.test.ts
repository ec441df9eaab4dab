import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { Trial } from "../../src/layer/directIo.js";
import { FileWriter } from "../../src/layer/fileWriter.js";
import { WindowReader } from "../../src/layer/windowReader.js";

const dir = mkdtempSync(join(tmpdir(), "nacre-direct-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** Bytes that tell where they stand. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(at, at);
  return bytes;
}

describe.each([
  ["as it decides by itself", undefined],
  ["made to try the way past the cache", 0],
])("transfers %s", (_, quickMs) => {
  test.each([0, 1, 512, 1 << 20, (12 << 20) + 512, 20 << 20])("a file of %i bytes is written whole", (length) => {
    const path = join(dir, `w${length}`);
    const fd = openSync(path, "w");
    const bytes = pattern(length);
    const writer = new FileWriter(fd, new Trial(quickMs));
    for (let at = 0; at < length; at += 200_000) writer.write(bytes.subarray(at, at + 200_000));
    writer.end();
    expect(fstatSync(fd).size).toBe(length);
    closeSync(fd);
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  test("property: reads anywhere give the bytes that stand there", () => {
    const length = (16 << 20) + 1000;
    const path = join(dir, "r");
    const bytes = pattern(length);
    writeFileSync(path, bytes);
    const fd = openSync(path, "r");
    const reader = new WindowReader(fd, new Trial(quickMs));
    const target = Buffer.alloc(700_000);
    const check = (position: number, wanted: number): void => {
      let got = 0;
      while (got < wanted) {
        const more = reader.read(target, got, wanted - got, position + got);
        if (more === 0) break;
        got += more;
      }
      expect(got).toBe(Math.max(0, Math.min(wanted, length - position)));
      expect(target.subarray(0, got).equals(bytes.subarray(position, position + got))).toBe(true);
    };
    // From front to back first, so that both ways are tried; then here and there, and beyond the end.
    for (let position = 0; position < length; position += 130_003) check(position, 130_003);
    const place = fc.tuple(fc.integer({ min: 0, max: length + 10 }), fc.integer({ min: 1, max: 700_000 }));
    fc.assert(
      fc.property(place, ([position, wanted]) => {
        check(position, wanted);
      }),
    );
    reader.close();
    closeSync(fd);
  });
});

describe("the choice between the two ways", () => {
  const run = (trial: Trial, cached: number, direct: number): string => {
    for (let i = 0; i < 40; i++) {
      if (trial.wantsDirect) trial.tryDirect();
      trial.took(trial.way === "direct" ? direct : cached);
    }
    return trial.way;
  };
  test("stays with a cache that is quick, without trying anything", () => {
    expect(run(new Trial(), 0.2, 0.1)).toBe("cached");
  });
  test("leaves a slow cache for a quicker disk", () => {
    expect(run(new Trial(), 2, 0.6)).toBe("direct");
  });
  test("comes back from a disk that is slower still", () => {
    expect(run(new Trial(), 2, 8)).toBe("cached");
  });
});
