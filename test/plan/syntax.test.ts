import { describe, expect, test } from "vitest";
import { checkSyntax, type SyntaxOptions } from "../../src/plan/syntax.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";

const options = (overrides: Partial<SyntaxOptions> = {}): SyntaxOptions => ({
  buildArgs: {},
  ignore: false,
  ...overrides,
});

function refused(text: string, overrides: Partial<SyntaxOptions> = {}): NacreError {
  try {
    checkSyntax(text, "Dockerfile", options(overrides));
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("the frontend that a file asks for", () => {
  test.each([
    "docker/dockerfile",
    "docker/dockerfile:1",
    "docker/dockerfile:1.7-labs",
    "docker.io/docker/dockerfile:labs",
    "docker/dockerfile-upstream:master-labs",
    `docker/dockerfile:1@sha256:${"a".repeat(64)}`,
    "docker/dockerfile:1 --an=option",
  ])("%s is taken as being there, with a note", (image) => {
    const note = checkSyntax(`# syntax=${image}\nFROM scratch\n`, "Dockerfile", options());
    expect(note?.rule).toBe("SyntaxIgnored");
    expect(note?.message).toContain(image.split(" ")[0]);
    expect(note?.place?.range.start).toEqual({ line: 1, column: 9 });
  });

  test("is nothing to speak of where none is asked for", () => {
    expect(checkSyntax("FROM scratch\n# syntax=x\n", "Dockerfile", options())).toBeUndefined();
  });

  test.each([
    ["# syntax=example.com/front:2\n", 1],
    ["#!/usr/bin/env builder\n#syntax = tonistiigi/dockerfile:x\n", 2],
    ["// syntax=r2d4/mocker\napiVersion: 1\n", 1],
    ['{\n  "syntax": "example.com/json"\n}\n', 2],
    ["# syntax=mirror.example/docker/dockerfile:1\n", 1],
    ["# syntax=NOT VALID\n", 1],
  ])("is refused where it is another: %j", (text, line) => {
    const error = refused(text);
    expect(error.code).toBe("UNSUPPORTED");
    expect(error.hint).toContain("--ignore-syntax");
    expect(error.hint).toContain("BUILDKIT_SYNTAX");
    expect(error.place?.range.start.line).toBe(line);
  });

  test("is what the build argument says, whatever the file says", () => {
    const file = "# syntax=example.com/front\n";
    const note = checkSyntax(file, "Dockerfile", options({ buildArgs: { BUILDKIT_SYNTAX: "docker/dockerfile:1" } }));
    expect(note?.message).toContain("docker/dockerfile:1");
    const error = refused("# syntax=docker/dockerfile:1\n", { buildArgs: { BUILDKIT_SYNTAX: "example.com/front" } });
    expect(error.message).toContain("BUILDKIT_SYNTAX=example.com/front");
    expect(error.place).toBeUndefined();
    expect(refused(file, { buildArgs: { BUILDKIT_SYNTAX: "" } }).message).toContain("example.com/front");
  });

  test("may be passed over on demand, which is noted", () => {
    const note = checkSyntax("# syntax=example.com/front\n", "Dockerfile", options({ ignore: true }));
    expect(note).toMatchObject({ rule: "SyntaxIgnored", message: expect.stringContaining("example.com/front") });
  });
});
