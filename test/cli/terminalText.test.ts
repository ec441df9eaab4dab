import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderPairs, renderTable } from "../../src/cli/table.js";
import { displayWidth, padEnd, printable, printableLines, truncate } from "../../src/cli/terminalText.js";

describe("printable text", () => {
  test.each([
    ["plain é 漢字 🚢", "plain é 漢字 🚢"],
    ["a\x1b[31mred", "a\\x1b[31mred"],
    ["bell\x07 null\x00 del\x7f c1\x9b", "bell\\x07 null\\x00 del\\x7f c1\\x9b"],
    ["two\nlines\r", "two\\x0alines\\x0d"],
    ["a\tb", "a b"],
    ["raw byte \udcff", "raw byte \\xff"],
    ["half \ud83d", "half \\ud83d"],
    ["evil\u202etxt.exe", "evil\\u202etxt.exe"],
  ])("%j is shown as %s", (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test("nothing that a terminal obeys is left, whatever goes in", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(printable(text)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/u);
      }),
    );
  });

  test("messages of several lines keep their line breaks", () => {
    expect(printableLines("a\x1b\r\nb")).toBe("a\\x1b\nb");
  });
});

describe("columns", () => {
  test.each([
    ["abc", 3],
    ["", 0],
    ["漢字", 4],
    ["e\u0301", 1],
    ["🚢", 2],
    ["\u001b[31mred\u001b[39m", 3],
    ["ｆｕｌｌ", 8],
  ])("%j takes %d columns", (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  test("cutting marks what is missing and never splits a wide character", () => {
    expect(truncate("abcdef", 6)).toBe("abcdef");
    expect(truncate("abcdef", 5)).toBe("abcd…");
    expect(truncate("漢字漢字", 4)).toBe("漢…");
    expect(truncate("abc", 1)).toBe("…");
    expect(truncate("abc", 0)).toBe("");
  });

  test("cut and padded text is exactly as wide as asked, or one column less before a wide character", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "漢", "é", "🚢", "e\u0301") });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 30 }), (value, width) => {
        expect(displayWidth(truncate(value, width))).toBeLessThanOrEqual(width);
        expect(displayWidth(padEnd(truncate(value, width), width))).toBe(width);
      }),
    );
  });
});

describe("tables", () => {
  test("columns are as wide as their longest cell and three blanks, at least ten", () => {
    const lines = renderTable(
      ["REPOSITORY", "TAG", "SIZE"],
      [
        ["hello", "1", "5B"],
        ["registry.example/漢字", "latest", "29.7MB"],
      ],
    );
    expect(lines).toEqual([
      "REPOSITORY              TAG       SIZE",
      "hello                   1         5B",
      "registry.example/漢字   latest    29.7MB",
    ]);
  });

  test("a cell cannot break out of its row", () => {
    expect(renderTable(["A"], [["x\ny\x1b[2J"]])).toEqual(["A", "x\\x0ay\\x1b[2J"]);
  });

  test("pairs stand in two columns", () => {
    expect(
      renderPairs([
        ["a", "1"],
        ["longer", "2"],
      ]),
    ).toEqual(["a:       1", "longer:  2"]);
  });
});
