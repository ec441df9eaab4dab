import { PassThrough } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openDisplay } from "../../src/cli/progress/display.js";
import { plainReader } from "../../src/cli/progress/plain.js";
import { eventToJson } from "../../src/cli/progress/rawjson.js";
import { applyEvent, emptyState, type ProgressState } from "../../src/cli/progress/state.js";
import { renderFrame, type View } from "../../src/cli/progress/tty.js";
import { inColour, inPlain } from "../../src/cli/style.js";
import { displayWidth } from "../../src/cli/terminalText.js";
import type { NacreEvent } from "../../src/support/events.js";

const T0 = 1_700_000_000_000;

const start = (id: string, name: string, at: number): NacreEvent => ({ type: "start", id, name, time: T0 + at });
const end = (
  id: string,
  outcome: "done" | "cached" | "error" | "cancelled",
  at: number,
  error?: string,
): NacreEvent => ({
  type: "end",
  id,
  outcome,
  error,
  time: T0 + at,
});
const bytes = (id: string, current: number, total: number | undefined, at: number): NacreEvent => ({
  type: "progress",
  id,
  current,
  total,
  unit: "bytes",
  time: T0 + at,
});
const log = (id: string, text: string, at: number): NacreEvent => ({ type: "log", id, text, time: T0 + at });

const place = {
  file: "Dockerfile",
  text: "FROM a\nCOPY b c\n",
  range: { start: { line: 2, column: 0 }, end: { line: 2, column: 8 } },
};
const warning: NacreEvent = { type: "warning", rule: "StageNameCasing", message: "use lower case", place, time: T0 };

/** A build in the middle of its work. */
const BUILD: readonly NacreEvent[] = [
  start("internal:dockerfile", "[internal] load build definition from Dockerfile", 0),
  bytes("internal:dockerfile", 31, undefined, 10),
  end("internal:dockerfile", "done", 20),
  start("1", "[build 1/3] FROM docker.io/library/debian:12", 30),
  end("1", "cached", 30),
  start("2", "[build 2/3] COPY node_modules /app/node_modules", 40),
  start("3", "[final 2/2] COPY --from=docs /out /docs", 50),
  bytes("2", 120_000_000, 900_000_000, 1040),
  log("3", "first line\nsecond line\n", 1500),
];

function stateOf(events: readonly NacreEvent[]): ProgressState {
  const state = emptyState();
  for (const event of events) applyEvent(state, event);
  return state;
}

const view = (over: Partial<View> = {}): View => ({ width: 80, height: 24, now: T0 + 2000, paint: inPlain, ...over });

