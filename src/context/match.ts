/** Go's filepath.Match, which decides what the wildcards of COPY and ADD sources mean (BuildKit: COPY, "pattern matching"). */
import { NacreError } from "../support/errors.js";

/** True if the word has an unescaped `*`, `?` or `[`. */
export function hasWildcard(word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    const c = word[i];
    if (c === "\\") i++;
    else if (c === "*" || c === "?" || c === "[") return true;
  }
  return false;
}

/**
 * Compiles a pattern for one path component: `*` any run, `?` one character, `[…]` and `[^…]` classes, `\c` literal.
 * @throws NacreError PLAN_INVALID on a malformed pattern
 */
export function compileComponent(pattern: string): (name: string) => boolean {
  return matcher(readParts(pattern));
}

const STAR = ".*";

/** The pattern as expressions, one for each character of it that is not part of a class or a run of stars. */
function readParts(pattern: string): readonly string[] {
  const characters = [...pattern];
  const parts: string[] = [];
  for (let i = 0; i < characters.length; ) {
    const c = characters[i]!;
    if (c === "*") {
      while (characters[i] === "*") i++;
      parts.push(STAR);
    } else if (c === "?") {
      parts.push(".");
      i++;
    } else if (c === "[") {
      const set = readClass(characters, i, pattern);
      parts.push(set.source);
      i = set.next;
    } else if (c === "\\") {
      if (i + 1 >= characters.length) throw malformed(pattern);
      parts.push(literal(characters[i + 1]!));
      i += 2;
    } else {
      parts.push(literal(c));
      i++;
    }
  }
  return parts;
}

/**
 * Matches by hand and not with a RegExp, which would go back and forth without bound on `*a*a*a*a*b`, and cannot be as long
 * as a line of a Dockerfile. It is enough to go back to the last star: whatever an earlier one could take more, the last one
 * can take too.
 */
function matcher(parts: readonly string[]): (name: string) => boolean {
  const tests = parts.map(characterTest);
  return (name) => {
    const characters = [...name];
    let at = 0;
    let part = 0;
    let star = -1;
    let taken = 0;
    while (at < characters.length) {
      const test = tests[part];
      if (part < tests.length && !test) {
        star = part++;
        taken = at;
      } else if (test?.(characters[at]!)) {
        part++;
        at++;
      } else if (star === -1) {
        return false;
      } else {
        part = star + 1;
        at = ++taken;
      }
    }
    return tests.slice(part).every((test) => !test);
  };
}

/** The test of one character; undefined for a star. */
function characterTest(part: string): ((character: string) => boolean) | undefined {
  if (part === STAR) return undefined;
  if (part === ".") return () => true;
  if (part.startsWith("\\u")) return (character) => part === literal(character);
  const expression = new RegExp(`^${part}$`, "su");
  return (character) => expression.test(character);
}

function readClass(characters: readonly string[], start: number, pattern: string): { source: string; next: number } {
  let i = start + 1;
  const negated = characters[i] === "^";
  if (negated) i++;
  let body = "";
  for (let first = true; ; first = false) {
    if (i >= characters.length) throw malformed(pattern);
    if (characters[i] === "]" && !first) break;
    const low = readClassCharacter(characters, i, pattern);
    i = low.next;
    let high = low.value;
    if (characters[i] === "-") {
      const end = readClassCharacter(characters, i + 1, pattern);
      high = end.value;
      i = end.next;
    }
    // A range upside down matches nothing in Go; in a RegExp it would be an error.
    if (low.value.codePointAt(0)! <= high.codePointAt(0)!) body += `${literal(low.value)}-${literal(high)}`;
  }
  if (body === "") return { source: negated ? "." : "(?!)", next: i + 1 };
  return { source: `[${negated ? "^" : ""}${body}]`, next: i + 1 };
}

function readClassCharacter(
  characters: readonly string[],
  at: number,
  pattern: string,
): { value: string; next: number } {
  let i = at;
  const c = characters[i];
  if (c === undefined || c === "-" || c === "]") throw malformed(pattern);
  if (c === "\\") i++;
  const value = characters[i];
  if (value === undefined) throw malformed(pattern);
  if (i + 1 >= characters.length) throw malformed(pattern);
  return { value, next: i + 1 };
}

function literal(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

function malformed(pattern: string): NacreError {
  return new NacreError("PLAN_INVALID", `malformed wildcard pattern ${JSON.stringify(pattern)}`, {
    hint: "close every [ with a ] and write a literal bracket as [[] and a literal backslash as \\\\",
  });
}
