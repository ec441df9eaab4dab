import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { expandWord } from "../../src/dockerfile/expand.js";
import { applyEdits, Offsets } from "../../src/dockerfile/lint/edits.js";
import { plainCommand } from "../../src/dockerfile/lint/jsonCommand.js";
import { legacyEdits } from "../../src/dockerfile/lint/legacyFormat.js";
import { readBeginning } from "../../src/dockerfile/lint/partial.js";

const at = (line: number, from: number, to: number) => ({
  start: { line, column: from },
  end: { line, column: to },
});

describe("edits", () => {
  test("change their ranges only, in whatever order they are given", () => {
    const edits = [
      { range: at(2, 0, 1), text: "X" },
      { range: at(1, 1, 1), text: "-" },
      { range: { start: { line: 2, column: 2 }, end: { line: 3, column: 0 } }, text: "" },
    ];
    expect(applyEdits("ab\r\ncd\r\nef", edits)).toBe("a-b\r\nXdef");
  });

  test("that are equal or overlap are made once", () => {
    const edit = { range: at(1, 0, 1), text: "X" };
    expect(applyEdits("abc", [edit, edit, { range: at(1, 0, 2), text: "Y" }])).toBe("Xbc");
  });
});

describe("the old form of ENV becomes the new one", () => {
  const changed = (text: string): string => {
    const file = parseDockerfile(text, "D");
    const env = file.stages[0]!.instructions[0]!;
    if (env.keyword !== "ENV") throw new Error("no ENV");
    return applyEdits(text, legacyEdits(env, new Offsets(text), file.escape));
  };

  test.each([
    ["ENV a b", "ENV a=b"],
    ["ENV a \t b  ", "ENV a=b  "],
    ["ENV a one  two", 'ENV a="one  two"'],
    ["ENV a $X and ${Y:-a b}", 'ENV a="$X and ${Y:-a b}"'],
    ['ENV a "one two"', 'ENV a="one two"'],
    ['ENV a "one two" three', 'ENV a="one two"\\ three'],
    ["ENV a it\\'s me", "ENV a=it\\'s\\ me"],
    ["ENV a b=c d=e", 'ENV a="b=c d=e"'],
    ["ENV a one \\\n  two", 'ENV a="one \\\n  two"'],
    ["ENV a one \\\n# note\n  two", 'ENV a="one \\\n# note\n  two"'],
    ["ENV a one \\\r\n  two", 'ENV a="one \\\r\n  two"'],
    // The blank between key and value is a line break: left alone.
    ["ENV a \\\n  b", "ENV a \\\n  b"],
  ])("%j", (before, after) => {
    expect(changed(`FROM scratch\n${before}\n`)).toBe(`FROM scratch\n${after}\n`);
  });

  test("with the escape character of the file", () => {
    expect(changed("# escape=`\nFROM scratch\nENV a 'b' c\n")).toBe("# escape=`\nFROM scratch\nENV a='b'` c\n");
  });

  test("and means the same, whatever it holds", () => {
    const env = { get: (name: string) => ({ V: "v w", E: "" })[name] };
    const value = fc.array(fc.constantFrom("a", " ", "\t", '"', "'", "\\", "$V", "${E:-x y}", "#", "=", "é"), {
      minLength: 1,
    });
    const tryText = <T>(work: () => T): T | undefined => {
      try {
        return work();
      } catch {
        return undefined;
      }
    };
    const meaning = (text: string): unknown => {
      const env1 = parseDockerfile(text, "D").stages[0]!.instructions[0]!;
      if (env1.keyword !== "ENV") return undefined;
      return env1.pairs.map(({ key, value: word }) => [key.raw, expandWord(word.raw, env, "\\")]);
    };
    fc.assert(
      fc.property(value, (parts) => {
        const text = `FROM scratch\nENV key ${parts.join("")}\n`;
        const before = tryText(() => meaning(text));
        if (before === undefined) return;
        const after = tryText(() => changed(text));
        // An edit that is not made needs no comparison; those that change the meaning are caught by the plan.
        if (after !== undefined && after !== text && tryText(() => meaning(after)) !== undefined) {
          expect(meaning(after)).toEqual(before);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test.each([
  ["nginx -g off", ["nginx", "-g", "off"]],
  ["/bin/app --port=80  a/b", ["/bin/app", "--port=80", "a/b"]],
  ["exec app", undefined],
  ["A=1 app", undefined],
  ["app $X", undefined],
  ["app 'a b'", undefined],
  ["app | tee", undefined],
  ["app *", undefined],
  ["cd /x", undefined],
  ["echo hi", undefined],
  ["app ~/x", undefined],
])("the command %j needs no shell: %j", (text, words) => {
  expect(plainCommand(text)).toEqual(words);
});

test("of a file with an error the instructions above it are checked", () => {
  const { instructions, findings } = readBeginning("FROM scratch As a\nMAINTAINER me\nFORM x\nMAINTAINER you\n", "D");
  expect(instructions.map(({ keyword }) => keyword)).toEqual(["FROM", "MAINTAINER"]);
  expect(findings.map(({ rule }) => rule)).toEqual(["FromAsCasing", "MaintainerDeprecated"]);
});
