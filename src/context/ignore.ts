/**
 * Ignore files: from the text of a `.dockerignore` to a list of checked patterns. What the patterns match is decided by
 * `ignoreMatcher.ts`. The rules are those of moby's ignorefile reader and patternmatcher, which BuildKit uses; where
 * those differ from what people expect (from .gitignore, say), docs/ignore-files.md tells.
 */
import { NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson } from "../support/json.js";
import type { SourcePlace } from "../support/source.js";
import { compilePattern } from "./ignorePattern.js";

/** One pattern, cleaned. */
export interface IgnorePattern {
  /** Line in the ignore file (the first is 1), or position in a list of patterns. */
  readonly line: number;
  /** Started with `!`: re-includes what it matches. */
  readonly negated: boolean;
  /** The pattern without `!`, cleaned as a path. */
  readonly text: string;
}

/** An ignore file after parsing. */
export interface IgnoreRules {
  /** Name of the file, for messages. */
  readonly file: string;
  readonly patterns: readonly IgnorePattern[];
  /** SHA-256 over the patterns in order, 64 hex digits: rules with equal digests decide alike. */
  readonly digest: string;
}

/** Longest line (Go's bufio.Scanner, with which Docker reads the file, gives up at 64 KiB). */
const MAX_LINE = 65_535;

/** What Go's strings.TrimSpace takes off (unicode.IsSpace), which differs from JavaScript's trim in U+0085 and U+FEFF. */
const SPACE = "[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const AROUND = new RegExp(`^${SPACE}|(?<!${SPACE.slice(0, -1)})${SPACE}$`, "g");

/**
 * Parses the text of an ignore file (moby: ignorefile.ReadAll and patternmatcher.New). A byte order mark is dropped,
 * lines with `#` in column 0 are comments, other lines lose blanks around them; `!` makes an exception; each pattern is
 * cleaned like a path and loses a leading slash.
 * @param text decoded with `decodeText`
 * @param file name for messages
 * @throws NacreError IGNORE_PATTERN with the place
 */
export function parseIgnoreFile(text: string, file: string): IgnoreRules {
  const patterns: IgnorePattern[] = [];
  const lines = text.replace(/^\ufeff/, "").split("\n");
  for (const [index, raw] of lines.entries()) {
    const number = index + 1;
    const place = (): SourcePlace => placeOf(file, text, number, raw.length);
    if (raw.length > MAX_LINE) {
      throw new NacreError("IGNORE_PATTERN", `line ${number} of ${file} is longer than ${MAX_LINE} characters`, {
        hint: "split it into several patterns",
        place: place(),
      });
    }
    if (raw.startsWith("#")) continue;
    const line = fileLine(trim(raw.replace(/\r$/, "")));
    if (line === "") continue;
    patterns.push(parsePattern(line, number, file, place));
  }
  return rulesOf(file, patterns);
}

/**
 * Patterns given one by one, as `COPY --exclude` has them: trimmed, cleaned, `!` understood, but no comments and no
 * leading slash taken off (moby: patternmatcher.New).
 * @throws NacreError IGNORE_PATTERN
 */
export function parsePatterns(patterns: readonly string[], file: string): IgnoreRules {
  const parsed: IgnorePattern[] = [];
  for (const [index, raw] of patterns.entries()) {
    const text = trim(raw);
    if (text !== "") parsed.push(parsePattern(text, index + 1, file));
  }
  return rulesOf(file, parsed);
}

/** Cleans a path by its text alone, as Go's filepath.Clean does: a trailing slash, `.`, `x/..` and double slashes go. */
export function cleanLexically(path: string): string {
  const rooted = path.startsWith("/");
  const out: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") out.push(part);
    else if (out.length > 0 && out[out.length - 1] !== "..") out.pop();
    else if (!rooted) out.push(part);
  }
  const cleaned = (rooted ? "/" : "") + out.join("/");
  return cleaned === "" ? "." : cleaned;
}

/** What the reader of the file does to a line before the patterns are taken as such. */
function fileLine(line: string): string {
  const negated = line.startsWith("!");
  let pattern = negated ? trim(line.slice(1)) : line;
  if (pattern !== "") {
    pattern = cleanLexically(pattern);
    if (pattern.length > 1 && pattern.startsWith("/")) pattern = pattern.slice(1);
  }
  return negated ? `!${pattern}` : pattern;
}

function parsePattern(line: string, number: number, file: string, place?: () => SourcePlace): IgnorePattern {
  // Cleaned once more with the exclamation mark, as patternmatcher.New does: `!/` thereby becomes a lone `!`.
  const cleaned = cleanLexically(trim(line));
  const negated = cleaned.startsWith("!");
  if (cleaned === "!") {
    throw new NacreError("IGNORE_PATTERN", `illegal exclusion pattern "!" in ${file}, line ${number}`, {
      hint: "write what is to be included again after the exclamation mark, such as !src",
      place: place?.(),
    });
  }
  const text = negated ? cleaned.slice(1) : cleaned;
  try {
    compilePattern(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new NacreError(
      "IGNORE_PATTERN",
      `bad pattern ${JSON.stringify(text)} in ${file}, line ${number}: ${error.message}`,
      {
        hint: "put a backslash before a character that is meant literally, such as \\[ or \\*",
        place: place?.(),
      },
    );
  }
  return { line: number, negated, text };
}

function rulesOf(file: string, patterns: readonly IgnorePattern[]): IgnoreRules {
  const digest = sha256Hex(canonicalJson(patterns.map(({ negated, text }) => [negated, text])));
  return { file, patterns, digest };
}

function trim(text: string): string {
  return text.replace(AROUND, "");
}

function placeOf(file: string, text: string, line: number, length: number): SourcePlace {
  return { file, text, range: { start: { line, column: 0 }, end: { line, column: length } } };
}
