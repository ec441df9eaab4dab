/**
 * Each field of a step and of what it is keyed with, changed by itself. Whoever adds a field has to say here whether it
 * counts: without that this file does not compile.
 */
import { describe, expect, test } from "vitest";
import { ContentKeyer } from "../../src/build/contentKeys.js";
import { ingredientsOf, type KeyInputs, keyOf, type RunInputs } from "../../src/cache/ingredients.js";
import { digestOfHex } from "../../src/oci/digest.js";
import type { Platform } from "../../src/oci/platform.js";
import type { CopyStep, InlineFile, Plan, RunStep, Step, WorkdirStep } from "../../src/plan/graph.js";

/** What becomes of the key when a field is changed. */
type Verdict<T> =
  /** Each of these values makes another key. */
  | { readonly counts: readonly T[] }
  /** These values make the same key, and why that is right. */
  | { readonly same: readonly T[]; readonly why: string }
  /** The field counts by way of what is found with it, which is keyed as this. */
  | { readonly through: keyof KeyInputs | "run.mounts"; readonly why: string };

type Verdicts<T> = { readonly [K in keyof T]-?: Verdict<T[K]> };

const place = { file: "Dockerfile", text: "x", range: { start: { line: 1, column: 0 }, end: { line: 1, column: 1 } } };
const amd64: Platform = { os: "linux", architecture: "amd64" };
const base = { id: 1, stage: 1, label: "[2/3] X", place, parent: { kind: "step", id: 0 }, ignoreCache: false } as const;

