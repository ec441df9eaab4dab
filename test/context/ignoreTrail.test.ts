import fc from "fast-check";
import { expect, test } from "vitest";
import { parseIgnoreFile } from "../../src/context/ignore.js";
import { createMatcher, decidePath } from "../../src/context/ignoreMatcher.js";
import { ignoreTrail } from "../../src/context/ignoreTrail.js";

test("the trail names every pattern that had a say, from the root down, and the one that counts", () => {
  const rules = parseIgnoreFile("a\n!a/b\na/b/*.log\n# c\n!a/b/keep.log\nz\n", ".dockerignore");
  expect(ignoreTrail(rules, "a/b/keep.log")).toEqual({
    ignored: false,
    decision: { line: 5, pattern: "!a/b/keep.log", matched: "a/b/keep.log", effect: "keeps" },
    decisions: [
      { line: 1, pattern: "a", matched: "a", effect: "drops" },
      { line: 2, pattern: "!a/b", matched: "a/b", effect: "keeps" },
      { line: 3, pattern: "a/b/*.log", matched: "a/b/keep.log", effect: "drops" },
      { line: 5, pattern: "!a/b/keep.log", matched: "a/b/keep.log", effect: "keeps" },
    ],
  });
  expect(ignoreTrail(rules, "other")).toEqual({ ignored: false, decision: undefined, decisions: [] });
});

test("an exception that had nothing to except is no decision", () => {
  const rules = parseIgnoreFile("d/x\n!d\n", ".dockerignore");
  expect(ignoreTrail(rules, "d/x").decisions.map(({ line }) => line)).toEqual([1]);
});

test("the trail decides as the matcher does", () => {
  const name = fc.constantFrom("a", "b", "c.log");
  const line = fc.tuple(
    fc.constantFrom("", "!"),
    fc.array(fc.oneof(name, fc.constantFrom("*", "**", "*.log")), { minLength: 1, maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.array(name, { minLength: 1, maxLength: 4 }), (lines, parts) => {
      const rules = parseIgnoreFile(lines.map(([mark, words]) => mark + words.join("/")).join("\n"), "f");
      const verdict = decidePath(createMatcher(rules), parts.join("/"));
      const trail = ignoreTrail(rules, parts.join("/"));
      expect(trail.ignored).toBe(verdict.ignored);
      expect(trail.decision?.line ?? 0).toBe(verdict.line);
    }),
  );
});
