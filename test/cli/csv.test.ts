import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatCsvLine, parseCsvLine } from "../../src/cli/csv.js";

describe("comma-separated fields", () => {
  test.each([
    ["", [""]],
    ["a", ["a"]],
    ["a,b", ["a", "b"]],
    ["a,", ["a", ""]],
    [",a", ["", "a"]],
    [",,", ["", "", ""]],
    ['"a,b",c', ["a,b", "c"]],
    ['"say ""hi""",c', ['say "hi"', "c"]],
    ['""', [""]],
    ['"",""', ["", ""]],
    [" a , b ", [" a ", " b "]],
    ['type=oci,"name=a,b",dest=x y', ["type=oci", "name=a,b", "dest=x y"]],
  ])("%j has the fields %j", (line, fields) => {
    expect(parseCsvLine(line)).toEqual(fields);
  });

  test.each(['a"b', 'name="a,b"', '"a', '"a"b', '"a""', 'x,"'])("%j is refused rather than guessed at", (line) => {
    expect(() => parseCsvLine(line)).toThrow(/malformed list/);
  });

  test("fields that were written are read back, whatever they contain", () => {
    const field = fc.string({ unit: fc.constantFrom("a", ",", '"', "=", " ", "\n", "\\", "é") });
    fc.assert(
      fc.property(fc.array(field, { minLength: 1 }), (fields) => {
        expect(parseCsvLine(formatCsvLine(fields))).toEqual(fields);
      }),
    );
  });
});
