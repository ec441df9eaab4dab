/** Aligned tables, as Docker's listings look. */
import { displayWidth, padEnd, printable } from "./terminalText.js";

/** Narrowest column, with the blanks behind it. */
const MIN_WIDTH = 10;
/** Blanks between columns, at least. */
const GAP = 3;

/**
 * Lines of a table: each column as wide as its longest cell and three blanks, at least 10, the last column not padded (Go's
 * tabwriter with Docker's settings). Control characters in cells are made harmless.
 */
export function renderTable(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [headers, ...rows].map((row) => row.map(printable));
  const widths = headers.map((_, column) =>
    Math.max(MIN_WIDTH, ...lines.map((row) => displayWidth(row[column] ?? "") + GAP)),
  );
  return lines.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : padEnd(cell, widths[column]!)))
      .join("")
      .trimEnd(),
  );
}

/** Lines of `name:  value` pairs, the values in one column. */
export function renderPairs(pairs: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(0, ...pairs.map(([name]) => displayWidth(name)));
  return pairs.map(([name, value]) => `${padEnd(`${name}:`, width + 3)}${printable(value)}`);
}
