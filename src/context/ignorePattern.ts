/**
 * One ignore pattern, compiled. moby's patternmatcher turns a pattern into a Go regular expression, and some of what
 * patterns mean (`[*]`, `\d`, `a**b`) follows from that translation alone. So the same expression is made here, parsed,
 * and matched in time proportional to path × pattern, whatever the pattern: no backtracking. The usual patterns, whose
 * wildcards stay within one path segment or are a whole `**` segment, get a cheaper form that is matched name by name
 * on the way down a tree.
 *
 * Everything here works on texts, one code point being one "character" of a pattern, as one rune is for Go.
 */

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

// ---- from pattern to regular expression, as patternmatcher does it --------------------------------------------------

/** The Go regular expression of a pattern (patternmatcher: Pattern.compile), without `^` and `$` around it. */
function toExpression(pattern: string): string {
  const chars = [...pattern];
  let out = "";
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i]!;
    if (char === "*" && chars[i + 1] === "*") {
      i++;
      if (chars[i + 1] === "/") i++;
      out += i + 1 < chars.length ? "(.*/)?" : ".*";
    } else if (char === "*") out += "[^/]*";
    else if (char === "?") out += "[^/]";
    else if (char === "\\") out += `\\${chars[++i] ?? ""}`;
    else out += /[.+()|{}$]/.test(char) ? `\\${char}` : char;
  }
  return out;
}

type CharTest = (code: number) => boolean;

/** A piece of an expression. `dirs` is `(.*\/)?`; `never` an assertion that cannot hold where it stands. */
type Atom =
  | { readonly kind: "one" | "star"; readonly test: CharTest; readonly text: string; readonly literal: boolean }
  | { readonly kind: "dirs" }
  | { readonly kind: "never" };

const notNewline: CharTest = (code) => code !== 10;
const notSlash: CharTest = (code) => code !== 47;

/** Parses what {@link toExpression} makes: the few forms of Go's regular expressions that can occur there. */
function parseExpression(expression: string): Atom[] {
  const atoms: Atom[] = [];
  const chars = [...expression];
  for (let i = 0; i < chars.length; ) {
    const char = chars[i]!;
    if (chars.slice(i, i + 6).join("") === "(.*/)?") {
      atoms.push({ kind: "dirs" });
      i += 6;
      continue;
    }
    if (char === "^") {
      if (i > 0) atoms.push({ kind: "never" });
      i++;
      continue;
    }
    const piece = char === "[" ? parseClass(chars, i) : char === "." ? any(i) : parseLiteral(chars, i);
    const star = chars[piece.next] === "*";
    atoms.push({ kind: star ? "star" : "one", test: piece.test, text: piece.text, literal: piece.literal });
    i = piece.next + (star ? 1 : 0);
  }
  return atoms;
}

interface Piece {
  readonly test: CharTest;
  readonly text: string;
  /** Stands for exactly the character in `text`. */
  readonly literal: boolean;
  readonly next: number;
}

function any(at: number): Piece {
  return { test: notNewline, text: ".", literal: false, next: at + 1 };
}

function parseLiteral(chars: readonly string[], at: number): Piece {
  const char = chars[at]!;
  if (char !== "\\") return literal(char, at + 1);
  const escaped = chars[at + 1]!;
  const set = perlClass(escaped);
  if (set) return { test: set, text: `\\${escaped}`, literal: false, next: at + 2 };
  return literal(unescaped(escaped), at + 2);
}

function literal(char: string, next: number): Piece {
  const wanted = char.codePointAt(0)!;
  return { test: (code) => code === wanted, text: char, literal: true, next };
}

const CONTROL: Readonly<Record<string, string>> = { a: "\x07", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

function unescaped(char: string): string {
  const control = Object.hasOwn(CONTROL, char) ? CONTROL[char] : undefined;
  if (control !== undefined) return control;
  if (/[0-9A-Za-z]/.test(char) || char.codePointAt(0)! > 127)
    throw new SyntaxError(`a backslash cannot stand before ${char}`);
  return char;
}

function perlClass(letter: string): CharTest | undefined {
  const tests: Readonly<Record<string, RegExp>> = { d: /[0-9]/, s: /[\t\n\f\r ]/, w: /[0-9A-Za-z_]/ };
  const lower = letter.toLowerCase();
  const pattern = Object.hasOwn(tests, lower) ? tests[lower] : undefined;
  if (!pattern) return undefined;
  const inside: CharTest = (code) => pattern.test(String.fromCodePoint(code));
  return letter === lower ? inside : (code) => !inside(code);
}

const POSIX: Readonly<Record<string, RegExp>> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  ascii: /[\x00-\x7f]/,
  blank: /[\t ]/,
  cntrl: /[\x00-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t\n\v\f\r ]/,
  upper: /[A-Z]/,
  word: /[0-9A-Za-z_]/,
  xdigit: /[0-9A-Fa-f]/,
};

