/**
 * Dockerfiles in the manner of real projects (testdata/dockerfile/real) against what Docker answered about them: NAME.json,
 * written by test/dockerfile/recordReal. Each is read, listed, outlined and checked with every base unknown, which is
 * what the recording's empty base image amounts to.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Lint, placedWarnings } from "../../src/build/lint.js";
import { unknownBase } from "../../src/build/outline.js";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { findLintRule } from "../../src/dockerfile/lint/rules.js";
import type { KnownBase, PlanRequest, WantedBase } from "../../src/plan/graph.js";
import { Notes } from "../../src/plan/notes.js";
import { outlineTarget, type StageOutline, targetsOf } from "../../src/plan/outline.js";
import { planBuild } from "../../src/plan/plan.js";
import { decodeText, encodeText } from "../../src/support/bytes.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import type { SourceRange } from "../../src/support/source.js";

const root = new URL("../../testdata/dockerfile/real/", import.meta.url);
const platform = { os: "linux", architecture: "amd64" };

interface Failure {
  readonly message: string;
  readonly lines?: readonly [number, number];
}

/** Where nacre means to differ from the Docker that was asked. */
const INTENDED: ReadonlyMap<string, string> = new Map([
  ["bad-only-args", "Docker lists no targets; here a file without stages is an error for every question"],
]);

/** Failures that are put into other words than Docker's. */
const OTHER_WORDS: ReadonlyMap<string, string> = new Map([
  ["bad-cmd-and-run-typo", "unknown instruction: RNU (did you mean RUN?)"],
  ["bad-platform", 'failed to parse platform linux/amd65/v1/x: not a platform: "linux/amd65/v1/x"'],
]);

interface Warning {
  readonly rule: string;
  readonly lines: readonly number[] | null;
  readonly message: string;
}

/** Later frontends than Docker 28's let names of secrets pass that say FILE or VERSION. */
function isStillTold({ rule, message }: Warning): boolean {
  return rule !== "SecretsUsedInArgOrEnv" || !/_(FILE|VERSION)"\)$/.test(message);
}

interface Recorded {
  readonly check: { readonly warnings?: readonly Warning[]; readonly error?: Failure };
  readonly targets: readonly object[] | { readonly error: Failure };
  readonly outlines: Readonly<Record<string, readonly (object | { readonly error: Failure })[]>>;
}

const names = readdirSync(root)
  .filter((name) => name.endsWith(".Dockerfile"))
  .map((name) => name.slice(0, -".Dockerfile".length));

function parse(name: string) {
  return parseDockerfile(decodeText(readFileSync(new URL(`${name}.Dockerfile`, root))), "Dockerfile");
}

function recorded(name: string): Recorded {
  return JSON.parse(readFileSync(new URL(`${name}.json`, root), "utf8")) as Recorded;
}

/** As in the recording: without empty members, texts as Docker's JSON has them (bytes that are not UTF-8 replaced). */
function plain(value: object): unknown {
  const text = JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member === "string") return member === "" ? undefined : encodeText(member).toString("utf8");
    return Array.isArray(member) && member.length === 0 ? undefined : member;
  });
  return JSON.parse(text);
}

function lines({ start, end }: SourceRange): number[] {
  return [start.line, end.line];
}

/** Docker's answer lists what stands on one line in any order. */
function sorted<T extends { readonly name: string; readonly lines: readonly number[] }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => a.lines[0]! - b.lines[0]! || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function viewOutline({ name, description, args, secrets, ssh }: StageOutline): unknown {
  const mounts = (list: StageOutline["secrets"]) =>
    sorted(list.map(({ id, required, range }) => ({ name: id, required: required || undefined, lines: lines(range) })));
  const shown = args.map((arg) => ({ ...arg, range: undefined, lines: lines(arg.range) }));
  return plain({ name, description, args: sorted(shown), secrets: mounts(secrets), ssh: mounts(ssh) });
}

