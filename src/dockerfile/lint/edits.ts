/** Changing a text at given places, everything else kept to the byte. */
import type { SourceRange } from "../../support/source.js";

/** A text to stand in place of a range. */
export interface TextEdit {
  readonly range: SourceRange;
  readonly text: string;
}

/** Finds offsets of places in a text. */
export class Offsets {
  readonly text: string;
  readonly #lineStarts: number[] = [0];

  constructor(text: string) {
    this.text = text;
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) this.#lineStarts.push(at + 1);
  }

  /** The offset of a place; places outside the text give its end. */
  of({ line, column }: SourceRange["start"]): number {
    return Math.min((this.#lineStarts[line - 1] ?? this.text.length) + column, this.text.length);
  }

  /** The text in the range as it stands there. */
  slice({ start, end }: SourceRange): string {
    return this.text.slice(this.of(start), this.of(end));
  }

  /** The range of whole lines, the last one's terminator included. */
  lines(first: number, last: number): SourceRange {
    return { start: { line: first, column: 0 }, end: { line: last + 1, column: 0 } };
  }
}

/** The text with the edits made. Of edits that overlap, and of equal ones, the first counts. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  const offsets = new Offsets(text);
  const placed = edits
    .map(({ range, text: put }) => ({ start: offsets.of(range.start), end: offsets.of(range.end), put }))
    .sort((a, b) => a.start - b.start || a.end - b.end);
  const parts: string[] = [];
  let at = 0;
  let last = "";
  for (const { start, end, put } of placed) {
    const again = `${start}:${end}:${put}`;
    if (start < at || again === last) continue;
    parts.push(text.slice(at, start), put);
    at = end;
    last = again;
  }
  return parts.join("") + text.slice(at);
}
