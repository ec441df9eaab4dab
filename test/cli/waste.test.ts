/** waste, gate and size-report as they are typed: forms of output, exit codes, and names that mean harm. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toByteString } from "../../src/support/bytes.js";
import type { Member } from "../archive/images.js";
import { makeImage, writeLayout } from "../registry/servers/images.js";
import { requireTool } from "../setup/tools.js";
import { nacre } from "./invocation.js";

const EVIL = 'e\u001b[2J<script>"&`|\u202e\n@all';
const x = (count: number): string => "x".repeat(count);
const LAYERS: Member[][] = [
  [
    { path: "srv/a", content: x(1000) },
    { path: toByteString(`srv/${EVIL}`), content: x(400) },
    { path: "=cmd()", content: x(3) },
  ],
  [{ path: "srv/a", content: x(1000), mode: 0o600 }, { path: toByteString(`srv/.wh.${EVIL}`) }, { path: ".wh.=cmd()" }],
];

let root: string;
let home: string;
let image: string;
let plain: string;
const back = process.cwd();

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "nacre-waste-"));
  home = join(root, "store");
  process.chdir(root);
  const history = [{ created_by: "COPY . /srv # buildkit" }, { created_by: `RUN chmod 600 /srv ${EVIL} # buildkit` }];
  image = `oci:${writeLayout(makeImage({ layers: LAYERS, config: { history, config: { Labels: { a: EVIL } } } }))}`;
  plain = `oci:${writeLayout(makeImage({ layers: [[{ path: "a", content: "1" }]] }))}`;
});

afterAll(() => {
  process.chdir(back);
  rmSync(root, { recursive: true, force: true });
});

const run = (...argv: readonly string[]) => nacre(argv, { env: { NACRE_HOME: home } });
const must = async (...argv: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(...argv);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).not.toMatch(/[\u001b\u202e]/);
  return stdout;
};

describe("waste", () => {
  test("tells the whole, who does what to whom, and the remedy", async () => {
    const text = await must("waste", image);
    expect(text).toMatch(/^wasted: +1.4kB in 3 files, about \S+ compressed$/m);
    expect(text).toMatch(/^efficiency: +41.6%$/m);
    expect(text).toMatch(/^layer 1 RUN chmod 600 .* re-stores 1kB of layer 0 unchanged$/m);
    expect(text).toMatch(/^ {4}-> write --chmod=600 on layer 0 COPY \. \/srv, and leave chmod out$/m);
    expect(text).toMatch(/^1kB +1 +duplicate-identical +0 +1 +\/srv\/a$/m);
  });

  test.each(["pair", "layer", "path", "cause", "folder", "duplicate"])(
    "--by %s is one list, in every form",
    async (by) => {
      const table = await must("waste", "--by", by, image);
      expect(table.split("\n")[0]).toMatch(/^[A-Z][A-Z ]+$/);
      const markdown = await must("waste", "--by", by, "--format", "markdown", image);
      expect(markdown).toMatch(/^\| .* \|\n\|[-:|]+\|\n/);
      const rows = markdown.trimEnd().split("\n");
      expect(new Set(rows.map((row) => row.replace(/\\\|/g, "").split("|").length)).size).toBe(1);
      const csv = await must("waste", "--by", by, "--format", "csv", image);
      expect(csv.split("\n")[0]).toMatch(/^[a-z_]+(,[a-z_]+)+$/);
      expect(csv).not.toMatch(/^[=+@-]|,[=+@]/m);
    },
  );

  test("as JSON is what the library says", async () => {
    expect(JSON.parse(await must("waste", "--format", "json", "--top", "1", image))).toMatchObject({
      ...{ schema: "nacre.waste/1", stored: 2403, visible: 1000, reclaimable: 1403 },
      ...{ more: { paths: 2, pairs: 1 }, layers: [{ wasted: 1403 }, { hides: 1403 }] },
    });
  });

  test("an image that wastes nothing says so in few words", async () => {
    expect((await must("waste", plain)).trimEnd().split("\n").at(-1)).toMatch(/^efficiency: +100.0%$/);
  });

  test("with dive's numbers has dive's names, and its JSON", async () => {
    const text = await must("waste", "--compat=dive", image);
    expect(text).toMatch(
      /^efficiency: +41.\d+ %\nwastedBytes: +2403 bytes \(2.4kB\)\nuserWastedPercent: +240.3000 %\n\nCOUNT /,
    );
    const json = JSON.parse(await must("waste", "--compat=dive", "--format", "json", image)) as Record<string, unknown>;
    expect(json.image).toMatchObject({ sizeBytes: 2403, inefficientBytes: 2403 });
    expect((await must("waste", "--compat=dive", "--format", "csv", image)).split("\n")[1]).toBe("2,2000,/srv/a");
    expect(await must("waste", "--compat=dive", plain)).toContain("userWastedPercent:  0.0000 %");
  });

  test.each([
    [["--by", "paths"], "did you mean path?"],
    [["--top", "many"], "whole number"],
    [["--compat", "drive"], "--compat is dive"],
    [["--compat=dive", "--by", "path"], ""],
    [["--compat=dive", "--format", "markdown"], "table, json or csv"],
    [["--ignore", "["], "patterns"],
  ])("%j is wrong usage", async (flags, hint) => {
    const { code, stderr } = await run("waste", ...flags, image);
    expect(code).toBe(2);
    expect(stderr).toContain(hint);
  });
});

describe("gate", () => {
  const flags = [
    "--no-rules",
    "--max-layers",
    "1",
    "--non-root",
    "--forbidden-paths-anywhere",
    "e*",
    "--max-size",
    "1MB",
  ];
  flags.push("--required-labels", "a=^b$", "--warn", "non-root", "--lowestEfficiency", "off");

  test("ends with 1 where a rule fails, 0 where none does, 2 where rules cannot be checked", async () => {
    expect((await run("gate", ...flags, image)).code).toBe(1);
    expect((await run("gate", "--no-rules", "--max-layers", "2", image)).code).toBe(0);
    expect((await run("gate", "--no-rules", "--max-layers", "1", "--warn", "max-layers", image)).code).toBe(0);
    for (const argv of [
      ["--max-layers", "1", "oci:/nowhere"],
      ["--max-layers", "few", image],
      ["--max-lairs", "1", image],
      ["--rules", "missing.toml", image],
      ["--max-growth", "5%", image],
      ["--max-growth", "5%", "--baseline", "store:nothing", image],
    ]) {
      const { code, stderr } = await run("gate", "--no-rules", ...argv);
      expect([argv, code]).toEqual([argv, 2]);
      expect(stderr).toMatch(/^ERROR: /);
    }
    expect(
      (
        await run(
          "gate",
          "--no-rules",
          "--max-growth",
          "5%",
          "--baseline",
          "store:nothing",
          "--allow-missing-baseline",
          image,
        )
      ).code,
    ).toBe(0);
    expect((await run("gate", "--no-rules", "--max-growth", "5%", "--baseline", plain, image)).code).toBe(1);
  });

  test("tells what was measured, what is allowed, what offends and what to do", async () => {
    const { stdout } = await run("gate", ...flags, image);
    expect(stdout).not.toMatch(/[\u001b\u202e]/);
    expect(stdout).toMatch(/^FAIL {2}max-layers +2 \(at most 1\)\n {6}the image has 2 layers\n {6}-> join RUN/m);
    expect(stdout).toMatch(/^WARN {2}non-root /m);
    expect(stdout).toMatch(/^PASS {2}max-size +2.4kB \(at most 1MB\)$/m);
    expect(stdout).toMatch(/^SKIP {2}lowestEfficiency/m);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^FAIL \[pass: \d, fail: \d, warn: 1, skip: \d\]$/);
  });

  test("takes the rules of a file in the directory, nacre's before dive's, and flags besides", async () => {
    writeFileSync(".dive-ci", "rules:\n  lowestEfficiency: 0.95\n");
    try {
      const rules = async (...argv: readonly string[]) => {
        const { stdout } = await run("gate", "--format", "json", ...argv, image);
        return (JSON.parse(stdout) as { results: { rule: string }[] }).results.map(({ rule }) => rule);
      };
      const dives = ["lowestEfficiency", "highestWastedBytes", "highestUserWastedPercent"];
      expect(await rules()).toEqual(dives);
      expect(await rules("--max-layers", "1")).toEqual([...dives, "max-layers"]);
      expect(await rules("--no-rules", "--max-layers", "1")).toEqual(["max-layers"]);
      expect(await rules("--no-rules", "--highestWastedBytes", "1MB")).toEqual([dives[0], dives[2], dives[1]]);
      writeFileSync(".nacre-gate.toml", "max-layers = 5\n");
      expect(await rules()).toEqual(["max-layers"]);
      expect(await rules("--ci-config", ".dive-ci")).toEqual(dives);
      rmSync(".dive-ci");
      rmSync(".nacre-gate.toml");
      expect(await rules()).toEqual(dives);
    } finally {
      rmSync(".dive-ci", { force: true });
      rmSync(".nacre-gate.toml", { force: true });
    }
  });

  test("as JUnit is XML with a case for each rule, whatever names say", async () => {
    const { stdout } = await run("gate", "--format", "junit", ...flags, image);
    const script = `
import sys, json, xml.etree.ElementTree as E
root = E.fromstring(sys.stdin.buffer.read())
suite = root[0]
print(json.dumps({"root": root.tag, "suite": suite.attrib, "cases": [[c.attrib["name"], c.attrib["classname"], [(e.tag, e.attrib.get("type"), bool(e.text)) for e in c]] for c in suite]}))`;
    const told = JSON.parse(execFileSync(requireTool("python3"), ["-c", script], { input: stdout }).toString());
    expect(told.root).toBe("testsuites");
    expect(told.suite).toMatchObject({ tests: "6", failures: "3", errors: "0", skipped: "1" });
    expect(told.cases).toEqual([
      ["max-size", "nacre.gate", []],
      ["max-layers", "nacre.gate", [["failure", "max-layers", true]]],
      ["forbidden-paths-anywhere", "nacre.gate", [["failure", "forbidden-paths-anywhere", true]]],
      ["non-root", "nacre.gate", [["system-out", null, true]]],
      ["required-labels", "nacre.gate", [["failure", "required-labels", true]]],
      ["lowestEfficiency", "nacre.gate", [["skipped", null, false]]],
    ]);
  });

  test("as SARIF has a rule and a result for each, with the place in the file of rules", async () => {
    writeFileSync("my rules.toml", '# rules\nmax-layers = 1\nmax-size = "1GB"\nwarn = ["non-root"]\nnon-root = true\n');
    const { stdout, code } = await run("gate", "--format", "sarif", "--rules", "my rules.toml", image);
    expect(code).toBe(1);
    const { version, $schema, runs } = JSON.parse(stdout);
    expect([version, runs.length]).toEqual(["2.1.0", 1]);
    expect($schema).toMatch(/sarif-schema-2\.1\.0\.json$/);
    const { tool, results } = runs[0];
    expect(tool.driver).toMatchObject({ name: "nacre", version: expect.stringMatching(/^\d/) });
    expect(tool.driver.rules.map(({ id }: { id: string }) => id)).toEqual(["max-layers", "max-size", "non-root"]);
    expect(
      results.map(({ ruleId, ruleIndex, level, kind }: Record<string, unknown>) => [ruleId, ruleIndex, level, kind]),
    ).toEqual([
      ["max-layers", 0, "error", "fail"],
      ["max-size", 1, "none", "pass"],
      ["non-root", 2, "warning", "fail"],
    ]);
    expect(results[0].locations[0].physicalLocation).toEqual({
      artifactLocation: { uri: "my%20rules.toml" },
      region: { startLine: 2 },
    });
    expect(results.every(({ message }: { message: { text: string } }) => message.text.length > 0)).toBe(true);
  });

  test("as annotations is one command a line, escaped", async () => {
    writeFileSync("a,b:c.toml", 'required-labels = { a = "^b$" }\nmax-layers = 1\nwarn = "max-layers"\n');
    const { stdout } = await run("gate", "--format", "github", "--rules", "a,b:c.toml", image);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(
      /^::error file=a%2Cb%3Ac\.toml,line=1,title=nacre gate%3A required-labels::\/.*does not match/,
    );
    expect(lines[1]).toMatch(/^::warning file=a%2Cb%3Ac\.toml,line=2,title=nacre gate%3A max-layers::\//);
    expect(lines.slice(2)).toEqual(["nacre gate: FAIL [fail: 1, warn: 1]"]);
    expect(stdout).not.toMatch(/[\u001b\u202e\r]/);
  });

  test("as markdown keeps names from being markup", async () => {
    const { stdout } = await run("gate", "--format", "markdown", ...flags, image);
    expect(stdout).toMatch(/^### Gate of `.*`: FAIL\n\n\| {2}\| Rule \|/);
    expect(stdout.replace(/``[^\n]*``|`[^`\n]*`/g, "")).not.toMatch(/<script>|@all/);
    expect(stdout).not.toMatch(/[\u001b\u202e]/);
  });
});

describe("size-report", () => {
  test("is markdown for a comment, a table, or JSON", async () => {
    const markdown = await must("size-report", "--baseline", plain, image);
    expect(markdown).toMatch(/^### Size of `\/.*`: 2.4kB, \+2.4kB \(\+\d+.\d%\)\n/);
    expect(markdown).toMatch(/^\| unpacked \| 1B \| 2.4kB \| \+2.4kB \|$/m);
    expect(markdown).toMatch(/^\| added \| - \| 1.4kB \| \+1.4kB \| .* \| `COPY \. \/srv` \|$/m);
    expect(markdown).toMatch(/<details><summary>Folders that have changed \(2\)<\/summary>/);
    const table = await must("size-report", "--format", "table", "--baseline", plain, image);
    expect(table).toMatch(/^LAYER +BEFORE +AFTER +GROWTH +COMPRESSED +INSTRUCTION$/m);
    const json = await must("size-report", "--format", "json", "--baseline", image, image);
    expect(JSON.parse(json)).toMatchObject({
      schema: "nacre.size-report/1",
      growth: { content: 0, unpacked: 0 },
      layers: [],
    });
    expect(await must("size-report", "--no-files", "--baseline", plain, image)).not.toContain("unpacked");
  });

  test("needs a baseline", async () => {
    const { code, stderr } = await run("size-report", image);
    expect([code, stderr]).toEqual([2, expect.stringContaining("--baseline")]);
  });
});
