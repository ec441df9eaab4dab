import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareBuilds, describeBuild, writeBuildDocument } from "../../src/analysis/buildHistory.js";
import { stepsOf } from "../../src/analysis/buildSteps.js";
import { exportBuild, type TraceEvent, traceBuild } from "../../src/analysis/exportBuild.js";
import type { BuildStep, NamedBuild } from "../../src/store/builds.js";
import { tempDirectory } from "../cli/invocation.js";

function buildOf(steps: readonly BuildStep[], rest: Partial<NamedBuild> = {}): NamedBuild {
  return {
    id: "mm7p6yo0-0123456789ab",
    version: 2,
    started: 1_772_366_400_000,
    ended: 1_772_366_410_000,
    outcome: "done",
    dockerfile: "Dockerfile",
    context: ".",
    names: [],
    steps: [...steps],
    ...rest,
  };
}

/** A step of a stage, written `stage: INSTRUCTION`. */
function step(text: string, rest: Partial<BuildStep> = {}): BuildStep {
  const [stage = "", instruction = ""] = text.split(": ");
  return { label: `[${stage} 1/1] ${instruction}`, stage, instruction, outcome: "done", duration: 10, ...rest };
}

/** The pairs of a comparison: `match before → after`. */
async function pairs(before: readonly string[], after: readonly string[]): Promise<string[]> {
  const numbered = (texts: readonly string[]) => buildOf(texts.map((text, id) => step(text, { id })));
  const { steps } = await compareBuilds(numbered(before), numbered(after));
  return steps.map(({ match, before, after }) => `${match} ${before?.number ?? "-"} ${after?.number ?? "-"}`);
}

