import * as ast from "dockerfile-ast";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Dockerfile, Heredoc, Instruction, Word } from "../../src/dockerfile/ast.js";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { isNacreError } from "../../src/support/errors.js";
import type { Position, SourceRange } from "../../src/support/source.js";

const PIECES = [
  ..."ab=:/.,-'\"`$\\#<>[]{}\t\r é😀\udcff",
  ...["\n", "\n", "\n", "\\\n", "\\ \n", " ", "  "],
  ...[
    "FROM x",
    "FROM y AS z",
    "RUN ",
    "ENV ",
    "COPY ",
    "ADD ",
    "LABEL ",
    "ARG ",
    "CMD ",
    "ONBUILD ",
    "HEALTHCHECK ",
    "EXPOSE 80",
  ],
  ...["--mount=", "--from=z", "--link", "<<E", "<<-E", "E\n", "\n# c\n", "a=b", '["a", "b"]', "NONE", "# escape=`\n"],
];
const files = fc.array(fc.constantFrom(...PIECES), { maxLength: 30 }).map((pieces) => `FROM x\n${pieces.join("")}`);

function parse(text: string): Dockerfile | undefined {
  try {
    return parseDockerfile(text, "Dockerfile");
  } catch (error) {
    if (!isNacreError(error)) throw error;
    const { range } = error.place ?? {};
    expect(range).toBeDefined();
    expectInside(range!, text.split("\n"));
    return undefined;
  }
}

function instructionsOf({ globalArgs, stages }: Dockerfile): Instruction[] {
  return [...globalArgs, ...stages.flatMap(({ from, instructions }) => [from, ...instructions])];
}

function expectInside({ start, end }: SourceRange, lines: readonly string[]): void {
  for (const { line, column } of [start, end]) {
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(lines.length);
    expect(column).toBeGreaterThanOrEqual(0);
    expect(column).toBeLessThanOrEqual(lines[line - 1]!.length);
  }
  expect(before(end, start)).toBe(false);
}

function before(a: Position, b: Position): boolean {
  return a.line < b.line || (a.line === b.line && a.column < b.column);
}

/** The text of a range with everything removed that continues a line, read independently of the scanner. */
function slice({ start, end }: SourceRange, lines: readonly string[], token: string): string {
  let out = "";
  for (let line = start.line; line <= end.line; line++) {
    const whole = lines[line - 1]!;
    if (line > start.line && /^\s*(#.*)?$/s.test(whole)) continue;
    const text = whole.slice(line === start.line ? start.column : 0, line === end.line ? end.column : undefined);
    out += line === end.line ? text : text.replace(token === "`" ? /`[ \t]*\r*$/ : /\\[ \t]*\r*$/, "");
  }
  return out;
}

describe("any text that parses", () => {
  test("has ranges inside the file, in order, and words that are the text at their place", () => {
    fc.assert(
      fc.property(files, (text) => {
        const file = parse(text);
        if (!file) return;
        const lines = text.split("\n");
        let last: Position = { line: 1, column: 0 };
        for (const instruction of instructionsOf(file)) {
          expectInside(instruction.range, lines);
          expect(before(instruction.range.start, last)).toBe(false);
          last = instruction.range.end;
          for (const word of [...instruction.words, ...heredocWords(instruction)]) {
            expectInside(word.range, lines);
            expect(slice(word.range, lines, file.escape)).toBe(word.raw);
          }
        }
        for (const { range } of [...file.directives, ...file.warnings]) expectInside(range, lines);
      }),
      { numRuns: 3000 },
    );
  });

  test("keeps its words in order and has them in its source", () => {
    fc.assert(
      fc.property(files, (text) => {
        for (const { words, source } of instructionsOf(parse(text) ?? parseDockerfile("FROM x", "D"))) {
          let at = 0;
          for (const { raw } of words) {
            const found = source.indexOf(raw, at);
            expect(found).toBeGreaterThanOrEqual(at);
            at = found + raw.length;
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("gives the same instructions with CRLF line ends, heredocs apart", () => {
    fc.assert(
      fc.property(
        files.filter((text) => !/[\r]/.test(text) && !text.includes("<<")),
        (text) => {
          const plain = parse(text);
          const other = parse(text.replaceAll("\n", "\r\n"));
          expect(other && instructionsOf(other)).toEqual(plain && instructionsOf(plain));
        },
      ),
      { numRuns: 1000 },
    );
  });
});

function heredocWords(instruction: Instruction): Word[] {
  return "heredocs" in instruction ? instruction.heredocs.map(({ word }: Heredoc) => word) : [];
}

describe("dockerfile-ast, as a second opinion on ordinary files,", () => {
  const line = fc.constantFrom(
    "RUN apt-get update && \\\n    apt-get install -y curl \\\n    # tools\n    git",
    'ENV A=1 \\\n    B="two words"',
    "COPY --from=build --chown=1:2 /a /b",
    "# a comment",
    "",
    "   WORKDIR /app",
    'CMD ["node", "server.js"]',
    "ENTRYPOINT exec node $OPTS",
    "RUN cat <<EOF > /a\nFROM here\n# not a comment\nEOF",
    "COPY <<'A' <<-B /to/\none\nA\n\ttwo\n\tB",
    "HEALTHCHECK --interval=30s CMD curl -f http://localhost/ || exit 1",
    "onbuild run make",
    "LABEL a=b",
    "EXPOSE 80/tcp 443",
    "FROM --platform=$BUILDPLATFORM node:20 AS next",
    "ARG V=1",
    "VOLUME /data",
    "USER node:node",
    "STOPSIGNAL SIGTERM",
    'SHELL ["/bin/bash", "-c"]',
  );

  test("agrees about where instructions begin and end", () => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 15 }), (lines) => {
        const text = `FROM debian\n${lines.join("\n")}\n`;
        const ours = instructionsOf(parseDockerfile(text, "Dockerfile"));
        const theirs = ast.DockerfileParser.parse(text).getInstructions();
        expect(theirs.map((one) => [one.getKeyword(), ...lineSpan(one.getRange())])).toEqual(
          ours.map((one) => [
            one.keyword,
            one.range.start.line,
            one.range.start.column,
            one.range.end.line,
            one.range.end.column,
          ]),
        );
      }),
    );
  });
});

function lineSpan({ start, end }: { start: AstPosition; end: AstPosition }): number[] {
  return [start.line + 1, start.character, end.line + 1, end.character];
}
interface AstPosition {
  readonly line: number;
  readonly character: number;
}
