/** What is fuzzed: everything that reads what people write in and about Dockerfiles, without touching files. */
import { Lint } from "../../src/build/lint.js";
import { parseIgnoreFile, parsePatterns } from "../../src/context/ignore.js";
import { createMatcher, decidePath } from "../../src/context/ignoreMatcher.js";
import { ignoreTrail } from "../../src/context/ignoreTrail.js";
import { compileComponent, hasWildcard } from "../../src/context/match.js";
import type { Dockerfile, Instruction } from "../../src/dockerfile/ast.js";
import { parseCsv } from "../../src/dockerfile/csv.js";
import { detectSyntax } from "../../src/dockerfile/directives.js";
import { parseDockerfile, parseTrigger } from "../../src/dockerfile/dockerfile.js";
import { parseDuration } from "../../src/dockerfile/duration.js";
import { renderExcerpt } from "../../src/dockerfile/excerpt.js";
import { expandHeredoc, expandWord, expandWords } from "../../src/dockerfile/expand.js";
import { findOpeners, readOpener } from "../../src/dockerfile/heredocWords.js";
import { jsonArray } from "../../src/dockerfile/jsonForm.js";
import { checkMountSyntax, parseMount } from "../../src/dockerfile/mount.js";
import { parsePorts } from "../../src/dockerfile/ports.js";
import { runText } from "../../src/dockerfile/runText.js";
import { checkSignal } from "../../src/dockerfile/signals.js";
import { highlight } from "../../src/dockerfile/tokens.js";
import { parsePlatform } from "../../src/oci/platform.js";
import { formatReference, parseReference } from "../../src/oci/reference.js";
import { isChmod, parseChmod } from "../../src/plan/chmod.js";
import type { KnownBase } from "../../src/plan/graph.js";
import { Notes } from "../../src/plan/notes.js";
import { outlineTarget, targetsOf } from "../../src/plan/outline.js";
import { planBuild } from "../../src/plan/plan.js";
import { isGit, isUrl } from "../../src/plan/remoteSources.js";
import { parseHttpAddress } from "../../src/registry/httpAddress.js";
import { toByteString } from "../../src/support/bytes.js";
import { isNacreError } from "../../src/support/errors.js";
import { parseGitAddress } from "../../src/support/gitAddress.js";
import type { Position, SourcePlace, SourceRange } from "../../src/support/source.js";
import { image, request } from "../plan/planText.js";

/** One reader. It may throw a NacreError; anything else is a fault. */
export interface Target {
  readonly name: string;
  readonly run: (text: string) => void;
  /** Inputs above this length are not for it. */
  readonly longest: number;
}

