/**
 * Places in a text file: what an error or a warning points at.
 */

/** A position in a text. */
export interface Position {
  /** Line number, the first line is 1. */
  readonly line: number;
  /** Column in UTF-16 units, the first column is 0. */
  readonly column: number;
}

/** A half-open stretch of a text: `end` is the position after the last character. */
export interface SourceRange {
  readonly start: Position;
  readonly end: Position;
}

/** A range together with the file it lies in, so that a reader of an error can be shown the lines themselves. */
export interface SourcePlace {
  /** The file's name as the user gave it, e.g. `Dockerfile` or `-`. */
  readonly file: string;
  /** The whole text of the file. */
  readonly text: string;
  readonly range: SourceRange;
  /** What is meant where the range only stands in for it: the ONBUILD trigger that a FROM line has fired. */
  readonly note?: string | undefined;
}
