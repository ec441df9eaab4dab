import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareSteps, explainMiss } from "../../src/cache/explain.js";
import type { StepFacts } from "../../src/cache/explainFacts.js";
import {
  type InputIdentity,
  ingredientsOf,
  type KeyInputs,
  keyOf,
  type RunInputs,
  treeIngredients,
} from "../../src/cache/ingredients.js";
import { rootCause, rootCauses } from "../../src/cache/rootCause.js";
import type { Change, MissReason } from "../../src/cache/why.js";
import { digestOfHex } from "../../src/oci/digest.js";
import type { CopyStep, RunStep, Step, WorkdirStep } from "../../src/plan/graph.js";
import type { Json } from "../../src/support/json.js";

const place = { file: "Dockerfile", text: "x", range: { start: { line: 1, column: 0 }, end: { line: 1, column: 1 } } };
const base = { id: 3, stage: 1, label: "[2/3] X", place, parent: { kind: "scratch" }, ignoreCache: false } as const;
const copy: CopyStep = {
  ...{ ...base, kind: "copy", keyword: "COPY", from: { kind: "context", name: "" }, sources: ["a"] },
  heredocs: [{ name: "E", content: "body" }],
  ...{ destination: "/d/", chown: "app:staff", chmod: "0755", exclude: [], link: false, parents: false },
};
const workdir: WorkdirStep = { ...base, kind: "workdir", path: "/w", user: "app" };
const run: RunStep = {
  ...{ ...base, kind: "run", args: ["/bin/sh", "-c", "true"], script: { name: "E", content: "#!/bin/sh" } },
  ...{ env: ["PATH=/bin", "A=1", "B=2"], proxyEnv: [], cwd: "/", user: "root", network: "none", security: "sandbox" },
  ...{ devices: ["vendor.com/class=dev"], mounts: [], mountSources: [] },
  platform: { os: "linux", architecture: "amd64" },
};
const image = (digit: string, platform = "linux/amd64"): InputIdentity => {
  return { kind: "image", digest: digestOfHex(digit.repeat(64)), platform };
};
const observed: RunInputs = {
  mounts: [
    { type: "bind", target: "/b", source: { kind: "context", digest: "1" } },
    { type: "bind", target: "/i", source: { kind: "path", from: image("a") as Json, path: "x" } },
    { type: "cache", target: "/c", owner: { mode: 0o755, uid: 0, gid: 0 } },
    { type: "secret", env: "TOKEN", id: "t", owner: { mode: 0o400, uid: 0, gid: 0 } },
  ],
  hostname: "h",
  hosts: [{ name: "a", ip: "10.0.0.1" }],
  ulimits: [{ name: "nofile", soft: 1, hard: 2 }],
  shmSize: undefined,
  losses: [],
};
const inputs: KeyInputs = {
  parent: { kind: "step", key: "1".repeat(64) },
  sources: { kind: "context", words: [{ matches: [{ name: "a", digest: "2" }] }] },
  mtime: undefined,
  run: observed,
};
const withRun = (change: Partial<RunInputs>): Partial<KeyInputs> => ({ run: { ...observed, ...change } });
const withMount = (index: number, change: object): Partial<KeyInputs> =>
  withRun({ mounts: observed.mounts.map((mount, i) => (i === index ? { ...(mount as object), ...change } : mount)) });

function facts(step: Step, more: Partial<KeyInputs> = {}, instruction = "X"): StepFacts {
  const ingredients = ingredientsOf(step, { ...inputs, ...more });
  return { key: keyOf(ingredients), ingredients, instruction };
}

function changes(before: StepFacts, now: StepFacts): readonly Change[] {
  const reason = explainMiss({ before, now });
  expect(JSON.parse(JSON.stringify(reason))).toEqual(reason);
  return reason.kind === "changed" ? reason.changes : [];
}

/** A change of one field, and all that is to be told of it. */
type Row = [name: string, step: Step, change: Partial<Step>, inputs: Partial<KeyInputs>, told: object[]];

