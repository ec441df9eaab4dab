/**
 * Files that nobody writes but to do harm: 10 MB of one thing, or little that grows. Each must be read or refused with an
 * error of its own. Times are not looked at, except that nothing may hang.
 */
import { describe, expect, test } from "vitest";
import { parseIgnoreFile } from "../../src/context/ignore.js";
import { createMatcher, decidePath } from "../../src/context/ignoreMatcher.js";
import { compileComponent } from "../../src/context/match.js";
import { detectSyntax } from "../../src/dockerfile/directives.js";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { renderExcerpt } from "../../src/dockerfile/excerpt.js";
import { highlight } from "../../src/dockerfile/tokens.js";
import { toByteString } from "../../src/support/bytes.js";
import { isNacreError } from "../../src/support/errors.js";
import { planned } from "../plan/planText.js";

/** Milliseconds; no shape below takes a tenth of it on any machine that could run this. */
const HANG = 20_000;
const BIG = 10_000_000;

function fill(piece: string, length: number): string {
  return piece.repeat(Math.ceil(length / piece.length));
}

function lines(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join("\n");
}

/** The code of the error with which the work ends, or "done". */
function outcome(work: () => unknown): string {
  const start = performance.now();
  try {
    work();
    return "done";
  } catch (error) {
    if (!isNacreError(error)) throw error;
    if (error.place) expect(renderExcerpt(error.place).length).toBeLessThan(20_000);
    return error.code;
  } finally {
    expect(performance.now() - start).toBeLessThan(HANG);
  }
}

