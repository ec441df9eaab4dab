import { describe, expect, test } from "vitest";
import { parseChmod } from "../../src/plan/chmod.js";

/** The new mode, in octal. */
function applied(value: string, mode: number, isDirectory = false): string {
  return parseChmod(value).apply(mode, isDirectory).toString(8).padStart(4, "0");
}

describe("symbolic modes", () => {
  test.each([
    ["u=g", 0o4711, "4111"],
    ["u=rw", 0o4755, "0655"],
    ["g=u,u=o,o=", 0o751, "0170"],
    ["u+g-o", 0o751, "0651"],
    ["a=s", 0o751, "6000"],
    ["o+s", 0o751, "0751"],
    ["=", 0o7777, "1000"],
  ])("%s makes of %o %s", (value, mode, expected) => {
    expect(applied(value, mode)).toBe(expected);
  });

  test("nothing but -t takes the sticky bit away, and nobody's `other` sets it", () => {
    for (const value of ["o=u", "a=X", "=r", "o=t", "o-t"]) expect(applied(value, 0o1777, true), value).toMatch(/^1/);
    for (const value of ["-t", "u-t", "a-t"]) expect(applied(value, 0o1777), value).toBe("0777");
    for (const value of ["+t", "u+t", "g=t"]) expect(applied(value, 0o640), value).toMatch(/^1/);
    expect(applied("o+t", 0o640)).toBe("0640");
  });

  test("X asks the mode that the entry had before all clauses", () => {
    expect(applied("a-x,a+X", 0o751)).toBe("0751");
    expect(applied("a+x,o-x,o+X", 0o640)).toBe("0750");
    expect(applied("go=X", 0o640, true)).toBe("0611");
  });
});
