/** Times and lines of the history, and what of a base's config stays. */
import { describe, expect, test } from "vitest";
import { assemble } from "../../src/build/assemble.js";
import type { Solution } from "../../src/build/solver.js";
import { digestOfHex } from "../../src/oci/digest.js";
import { type HistoryEntry, type ImageConfig, parseConfig } from "../../src/oci/documents.js";
import { OCI_LAYER } from "../../src/oci/mediaTypes.js";
import type { PlannedStage } from "../../src/plan/graph.js";

const digest = digestOfHex("0".repeat(64));
const at = (minute: number): number => Date.UTC(2026, 0, 1, 12, minute);
const told = (minute: number): string => `2026-01-01T12:${String(minute).padStart(2, "0")}:00Z`;

/** Lines of a Dockerfile: a number is one with a layer, made in that minute. */
type Lines = readonly (number | "metadata")[];

function image(lines: Lines, base?: { history: readonly HistoryEntry[]; layers: number }, epoch?: number) {
  const steps = new Map(lines.flatMap((line, id) => (line === "metadata" ? [] : [[id, { created: at(line) }]])));
  const target = {
    ...{ config: {}, platform: { os: "linux", architecture: "amd64" } },
    baseConfig: base && ({ history: base.history } as ImageConfig),
    history: lines.map((line, id) => ({ createdBy: `line ${id}`, step: line === "metadata" ? undefined : id })),
  } as unknown as PlannedStage;
  const layer = { diffId: digest, descriptor: { mediaType: OCI_LAYER, digest, size: 1 } };
  const layers = Array.from({ length: (base?.layers ?? 0) + steps.size }, () => layer);
  const solution = { layers, steps, baseLayer: undefined, reports: [] } as unknown as Solution;
  return assemble(target, solution, { sourceDateEpoch: epoch, annotations: new Map() }).config;
}

const times = (config: ImageConfig): unknown => config.history?.map(({ created }) => created);

describe("the time of a line of history", () => {
  test("is that of its layer; of other lines that of the layer before, of the first ones that of the first layer", () => {
    const config = image(["metadata", "metadata", 10, "metadata", 20, "metadata"]);
    expect(times(config)).toEqual([10, 10, 10, 10, 20, 20].map(told));
  });

  test("of a base stays as it is, and lines without a layer after it take that of the first new layer", () => {
    const base = { layers: 1, history: [{ created: told(1), created_by: "base" }] };
    expect(times(image(["metadata", 10, "metadata"], base))).toEqual([1, 10, 10, 10].map(told));
    expect(times(image(["metadata"], base))).toEqual([told(1), told(1)]);
  });

  test("is SOURCE_DATE_EPOCH for all but the base's", () => {
    const base = { layers: 1, history: [{ created: told(1), created_by: "base" }] };
    const config = image(["metadata", 10], base, 86_400);
    expect(times(config)).toEqual([told(1), "1970-01-02T00:00:00Z", "1970-01-02T00:00:00Z"]);
    expect(config.created).toBe("1970-01-02T00:00:00Z");
  });

  test("is in whole history the latest for the image, wherever it stands", () => {
    const base = { layers: 1, history: [{ created: told(30), created_by: "base" }] };
    expect(image([10, 20], base).created).toBe(told(30));
    expect(image([10, 20]).created).toBe(told(20));
    expect(image(["metadata"]).created).toBeUndefined();
  });
});

describe("the lines of history", () => {
  const comment = "buildkit.exporter.image.v0";

  test("have BuildKit's comment, and say whether there is a layer", () => {
    expect(image(["metadata", 1]).history).toMatchObject([
      { created_by: "line 0", comment: "buildkit.dockerfile.v0", empty_layer: true },
      { created_by: "line 1", comment: "buildkit.dockerfile.v0" },
    ]);
    expect(image([1]).history?.[0]).not.toHaveProperty("empty_layer");
  });

  test("get one for each layer of the base that none tells of", () => {
    const base = { layers: 3, history: [{ created: told(1), created_by: "base" }] };
    expect(image([10], base).history).toEqual([
      { created: told(1), created_by: "base" },
      { created: told(1), comment },
      { created: told(1), comment },
      { created: told(10), created_by: "line 0", comment: "buildkit.dockerfile.v0" },
    ]);
  });

  test("that tell of more layers than the base has tell of none, the first ones first", () => {
    const base = { layers: 1, history: ["a", "b", "c"].map((name) => ({ created: told(1), created_by: name })) };
    const empty = image([10], base).history?.map((entry) => entry.empty_layer ?? false);
    expect(empty).toEqual([true, true, false, false]);
  });
});

test("of a base's config the fields of the image stay, and nothing that told how it was made", () => {
  const made = { container: "c", container_config: { Cmd: ["x"] }, docker_version: "1", id: "i", parent: "p" };
  const written = { ...made, os: "linux", architecture: "amd64", "os.features": ["f"], rootfs: { type: "layers" } };
  const baseConfig = parseConfig(Buffer.from(JSON.stringify(written)), "base");
  const platform = { os: "linux", architecture: "amd64" };
  const target = { config: {}, platform, baseConfig, history: [] } as unknown as PlannedStage;
  const solution = { layers: [], steps: new Map(), baseLayer: undefined, reports: [] } as unknown as Solution;
  const { configBytes } = assemble(target, solution, { sourceDateEpoch: undefined, annotations: new Map() });
  expect(Object.keys(JSON.parse(configBytes.toString()))).toEqual([
    ...["architecture", "config", "os", "os.features", "rootfs"],
  ]);
});