describe("10 MB of", () => {
  test.each<readonly [what: string, text: () => string, ends: string]>([
    ["lines of 64 KiB", () => `FROM x\n${fill(`RUN ${"x".repeat(65_000)}\n`, BIG)}`, "LIMIT_EXCEEDED"],
    ["comments of 64 KiB", () => `FROM x\n${fill(`# ${"x".repeat(65_000)}\n`, BIG)}`, "done"],
    ["one line", () => `FROM x\nRUN ${"x".repeat(BIG)}`, "LIMIT_EXCEEDED"],
    ["one line of bytes that are not UTF-8", () => `FROM x\nRUN ${"\udcff".repeat(BIG)}`, "LIMIT_EXCEEDED"],
    ["continuations", () => `FROM x\nRUN ${fill("x\\\n", BIG)}`, "LIMIT_EXCEEDED"],
    ["continuations of nothing", () => `FROM x\nRUN ${fill("\\\n", BIG)}`, "LIMIT_EXCEEDED"],
    ["blank lines within an instruction", () => `FROM x\nRUN a \\\n${fill("\n", BIG)}b\n`, "done"],
    ["comments within an instruction", () => `FROM x\nRUN a \\\n${fill("#\n", BIG)}b\n`, "done"],
    ["line feeds", () => fill("\n", BIG), "DOCKERFILE_SYNTAX"],
    ["carriage returns", () => `FROM x\n${fill(`${"\r".repeat(60_000)}\n`, BIG)}`, "done"],
    ["zeros", () => fill("\0", BIG), "LIMIT_EXCEEDED"],
    ["directives", () => fill("# syntax=x\n", BIG), "DOCKERFILE_SYNTAX"],
    ["one heredoc", () => `FROM x\nCOPY <<E /d\n${fill("some text in it, $A\n", BIG)}E\n`, "done"],
    [
      "tabs in a heredoc that drops them",
      () => `FROM x\nRUN <<-E\n${fill(`${"\t".repeat(60_000)}x\n`, BIG)}E\n`,
      "done",
    ],
    ["a heredoc without end", () => `FROM x\nRUN <<E\n${fill("E \n", BIG)}`, "DOCKERFILE_SYNTAX"],
    ["instructions", () => fill("FROM x\n", BIG), "LIMIT_EXCEEDED"],
    ["ARGs", () => fill("ARG A\n", BIG), "LIMIT_EXCEEDED"],
    ["quotes that are never closed", () => `FROM x\nENV A="${fill("a'\\\n", BIG)}`, "LIMIT_EXCEEDED"],
  ])("%s", (_what, text, ends) => {
    const written = text();
    expect(outcome(() => parseDockerfile(written, "Dockerfile"))).toBe(ends);
    expect(outcome(() => [highlight(written.slice(0, BIG / 10)), detectSyntax(written)])).toBe("done");
  });
});

const WIDE = `FROM scratch\nENV A=${"x".repeat(60_000)}\nENV B=$A$A$A$A$A$A$A$A\n`;

describe("a short file with", () => {
  test.each<readonly [what: string, text: () => string, ends: string]>([
    ["variables nested without end", () => `FROM scratch\nENV A=${fill("${a:-", 60_000)}`, "LIMIT_EXCEEDED"],
    ["100,000 stages", () => fill("FROM scratch\n", 1_300_000), "LIMIT_EXCEEDED"],
    [
      "9,000 stages, each on the last",
      () => `FROM scratch AS s0\n${lines(9000, (i) => `FROM s${i} AS s${i + 1}`)}`,
      "done",
    ],
    [
      "stages that hand on more and more",
      () => `FROM scratch AS s0\n${lines(4500, (i) => `FROM s${i} AS s${i + 1}\nENV A${i}=1`)}`,
      "LIMIT_EXCEEDED",
    ],
    [
      "stages that copy from each other",
      () => lines(3000, (i) => `FROM scratch AS s${i + 1}\nCOPY --from=s${i} /a /b`),
      "done",
    ],
    [
      "100,000 heredocs on a few lines",
      () => `FROM scratch\n${lines(7, () => `COPY ${fill("<<E ", 60_000)}/d/\n${fill("x\nE\n", 60_000)}`)}`,
      "done",
    ],
    [
      "heredocs on one line that nothing ends",
      () => `FROM scratch\nRUN ${fill("<<E ", 60_000)}\nx\n`,
      "DOCKERFILE_SYNTAX",
    ],
    [
      "mounts on one line",
      () => `FROM scratch\nRUN ${fill("--mount=target=/x \\\n", 1_000_000)}true\n`,
      "LIMIT_EXCEEDED",
    ],
    ["pairs in one ENV", () => `FROM scratch\nENV ${lines(100_000, (i) => `A${i}=1 \\`)}\n`, "done"],
    ["labels", () => `FROM scratch\n${lines(9000, (i) => `LABEL a${i}=1`)}`, "done"],
    ["every port, again and again", () => `FROM scratch\nEXPOSE ${fill("0-65535 ", 60_000)}`, "LIMIT_EXCEEDED"],
    ["values that grow", () => `${WIDE}${lines(9000, (i) => `ENV C${i}=$B$B`)}`, "LIMIT_EXCEEDED"],
    ["paths that grow", () => `${WIDE}${lines(9000, () => "WORKDIR /$B")}`, "LIMIT_EXCEEDED"],
    ["a value that doubles", () => `FROM scratch\nENV A=aa\n${fill("ENV A=$A$A\n", 1000)}`, "LIMIT_EXCEEDED"],
    ["replacements without end", () => `${WIDE}ENV D=${fill("${A//a?a?a?a?b/}", 60_000)}`, "LIMIT_EXCEEDED"],
    ["replacements in many lines", () => `${WIDE}${fill("ENV D=${A//*a*a*a*b/}\n", 200_000)}`, "LIMIT_EXCEEDED"],
    ["brackets within brackets", () => `FROM scratch\nCMD ${fill("[", 60_000)}`, "done"],
    [
      "names that are nearly known",
      () => `FROM scratch\n${lines(2000, (i) => `ARG NAME${i}`)}\n${lines(2000, (i) => `USER $NOME${i}`)}`,
      "done",
    ],
    ["flags that are none", () => `FROM scratch\nHEALTHCHECK ${fill("--a \\\n", 1_000_000)}NONE\n`, "LIMIT_EXCEEDED"],
    [
      "the options of a git address",
      () => `FROM scratch\nADD https://h/r.git?${fill("a=1&", 60_000)} /\n`,
      "PLAN_INVALID",
    ],
  ])("%s", (_what, text, ends) => {
    expect(outcome(() => planned(text()))).toBe(ends);
  });
});

describe("a pattern of", () => {
  const paths = ["a".repeat(4000), "a/".repeat(100), "src/index.js"].map(toByteString);

  test.each<readonly [what: string, pattern: string]>([
    ["directories", `${fill("**/", 60_000)}*${fill("a*", 60)}b`],
    ["stars", `${fill("*a", 60_000)}b`],
    ["question marks", `${fill("*?", 60_000)}b`],
    ["classes", `*${fill("[a-z]", 60_000)}`],
    ["one class", `[${fill("a-b", 60_000)}]*`],
    ["escapes", fill("\\*", 60_000)],
    ["steps upwards", fill("../", 60_000)],
    ["letters", `${fill("a", 60_000)}*`],
  ])("%s is matched or refused, in an ignore file and in COPY", (_what, pattern) => {
    outcome(() => {
      const matcher = createMatcher(parseIgnoreFile(pattern, ".dockerignore"));
      for (const path of paths) decidePath(matcher, path);
    });
    outcome(() => {
      const matches = compileComponent(pattern);
      for (const path of paths) matches(path);
    });
  });

  test("many stars means what it says", () => {
    const matches = compileComponent("*a*b[x-z]*?c");
    expect(["ab-xc", "abx-c", "--a--b-bz-c", "abyc", "abx-cd"].map(matches)).toEqual([false, true, true, false, false]);
  });
});
