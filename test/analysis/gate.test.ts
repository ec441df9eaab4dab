/** Rules of a gate: what each measures, where its limit is, and files in which rules are written. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluateGate, mergeGateRules, readGateFile, readGateRules, withImage } from "../../src/analysis/analysis.js";
import { parseGateFile } from "../../src/analysis/gateFiles.js";
import { GATE_OPTIONS, GATE_RULES, type GateSettings } from "../../src/analysis/gateRules.js";
import type { GateContext, GateReport, GateResult } from "../../src/analysis/gateTypes.js";
import { GATE_FLAGS } from "../../src/cli/commands/gateFlags.js";
import type { ContainerConfig } from "../../src/oci/documents.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { type Member, newStore, putImage, tempDir } from "../archive/images.js";
import { makeImage, writeLayout } from "../registry/servers/images.js";

const NOW = Date.parse("2024-02-01T00:00:00Z");
const x = (count: number): string => "x".repeat(count);
const LAYERS: Member[][] = [
  [
    { path: "etc/passwd", content: "root:x:0:0::/:\nalso:x:0:0::/:\napp:x:7:7::/:\n" },
    { path: "srv", type: "dir", mode: 0o755 },
    { path: "srv/a", content: x(1000) },
    { path: "srv/key.pem", content: x(50) },
  ],
  [{ path: "srv/.wh.key.pem" }, { path: "srv/a", content: x(1500) }, { path: "srv/empty", type: "dir", mode: 0o755 }],
];

interface Wish {
  readonly layers?: readonly (readonly Member[])[];
  readonly config?: ContainerConfig;
  readonly created?: string;
  readonly annotations?: Record<string, string>;
}

function specOf({ layers = LAYERS, config = {}, created = "2024-01-02T03:04:05Z", annotations }: Wish): string {
  return `oci:${writeLayout(makeImage({ layers, config: { config, created }, ...(annotations ? { annotations } : {}) }))}`;
}

function gate(settings: GateSettings, wish: Wish = {}, context: Partial<GateContext> = {}): Promise<GateReport> {
  return withImage(specOf(wish), { env: {} }, {}, (image) => evaluateGate(image, settings, { now: NOW, ...context }));
}

async function result(
  settings: GateSettings,
  wish: Wish = {},
  context: Partial<GateContext> = {},
): Promise<GateResult> {
  const report = await gate(settings, wish, context);
  expect(report.results).toHaveLength(1);
  expect(report.status).toBe(report.results[0]!.status === "FAIL" ? "FAIL" : "PASS");
  return report.results[0]!;
}

async function problemOf(work: () => unknown): Promise<NacreError> {
  try {
    await work();
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const SIZE = 44 + 1000 + 50 + 1500;
const WASTE = 1050;

describe("a rule", () => {
  test.each<[settings: GateSettings, status: string, measured: RegExp]>([
    [{ "max-size": SIZE }, "PASS", /^2.59kB$/],
    [{ "max-size": SIZE - 1 }, "FAIL", /^2.59kB$/],
    [{ "max-content-size": "1MB" }, "PASS", /B$/],
    [{ "max-content-size": "100B" }, "FAIL", /B$/],
    [{ "max-layer-size": "1500" }, "PASS", /^1.5kB$/],
    [{ "max-layer-size": 1499 }, "FAIL", /^1.5kB$/],
    [{ "max-layers": 2 }, "PASS", /^2$/],
    [{ "max-layers": "1" }, "FAIL", /^2$/],
    [{ "max-waste": WASTE }, "PASS", /^1.05kB$/],
    [{ "max-waste": WASTE - 1 }, "FAIL", /^1.05kB$/],
    [{ "max-waste": 1000, "ignore-paths": ["*.pem"] }, "PASS", /^1kB$/],
    [{ "max-waste-percent": 41, "waste-floor": 0 }, "PASS", /^40.5% \(1.05kB\)$/],
    [{ "max-waste-percent": "40%", "waste-floor": 0 }, "FAIL", /^40.5%/],
    [{ "max-waste-percent": 1 }, "PASS", /^40.5%/],
    [{ "required-paths": ["srv/a", "/etc/*", "empty"] }, "PASS", /^3 of 3$/],
    [{ "required-paths": ["/srv/key.pem", "/srv/a"] }, "FAIL", /^1 of 2$/],
    [{ "forbidden-paths": ["*.pem", "b"] }, "PASS", /^0 paths$/],
    [{ "forbidden-paths": "/srv" }, "FAIL", /^2 paths$/],
    [{ "forbidden-paths": "/srv", "allowed-paths": ["/srv/a"] }, "FAIL", /^1 path$/],
    [{ "forbidden-paths": "/srv", "allowed-paths": ["a", "empty"] }, "FAIL", /^1 path$/],
    [{ "forbidden-paths-anywhere": ["*.pem"] }, "FAIL", /^1 path$/],
    [{ "forbidden-paths-anywhere": ["*.key"] }, "PASS", /^0 paths$/],
    [{ "only-paths": ["/etc", "/srv"] }, "PASS", /^0 paths$/],
    [{ "only-paths": ["/etc"] }, "FAIL", /^1 path$/],
    [{ lowestEfficiency: "0.4" }, "PASS", /^0\.\d{4}$/],
    [{ lowestEfficiency: 0.99 }, "FAIL", /^0\.\d{4}$/],
    [{ highestWastedBytes: "2550" }, "PASS", /^2.55kB$/],
    [{ highestWastedBytes: "2549B" }, "FAIL", /^2.55kB$/],
    [{ highestUserWastedPercent: 1 }, "FAIL", /^1.7000$/],
    [{ highestUserWastedPercent: " OFF " }, "SKIP", /^$/],
    [{ platforms: ["linux/arm64", "linux/x86_64"] }, "PASS", /^linux\/amd64$/],
    [{ platforms: ["linux/arm64"] }, "FAIL", /^linux\/amd64$/],
    [{ "max-age": "30d" }, "PASS", /^4 weeks$/],
    [{ "max-age": "29d" }, "FAIL", /^4 weeks$/],
  ])("%j says %s", async (settings, status, measured) => {
    const found = await result(settings);
    expect(found).toMatchObject({ status, measured: expect.stringMatching(measured) });
    expect(found.advice !== undefined).toBe(status === "FAIL");
  });

  test.each<[settings: GateSettings, config: ContainerConfig, status: string, message: RegExp]>([
    [{ "non-root": true }, {}, "FAIL", /no user, so root/],
    [{ "non-root": true }, { User: "root:app" }, "FAIL", /user root:app/],
    [{ "non-root": true }, { User: "00:5" }, "FAIL", /00:5/],
    [{ "non-root": true }, { User: "also" }, "FAIL", /id 0/],
    [{ "non-root": true }, { User: "app" }, "PASS", /app/],
    [{ "non-root": true }, { User: "1000:0" }, "PASS", /1000/],
    [{ "non-root": true }, { User: "stranger" }, "PASS", /stranger/],
    [{ "required-labels": ["a", "b=^v\\d$"] }, { Labels: { a: "", b: "v1" } }, "PASS", /all labels/],
    [{ "required-labels": { b: "^v\\d$" } }, { Labels: { b: "v12" } }, "FAIL", /b is "v12", which does not match/],
    [{ "required-labels": "toString" }, { Labels: {} }, "FAIL", /no label toString/],
    [
      { "allowed-ports": ["80", "8000-8100"] },
      { ExposedPorts: { "80/tcp": {}, "8100/tcp": {} } },
      "PASS",
      /allowed ports/,
    ],
    [{ "allowed-ports": ["80/tcp"] }, { ExposedPorts: { "80/udp": {} } }, "FAIL", /port 80\/udp/],
    [{ "forbidden-ports": ["22"] }, { ExposedPorts: { "22/tcp": {} } }, "FAIL", /port 22\/tcp/],
    [{ "forbidden-ports": ["22"] }, {}, "PASS", /no port/],
    [
      { "no-secret-env": true },
      { Env: ["PATH=/bin", "API_TOKEN=abc", "EMPTY_TOKEN="] },
      "FAIL",
      /^the variable API_TOKEN is set$/,
    ],
    [{ "no-secret-env": true }, { Env: ["X=ghp_abcdefgh", "PUBLIC_KEY=x"] }, "FAIL", /^the variable X is set$/],
    [{ "forbidden-env": ["HTTP*_PROXY"] }, { Env: ["HTTPS_PROXY=x", "A"] }, "FAIL", /HTTPS_PROXY/],
    [{ "forbidden-env": ["B"] }, { Env: ["A=b"] }, "PASS", /no variable/],
  ])("%j with the config %j says %s", async (settings, config, status, message) => {
    const found = await result(settings, { config });
    expect([found.status, found.message]).toEqual([status, expect.stringMatching(message)]);
    // What may be a secret is never told.
    expect(JSON.stringify(found)).not.toMatch(/abc/);
  });

  test("about the config opens no layer; one about files fails where a layer cannot be read", async () => {
    const image = makeImage({ layers: LAYERS });
    const broken = {
      ...image,
      blobs: new Map([...image.blobs].filter(([digest]) => digest !== image.layers[1]!.digest)),
    };
    const spec = `oci:${writeLayout(broken)}`;
    const check = (settings: GateSettings) =>
      withImage(spec, { env: {} }, {}, (opened) => evaluateGate(opened, settings, { now: NOW }));
    const settings = {
      "non-root": true,
      "max-layers": 5,
      "max-content-size": "1GB",
      "required-labels": ["a"],
      "max-age": "1h",
    };
    expect((await check(settings)).counts).toEqual({ PASS: 2, FAIL: 3, WARN: 0, SKIP: 0 });
    await problemOf(() => check({ "forbidden-paths": ["a"] }));
    await problemOf(() => check({ "max-size": 1 }));
  });

  test("about bases compares their names in every spelling, and takes scratch for none", async () => {
    const annotations = { "org.opencontainers.image.base.name": "debian:12-slim" };
    const check = async (base: string, wish: Wish) => (await result({ "allowed-bases": [base] }, wish)).status;
    for (const base of ["debian:*", "debian", "docker.io/library/debian:12-slim", "docker.io/library/*", "*"]) {
      expect([base, await check(base, { annotations })]).toEqual([base, "PASS"]);
    }
    expect(await check("alpine:*", { annotations })).toBe("FAIL");
    expect(await check("scratch", {})).toBe("PASS");
    expect(await check("debian", {})).toBe("FAIL");
  });

  test("about the image's own layers leaves those of its base alone", async () => {
    const store = await newStore();
    for (const [name, layers] of [
      ["base", LAYERS.slice(0, 1)],
      ["app", LAYERS],
    ] as const) {
      await store.setReferences([{ name: `docker.io/library/${name}:1`, descriptor: await putImage(store, layers) }]);
    }
    const settings = { "only-paths": ["/srv"], "max-layer-size": 1500 };
    const report = await withImage("app:1", { env: {}, store }, {}, (image) =>
      evaluateGate(image, settings, { now: NOW, store }),
    );
    expect(report.counts.FAIL).toBe(0);
  });

  test.each([
    [{ "max-growth": 1456 }, "PASS", "+1.46kB (+127.9%)"],
    [{ "max-growth": 1455 }, "FAIL", "+1.46kB (+127.9%)"],
    [{ "max-growth": "128%" }, "PASS", "+1.46kB (+127.9%)"],
    [{ "max-growth": "127%" }, "FAIL", "+1.46kB (+127.9%)"],
    [{ "max-content-growth": "0%" }, "FAIL", expect.stringMatching(/^\+/)],
  ])("%j is measured against the baseline: %s", async (settings, status, measured) => {
    const before: Member[][] = [[...LAYERS[0]!.slice(0, 1), { path: "srv/a", content: x(1094) }]];
    await withImage(specOf({ layers: before }), { env: {} }, {}, async (baseline) => {
      expect(await result(settings, {}, { baseline })).toMatchObject({ status, measured });
    });
  });

  test("about growth needs a baseline, unless it may be missing", async () => {
    expect(await problemOf(() => gate({ "max-growth": 1 }))).toMatchObject({ code: "USAGE" });
    expect((await result({ "max-growth": 1 }, {}, { baselineMayMiss: true })).status).toBe("SKIP");
    await withImage(specOf({ layers: [] }), { env: {} }, {}, async (baseline) => {
      expect(await result({ "max-growth": "5%" }, {}, { baseline })).toMatchObject({
        status: "FAIL",
        measured: expect.stringContaining("new"),
      });
    });
  });

  test("may only warn; switches that are off ask for nothing", async () => {
    const report = await gate({ "max-layers": 1, maxSize: 1, warn: ["max-layers"], "non-root": false });
    expect(report).toMatchObject({ status: "FAIL", counts: { PASS: 0, FAIL: 1, WARN: 1, SKIP: 0 } });
    expect(report.results.map(({ rule }) => rule)).toEqual(["max-layers", "max-size"]);
    expect((await gate({ "max-layers": 1, warn: "maxLayers" })).status).toBe("PASS");
  });

  test("names what offends up to a number, with the layer that brought it", async () => {
    const layers = [
      Array.from({ length: 30 }, (_, at): Member => ({ path: `k${String(at).padStart(2, "0")}.pem`, content: "k" })),
    ];
    const { findings, more } = await result({ "forbidden-paths": ["*.pem"] }, { layers });
    expect([findings!.length, findings![0], more]).toEqual([20, "/k00.pem (layer 0 RUN layer 0)", 10]);
  });

  test("an image without bytes passes what dive cannot compute", async () => {
    const report = await gate(
      { lowestEfficiency: 0.9, highestUserWastedPercent: 0.1, "max-waste-percent": 0 },
      { layers: [] },
    );
    expect(report.counts).toMatchObject({ PASS: 3, FAIL: 0 });
    expect(() => JSON.stringify(report)).not.toThrow();
  });
});

describe("rules are read", () => {
  test("in both spellings, from TOML and JSON, with the lines where they stand", async () => {
    const toml =
      '# rules\nmax-size = "5MB"\nwarn = ["maxSize"]\nbaseline = "app:main"\n\nnonRoot = true\n[required-labels]\nmaintainer = ""\n';
    const rules = parseGateFile("dir/.nacre-gate.toml", toml);
    expect(rules).toMatchObject({ warn: ["max-size"], baseline: "app:main", ignorePaths: [] });
    expect(rules.rules.map(({ name, source }) => [name, source!.line])).toEqual([
      ["max-size", 2],
      ["non-root", 6],
      ["required-labels", 7],
    ]);
    expect(parseGateFile("x.json", '{"max-size": 5000000}').rules[0]).toMatchObject({
      value: 5e6,
      source: { file: "x.json" },
    });
    const path = join(tempDir(), "gate.toml");
    writeFileSync(path, toml);
    expect((await readGateFile(path)).rules).toHaveLength(3);
  });

  test.each([
    [
      "as dive documents it",
      "rules:\n  # least\n  lowestEfficiency: 0.95\n\n  highestWastedBytes: 20MB # most\n  highestUserWastedPercent: 0.20\n",
    ],
    [
      "in kebab case",
      "rules:\n  lowest-efficiency: \"0.95\"\n  highest-wasted-bytes: '20MB'\n  highest-user-wasted-percent: 0.20\n",
    ],
    [
      "without the word rules",
      "---\nlowest-efficiency-threshold: 0.95\nhighest-wasted-bytes: 20MB\nhighest-user-wasted-percent: .2\n",
    ],
  ])("from a .dive-ci file %s", (_, text) => {
    const { rules } = parseGateFile(".dive-ci", text);
    expect(Object.fromEntries(rules.map(({ name, value }) => [name, value]))).toEqual({
      ...{ lowestEfficiency: 0.95, highestWastedBytes: 20e6, highestUserWastedPercent: 0.2 },
    });
    expect(rules.every(({ source }) => source!.file === ".dive-ci" && source!.line !== undefined)).toBe(true);
  });

  test.each(["", "disabled", "off", "false", "Off", "~"])("dive's rules are off with %j", (word) => {
    const { rules } = parseGateFile(".dive-ci", `rules:\n  lowestEfficiency: ${word}\n`);
    expect(rules.map(({ value }) => value)).toEqual(["off", "off", 0.1]);
  });

  test("an empty .dive-ci file stands for dive's defaults", () => {
    expect(parseGateFile(".dive-ci", "# nothing\n").rules.map(({ value }) => value)).toEqual([0.9, "off", 0.1]);
  });

  test.each([
    ["gate.toml", "max-sise = 1", /gate.toml:1: there is no rule "max-sise"/, /did you mean max-size/],
    ["gate.toml", "a = 1\nb = 2", /there is no rule "a"/, /help/],
    ["gate.toml", "max-size = ", /gate.toml:1: it is not TOML/, undefined],
    ["gate.toml", '\nmax-size = "many"', /gate.toml:2: max-size: not a size/, /10GB/],
    ["gate.toml", "max-layers = 1.5", /max-layers is a whole number, not 1.5/, /docs/],
    ["gate.toml", 'max-waste-percent = "101%"', /is a percentage/, undefined],
    ["gate.toml", "non-root = 1", /is true or false/, undefined],
    ["gate.toml", 'forbidden-paths = ["a", 1]', /list of texts/, undefined],
    ["gate.toml", "forbidden-paths = []", /list of texts/, undefined],
    ["gate.toml", 'required-labels = ["a=["]', /no regular expression/, undefined],
    ["gate.toml", "max-size = 1\nmaxSize = 2", /twice/, undefined],
    ["gate.toml", 'warn = ["baseline"]', /no rule that could warn/, undefined],
    ["gate.json", "[1]", /must be an object/, undefined],
    ["gate.json", "{", /not JSON/, undefined],
    ["gate.json", '{"__proto__": 1, "constructor": 2}', /there is no rule/, undefined],
    [
      ".dive-ci",
      "rules:\n  lowestEfficency: 0.9",
      /.dive-ci:2: there is no rule "lowestEfficency"/,
      /did you mean lowestEfficiency/,
    ],
    [".dive-ci", "rules:\n  max-size: 5", /no rule of dive/, /nacre-gate.toml/],
    [".dive-ci", "rules:\n  lowestEfficiency: 1.5", /number from 0 to 1/, undefined],
    [".dive-ci", "rules:\n  lowestEfficiency: 0.5\n  lowest-efficiency: 0.6", /twice/, undefined],
    [".dive-ci", "rules: {lowestEfficiency: 0.5}", /.dive-ci:1: this is not how/, /lowestEfficiency/],
    [".dive-ci", "rules:\n- lowestEfficiency", /.dive-ci:2: this is not how/, undefined],
    [".dive-ci", "rules:\n  lowestEfficiency: 0.5\n    highestWastedBytes: 5", /.dive-ci:3/, undefined],
    [".dive-ci", "rules:\nlowestEfficiency: 0.5", /.dive-ci:2/, undefined],
    [".dive-ci", "rules:\n  lowestEfficiency: &a 0.5", /.dive-ci:2/, undefined],
    [".dive-ci", "rules:\n\tlowestEfficiency: 0.5", /.dive-ci:2/, undefined],
  ])("%s with %j is refused", async (path, text, message, hint) => {
    const problem = await problemOf(() => parseGateFile(path, text));
    expect(problem).toMatchObject({ code: "USAGE", message: expect.stringMatching(message) });
    if (hint) expect(problem.hint).toMatch(hint);
  });

  test("flags count before a file's rules; exceptions of both count", async () => {
    const file = await readGateRules({ "max-size": 1, "max-layers": 2, "ignore-paths": ["a"], warn: ["max-size"] });
    const flags = await readGateRules({ "max-size": 5, "ignore-paths": ["b"], baseline: "x" });
    const merged = await mergeGateRules(file, flags);
    expect(merged.rules.map(({ name, value }) => [name, value])).toEqual([
      ["max-layers", 2],
      ["max-size", 5],
    ]);
    expect(merged).toMatchObject({ ignorePaths: ["a", "b"], warn: ["max-size"], baseline: "x" });
  });

  test("every rule and option has a flag of its name", () => {
    const names = [...Object.keys(GATE_RULES), ...Object.keys(GATE_OPTIONS), "warn"];
    expect(GATE_FLAGS.map(([name]) => name).sort()).toEqual(names.sort());
  });
});