describe("progress on a terminal", () => {
  test("a running build shows what is done, what is cached, how far copies are and what steps say", () => {
    expect(renderFrame(stateOf(BUILD), view())).toEqual([
      "[+] 2.0s (2/4)",
      " => [internal] load build definition from Dockerfile                       0.0s",
      " => CACHED [build 1/3] FROM docker.io/library/debian:12                    0.0s",
      " => [build 2/3] COPY node_modules /app/node_modules                        2.0s",
      " => => 120MB / 900MB  120MB/s",
      " => [final 2/2] COPY --from=docs /out /docs                                1.9s",
      " => => # first line",
      " => => # second line",
    ]);
  });

  test("a failed build says where it stopped", () => {
    const state = stateOf([...BUILD, end("2", "error", 1800, "no space left"), end("3", "cancelled", 1900)]);
    expect(renderFrame(state, view({ final: true })).slice(3)).toEqual([
      " => ERROR [build 2/3] COPY node_modules /app/node_modules                  1.8s",
      " => CANCELED [final 2/2] COPY --from=docs /out /docs                       1.9s",
    ]);
    expect(renderFrame(state, view({ final: true }))[0]).toBe("[+] 2.0s (4/4) FAILED");
  });

  test("a narrow terminal cuts names, keeps times, and drops them only where nothing else would be left", () => {
    expect(renderFrame(stateOf(BUILD), view({ width: 30 })).slice(0, 5)).toEqual([
      "[+] 2.0s (2/4)",
      " => [internal] load bui… 0.0s",
      " => CACHED [build 1/3] … 0.0s",
      " => [build 2/3] COPY no… 2.0s",
      " => => 120MB / 900MB  120MB/s",
    ]);
    expect(renderFrame(stateOf(BUILD), view({ width: 12 })).slice(1, 3)).toEqual([" => [inter…", " => CACHED…"]);
  });

  test("wide characters keep the times in one column", () => {
    const state = stateOf([start("1", "COPY 漢字かな /漢字", 0), start("2", "COPY a /b", 0)]);
    const lines = renderFrame(state, view({ width: 40 })).slice(1);
    expect(lines).toEqual([" => COPY 漢字かな /漢字            2.0s", " => COPY a /b                      2.0s"]);
    expect(new Set(lines.map(displayWidth))).toEqual(new Set([39]));
  });

  test("a hundred steps collapse into the rows there are; the running ones stay", () => {
    const events = Array.from({ length: 100 }, (_, i) => [
      start(`s${i}`, `[${i + 1}/100] COPY f${i} /`, i),
      ...(i < 97 ? [end(`s${i}`, i < 40 ? "cached" : "done", i + 1)] : []),
    ]).flat();
    const lines = renderFrame(stateOf(events), view({ height: 10, width: 50 }));
    expect(lines).toEqual([
      "[+] 2.0s (97/100)",
      " => 93 more finished (40 cached)",
      " => [94/100] COPY f93 /                      0.0s",
      " => [95/100] COPY f94 /                      0.0s",
      " => [96/100] COPY f95 /                      0.0s",
      " => [97/100] COPY f96 /                      0.0s",
      " => [98/100] COPY f97 /                      1.9s",
      " => [99/100] COPY f98 /                      1.9s",
      " => [100/100] COPY f99 /                     1.9s",
    ]);
    expect(renderFrame(stateOf(events), view({ height: 10, final: true }))).toHaveLength(101);
  });

  test("more running steps than rows are counted", () => {
    const events = Array.from({ length: 9 }, (_, i) => start(`s${i}`, `step ${i}`, i));
    const lines = renderFrame(stateOf(events), view({ height: 6 }));
    expect(lines).toHaveLength(5);
    expect(lines.at(-1)).toBe(" => 6 more running");
  });

  test("a name cannot move the cursor or forge lines", () => {
    const state = stateOf([start("1", "COPY \x1b[2J\x07\nERROR /", 0), log("1", "\x1b]0;title\x07\rshown\n", 1)]);
    expect(renderFrame(state, view()).slice(1)).toEqual([
      " => COPY \\x1b[2J\\x07 ERROR /                                               2.0s",
      " => => # shown",
    ]);
  });

  test("colours change nothing but the colours", () => {
    const plain = renderFrame(stateOf(BUILD), view());
    const coloured = renderFrame(stateOf(BUILD), view({ paint: inColour }));
    expect(coloured.map((line) => line.replace(/\x1b\[\d+m/g, ""))).toEqual(plain);
    expect(coloured).not.toEqual(plain);
  });

  test("a frame fits the terminal, whatever happens", () => {
    const id = fc.constantFrom("a", "b", "c", "d", "e", "f");
    const event = fc.oneof(
      fc.tuple(id, fc.string({ unit: "grapheme" })).map(([name, text]) => start(name, text, 0)),
      fc.tuple(id, fc.nat(), fc.nat(5000)).map(([name, current, at]) => bytes(name, current, undefined, at)),
      fc.tuple(id, fc.string({ unit: "binary" })).map(([name, text]) => log(name, text, 5)),
      fc
        .tuple(id, fc.constantFrom("done", "cached", "error"))
        .map(([name, outcome]) => end(name, outcome as "done", 9)),
    );
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 40 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 3, max: 12 }),
        (events, width, height) => {
          const lines = renderFrame(stateOf(events), view({ width, height }));
          expect(lines.length).toBeLessThan(height);
          for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(Math.max(1, width - 1));
        },
      ),
    );
  });

  test("frames are drawn over each other, and warnings follow the last", async () => {
    const { stream, text } = captured();
    const display = await openDisplay({
      form: "tty",
      stream,
      now: () => T0 + 100,
      paint: inPlain,
      signal: new AbortController().signal,
    });
    display.emit(start("1", "COPY a b", 0));
    display.emit(warning);
    display.emit(end("1", "done", 100));
    display.stop(true);
    expect(text()).toContain("[+] 0.1s (1/1) FINISHED\n => COPY a b");
    expect(text()).toMatch(/\n\n1 warning found:\n - StageNameCasing: use lower case \(line 2\)\n$/);
  });
});

