/**
 * The planner against Docker: each folder of testdata/plan holds a Dockerfile and what Docker made of it (see record.py
 * there). Config, history, labels of steps, environment of RUN and warnings must be the same; errors too.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type ImageConfig, parseConfig } from "../../src/oci/documents.js";
import { encodeConfig } from "../../src/oci/encode.js";
import { parsePlatform } from "../../src/oci/platform.js";
import type { Plan, PlanRequest } from "../../src/plan/graph.js";
import { HISTORY_COMMENT } from "../../src/plan/history.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { planWith } from "./planText.js";

const ROOT = fileURLToPath(new URL("../../testdata/plan/", import.meta.url));

interface Recorded {
  readonly base?: ImageConfig;
  readonly image?: Omit<ImageConfig, "rootfs">;
  readonly labels?: readonly string[];
  readonly output?: string;
  readonly warnings?: readonly string[];
  readonly error?: string;
  readonly lines?: readonly number[];
}

interface RecordedRequest {
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly platform?: string;
  /** `--build-context`: a directory, or `docker-image://planbase`. */
  readonly contexts?: Readonly<Record<string, string>>;
}

const cases = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

function read<T>(name: string, file: string, otherwise: T): T {
  const path = `${ROOT}${name}/${file}`;
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as T) : otherwise;
}

function planCase(name: string): Plan {
  const {
    buildArgs = {},
    labels = {},
    target,
    platform,
    contexts = {},
  } = read<RecordedRequest>(name, "request.json", {});
  const overrides: Partial<PlanRequest> = {
    buildArgs: new Map(Object.entries(buildArgs)),
    labels: new Map(Object.entries(labels)),
    contextNames: new Set(Object.keys(contexts)),
    target,
    platform: platform === undefined ? undefined : parsePlatform(platform),
  };
  const { base } = read<Recorded>(name, "docker.json", {});
  return planWith(
    readFileSync(`${ROOT}${name}/Dockerfile`, "utf8"),
    ({ reference, context }) => {
      if (context !== undefined && contexts[context]?.startsWith(".")) return { kind: "files", context };
      if (!base) throw new Error(`the case asks for the base ${reference}`);
      return { kind: "image", config: parseConfig(Buffer.from(JSON.stringify(base)), "base") };
    },
    overrides,
  );
}

/** The image config that the plan comes to, written and read again, so that empty members count as absent ones. */
function configOf({ target }: Plan): ImageConfig {
  const { os, architecture, variant } = target.platform;
  const history = target.history.map(({ createdBy, step }) => ({
    created_by: createdBy,
    comment: HISTORY_COMMENT,
    ...(step === undefined ? { empty_layer: true } : {}),
  }));
  const bytes = encodeConfig({
    os,
    architecture,
    variant,
    author: target.author,
    config: target.config,
    history: [...(target.baseConfig?.history ?? []), ...history],
    rootfs: { type: "layers", diff_ids: [] },
  });
  const { rootfs: _layers, ...config } = JSON.parse(bytes.toString());
  return config;
}

/**
 * For a named context as a base BuildKit adds a layer without a line of history, and its exporter then invents one: that
 * is no business of the planner. For a stage that is replaced BuildKit also forgets the architecture.
 */
function withoutContexts(config: Recorded["image"] | ImageConfig): unknown {
  const history = config?.history?.filter(({ comment }) => comment === HISTORY_COMMENT);
  return { ...config, architecture: config?.architecture || "amd64", history };
}

const failing = cases.filter((name) => read<Recorded>(name, "docker.json", {}).error !== undefined);
const building = cases.filter((name) => !failing.includes(name));