/** Asks until no more bases are wanted; each is an empty image, as it was for Docker. */
function answered<T extends { readonly kind: string }>(
  more: Partial<PlanRequest>,
  ask: (request: PlanRequest) => T | { readonly kind: "wanted"; readonly bases: readonly WantedBase[] },
): Exclude<T, { readonly kind: "wanted" }> {
  const bases = new Map<string, KnownBase>();
  const request: PlanRequest = {
    buildArgs: new Map(),
    buildPlatform: platform,
    labels: new Map(),
    noCache: false,
    noCacheStages: [],
    contextNames: new Set(),
    bases,
    ...more,
  };
  for (;;) {
    const result = ask(request);
    if (result.kind !== "wanted") return result as Exclude<T, { readonly kind: "wanted" }>;
    const { bases: wanted } = result as { readonly bases: readonly WantedBase[] };
    for (const base of wanted) bases.set(base.key, { ...unknownBase(base), standIn: false } as KnownBase);
  }
}

/** What the work gives, or its expected failure. */
function attempt<T>(work: () => T): { readonly value?: T; readonly error?: NacreError } {
  try {
    return { value: work() };
  } catch (error) {
    if (!isNacreError(error)) throw error;
    return { error };
  }
}

/** Docker names all lines of an instruction; a place here is often the very word. */
function inside(line: number | undefined, [first, last]: readonly [number, number]): boolean {
  return line !== undefined && line >= first && line <= last;
}

function outlineOf(name: string, target: string): unknown {
  const file = parse(name);
  const more = target === "" ? {} : { target };
  const { outline } = answered(more, (request) => outlineTarget(file, request));
  return viewOutline(outline);
}

/** Findings of BuildKit's rules in all stages, and the error that planning them ends with. */
function check(name: string): { readonly findings: readonly string[]; readonly error?: NacreError | undefined } {
  const { value: file, error } = attempt(() => parse(name));
  if (!file) return { findings: [], error };
  const lint = Lint.of(file, undefined);
  let notes = new Notes(file);
  const planned = attempt(() =>
    answered({ allStages: true }, (request) => {
      notes = new Notes(file);
      return planBuild(file, request, notes);
    }),
  );
  const found = [...lint.text(file), ...lint.told(placedWarnings(notes.warnings))];
  const known = found.filter(({ rule }) => findLintRule(rule));
  const told = new Set(known.map(({ rule, range }) => `${range.start.line} ${rule}`));
  return { findings: [...told].sort(), error: planned.error };
}

describe.each(names.filter((name) => !INTENDED.has(name)))("%s", (name) => {
  const docker = recorded(name);

  it("has the targets that Docker lists", () => {
    const { value } = attempt(() =>
      targetsOf(parse(name)).map((target) => ({
        ...target,
        default: target.default || undefined,
        range: undefined,
        lines: lines(target.range),
      })),
    );
    expect(value && plain(value)).toEqual("error" in docker.targets ? undefined : docker.targets);
  });

  it.each(Object.entries(docker.outlines))(
    "has the outline that Docker gives of the target '%s'",
    (target, answers) => {
      const { value, error } = attempt(() => outlineOf(name, target));
      if (answers.some((answer) => "error" in answer)) expect(error?.message).toEqual(expect.any(String));
      else if (error) throw error;
      else if (answers.length === 1) expect(value).toEqual(answers[0]);
      else expect(answers).toContainEqual(value);
    },
  );

  it("fails where Docker fails, in its words, and is found fault with where Docker does", () => {
    const { findings, error } = check(name);
    const { error: failure, warnings = [] } = docker.check;
    const words = OTHER_WORDS.get(name) ?? failure?.message.replace(/^dockerfile parse error on line \d+: /, "");
    expect(error?.message).toBe(words);
    if (failure?.lines) expect(inside(error?.place?.range.start.line, failure.lines)).toBe(true);
    const told = new Set(warnings.filter(isStillTold).map(({ rule, lines: at }) => `${at?.[0] ?? 0} ${rule}`));
    if (!failure) expect(findings).toEqual([...told].sort());
  });
});

describe("where nacre means to differ", () => {
  it.each([...INTENDED.keys()])("it still does: %s", (name) => {
    const { error } = check(name);
    const { targets } = recorded(name);
    expect(error === undefined).toBe("error" in targets);
  });
});
