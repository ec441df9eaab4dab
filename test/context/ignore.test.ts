import * as fs from "node:fs";
import dockerignore from "@balena/dockerignore";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cleanLexically, parseIgnoreFile, parsePatterns } from "../../src/context/ignore.js";
import { createMatcher, decidePath } from "../../src/context/ignoreMatcher.js";
import { patternMatches } from "../../src/context/ignorePattern.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { keptPaths } from "./ignoreTree.js";

interface Recorded {
  readonly name: string;
  readonly ignore: string;
  readonly files: "tree" | readonly string[];
  readonly kept?: readonly string[];
  readonly error?: string;
}

const recorded = JSON.parse(fs.readFileSync("testdata/context/ignore.json", "utf8")) as {
  readonly tree: readonly string[];
  readonly cases: readonly Recorded[];
};

function failure(run: () => unknown): NacreError {
  try {
    run();
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("an ignore file decides as Docker did when it was recorded", () => {
  test.each(recorded.cases.filter(({ kept }) => kept !== undefined))("$name", ({ ignore, files, kept }) => {
    const matcher = createMatcher(parseIgnoreFile(ignore, ".dockerignore"));
    const paths = files === "tree" ? recorded.tree : files;
    expect(keptPaths(paths, matcher, true)).toEqual([...kept!].sort());
  });

  test.each(recorded.cases.filter(({ error }) => error !== undefined))("$name is refused", ({ ignore }) => {
    const error = failure(() => createMatcher(parseIgnoreFile(ignore, "x.dockerignore")));
    expect(error.code).toBe("IGNORE_PATTERN");
    expect(error.message).toContain("x.dockerignore, line 1");
    expect(error.hint).toBeTruthy();
    expect(error.place?.range.start).toEqual({ line: 1, column: 0 });
  });
});

describe("an ignore file", () => {
  test("keeps the line numbers of its patterns", () => {
    const rules = parseIgnoreFile("# a comment\n\n*.log\r\n  ! keep.log  \n", "f");
    expect(rules.patterns).toEqual([
      { line: 3, negated: false, text: "*.log" },
      { line: 4, negated: true, text: "keep.log" },
    ]);
    const matcher = createMatcher(rules);
    expect(decidePath(matcher, "a.log")).toMatchObject({ ignored: true, line: 3 });
    expect(decidePath(matcher, "keep.log")).toMatchObject({ ignored: false, line: 4 });
    expect(decidePath(matcher, "other")).toMatchObject({ ignored: false, line: 0 });
  });

  test("has the same digest whatever comments and blanks it holds", () => {
    const plain = parseIgnoreFile("a\n!b\n", "x");
    expect(parseIgnoreFile("\ufeff#c\n\n a/ \n! b\n", "y").digest).toBe(plain.digest);
    expect(parseIgnoreFile("!b\na\n", "x").digest).not.toBe(plain.digest);
  });

  test("matches names that are not UTF-8 and counts each of their bytes as one character", () => {
    const matcher = createMatcher(parseIgnoreFile("caf?\n", "x"));
    expect(decidePath(matcher, "caf\xe9").ignored).toBe(true);
    expect(decidePath(matcher, Buffer.from("café").toString("latin1")).ignored).toBe(true);
    expect(decidePath(matcher, "caf\xe9\xe9").ignored).toBe(false);
  });

  test("refuses a line that is too long for Docker's reader", () => {
    expect(failure(() => parseIgnoreFile(`a\n${"x".repeat(70_000)}`, "f")).message).toContain("line 2 of f");
  });

  test("tells where a bad pattern stands", () => {
    const error = failure(() => parseIgnoreFile("ok\nsrc/[\n", ".dockerignore"));
    expect(error.message).toBe('bad pattern "src/[" in .dockerignore, line 2: a [ without its ]');
    expect(error.place?.range).toEqual({ start: { line: 2, column: 0 }, end: { line: 2, column: 5 } });
  });
});

describe("patterns given one by one", () => {
  test("keep their leading slash and their number sign", () => {
    const rules = parsePatterns([" #x ", "/a", "!b/"], "--exclude");
    expect(rules.patterns.map(({ text }) => text)).toEqual(["#x", "/a", "b"]);
    expect(rules.patterns[2]!.negated).toBe(true);
  });
});

describe("cleaning", () => {
  test.each([
    ["a/b/../c/", "a/c"],
    ["./a//b", "a/b"],
    ["..", ".."],
    ["a/../..", ".."],
    ["/..", "/"],
    ["", "."],
    ["../../a", "../../a"],
  ])("%s becomes %s", (path, cleaned) => {
    expect(cleanLexically(path)).toBe(cleaned);
  });
});

const name = fc.string({ unit: fc.constantFrom("a", "b", "c", ".", "x"), minLength: 1, maxLength: 3 });
const segment = fc.oneof(
  { arbitrary: name, weight: 3 },
  { arbitrary: fc.string({ unit: fc.constantFrom("a", "b", "*", "?", "."), minLength: 1, maxLength: 3 }), weight: 3 },
  { arbitrary: fc.constantFrom("**", "*", "[ab]", "[a-c]x", "a*b"), weight: 3 },
);
const line = fc.tuple(fc.boolean(), fc.array(segment, { minLength: 1, maxLength: 3 })).map(([negated, parts]) => {
  return (negated ? "!" : "") + parts.join("/");
});
const patterns = fc.array(line, { minLength: 1, maxLength: 5 });
const path = fc
  .array(name, { minLength: 1, maxLength: 4 })
  .filter((parts) => !parts.some((part) => /^\.+$/.test(part)));
const tree = fc.array(path, { minLength: 1, maxLength: 12 }).map((paths) => {
  // A name cannot be both a file and a directory.
  const all = [...new Set(paths.map((parts) => parts.join("/")))];
  return all.filter((one) => !all.some((other) => other.startsWith(`${one}/`)));
});

describe("random patterns", () => {
  test("give the same files with and without pruning", () => {
    fc.assert(
      fc.property(patterns, tree, (lines, files) => {
        const matcher = createMatcher(parseIgnoreFile(lines.join("\n"), "x"));
        expect(keptPaths(files, matcher, true)).toEqual(keptPaths(files, matcher, false));
      }),
      { numRuns: 3000 },
    );
  });

  test("are decided alike by @balena/dockerignore, its known faults aside", () => {
    // Known: `**` glued to other characters, and exceptions for a directory whose patterns come too early or too late
    // (moby's MatchesUsingParentResults is newer than the version it was made from).
    const understood = patterns.filter(
      (lines) => !lines.some((one) => one.startsWith("!") || /[^/]\*\*|\*\*[^/]/.test(one)),
    );
    fc.assert(
      fc.property(understood, path, (lines, parts) => {
        const whole = parts.join("/");
        const matcher = createMatcher(parseIgnoreFile(lines.join("\n"), "x"));
        const other = dockerignore.default({ ignorecase: false }).add(lines);
        expect(decidePath(matcher, whole).ignored).toBe(other.ignores(whole));
      }),
      { numRuns: 4000 },
    );
  });

  test("with exceptions are decided alike by @balena/dockerignore where every exception comes after what it excepts", () => {
    const excepting = fc.tuple(line, line, path).map(([one, two, parts]) => ({
      lines: [one.replace("!", ""), `!${two.replace("!", "")}`],
      parts,
    }));
    const understood = excepting.filter(({ lines }) => !lines.some((one) => /[^/!]\*\*|\*\*[^/]/.test(one)));
    fc.assert(
      fc.property(understood, ({ lines, parts }) => {
        const whole = parts.join("/");
        const matcher = createMatcher(parseIgnoreFile(lines.join("\n"), "x"));
        const depth = parts.length;
        // An exception that matches a directory which nothing had excluded is forgotten below it, in Docker as here.
        const early = parts.some((_, i) => i + 1 < depth && isEarly(lines, parts.slice(0, i + 1).join("/")));
        if (early) return;
        expect(decidePath(matcher, whole).ignored).toBe(
          dockerignore.default({ ignorecase: false }).add(lines).ignores(whole),
        );
      }),
      { numRuns: 3000 },
    );
  });
});

function isEarly(lines: readonly string[], directory: string): boolean {
  const [first, second] = lines.map((one) => cleanLexically(one.replace("!", "")));
  const prefixes = directory.split("/").map((_, i, all) => all.slice(0, i + 1).join("/"));
  return patternMatches(second!, directory) && !prefixes.some((prefix) => patternMatches(first!, prefix));
}

test("hostile patterns are matched in time proportional to their length", () => {
  const pattern = `${"*a".repeat(2000)}b`;
  const deep = `${"**/a*/".repeat(200)}**x`;
  const matcher = createMatcher(parseIgnoreFile(`${pattern}\n${deep}\n`, "x"));
  expect(decidePath(matcher, "a".repeat(255)).ignored).toBe(false);
  expect(decidePath(matcher, `${"a/".repeat(100)}y`).ignored).toBe(false);
});
