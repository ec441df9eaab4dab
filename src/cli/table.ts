/** Aligned tables, as Docker's listings look. */
import { displayWidth, padEnd, printable } from "./terminalText.js";

/** Narrowest column. */
const MIN_WIDTH = 10;
/** Blanks between columns. */
const GAP = 3;

/**
 * Lines of a table: each column as wide as its longest cell, at least 10, three blanks between columns, the last column
 * not padded. Control characters in cells are made harmless.
 */
export function renderTable(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [headers, ...rows].map((row) => row.map(printable));
  const widths = headers.map((_, column) =>
    Math.max(MIN_WIDTH, ...lines.map((row) => displayWidth(row[column] ?? ""))),
  );
  return lines.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : padEnd(cell, widths[column]! + GAP)))
      .join("")
      .trimEnd(),
  );
}

/** Lines of `name:  value` pairs, the values in one column. */
export function renderPairs(pairs: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(0, ...pairs.map(([name]) => displayWidth(name)));
  return pairs.map(([name, value]) => `${padEnd(`${name}:`, width + 3)}${printable(value)}`);
}