describe("the steps of two builds", () => {
  test("stand side by side where they are the same", async () => {
    expect(await pairs(["a: RUN 1", "a: RUN 2"], ["a: RUN 1", "a: RUN 2"])).toEqual(["same 1 1", "same 2 2"]);
  });

  test("are paired by text: what was inserted, removed, edited or moved is told as such", async () => {
    expect(await pairs(["a: RUN 1", "a: RUN 2"], ["a: RUN 1", "a: COPY x", "a: RUN 2"])).toEqual([
      "same 1 1",
      "added - 2",
      "same 2 3",
    ]);
    expect(await pairs(["a: RUN 1", "a: COPY x", "a: RUN 2"], ["a: RUN 1", "a: RUN 2"])).toEqual([
      "same 1 1",
      "removed 2 -",
      "same 3 2",
    ]);
    expect(await pairs(["a: RUN 1", "a: COPY x"], ["a: RUN one", "a: COPY x"])).toEqual(["edited 1 1", "same 2 2"]);
    expect(await pairs(["a: RUN 1", "a: RUN 2", "a: RUN 3"], ["a: RUN 3", "a: RUN 1", "a: RUN 2"])).toEqual([
      "moved 3 1",
      "same 1 2",
      "same 2 3",
    ]);
  });

  test("of equal text are paired in order, and only within their stage", async () => {
    expect(await pairs(["a: RUN x", "a: RUN x"], ["a: RUN x", "a: RUN x", "a: RUN x"])).toEqual([
      "same 1 1",
      "same 2 2",
      "added - 3",
    ]);
    expect(await pairs(["a: RUN x"], ["b: RUN x"])).toEqual(["added - 1", "removed 1 -"]);
  });

  test("all occur once, each paired with one of its stage and keyword", async () => {
    const texts = fc.array(fc.constantFrom("a: RUN 1", "a: RUN 2", "a: COPY 1", "b: RUN 1", "b: COPY 2"), {
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(texts, texts, async (before, after) => {
        const found = (await pairs(before, after)).map((line) => line.split(" ") as [string, string, string]);
        const numbers = (column: 1 | 2) => found.map((row) => row[column]).filter((number) => number !== "-");
        expect(
          numbers(1)
            .map(Number)
            .sort((a, b) => a - b),
        ).toEqual(before.map((_, at) => at + 1));
        expect(numbers(2).map(Number)).toEqual(after.map((_, at) => at + 1));
        for (const [match, was, is] of found) {
          if (was === "-" || is === "-") continue;
          const [old, fresh] = [before[Number(was) - 1]!, after[Number(is) - 1]!];
          if (match === "edited") expect(old.split(" ").slice(0, 2)).toEqual(fresh.split(" ").slice(0, 2));
          else expect(old).toBe(fresh);
        }
        if (before.join() === after.join()) expect(found.every(([match]) => match === "same")).toBe(true);
      }),
    );
  });

  test("ten thousand of them are compared in an instant", async () => {
    const many = Array.from({ length: 10_000 }, (_, at) => `a: RUN ${at}`);
    expect(await pairs(many, [...many].reverse())).toHaveLength(10_000);
  });

  test("tell whether key and layer are the same, where both are known", async () => {
    const diffId = `sha256:${"1".repeat(64)}`;
    const [before, after] = [
      buildOf([step("a: RUN 1", { key: "a", diffId }), step("a: RUN 2", { key: "a" })]),
      buildOf([step("a: RUN 1", { key: "b", diffId }), step("a: RUN 2", { outcome: "cached" })]),
    ];
    const { steps } = await compareBuilds(before, after);
    expect(steps).toMatchObject([{ sameKey: false, sameLayer: true }, {}]);
    expect(steps[1]!.sameKey).toBeUndefined();
  });

  test("of an old build are known by their labels alone", () => {
    const steps = [
      { label: "[2/5] RUN a", outcome: "done", duration: 1 },
      { label: "[build 1/3] COPY b /", outcome: "done", duration: 1 },
      { label: "[linux/arm64 build 1/3] RUN [1/2] x", outcome: "done", duration: 1 },
      { label: "odd", outcome: "done", duration: 1 },
    ] as const;
    expect(stepsOf({ steps: [...steps] }).map(({ stage, instruction }) => [stage, instruction])).toEqual([
      ["", "RUN a"],
      ["build", "COPY b /"],
      ["linux/arm64 build", "RUN [1/2] x"],
      ["", "odd"],
    ]);
  });
});

describe("two builds", () => {
  test("differ by arguments, bases, contexts, downloads, facts and outputs", async () => {
    const before = buildOf([], {
      target: "test",
      args: [
        { name: "VERSION", value: "1" },
        { name: "GONE", value: "x" },
        { name: "SAME", value: "s" },
        { name: "TOKEN", hidden: true },
        { name: "KEY", hidden: true },
        { name: "UNSET" },
      ],
      inputs: {
        bases: [{ reference: "debian:12", digest: "sha256:a", platform: "linux/amd64" }],
        contexts: [{ name: "main", description: ".", digest: "sha256:c" }],
        remotes: [{ kind: "git", address: "https://git.example/x.git", commit: "1111" }],
      },
      outputs: [{ type: "oci", destination: "x.tar", digest: "sha256:1" }],
      digest: "sha256:0",
    });
    const after = buildOf([], {
      args: [
        { name: "VERSION", value: "2" },
        { name: "SAME", value: "s" },
        { name: "TOKEN", hidden: true },
        { name: "KEY", value: "shown" },
        { name: "UNSET" },
        { name: "NEW", value: "" },
      ],
      inputs: {
        bases: [{ reference: "debian:12", digest: "sha256:b", platform: "linux/amd64" }],
        contexts: [{ name: "main", description: ".", digest: "sha256:c" }],
        remotes: [{ kind: "git", address: "https://git.example/x.git", commit: "2222" }],
      },
      outputs: [{ type: "oci", destination: "x.tar", digest: "sha256:2" }],
      digest: "sha256:0",
    });
    expect(await compareBuilds(before, after)).toMatchObject({
      inputsKnown: true,
      facts: [{ name: "target", before: "test" }],
      args: [
        { name: "VERSION", before: "1", after: "2" },
        { name: "GONE", before: "x" },
        { name: "KEY", after: "shown", hidden: "before" },
        { name: "NEW", after: "" },
      ],
      bases: [{ name: "debian:12", before: "sha256:a", after: "sha256:b" }],
      contexts: [],
      remotes: [{ name: "https://git.example/x.git", before: "1111", after: "2222" }],
      outputs: [{ name: "oci x.tar", before: "sha256:1", after: "sha256:2" }],
    });
  });

  test("of which one is too old to tell what went in are not said to differ by it", async () => {
    const before = buildOf([], { version: 1 });
    const after = buildOf([], { args: [{ name: "A", value: "1" }] });
    expect(await compareBuilds(before, after)).toMatchObject({ inputsKnown: false, args: [], bases: [] });
  });
});

/** The steps in a trace: complete events in other lanes than the build's own. */
function stepEvents(events: readonly TraceEvent[]): Required<Pick<TraceEvent, "ts" | "dur" | "tid" | "name">>[] {
  return events.flatMap(({ ph, tid, ts, dur, name }) =>
    ph === "X" && tid > 0 ? [{ tid, ts: ts!, dur: dur!, name }] : [],
  );
}

describe("the trace of a build", () => {
  const timed = fc.array(fc.record({ started: fc.nat({ max: 5000 }), duration: fc.nat({ max: 2000 }) }), {
    maxLength: 20,
  });

  test("has the form of Chrome's traces, each step with its times in microseconds", () => {
    fc.assert(
      fc.property(timed, (times) => {
        const build = buildOf(times.map((time, id) => step(`a: RUN ${id}`, { id, ...time })));
        const trace = JSON.parse(JSON.stringify(traceBuild(build))) as ReturnType<typeof traceBuild>;
        for (const event of trace.traceEvents) {
          expect(event).toMatchObject({ name: expect.any(String), pid: expect.any(Number), tid: expect.any(Number) });
          if (event.ph === "M") expect(event.args).toEqual({ name: expect.any(String) });
          else expect([event.ph, Number.isInteger(event.ts), Number.isInteger(event.dur)]).toEqual(["X", true, true]);
        }
        const found = stepEvents(trace.traceEvents).map(({ ts, dur }) => ({
          started: ts / 1000,
          duration: dur / 1000,
        }));
        expect(found).toEqual(times);
      }),
    );
  });

  test("has no two steps at once in a lane, and no more lanes than steps at once", () => {
    fc.assert(
      fc.property(timed, (times) => {
        const events = stepEvents(
          traceBuild(buildOf(times.map((time, id) => step(`a: RUN ${id}`, { id, ...time })))).traceEvents,
        );
        for (const one of events) {
          for (const other of events) {
            if (one === other || one.tid !== other.tid || one.dur === 0 || other.dur === 0) continue;
            expect(one.ts + one.dur <= other.ts || other.ts + other.dur <= one.ts).toBe(true);
          }
        }
        const atOnce = events.map(
          ({ ts }) => events.filter((o) => o.ts <= ts && (ts < o.ts + o.dur || ts === o.ts)).length,
        );
        expect(new Set(events.map(({ tid }) => tid)).size).toBeLessThanOrEqual(Math.max(0, ...atOnce));
      }),
    );
  });

  test("shows the steps of an old build in a row, and says so", () => {
    const steps = [10, 20, 30].map((duration) => ({ label: `[1/1] ${duration}`, outcome: "done" as const, duration }));
    const trace = traceBuild(buildOf(steps, { version: 1 }));
    expect(stepEvents(trace.traceEvents).map(({ ts, dur, tid }) => [ts, dur, tid])).toEqual([
      [0, 10_000, 1],
      [10_000, 20_000, 1],
      [30_000, 30_000, 1],
    ]);
    expect(trace.otherData.note).toMatch(/not known/);
  });
});

describe("the reasons of misses", () => {
  test("are told in words, back to where it began", async () => {
    const changed = (change: object) => ({ kind: "changed", changes: [change] });
    const parent = { what: "input", role: "parent", step: 0, same: true };
    const input = { kind: "step", key: "1", step: 0, instruction: "COPY a /a" };
    const { steps } = await describeBuild(
      buildOf([
        step("a: COPY a /a", { id: 0, reason: { kind: "first", scope: "step" } }),
        step("a: RUN x", { id: 1, reason: changed({ ...parent, before: input, after: input }) }),
        step("a: RUN y", { id: 3, outcome: "cached" }),
      ]),
    );
    expect(steps.map(({ number }) => number)).toEqual([1, 2, 4]);
    expect(steps[0]!.why).toMatch(/new in this build/);
    expect(steps[1]!.why).toMatch(/^step 1 COPY a \/a/);
    expect(steps[2]!.why).toBeUndefined();
  });

  test("that make no sense are no reason to fail", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.jsonValue(), async (one, other) => {
        const odd = [
          one,
          { kind: "changed", changes: other },
          { kind: "changed", changes: [{ what: "input", step: 0 }] },
        ];
        const { steps } = await describeBuild(buildOf(odd.map((reason, id) => step("a: RUN x", { id, reason }))));
        for (const { why } of steps) expect(["string", "undefined"]).toContain(typeof why);
      }),
    );
  });
});

test("a document of a build is written whole, with its format and version", async () => {
  const file = join(tempDirectory(), "build.json");
  const build = buildOf([step("a: RUN 1", { reason: { kind: "first" } })]);
  await writeBuildDocument(exportBuild(build), file);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ format: "nacre-build", version: 1, build });
  await expect(writeBuildDocument(exportBuild(build), join(file, "x"))).rejects.toMatchObject({ code: "OUTPUT" });
});
