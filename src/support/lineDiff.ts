/** The difference of two texts by lines, as `diff -u` prints it. */

const CONTEXT = 3;
/** With more differences than this, everything between the first and the last of them is shown as changed. */
const MAX_DIFFERENCES = 1000;

/** Lines `[from, to)` of the one text stand where lines `[from, to)` of the other did. */
interface Change {
  readonly oldFrom: number;
  readonly oldTo: number;
  readonly newFrom: number;
  readonly newTo: number;
}

/**
 * A unified diff that `patch` understands; empty for equal texts. Carriage returns stay in the lines.
 * @param name what both files are called
 */
export function unifiedDiff(before: string, after: string, name: string): string {
  const [old, fresh] = [splitLines(before), splitLines(after)];
  const hunks = group(changesOf(old, fresh)).map((changes) => renderHunk(changes, old, fresh));
  return hunks.length === 0 ? "" : `--- ${name}\n+++ ${name}\n${hunks.join("")}`;
}

/** Lines with their terminators, so that a missing last one is a difference. */
function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function changesOf(old: readonly string[], fresh: readonly string[]): readonly Change[] {
  let start = 0;
  while (start < old.length && start < fresh.length && old[start] === fresh[start]) start++;
  let tail = 0;
  while (tail < Math.min(old.length, fresh.length) - start && old.at(-1 - tail) === fresh.at(-1 - tail)) tail++;
  const [a, b] = [old.slice(start, old.length - tail), fresh.slice(start, fresh.length - tail)];
  if (a.length === 0 && b.length === 0) return [];
  const path = shortestEdit(a, b);
  const whole = { oldFrom: start, oldTo: start + a.length, newFrom: start, newTo: start + b.length };
  return path ? toChanges(path, a.length, b.length, start) : [whole];
}

/**
 * The points where the two texts agree along a shortest edit (E. W. Myers, "An O(ND) Difference Algorithm and Its
 * Variations"); undefined if there are too many differences.
 */
function shortestEdit(a: readonly string[], b: readonly string[]): readonly (readonly [number, number])[] | undefined {
  const trace: Map<number, number>[] = [];
  let reach = new Map<number, number>([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, MAX_DIFFERENCES); d++) {
    const next = new Map(reach);
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
      let x = down ? (reach.get(k + 1) ?? 0) : (reach.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      next.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack([...trace, reach], a.length, b.length);
    }
    trace.push(reach);
    reach = next;
  }
  return undefined;
}

function walkBack(trace: readonly Map<number, number>[], x0: number, y0: number): (readonly [number, number])[] {
  const same: (readonly [number, number])[] = [];
  let [x, y] = [x0, y0];
  for (let d = trace.length - 1; d >= 0; d--) {
    const reach = trace[d]!;
    const k = x - y;
    const down = k === -d || (k !== d && (reach.get(k - 1) ?? -1) < (reach.get(k + 1) ?? -1));
    const before = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : (reach.get(before) ?? 0);
    const fromY = d === 0 ? 0 : fromX - before;
    while (x > fromX && y > fromY && x > 0 && y > 0) same.push([--x, --y]);
    [x, y] = [fromX, fromY];
  }
  return same.reverse();
}

function toChanges(same: readonly (readonly [number, number])[], a: number, b: number, offset: number): Change[] {
  const changes: Change[] = [];
  let [x, y] = [0, 0];
  for (const [sameX, sameY] of [...same, [a, b] as const]) {
    if (sameX > x || sameY > y) {
      changes.push({ oldFrom: offset + x, oldTo: offset + sameX, newFrom: offset + y, newTo: offset + sameY });
    }
    [x, y] = [sameX + 1, sameY + 1];
  }
  return changes;
}

/** Changes whose surroundings meet belong into one hunk. */
function group(changes: readonly Change[]): readonly (readonly Change[])[] {
  const groups: Change[][] = [];
  for (const change of changes) {
    const last = groups.at(-1);
    if (last && change.oldFrom - last.at(-1)!.oldTo <= 2 * CONTEXT) last.push(change);
    else groups.push([change]);
  }
  return groups;
}

function renderHunk(changes: readonly Change[], old: readonly string[], fresh: readonly string[]): string {
  const [first, last] = [changes[0]!, changes.at(-1)!];
  const before = Math.min(CONTEXT, first.oldFrom);
  const after = Math.min(CONTEXT, old.length - last.oldTo);
  const lines: string[] = [];
  let at = first.oldFrom - before;
  const keep = (to: number): void => {
    for (; at < to; at++) lines.push(lineOf(" ", old[at]!));
  };
  for (const { oldFrom, oldTo, newFrom, newTo } of changes) {
    keep(oldFrom);
    for (; at < oldTo; at++) lines.push(lineOf("-", old[at]!));
    for (let i = newFrom; i < newTo; i++) lines.push(lineOf("+", fresh[i]!));
  }
  keep(last.oldTo + after);
  const oldRange = rangeOf(first.oldFrom - before, last.oldTo + after);
  const newRange = rangeOf(first.newFrom - before, last.newTo + after);
  return `@@ -${oldRange} +${newRange} @@\n${lines.join("")}`;
}

function lineOf(sign: string, line: string): string {
  return line.endsWith("\n") ? sign + line : `${sign}${line}\n\\ No newline at end of file\n`;
}

/** `start,count` with lines counted from 1; an empty stretch is named by the line before it. */
function rangeOf(from: number, to: number): string {
  const count = to - from;
  return `${count === 0 ? from : from + 1}${count === 1 ? "" : `,${count}`}`;
}
