/** Past builds laid over a Dockerfile, their sums, and their replay. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { causesOf, type MissCauses } from "../../src/advice/missCauses.js";
import { layOver } from "../../src/advice/pastBuilds.js";
import { Replay, type ReplayPlan, savingOf, timeOf, togetherSaved } from "../../src/advice/replay.js";
import { tally } from "../../src/advice/tallies.js";
import type { AlignableStep } from "../../src/cache/alignSteps.js";
import type { BuildStep, NamedBuild } from "../../src/store/builds.js";
import { argument, base, below, files, type PastRow, pastBuild } from "./history.js";

const NAMES = ["COPY a /a", "RUN one", "COPY b /b", "RUN two", "COPY --from=x c /c", "RUN three"] as const;

function alignable(instructions: readonly string[]): AlignableStep[] {
  return instructions.map((instruction) => ({
    ...{ stage: "stage-0", instruction, key: "" },
    kind: instruction.startsWith("RUN") ? "run" : "copy",
  }));
}

/** Inputs of each step, some of those before it. */
const graphs = fc.tuple(
  ...NAMES.map((_, at) =>
    at === 0 ? fc.constant<number[]>([]) : fc.subarray([...Array(at).keys()], { maxLength: Math.min(at, 2) }),
  ),
);

const ownReasons = fc.oneof(
  fc.constant({ kind: "first", scope: "step" }),
  fc.constant({ kind: "evicted" }),
  fc.constant(undefined),
  fc.constant({ kind: "changed", changes: [], truncated: true }),
  fc.subarray(["a", "b/c", "b/d", "x"], { minLength: 1 }).map((paths) => files(...paths)),
  fc.constantFrom("A", "B").map(argument),
  fc.constant(base("debian:12")),
);

/** What became of a step: the cache answered, something of its own changed, or something below it. */
const fates = fc.oneof(
  fc.constant("hit" as const),
  fc.constant("below" as const),
  ownReasons.map((reason) => ({ reason })),
);

const histories = graphs.chain((inputs) =>
  fc.record({
    inputs: fc.constant(inputs),
    builds: fc.array(
      fc.array(fc.tuple(fates, fc.integer({ min: 0, max: 5000 })), {
        minLength: NAMES.length,
        maxLength: NAMES.length,
      }),
      { maxLength: 6 },
    ),
  }),
);

type History = typeof histories extends fc.Arbitrary<infer T> ? T : never;

function buildsOf({ inputs, builds }: History): NamedBuild[] {
  return builds.map((fateOf, b) =>
    pastBuild(
      `build-${b}`,
      NAMES.map((instruction, at): PastRow => {
        const [fate, duration] = fateOf[at]!;
        const row = { instruction, inputs: inputs[at]!, duration };
        if (fate === "hit" || (fate === "below" && inputs[at]!.length === 0)) return { ...row, outcome: "cached" };
        if (fate === "below") return { ...row, reason: below(...inputs[at]!), outcome: "done" };
        return { ...row, reason: fate.reason, outcome: "done" };
      }),
    ),
  );
}

function planOf(inputs: readonly (readonly number[])[]): ReplayPlan {
  return { steps: NAMES.map((_, at) => ({ origin: at, inputs: inputs[at]! })) };
}

