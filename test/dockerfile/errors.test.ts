import { describe, expect, test } from "vitest";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { MAX_INSTRUCTIONS } from "../../src/dockerfile/scan.js";
import { parseError, showRange } from "./view.js";

/** Lines behind `FROM x`, the message, and the text that the error points at. */
const cases: readonly (readonly [string, string, string])[] = [
  // Flags
  ["WORKDIR --x /y", "unknown flag: --x", "--x"],
  ["ENV --x a=b", "unknown flag: --x", "--x"],
  ["ADD --from=y a b", "unknown flag: --from", "--from=y"],
  ["COPY --checksum=y a b", "unknown flag: --checksum", "--checksum=y"],
  ["COPY --Chown=1 a b", "unknown flag: --Chown (did you mean chown?)", "--Chown=1"],
  ["ONBUILD --x RUN a", "unknown flag: --x", "--x"],
  ["HEALTHCHECK --intervall=1s CMD a", "unknown flag: --intervall (did you mean interval?)", "--intervall=1s"],
  ["COPY --constructor a b", "unknown flag: --constructor", "--constructor"],
  ["HEALTHCHECK --interval=1s --interval=1s CMD a", "duplicate flag specified: --interval", "--interval=1s"],
  ["COPY --link= a b", "missing a value on flag: --link", "--link="],
  ["COPY --chown a b", "missing a value on flag: --chown", "--chown"],
  ["ADD --keep-git-dir=1 a b", "expecting boolean value for flag --keep-git-dir, not: 1", "1"],
  // Arguments
  ["ENV", "ENV requires at least one argument", "ENV"],
  ["LABEL", "LABEL requires at least one argument", "LABEL"],
  ["LABEL a", "LABEL must have two arguments", "a"],
  ["LABEL a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value', "c"],
  ["ARG", "ARG requires at least one argument", "ARG"],
  ["ARG a =b", "ARG names can not be blank", "=b"],
  ["EXPOSE", "EXPOSE requires at least one argument", "EXPOSE"],
  ["VOLUME", "VOLUME requires at least one argument", "VOLUME"],
  ["VOLUME []", "VOLUME requires at least one argument", "VOLUME"],
  ['VOLUME ["/a", " "]', "VOLUME specified can not be an empty string", '" "'],
  ["USER", "USER requires exactly one argument", "USER"],
  ["WORKDIR", "WORKDIR requires exactly one argument", "WORKDIR"],
  ["STOPSIGNAL --x", "STOPSIGNAL requires exactly one argument", "STOPSIGNAL"],
  ["MAINTAINER", "MAINTAINER requires exactly one argument", "MAINTAINER"],
  ["ONBUILD", "ONBUILD requires at least one argument", "ONBUILD"],
  ["HEALTHCHECK", "HEALTHCHECK requires at least one argument", "HEALTHCHECK"],
  ["SHELL", "SHELL requires at least one argument", "SHELL"],
  ["SHELL []", "SHELL requires at least one argument", "SHELL"],
  ['SHELL ["a"] b', "SHELL requires the arguments to be in JSON form", '["a"] b'],
  ["FROM", "FROM requires either one or three arguments", "FROM"],
  ["FROM a b c", "FROM requires either one or three arguments", "b"],
  ["FROM a AS é", 'invalid name for build stage: "é", name can\'t start with a number or contain symbols', "é"],
  [
    "COPY a",
    "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
    "a",
  ],
  ["ADD", "ADD requires at least two arguments, but only one was provided. Destination could not be determined", "ADD"],
  ["ADD a <<E\nE", "ADD cannot accept a heredoc as a destination", "<<E"],
  ["COPY a\\ <<E /b", "the heredoc <<E has no body", "<<E"],
  // JSON
  ["RUN [null]", "when using JSON array syntax, arrays must be comprised of strings only", "null"],
  ['COPY ["a", ["b"], "c"]', "when using JSON array syntax, arrays must be comprised of strings only", '["b"]'],
  [
    'HEALTHCHECK CMD ["a", {"b": "]"}]',
    "when using JSON array syntax, arrays must be comprised of strings only",
    '{"b": "]"}',
  ],
  // HEALTHCHECK
  ["HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments", "x"],
  ["HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD", "CMD"],
  ["HEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD", "CMD"],
  ["HEALTHCHECK foo x", 'Unknown type "FOO" in HEALTHCHECK (try CMD)', "foo"],
  ["HEALTHCHECK --interval=5 CMD x", 'time: missing unit in duration "5"', "5"],
  ["HEALTHCHECK --timeout=abc CMD x", 'time: invalid duration "abc"', "abc"],
  ["HEALTHCHECK --timeout=5x CMD x", 'time: unknown unit "x" in duration "5x"', "5x"],
  ["HEALTHCHECK --interval=1us CMD x", 'Interval "interval" cannot be less than 1ms', "1us"],
  ["HEALTHCHECK --interval=-1s CMD x", 'Interval "interval" cannot be less than 1ms', "-1s"],
  ["HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)", "-1"],
  ["HEALTHCHECK --retries=3.5 CMD x", "--retries is not a whole number: 3.5", "3.5"],
  ["HEALTHCHECK --retries=9999999999 CMD x", "--retries is not a whole number: 9999999999", "9999999999"],
  // RUN
  ["RUN --network=Host a", 'invalid network mode "Host"', "Host"],
  ["RUN --security=root a", 'security "root" is not valid', "root"],
  ["RUN --mount= a", "failed to parse csv mounts: EOF", "--mount="],
  [
    "RUN --mount=from=$X,target=/a b",
    "'from' doesn't support variable expansion, define alias stage instead",
    "from=$X",
  ],
  // ONBUILD
  ["ONBUILD MAINTAINER x", "MAINTAINER isn't allowed as an ONBUILD trigger", "MAINTAINER"],
  ["ONBUILD LABEL a", "LABEL must have two arguments", "a"],
  // Unknown
  ["WORKDR /a", "unknown instruction: WORKDR (did you mean WORKDIR?)", "WORKDR"],
  ["RUN\u00a0a", "unknown instruction: RUN\u00a0a", "RUN\u00a0a"],
  ["{}", "unknown instruction: {}", "{}"],
];

describe("parseDockerfile() refuses", () => {
  for (const [line, message, at] of cases) {
    test(JSON.stringify(line), () => {
      const text = `FROM x\n${line}\n`;
      const error = parseError(text);
      expect(error.message.startsWith(message), error.message).toBe(true);
      expect(error.code).toBe("DOCKERFILE_SYNTAX");
      expect(error.hint).toBeTruthy();
      const { start, end } = error.place!.range;
      expect(start.line).toBe(end.line);
      expect(text.split("\n")[start.line - 1]!.slice(start.column, end.column)).toBe(at);
      expect(error.place).toMatchObject({ file: "Dockerfile", text });
    });
  }

  test("a lone escape at the end, which is an instruction without a word", () => {
    expect(parseError("FROM x\n\\").message).toBe("unknown instruction: ");
  });

  test("a word at fault that spans lines, with its whole range", () => {
    expect(showRange(parseError("FROM x\nCOPY --ch\\\n# c\nwon=1 a b\n").place!.range)).toBe("2:5-4:5");
  });

  test("lines over 65,535 bytes, in comments and heredocs too, and counts bytes", () => {
    const long = "é".repeat(32_764);
    expect(() => parseDockerfile(`FROM x\nRUN a ${long}\n`, "D")).not.toThrow();
    for (const text of [
      `FROM x\nRUN a ${long}é\n`,
      `FROM x\n#${"a".repeat(65_535)}`,
      `FROM x\nRUN <<E\n${"a".repeat(65_536)}\nE\n`,
    ]) {
      const error = parseError(text);
      expect(error.message).toBe("dockerfile line greater than max allowed size of 65535");
      expect(error.code).toBe("LIMIT_EXCEEDED");
    }
    expect(() => parseDockerfile(`FROM x\n#${"\udcff".repeat(65_534)}`, "D")).not.toThrow();
  });
});

describe("hostile files", () => {
  const size = 10 * 1024 * 1024;

  test("of many instructions or endless ones are refused", () => {
    expect(parseError(`FROM x\n${"ENV a=b\n".repeat(size / 8)}`).message).toContain(
      `more than ${MAX_INSTRUCTIONS} instructions`,
    );
    expect(parseError(`FROM x\nENV a=b${" \\\nc=d".repeat(size / 7)}`).code).toBe("LIMIT_EXCEEDED");
    expect(parseError(`FROM x\nCMD ${"[\\\n".repeat(size / 3)}`).code).toBe("LIMIT_EXCEEDED");
  });

  test("of blank lines, comments or one long heredoc are read", () => {
    expect(parseDockerfile(`FROM x\n${"\n".repeat(size)}`, "D").stages).toHaveLength(1);
    expect(parseDockerfile(`FROM x\nRUN a\\\n${"#\\\n".repeat(size / 3)}b`, "D").stages).toHaveLength(1);
    expect(parseDockerfile(`FROM x\nCOPY <<E /a\n${"0123456789\n".repeat(size / 11)}E\n`, "D").stages).toHaveLength(1);
  });

  test("with many heredocs on a line are read in order", () => {
    const count = 20_000;
    const { stages } = parseDockerfile(`FROM x\nRUN ${"<<A \\\n".repeat(count)}x\n${"A\n".repeat(count)}`, "D");
    expect(stages[0]!.instructions[0]).toMatchObject({ heredocs: { length: count } });
  });

  test("with deep nesting before a heredoc do not exhaust the stack", () => {
    for (const nest of ['"${a:-\\\n', "${a:-\\\n", "${a/\\\n"]) {
      expect(() => parseDockerfile(`FROM x\nRUN ${nest.repeat(200_000)} <<A\n`, "D")).not.toThrow();
    }
  });
});
