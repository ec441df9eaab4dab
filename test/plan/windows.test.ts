import { expect, test } from "vitest";
import { parsePlatform } from "../../src/oci/platform.js";
import { windowsWorkdir } from "../../src/plan/paths.js";
import { planned } from "./planText.js";

test.each([
  ["\\", "C:\\app", "\\app"],
  ["\\", "c:/app/x", "\\app\\x"],
  ["\\app", "sub/dir", "\\app\\sub\\dir"],
  ["\\app", "..\\b", "\\b"],
  ["/", "/", "\\"],
  ["\\app", "C:\\", "\\"],
])("for Windows the directory %s, then WORKDIR %s is %s", (current, path, expected) => {
  expect(windowsWorkdir(current, path)).toBe(expected);
});

test("another drive than C: is refused where it is named", () => {
  const platform = parsePlatform("windows/amd64");
  expect(() => planned("# escape=`\nFROM scratch\nWORKDIR D:\\app\n", { platform })).toThrow(
    expect.objectContaining({
      message: "The specified path is not on the system drive (C:)",
      place: expect.objectContaining({ range: expect.objectContaining({ start: { line: 3, column: 8 } }) }),
    }),
  );
  expect(planned("FROM scratch\nWORKDIR D:\\app\n").target.config.WorkingDir).toBe("/D:app");
});

test("a rooted path is no relative one, with a drive or without", () => {
  const platform = parsePlatform("windows/amd64");
  const rules = (path: string) =>
    planned(`# escape=\`\nFROM scratch\nWORKDIR ${path}\n`, { platform }).warnings.map(({ rule }) => rule);
  expect([rules("C:\\a"), rules("\\a"), rules("/a")]).toEqual([[], [], []]);
  expect(rules("a")).toEqual(["WorkdirRelativePath"]);
});
