/** Go's path.Match, by which Docker picks images: `*` and `?` stop at slashes. Pure. */
import { NacreError } from "../support/errors.js";

/** Longest pattern: names have at most 255 characters and a tag. */
const MAX_PATTERN = 1024;

type Part = { readonly kind: "star" } | { readonly kind: "one"; readonly accepts: (char: string) => boolean };

/**
 * Compiles a pattern: `*`, `?`, `[a-z]`, `[^a-z]`, `\c`.
 * @throws NacreError USAGE for a malformed one
 */
export function compileGlob(pattern: string): (name: string) => boolean {
  if (pattern.length > MAX_PATTERN) throw malformed(pattern.slice(0, 100));
  const parts = readParts(pattern);
  return (name) => matches(parts, [...name]);
}

/** Goes back to the last star only: what an earlier one could take more, the last one can take too, up to the next slash. */
function matches(parts: readonly Part[], name: readonly string[]): boolean {
  let [part, at] = [0, 0];
  let star: { readonly part: number; at: number } | undefined;
  while (at < name.length) {
    const wanted = parts[part];
    if (wanted?.kind === "star") star = { part: part++, at };
    else if (wanted?.accepts(name[at]!)) [part, at] = [part + 1, at + 1];
    else if (star !== undefined && name[star.at] !== "/") [part, at] = [star.part + 1, ++star.at];
    else return false;
  }
  return parts.slice(part).every(({ kind }) => kind === "star");
}

function readParts(pattern: string): Part[] {
  const chars = [...pattern];
  const parts: Part[] = [];
  for (let at = 0; at < chars.length; ) {
    const char = chars[at]!;
    if (char === "*") {
      parts.push({ kind: "star" });
      at++;
    } else if (char === "?") {
      parts.push({ kind: "one", accepts: (other) => other !== "/" });
      at++;
    } else if (char === "[") {
      const { accepts, next } = readClass(chars, at + 1, pattern);
      parts.push({ kind: "one", accepts });
      at = next;
    } else {
      const [literal, next] = readChar(chars, at, pattern);
      parts.push({ kind: "one", accepts: (other) => other === literal });
      at = next;
    }
  }
  return parts;
}

function readClass(
  chars: readonly string[],
  start: number,
  pattern: string,
): { readonly accepts: (char: string) => boolean; readonly next: number } {
  const isNegated = chars[start] === "^";
  const ranges: (readonly [string, string])[] = [];
  let at = isNegated ? start + 1 : start;
  while (chars[at] !== "]" || ranges.length === 0) {
    if (chars[at] === undefined || chars[at] === "-" || chars[at] === "]") throw malformed(pattern);
    const [low, afterLow] = readChar(chars, at, pattern);
    let high = low;
    at = afterLow;
    if (chars[at] === "-") {
      if (chars[at + 1] === "-" || chars[at + 1] === "]") throw malformed(pattern);
      [high, at] = readChar(chars, at + 1, pattern);
    }
    ranges.push([low, high]);
  }
  const isIn = (char: string): boolean => ranges.some(([low, high]) => low <= char && char <= high);
  return { accepts: (char) => char !== "/" && isIn(char) !== isNegated, next: at + 1 };
}

/** A character, or the one behind a backslash. */
function readChar(chars: readonly string[], at: number, pattern: string): readonly [string, number] {
  const char = chars[at] === "\\" ? chars[at + 1] : chars[at];
  if (char === undefined) throw malformed(pattern);
  return [char, chars[at] === "\\" ? at + 2 : at + 1];
}

function malformed(pattern: string): NacreError {
  return new NacreError("USAGE", `syntax error in pattern ${JSON.stringify(pattern)}`, {
    hint: "close every [, and write \\ before a character that is meant as it is",
  });
}
