/** `nacre build --check`, `--check-fix`, `--check-diff` and the flags around them. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseCall } from "../../src/cli/commands/buildCall.js";
import { wantsCall } from "../../src/cli/commands/callOptions.js";
import { errorOf } from "./errors.js";
import { nacre, tempDirectory } from "./invocation.js";

/** A context with this Dockerfile, and what the command says of it. */
async function run(dockerfile: string, ...flags: string[]) {
  const dir = tempDirectory();
  mkdirSync(join(dir, "context"));
  const path = join(dir, "context", "Dockerfile");
  writeFileSync(path, dockerfile);
  const env = { NACRE_OFFLINE: "1" };
  const outcome = await nacre(["build", "--store", join(dir, "store"), ...flags, join(dir, "context")], { env });
  return { ...outcome, path };
}

const FINDINGS = "FROM scratch as Foo\nENV a b \\\n\n  c\nENV TOKEN=x\n";

describe("--check", () => {
  test("prints each finding with rule, page, message, lines and what to do, and how many there are", async () => {
    const { code, stdout, stderr } = await run(FINDINGS, "--check");
    expect(code).toBe(1);
    expect(stderr).toBe("");
    expect(stdout.replace(/ +$/gm, "")).toMatchInlineSnapshot(`
      "WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
      Stage names should be lowercase
      Stage name 'Foo' should be lowercase
      Dockerfile:1
      --------------------
         1 | >>> FROM scratch as Foo
           |                     ^^^
         2 |     ENV a b \\
         3 |
      --------------------
      hint: --check-fix can write the stage's name in lower case

      WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/
      The 'as' keyword should match the case of the 'from' keyword
      'as' and 'FROM' keywords' casing do not match
      Dockerfile:1
      --------------------
         1 | >>> FROM scratch as Foo
           |                  ^^
         2 |     ENV a b \\
         3 |
      --------------------
      hint: --check-fix can write AS in the case of FROM

      WARNING: LegacyKeyValueFormat - https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/
      Legacy key/value format with whitespace separator should not be used
      "ENV key=value" should be used instead of legacy "ENV key value" format
      Dockerfile:2
      --------------------
         1 |     FROM scratch as Foo
         2 | >>> ENV a b \\
         3 | >>>
         4 | >>>   c
         5 |     ENV TOKEN=x
      --------------------
      hint: --check-fix can write key=value

      WARNING: NoEmptyContinuation - https://docs.docker.com/go/dockerfile/rule/no-empty-continuation/
      Empty continuation lines will become errors in a future release
      Empty continuation line
      Dockerfile:3
      --------------------
         1 |     FROM scratch as Foo
         2 |     ENV a b \\
         3 | >>>
           |     ^
         4 |       c
         5 |     ENV TOKEN=x
      --------------------
      hint: --check-fix can remove the empty lines

      WARNING: SecretsUsedInArgOrEnv - https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/
      Sensitive data should not be used in the ARG or ENV commands
      Do not use ARG or ENV instructions for sensitive data (ENV "TOKEN")
      Dockerfile:5
      --------------------
         3 |
         4 |       c
         5 | >>> ENV TOKEN=x
           |     ^^^^^^^^^^^
      --------------------
      hint: the value can be read from the image; give it to the RUN that needs it with --mount=type=secret

      Check complete, 5 warnings have been found!
      4 of them can be mended: add --check-fix (or --check-diff to see how)
      "
    `);
  });

  test("says so where there is nothing to say", async () => {
    expect(await run("FROM scratch\n", "--check")).toMatchObject({
      code: 0,
      stdout: "Check complete, no warnings found.\n",
      stderr: "",
    });
  });

  test("counts one", async () => {
    expect((await run("FROM scratch as a\n", "--check")).stdout).toContain(
      "Check complete, 1 warning has been found!\n",
    );
  });

  test("ends with the error of the Dockerfile, after the findings", async () => {
    const { code, stdout, stderr } = await run("FROM scratch as a\nFORM b\n", "--check");
    expect(code).toBe(1);
    expect(stdout).toContain("Check complete, 1 warning has been found!");
    expect(stderr).toContain(">>> FORM b");
    expect(stderr).toContain("ERROR: unknown instruction: FORM (did you mean FROM?)");
    const alone = await run("FROM scratch\nFORM b\n", "--check");
    expect([alone.code, alone.stdout]).toEqual([1, ""]);
  });

  test("ends with the rules under error=true", async () => {
    const { code, stderr } = await run("# check=error=true\nFROM scratch as a\n", "--check");
    expect(code).toBe(1);
    expect(stderr).toContain("ERROR: lint violation found for rules: FromAsCasing\n");
  });

  test("tells remarks about the request beside, and they are no failure", async () => {
    const { code, stderr } = await run("FROM scratch\n", "--check", "--build-arg", "NOBODY=1");
    expect([code, stderr]).toEqual([0, "note: UnusedBuildArg: Build argument NOBODY is not declared by any ARG\n"]);
  });

  test("of --call with ignorestatus fails for errors only", async () => {
    expect((await run("FROM scratch as a\n", "--call", "check,ignorestatus=true")).code).toBe(0);
    expect((await run("FORM scratch\n", "--call", "check,ignorestatus=true")).code).toBe(1);
  });

  test("takes a Dockerfile from standard input", async () => {
    const { code, stdout } = await nacre(["build", "--check", "-f", "-", tempDirectory()], {
      stdin: "FROM scratch as a\n",
    });
    expect(code).toBe(1);
    expect(stdout).toContain("-:1\n");
  });

  test("lets no control character of the file through", async () => {
    const { stdout } = await run("FROM scratch AS a\nENV \u001b[31m x\n", "--check");
    expect(stdout).not.toContain("\u001b");
  });
});

