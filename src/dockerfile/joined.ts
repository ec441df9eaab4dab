/** One logical line: the physical lines of an instruction joined, with a way back from its offsets to their places. */
import type { Position, SourceRange } from "../support/source.js";
import type { Word } from "./ast.js";
import type { Span } from "./chars.js";

/** A piece of the joined text, taken from one physical line. */
export interface Piece {
  /** Offset in the joined text. */
  readonly at: number;
  readonly line: number;
  /** Column in that line of the piece's first character. */
  readonly column: number;
}

/** The text of an instruction after joining, heredoc bodies not included. */
export class JoinedLine {
  readonly text: string;
  readonly #pieces: readonly Piece[];
  readonly #fixed: SourceRange | undefined;

  /** @param fixed the range to give for everything, if the text stands in no file */
  constructor(text: string, pieces: readonly Piece[], fixed: SourceRange | undefined) {
    this.text = text;
    this.#pieces = pieces;
    this.#fixed = fixed;
  }

  /** The source range of a stretch of the joined text; an empty stretch gives an empty range. */
  range(start: number, end: number): SourceRange {
    if (this.#fixed) return this.#fixed;
    const from = this.#position(start);
    if (end <= start) return { start: from, end: from };
    // The end belongs to the last character: at a seam it must not jump to the start of the next line.
    const last = this.#position(end - 1);
    return { start: from, end: { line: last.line, column: last.column + 1 } };
  }

  /** The stretch as a word: its text as written and its place. */
  word({ start, end }: Span): Word {
    return { raw: this.text.slice(start, end), range: this.range(start, end) };
  }

  #position(offset: number): Position {
    const pieces = this.#pieces;
    let low = 0;
    let high = pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (pieces[middle]!.at <= offset) low = middle;
      else high = middle - 1;
    }
    const piece = pieces[low]!;
    return { line: piece.line, column: piece.column + offset - piece.at };
  }
}