describe("plain progress", () => {
  const plain = (events: readonly NacreEvent[]): string[] => {
    const reader = plainReader(emptyState());
    return events.flatMap((event) => reader.take(event));
  };

  test("it has the form of BuildKit's", () => {
    const events = [
      ...BUILD,
      log("2", "half way", 2040),
      end("2", "done", 3040),
      end("3", "error", 3100, "COPY failed\nsecond line"),
    ];
    expect(plain(events)).toEqual([
      "#1 [internal] load build definition from Dockerfile",
      "#1 31B 0.0s done",
      "#1 DONE 0.0s",
      "",
      "#2 [build 1/3] FROM docker.io/library/debian:12",
      "#2 CACHED",
      "",
      "#3 [build 2/3] COPY node_modules /app/node_modules",
      "#3 ...",
      "",
      "#4 [final 2/2] COPY --from=docs /out /docs",
      "#4 1.450 first line",
      "#4 1.450 second line",
      "#4 ...",
      "",
      "#3 [build 2/3] COPY node_modules /app/node_modules",
      "#3 2.000 half way",
      "#3 120MB / 900MB  120MB/s 3.0s done",
      "#3 DONE 3.0s",
      "",
      "#4 [final 2/2] COPY --from=docs /out /docs",
      "#4 ERROR: COPY failed",
    ]);
  });

  test("cached steps that start together are told one after the other", () => {
    const events = [
      start("1", "COPY a /", 0),
      start("2", "COPY b /", 1),
      start("3", "COPY c /", 1),
      end("2", "cached", 2),
      end("1", "cached", 2),
      end("3", "cached", 3),
    ];
    expect(plain(events).filter((line) => line !== "")).toEqual([
      "#1 COPY a /",
      "#1 ...",
      "#2 COPY b /",
      "#2 CACHED",
      "#1 COPY a /",
      "#1 CACHED",
      "#3 COPY c /",
      "#3 CACHED",
    ]);
  });

  test("a silent step that goes on is announced with the next event", () => {
    const events = [
      start("1", "COPY a /", 0),
      start("2", "COPY b /", 1),
      bytes("1", 5, undefined, 90),
      log("1", "x", 500),
    ];
    expect(plain(events)).toEqual([
      "#1 COPY a /",
      "#1 ...",
      "",
      "#2 COPY b /",
      "#2 ...",
      "",
      "#1 COPY a /",
      "#1 0.500 x",
    ]);
  });

  test("long copies are told every two seconds, not at each chunk", () => {
    const events = [
      start("1", "COPY", 0),
      ...Array.from({ length: 100 }, (_, i) => bytes("1", i * 1_000_000, undefined, i * 100)),
    ];
    expect(plain(events)).toEqual([
      "#1 COPY",
      "#1 20MB  10MB/s 2.0s",
      "#1 40MB  10MB/s 4.0s",
      "#1 60MB  10MB/s 6.0s",
      "#1 80MB  10MB/s 8.0s",
    ]);
  });

  test("a cancelled step and a copy of files have their words", () => {
    const events: NacreEvent[] = [
      start("1", "reading", 0),
      { type: "progress", id: "1", current: 7, unit: "files", time: T0 + 5 },
      end("1", "cancelled", 10),
    ];
    expect(plain(events)).toEqual(["#1 reading", "#1 7 files 0.0s", "#1 CANCELED"]);
  });

  test("a terminal that says it has no columns is taken for one of usual size", async () => {
    const { stream, text } = captured();
    Object.assign(stream, { columns: 0, rows: 0 });
    const signal = new AbortController().signal;
    const display = await openDisplay({ form: "tty", stream, now: () => T0, paint: inPlain, signal });
    display.emit(start("1", "RUN x", 0));
    display.stop(true);
    expect(text()).toContain(" => RUN x");
    expect(text()).not.toContain("Infinity");
  });

  test("after a failure the step's last lines are repeated", async () => {
    const { stream, text } = captured();
    const signal = new AbortController().signal;
    const display = await openDisplay({ form: "plain", stream, now: () => T0, paint: inPlain, signal });
    display.emit(start("1", "RUN x", 0));
    for (let i = 0; i < 30; i++) display.emit(log("1", `line ${i}`, i));
    display.emit(end("1", "error", 100, "exit code 1"));
    display.stop(false);
    const tail = text().slice(text().indexOf("------"));
    expect(tail.split("\n").slice(0, 3)).toEqual(["------", " > RUN x:", "0.010 line 10"]);
    expect(tail.endsWith("0.029 line 29\n------\n")).toBe(true);
  });
});

describe("progress for programs", () => {
  test("every event is one line of JSON that says the same", () => {
    for (const event of BUILD) {
      const line = eventToJson(event);
      expect(line).not.toContain("\n");
      expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(event)));
    }
  });

  test("a warning names its place without the whole file", () => {
    expect(JSON.parse(eventToJson(warning))).toEqual({
      type: "warning",
      rule: "StageNameCasing",
      message: "use lower case",
      place: { file: "Dockerfile", range: place.range },
      time: T0,
    });
  });
});

function captured() {
  const stream = Object.assign(new PassThrough(), { columns: 60, rows: 20 });
  let all = "";
  stream.on("data", (chunk: Buffer) => {
    all += chunk.toString();
  });
  return { stream, text: () => all };
}
