/**
 * The order of tags: versions by their numbers, whatever their length and what is behind them. Tags follow no standard, so
 * this is a rule of nacre's own, told in docs/search.md. Pure.
 */

/** By what tags are sorted: versions the newest first, names from A to Z, or the last pushed first. */
export type TagOrder = "version" | "name" | "updated";

/** The kinds of tags in the order in which they come. */
type Kind = "latest" | "version" | "number" | "name";
const KINDS: readonly Kind[] = ["latest", "version", "number", "name"];

interface ParsedTag {
  readonly tag: string;
  readonly kind: Kind;
  readonly numbers: readonly string[];
  /** What is behind the numbers, without what parts it from them. */
  readonly suffix: string;
  readonly isEarly: boolean;
}

/** Words for what comes before a release. */
const EARLY = /^(?:alpha|beta|rc|pre|preview|dev|snapshot|nightly|canary|eap|milestone|m|a|b)(?=[\d._-]|$)/i;
/** Such a word right behind the numbers, as Python writes it: `3.14.0b2`. */
const EARLY_CLOSE = /^(?:alpha|beta|rc|a|b)\d+/i;
const VERSION = /^v?(\d+(?:\.\d+){0,3})(?:[-_+.](.+))?$/;
const CLOSE_VERSION = /^v?(\d+(?:\.\d+){1,3})((?:alpha|beta|rc|a|b)\d+.*)$/i;
/** Digits of the longest number that is a version by itself: longer ones are dates and numbers of builds. */
const LONGEST_VERSION = 5;

/**
 * Tags with the newest version first. `3` comes before `3.20` and that before `3.20.1`, since it moves on; a version before
 * its variants (`3.20-slim`), and before what preceded it (`3.20-rc1`). `latest` is the first of all, dates and numbers of
 * builds come behind versions, names at the end.
 */
export function byVersion(tags: readonly string[]): string[] {
  const parsed = tags.map(parseTag);
  return parsed.sort(compareTags).map(({ tag }) => tag);
}

/** From A to Z, with numbers in names by their value. */
export function byName(tags: readonly string[]): string[] {
  return [...tags].sort(compareNatural);
}

function parseTag(tag: string): ParsedTag {
  if (tag === "latest") return { tag, kind: "latest", numbers: [], suffix: "", isEarly: false };
  const match = CLOSE_VERSION.exec(tag) ?? VERSION.exec(tag);
  if (!match) return { tag, kind: "name", numbers: [], suffix: tag, isEarly: false };
  const numbers = match[1]!.split(".");
  const suffix = match[2] ?? "";
  const kind = numbers.length === 1 && numbers[0]!.length > LONGEST_VERSION ? "number" : "version";
  return { tag, kind, numbers, suffix, isEarly: EARLY.test(suffix) || EARLY_CLOSE.test(suffix) };
}

function compareTags(a: ParsedTag, b: ParsedTag): number {
  const kinds = KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind);
  if (kinds !== 0) return kinds;
  const numbers = compareNumbers(a.numbers, b.numbers);
  if (numbers !== 0) return numbers;
  if (a.isEarly !== b.isEarly) return a.isEarly ? 1 : -1;
  // Of what precedes a version, the latest comes first too.
  const suffixes = a.isEarly ? compareNatural(b.suffix, a.suffix) : compareNatural(a.suffix, b.suffix);
  return suffixes || compareText(a.tag, b.tag);
}

/** The greater first; a number that is not there moves with the greatest. */
function compareNumbers(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i], b[i]];
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1;
    const order = compareDigits(y, x);
    if (order !== 0) return order;
  }
  return 0;
}

/** Numbers of any length, by value. */
function compareDigits(a: string, b: string): number {
  const [x, y] = [a, b].map((digits) => digits.replace(/^0+(?=\d)/, ""));
  return x!.length - y!.length || compareText(x!, y!);
}

function compareNatural(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => text.match(/\d+|\D+/g) ?? []);
  for (let i = 0; i < Math.min(x!.length, y!.length); i++) {
    const [p, q] = [x![i]!, y![i]!];
    const areNumbers = /^\d/.test(p) && /^\d/.test(q);
    const order = areNumbers ? compareDigits(p, q) : compareText(p, q);
    if (order !== 0) return order;
  }
  return x!.length - y!.length || compareText(a, b);
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