const setting = (name: string, before?: Json, after?: Json) => [{ what: "setting", name, before, after }];
const rows: Row[] = [
  ["the destination", copy, { destination: "/e" }, {}, setting("destination", "/d/", "/e")],
  ["the owner", copy, { chown: "app" }, {}, setting("chown", "app:staff", "app")],
  ["no owner", copy, { chown: undefined }, {}, setting("chown", "app:staff")],
  ["the mode", copy, { chmod: "0644" }, {}, setting("chmod", "0755", "0644")],
  [
    "a heredoc's name",
    copy,
    { heredocs: [{ name: "F", content: "body" }] },
    {},
    [
      { what: "heredoc", name: "E", change: "removed" },
      { what: "heredoc", name: "F", change: "added" },
    ],
  ],
  [
    "a heredoc's body",
    copy,
    { heredocs: [{ name: "E", content: "other" }] },
    {},
    [{ what: "heredoc", name: "E", change: "content" }],
  ],
  ["--link", copy, { link: true }, { parent: undefined }, setting("link", undefined, true)],
  ["--parents", copy, { parents: true }, {}, setting("parents", undefined, true)],
  ["ADD", copy, { keyword: "ADD" }, {}, setting("unpack", undefined, true)],
  [
    "a source that is somewhere else",
    copy,
    {},
    { sources: { kind: "paths", from: image("a"), words: ["a"], exclude: [] } },
    [{ what: "input", role: "source", before: { kind: "context" }, after: { kind: "image" } }],
  ],
  [
    "files",
    copy,
    {},
    { sources: { kind: "context", words: [{ matches: [{ name: "a", digest: "3" }] }] } },
    [{ what: "files", known: false }],
  ],
  [
    "a file's name",
    copy,
    {},
    { sources: { kind: "context", words: [{ matches: [{ name: "b", digest: "2" }] }] } },
    [{ what: "name", before: "a", after: "b" }],
  ],
  [
    "a further word",
    copy,
    {},
    { sources: { kind: "context", words: [{ matches: [{ name: "a", digest: "2" }] }, { matches: [] }] } },
    [{ what: "sources", added: ["source 2"], removed: [] }],
  ],
  ["a fixed time", copy, {}, { mtime: 0 }, setting("mtime", undefined, 0)],
  ["the path", workdir, { path: "/v" }, {}, setting("path", "w", "v")],
  ["the user of WORKDIR", workdir, { user: "root" }, {}, setting("user", "app", "0:0")],
  ["the command", run, { args: ["/bin/sh", "-c", "false"] }, {}, [{ what: "command", before: "true", after: "false" }]],
  [
    "the shell",
    run,
    { args: ["/bin/bash", "-c", "true"] },
    {},
    [{ what: "shell", before: "/bin/sh -c", after: "/bin/bash -c" }],
  ],
  ["the form", run, { args: ["true"] }, {}, [{ what: "command", before: "true", after: '["true"]' }]],
  [
    "where words are divided",
    { ...run, args: ["a b", "c", "d"] },
    { args: ["a", "b c", "d"] },
    {},
    [{ what: "command", before: '["a b","c","d"]', after: '["a","b c","d"]' }],
  ],
  [
    "the script",
    run,
    { script: { name: "E", content: "#!/bin/bash" } },
    {},
    [{ what: "heredoc", name: "E", change: "content" }],
  ],
  ["no script", run, { script: undefined }, {}, [{ what: "heredoc", name: "E", change: "removed" }]],
  [
    "a variable",
    run,
    { env: ["PATH=/bin", "A=1", "B=3"] },
    {},
    [{ what: "variable", name: "B", before: "2", after: "3" }],
  ],
  [
    "a variable that comes",
    run,
    { env: ["PATH=/bin", "A=1", "B=2", "C="] },
    {},
    [{ what: "variable", name: "C", after: "" }],
  ],
  ["a variable that goes", run, { env: ["PATH=/bin", "B=2"] }, {}, [{ what: "variable", name: "A", before: "1" }]],
  ["the order of variables", run, { env: ["A=1", "PATH=/bin", "B=2"] }, {}, [{ what: "variableOrder" }]],
  ["the working directory", run, { cwd: "/w" }, {}, setting("cwd", "/", "/w")],
  ["the user", run, { user: "app" }, {}, setting("user", "root", "app")],
  ["the network", run, { network: "host" }, {}, setting("network", "none", "host")],
  ["the security mode", run, { security: "insecure" }, {}, setting("security", "sandbox", "insecure")],
  ["a device", run, { devices: [] }, {}, [{ what: "devices", added: [], removed: ["vendor.com/class=dev"] }]],
  [
    "the platform",
    run,
    { platform: { os: "linux", architecture: "arm64" } },
    {},
    setting("platform", "linux/amd64", "linux/arm64"),
  ],
  ["the host name", run, {}, withRun({ hostname: "i" }), setting("hostname", "h", "i")],
  [
    "a host",
    run,
    {},
    withRun({ hosts: [{ name: "b", ip: "10.0.0.1" }] }),
    [{ what: "hosts", added: ["b"], removed: ["a"] }],
  ],
  [
    "a limit",
    run,
    {},
    withRun({ ulimits: [{ name: "nofile", soft: 1, hard: 3 }] }),
    [{ what: "ulimits", added: ["nofile=1:3"], removed: ["nofile=1:2"] }],
  ],
  ["the size of /dev/shm", run, {}, withRun({ shmSize: 1024 }), setting("shmSize", undefined, 1024)],
  [
    "what the sandbox cannot keep",
    run,
    {},
    withRun({ losses: ["owners"] }),
    [{ what: "losses", added: ["owners"], removed: [] }],
  ],
  [
    "no mounts",
    run,
    {},
    withRun({ mounts: observed.mounts.slice(1) }),
    [{ what: "mount", target: "/b", type: "bind", change: "removed" }],
  ],
  [
    "what a mount shows of a context",
    run,
    {},
    withMount(0, { source: { kind: "context", digest: "2" } }),
    [{ what: "files", source: { kind: "mount", target: "/b" }, known: false }],
  ],
  [
    "whether a mount can be written",
    run,
    {},
    withMount(0, { writable: true }),
    [{ what: "mount", target: "/b", type: "bind", change: "changed", fields: [{ name: "writable", after: true }] }],
  ],
  [
    "the path that a mount shows",
    run,
    {},
    withMount(1, { source: { kind: "path", from: image("a"), path: "y" } }),
    [
      {
        what: "mount",
        target: "/i",
        type: "bind",
        change: "changed",
        fields: [{ name: "path", before: "x", after: "y" }],
      },
    ],
  ],
  [
    "the image that a mount shows",
    run,
    {},
    withMount(1, { source: { kind: "path", from: image("b"), path: "x" } }),
    [{ what: "input", role: "mount", mount: "/i", before: { kind: "image" }, after: { kind: "image" } }],
  ],
  [
    "the first content of a cache",
    run,
    {},
    withMount(2, { seed: image("b") }),
    [{ what: "input", role: "mount", mount: "/c", after: { kind: "image" } }],
  ],
  [
    "the owner of a cache",
    run,
    {},
    withMount(2, { owner: { mode: 0o755, uid: 7, gid: 0 } }),
    [{ what: "mount", target: "/c", type: "cache", change: "changed", fields: [{ name: "uid", before: 0, after: 7 }] }],
  ],
  [
    "the id of a secret",
    run,
    {},
    withMount(3, { id: "u" }),
    [
      {
        what: "mount",
        target: "$TOKEN",
        type: "secret",
        change: "changed",
        fields: [{ name: "id", before: "t", after: "u" }],
      },
    ],
  ],
  [
    "the kind of a mount",
    run,
    {},
    withMount(2, { type: "tmpfs", owner: undefined }),
    [
      {
        what: "mount",
        target: "/c",
        type: "tmpfs",
        change: "changed",
        fields: [{ name: "type", before: "cache", after: "tmpfs" }],
      },
    ],
  ],
  [
    "the step below",
    run,
    {},
    { parent: { kind: "step", key: "3".repeat(64) } },
    [{ what: "input", role: "parent", before: { kind: "step" }, after: { kind: "step" } }],
  ],
  [
    "the base below",
    run,
    {},
    { parent: image("a") },
    [{ what: "input", role: "parent", before: { kind: "step" }, after: { kind: "image" } }],
  ],
  [
    "a tree below",
    run,
    {},
    { parent: { kind: "tree", digest: "1" } },
    [{ what: "input", role: "parent", after: { kind: "tree", digest: "1" } }],
  ],
  [
    "nothing below",
    run,
    {},
    { parent: { kind: "scratch" } },
    [{ what: "input", role: "parent", after: { kind: "scratch" } }],
  ],
];