/** A bracket expression as RE2 reads it: ranges, escapes, `[:alpha:]` and `\d` within. */
function parseClass(chars: readonly string[], start: number): Piece {
  let i = start + 1;
  const negated = chars[i] === "^";
  if (negated) i++;
  const tests: CharTest[] = [];
  for (let first = true; first || chars[i] !== "]"; first = false) {
    if (i >= chars.length) throw new SyntaxError("a [ without its ]");
    const posix = /^\[:(\^?)([a-z]+):\]/.exec(chars.slice(i, i + 12).join(""));
    if (posix) {
      const pattern = Object.hasOwn(POSIX, posix[2]!) ? POSIX[posix[2]!] : undefined;
      if (!pattern) throw new SyntaxError(`there is no class ${posix[0]}`);
      tests.push((code) => pattern.test(String.fromCodePoint(code)) !== (posix[1] === "^"));
      i += posix[0].length;
      continue;
    }
    const set = chars[i] === "\\" ? perlClass(chars[i + 1] ?? "") : undefined;
    if (set) {
      tests.push(set);
      i += 2;
      continue;
    }
    const low = classChar(chars, i);
    i = low.next;
    let high = low.code;
    if (chars[i] === "-" && i + 1 < chars.length && chars[i + 1] !== "]") {
      const end = classChar(chars, i + 1);
      high = end.code;
      i = end.next;
    }
    if (high < low.code) throw new SyntaxError("a range whose ends are the wrong way round");
    tests.push((code) => code >= low.code && code <= high);
  }
  const test: CharTest = (code) => tests.some((one) => one(code)) !== negated;
  return { test, text: chars.slice(start, i + 1).join(""), literal: false, next: i + 1 };
}

function classChar(chars: readonly string[], at: number): { readonly code: number; readonly next: number } {
  const char = chars[at];
  if (char === undefined) throw new SyntaxError("a [ without its ]");
  if (char !== "\\") return { code: char.codePointAt(0)!, next: at + 1 };
  const escaped = chars[at + 1];
  if (escaped === undefined) throw new SyntaxError("a [ without its ]");
  return { code: unescaped(escaped).codePointAt(0)!, next: at + 2 };
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

// ---- matching whole texts -------------------------------------------------------------------------------------------

/** Simulates the expression's automaton: all positions that are possible after each character. */
function run(atoms: readonly Atom[], text: string): boolean {
  // Position 2i: before atom i. Position 2i+1: within `(.*\/)?` of atom i.
  const end = 2 * atoms.length;
  let current = new Uint8Array(end + 1);
  let next = new Uint8Array(end + 1);
  current[0] = 1;
  close(atoms, current);
  for (const char of text) {
    const code = char.codePointAt(0)!;
    next.fill(0);
    if (!step(atoms, current, next, code)) return false;
    close(atoms, next);
    [current, next] = [next, current];
  }
  return current[end] === 1;
}

function close(atoms: readonly Atom[], at: Uint8Array): void {
  for (let i = 0; i < atoms.length; i++) {
    if (!at[2 * i]) continue;
    const kind = atoms[i]!.kind;
    if (kind === "dirs") at[2 * i + 1] = 1;
    if (kind === "dirs" || kind === "star") at[2 * i + 2] = 1;
  }
}

function step(atoms: readonly Atom[], from: Uint8Array, to: Uint8Array, code: number): boolean {
  let any = false;
  for (let i = 0; i < atoms.length; i++) {
    const atom = atoms[i]!;
    if (atom.kind === "dirs") {
      if (!from[2 * i + 1] || !notNewline(code)) continue;
      to[2 * i + 1] = 1;
      if (!notSlash(code)) to[2 * i + 2] = 1;
      any = true;
    } else if (from[2 * i] && atom.kind !== "never" && atom.test(code)) {
      to[atom.kind === "star" ? 2 * i : 2 * i + 2] = 1;
      any = true;
    }
  }
  return any;
}
