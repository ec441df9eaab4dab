/**
 * The patterns of `${name#p}`, `${name%p}` and `${name/p/r}`: `*` and `?` are wild, brackets are not (BuildKit:
 * convertShellPatternToRegex). Neither wildcard matches a line feed, as in Go's regular expressions.
 *
 * Matching is done by hand and not with a RegExp, which would go back and forth without bound on `*a*a*a*a*b`: a
 * pattern is a row of segments between stars, and taking each segment at its first possible place (or the last one at
 * its last) is enough.
 */

/** A character of a segment; `undefined` stands for `?`. */
type Unit = string | undefined;
type Segment = readonly Unit[];

/** A pattern that is malformed. */
export interface WrongPattern {
  readonly wrong: string;
}

/** Comparisons that one operation may take. */
const MAX_WORK = 1 << 24;

/** Cuts the shortest or longest prefix that matches. @returns undefined if that takes too much work */
export function trimPrefix(value: string, pattern: string, longest: boolean): string | WrongPattern | undefined {
  const segments = parse(pattern);
  if ("wrong" in segments) return segments;
  const units = [...value];
  if (isTooMuch(units, pattern)) return undefined;
  const end = matchEnd(units, segments, longest);
  return end === undefined ? value : units.slice(end).join("");
}

/** Cuts the shortest or longest suffix that matches. @returns undefined if that takes too much work */
export function trimSuffix(value: string, pattern: string, longest: boolean): string | WrongPattern | undefined {
  const segments = parse(pattern);
  if ("wrong" in segments) return segments;
  const units = [...value].reverse();
  if (isTooMuch(units, pattern)) return undefined;
  const backwards = segments.map((segment) => [...segment].reverse()).reverse();
  const end = matchEnd(units, backwards, longest);
  return end === undefined ? value : units.slice(end).reverse().join("");
}

/**
 * Replaces the first or every leftmost-longest match. The replacement is taken literally.
 * @param limit the longest result
 * @returns undefined if the result is longer or takes too much work
 */
export function replaceMatches(
  value: string,
  pattern: string,
  replacement: string,
  all: boolean,
  limit: number,
): string | WrongPattern | undefined {
  const segments = parse(pattern);
  if ("wrong" in segments) return segments;
  const units = [...value];
  if (isTooMuch(units, pattern)) return undefined;
  const parts: string[] = [];
  let length = 0;
  let copied = 0;
  let from = 0;
  for (;;) {
    const match = search(units, segments, from);
    if (!match) break;
    // An empty match right behind the last one does not count (Go: ReplaceAllString).
    if (match.end > match.start || match.start > copied || parts.length === 0) {
      const kept = units.slice(copied, match.start).join("");
      length += kept.length + replacement.length;
      if (length > limit) return undefined;
      parts.push(kept, replacement);
      copied = match.end;
    }
    if (!all) break;
    from = match.end > match.start ? match.end : match.end + 1;
    if (from > units.length) break;
  }
  return parts.join("") + units.slice(copied).join("");
}

function isTooMuch(units: readonly string[], pattern: string): boolean {
  return (units.length + 1) * (pattern.length + 1) > MAX_WORK;
}

/** Cuts a pattern at its stars. `\*`, `\?` and `\\` are literal; `\/` and `\}` stand for the character alone. */
function parse(pattern: string): readonly Segment[] | WrongPattern {
  const segments: Unit[][] = [[]];
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i++) {
    const c = characters[i]!;
    if (c === "*") segments.push([]);
    else if (c === "?") segments.at(-1)!.push(undefined);
    else if (c !== "\\") segments.at(-1)!.push(c);
    else {
      const escaped = characters[++i] ?? "";
      if (escaped === "" || !"*?\\/}".includes(escaped)) return { wrong: `invalid escape '\\${escaped}'` };
      segments.at(-1)!.push(escaped);
    }
  }
  return segments;
}

/** Where a match that begins at `start` ends: the nearest or the farthest end; undefined if there is none. */
function matchEnd(
  units: readonly string[],
  segments: readonly Segment[],
  longest: boolean,
  start = 0,
): number | undefined {
  const first = segments[0]!;
  if (!matchesAt(units, first, start)) return undefined;
  let at = start + first.length;
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i]!;
    const found = longest && i === segments.length - 1 ? findLast(units, segment, at) : findFirst(units, segment, at);
    if (found === undefined) return undefined;
    at = found + segment.length;
  }
  return at;
}

/** The leftmost match from `from` on, as long as possible. */
function search(
  units: readonly string[],
  segments: readonly Segment[],
  from: number,
): { start: number; end: number } | undefined {
  for (let start = from; start <= units.length; start++) {
    const end = matchEnd(units, segments, true, start);
    if (end !== undefined) return { start, end };
    // What follows the first star was not found on this line, so it is not found from a later place of it either.
    if (segments.length > 1 && matchesAt(units, segments[0]!, start))
      start = lineEnd(units, start + segments[0]!.length) - 1;
  }
  return undefined;
}

function lineEnd(units: readonly string[], at: number): number {
  const end = units.indexOf("\n", at);
  return end === -1 ? units.length + 1 : end + 1;
}

function matchesAt(units: readonly string[], segment: Segment, at: number): boolean {
  if (at + segment.length > units.length) return false;
  return segment.every((unit, i) => (unit === undefined ? units[at + i] !== "\n" : units[at + i] === unit));
}

/** The first place at or behind `at` where the segment matches, with no line feed in between. */
function findFirst(units: readonly string[], segment: Segment, at: number): number | undefined {
  for (let i = at; i + segment.length <= units.length; i++) {
    if (matchesAt(units, segment, i)) return i;
    if (units[i] === "\n") return undefined;
  }
  return undefined;
}

/** The last such place. */
function findLast(units: readonly string[], segment: Segment, at: number): number | undefined {
  const feed = units.indexOf("\n", at);
  const stop = Math.min(feed === -1 ? units.length : feed, units.length - segment.length);
  for (let i = stop; i >= at; i--) if (matchesAt(units, segment, i)) return i;
  return undefined;
}