describe("a history", () => {
  test("replayed on the Dockerfile that made it comes to what it came to", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const named = buildsOf(history);
        const past = layOver(named, alignable(NAMES));
        const replayed = new Replay(past).run(planOf(history.inputs));
        for (const [i, { steps }] of named.entries()) {
          const made = steps.filter(({ outcome }) => outcome === "done");
          expect([...replayed[i]!.keys()]).toEqual(made.map(({ id }) => id));
          expect([...replayed[i]!.values()]).toEqual(made.map(({ duration }) => duration));
        }
        expect(savingOf(replayed, new Replay(past).run(planOf(history.inputs)))).toEqual({
          time: 0,
          builds: 0,
          misses: 0,
        });
      }),
    );
  });

  test("has sums that are those of its steps", () => {
    fc.assert(
      fc.property(histories, fc.integer({ min: 0, max: NAMES.length }), (history, kept) => {
        const named = buildsOf(history);
        const past = layOver(named, alignable(NAMES.slice(0, kept)));
        const { steps, totals } = tally(past, kept);
        const all = named.flatMap((build) => build.steps);
        const made = all.filter(({ outcome }) => outcome === "done");
        const sum = (of: (step: BuildStep) => number): number => made.reduce((total, step) => total + of(step), 0);
        expect(totals).toMatchObject({ seen: all.length, misses: made.length, spent: sum(({ duration }) => duration) });
        const parts = [...steps, totals.gone].reduce((total, { own, followed }) => total + own + followed, 0);
        expect(parts + totals.shared).toBe(totals.spent);
        for (const step of steps) {
          expect(step.own).toBeLessThanOrEqual(step.spent);
          expect(step.misses).toBeLessThanOrEqual(step.seen);
          for (const { builds, names } of step.causes) {
            expect(builds).toBeLessThanOrEqual(step.misses);
            for (const name of names) expect(name.builds).toBeLessThanOrEqual(builds);
          }
        }
      }),
    );
  });

  test("never costs more for a cause that is gone, nor saves more than it has cost", () => {
    fc.assert(
      fc.property(histories, fc.constantFrom("file", "variable", "base", "first"), (history, kind) => {
        const past = layOver(buildsOf(history), alignable(NAMES));
        const plan = planOf(history.inputs);
        const replay = new Replay(past);
        const before = replay.run(plan);
        const after = replay.run({ ...plan, removes: (cause) => cause.kind === kind });
        const { time } = savingOf(before, after);
        expect(time).toBeGreaterThanOrEqual(0);
        expect(time).toBeLessThanOrEqual(timeOf(before));
        expect(togetherSaved(before, [after, after])).toBe(time);
        expect(togetherSaved(before, [])).toBe(0);
      }),
    );
  });
});

