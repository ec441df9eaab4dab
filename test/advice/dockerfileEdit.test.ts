import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { DockerfileEdit } from "../../src/advice/dockerfileEdit.js";
import type { Instruction } from "../../src/dockerfile/ast.js";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";

function read(text: string) {
  const file = parseDockerfile(text, "Dockerfile");
  const all: readonly Instruction[] = file.stages.flatMap(({ instructions }) => instructions);
  return { edit: new DockerfileEdit(file), at: (number: number) => all[number]! };
}

const TEXT =
  "# syntax=docker/dockerfile:1\n# of the stage\nFROM a\n\n# one\n# two\nRUN x \\\n  y\nCOPY <<E /f\n# no comment\nE\nENV A=1";

describe("an edited Dockerfile", () => {
  it("takes the comments of an instruction along, and all of its lines", () => {
    const { edit, at } = read(TEXT);
    expect(edit.moveBelow(at(0), at(1)).finish().text).toBe(
      "# syntax=docker/dockerfile:1\n# of the stage\nFROM a\n\nCOPY <<E /f\n# no comment\nE\n# one\n# two\nRUN x \\\n  y\nENV A=1",
    );
  });

  it("ends as it ended, whatever is last", () => {
    const { edit, at } = read(TEXT);
    const { text } = edit.moveAbove(at(2), at(0)).finish();
    expect(text.split("\n").slice(4, 7)).toEqual(["ENV A=1", "# one", "# two"]);
    expect(text.endsWith("\nE")).toBe(true);
  });

  it("keeps what was put above an instruction there when that moves on", () => {
    const { edit, at } = read("FROM a\n# all\nCOPY . .\nRUN x\n");
    const { text, originOf } = edit
      .insertAbove(at(0), ["COPY f ."], { line: 3, cheap: true })
      .moveBelow(at(0), at(1))
      .finish();
    expect(text).toBe("FROM a\nCOPY f .\nRUN x\n# all\nCOPY . .\n");
    expect([1, 2, 3, 4, 5].map((line) => originOf(line).line)).toEqual([1, 3, 4, 2, 3]);
    expect(originOf(2)).toMatchObject({ cheap: true, isOther: true });
    expect(originOf(5)).toEqual({ line: 3 });
  });

  it("has the line ends of the file", () => {
    const { edit, at } = read("FROM a\r\nCOPY . .\r\nRUN x\r\n");
    const lines = [{ text: "RUN y", origin: { line: 3 } }, ...edit.remove(at(0))];
    expect(edit.replace(at(1), lines).finish().text).toBe("FROM a\r\nRUN y\r\nCOPY . .\r\n");
  });

  test("has every line of the file once, whatever is moved", () => {
    const numbers = fc.integer({ min: 0, max: 2 });
    fc.assert(
      fc.property(numbers, numbers, fc.boolean(), (moved, other, above) => {
        fc.pre(moved !== other);
        const { edit, at } = read(TEXT);
        const { text, originOf } = (
          above ? edit.moveAbove(at(moved), at(other)) : edit.moveBelow(at(moved), at(other))
        ).finish();
        const [before, after] = [TEXT.split("\n"), text.split("\n")];
        expect([...after].sort()).toEqual([...before].sort());
        for (const [i, line] of after.entries()) expect(before[originOf(i + 1).line! - 1]).toBe(line);
      }),
    );
  });
});
