/** Words that the builder takes as they are typed, and flags that may stand more than once. */
import { expect, test } from "vitest";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { expandWord } from "../../src/dockerfile/expand.js";
import { parseError } from "./view.js";

test.each([
  ["RUN --network=$N true", 'invalid network mode "$N"'],
  ["RUN --security=$S true", 'security "$S" is not valid'],
  ["FROM scratch AS $NAME", 'invalid name for build stage: "$NAME"'],
  ["COPY --from=$S a /b", "variable expansion is not supported for --from"],
  ["HEALTHCHECK --interval=$I CMD x", 'invalid duration "$I"'],
])("no variable is looked for in the flag or name of %s", (line, message) => {
  expect(parseError(`FROM x\nARG N=none S=sandbox NAME=a I=1s\n${line}\n`).message).toContain(message);
});

test("--mount, --exclude and --device may stand several times on one instruction", () => {
  const text =
    "FROM x\nRUN --mount=target=/a --mount=target=/b --device=v/c=1 --device=v/c=2 a\nCOPY --exclude=a --exclude=b . /\n";
  const [run, copy] = parseDockerfile(text, "Dockerfile").stages[0]!.instructions;
  expect(run).toMatchObject({ mounts: { length: 2 }, devices: ["v/c=1", "v/c=2"] });
  expect(copy).toMatchObject({ exclude: ["a", "b"] });
});

test("a sign that touches a here-document's name is part of it", () => {
  const text = "FROM x\nRUN cat <<EOF>file\none\nEOF\nEOF>file\nRUN cat <<EOF > file\ntwo\nEOF\n";
  expect(parseDockerfile(text, "Dockerfile").stages[0]!.instructions).toMatchObject([
    { heredocs: [{ name: "EOF>file", body: "one\nEOF\n" }] },
    { heredocs: [{ name: "EOF", body: "two\n" }] },
  ]);
});

test("a dollar sign in what a value brings into a replacement is a dollar sign", () => {
  const values = new Map([
    ["V", "aXbX"],
    ["R", "<$1-${V}-$0>"],
  ]);
  const expand = (raw: string): string => expandWord(raw, { get: (name) => values.get(name) }, "\\");
  expect(expand("${V//X/$R}")).toBe("a<$1-${V}-$0>b<$1-${V}-$0>");
  expect(expand("${V/X/$R}")).toBe("a<$1-${V}-$0>bX");
  expect(expand("${V//X/\\/}")).toBe("a\\/b\\/");
});
