import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { commentCheckOptions, fileCheckOptions, isTold, parseCheckOptions } from "../../src/dockerfile/lint/options.js";
import { LINT_RULES } from "../../src/dockerfile/lint/rules.js";
import { errorOf } from "../cli/errors.js";

const names = (options: ReturnType<typeof parseCheckOptions>) => ({
  ...options,
  skip: [...options.skip],
  experimental: [...options.experimental],
});

describe("check options", () => {
  test("are lists of rules, `all`, and a truth value, each with blanks around it", () => {
    expect(names(parseCheckOptions(" skip = A , B ; error = 1 ; experimental = all "))).toEqual({
      skipAll: false,
      skip: ["A", "B"],
      experimentalAll: true,
      experimental: [],
      error: true,
    });
  });

  test.each([
    ["skip", 'invalid check option "skip"'],
    ["skip=A;;", 'invalid check option ""'],
    ["fail=true", 'invalid check option "fail"'],
    ["error=maybe", 'failed to parse check option "error=maybe": "maybe" is neither true nor false'],
  ])("%s is refused", (text, message) => {
    const error = errorOf(() => parseCheckOptions(text));
    expect(error.message).toBe(message);
    expect(error.hint).toContain("error=true");
  });

  test("a directive that is malformed is pointed at, with what is not read of it", () => {
    const error = errorOf(() => fileCheckOptions("#  check=skip=A; error=true\nFROM scratch\n", "D"));
    expect(error.message).toBe('failed to parse check options: invalid check option ""');
    expect(error.place?.range).toEqual({ start: { line: 1, column: 0 }, end: { line: 1, column: 27 } });
    expect(error.hint).toContain("leave blanks out");
  });

  test("the build argument is named where it is at fault", () => {
    const error = errorOf(() => fileCheckOptions("FROM scratch\n", "D", "nonsense"));
    expect(error.message).toBe('failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: invalid check option "nonsense"');
    expect(error.code).toBe("USAGE");
  });

  test("names that no rule has are remarked, with the nearest one", () => {
    const { remarks } = fileCheckOptions("# check=skip=stagenamecasing,Nothing,UnusedBuildArg\nFROM scratch\n", "D");
    expect(remarks.map(({ rule, message }) => `${rule}: ${message}`)).toEqual([
      'UnknownCheckRule: No check is called "stagenamecasing" (did you mean StageNameCasing?)',
      'UnknownCheckRule: No check is called "Nothing"',
    ]);
    expect(fileCheckOptions("FROM scratch\n", "D", "skip=FromAsCasin").notes).toEqual([
      'No check is called "FromAsCasin" (did you mean FromAsCasing?)',
    ]);
  });

  test("what stands behind a blank is remarked, since it looks as if it counted", () => {
    const { remarks } = fileCheckOptions("# check=skip=StageNameCasing, FromAsCasing\nFROM scratch\n", "D");
    expect(remarks.map(({ message }) => message)).toEqual([
      'Check options end at the first blank: "FromAsCasing" is not read',
    ]);
  });

  test("of the comments above an instruction the first one with options counts, and a malformed one is remarked", () => {
    const range = { start: { line: 3, column: 0 }, end: { line: 3, column: 5 } };
    const above = (...comments: string[]) => commentCheckOptions({ comments, range });
    expect(above("words", "check=skip=A", "check=skip=B")?.options.skip).toEqual(new Set(["A"]));
    expect(above("words")).toBeUndefined();
    expect(above("check=oops")?.remarks[0]?.message).toContain('invalid check option "oops"');
  });
});

describe("a finding is told", () => {
  const told = (rule: string, file: string, own?: string) =>
    isTold(rule, parseCheckOptions(file), own === undefined ? undefined : parseCheckOptions(own));

  test.each([
    ["StageNameCasing", "", undefined, true],
    ["StageNameCasing", "skip=all", undefined, false],
    ["StageNameCasing", "skip=StageNameCasing", undefined, false],
    ["StageNameCasing", "", "skip=StageNameCasing", false],
    ["StageNameCasing", "skip=FromAsCasing", "skip=LegacyKeyValueFormat", true],
    ["InvalidDefinitionDescription", "", undefined, false],
    ["InvalidDefinitionDescription", "", "experimental=InvalidDefinitionDescription", true],
    ["InvalidDefinitionDescription", "experimental=all;skip=all", undefined, true],
    ["OnbuildTriggerInvalid", "skip=all", undefined, false],
  ])("%s with the options %j, and %j above it: %s", (rule, file, own, expected) => {
    expect(told(rule, file, own)).toBe(expected);
  });
});

describe("the catalogue", () => {
  test("has a page for every rule", () => {
    expect(LINT_RULES.map(({ url }) => url)).toContain(
      "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/",
    );
    for (const { url } of LINT_RULES)
      expect(url).toMatch(/^https:\/\/docs\.docker\.com\/go\/dockerfile\/rule\/[a-z-]+\/$/);
  });

  test("is told in the documentation, with what can be mended", () => {
    const page = readFileSync(new URL("../../docs/check.md", import.meta.url), "utf8");
    const rows = [...page.matchAll(/^\| (\w+) \| (?:file|stage) \|.*\| (.*?) ?\|$/gm)];
    const told = rows.map(([, name, fix]) => [name, fix !== "" && !fix!.startsWith("none")]);
    expect(told.sort()).toEqual(LINT_RULES.map(({ name, fixable }) => [name, fixable]).sort());
  });

  test("knows each rule once", () => {
    expect(new Set(LINT_RULES.map(({ name }) => name)).size).toBe(LINT_RULES.length);
  });
});
