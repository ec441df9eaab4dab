/** Shows a place of a file with its surroundings, in the shape that BuildKit prints. Plain text; colours are for the CLI. */
import type { SourcePlace, SourceRange } from "../support/source.js";

const RULE = "-".repeat(20);
/** Longer lines are cut to a window around what is marked. */
const WIDTH = 160;
/** Longer ranges show their first and last lines only. */
const MAX_MARKED = 12;

/**
 * The excerpt, without a final line feed:
 * ```
 * Dockerfile:2
 * --------------------
 *    1 |     FROM scratch
 *    2 | >>> RNU true
 *      |     ^^^
 * --------------------
 * ```
 * Where the range lies within one line, a line of carets stands under its exact columns. Control characters, which could
 * steer a terminal, and bytes that are not UTF-8 are shown as U+FFFD. A place's note stands below what is marked.
 * @param contextLines lines before and after; by default 2 for a range within one line, else 1 (as BuildKit does)
 * @param columnsOf how wide a text is where it will be shown, so that the carets stand right below wide characters
 */
export function renderExcerpt(
  place: SourcePlace,
  contextLines?: number,
  columnsOf: (text: string) => number = (text) => text.length,
): string {
  const range = ordered(place.range);
  const { start, end } = range;
  const around = contextLines ?? (start.line === end.line ? 2 : 1);
  const lines = readLines(place.text, Math.max(1, start.line - around), end.line + around);
  const out = [`${clean(place.file)}:${start.line}`, RULE];
  const digits = Math.max(4, String(end.line + around).length);
  for (const [number, text] of lines) {
    out.push(...renderLine({ number, text, digits }, range, columnsOf));
    if (number === end.line && place.note !== undefined)
      out.push(`${" ".repeat(digits)} |     ${cut(place.note, 0).text}`);
  }
  return [...out, RULE].join("\n");
}

function ordered({ start, end }: SourceRange): SourceRange {
  return end.line < start.line ? { start, end: start } : { start, end };
}

/** A line that is shown, and the digits that line numbers have room for. */
interface ShownLine {
  readonly number: number;
  readonly text: string;
  readonly digits: number;
}

function renderLine(
  { number, text, digits }: ShownLine,
  { start, end }: SourceRange,
  columnsOf: (text: string) => number,
): string[] {
  const marked = number >= start.line && number <= end.line;
  if (marked && isSkipped(number, start.line, end.line)) {
    return number === start.line + MAX_MARKED / 2
      ? [`${" ".repeat(digits)} | >>> … (${end.line - start.line + 1 - MAX_MARKED} more lines)`]
      : [];
  }
  const label = String(number).padStart(digits);
  if (!marked) return [`${label} |     ${cut(text, 0).text}`.trimEnd()];
  const single = start.line === end.line;
  const window = cut(text, single ? start.column : 0);
  const line = `${label} | >>> ${window.text}`;
  return single
    ? [line, `${" ".repeat(digits)} |     ${carets(text, window, start.column, end.column, columnsOf)}`]
    : [line];
}

function isSkipped(number: number, first: number, last: number): boolean {
  if (last - first + 1 <= MAX_MARKED) return false;
  return number >= first + MAX_MARKED / 2 && number <= last - MAX_MARKED / 2;
}

interface Window {
  readonly text: string;
  /** How many columns of the line stand before the text, and how many characters were put in their place. */
  readonly from: number;
  readonly prefix: number;
}

/** A stretch of the line that fits the width and has `column` in it. */
function cut(line: string, column: number): Window {
  if (line.length <= WIDTH) return { text: clean(line), from: 0, prefix: 0 };
  const from = column <= WIDTH / 2 ? 0 : Math.min(column - WIDTH / 4, line.length - WIDTH / 2);
  const before = from > 0 ? "…" : "";
  const after = from + WIDTH < line.length ? "…" : "";
  return { text: before + clean(line.slice(from, from + WIDTH)) + after, from, prefix: before.length };
}

/** Blanks and carets; tabs stay tabs, so that the carets stand right at any tab width. */
function carets(line: string, window: Window, start: number, end: number, columnsOf: (text: string) => number): string {
  const blanks = (text: string): string => " ".repeat(columnsOf(clean(text)));
  const before = line.slice(window.from, start).split("\t").map(blanks).join("\t");
  const marked = line.slice(start, Math.min(end, line.length, window.from + WIDTH));
  return " ".repeat(window.prefix) + before + "^".repeat(Math.max(1, columnsOf(clean(marked))));
}

/**
 * Each control character but the tab, what has no width and so could hide, and each half of a surrogate pair that stands
 * alone, becomes U+FFFD. A byte-order mark is no part of the text.
 */
function clean(text: string): string {
  return text
    .replaceAll("\ufeff", "")
    .replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069]/g, "\ufffd")
    .toWellFormed();
}

/** The lines from `first` to `last` with their numbers, as far as they exist. */
function readLines(text: string, first: number, last: number): [number, string][] {
  const lines: [number, string][] = [];
  let offset = 0;
  for (let number = 1; number <= last && offset <= text.length; number++) {
    const feed = text.indexOf("\n", offset);
    const end = feed === -1 ? text.length : feed;
    const isLastEmpty = feed === -1 && offset === text.length && number > 1;
    if (number >= first && !isLastEmpty) lines.push([number, text.slice(offset, end).replace(/\r+$/, "")]);
    offset = end + 1;
  }
  return lines;
}
