import fc from "fast-check";
import { expect, test } from "vitest";
import { unifiedDiff } from "../../src/support/lineDiff.js";

test("equal texts have no difference", () => {
  expect(unifiedDiff("a\nb\n", "a\nb\n", "f")).toBe("");
});

test("three lines stand around a change, and changes that are near share a hunk", () => {
  const before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n";
  const after = before.replace("2\n", "two\n").replace("6\n", "").replace("17\n", "17\nnew\n");
  expect(unifiedDiff(before, after, "f").split("\n")).toEqual([
    ...["--- f", "+++ f", "@@ -1,9 +1,8 @@"],
    ...[" 1", "-2", "+two", " 3", " 4", " 5", "-6", " 7", " 8", " 9"],
    ...["@@ -15,4 +14,5 @@", " 15", " 16", " 17", "+new", " 18", ""],
  ]);
});

test("a missing line feed at the end is shown as a difference", () => {
  expect(unifiedDiff("a\n", "a", "f")).toBe("--- f\n+++ f\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n");
});

test("the difference leads from the one text to the other", () => {
  const line = fc.constantFrom("a\n", "b\n", "c\r\n", "\n");
  const text = fc
    .tuple(fc.array(line, { maxLength: 30 }), fc.constantFrom("", "end"))
    .map(([lines, end]) => lines.join("") + end);
  fc.assert(
    fc.property(text, text, (before, after) => {
      expect(patched(before, unifiedDiff(before, after, "f"))).toBe(after);
    }),
    { numRuns: 500 },
  );
});

test("texts that differ everywhere are compared in reasonable time", () => {
  const lines = (word: string) => Array.from({ length: 20_000 }, (_, i) => `${word} ${i}\n`).join("");
  expect(unifiedDiff(lines("a"), lines("b"), "f")).toContain("@@ -1,20000 +1,20000 @@");
});

/** Applies a difference as `patch` does, checking each line that it names. */
function patched(before: string, diff: string): string {
  const old = before.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const out: string[] = [];
  let at = 0;
  const lines = diff.match(/[^\n]*\n/g) ?? [];
  for (const [i, line] of lines.entries()) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? /.exec(line);
    const bare = lines[i + 1]?.startsWith("\\") ? line.slice(1, -1) : line.slice(1);
    if (i < 2 || line.startsWith("\\")) continue;
    if (hunk) {
      const start = hunk[2] === "0" ? Number(hunk[1]) : Number(hunk[1]) - 1;
      while (at < start) out.push(old[at++]!);
    } else {
      if (line.startsWith("+")) out.push(bare);
      else expect(old[at]).toBe(bare);
      if (line.startsWith(" ")) out.push(old[at++]!);
      if (line.startsWith("-")) at++;
    }
  }
  return out.join("") + old.slice(at).join("");
}
