/**
 * One ignore pattern, compiled. moby's patternmatcher turns a pattern into a Go regular expression, and some of what
 * patterns mean (`[*]`, `\d`, `a**b`) follows from that translation alone. So the same expression is made here, parsed,
 * and matched in time proportional to path × pattern, whatever the pattern: no backtracking. The usual patterns, whose
 * wildcards stay within one path segment or are a whole `**` segment, get a cheaper form that is matched name by name
 * on the way down a tree.
 *
 * Everything here works on texts, one code point being one "character" of a pattern, as one rune is for Go.
 */

import { type Atom, parseExpression, run, toExpression } from "./ignoreExpression.js";

/** A pattern that can be decided name by name. */
export interface SegmentPattern {
  readonly kind: "segments";
  readonly segments: readonly Segment[];
}

/** A pattern that must see the whole path. */
export interface PathPattern {
  readonly kind: "path";
  readonly matches: (path: string) => boolean;
  /** Every path that matches starts with this. */
  readonly prefix: string;
}

export type CompiledPattern = SegmentPattern | PathPattern;

/** `"**"`: any number of segments; otherwise a test of one name. */
export type Segment = "**" | ((name: string) => boolean);

/** Segments that fit in the bit mask of a matcher's state. */
const MAX_SEGMENTS = 30;

/**
 * Compiles a cleaned pattern without its `!`.
 * @throws SyntaxError if Docker would call the pattern bad
 */
export function compilePattern(pattern: string): CompiledPattern {
  checkSyntax(pattern);
  const special = literalForm(pattern);
  if (special) return special;
  const atoms = parseExpression(toExpression(pattern));
  const segments = splitSegments(atoms);
  if (segments) return { kind: "segments", segments };
  return { kind: "path", matches: (path) => run(atoms, path), prefix: literalPrefix(atoms) };
}

/**
 * Matches a pattern against a whole path; for tests and single questions.
 * @param path relative, clean
 */
export function patternMatches(pattern: string, path: string): boolean {
  const compiled = compilePattern(pattern);
  if (compiled.kind === "path") return compiled.matches(path);
  const { segments } = compiled;
  let active = closure(segments, 1);
  for (const name of path.split("/")) active = advance(segments, active, name);
  return accepts(segments, active);
}

/** Positions reachable without consuming a name: `**` may stand for nothing, except at the end of a pattern. */
export function closure(segments: readonly Segment[], mask: number): number {
  let out = mask;
  for (let i = 0; i < segments.length - 1; i++) if (out & (1 << i) && segments[i] === "**") out |= 1 << (i + 1);
  return out;
}

/** The positions after one more name. Bit i set means: the first i segments have been consumed. */
export function advance(segments: readonly Segment[], mask: number, name: string): number {
  let out = 0;
  for (let i = 0; i < segments.length; i++) {
    if ((mask & (1 << i)) === 0) continue;
    const segment = segments[i]!;
    if (segment === "**") out |= i === segments.length - 1 ? (1 << i) | (1 << (i + 1)) : 1 << i;
    else if (segment(name)) out |= 1 << (i + 1);
  }
  return closure(segments, out);
}

/** True if all segments have been consumed. */
export function accepts(segments: readonly Segment[], mask: number): boolean {
  return (mask & (1 << segments.length)) !== 0;
}

// ---- syntax as Go's filepath.Match sees it --------------------------------------------------------------------------

/** The check that patternmatcher.New makes: filepath.Match must not find the pattern malformed. */
function checkSyntax(pattern: string): void {
  const chars = [...pattern];
  for (let i = 0; i < chars.length; i++) {
    if (chars[i] === "\\") {
      if (++i >= chars.length) throw new SyntaxError("it ends with a backslash");
    } else if (chars[i] === "[") {
      i = checkClass(chars, i + 1);
    }
  }
}

/** @returns the place of the closing bracket */
function checkClass(chars: readonly string[], start: number): number {
  let i = chars[start] === "^" ? start + 1 : start;
  for (let ranges = 0; ; ranges++) {
    if (chars[i] === "]" && ranges > 0) return i;
    i = checkClassChar(chars, i);
    if (chars[i] === "-") i = checkClassChar(chars, i + 1);
  }
}

