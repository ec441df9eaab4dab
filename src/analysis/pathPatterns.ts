/**
 * Patterns that choose paths of an image: `*` and `?` stop at slashes, `**` does not, `[a-z]` and `[!a-z]` are characters, `\`
 * takes the next one as it is. A pattern with a slash before its end starts at the root, any other matches at every depth; what
 * matches a directory matches all below it. Pure.
 */
import type { ByteString } from "../support/bytes.js";
import { toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";

/** Longest pattern. */
const MAX_PATTERN = 4096;

/** Says of a path (without leading slash) if it, or a directory above it, is chosen. */
export type PathPattern = (path: ByteString) => boolean;

/**
 * Compiles patterns into one that chooses what any of them does.
 * @throws NacreError USAGE for a malformed one
 */
export function compilePathPatterns(patterns: readonly string[]): PathPattern {
  const expressions = patterns.map((pattern) => new RegExp(expressionOf(pattern), "s"));
  return (path) => expressions.some((expression) => expression.test(path));
}

function expressionOf(pattern: string): string {
  if (pattern.length > MAX_PATTERN || pattern.includes("\0")) throw malformed(pattern, "it is too long");
  const bytes = toByteString(pattern)
    .replace(/^(?:\.\/)+/, "/")
    .replace(/\/+$/, "");
  if (bytes.replace(/^\/+/, "") === "") {
    if (pattern === "") throw malformed(pattern, "it is empty");
    return "";
  }
  const anchor = bytes.includes("/") ? "^" : "(?:^|/)";
  return `${anchor}${translate(bytes.replace(/^\/+/, ""), pattern)}(?:/|$)`;
}

function translate(bytes: ByteString, pattern: string): string {
  let out = "";
  for (let at = 0; at < bytes.length; at++) {
    const char = bytes[at]!;
    if (bytes.startsWith("**/", at) && (at === 0 || bytes[at - 1] === "/")) {
      out += "(?:.*/)?";
      at += 2;
    } else if (bytes.startsWith("**", at)) {
      out += ".*";
      at++;
    } else if (char === "*") out += "[^/]*";
    else if (char === "?") out += "[^/]";
    else if (char === "[") {
      const end = classEnd(bytes, at, pattern);
      out += classOf(bytes.slice(at + 1, end), pattern);
      at = end;
    } else if (char === "\\") {
      at++;
      if (at === bytes.length) throw malformed(pattern, "nothing follows its last \\");
      out += literal(bytes[at]!);
    } else out += literal(char);
  }
  return out;
}

/** A `]` right at the beginning is one of the characters. */
function classEnd(bytes: ByteString, start: number, pattern: string): number {
  let at = start + 1;
  if (bytes[at] === "!" || bytes[at] === "^") at++;
  if (bytes[at] === "]") at++;
  for (; at < bytes.length; at++) {
    if (bytes[at] === "\\") at++;
    else if (bytes[at] === "]") return at;
  }
  throw malformed(pattern, "a [ in it is not closed");
}

function classOf(text: ByteString, pattern: string): string {
  const isNegated = text.startsWith("!") || text.startsWith("^");
  const inner = (isNegated ? text.slice(1) : text).replace(/\\(.)|([[\]^&~|])/gs, (_, escaped, special) =>
    literalInClass(escaped ?? special),
  );
  const expression = `(?!/)[${isNegated ? "^" : ""}${inner}]`;
  try {
    new RegExp(expression);
  } catch {
    throw malformed(pattern, "it has a range the wrong way round");
  }
  return expression;
}

function literal(char: string): string {
  return /[.*+?^${}()|[\]\\/]/.test(char) ? `\\${char}` : char;
}

function literalInClass(char: string): string {
  return /[\w]/.test(char) ? char : `\\${char}`;
}

function malformed(pattern: string, why: string): NacreError {
  return new NacreError("USAGE", `syntax error in pattern ${JSON.stringify(pattern.slice(0, 100))}: ${why}`, {
    hint: "patterns have *, **, ?, [a-z] and \\ before a character that is meant as it is",
  });
}
