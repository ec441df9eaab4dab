/** Splits a joined line: keyword, flags, rest; and the rest into words, each in the way its instruction wants. */
import type { EscapeToken } from "./ast.js";
import { isBlank, isSpace, type Span, trimSpan } from "./chars.js";
import { jsonArray } from "./jsonForm.js";

/** Keyword, flags and rest of a joined line. */
export interface SplitStatement {
  /** Upper-cased. */
  readonly keyword: string;
  readonly keywordSpan: Span;
  readonly flags: readonly { readonly text: string; readonly span: Span }[];
  /** What follows the flags, trimmed. */
  readonly rest: Span;
}

/** Splits a line, or the part of it from `from` on (the inner instruction of ONBUILD). */
export function splitStatement(text: string, escapeToken: EscapeToken, from = 0): SplitStatement {
  const { start, end } = trimSpan(text, from, text.length);
  let at = start;
  while (at < end && !isBlank(text.charCodeAt(at))) at++;
  const keywordSpan = { start, end: at };
  const { flags, rest } = splitFlags(text, at, end, escapeToken);
  return { keyword: text.slice(start, at).toUpperCase(), keywordSpan, flags, rest: trimSpan(text, rest, end) };
}

/**
 * Takes the leading words that start with `--`. In them quotes of both kinds group and are removed, and the escape token
 * takes the next character literally, also inside quotes. A bare `--` ends the flags and is dropped.
 */
function splitFlags(text: string, start: number, end: number, escapeToken: EscapeToken) {
  const flags: { text: string; span: Span }[] = [];
  let at = start;
  for (;;) {
    while (at < end && isBlank(text.charCodeAt(at))) at++;
    if (at + 1 >= end || text[at] !== "-" || text[at + 1] !== "-") return { flags, rest: at };
    const flag = flagWord(text, at, end, escapeToken);
    at = flag.span.end;
    if (flag.text === "--") return { flags, rest: at };
    flags.push(flag);
  }
}

function flagWord(text: string, start: number, end: number, escapeToken: EscapeToken): { text: string; span: Span } {
  const parts: string[] = [];
  let quote = "";
  let at = start;
  for (; at < end; at++) {
    const c = text[at]!;
    if (c === escapeToken) {
      at++;
      if (at < end) parts.push(text[at]!);
    } else if (quote !== "") {
      if (c === quote) quote = "";
      else parts.push(c);
    } else if (c === "'" || c === '"') {
      quote = c;
    } else if (isBlank(text.charCodeAt(at))) {
      break;
    } else {
      parts.push(c);
    }
  }
  return { text: parts.join(""), span: { start, end: Math.min(at, end) } };
}

/** Instructions whose shell or word form may have here-documents. */
export const HEREDOC_KEYWORDS: ReadonlySet<string> = new Set(["RUN", "COPY", "ADD"]);

/** True for RUN, COPY and ADD, and ONBUILD of these, unless in JSON form. */
export function acceptsHeredocs(text: string, split: SplitStatement, escapeToken: EscapeToken): boolean {
  const inner = split.keyword === "ONBUILD" ? splitStatement(text, escapeToken, split.rest.start) : split;
  if (!HEREDOC_KEYWORDS.has(inner.keyword)) return false;
  return jsonArray(text.slice(inner.rest.start, inner.rest.end)) === undefined;
}

/** Words between blanks; quotes mean nothing (FROM, EXPOSE, COPY, ADD, VOLUME). */
export function blankWords(text: string, { start, end }: Span): Span[] {
  const words: Span[] = [];
  let at = start;
  while (at < end) {
    const from = at;
    while (at < end && !isBlank(text.charCodeAt(at))) at++;
    if (at > from) words.push({ start: from, end: at });
    while (at < end && isBlank(text.charCodeAt(at))) at++;
  }
  return words;
}

/**
 * Words between white space where quotes group and the escape token protects the next character (but not within single
 * quotes); quotes and escapes stay in the words (ARG, ENV, LABEL). An escape at the very end is dropped; a quote that is
 * never closed reaches to the end and is reported when the word is expanded.
 */
export function quotedWords(text: string, { start, end }: Span, escapeToken: EscapeToken): Span[] {
  const words: Span[] = [];
  let at = start;
  for (;;) {
    while (at < end && isSpace(text.charCodeAt(at))) at++;
    if (at >= end) return words;
    const word = quotedWord(text, at, end, escapeToken);
    at = word.next;
    if (word.end > word.start) words.push({ start: word.start, end: word.end });
  }
}

function quotedWord(text: string, start: number, end: number, escapeToken: EscapeToken): Span & { next: number } {
  let quote = "";
  let at = start;
  for (; at < end; at++) {
    const c = text[at]!;
    if (c === escapeToken && quote !== "'") {
      if (at + 1 === end) return { start, end: at, next: end };
      at++;
    } else if (quote !== "") {
      if (c === quote) quote = "";
    } else if (c === "'" || c === '"') {
      quote = c;
    } else if (isSpace(text.charCodeAt(at))) {
      break;
    }
  }
  return { start, end: at, next: at };
}
