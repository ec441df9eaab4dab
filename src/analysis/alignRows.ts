/** Which row of one list is which of another: the alignment of the greatest worth that keeps both orders. Pure. */

/** Most pairs of rows that are weighed against each other; of longer lists only their equal beginnings and ends are paired. */
const MAX_PAIRS = 4_000_000;

/** Worth of two rows that are the same for certain. */
export const CERTAIN = 3;

/** A pair of positions; undefined where a row has no other. */
export interface AlignedRows {
  readonly a?: number | undefined;
  readonly b?: number | undefined;
}

/**
 * Aligns two lists.
 * @param worth of a pair, up to {@link CERTAIN}; 0: it must not be one
 * @returns all rows, in an order that keeps that of both lists; rows of A alone stand before those of B alone
 */
export function alignRows(a: number, b: number, worth: (a: number, b: number) => number): AlignedRows[] {
  const shorter = Math.min(a, b);
  let start = 0;
  while (start < shorter && worth(start, start) === CERTAIN) start++;
  let tail = 0;
  while (tail < shorter - start && worth(a - 1 - tail, b - 1 - tail) === CERTAIN) tail++;
  const rows: AlignedRows[] = [];
  for (let at = 0; at < start; at++) rows.push({ a: at, b: at });
  rows.push(...alignMiddle(start, a - tail, b - tail, worth));
  for (let at = tail; at > 0; at--) rows.push({ a: a - at, b: b - at });
  return rows;
}

function alignMiddle(
  start: number,
  endA: number,
  endB: number,
  worth: (a: number, b: number) => number,
): AlignedRows[] {
  const [rows, columns] = [endA - start, endB - start];
  if (rows * columns > MAX_PAIRS) return unpaired(start, endA, start, endB);
  // sums[i][j]: the greatest worth of what is left from row i and column j on.
  const width = columns + 1;
  const sums = new Int32Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      const here = worth(start + i, start + j);
      const paired = here > 0 ? here + sums[(i + 1) * width + j + 1]! : 0;
      sums[i * width + j] = Math.max(paired, sums[(i + 1) * width + j]!, sums[i * width + j + 1]!);
    }
  }
  const out: AlignedRows[] = [];
  let [i, j] = [0, 0];
  while (i < rows && j < columns) {
    const here = worth(start + i, start + j);
    const sum = sums[i * width + j]!;
    if (here > 0 && sum === here + sums[(i + 1) * width + j + 1]!) out.push({ a: start + i++, b: start + j++ });
    else if (sum === sums[(i + 1) * width + j]!) out.push({ a: start + i++ });
    else out.push({ b: start + j++ });
  }
  return [...out, ...unpaired(start + i, endA, start + j, endB)];
}

function unpaired(fromA: number, endA: number, fromB: number, endB: number): AlignedRows[] {
  const rows: AlignedRows[] = [];
  for (let at = fromA; at < endA; at++) rows.push({ a: at });
  for (let at = fromB; at < endB; at++) rows.push({ b: at });
  return rows;
}
