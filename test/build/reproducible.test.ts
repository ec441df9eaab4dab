import { chmodSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { OutputRequest } from "../../src/build/request.js";
import { layersOf, Project, scratch } from "./helpers.js";

const DOCKERFILE =
  "FROM scratch AS a\nWORKDIR /w/x\nCOPY . .\nFROM scratch\nCOPY --from=a /w /v\nCOPY <<E /deep/er/e\nhi\nE\nENV A=b\n";
const FILES = { f: "F", "d/x": "X", "d/link": { link: "x" }, tool: { mode: 0o755, content: "#!" } };

function output(path: string): OutputRequest {
  return {
    type: "oci",
    destination: { kind: "path", path },
    tar: true,
    compression: { type: "none", force: false },
    rewriteTimestamp: false,
    annotations: new Map(),
  };
}

/** Another machine: other directory, other times, other umask, other time zone, other number of jobs. */
async function elsewhere(n: number): Promise<{ layers: (string | undefined)[]; digest: string }> {
  const umask = process.umask(n === 0 ? 0o022 : 0o077);
  const zone = process.env.TZ;
  process.env.TZ = n === 0 ? "UTC" : "Asia/Kolkata";
  try {
    const project = new Project(FILES);
    chmodSync(join(project.dir, "d"), 0o755);
    utimesSync(join(project.dir, "f"), 1000 + n, 2000 + n * 86400);
    const result = await project.build(DOCKERFILE, {
      reproducible: true,
      sourceDateEpoch: 1_700_000_000,
      jobs: 1 + n * 3,
      outputs: [output(join(scratch(), "out.tar"))],
    });
    return { layers: layersOf(result).sort(), digest: result.digest };
  } finally {
    process.umask(umask);
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
}

describe("--reproducible", () => {
  test("gives the same layers and digest wherever and whenever it is built", async () => {
    const [one, two] = [await elsewhere(0), await elsewhere(1)];
    expect(two.layers).toEqual(one.layers);
    expect(two.digest).toBe(one.digest);
  });

  test("is an ingredient of the key: a build without it never answers one with it", async () => {
    const project = new Project(FILES);
    await project.build(DOCKERFILE);
    const result = await project.build(DOCKERFILE, { reproducible: true });
    expect(result.steps.every(({ outcome }) => outcome === "done")).toBe(true);
    const later = await project.build(DOCKERFILE, { reproducible: true, sourceDateEpoch: 5 });
    expect(later.steps.every(({ outcome }) => outcome === "done")).toBe(true);
  });
});

describe("SOURCE_DATE_EPOCH alone", () => {
  test("sets the image's times, not those of files in layers, and does not disturb the cache", async () => {
    const project = new Project(FILES);
    const plain = await project.build(DOCKERFILE);
    const dated = await project.build(DOCKERFILE, { sourceDateEpoch: 1_700_000_000 });
    expect(new Set(layersOf(dated))).toEqual(new Set(layersOf(plain)));
    expect(dated.digest).not.toBe(plain.digest);
    const argument = await project.build(DOCKERFILE, { buildArgs: { SOURCE_DATE_EPOCH: "1700000000" } });
    expect(argument.digest).toBe(dated.digest);
  });
});
