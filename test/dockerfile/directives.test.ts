import { expect, test } from "vitest";
import { detectSyntax } from "../../src/dockerfile/directives.js";

test("detectSyntax() finds the frontend in each of its forms", () => {
  const image = (text: string): string | undefined => detectSyntax(text)?.image;
  expect(detectSyntax("# syntax = docker/dockerfile:1 --x  \nFROM y")).toEqual({
    image: "docker/dockerfile:1",
    commandLine: "docker/dockerfile:1 --x",
  });
  expect(image("#SYNTAX=a\r\nFROM x")).toBe("a");
  expect(image("\ufeff# escape=`\n# check=skip=all\n# syntax=a")).toBe("a");
  expect(image("#!/usr/bin/env x\n#syntax=a")).toBe("a");
  expect(image("//syntax=a\n//escape=x")).toBe("a");
  expect(image("#!/x\n// syntax = a")).toBe("a");
  expect(image('\n{"x": 1, "syntax": "a b"}\n')).toBe("a");
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
