import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderExcerpt } from "../../src/dockerfile/excerpt.js";
import type { SourcePlace } from "../../src/support/source.js";
import { parseError } from "./view.js";

function place(text: string, from: readonly [number, number], to: readonly [number, number]): SourcePlace {
  const range = { start: { line: from[0], column: from[1] }, end: { line: to[0], column: to[1] } };
  return { file: "Dockerfile", text, range };
}

describe("renderExcerpt()", () => {
  test("marks the line and the exact columns, with two lines around", () => {
    const error = parseError("FROM x\nENV a=1\nENV b=2\n\tCOPY --chwon=1 a b\nRUN c\nRUN d\nRUN e\n");
    expect(renderExcerpt(error.place!)).toBe(
      [
        "Dockerfile:4",
        "--------------------",
        "   2 |     ENV a=1",
        "   3 |     ENV b=2",
        "   4 | >>> \tCOPY --chwon=1 a b",
        "     |     \t     ^^^^^^^^^",
        "   5 |     RUN c",
        "   6 |     RUN d",
        "--------------------",
      ].join("\n"),
    );
  });

  test("marks all lines of a longer range, with one line around and no carets", () => {
    expect(renderExcerpt(place("a\r\nb\r\nc\r\nd", [2, 0], [3, 1]))).toBe(
      [
        "Dockerfile:2",
        "--------------------",
        "   1 |     a",
        "   2 | >>> b",
        "   3 | >>> c",
        "   4 |     d",
        "--------------------",
      ].join("\n"),
    );
  });

  test("takes the number of lines around from the caller", () => {
    expect(
      renderExcerpt(place("a\nb\nc", [2, 0], [2, 0]), 0)
        .split("\n")
        .slice(2, -1),
    ).toEqual(["   2 | >>> b", "     |     ^"]);
  });

  test("leaves out the middle of a range without end", () => {
    const shown = renderExcerpt(place("x\n".repeat(100), [1, 0], [90, 1])).split("\n");
    expect(shown).toHaveLength(17);
    expect(shown[8]).toBe("     | >>> … (78 more lines)");
    expect(shown[9]).toBe("  85 | >>> x");
  });

  test("cuts long lines around the columns in question", () => {
    const text = `${"a".repeat(50_000)}XY${"b".repeat(10_000)}`;
    const [line = "", carets = ""] = renderExcerpt(place(text, [1, 50_000], [1, 50_002]))
      .split("\n")
      .slice(2);
    expect(line.length).toBeLessThan(200);
    expect(line.indexOf("XY")).toBe(carets.indexOf("^^"));
  });

  test("shows nothing that could steer a terminal", () => {
    const shown = renderExcerpt(place("RUN \u001b[2J\u0007\udcff\u202e x\n", [1, 4], [1, 8]));
    expect(shown).toContain("RUN \ufffd[2J\ufffd\ufffd\ufffd x");
  });

  test("copes with places that are not in the text", () => {
    expect(renderExcerpt(place("", [1, 0], [1, 0]))).toBe(
      "Dockerfile:1\n--------------------\n   1 | >>> \n     |     ^\n--------------------",
    );
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "\n", "\t", "\r") }),
        fc.nat(9),
        fc.nat(9),
        fc.nat(9),
        fc.nat(9),
        (text, a, b, c, d) => {
          expect(renderExcerpt(place(text, [a, b], [c, d])).split("\n").length).toBeGreaterThanOrEqual(3);
        },
      ),
    );
  });
});
