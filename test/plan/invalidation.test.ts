/**
 * What a change makes of the steps after it, row by row as BuildKit has it: a step must observe what it depends on, and
 * nothing else. (Keys are made from steps; a step that stays the same keeps its key.)
 */
import { describe, expect, test } from "vitest";
import type { PlanRequest, Step } from "../../src/plan/graph.js";
import { image, planWith } from "./planText.js";

/** RUN and COPY of a stage with `lines` above them; without label, id and place, which no key looks at. */
function observed(
  lines: string,
  overrides: Partial<PlanRequest> = {},
  base = image(),
): Record<"run" | "copy", unknown> {
  const { steps } = planWith(`FROM base\nARG DECLARED\n${lines}\nRUN make\nCOPY f rel\n`, () => base, overrides);
  const bare = (kind: Step["kind"]): unknown => {
    const found = steps.findLast((step) => step.kind === kind);
    if (!found) throw new Error(`no ${kind} was planned`);
    const { label: _label, place: _place, id: _id, parent: _parent, ...rest } = found;
    // The RUN is the COPY's parent; what counts is what lies below both.
    return { ...rest, below: steps.slice(0, -2).map(({ kind: one }) => one) };
  };
  return { run: bare("run"), copy: bare("copy") };
}

const args = (pairs: Record<string, string>): Partial<PlanRequest> => ({ buildArgs: new Map(Object.entries(pairs)) });

describe.each([
  "LABEL a=b",
  "EXPOSE 80",
  'CMD ["x"]',
  'ENTRYPOINT ["x"]',
  'HEALTHCHECK CMD ["x"]',
  "STOPSIGNAL 9",
  "VOLUME /v",
  "ONBUILD RUN x",
  "MAINTAINER me",
  "WORKDIR /",
  "# a comment",
])("%s", (line) => {
  test("changes no later step", () => {
    expect(observed(line)).toEqual(observed(""));
  });
});

describe.each(["ENV A=b", "ARG A=b", "USER me", 'SHELL ["/bin/bash", "-c"]'])("%s", (line) => {
  test("changes a later RUN and no later COPY", () => {
    const [before, after] = [observed(""), observed(line)];
    expect(after.run).not.toEqual(before.run);
    expect(after.copy).toEqual(before.copy);
  });
});

test("WORKDIR changes both: it makes a directory and moves relative destinations", () => {
  const [before, after] = [observed(""), observed("WORKDIR /w")];
  expect(after.run).not.toEqual(before.run);
  expect(after.copy).not.toEqual(before.copy);
});

test("a build argument of a declared ARG changes every later RUN, mentioned or not, and no COPY", () => {
  const [before, after] = [observed(""), observed("", args({ DECLARED: "1" }))];
  expect(after.run).not.toEqual(before.run);
  expect(after.copy).toEqual(before.copy);
});

test("a RUN above the ARG does not see its build argument", () => {
  const runs = (overrides: Partial<PlanRequest>): readonly unknown[] =>
    planWith("FROM base\nRUN a\nARG A\nRUN b\n", () => image(), overrides).steps;
  const [before, after] = [runs({}), runs(args({ A: "1" }))];
  expect(after[0]).toEqual(before[0]);
  expect(after[1]).not.toEqual(before[1]);
});

test("a build argument that is never declared changes nothing", () => {
  expect(observed("", args({ OTHER: "1" }))).toEqual(observed(""));
});

test("proxy arguments stand apart from what is keyed", () => {
  const without = (value: unknown): unknown => ({ ...(value as object), proxyEnv: [] });
  const [before, after] = [observed(""), observed("", args({ HTTP_PROXY: "p" }))];
  expect(after.run).not.toEqual(before.run);
  expect(without(after.run)).toEqual(before.run);
  expect(after.copy).toEqual(before.copy);
});

test("what a COPY expands is part of it, and how it was spelled is not", () => {
  const copy = (text: string, given: Record<string, string>): unknown => {
    const { steps } = planWith(`FROM base\nARG V\n${text}\n`, () => image(), args(given));
    const { label: _label, place: _place, ...rest } = steps[0]!;
    return { ...rest, sourceRanges: [] };
  };
  expect(copy("COPY f /$V", { V: "a" })).not.toEqual(copy("COPY f /$V", { V: "b" }));
  expect(copy("COPY f /$V", { V: "a" })).toEqual(copy("COPY  f \\\n  /a", { V: "b" }));
});

test("the text of a RUN counts to the last blank, comments and line breaks within it do not", () => {
  const run = (text: string): unknown => {
    const { steps } = planWith(`FROM base\n${text}\n`, () => image());
    const { label: _label, place: _place, ...rest } = steps[0]!;
    return rest;
  };
  expect(run("RUN a \\\n# why\n\n   # and how\nb")).toEqual(run("run   a b"));
  expect(run("RUN a  b")).not.toEqual(run("RUN a b"));
});

test("the config of the base reaches RUN only through what RUN sees", () => {
  const labelled = image({ Labels: { a: "b" }, Cmd: ["x"], ExposedPorts: { "80/tcp": {} }, StopSignal: "9" });
  expect(observed("", {}, labelled)).toEqual(observed(""));
  expect(observed("", {}, image({ Env: ["A=1"] })).run).not.toEqual(observed("").run);
});

test("labels of the command line change no step and no history", () => {
  const build = (labels: ReadonlyMap<string, string>) => planWith("FROM base\nRUN x\n", () => image(), { labels });
  const [before, after] = [build(new Map()), build(new Map([["a", "b"]]))];
  expect(after.steps).toEqual(before.steps);
  expect(after.target.history).toEqual(before.target.history);
  expect(after.target.config.Labels).toEqual({ a: "b" });
});
