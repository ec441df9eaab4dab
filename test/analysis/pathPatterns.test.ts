import { describe, expect, test } from "vitest";
import { compilePathPatterns } from "../../src/analysis/pathPatterns.js";
import { toByteString } from "../../src/support/bytes.js";

describe("a pattern of paths", () => {
  test.each<[pattern: string, chosen: readonly string[], others: readonly string[]]>([
    ["/etc", ["etc", "etc/passwd"], ["usr/etc", "etcetera"]],
    ["etc/", ["etc", "usr/etc", "usr/etc/x"], ["etcetera", "xetc"]],
    ["usr/*/x", ["usr/a/x", "usr/a/x/y"], ["usr/x", "usr/a/b/x", "b/usr/a/x"]],
    ["*.pyc", ["a.pyc", "lib/a.pyc", ".pyc"], ["a.pyco", "a/pyc"]],
    ["usr/**", ["usr/a", "usr/a/b"], ["usr", "xusr/a"]],
    ["**/cache/**", ["cache/a", "var/cache/a/b"], ["cache", "xcache/a"]],
    ["a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/bz", "z"]],
    ["./a?c", ["abc"], ["x/abc", "a/c", "ac"]],
    ["[a-c]x[!0-9]", ["axb", "d/cxy"], ["dxb", "ax1", "ax"]],
    ["[]]", ["]"], ["["]],
    ["[^/]b", ["ab"], ["a/b"]],
    ["a[!x]b", ["ayb"], ["a/b", "axb"]],
    ["\\*\\[(+.$^{|", ["*[(+.$^{|"], ["a[(+.$^{|"]],
    ["[\\]&&a^~-]", ["]", "&", "^", "~", "-", "a"], ["b"]],
    ["grün", ["grün", "x/grün"], ["gruen"]],
    ["/", ["a", "a/b"], []],
    ["**", ["a", "a/b"], []],
    ["line\nbreak*", ["line\nbreak\n2"], ["line break"]],
  ])("%j", (pattern, chosen, others) => {
    const isChosen = compilePathPatterns([pattern]);
    expect(chosen.filter((path) => !isChosen(toByteString(path)))).toEqual([]);
    expect(others.filter((path) => isChosen(toByteString(path)))).toEqual([]);
  });

  test("several choose what any of them does, none chooses nothing", () => {
    expect(["a", "b", "c"].filter(compilePathPatterns(["a", "/c"]))).toEqual(["a", "c"]);
    expect(compilePathPatterns([])("a")).toBe(false);
  });

  test.each(["", "[", "a[b", "[!]", "[z-a]", "a\\", "x".repeat(5000), "a\0"])("%j is refused", (pattern) => {
    expect(() => compilePathPatterns([pattern])).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});