describe("a change of one ingredient gives another key, and is told as just that", () => {
  test.each(rows)("%s", (_, step, change, more, told) => {
    const [before, now] = [facts(step), facts({ ...step, ...change } as Step, more)];
    expect(now.key).not.toBe(before.key);
    const found = changes(before, now);
    expect(found.length).toBe(told.length);
    expect(found).toMatchObject(JSON.parse(JSON.stringify(told)) as object[]);
    expect(changes(now, before).length).toBe(told.length);
  });

  test("several at once are all told, and nothing else", () => {
    const independent = rows.filter(
      ([name, step]) => step === run && !/form|shell|command|variable|mount|cache|secret|below|script/.test(name),
    );
    fc.assert(
      fc.property(
        fc.subarray(independent, { minLength: 1 }),
        fc.subarray([
          ["A", "x"],
          ["B", "y"],
          ["C", "z"],
        ]),
        (chosen, variables) => {
          const env = new Map([["PATH", "/bin"], ["A", "1"], ["B", "2"], ...(variables as [string, string][])]);
          const step = {
            ...run,
            ...Object.assign({}, ...chosen.map(([, , change]) => change)),
            env: [...env].map((pair) => pair.join("=")),
          };
          const more = {
            run: Object.assign({}, observed, ...chosen.map(([, , , { run: one }]) => (one ? different(one) : {}))),
          };
          const found = changes(facts(run), facts(step as Step, more));
          const wanted = chosen.flatMap(([, , , , told]) => told) as { what: string; name?: string }[];
          const names = (all: readonly object[]) =>
            all.map((one) => `${(one as Change).what} ${(one as { name?: string }).name ?? ""}`).sort();
          expect(names(found)).toEqual(names([...wanted, ...variables.map(([name]) => ({ what: "variable", name }))]));
        },
      ),
    );
  });

  test("an ingredient of another version of this program is told by its name", () => {
    const [before, now] = [facts(run), facts(run)];
    const other = (of: StepFacts, change: object): StepFacts => {
      const ingredients = { ...(of.ingredients as object), ...change } as Json;
      return { ...of, ingredients, key: keyOf(ingredients) };
    };
    expect(changes(before, other(now, { colour: "red" }))).toEqual([{ what: "other", name: "colour" }]);
    expect(changes(before, other(now, { semantics: 99 }))).toMatchObject([{ what: "semantics", after: 99 }]);
    expect(changes(before, other(now, { version: 99 }))).toMatchObject([{ what: "version", after: 99 }]);
    expect(changes(before, other(now, { instruction: "copy" }))).toEqual([
      { what: "kind", before: "run", after: "copy" },
    ]);
    for (const damaged of [null, 1, [], "x", {}] as Json[]) {
      expect(changes({ ...before, ingredients: damaged, key: "x" }, now).length).toBeGreaterThan(0);
    }
  });

  test("anything at all in the place of ingredients is compared without failing", () => {
    // JSON knows no negative zero.
    const written = fc.jsonValue().map((value): unknown => JSON.parse(JSON.stringify(value)));
    fc.assert(
      fc.property(
        written,
        written,
        fc.constantFrom(...Object.keys(facts(run).ingredients as object), "sources", "inline"),
        (a, b, name) => {
          const of = (value: unknown): StepFacts => {
            const ingredients = { ...(facts(run).ingredients as object), [name]: value } as Json;
            return { key: keyOf(ingredients), ingredients, instruction: "X" };
          };
          const [before, now] = [of(a), of(b)];
          if (before.key !== now.key) expect(changes(before, now).length).toBeGreaterThan(0);
        },
      ),
    );
  });

  test("a directory that is a base is told by its files", () => {
    const of = (digest: string): StepFacts => {
      const ingredients = treeIngredients(digest, undefined);
      return { key: keyOf(ingredients), ingredients, instruction: "FROM x" };
    };
    expect(changes(of("1"), of("2"))).toEqual([{ what: "files", source: { kind: "tree" }, known: false }]);
  });
});