describe("as JSON", () => {
  const json = async (dockerfile: string, ...flags: string[]) => {
    const outcome = await run(dockerfile, ...flags);
    return { ...outcome, document: JSON.parse(outcome.stdout) };
  };

  test("a check has the members of docker buildx, in its order", async () => {
    const { code, document } = await json(FINDINGS, "--call", "check,format=json");
    expect(code).toBe(1);
    expect(Object.keys(document)).toEqual(["warnings", "sources"]);
    expect(document.warnings.at(3)).toEqual({
      ruleName: "LegacyKeyValueFormat",
      description: "Legacy key/value format with whitespace separator should not be used",
      url: "https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/",
      detail: '"ENV key=value" should be used instead of legacy "ENV key value" format',
      location: { ranges: [2, 3, 4].map((line) => ({ start: { line }, end: { line } })) },
      fixable: true,
    });
    const known = ["ruleName", "description", "url", "detail", "location"];
    expect(Object.keys(document.warnings[0]).slice(0, 5)).toEqual(known);
    const sources = [
      { filename: "Dockerfile", data: Buffer.from(FINDINGS).toString("base64"), language: "Dockerfile" },
    ];
    expect(document.sources).toEqual(sources);
  });

  test("nothing found is null, as Go writes it", async () => {
    const { code, document } = await json("FROM scratch\n", "--check", "--check-format", "json");
    expect([code, document.warnings]).toEqual([0, null]);
  });

  test("an error stands beside the findings, with its lines", async () => {
    const { code, document, stderr } = await json("FROM scratch as a\nFORM b\n", "--check", "--check-format=json");
    expect(code).toBe(1);
    expect(document.warnings).toHaveLength(1);
    expect(document.buildError).toEqual({
      message: "unknown instruction: FORM (did you mean FROM?)",
      location: { ranges: [{ start: { line: 2 }, end: { line: 2 } }] },
    });
    expect(stderr).toContain("ERROR:");
    const other = await json("# check=error=true\nFROM scratch as a\n", "--check", "--check-format=json");
    expect(other.document.buildError).toEqual({
      message: "lint violation found for rules: FromAsCasing",
      location: {},
    });
  });
});

