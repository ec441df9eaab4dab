/** Reports about the growth of an image. */
import { describe, expect, test } from "vitest";
import { sizeReport, withImage } from "../../src/analysis/analysis.js";
import type { SizeReport, SizeReportOptions } from "../../src/analysis/sizeReport.js";
import type { Member } from "../archive/images.js";
import { makeImage, type TestImage, writeLayout } from "../registry/servers/images.js";

const x = (count: number, seed = "x"): string => seed.repeat(count);

function imageOf(layers: readonly (readonly Member[])[], instructions: readonly string[]): TestImage {
  return makeImage({
    layers,
    compression: "none",
    config: { history: instructions.map((created_by) => ({ created_by })) },
  });
}

function report(after: TestImage, before: TestImage, options: SizeReportOptions = {}): Promise<SizeReport> {
  const open = (image: TestImage): string => `oci:${writeLayout(image)}`;
  return withImage(open(after), { env: {} }, {}, (a) =>
    withImage(open(before), { env: {} }, {}, (b) => sizeReport(a, b, options)),
  );
}

const BASE: Member[] = [{ path: "usr/lib/base", content: x(5000) }];
const BEFORE = imageOf(
  [
    BASE,
    [
      { path: "app/lib/a", content: x(1000) },
      { path: "app/old", content: x(300) },
    ],
    [{ path: "tmp/gone", content: x(70) }],
  ],
  ["FROM base", "COPY . /app # buildkit", "RUN old # buildkit"],
);
const AFTER = imageOf(
  [
    BASE,
    [{ path: "app/lib/a", content: x(1400) }],
    [
      { path: "app/lib/a", content: x(1500) },
      { path: "opt/new/b", content: x(20) },
    ],
  ],
  ["FROM base", "COPY . /app # buildkit", "RUN new # buildkit"],
);

describe("a report about sizes", () => {
  test("tells the whole, the layers with their instructions, and the folders", async () => {
    const found = await report(AFTER, BEFORE);
    expect(found.growth).toMatchObject({ unpacked: 7920 - 6370, visible: 6520 - 6370, files: 0, layers: 0 });
    expect(found.sharedLayers).toBe(1);
    expect(found.layers.map(({ match, instruction, unpacked }) => [match, instruction, unpacked])).toEqual([
      ["changed", "COPY . /app", 100],
      ["removed", "RUN old", -70],
      ["added", "RUN new", 1520],
    ]);
    expect(found.folders).toEqual([
      { path: "/app/lib", before: 1000, after: 1500, growth: 500 },
      { path: "/app", before: 300, after: 0, growth: -300 },
      { path: "/tmp", before: 70, after: 0, growth: -70 },
      { path: "/opt/new", before: 0, after: 20, growth: 20 },
    ]);
    const blobs = AFTER.layers.slice(1).reduce((sum, { size }) => sum + size, 0);
    const config = found.image.content - AFTER.layers.reduce((sum, { size }) => sum + size, 0);
    expect(found.download).toBe(blobs + config);
  });

  test("of an image and itself says that nothing has changed", async () => {
    const found = await report(AFTER, AFTER);
    expect(found).toMatchObject({
      ...{ layers: [], folders: [], download: 0, sharedLayers: 3 },
      growth: { content: 0, unpacked: 0, visible: 0, files: 0, layers: 0 },
    });
  });

  test("without files reads no layer", async () => {
    const broken = {
      ...AFTER,
      blobs: new Map([...AFTER.blobs].filter(([digest]) => !AFTER.layers.some((layer) => layer.digest === digest))),
    };
    const found = await report(broken, BEFORE, { files: false });
    expect(found.folders).toBeUndefined();
    expect(found.growth.unpacked).toBeUndefined();
    expect(found.layers.map(({ content }) => content)).toEqual([
      AFTER.layers[1]!.size - BEFORE.layers[1]!.size,
      -BEFORE.layers[2]!.size,
      AFTER.layers[2]!.size,
    ]);
  });

  test("lists folders of the depth that is asked for, up to a number", async () => {
    const found = await report(AFTER, BEFORE, { depth: 1, top: 2 });
    expect(found.folders!.map(({ path, growth }) => [path, growth])).toEqual([
      ["/app", 200],
      ["/tmp", -70],
    ]);
    expect(found.moreFolders).toBe(1);
  });

  test("compares with an image that has no layers", async () => {
    const found = await report(BEFORE, imageOf([], []));
    expect(found.growth).toMatchObject({ unpacked: 6370, layers: 3 });
    expect(found.layers.every(({ match }) => match === "added")).toBe(true);
  });
});
