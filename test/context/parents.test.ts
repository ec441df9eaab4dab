import { describe, expect, test } from "vitest";
import { selectWithParents, splitAtPivot } from "../../src/context/select.js";
import { pathOf } from "../../src/layer/fileTree.js";
import { treeOf } from "../layer/helpers.js";

const tree = treeOf([
  { path: "s1", type: "dir" },
  { path: "s1/a", content: "1" },
  { path: "s2", type: "dir" },
  { path: "s2/a", content: "2" },
  { path: "s2/d", type: "dir" },
  { path: "s2/d/a", content: "3" },
  { path: "link", type: "symlink", link: "s2" },
]);

/** The selections of a word: `ROOT: MATCH …`. */
function selected(word: string): string[] {
  return selectWithParents(tree, word).map(
    ({ root, matches }) => `${pathOf(root)}: ${[...matches].map(pathOf).sort().join(" ")}`,
  );
}

describe("words of COPY --parents", () => {
  test.each([
    ["s1/./a", "s1", "a"],
    ["./s2/./d/a", "s2", "d/a"],
    ["./s2/d", "", "s2/d"],
    ["s2/./d/./a", "s2", "d/a"],
    ["/./a", "", "a"],
    ["../x/../s1/./../a", "s1", "a"],
  ])("%s has %j before its pivot and %j after it", (word, prefix, rest) => {
    expect(splitAtPivot(word)).toEqual({ prefix, rest });
  });

  test("wildcards and links before the pivot lead to directories", () => {
    expect(selected("s*/./a")).toEqual(["s1: s1/a", "s2: s2/a"]);
    expect(selected("s*/./**/a")).toEqual(["s1: s1/a", "s2: s2/a s2/d/a"]);
    expect(selected("link/./d")).toEqual(["s2: s2/d"]);
    expect(selected("none*/./a")).toEqual([]);
  });

  test("a name without wildcards must be there, before and after the pivot", () => {
    expect(() => selected("nowhere/./a")).toThrow(/nowhere": not found/);
    expect(() => selected("s1/./d")).toThrow('"/s1/d": not found');
  });
});