describe("as SARIF", () => {
  const sarif = async (dockerfile: string) =>
    JSON.parse((await run(dockerfile, "--check", "--check-format=sarif")).stdout);

  test("a check has what SARIF 2.1.0 requires", async () => {
    const log = await sarif(`# check=skip=Nothing\n${FINDINGS}`);
    expect(log.version).toBe("2.1.0");
    expect(log.$schema).toMatch(/sarif-schema-2\.1\.0\.json$/);
    const [run] = log.runs;
    const { driver } = run.tool;
    expect(driver).toMatchObject({ name: "nacre", version: expect.stringMatching(/^\d/) });
    for (const rule of driver.rules) {
      expect(rule).toMatchObject({ id: expect.any(String), shortDescription: { text: expect.any(String) } });
    }
    expect(run.results.length).toBeGreaterThan(4);
    for (const result of run.results) checkResult(result, driver.rules);
  });

  test("a fix replaces the words at fault", async () => {
    const log = await sarif("FROM scratch as foo\n");
    expect(log.runs[0].results[0]).toMatchObject({
      ruleId: "FromAsCasing",
      level: "warning",
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: "Dockerfile" },
            region: { startLine: 1, startColumn: 14, endLine: 1, endColumn: 16 },
          },
        },
      ],
      fixes: [
        {
          artifactChanges: [
            {
              replacements: [
                {
                  deletedRegion: { startLine: 1, startColumn: 14, endLine: 1, endColumn: 16 },
                  insertedContent: { text: "AS" },
                },
              ],
            },
          ],
        },
      ],
    });
  });

  test("an error is a result of its own", async () => {
    const log = await sarif("FORM x\n");
    expect(log.runs[0].results).toMatchObject([{ ruleId: "DOCKERFILE_SYNTAX", level: "error" }]);
    expect(log.runs[0].tool.driver.rules[0].id).toBe("DOCKERFILE_SYNTAX");
  });

  /** Required properties and ranges of a result (sections 3.27, 3.29, 3.30, 3.55 to 3.57). */
  // biome-ignore lint/suspicious/noExplicitAny: the document of another program's schema
  function checkResult(result: any, rules: readonly any[]): void {
    expect(rules[result.ruleIndex].id).toBe(result.ruleId);
    expect(["none", "note", "warning", "error"]).toContain(result.level);
    expect(result.message.text).toMatch(/\S/);
    for (const { physicalLocation } of result.locations) {
      expect(physicalLocation.artifactLocation.uri).toBe("Dockerfile");
      checkRegion(physicalLocation.region);
    }
    for (const { artifactChanges, description } of result.fixes ?? []) {
      expect(description.text).toMatch(/\S/);
      expect(artifactChanges.length).toBeGreaterThan(0);
      for (const { artifactLocation, replacements } of artifactChanges) {
        expect(artifactLocation.uri).toBe("Dockerfile");
        expect(replacements.length).toBeGreaterThan(0);
        for (const { deletedRegion } of replacements) checkRegion(deletedRegion);
      }
    }
  }

  function checkRegion(region: Record<string, number>): void {
    const { startLine = 0, startColumn = 0, endLine = 0, endColumn = 0 } = region;
    for (const number of [startLine, startColumn, endLine, endColumn]) expect(number).toBeGreaterThan(0);
    expect(endLine > startLine || (endLine === startLine && endColumn >= startColumn)).toBe(true);
  }
});

