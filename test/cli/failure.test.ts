import { describe, expect, test } from "vitest";
import {
  exitCodeOf,
  failuresOf,
  failureToJson,
  ReportedFailure,
  renderFailure,
  toldError,
} from "../../src/cli/failure.js";
import { watchSignals } from "../../src/cli/signals.js";
import { inColour, inPlain, paintFor } from "../../src/cli/style.js";
import { renderExcerpt } from "../../src/dockerfile/excerpt.js";
import { NacreError } from "../../src/support/errors.js";

const style = { paint: inPlain, debug: false, excerpt: renderExcerpt };
const place = {
  file: "Dockerfile",
  text: 'FROM scratch\nCOPY dist /app\nCMD ["/app/x"]\n',
  range: { start: { line: 2, column: 5 }, end: { line: 2, column: 9 } },
};

describe("a failure on the terminal", () => {
  test("shows the source with the place marked, the message and what to do", () => {
    const error = new NacreError("SOURCE_NOT_FOUND", '"/dist" not found', { hint: "did you mean dist-web?", place });
    expect(renderFailure(error, style)).toEqual([
      "Dockerfile:2",
      "--------------------",
      "   1 |     FROM scratch",
      "   2 | >>> COPY dist /app",
      "     |          ^^^^",
      '   3 |     CMD ["/app/x"]',
      "--------------------",
      'ERROR: "/dist" not found',
      "hint: did you mean dist-web?",
    ]);
  });

  test("never shows a stack trace for an expected failure, unless asked", () => {
    const error = new NacreError("STORE", "no", { cause: new Error("why") });
    expect(renderFailure(error, style)).toEqual(["ERROR: no"]);
    const debug = renderFailure(error, { ...style, debug: true }).join("\n");
    expect(debug).toContain("failure.test.ts");
    expect(debug).toContain("caused by: Error: why");
  });

  test("says of a bug that it is one, and how to get the stack", () => {
    const lines = renderFailure(new TypeError("x is undefined"), style);
    expect(lines).toEqual(["ERROR: internal error: x is undefined", expect.stringContaining("NACRE_DEBUG=1")]);
    expect(renderFailure("a string", style)[0]).toBe("ERROR: internal error: a string");
  });

  test("takes a failed system call for what it is", () => {
    const error = Object.assign(new Error("EACCES: permission denied, open 'x'"), { code: "EACCES" });
    expect(renderFailure(error, style)).toEqual(["ERROR: EACCES: permission denied, open 'x'"]);
  });

  test("keeps control characters of file names off the terminal", () => {
    const error = new NacreError("SOURCE_NOT_FOUND", "no \x1b[2J\u202e", { hint: "\x07" });
    expect(renderFailure(error, style)).toEqual(["ERROR: no \\x1b[2J\\u202e", "hint: \\x07"]);
  });

  test("several failures are told one by one", () => {
    const [a, b] = [new NacreError("STORE", "a"), new NacreError("STORE", "b")];
    expect(failuresOf(new AggregateError([a, new AggregateError([b])]))).toEqual([a, b]);
    expect(failuresOf(a)).toEqual([a]);
  });
});

test("after a signal the signal is told, not what broke because of it", () => {
  const controller = new AbortController();
  const [broken, cancelled] = [
    new NacreError("OUTPUT", "closed"),
    new NacreError("CANCELLED", "the build was cancelled"),
  ];
  expect(toldError(broken, controller.signal)).toBe(broken);
  const reason = new NacreError("CANCELLED", "stopped by SIGINT");
  controller.abort(reason);
  expect(toldError(broken, controller.signal)).toBe(reason);
  expect(toldError(cancelled, controller.signal)).toBe(cancelled);
});

describe("exit codes", () => {
  test.each([
    [new NacreError("USAGE", "x"), 2],
    [new NacreError("BASE_NOT_FOUND", "x"), 1],
    [new ReportedFailure(new NacreError("USAGE", "x")), 2],
    [new Error("bug"), 1],
    [undefined, 1],
  ])("%s gives %d", (error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });
});

test("programs get code, message, hint and place", () => {
  const error = new NacreError("SOURCE_NOT_FOUND", "m", { hint: "h", place });
  expect(JSON.parse(failureToJson(error))).toEqual({
    type: "error",
    code: "SOURCE_NOT_FOUND",
    message: "m",
    hint: "h",
    place: { file: "Dockerfile", range: place.range },
  });
});

describe("colours", () => {
  test.each([
    [{ isTTY: true }, {}, true],
    [{ isTTY: true }, { NO_COLOR: "" }, true],
    [{ isTTY: true }, { NO_COLOR: "1" }, false],
    [{ isTTY: true }, { TERM: "dumb" }, false],
    [{ isTTY: false }, {}, false],
    [{}, { FORCE_COLOR: "1" }, false],
  ])("of the stream %j under %j: %s", (stream, env, coloured) => {
    expect(paintFor(stream, env)).toBe(coloured ? inColour : inPlain);
  });
});

describe("signals", () => {
  function source() {
    const listeners = new Map<string, () => void>();
    const killed: string[] = [];
    return {
      killed,
      pid: 1,
      on: (name: string, listener: () => void) => listeners.set(name, listener),
      off: (name: string) => listeners.delete(name),
      kill: (_pid: number, name: string) => killed.push(name),
      send: (name: string) => listeners.get(name)?.(),
      count: () => listeners.size,
    };
  }

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ])("the first %s asks for an orderly end and the exit code %d", (name, code) => {
    const from = source();
    const watch = watchSignals(from);
    expect(watch.exitCode()).toBeUndefined();
    from.send(name);
    expect(watch.signal.aborted).toBe(true);
    expect(watch.signal.reason).toMatchObject({ code: "CANCELLED" });
    expect(watch.exitCode()).toBe(code);
    expect(from.killed).toEqual([]);
  });

  test("the second one kills, without a listener in its way", () => {
    const from = source();
    watchSignals(from);
    from.send("SIGINT");
    from.send("SIGINT");
    expect(from.killed).toEqual(["SIGINT"]);
    expect(from.count()).toBe(0);
  });

  test("nothing is left behind after the command", () => {
    const from = source();
    watchSignals(from).close();
    expect(from.count()).toBe(0);
  });
});
