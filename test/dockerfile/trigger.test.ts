import { describe, expect, test } from "vitest";
import type { RunInstruction } from "../../src/dockerfile/ast.js";
import { parseDockerfile, parseTrigger } from "../../src/dockerfile/dockerfile.js";
import { runText } from "../../src/dockerfile/runText.js";
import type { NacreError } from "../../src/support/errors.js";
import type { SourcePlace } from "../../src/support/source.js";

const text = "ARG V\nFROM base\n";
const place: SourcePlace = {
  file: "Dockerfile",
  text,
  range: { start: { line: 2, column: 0 }, end: { line: 2, column: 9 } },
};

describe("parseTrigger()", () => {
  test("gives one instruction whose places are those of the FROM line", () => {
    const trigger = parseTrigger("copy --chown=1 . /app  ", "\\", place);
    expect(trigger).toMatchObject({
      keyword: "COPY",
      chown: "1",
      onbuild: true,
      source: "copy --chown=1 . /app",
      range: place.range,
    });
    for (const word of [...trigger.words, ...trigger.flags]) expect(word.range).toEqual(place.range);
  });

  test("takes heredoc bodies from the text", () => {
    expect(parseTrigger("RUN cat <<-A <<B\n\ta\nA\nb\nB", "\\", place)).toMatchObject({
      heredocs: [
        { name: "A", body: "a\n", range: place.range },
        { name: "B", body: "b\n" },
      ],
    });
  });

  test("reads back what ONBUILD stores", () => {
    const source = "FROM x\nONBUILD COPY <<-'E' b /f\n\thi\n\tE\nONBUILD RUN a \\\n # c\n  b\n";
    const [copy, run] = parseDockerfile(source, "D").stages[0]!.instructions;
    expect(copy?.keyword === "ONBUILD" && parseTrigger(copy.trigger, "\\", place)).toMatchObject({
      sources: [{ raw: "b" }],
      heredocs: [{ body: "hi\n", expand: false }],
    });
    expect(run?.keyword === "ONBUILD" && parseTrigger(run.trigger, "\\", place)).toMatchObject({
      command: { text: "a   b" },
    });
  });

  const errors: readonly (readonly [string, string])[] = [
    ["ONBUILD RUN a", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
    ["from x", "FROM isn't allowed as an ONBUILD trigger"],
    ["MAINTAINER x", "MAINTAINER isn't allowed as an ONBUILD trigger"],
    ["RNU a", "unknown instruction: RNU"],
    ["COPY a", "COPY requires at least two arguments"],
    ["RUN a\nRUN b", "onbuild trigger should be a single expression"],
    ["", "file with no instructions"],
    ["# only a comment", "file with no instructions"],
    ["RUN <<E\na", "unterminated heredoc"],
  ];
  for (const [trigger, message] of errors) {
    test(`refuses ${JSON.stringify(trigger)} and points at the FROM line`, () => {
      let error: NacreError | undefined;
      try {
        parseTrigger(trigger, "\\", place);
      } catch (thrown) {
        error = thrown as NacreError;
      }
      expect(error?.message).toContain(`of the base: ${message}`);
      expect(error?.code).toBe("DOCKERFILE_SYNTAX");
      expect(error?.place).toEqual(place);
    });
  }
});

describe("runText()", () => {
  function run(lines: string): ReturnType<typeof runText> {
    return runText(parseDockerfile(`FROM x\n${lines}\n`, "D").stages[0]!.instructions[0] as RunInstruction);
  }

  test("gives the array of the exec form and the text of the shell form", () => {
    expect(run('RUN ["a", "b c"]')).toEqual({ kind: "exec", args: ["a", "b c"] });
    expect(run("RUN --network=none a  \\\n # c\n $b")).toEqual({ kind: "shell", text: "a   $b" });
    expect(run("RUN cat <<<word")).toEqual({ kind: "shell", text: "cat <<<word" });
  });

  test("gives the body where the command is nothing but a heredoc", () => {
    expect(run("RUN <<EOF\necho $x\nEOF")).toEqual({ kind: "shell", text: "echo $x\n" });
    expect(run("RUN --mount=target=/a <<-'EOF'\n\techo\n\t\tx\n\tEOF")).toEqual({ kind: "shell", text: "echo\nx\n" });
    expect(run("RUN 3<<E\nabc\nE")).toEqual({ kind: "shell", text: "abc\n" });
  });

  test("makes a script of a body that names its interpreter in its first two bytes, tabs not removed", () => {
    expect(run("RUN <<E\n#!/bin/x\ny\nE")).toEqual({ kind: "script", name: "E", content: "#!/bin/x\ny\n" });
    expect(run("RUN <<-E\n#!/bin/x\n\ty\n\tE")).toEqual({ kind: "script", name: "E", content: "#!/bin/x\ny\n" });
    expect(run("RUN <<-E\n\t#!/bin/x\n\ty\n\tE")).toEqual({ kind: "shell", text: "#!/bin/x\ny\n" });
    expect(run("RUN <<E\n #!/bin/x\nE")).toMatchObject({ kind: "shell" });
  });

  test("puts every other text together again, with its tabs", () => {
    expect(run("RUN a <<-E <<'F'\n\tabc\n\tE\nd\nF")).toEqual({ kind: "shell", text: "a <<-E <<'F'\n\tabc\nE\nd\nF" });
    expect(run("RUN <<E bash\n#!/x\nE")).toEqual({ kind: "shell", text: "<<E bash\n#!/x\nE" });
    expect(run("RUN <<A <<B\na\nA\nb\nB")).toEqual({ kind: "shell", text: "<<A <<B\na\nA\nb\nB" });
  });
});