describe("values that look secret", () => {
  test("are never told, of either build", () => {
    const step = (env: string[]): Step => ({ ...run, env });
    const before = facts(
      step(["NPM_TOKEN=hunter1", "dbPassword=hunter2", "INDEX=https://me:hunter3@x.test/", "SEEN=1"]),
    );
    const now = facts(step(["NPM_TOKEN=hunter4", "INDEX=https://me:hunter5@x.test/", "SEEN=2", "API_KEY=hunter6"]));
    const reason = explainMiss({ before, now });
    expect(JSON.stringify(reason)).not.toContain("hunter");
    expect(reason.kind === "changed" && reason.changes).toEqual([
      { what: "variable", name: "NPM_TOKEN", before: "****", after: "****", masked: true },
      { what: "variable", name: "dbPassword", before: "****", masked: true },
      { what: "variable", name: "INDEX", before: "https://x.test/", after: "https://x.test/" },
      { what: "variable", name: "SEEN", before: "1", after: "2" },
      { what: "variable", name: "API_KEY", after: "****", masked: true },
    ]);
  });
});

describe("a miss", () => {
  const now = facts(run);
  const builds = compareSteps([], []);
  test.each<[string, Partial<Parameters<typeof explainMiss>[0]>, MissReason]>([
    ["of a project that was never built", {}, { kind: "first", scope: "project" }],
    ["of a step that is new", { builds }, { kind: "first", scope: "step" }],
    [
      "where the cache is not asked",
      { disabled: "no-cache", before: facts(workdir) },
      { kind: "disabled", by: "no-cache" },
    ],
    [
      "of what was evicted",
      { lost: { kind: "evicted", at: 1, why: "old" }, before: facts(workdir) },
      { kind: "evicted", at: 1, why: "old" },
    ],
    ["of what is damaged", { lost: { kind: "unusable", why: "damaged" } }, { kind: "unusable", why: "damaged" }],
    ["of what is gone, nobody knows why", { before: now }, { kind: "evicted" }],
  ])("%s", (_, input, reason) => expect(explainMiss({ now, ...input })).toEqual(reason));

  test("tells how the instruction was edited, beyond blanks", () => {
    const edited = (a: string, b: string) =>
      explainMiss({ before: { ...facts(workdir), instruction: a }, now: { ...now, instruction: b } });
    expect(edited("RUN  a", "RUN b")).toMatchObject({ instruction: { before: "RUN a", after: "RUN b" } });
    expect(edited("RUN  a\n", "RUN a")).not.toHaveProperty("instruction");
  });
});