describe("what followed from a step", () => {
  const NOW = ["COPY . /src", "COPY conf /etc", "RUN make", "RUN test"];

  function tallied(...builds: readonly (readonly PastRow[])[]) {
    const past = layOver(
      builds.map((rows, i) => pastBuild(`b${i}`, rows)),
      alignable(NOW),
    );
    return tally(past, NOW.length);
  }

  const row = (at: number, reason?: unknown): PastRow => ({ instruction: NOW[at]!, ...(reason ? { reason } : {}) });

  it("is the time of all that had to be made because of it alone", () => {
    const { steps } = tallied([
      row(0, files("src/a.c", "src/b.c")),
      row(1, below(0)),
      row(2, below(1)),
      row(3, below(2)),
    ]);
    expect(steps.map(({ own, followed, followers }) => [own, followed, followers])).toEqual([
      [1000, 3000, 3],
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(steps[0]!.causes).toEqual([
      {
        ...{ kind: "file", builds: 1 },
        names: [
          { name: "src/a.c", builds: 1 },
          { name: "src/b.c", builds: 1 },
        ],
        directories: [{ name: "src", builds: 1 }],
      },
    ]);
    expect(steps[3]!.causes).toEqual([{ kind: "below", builds: 1, names: [], directories: [] }]);
  });

  it("is nobody's where two steps began it", () => {
    const { steps, totals } = tallied([
      { ...row(0, files("a")) },
      { ...row(1, files("conf")), inputs: [] },
      { ...row(2, below(0, 1)), inputs: [0, 1] },
      row(3),
    ]);
    expect(steps.map(({ followed }) => followed)).toEqual([0, 0, 0, 0]);
    expect(totals.shared).toBe(1000);
  });

  it("goes back to a step that is there no more", () => {
    const { totals } = tallied([
      { instruction: "WORKDIR /var/lib/things-of-then", reason: { kind: "first" } },
      { ...row(3, below(0)) },
    ]);
    expect(totals.gone).toEqual({ seen: 1, misses: 1, spent: 1000, own: 1000, followed: 1000 });
  });
});

describe("a replay", () => {
  const NOW = ["COPY . /src", "RUN install", "RUN build"];
  const past = layOver(
    [
      pastBuild("b", [
        { instruction: NOW[0]!, reason: files("src/a.c") },
        { instruction: NOW[1]!, reason: below(0), duration: 9000 },
        { instruction: NOW[2]!, reason: below(1) },
      ]),
    ],
    alignable(NOW),
  );
  const replay = new Replay(past);
  const before = replay.run({ steps: NOW.map((_, at) => ({ origin: at, inputs: at === 0 ? [] : [at - 1] })) });

  it("answers a step that stands before what changed", () => {
    const after = replay.run({
      steps: [
        { origin: 1, inputs: [] },
        { origin: 0, inputs: [0] },
        { origin: 2, inputs: [1] },
      ],
    });
    expect(savingOf(before, after)).toEqual({ time: 9000, builds: 1, misses: 1 });
  });

  it.each([
    ["package.json", 9000],
    ["src/a.c", 0],
  ])("takes of a COPY of %s what that takes", (path, time) => {
    const after = replay.run({
      steps: [
        { origin: 0, inputs: [], takes: (changed) => changed === path, cheap: true },
        { origin: 1, inputs: [0] },
        { origin: 0, inputs: [1] },
        { origin: 2, inputs: [2] },
      ],
    });
    expect(savingOf(before, after).time).toBe(time);
  });

  it("lets a step miss that is put on top of what changed", () => {
    const hit = layOver(
      [
        pastBuild("b", [
          { instruction: NOW[0]!, reason: files("a") },
          { instruction: NOW[1]!, inputs: [], duration: 500 },
        ]),
      ],
      alignable(NOW),
    );
    const [apart] = new Replay(hit).run({
      steps: [
        { origin: 0, inputs: [] },
        { origin: 1, inputs: [] },
      ],
    });
    const [above] = new Replay(hit).run({
      steps: [
        { origin: 0, inputs: [] },
        { origin: 1, inputs: [0] },
      ],
    });
    expect([...apart!]).toEqual([[0, 1000]]);
    expect([...above!]).toEqual([
      [0, 1000],
      [1, 500],
    ]);
  });

  it("leaves alone what was answered although something below was made again", () => {
    const rows = [{ instruction: NOW[0]!, reason: files("a") }, { instruction: NOW[1]! }];
    const [made] = new Replay(layOver([pastBuild("b", rows)], alignable(NOW))).run({
      steps: [
        { origin: 0, inputs: [] },
        { origin: 1, inputs: [0] },
      ],
    });
    expect([...made!.keys()]).toEqual([0]);
  });
});

describe("the causes of a miss", () => {
  const cases: readonly (readonly [string, unknown, MissCauses])[] = [
    ["nothing", undefined, { own: [{ kind: "other" }], from: [] }],
    ["a text", "because", { own: [{ kind: "other" }], from: [] }],
    ["a reason of a later version", { kind: "cosmic" }, { own: [{ kind: "other" }], from: [] }],
    ["no changes", { kind: "changed", changes: [] }, { own: [{ kind: "other" }], from: [] }],
    [
      "files",
      files("a", "b"),
      {
        own: [
          { kind: "file", path: "a" },
          { kind: "file", path: "b" },
        ],
        from: [],
      },
    ],
    [
      "files that are not all known",
      { ...files("a"), truncated: true },
      { own: [{ kind: "file", path: "a" }, { kind: "files" }], from: [] },
    ],
    [
      "files of which the list is gone",
      { kind: "changed", changes: [{ what: "files", source: { kind: "tree" }, known: false }] },
      { own: [{ kind: "files" }], from: [] },
    ],
    [
      "names of a wildcard",
      { kind: "changed", changes: [{ what: "matches", added: ["a"], removed: ["b"] }] },
      {
        own: [
          { kind: "file", path: "a" },
          { kind: "file", path: "b" },
        ],
        from: [],
      },
    ],
    ["an argument", argument("A"), { own: [{ kind: "variable", name: "A", argument: true }], from: [] }],
    ["a base", base("debian:12"), { own: [{ kind: "base", reference: "debian:12" }], from: [] }],
    [
      "another base",
      {
        kind: "changed",
        changes: [
          { what: "input", before: { kind: "image", reference: "a" }, after: { kind: "image", reference: "b" } },
        ],
      },
      { own: [{ kind: "instruction" }], from: [] },
    ],
    ["steps below", below(1, 2, 1), { own: [], from: [1, 2] }],
    [
      "another step below",
      { kind: "changed", changes: [{ what: "input", role: "parent", step: 1 }] },
      { own: [{ kind: "instruction" }], from: [] },
    ],
    [
      "a command that was edited",
      { kind: "changed", changes: [{ what: "command", before: "a", after: "b" }] },
      { own: [{ kind: "instruction" }], from: [] },
    ],
  ];

  it.each(cases)("are read from %s", (_what, reason, expected) => {
    expect(causesOf(reason)).toEqual(expected);
  });

  it("are something for any JSON, and nothing throws", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (reason, changes) => {
        for (const one of [reason, { kind: "changed", changes: [changes, reason] }]) {
          const { own, from } = causesOf(one);
          expect(own.length + from.length).toBeGreaterThan(0);
        }
      }),
    );
  });
});

describe("builds that tell too little", () => {
  it.each([
    ["have no steps", []],
    ["do not tell what their steps are made from", [{ label: "[1/1] RUN a", outcome: "done", duration: 1 }]],
  ] as const)("and %s are left out", (_what, steps) => {
    expect(layOver([{ ...pastBuild("b", []), steps: [...steps] }], alignable(NAMES))).toEqual([]);
  });
});