const VALUES: ReadonlyMap<string, string> = new Map([
  ["A", "one"],
  ["E", ""],
  ["P", "/x/y.tar.gz"],
  ["B", "a b  c"],
]);
const ENV = { get: (name: string) => VALUES.get(name), unset: () => {} };
const PATHS = ["a", "src/er/file.log", "é/[x]", "a\nb"];
const NAMES = ["a", "package.json", "[x]", "é😀", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", ""];

const WORD = 400;

export const TARGETS: readonly Target[] = [
  { name: "Dockerfile", run: readFile, longest: Number.POSITIVE_INFINITY },
  { name: "tokens", run: readTokens, longest: 800 },
  { name: "syntax", run: detectSyntax, longest: Number.POSITIVE_INFINITY },
  { name: "trigger", run: readTrigger, longest: 2000 },
  { name: "word", run: (text) => expandWord(text, ENV, "\\"), longest: 2000 },
  { name: "words", run: (text) => expandWords(text, ENV, "`"), longest: 2000 },
  { name: "heredoc body", run: (text) => expandHeredoc(text, ENV), longest: 2000 },
  { name: "heredoc words", run: readOpeners, longest: 2000 },
  { name: "JSON form", run: readJson, longest: 2000 },
  { name: "csv", run: parseCsv, longest: WORD },
  { name: "mount syntax", run: checkMountSyntax, longest: WORD },
  { name: "mount", run: parseMount, longest: WORD },
  { name: "ignore file", run: (text) => ignore(parseIgnoreFile(text, "ignore"), text), longest: WORD },
  { name: "exclude", run: (text) => ignore(parsePatterns([text], "--exclude"), text), longest: 100 },
  { name: "wildcard", run: matchNames, longest: WORD },
  { name: "git of ADD", run: (text) => parseGitAddress(text, "add"), longest: WORD },
  { name: "git of a context", run: (text) => parseGitAddress(text, "context"), longest: WORD },
  { name: "kind of source", run: (text) => isGit(text) || isUrl(text), longest: WORD },
  { name: "URL", run: parseHttpAddress, longest: WORD },
  { name: "reference", run: (text) => formatReference(parseReference(text)), longest: WORD },
  { name: "platform", run: parsePlatform, longest: WORD },
  { name: "port", run: parsePorts, longest: WORD },
  { name: "duration", run: parseDuration, longest: WORD },
  { name: "signal", run: checkSignal, longest: WORD },
  { name: "chmod", run: (text) => isChmod(text) && parseChmod(text).apply(0o644, true), longest: WORD },
];

/** Reads, lists, outlines, plans and checks a file; every place in what comes out must lie in the text. */
function readFile(text: string): void {
  const file = placed(text, () => parseDockerfile(text, "Dockerfile"));
  checkFile(file);
  for (const { range } of targetsOf(file)) inside(range, text);
  for (const finding of Lint.of(file, undefined).text(file)) inside(finding.range, text);
  const notes = new Notes(file);
  try {
    placed(text, () => answer((bases) => planBuild(file, request({ bases, allStages: true }), notes)));
    placed(text, () => answer((bases) => outlineTarget(file, request({ bases }))));
  } finally {
    for (const { place } of notes.warnings) if (place) insidePlace(place, text);
  }
}

function answer(ask: (bases: Map<string, KnownBase>) => { kind: string; bases?: readonly { key: string }[] }): void {
  const bases = new Map<string, KnownBase>();
  for (let round = 0; round < 20; round++) {
    const result = ask(bases);
    if (result.kind !== "wanted") return;
    for (const { key } of result.bases ?? []) {
      bases.set(key, image({ OnBuild: key.includes("onbuild") ? ["ENV A=1", "RUN <<E\n$A\nE"] : [] }));
    }
  }
}

function checkFile({ text, globalArgs, stages, directives, warnings }: Dockerfile): void {
  const instructions: Instruction[] = [
    ...globalArgs,
    ...stages.flatMap((stage) => [stage.from, ...stage.instructions]),
  ];
  let last: Position = { line: 1, column: 0 };
  for (const instruction of instructions) {
    inside(instruction.range, text);
    if (isBefore(instruction.range.start, last)) throw new Error("instructions overlap");
    last = instruction.range.end;
    for (const { range } of instruction.words) inside(range, text);
    for (const { range, valueRange } of instruction.flags) [range, valueRange].map((one) => inside(one, text));
    if (instruction.keyword === "RUN") runText(instruction);
  }
  for (const { range } of [...directives, ...warnings]) inside(range, text);
}

function readTokens(text: string): void {
  let last: Position = { line: 1, column: 0 };
  for (const { range } of highlight(text)) {
    inside(range, text);
    if (isBefore(range.start, last) || range.start.line !== range.end.line) throw new Error("tokens overlap");
    last = range.end;
  }
}

function readTrigger(text: string): void {
  const whole = "FROM base\n";
  const range = { start: { line: 1, column: 0 }, end: { line: 1, column: 9 } };
  placed(whole, () => parseTrigger(text, "\\", { file: "Dockerfile", text: whole, range }));
}

function readOpeners(text: string): void {
  readOpener(text);
  for (const { span } of findOpeners(text).openers) {
    if (span.start < 0 || span.end > text.length || span.start >= span.end) throw new Error("an opener lies outside");
  }
}

function readJson(text: string): void {
  const found = jsonArray(text);
  if (!found || found.wrong) return;
  if (found.values.length !== found.spans.length) throw new Error("not a span for each element");
  for (const { start, end } of found.spans) {
    if (text[start] !== '"' || text[end - 1] !== '"') throw new Error("a span is not that of a string");
  }
}

function ignore(rules: Parameters<typeof createMatcher>[0], text: string): void {
  const matcher = createMatcher(rules);
  const lines = text.split("\n").length;
  for (const path of [...PATHS, pathOf(text)]) {
    const bytes = toByteString(path);
    const verdict = decidePath(matcher, bytes);
    if (verdict.line < 0 || verdict.line > lines) throw new Error("a line that is not in the file");
  }
  ignoreTrail(rules, toByteString(PATHS[1]!));
}

function pathOf(text: string): string {
  return (
    text
      .slice(0, 60)
      .replace(/[\0/]+/g, "/")
      .replace(/^\/|\/$/g, "") || "x"
  );
}

function matchNames(text: string): void {
  hasWildcard(text);
  const matches = compileComponent(text);
  for (const name of [...NAMES, text.slice(0, 60)]) matches(name);
}

/** Runs `work`; the place of its error must lie in the text, and be one that can be shown. */
function placed<T>(text: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isNacreError(error)) throw error;
    if (error.place) insidePlace(error.place, text);
    throw error;
  }
}

function insidePlace(place: SourcePlace, text: string): void {
  if (place.text !== text) throw new Error("a place in another text");
  inside(place.range, text);
  renderExcerpt(place);
}

let split: { readonly text: string; readonly lines: readonly string[] } = { text: "", lines: [""] };

function inside({ start, end }: SourceRange, text: string): void {
  if (split.text !== text) split = { text, lines: text.split("\n") };
  for (const { line, column } of [start, end]) {
    const length = split.lines[line - 1]?.length ?? -1;
    if (column < 0 || column > length) throw new Error(`${line}:${column} is not in the text`);
  }
  if (isBefore(end, start)) throw new Error("a range that ends before it begins");
}

function isBefore(a: Position, b: Position): boolean {
  return a.line < b.line || (a.line === b.line && a.column < b.column);
}