const copy: CopyStep = {
  ...base,
  kind: "copy",
  keyword: "ADD",
  from: { kind: "context", name: "" },
  sources: ["a"],
  sourceRanges: [place.range],
  heredocs: [{ name: "E", content: "body" }],
  destination: "/d/",
  chown: "app:staff",
  chmod: "0755",
  exclude: ["*.md"],
  link: false,
  parents: false,
  checksum: undefined,
  keepGitDir: undefined,
  unpack: undefined,
};
const workdir: WorkdirStep = { ...base, kind: "workdir", path: "/w", user: "app" };
const run: RunStep = {
  ...base,
  kind: "run",
  args: ["/bin/sh", "-c", "true"],
  script: { name: "E", content: "#!/bin/sh" },
  env: ["PATH=/bin", "A=1"],
  proxyEnv: ["http_proxy=x"],
  cwd: "/w",
  user: "root",
  network: "default",
  security: "sandbox",
  devices: ["vendor.com/class=dev"],
  mounts: ["type=tmpfs,target=/t"],
  mountSources: [undefined],
  mountPlaces: [place],
  platform: amd64,
  programs: amd64,
};
const observed: RunInputs = {
  mounts: [{ type: "tmpfs", target: "/t" }],
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

const PLACE = { ...place, file: "Other" };
const PLATFORMS: { readonly [K in keyof Platform]-?: Verdict<Platform[K]> } = {
  os: { counts: ["windows"] },
  architecture: { counts: ["arm64", "386"] },
  variant: { counts: ["v2"] },
  osVersion: { counts: ["10.0.1"] },
};
const otherPlatforms = Object.entries(PLATFORMS).flatMap(([name, verdict]) =>
  "counts" in verdict ? (verdict.counts as readonly string[]).map((value) => ({ ...amd64, [name]: value })) : [],
);
/** A file given in the Dockerfile: its name and its content. */
const otherFiles = ({ name, content }: InlineFile): InlineFile[] => [
  { name: `${name}2`, content },
  { name, content: `${content}\n` },
];

const STEP = {
  id: { same: [7], why: "its number is not what it makes" },
  stage: { same: [7], why: "nor is its stage" },
  label: { same: ["[5/9] Y"], why: "for people" },
  place: { same: [PLACE], why: "for people" },
  parent: { through: "parent", why: "by what the step below is keyed as" },
  ignoreCache: { same: [true], why: "whether the cache is asked changes nothing of what is recorded" },
} satisfies { readonly [name: string]: Verdict<unknown> };

const COPY: Verdicts<CopyStep> = {
  ...STEP,
  kind: { same: ["copy"], why: "told apart below" },
  keyword: { counts: ["COPY"] },
  from: { through: "sources", why: "by what is found in it" },
  sources: { through: "sources", why: "by what they mean" },
  sourceRanges: { same: [undefined], why: "for errors" },
  heredocs: {
    counts: [[], ...otherFiles(copy.heredocs[0]!).map((file) => [file]), [...copy.heredocs, copy.heredocs[0]!]],
  },
  destination: { counts: ["/d", "/e/", "/"] },
  chown: { counts: [undefined, "app", "app:7", "other:staff", "0"] },
  chmod: { counts: [undefined, "0750", "u=rwx", "4755"] },
  exclude: { through: "sources", why: "by what it leaves" },
  link: { counts: [true] },
  parents: { counts: [true] },
  checksum: { through: "sources", why: "a download is what it is, whether that was expected or not" },
  keepGitDir: { through: "sources", why: "it is part of what a git source is called" },
  unpack: { counts: [false] },
};

const WORKDIR: Verdicts<WorkdirStep> = {
  ...STEP,
  kind: { same: ["workdir"], why: "told apart below" },
  path: { counts: ["/w/x", "/v"] },
  user: { counts: ["root", "app:staff", "7"] },
};

const RUN: Verdicts<RunStep> = {
  ...STEP,
  kind: { same: ["run"], why: "told apart below" },
  args: {
    counts: [
      ["/bin/sh", "-ec", "true"],
      ["/bin/sh", "-c", "false"],
      ["/bin/sh", "-c true"],
      ["/bin/sh", "-c", "true", ""],
    ],
  },
  script: { counts: [undefined, ...otherFiles(run.script!)] },
  env: { counts: [[], ["A=1", "PATH=/bin"], ["PATH=/bin", "A=2"], ["PATH=/bin", "A=1", "B="], ["PATH=/bin"]] },
  proxyEnv: { same: [[], ["http_proxy=y"]], why: "who asks whom is not what a build is (BuildKit)" },
  cwd: { counts: ["/", "/w/x"] },
  user: { counts: ["", "0", "app", "root:root"] },
  network: { counts: [undefined, "none", "host"] },
  security: { counts: [undefined, "insecure"] },
  devices: { counts: [[], ["vendor.com/class=other"]] },
  mounts: { through: "run.mounts", why: "typed and with their defaults" },
  mountSources: { through: "run.mounts", why: "by what is found there" },
  mountPlaces: { same: [undefined], why: "for errors" },
  platform: { counts: otherPlatforms },
  programs: {
    same: [undefined, { os: "linux", architecture: "arm64" }],
    why: "follows from the base, which is in the parent",
  },
};

const RUN_INPUTS: Verdicts<RunInputs> = {
  mounts: { counts: [[], [{ type: "tmpfs", target: "/u" }], [...observed.mounts, ...observed.mounts]] },
  hostname: { counts: ["", "other"] },
  hosts: { counts: [[], [{ name: "b", ip: "10.0.0.1" }], [...observed.hosts, { name: "b", ip: "10.0.0.1" }]] },
  ulimits: {
    counts: [
      [],
      [{ name: "core", soft: 1, hard: 2 }],
      [{ name: "nofile", soft: 0, hard: 2 }],
      [{ name: "nofile", soft: 1, hard: 3 }],
    ],
  },
  shmSize: { counts: [0, 1 << 20] },
  losses: { counts: [["owners"]] },
};

const image = { kind: "image", digest: digestOfHex("a".repeat(64)), platform: "linux/amd64" } as const;
const words = (...matches: readonly { readonly name?: string; readonly digest: string }[]) =>
  ({ kind: "context", words: [{ matches }] }) as const;
const paths = { kind: "paths", from: image, words: ["/a"], exclude: ["x"] } as const;
const KEY_INPUTS: Verdicts<KeyInputs> = {
  parent: {
    counts: [
      undefined,
      { kind: "scratch" },
      { kind: "step", key: "2".repeat(64) },
      image,
      { ...image, digest: digestOfHex("b".repeat(64)) },
      { ...image, platform: "linux/arm64" },
      { kind: "tree", digest: "1".repeat(64) },
      { kind: "content", digest: "1".repeat(64), platform: "" },
      { kind: "content", digest: "1".repeat(64), platform: "linux/amd64" },
    ],
  },
  sources: {
    counts: [
      undefined,
      words(),
      words({ digest: "2" }),
      words({ name: "b", digest: "2" }),
      words({ name: "a", digest: "3" }),
      words({ name: "a", digest: "2" }, { name: "a", digest: "2" }),
      { kind: "context", words: [{ matches: [{ name: "a", digest: "2" }], shared: [["0:", "1:"]] }] },
      { kind: "context", words: [{ matches: [{ name: "a", digest: "2" }], unpack: true }] },
      { kind: "context", words: [{ matches: [{ name: "a", digest: "2" }], exclude: ["x"] }] },
      { kind: "context", words: [{ matches: [{ name: "a", digest: "2" }] }, { matches: [] }] },
      { kind: "selection", words: [{ matches: [{ name: "a", digest: "2" }] }] },
      { kind: "selection", words: [{ matches: [{ name: "a", digest: "2" }] }], attributes: "3" },
      paths,
      { ...paths, words: ["/b"] },
      { ...paths, words: ["/a", "/a"] },
      { ...paths, exclude: [] },
      { ...paths, from: { ...image, digest: digestOfHex("b".repeat(64)) } },
    ],
  },
  mtime: { counts: [0, 1] },
  run: { through: "run", why: "field by field, above" },
};

/** A case: what is changed, and the two that are compared. */
interface Mutation {
  readonly name: string;
  readonly step: Step;
  readonly inputs: KeyInputs;
  readonly before: Step;
}

function mutationsOf<T extends object>(
  verdicts: { readonly [name: string]: Verdict<unknown> },
  kind: "counts" | "same",
  make: (change: Partial<T>) => Omit<Mutation, "name">,
): Mutation[] {
  return Object.entries(verdicts).flatMap(([field, verdict]) => {
    const values = kind in verdict ? (verdict as Record<string, readonly unknown[]>)[kind]! : [];
    return values.map((value) => ({
      ...make({ [field]: value } as Partial<T>),
      name: `${field}: ${JSON.stringify(value)}`,
    }));
  });
}

function mutations(kind: "counts" | "same"): Mutation[] {
  const of = (step: Step, verdicts: object): Mutation[] =>
    mutationsOf(verdicts as Verdicts<Record<string, unknown>>, kind, (change) => ({
      ...{ step: { ...step, ...change } as Step, inputs, before: step },
    })).map((mutation) => ({ ...mutation, name: `${step.kind}: ${mutation.name}` }));
  return [
    ...of(copy, COPY),
    ...of(workdir, WORKDIR),
    ...of(run, RUN),
    ...mutationsOf<RunInputs>(RUN_INPUTS, kind, (change) => ({
      ...{ step: run, before: run, inputs: { ...inputs, run: { ...observed, ...change } } },
    })),
    ...mutationsOf<KeyInputs>(KEY_INPUTS, kind, (change) => ({
      ...{ step: copy, before: copy, inputs: { ...inputs, ...change } },
    })),
  ];
}

function key(step: Step, given: KeyInputs = inputs): string {
  return keyOf(ingredientsOf(step, given));
}

/** ADD that does not unpack is COPY. */
const isTold = ({ name }: Mutation): boolean => name !== "copy: unpack: false";

describe("a key", () => {
  test.each(mutations("counts"))("is another one with another $name", ({ step, inputs: given, before }) => {
    expect(key(step, given)).not.toBe(key(before));
  });

  test.each(mutations("same"))("is the same with another $name", ({ step, inputs: given, before }) => {
    expect(key(step, given)).toBe(key(before));
  });

  test("is no other mutation's", () => {
    const keys = mutations("counts")
      .filter(isTold)
      .map(({ step, inputs: given }) => key(step, given));
    expect(new Set(keys).size).toBe(keys.length);
    const kinds = [copy, workdir, run].map((step) => key(step));
    expect(new Set([...keys, ...kinds]).size).toBe(keys.length + kinds.length);
  });

  test("has the name of a host, and not its address", () => {
    const at = (ip: string): KeyInputs => ({ ...inputs, run: { ...observed, hosts: [{ name: "a", ip }] } });
    expect(key(run, at("10.0.0.2"))).toBe(key(run, at("10.0.0.1")));
  });
});

describe("a content key", () => {
  /** Content key of a step on a base that holds nothing. */
  async function content(step: Step, given: KeyInputs = inputs, platform = amd64): Promise<string | undefined> {
    const below = { ...workdir, id: 0, parent: { kind: "image", base: "b" } } as const;
    const plan = { steps: [below], bases: new Map([["b", { platform }]]) } as unknown as Plan;
    const keyer = new ContentKeyer({
      plan,
      open: undefined as never,
      runs: undefined,
      layersOf: async () => [],
      contextDigest: async () => "",
    });
    const ingredients = ingredientsOf(step, given);
    return (await keyer.key({ step, ingredients, key: keyOf(ingredients) }))?.key;
  }

  // What the parent is called is just what a content key leaves out; and a linked copy has none to exchange.
  const counting = mutations("counts").filter(
    ({ name }) => !name.startsWith("parent: ") && name !== "copy: link: true",
  );

  test.each(counting)("is another one with another $name", async ({ step, inputs: given, before }) => {
    const one = await content(step, { ...given, parent: inputs.parent });
    expect(one).not.toBe(await content(before));
    expect(one).toMatch(/^[0-9a-f]{64}$/);
  });

  test.each(mutations("same").filter(({ name }) => !name.includes("parent")))(
    "is the same with another $name",
    async ({ step, inputs: given, before }) => {
      expect(await content(step, given)).toBe(await content(before));
    },
  );

  test("does not depend on what the parent is called, and is no definition key", async () => {
    const others = await Promise.all(
      (["1", "2"] as const).map((digit) =>
        content(run, { ...inputs, parent: { kind: "step", key: digit.repeat(64) } }),
      ),
    );
    expect(others[0]).toBe(others[1]);
    expect(others[0]).not.toBe(key(run));
  });

  test.each([
    ["RUN", run],
    ["COPY", copy],
    ["WORKDIR", workdir],
  ])("of %s depends on the platform of the base", async (_name, step) => {
    expect(await content(step, inputs, { os: "linux", architecture: "arm64" })).not.toBe(await content(step));
  });

  test("is not shared by steps that differ", async () => {
    const keys = await Promise.all(counting.filter(isTold).map(({ step, inputs: given }) => content(step, given)));
    expect(new Set(keys).size).toBe(keys.length);
  });
});
