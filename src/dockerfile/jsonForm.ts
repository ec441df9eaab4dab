/** The JSON form of arguments: `["a", "b"]`. */
import { isSpace, type Span } from "./chars.js";

/** An array as BuildKit accepts it. */
export type JsonArray =
  | { readonly values: readonly string[]; readonly spans: readonly Span[]; readonly wrong?: undefined }
  /** Valid JSON with an element that is not a string: an error in every instruction. */
  | { readonly wrong: Span };

/** What BuildKit says of {@link JsonArray.wrong}. */
export const STRINGS_ONLY = "when using JSON array syntax, arrays must be comprised of strings only";

/**
 * Reads the text as a JSON array. Everything that is not valid JSON from the first to the last character, single quotes
 * and trailing commas included, gives undefined: it is the shell or word form then (BuildKit: parseJSON).
 * @param text the arguments; `spans` of the result are offsets in it
 */
export function jsonArray(text: string): JsonArray | undefined {
  let start = 0;
  while (start < text.length && isSpace(text.charCodeAt(start))) start++;
  if (text[start] !== "[") return undefined;
  const values = parse(text.slice(start));
  if (!Array.isArray(values)) return undefined;
  const spans = elementSpans(text, start + 1);
  const wrong = values.findIndex((value) => typeof value !== "string");
  if (wrong !== -1) return { wrong: spans[wrong] ?? { start, end: text.length } };
  return { values: hasHalfSurrogate(text) ? values.map((value: string) => value.toWellFormed()) : values, spans };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Half a surrogate pair written as an escape is U+FFFD to Go; a byte that is not UTF-8 (see bytes.ts) stays as it is. */
function hasHalfSurrogate(text: string): boolean {
  return /\\u[dD][89a-fA-F]/.test(text);
}

/** Where the elements of a valid array stand. */
function elementSpans(text: string, from: number): Span[] {
  const spans: Span[] = [];
  let depth = 0;
  let start = -1;
  let end = -1;
  for (let at = from; at < text.length; at++) {
    const c = text[at]!;
    if (depth === 0 && (c === "," || c === "]")) {
      if (start !== -1) spans.push({ start, end });
      if (c === "]") break;
      start = -1;
      continue;
    }
    if (c === " " || c === "\t" || c === "\r" || c === "\n") continue;
    if (start === -1) start = at;
    if (c === '"') at = closingQuote(text, at);
    else if (c === "[" || c === "{") depth++;
    else if (c === "]" || c === "}") depth--;
    end = at + 1;
  }
  return spans;
}

function closingQuote(text: string, open: number): number {
  let at = open + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
