import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { highlight } from "../../src/dockerfile/tokens.js";

function shown(text: string): string[] {
  const lines = text.split("\n");
  return highlight(text).map(
    ({ kind, range: { start, end } }) => `${kind} ${lines[start.line - 1]!.slice(start.column, end.column)}`,
  );
}

describe("highlight()", () => {
  test("finds what the parts of a file are", () => {
    const text = [
      "# syntax=docker/dockerfile:1",
      "# a comment",
      "FROM --platform=$X debian AS Base",
      "ENV a=\"b c\" d='x' e=${f:-g}",
      'RUN --mount=type=cache echo "$A" \\',
      "  # inside",
      "  && cat <<EOF << 'X Y'",
      "RUN $x",
      "EOF",
      "X Y",
      'CMD ["a", "b c"]',
      'ONBUILD COPY --from=x . "y"',
      "RNU x",
    ].join("\n");
    expect(shown(text)).toEqual([
      ...["directive # syntax=docker/dockerfile:1", "comment # a comment"],
      ...["keyword FROM", "flag --platform", "variable $X", "name Base"],
      ...["keyword ENV", "name a", 'string "b c"', "name d", "string 'x'", "name e", "variable ${f:-g}"],
      ...["keyword RUN", "flag --mount", 'string "', "variable $A", 'string "'],
      ...[
        "comment   # inside",
        "heredoc <<EOF",
        "heredoc << 'X Y'",
        "heredocBody RUN $x",
        "heredoc EOF",
        "heredoc X Y",
      ],
      ...["keyword CMD", 'string "a"', 'string "b c"'],
      ...["keyword ONBUILD", "keyword COPY", "flag --from", 'string "y"'],
    ]);
  });

  test("knows the escape directive, and boundaries that dockerfile-ast misreads", () => {
    expect(shown("# escape=`\nENV a=$b `\n  c=d\n").slice(1)).toEqual([
      "keyword ENV",
      "name a",
      "variable $b",
      "name c",
    ]);
    expect(shown("FROM x\nRUN a \\\\\nENV b=c\n")).toEqual(["keyword FROM", "keyword RUN", "keyword ENV", "name b"]);
    expect(shown("FROM x\nRUN 3<<E\nENV a=b\nE\n")).toEqual([
      "keyword FROM",
      "keyword RUN",
      "heredoc 3<<E",
      "heredocBody ENV a=b",
      "heredoc E",
    ]);
  });

  test("reads half-written files", () => {
    expect(shown("# escape=x\nFROM x\nRUN <<EOF\nabc\nFROM y")).toEqual([
      ...[
        "directive # escape=x",
        "keyword FROM",
        "keyword RUN",
        "heredoc <<EOF",
        "heredocBody abc",
        "heredocBody FROM y",
      ],
    ]);
    expect(shown("")).toEqual([]);
  });

  test("never throws and gives tokens inside the text, in order and without overlap", () => {
    const pieces = fc.constantFrom(
      ...[
        "\n",
        "\n",
        "\\\n",
        "`\n",
        " ",
        "\t",
        "\r\n",
        "#",
        "# escape=`\n",
        "$",
        "${",
        "}",
        "a",
        "=",
        '"',
        "'",
        "[",
        "]",
        ",",
      ],
      ...[
        "FROM ",
        "RUN ",
        "ENV ",
        "COPY ",
        "ONBUILD ",
        "CMD ",
        "HEALTHCHECK ",
        "ARG ",
        "LABEL ",
        "--x=",
        "<<E",
        "<<-'E'",
        "E\n",
        "😀",
        "\udcff",
        "\ufeff",
      ],
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
        const text = parts.join("");
        const lines = text.split("\n");
        let line = 1;
        let column = 0;
        for (const { range } of highlight(text)) {
          const { start, end } = range;
          expect(start.line).toBe(end.line);
          expect(end.column).toBeGreaterThan(start.column);
          expect(end.column).toBeLessThanOrEqual(lines[end.line - 1]!.length);
          if (start.line === line) expect(start.column).toBeGreaterThanOrEqual(column);
          else expect(start.line).toBeGreaterThan(line);
          ({ line, column } = end);
        }
      }),
      { numRuns: 1500 },
    );
  });

  test("reads 10 MB", () => {
    expect(highlight("RUN a $b\n".repeat(1_100_000)).length).toBeGreaterThan(1_100_000);
  });
});
