import { posix } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { normalizeMemberName } from "../../src/tar/names.js";

test.each([
  ["a/b", "a/b"],
  ["./a", "a"],
  ["././a/./b/.", "a/b"],
  ["/etc/passwd", "etc/passwd"],
  ["//a///b//", "a/b"],
  ["a/", "a"],
  [".", ""],
  ["./", ""],
  ["/", ""],
  ["", ""],
  ["a/../b", "b"],
  ["a/b/../..", ""],
  ["..a/...", "..a/..."],
  [".hidden/.x", ".hidden/.x"],
  ["..\\x", "..\\x"],
  ["caf\xe9/\xff", "caf\xe9/\xff"],
])("%j is the path %j", (name, path) => {
  expect(normalizeMemberName(name)).toBe(path);
});

test.each(["..", "../x", "a/../../x", "/..", "/../etc", "a/b/../../../x", "./..", "a\0b"])("%j is refused", (name) => {
  expect(normalizeMemberName(name)).toBeUndefined();
});

test("a result is relative, stays inside, and agrees with the text rules of POSIX paths (property)", () => {
  const name = fc
    .array(fc.constantFrom("a", "b", ".", "..", "", "..."), { maxLength: 8 })
    .map((elements) => elements.join("/"));
  fc.assert(
    fc.property(name, (value) => {
      const path = normalizeMemberName(value);
      const clean = posix.normalize(`./${value}`).replace(/\/+$/, "");
      if (path === undefined) expect(clean.split("/")[0]).toBe("..");
      else expect(path).toBe(clean === "." ? "" : clean);
    }),
  );
});
