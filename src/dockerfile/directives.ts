/** Parser directives: the `# key=value` lines at the very top of a Dockerfile. */
import type { SourceRange } from "../support/source.js";
import { isSpace, trimSpace } from "./chars.js";

/** A line that reads as a directive. */
export interface DirectiveLine {
  /** Lower-cased. */
  readonly key: string;
  readonly value: string;
  /** Offset of key and value in the line. */
  readonly keyAt: number;
  readonly valueAt: number;
}

const FORM = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*/;
const NAMES: readonly string[] = ["syntax", "escape", "check"];

/**
 * Reads one line as a directive, or gives undefined: for anything else, and for keys other than the three known ones,
 * directive mode ends for good (BuildKit: DirectiveParser).
 * @param line without leading white space and terminator
 * @param comment what starts a comment
 */
export function readDirective(line: string, comment: "#" | "//" = "#"): DirectiveLine | undefined {
  if (!line.startsWith(comment)) return undefined;
  let keyAt = comment.length;
  while (keyAt < line.length && isSpace(line.charCodeAt(keyAt))) keyAt++;
  const match = FORM.exec(line.slice(keyAt));
  if (!match) return undefined;
  const key = match[1]!.toLowerCase();
  if (!NAMES.includes(key)) return undefined;
  const valueAt = keyAt + match[0].length;
  const value = trimSpace(line.slice(valueAt));
  return value === "" ? undefined : { key, value, keyAt, valueAt };
}

/** The frontend that a file asks for. */
export interface SyntaxRequest {
  /** The value up to the first blank: the frontend's image. */
  readonly image: string;
  /** The full value, which a frontend receives as its command line. */
  readonly commandLine: string;
  /** Where it stands: the value, or in JSON the line of the member's name. */
  readonly range: SourceRange;
}

/**
 * Finds `# syntax=…`. Unlike the other directives it is also found after a leading `#!` line, as `//syntax=…`, and as
 * the member "syntax" of a file that is one JSON object (BuildKit: DetectSyntax).
 */
export function detectSyntax(text: string): SyntaxRequest | undefined {
  let skip = text.startsWith("\ufeff") ? 1 : 0;
  if (text.startsWith("#!", skip)) {
    const feed = text.indexOf("\n", skip);
    skip = feed === -1 ? text.length : feed + 1;
  }
  const found = syntaxIn(text, skip, "#") ?? syntaxIn(text, skip, "//") ?? syntaxInJson(text, skip);
  if (found === undefined) return undefined;
  const { value, at, length } = found;
  return { image: value.split(" ", 1)[0]!, commandLine: value, range: rangeAt(text, at, length) };
}

interface FoundSyntax {
  readonly value: string;
  /** What to point at: offset in the text, and length. */
  readonly at: number;
  readonly length: number;
}

function rangeAt(text: string, at: number, length: number): SourceRange {
  const before = text.slice(0, at).split("\n");
  const [line, column] = [before.length, before.at(-1)!.length];
  return { start: { line, column }, end: { line, column: column + length } };
}

function syntaxIn(text: string, start: number, comment: "#" | "//"): FoundSyntax | undefined {
  const seen = new Set<string>();
  for (let offset = start; offset < text.length; ) {
    const feed = text.indexOf("\n", offset);
    const end = feed === -1 ? text.length : feed;
    const directive = readDirective(text.slice(offset, end), comment);
    if (!directive || seen.has(directive.key)) return undefined;
    const { key, value, valueAt } = directive;
    if (key === "syntax") return { value, at: offset + valueAt, length: value.length };
    seen.add(key);
    offset = end + 1;
  }
  return undefined;
}

function syntaxInJson(text: string, start: number): FoundSyntax | undefined {
  const body = text.slice(start);
  if (!/^[\t\n\r ]*\{/.test(body)) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    const syntax = value !== null && typeof value === "object" ? (value as { syntax?: unknown }).syntax : undefined;
    const at = text.indexOf('"syntax"', start);
    return typeof syntax === "string"
      ? { value: syntax, at: Math.max(at, start), length: '"syntax"'.length }
      : undefined;
  } catch {
    return undefined;
  }
}