describe("the beginning of a chain of misses", () => {
  /** Steps as they stand in one stage, each upon the one before. */
  const chain = (...texts: string[]): StepFacts[] => {
    const steps: StepFacts[] = [];
    for (const text of texts) {
      const parent: InputIdentity = steps.length === 0 ? image("a") : { kind: "step", key: steps.at(-1)!.key };
      steps.push(facts({ ...run, args: ["/bin/sh", "-c", text] }, { parent }, `RUN ${text}`));
    }
    return steps;
  };
  const reasonsOf = (before: StepFacts[], now: StepFacts[]): (MissReason | undefined)[] => {
    const known = (steps: StepFacts[]) => steps.map((step) => ({ ...step, stage: "s", kind: "run" }));
    const builds = compareSteps(known(before), known(now));
    return now.map((step, i) => {
      const at = builds.alignment[i];
      const same = at === undefined ? undefined : before[at];
      return same?.key === step.key ? undefined : explainMiss({ now: step, before: same, builds });
    });
  };

  test("is the step that was edited", () => {
    const reasons = reasonsOf(chain("a", "build one", "c", "d"), chain("a", "build two", "c", "d"));
    expect(reasons[2]).toMatchObject({
      changes: [{ what: "input", role: "parent", step: 1, same: true, after: { instruction: "RUN build two" } }],
    });
    expect(rootCause(3, reasons)).toMatchObject({
      steps: [3, 2, 1],
      instruction: "RUN build two",
      reason: { changes: [{ what: "command" }] },
    });
    expect(rootCause(1, reasons)?.steps).toEqual([1]);
    expect(rootCause(0, reasons)).toBeUndefined();
  });

  test("is a step that was put between, or the one after what was taken away", () => {
    const added = reasonsOf(chain("alpha", "gamma", "delta"), chain("alpha", "beta is new", "gamma", "delta"));
    expect(rootCause(3, added)).toMatchObject({ steps: [3, 2, 1], reason: { kind: "first", scope: "step" } });
    expect(added[2]).toMatchObject({ changes: [{ before: { step: 0 }, after: { step: 1 } }] });
    const removed = reasonsOf(chain("alpha", "beta", "gamma", "delta"), chain("alpha", "gamma", "delta"));
    expect(rootCause(2, removed)).toMatchObject({ steps: [2, 1], reason: { changes: [{ what: "input", step: 0 }] } });
  });

  test("is more than one step where several things changed", () => {
    const both: MissReason = {
      kind: "changed",
      changes: [
        { what: "input", role: "parent", step: 0, same: true },
        { what: "input", role: "source", step: 1, same: true },
      ],
    };
    const own: MissReason = { kind: "changed", changes: [{ what: "variableOrder" }] };
    expect(rootCauses(2, [own, { kind: "evicted" }, both]).map(({ steps }) => steps)).toEqual([
      [2, 0],
      [2, 1],
    ]);
    expect(
      rootCauses(0, [{ kind: "changed", changes: [{ what: "input", role: "parent", step: 0, same: true }] }]),
    ).toEqual([]);
  });
});

/** What of the observations is not as usual. */
function different(run: RunInputs): Partial<RunInputs> {
  return Object.fromEntries(Object.entries(run).filter(([name, value]) => value !== observed[name as keyof RunInputs]));
}