function checkClassChar(chars: readonly string[], at: number): number {
  if (at < chars.length && (chars[at] === "-" || chars[at] === "]")) throw new SyntaxError("a malformed [...]");
  const next = chars[at] === "\\" ? at + 2 : at + 1;
  if (next >= chars.length) throw new SyntaxError("a [ without its ]");
  return next;
}

// ---- patterns without wildcards, and with ** at one end only --------------------------------------------------------

/** patternmatcher compares these as strings; only here do `^` and an empty class of wildcards mean themselves. */
function literalForm(pattern: string): CompiledPattern | undefined {
  const body = pattern.replace(/^\*\*|\*\*$/, "");
  if (/[*?[\]\\]/.test(body)) return undefined;
  if (body === pattern) return fitting(literalSegments(pattern), (path) => path === pattern, pattern);
  if (body === "") return { kind: "segments", segments: ["**"] };
  if (pattern.startsWith("**")) {
    if (body.startsWith("/"))
      return fitting(["**", ...literalSegments(body.slice(1))], (p) => `/${p}`.endsWith(body), "");
    return { kind: "path", matches: (path) => path.endsWith(body), prefix: "" };
  }
  if (body.endsWith("/"))
    return fitting([...literalSegments(body.slice(0, -1)), "**"], (p) => p.startsWith(body), body);
  return { kind: "path", matches: (path) => path.startsWith(body), prefix: body };
}

function fitting(segments: readonly Segment[], matches: (path: string) => boolean, prefix: string): CompiledPattern {
  return segments.length <= MAX_SEGMENTS ? { kind: "segments", segments } : { kind: "path", matches, prefix };
}

function literalSegments(text: string): Segment[] {
  return text.split("/").map((literal) => (name: string) => name === literal);
}

// ---- matching name by name ------------------------------------------------------------------------------------------

/** The segments of an expression, or undefined if some piece of it could match across a slash. */
function splitSegments(atoms: readonly Atom[]): Segment[] | undefined {
  const segments: Segment[] = [];
  let current: Atom[] = [];
  let open = true;
  for (const [i, atom] of atoms.entries()) {
    if (atom.kind === "never") return undefined;
    if (atom.kind === "dirs") {
      if (current.length > 0) return undefined;
      segments.push("**");
      open = true;
    } else if (atom.kind === "star" && atom.text === ".") {
      if (current.length > 0 || i !== atoms.length - 1) return undefined;
      segments.push("**");
      open = false;
    } else if (atom.kind === "one" && atom.literal && atom.text === "/") {
      if (current.length === 0) return undefined;
      segments.push(nameTest(current));
      current = [];
      open = true;
    } else {
      if (atom.test(47)) return undefined;
      current.push(atom);
      open = true;
    }
  }
  if (current.length > 0) segments.push(nameTest(current));
  else if (open) return undefined;
  return segments.length <= MAX_SEGMENTS ? segments : undefined;
}

/** The test of one name; the commonest forms without going through the characters. */
function nameTest(atoms: readonly Atom[]): (name: string) => boolean {
  const stars = atoms.flatMap((atom, i) => (isFreeStar(atom) ? [i] : []));
  const others = atoms.every((atom) => isFreeStar(atom) || (atom.kind === "one" && atom.literal));
  if (!others || stars.length > 1) return (name) => run(atoms, name);
  const text = (part: readonly Atom[]): string => part.map((atom) => ("text" in atom ? atom.text : "")).join("");
  if (stars.length === 0) {
    const wanted = text(atoms);
    return (name) => name === wanted;
  }
  const head = text(atoms.slice(0, stars[0]));
  const tail = text(atoms.slice(stars[0]! + 1));
  const least = head.length + tail.length;
  return (name) => name.length >= least && name.startsWith(head) && name.endsWith(tail);
}

function isFreeStar(atom: Atom): boolean {
  return atom.kind === "star" && atom.text === "[^/]";
}

function literalPrefix(atoms: readonly Atom[]): string {
  let prefix = "";
  for (const atom of atoms) {
    if (atom.kind !== "one" || !atom.literal) break;
    prefix += atom.text;
  }
  return prefix;
}
