/**
 * The regular expression that stands behind an ignore pattern: made from the pattern as moby's patternmatcher makes it,
 * parsed, and matched by simulating its automaton, in time proportional to text × expression, whatever the pattern.
 */

// ---- from pattern to regular expression, as patternmatcher does it --------------------------------------------------

/** The Go regular expression of a pattern (patternmatcher: Pattern.compile), without `^` and `$` around it. */
export function toExpression(pattern: string): string {
  const chars = [...pattern];
  let out = "";
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i]!;
    if (char === "*" && chars[i + 1] === "*") {
      i++;
      if (chars[i + 1] === "/") i++;
      out += i + 1 < chars.length ? DIRS : ".*";
    } else if (char === "*") out += "[^/]*";
    else if (char === "?") out += "[^/]";
    else if (char === "\\") out += `\\${chars[++i] ?? ""}`;
    else out += /[.+()|{}$]/.test(char) ? `\\${char}` : char;
  }
  return out;
}

export type CharTest = (code: number) => boolean;

/** A piece of an expression. `dirs` is `(.*\/)?`; `never` an assertion that cannot hold where it stands. */
export type Atom =
  | { readonly kind: "one" | "star"; readonly test: CharTest; readonly text: string; readonly literal: boolean }
  | { readonly kind: "dirs" }
  | { readonly kind: "never" };

/** Any number of whole segments. */
const DIRS = "(.*/)?";

const notNewline: CharTest = (code) => code !== 10;
const notSlash: CharTest = (code) => code !== 47;

/** Parses what {@link toExpression} makes: the few forms of Go's regular expressions that can occur there. */
export function parseExpression(expression: string): Atom[] {
  const atoms: Atom[] = [];
  const chars = [...expression];
  for (let i = 0; i < chars.length; ) {
    const char = chars[i]!;
    // Nothing else begins with a bare bracket: see toExpression. Two in a row mean no more than one.
    if (char === "(" && chars.slice(i, i + 6).join("") === DIRS) {
      if (atoms.at(-1)?.kind !== "dirs") atoms.push({ kind: "dirs" });
      i += DIRS.length;
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
    const posix = chars[i] === "[" ? /^\[:(\^?)([a-z]+):\]/.exec(chars.slice(i, i + 12).join("")) : null;
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

// ---- matching whole texts -------------------------------------------------------------------------------------------

/** Simulates the expression's automaton: all positions that are possible after each character. */
export function run(atoms: readonly Atom[], text: string): boolean {
  // Position 2i: before atom i. Position 2i+1: within `(.*\/)?` of atom i.
  const end = 2 * atoms.length;
  let current = new Uint8Array(end + 1);
  let next = new Uint8Array(end + 1);
  current[0] = 1;
  // The last atom that can be active. It follows the text, so that an expression longer than that costs nothing.
  let last = close(atoms, current, 0);
  for (const char of text) {
    const code = char.codePointAt(0)!;
    next.fill(0, 0, 2 * last + 3);
    const reached = step(atoms, current, next, code, last);
    if (reached < 0) return false;
    last = close(atoms, next, reached);
    [current, next] = [next, current];
  }
  return current[end] === 1;
}

/** Adds what can be reached without a character. @returns the last atom that is active, given the last one before */
function close(atoms: readonly Atom[], at: Uint8Array, before: number): number {
  let last = before;
  for (let i = 0; i <= last && i < atoms.length; i++) {
    if (!at[2 * i]) continue;
    const kind = atoms[i]!.kind;
    if (kind === "dirs") at[2 * i + 1] = 1;
    if (kind !== "dirs" && kind !== "star") continue;
    at[2 * i + 2] = 1;
    last = Math.max(last, i + 1);
  }
  return last;
}

/** Takes one character. @returns the last atom that is active then, -1 if none is */
function step(atoms: readonly Atom[], from: Uint8Array, to: Uint8Array, code: number, last: number): number {
  let reached = -1;
  for (let i = 0; i <= last && i < atoms.length; i++) {
    const atom = atoms[i]!;
    if (atom.kind === "dirs") {
      if (!from[2 * i + 1] || !notNewline(code)) continue;
      to[2 * i + 1] = 1;
      reached = Math.max(reached, i);
      if (notSlash(code)) continue;
      to[2 * i + 2] = 1;
      reached = i + 1;
    } else if (from[2 * i] && atom.kind !== "never" && atom.test(code)) {
      to[atom.kind === "star" ? 2 * i : 2 * i + 2] = 1;
      reached = Math.max(reached, atom.kind === "star" ? i : i + 1);
    }
  }
  return reached;
}
