/** Columns as Go's text/tabwriter aligns them with Docker's settings. Pure. */
import { displayWidth, padEnd } from "../terminalText.js";

/** Narrowest column, with the blanks after it; and how many of these there are at least. */
const MIN_WIDTH = 10;
const PADDING = 3;

/**
 * Aligns lines whose cells are separated by tabs. A column is as wide as its widest cell in adjacent lines that have it; the
 * last cell of a line belongs to no column.
 */
export function alignColumns(lines: readonly string[]): string[] {
  const rows = lines.map((line) => line.split("\t"));
  const padded = rows.map(() => "");
  alignFrom(rows, padded, 0, 0, rows.length);
  return padded.map((text, i) => text + rows[i]!.at(-1)!);
}

/** Pads the cells from a column on, of the lines from `first` to before `end`. */
function alignFrom(
  rows: readonly (readonly string[])[],
  padded: string[],
  column: number,
  first: number,
  end: number,
): void {
  const has = (row: number): boolean => column < rows[row]!.length - 1;
  for (let at = first; at < end; ) {
    if (!has(at)) {
      at++;
      continue;
    }
    let after = at;
    let width = MIN_WIDTH;
    for (; after < end && has(after); after++) width = Math.max(width, displayWidth(rows[after]![column]!) + PADDING);
    for (let row = at; row < after; row++) padded[row] += padEnd(rows[row]![column]!, width);
    alignFrom(rows, padded, column + 1, at, after);
    at = after;
  }
}
