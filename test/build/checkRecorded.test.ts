/**
 * Every case of testdata/lint is checked and compared with what Docker's build checks said of it, which
 * test/dockerfile/recordLint wrote beside: rules, lines, messages, the error and the exit code.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuildRequest, checkDockerfile } from "../../src/index.js";

const corpus = fileURLToPath(new URL("../../testdata/lint", import.meta.url));
const bases = fileURLToPath(new URL("../../testdata/conformance/base", import.meta.url));
const names = readdirSync(corpus)
  .filter((name) => name.endsWith(".txtar"))
  .map((name) => basename(name, ".txtar"));

interface Recorded {
  readonly warnings: readonly {
    readonly rule: string;
    readonly lines: readonly [number, number];
    readonly message: string;
    readonly description: string;
    readonly url: string;
  }[];
  readonly error?: { readonly message: string; readonly lines?: readonly [number, number] | null };
  readonly exit: number;
}

/** What nacre says although Docker does not. */
const OWN = /^(?:CheckOptionIgnored|UnknownCheckRule)$/;

let top: string;
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), "nacre-lint-"));
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

function unpack(name: string): BuildRequest {
  const [head = "", ...parts] = readFileSync(join(corpus, `${name}.txtar`), "utf8").split(/^-- (.+?) --\n/m);
  const context = join(top, name, "context");
  for (let i = 0; i < parts.length; i += 2) {
    const path = join(context, normalize(parts[i]!));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, parts[i + 1]!);
  }
  const lines = (key: string): string[] => [...head.matchAll(new RegExp(`^${key}: (.*)$`, "gm"))].map((m) => m[1]!);
  const pairs = (key: string): [string, string][] =>
    lines(key).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);
  const place = (value: string): string =>
    value.startsWith("oci-layout://base") ? `oci-layout://${bases}${value.slice(17)}` : join(top, name, value);
  return {
    context,
    platform: "linux/amd64",
    store: join(top, "no-store"),
    offline: true,
    target: lines("target")[0],
    buildArgs: Object.fromEntries(pairs("arg")),
    buildContexts: Object.fromEntries(pairs("context").map(([key, value]) => [key, place(value)])),
  };
}

/** nacre's suggestions are found without regard to case, and it tells the same thing of the same line once. */
function comparable(rule: string, first: number, last: number, message: string): string {
  return `${first}-${last} ${rule}: ${message.replace(/ \(did you mean .*\)$/, "")}`;
}

describe("nacre finds what Docker finds", () => {
  test.each(names)("%s", async (name) => {
    const recorded: Recorded = JSON.parse(readFileSync(join(corpus, `${name}.json`), "utf8"));
    const { findings, error } = await checkDockerfile(unpack(name));
    const ours = findings
      .filter(({ rule }) => !OWN.test(rule))
      .map(({ rule, range, message }) => comparable(rule, range.start.line, range.end.line, message));
    const theirs = recorded.warnings.map(({ rule, lines, message }) => comparable(rule, lines[0], lines[1], message));
    expect([...new Set(ours)].sort()).toEqual([...new Set(theirs)].sort());
    expect(error !== undefined, error?.message).toBe(recorded.error !== undefined);
    // Where nacre points within the instruction, Docker names all its lines.
    const line = recorded.error?.lines?.[0];
    if (line) expect(error?.place?.range.start.line).toBeGreaterThanOrEqual(line);
    if (line) expect(error?.place?.range.start.line).toBeLessThanOrEqual(recorded.error!.lines![1]);
    for (const { rule, description, url } of recorded.warnings) {
      const own = findings.find((finding) => finding.rule === rule);
      if (own) expect([own.description, own.url]).toEqual([description, url]);
    }
  });
});
