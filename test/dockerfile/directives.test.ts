import { expect, test } from "vitest";
import { detectSyntax } from "../../src/dockerfile/directives.js";

test("detectSyntax() finds the frontend in each of its forms", () => {
  const image = (text: string): string | undefined => detectSyntax(text)?.image;
  expect(detectSyntax("# syntax = docker/dockerfile:1 --x  \nFROM y")).toEqual({
    image: "docker/dockerfile:1",
    commandLine: "docker/dockerfile:1 --x",
    range: { start: { line: 1, column: 11 }, end: { line: 1, column: 34 } },
  });
  expect(image("#SYNTAX=a\r\nFROM x")).toBe("a");
  expect(image("\ufeff# escape=`\n# check=skip=all\n# syntax=a")).toBe("a");
  expect(image("#!/usr/bin/env x\n#syntax=a")).toBe("a");
  expect(image("//syntax=a\n//escape=x")).toBe("a");
  expect(image("#!/x\n// syntax = a")).toBe("a");
  expect(image('\n{"x": 1, "syntax": "a b"}\n')).toBe("a");
  const place = (text: string): unknown => detectSyntax(text)?.range.start;
  expect(place("#!/x\n# escape=`\n// x")).toBeUndefined();
  expect(place("#!/x\n# escape=`\n# syntax=a")).toEqual({ line: 3, column: 9 });
  expect(place("#!/x\n// syntax = a")).toEqual({ line: 2, column: 12 });
  expect(place('{\n  "syntax": "a"\n}')).toEqual({ line: 2, column: 2 });
});

test("detectSyntax() finds nothing behind the first line that is no directive", () => {
  for (const text of [
    "",
    "#!x",
    "FROM x\n# syntax=a",
    "\n# syntax=a",
    "# hello\n# syntax=a",
    "# foo=bar\n# syntax=a",
    "# syntax=",
    "# escape=a\n# escape=b\n# syntax=a",
    "// escape=x\n# syntax=a",
    '{"syntax": 1}',
    '{"syntax": "a"} FROM x',
    '["syntax"]',
    "null",
  ]) {
    expect(detectSyntax(text), JSON.stringify(text)).toBeUndefined();
  }
});
