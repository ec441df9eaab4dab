import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AlignableStep, alignSteps } from "../../src/cache/alignSteps.js";

/** Steps of one stage, or `stage: text`. */
function steps(...texts: string[]): AlignableStep[] {
  return texts.map((text) => {
    const [, stage = "s", instruction = ""] = /^(?:(\w+): )?(.*)$/.exec(text) ?? [];
    const kind = instruction.startsWith("RUN") ? "run" : instruction.startsWith("WORKDIR") ? "workdir" : "copy";
    return { stage, instruction, kind, key: instruction };
  });
}

const none = undefined;

describe("steps of two builds", () => {
  test.each<[string, AlignableStep[], AlignableStep[], (number | undefined)[]]>([
    [
      "that are the same",
      steps("WORKDIR /a", "RUN make", "RUN make"),
      steps("WORKDIR /a", "RUN  make ", "RUN make"),
      [0, 1, 2],
    ],
    [
      "of which one was put between",
      steps("COPY a /a", "RUN make"),
      steps("COPY a /a", "RUN echo hello", "RUN make"),
      [0, none, 1],
    ],
    [
      "of which one was taken away",
      steps("COPY a /a", "RUN echo hello", "RUN make"),
      steps("COPY a /a", "RUN make"),
      [0, 2],
    ],
    [
      "of which one was edited a little",
      steps("COPY a /a", "RUN apt-get install curl", "RUN make"),
      steps("COPY a /a", "RUN apt-get install curl git", "RUN make"),
      [0, 1, 2],
    ],
    [
      "of which one stands for another altogether",
      steps("RUN one", "RUN abc", "RUN two"),
      steps("RUN one", "RUN xyz", "RUN two"),
      [0, 1, 2],
    ],
    [
      "of which one is of another kind",
      steps("RUN one", "COPY abc /", "RUN two"),
      steps("RUN one", "RUN abc /", "RUN two"),
      [0, none, 2],
    ],
    [
      "in another order",
      steps("COPY a /a", "COPY b /b", "RUN make"),
      steps("COPY b /b", "COPY a /a", "RUN make"),
      [1, 0, 2],
    ],
    ["edited beside a new one", steps("RUN npm ci --quiet"), steps("RUN echo x", "RUN npm ci --loud"), [none, 0]],
    ["of stages in another order", steps("a: RUN one", "b: RUN two"), steps("b: RUN two", "a: RUN one"), [1, 0]],
    ["of equal text in two stages", steps("a: RUN one", "b: RUN one"), steps("a: RUN zero", "b: RUN one"), [0, 1]],
    ["of a stage with another name", steps("a: RUN one", "b: RUN two"), steps("a: RUN one", "c: RUN two"), [0, 1]],
    ["that were moved to another stage", steps("a: RUN one", "a: RUN two"), steps("a: RUN one", "b: RUN two"), [0, 1]],
    ["of nothing", [], steps("RUN one"), [none]],
  ])("%s", (_, before, now, pairs) => expect(alignSteps(before, now)).toEqual(pairs));

  const text = fc.constantFrom(
    "RUN a",
    "RUN b",
    "RUN make all",
    "RUN make some",
    "COPY x /x",
    "COPY x /y",
    "WORKDIR /w",
    "s2: RUN a",
    "s2: COPY x /x",
  );
  const any = fc.array(text, { maxLength: 12 }).map((texts) => steps(...texts));

  test("are paired once at most, only with their own kind, and with equal texts where there are some left", () => {
    fc.assert(
      fc.property(any, any, (before, now) => {
        const pairs = alignSteps(before, now);
        const taken = pairs.filter((at) => at !== undefined);
        expect(new Set(taken).size).toBe(taken.length);
        for (const [i, at] of pairs.entries()) if (at !== undefined) expect(before[at]!.kind).toBe(now[i]!.kind);
        const free = before.filter((_, i) => !taken.includes(i)).map(({ instruction }) => instruction);
        for (const [i, at] of pairs.entries()) if (at === undefined) expect(free).not.toContain(now[i]!.instruction);
        expect(alignSteps(before, now)).toEqual(pairs);
        expect(alignSteps(now, now)).toEqual(now.map((_, i) => i));
      }),
    );
  });

  test("that come to one more or less keep all others", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(500), { minLength: 1, maxLength: 30 }), fc.nat(), (numbers, seed) => {
        const all = steps(...numbers.map((number) => `RUN step number ${number * 7919} of all`));
        const gone = seed % all.length;
        const less = all.filter((_, i) => i !== gone);
        expect(alignSteps(all, less)).toEqual(less.map((_, i) => (i < gone ? i : i + 1)));
        expect(alignSteps(less, all).filter((at) => at === undefined).length).toBe(1);
      }),
    );
  });

  test("are aligned without comparing each with each where there are many", () => {
    const many = Array.from({ length: 10_000 }, (_, i) => `RUN step ${i}`);
    const shuffled = [...many.slice(5000), "RUN another", ...many.slice(0, 5000).reverse()];
    const pairs = alignSteps(steps(...many), steps(...shuffled));
    expect(pairs[0]).toBe(5000);
    expect(pairs[5000]).toBeUndefined();
    expect(pairs.at(-1)).toBe(0);
    const alike = alignSteps(
      steps("RUN x", ...many.map(() => "RUN true")),
      steps(...many.map(() => "RUN true"), "RUN y"),
    );
    expect(alike.filter((at) => at !== undefined).length).toBeGreaterThanOrEqual(10_000);
  });
});