describe("--check-fix", () => {
  test("writes the file, says what it did, and tells what is left", async () => {
    const { code, stdout, stderr, path } = await run(FINDINGS, "--check-fix");
    expect(readFileSync(path, "utf8")).toBe('FROM scratch AS foo\nENV a="b \\\n  c"\nENV TOKEN=x\n');
    expect(code).toBe(1);
    expect(stderr.split("\n").filter((line) => line.startsWith("mended "))).toEqual([
      "mended Dockerfile:3 NoEmptyContinuation: remove the empty lines",
      "mended Dockerfile:1 StageNameCasing: write the stage's name in lower case",
      "mended Dockerfile:1 FromAsCasing: write AS in the case of FROM",
      "mended Dockerfile:2 LegacyKeyValueFormat: write key=value",
    ]);
    expect(stdout).toContain("Check complete, 1 warning has been found!");
  });

  test("ends well where nothing is left", async () => {
    const { code, stdout } = await run("FROM scratch as a\n", "--check-fix");
    expect([code, stdout]).toEqual([0, "Check complete, no warnings found.\n"]);
  });

  test("prints what came from standard input", async () => {
    const stdin = "FROM scratch as a\nENV TOKEN=x\n";
    const { code, stdout, stderr } = await nacre(["build", "--check-fix", "-f", "-", tempDirectory()], { stdin });
    expect(stdout).toBe("FROM scratch AS a\nENV TOKEN=x\n");
    expect(stderr).toContain("WARNING: SecretsUsedInArgOrEnv");
    expect(code).toBe(1);
  });

  test("leaves a file alone that it cannot read", async () => {
    const { code, stderr, path } = await run("FROM scratch as a\nFORM b\n", "--check-fix");
    expect(readFileSync(path, "utf8")).toBe("FROM scratch as a\nFORM b\n");
    expect(code).toBe(1);
    expect(stderr).toContain("unknown instruction");
  });
});

describe("--check-diff", () => {
  test("shows what would change, and changes nothing", async () => {
    const { code, stdout, path } = await run("FROM scratch as a\nRUN b\n", "--check-diff");
    expect(stdout.split("\n")).toEqual([
      ...["--- Dockerfile", "+++ Dockerfile", "@@ -1,2 +1,2 @@"],
      ...["-FROM scratch as a", "+FROM scratch AS a", " RUN b", ""],
    ]);
    expect(readFileSync(path, "utf8")).toContain(" as ");
    expect(code).toBe(1);
  });

  test("says so where nothing would", async () => {
    const { code, stdout, stderr } = await run("FROM scratch\n", "--check-diff");
    expect([code, stdout]).toEqual([0, ""]);
    expect(stderr).toContain("nothing that can be mended");
  });
});

describe("the flags", () => {
  const plain = { method: "check", format: "text", ignoreStatus: false, fix: "no" };

  test.each([
    [{ check: true }, {}],
    [{ call: "check" }, {}],
    [{ call: "lint" }, {}],
    [{ check: true, call: "build" }, {}],
    [{ call: "check,format=json" }, { format: "json" }],
    [{ call: "check,format=sarif,ignorestatus=1" }, { format: "sarif", ignoreStatus: true }],
    [{ checkFormat: "json" }, { format: "json" }],
    [{ checkFix: true }, { fix: "write" }],
    [{ checkDiff: true, check: true }, { fix: "diff" }],
    [{ call: "outline,format=json" }, { method: "outline", format: "json" }],
    [{ call: "targets" }, { method: "targets" }],
    [{ call: "subrequests.describe" }, { method: "subrequests.describe" }],
  ])("%j", (options, expected) => {
    expect(wantsCall(options)).toBe(true);
    expect(parseCall(options)).toEqual({ ...plain, ...expected });
  });

  test.each([
    [{ call: "chek" }, "unknown method of --call", "did you mean check?"],
    [{ call: "check,format=xml" }, "unknown form", "text, json, sarif"],
    [{ call: "check,colour=red" }, "unknown part of --call", "format=json"],
    [{ call: "targets", check: true }, "two questions", "one of them"],
    [{ call: "outline,format=sarif" }, "no SARIF form", "json"],
    [{ checkFix: true, checkDiff: true }, "only shows", "one of them"],
    [{ checkFormat: "sarfi" }, "unknown form", "did you mean sarif?"],
    [{ checkFormat: "json", call: "check,format=text" }, "contradict", "one of them"],
  ])("%j is refused with a reason", (options, message, hint) => {
    const error = errorOf(() => parseCall(options));
    expect(error.code).toBe("USAGE");
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  test.each([[{}], [{ call: "build" }], [{ check: false }]])("%j asks for a build", (options) => {
    expect(wantsCall(options)).toBe(false);
  });
});
