/** Parser directives: the `# key=value` lines at the very top of a Dockerfile. */
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
}

/**
 * Finds `# syntax=…`. Unlike the other directives it is also found after a leading `#!` line, as `//syntax=…`, and as
 * the member "syntax" of a file that is one JSON object (BuildKit: DetectSyntax).
 */
export function detectSyntax(text: string): SyntaxRequest | undefined {
  let body = text.startsWith("\ufeff") ? text.slice(1) : text;
  if (body.startsWith("#!")) {
    const feed = body.indexOf("\n");
    body = feed === -1 ? "" : body.slice(feed + 1);
  }
  const value = syntaxIn(body, "#") ?? syntaxIn(body, "//") ?? syntaxInJson(body);
  if (value === undefined) return undefined;
  return { image: value.split(" ", 1)[0]!, commandLine: value };
}

function syntaxIn(text: string, comment: "#" | "//"): string | undefined {
  const seen = new Set<string>();
  for (let offset = 0; offset < text.length; ) {
    const feed = text.indexOf("\n", offset);
    const end = feed === -1 ? text.length : feed;
    const directive = readDirective(text.slice(offset, end), comment);
    if (!directive || seen.has(directive.key)) return undefined;
    if (directive.key === "syntax") return directive.value;
    seen.add(directive.key);
    offset = end + 1;
  }
  return undefined;
}

function syntaxInJson(text: string): string | undefined {
  if (!/^[\t\n\r ]*\{/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    const syntax = value !== null && typeof value === "object" ? (value as { syntax?: unknown }).syntax : undefined;
    return typeof syntax === "string" ? syntax : undefined;
  } catch {
    return undefined;
  }
}
