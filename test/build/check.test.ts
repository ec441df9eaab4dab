/** Checking through the library, and what check options mean for builds. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type BuildRequest, checkDockerfile, isNacreError } from "../../src/index.js";
import { Project, put, scratch } from "./helpers.js";

const bases = fileURLToPath(new URL("../../testdata/conformance/base", import.meta.url));

function check(text: string, more: Partial<BuildRequest> = {}) {
  const dockerfile = { kind: "text", text, name: "Dockerfile" } as const;
  const request = { context: scratch(), dockerfile, store: "/nonexistent", platform: "linux/amd64", offline: true };
  return checkDockerfile({ ...request, ...more });
}

const rules = ({ findings }: Awaited<ReturnType<typeof check>>) => findings.map(({ rule }) => rule);

/** Every file below a directory with its size. */
function listing(dir: string): string[] {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true });
  return files.map((file) => join(file.parentPath, file.name)).sort();
}

describe("a check", () => {
  test("makes no store, and leaves one that is there as it is", async () => {
    const project = new Project({ f: "text" });
    const store = join(scratch(), "store");
    await check("FROM base\nCOPY . /\n", { store, buildContexts: { base: `oci-layout://${bases}:full` } });
    expect(existsSync(store)).toBe(false);
    await project.build("FROM scratch\nCOPY f /\n", { tags: ["kept:1"] });
    const before = listing(project.store);
    const report = await check("FROM kept:1\nFROM base\nCOPY . /\n", {
      store: project.store,
      buildContexts: { base: `oci-layout://${bases}:full` },
    });
    expect(report.error).toBeUndefined();
    expect(listing(project.store)).toEqual(before);
  });

  test("of a base that is not there tells all that does not depend on it, and ends with the error", async () => {
    const text =
      "FROM nowhere:1 As base\nENV a b\nENV c=$FROM_BASE\nCMD x\nWORKDIR y\nFROM scratch\nENV d=$NOTHING\nCMD x\n";
    const report = await check(text);
    expect(rules(report)).toEqual([
      ...["FromAsCasing", "LegacyKeyValueFormat", "WorkdirRelativePath", "UndefinedVar", "JSONArgsRecommended"],
    ]);
    expect(report.findings.at(-1)?.range.start.line).toBe(8);
    expect(report.error?.code).toBe("BASE_NOT_FOUND");
    expect(report.error?.place?.range.start.line).toBe(1);
  });

  test("sees variables and SHELL of a base that is there", async () => {
    const text = "FROM base\nENV a=$LANGUAGE_THAT_NO_BASE_SETS b=$PATH\nCMD x\n";
    const report = await check(text, { buildContexts: { base: `oci-layout://${bases}:full` } });
    expect(report.findings.filter(({ rule }) => rule === "UndefinedVar").map(({ message }) => message)).toEqual([
      "Usage of undefined variable '$LANGUAGE_THAT_NO_BASE_SETS'",
    ]);
  });

  test("tells of a base for another platform", async () => {
    const buildContexts = { base: `oci-layout://${bases}:arm64` };
    const report = await check('FROM base\nCMD ["x"]\n', { buildContexts });
    expect(report.findings.map(({ rule, message }) => `${rule}: ${message}`)).toEqual([
      'InvalidBaseImagePlatform: Base image base was pulled with platform "linux/arm64", expected "linux/amd64" for current build',
    ]);
  });

  test("points at the words at fault, and says what to do", async () => {
    const { findings } = await check("ARG V=1\nFROM scratch as One\nENV a=$V\n");
    expect(findings.map(({ rule, focus, hint }) => [rule, focus?.start.column, hint])).toEqual([
      ["StageNameCasing", 16, undefined],
      ["FromAsCasing", 13, undefined],
      ["UndefinedVar", undefined, 'add "ARG V" to the stage: what stands before FROM is not seen here'],
    ]);
  });

  test("names the line of the ignore file that hides a source", async () => {
    const context = scratch();
    put(context, {
      ".dockerignore": "# words\n\nnode_modules\n",
      Dockerfile: "FROM scratch\nCOPY node_modules/x /x\n",
    });
    const { findings } = await checkDockerfile({ context, store: "/nonexistent" });
    expect(findings.map(({ rule, hint, focus }) => [rule, hint, focus?.start.column])).toEqual([
      ["CopyIgnoredFile", "line 3 of .dockerignore hides it", 5],
    ]);
  });

  test("keeps remarks about the request apart from findings", async () => {
    const report = await check("FROM scratch\n", {
      buildArgs: { NOBODY: "1", BUILDKIT_DOCKERFILE_CHECK: "skip=Stage" },
    });
    expect(report.findings).toEqual([]);
    expect(report.remarks).toEqual([
      'No check is called "Stage"',
      "UnusedBuildArg: Build argument NOBODY is not declared by any ARG",
    ]);
  });

  test("of a trigger that will fail counts as a finding, but never fails a build", async () => {
    const report = await check("# check=error=true\nFROM scratch\nONBUILD COPY a\n");
    expect(rules(report)).toEqual(["OnbuildTriggerInvalid"]);
    expect(report.error).toBeUndefined();
  });

  test("throws where there is nothing to check", async () => {
    await expect(checkDockerfile({ context: scratch() })).rejects.toThrow("there is no Dockerfile in");
  });
});

describe("a build", () => {
  const dockerfile = "FROM scratch as One\nENV a b\nENV c d\nCOPY f /\n";

  test("lists the findings of all rules, once for each line", async () => {
    const project = new Project({ f: "text" });
    const { warnings } = await project.build(dockerfile);
    expect(warnings.map(({ rule }) => rule)).toEqual([
      ...["StageNameCasing", "FromAsCasing", "LegacyKeyValueFormat", "LegacyKeyValueFormat"],
    ]);
  });

  test("leaves out what check options skip", async () => {
    const project = new Project({ f: "text" });
    const { warnings } = await project.build(`# check=skip=StageNameCasing,LegacyKeyValueFormat\n${dockerfile}`);
    expect(warnings.map(({ rule }) => rule)).toEqual(["FromAsCasing"]);
    const other = await project.build(dockerfile, { buildArgs: { BUILDKIT_DOCKERFILE_CHECK: "skip=all" } });
    expect(other.warnings).toEqual([]);
  });

  test("fails under error=true with the rules in order, before any step", async () => {
    const project = new Project({ f: "text" });
    const failure = await project.build(`# check=error=true\n${dockerfile}`).catch((error: unknown) => error);
    expect(isNacreError(failure) && [failure.code, failure.message]).toEqual([
      "CHECK_FAILED",
      "lint violation found for rules: FromAsCasing, LegacyKeyValueFormat, StageNameCasing",
    ]);
    expect(project.events.filter(({ type }) => type === "warning")).toHaveLength(4);
    expect(project.events.filter((event) => event.type === "start" && event.name.includes("COPY"))).toEqual([]);
  });

  test("is not failed by remarks of nacre's own", async () => {
    const project = new Project({ f: "text" });
    const { warnings } = await project.build("# check=error=true;skip=Nothing\nFROM scratch\nCOPY f /\n");
    expect(warnings.map(({ rule }) => rule)).toEqual(["UnknownCheckRule"]);
  });

  test("refuses malformed options", async () => {
    const project = new Project({ f: "text" });
    await expect(project.build("# check=oops\nFROM scratch\n")).rejects.toThrow(
      'failed to parse check options: invalid check option "oops"',
    );
  });
});