describe("images come out as Docker's", () => {
  test.each(building)("%s: config and history", (name) => {
    const { image } = read<Recorded>(name, "docker.json", {});
    const plan = planCase(name);
    if (name.startsWith("context-")) expect(withoutContexts(configOf(plan))).toEqual(withoutContexts(image));
    else expect(configOf(plan)).toEqual(image);
  });

  test.each(building)("%s: labels of the steps", (name) => {
    const { labels = [] } = read<Recorded>(name, "docker.json", {});
    const plan = planCase(name);
    const isBase = (label: string): boolean => /(?:^|\] )FROM /.test(label);
    const steps = plan.steps.map(({ label }) => label);
    expect(steps.map(comparable).sort()).toEqual(
      labels
        .filter((label) => !isBase(label))
        .map(comparable)
        .sort(),
    );
    // Docker shows an image once, under the first of its names; which one that is depends on the order of execution.
    expect(shownBases(plan).map(bare)).toEqual(labels.filter(isBase).map(bare));

    // Docker counts every trigger of a base as a step, also those that make none.
    function comparable(label: string): string {
      if (name.startsWith("context-")) return bare(label);
      return name.startsWith("onbuild-") ? label.replace(/\/ *\d+\]/, "]") : label;
    }
  });

  test.each(building)("%s: warnings", (name) => {
    const rules = /^(?:Undefined|WorkdirRelative|JSONArgs|Expose|InvalidBase|InvalidDefault|Redundant|FromPlatform)/;
    const { warnings = [] } = read<Recorded>(name, "docker.json", {});
    const theirs = new Set(warnings.filter((warning) => rules.test(warning)).map(withoutHint));
    const ours = planCase(name).warnings.filter(({ rule }) => rules.test(rule));
    const shown = ours.map(({ rule, message, place }) => `${rule}: ${message} (line ${place?.range.start.line})`);
    expect(new Set(shown.map(withoutHint))).toEqual(theirs);
  });
});

describe("RUN sees the environment that Docker gives it", () => {
  test.each(["arg-env-order", "env-order", "proxy"])("%s", (name) => {
    const { output = "" } = read<Recorded>(name, "docker.json", {});
    const steps = planCase(name).steps.filter((step) => step.kind === "run");
    const exec = steps.filter(({ args }) => args[0]?.endsWith("env"));
    const expected = exec.map(({ env, proxyEnv }) => [...env.filter((pair) => !proxyEnv.includes(pair)), ...proxyEnv]);
    // Docker runs independent steps in any order, so the outputs are compared as sets of whole environments.
    const blocks = output.split("HOME=/\n").map((block) => block.split("\n").filter((line) => line !== ""));
    for (const env of expected) expect(blocks).toContainEqual(env);
    expect(exec.length).toBeGreaterThan(0);
  });
});

describe("what Docker refuses is refused", () => {
  test.each(failing)("%s", (name) => {
    const { error = "", lines = [] } = read<Recorded>(name, "docker.json", {});
    const problem = failure(() => planCase(name));
    expect(isNacreError(problem)).toBe(true);
    expect(normal(problem.message)).toContain(normal(error));
    if (problem.place && lines.length > 0) expect(lines).toContain(problem.place.range.start.line);
    expect(problem.hint).toBeTruthy();
  });
});

/** Labels of the images that files come from; an image without layers is none, and contexts are shown otherwise. */
function shownBases({ bases, stages, steps }: Plan): readonly string[] {
  const states = [
    ...stages.map(({ base }) => base),
    ...steps.flatMap((step) => (step.kind === "copy" ? step.from : [])),
  ];
  const used = new Set(states.flatMap((state) => (state.kind === "image" ? [state.base] : [])));
  return [...bases.values()]
    .filter(({ key, context }) => used.has(key) && context === undefined)
    .map(({ label }) => label);
}

function failure(work: () => unknown): NacreError {
  try {
    work();
  } catch (error) {
    return error as NacreError;
  }
  throw new Error("nothing was refused");
}

function bare(label: string): string {
  return label.replace(/^\[.*?\] /, "");
}

function withoutHint(text: string): string {
  return text.replace(/ \((?:did you mean|add ").*?\)(?= \(line)/, "");
}

/** Without the parts that come from Go's libraries. */
function normal(message: string): string {
  return message
    .replace(/^dockerfile parse error on line \d+: /, "")
    .replace(/(invalid SOURCE_DATE_EPOCH: \w+).*/, "$1")
    .replace(/(failed to parse platform [^:]+).*/, "$1")
    .replace(/(invalid reference format).*/, "$1")
    .replace(/^invalid syntax$/, "invalid chmod parameter");
}
