/**
 * Check options: which rules are told, and whether findings fail the build. They stand in `# check=…` at the top of a
 * file, in a comment above one instruction, or in the build argument BUILDKIT_DOCKERFILE_CHECK (BuildKit: ParseLintOptions).
 */
import { isNacreError, NacreError } from "../../support/errors.js";
import type { SourcePlace } from "../../support/source.js";
import { nearest } from "../../support/suggest.js";
import type { InstructionBase, SourceWarning } from "../ast.js";
import { isSpace } from "../chars.js";
import { readDirective } from "../directives.js";
import { findLintRule, LINT_RULES } from "./rules.js";

/** What to check. */
export interface CheckOptions {
  readonly skipAll: boolean;
  /** Names of rules, as written. */
  readonly skip: ReadonlySet<string>;
  readonly experimentalAll: boolean;
  readonly experimental: ReadonlySet<string>;
  /** Findings of BuildKit's rules fail the build. */
  readonly error: boolean;
}

/** Every rule that is not experimental, and no failure. */
export const DEFAULT_CHECK: CheckOptions = {
  skipAll: false,
  skip: new Set(),
  experimentalAll: false,
  experimental: new Set(),
  error: false,
};

/** BuildKit splits at the first two semicolons only. */
const MAX_PARTS = 3;
const HINT = "write skip=RULE,RULE or skip=all, error=true, experimental=RULE or experimental=all, separated by ;";

/**
 * Reads `skip=A,B;error=true;experimental=all`. Names of rules are not looked at: see {@link unknownRules}.
 * @throws NacreError DOCKERFILE_SYNTAX without a place
 */
export function parseCheckOptions(text: string): CheckOptions {
  const whole = text.trim();
  if (whole === "") return DEFAULT_CHECK;
  const options = { ...DEFAULT_CHECK };
  for (const part of splitParts(whole)) {
    const equals = part.indexOf("=");
    if (equals === -1) throw invalid(`invalid check option ${JSON.stringify(part)}`);
    const key = part.slice(0, equals).trim();
    const value = part.slice(equals + 1).trim();
    if (key === "error") options.error = truth(part, value);
    else if (key !== "skip" && key !== "experimental") throw invalid(`invalid check option ${JSON.stringify(key)}`);
    else if (value === "all") options[`${key}All`] = true;
    else options[key] = new Set(value.split(",").map((name) => name.trim()));
  }
  return options;
}

function splitParts(text: string): string[] {
  const all = text.split(";");
  return all.length <= MAX_PARTS ? all : [...all.slice(0, MAX_PARTS - 1), all.slice(MAX_PARTS - 1).join(";")];
}

/** Go's strconv.ParseBool. */
function truth(part: string, value: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(value)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(value)) return false;
  throw invalid(
    `failed to parse check option ${JSON.stringify(part)}: ${JSON.stringify(value)} is neither true nor false`,
  );
}

function invalid(message: string): NacreError {
  return new NacreError("DOCKERFILE_SYNTAX", message, { hint: HINT });
}

/** Check options as found, and what is odd about them. */
export interface FoundCheckOptions {
  readonly options: CheckOptions;
  readonly remarks: readonly SourceWarning[];
  /** Remarks about options that stand in no file. */
  readonly notes: readonly string[];
}

/**
 * The options that hold for a file.
 * @param text of the Dockerfile
 * @param override value of the build argument BUILDKIT_DOCKERFILE_CHECK: it replaces what the file says, even if empty
 * @throws NacreError DOCKERFILE_SYNTAX for malformed options, with the place of the directive; USAGE for the argument
 */
export function fileCheckOptions(text: string, file: string, override?: string): FoundCheckOptions {
  if (override !== undefined) {
    const options = fromArgument(override);
    return { options, remarks: [], notes: unknownNames(options) };
  }
  const found = checkDirective(text);
  if (!found) return { options: DEFAULT_CHECK, remarks: [], notes: [] };
  const place: SourcePlace = { file, text, range: found.range };
  try {
    const options = parseCheckOptions(found.read);
    return { options, remarks: remarksOn(options, found), notes: [] };
  } catch (error) {
    if (!isNacreError(error)) throw error;
    const hint = found.rest === "" ? error.hint : `what follows the first blank is not read: leave blanks out`;
    throw new NacreError(error.code, `failed to parse check options: ${error.message}`, { hint, place });
  }
}

function fromArgument(value: string): CheckOptions {
  try {
    return parseCheckOptions(value);
  } catch (error) {
    if (!isNacreError(error)) throw error;
    const message = `failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: ${error.message}`;
    throw new NacreError("USAGE", message, { hint: error.hint });
  }
}

interface FoundDirective {
  /** The value up to the first blank, which is all that BuildKit reads, and what follows it. */
  readonly read: string;
  readonly rest: string;
  readonly range: SourceWarning["range"];
}

/** Finds `# check=` among the directives. Unlike `escape` it is found after a leading `#!` line too (BuildKit: ParseDirective). */
function checkDirective(text: string): FoundDirective | undefined {
  let offset = 0;
  for (let number = 1; offset < text.length; number++) {
    const feed = text.indexOf("\n", offset);
    const end = feed === -1 ? text.length : feed;
    let start = offset + (number === 1 && text.startsWith("\ufeff") ? 1 : 0);
    const isShebang = number === 1 && text.startsWith("#!", start);
    while (start < end && isSpace(text.charCodeAt(start))) start++;
    const directive = isShebang ? undefined : readDirective(text.slice(start, end));
    if (!directive && !isShebang) return undefined;
    if (directive?.key === "check") {
      const column = start - offset;
      const last = column + directive.valueAt + directive.value.length;
      const range = { start: { line: number, column }, end: { line: number, column: last } };
      return { ...splitValue(directive.value), range };
    }
    offset = end + 1;
  }
  return undefined;
}

function splitValue(value: string): { readonly read: string; readonly rest: string } {
  const blank = value.indexOf(" ");
  return blank === -1 ? { read: value, rest: "" } : { read: value.slice(0, blank), rest: value.slice(blank).trim() };
}

/** A remark for each name that no rule has, and for what stands behind a blank. */
function remarksOn(options: CheckOptions, { rest, range }: FoundDirective): readonly SourceWarning[] {
  const unknown = unknownNames(options).map((message) => ({ rule: "UnknownCheckRule", message, range }));
  if (rest === "") return unknown;
  const message = `Check options end at the first blank: ${JSON.stringify(rest)} is not read`;
  return [...unknown, { rule: "CheckOptionIgnored", message, range }];
}

/** What to say of the names that no rule has: they are of no effect, most likely misspelt. */
function unknownNames(options: CheckOptions): readonly string[] {
  const known = [...LINT_RULES.map(({ name }) => name), ...OWN_REMARKS];
  return [...options.skip, ...options.experimental].flatMap((name) => {
    if (name === "" || known.includes(name)) return [];
    const near = nearest(name, known);
    return [`No check is called ${JSON.stringify(name)}${near === undefined ? "" : ` (did you mean ${near}?)`}`];
  });
}

/** Remarks and advice of nacre's own about a Dockerfile: they can be skipped by name, and never fail a build. */
export const OWN_REMARKS: ReadonlySet<string> = new Set([
  "CacheHostileOrder",
  "CheckOptionIgnored",
  "CopyBeforeDependencies",
  "MissingIgnoreFile",
  "OnbuildTriggerInvalid",
  "SecretInContextCopied",
  "SecretInDockerfile",
  "UnknownCheckRule",
  "UnreadContext",
  "UnusedBuildArg",
]);

/**
 * The options in the comments above an instruction; undefined if there are none. The first such comment counts; one that
 * is malformed changes nothing (BuildKit, from Dockerfile frontend 1.21 on), which is worth a remark.
 */
export function commentCheckOptions({
  comments,
  range,
}: Pick<InstructionBase, "comments" | "range">): FoundCheckOptions | undefined {
  const line = comments.find(isCheckComment);
  if (line === undefined) return undefined;
  const { read, rest } = splitValue(readDirective(`#${line}`)?.value ?? "");
  try {
    const options = parseCheckOptions(read);
    return { options, remarks: remarksOn(options, { read, rest, range }), notes: [] };
  } catch (error) {
    if (!isNacreError(error)) throw error;
    const message = `The check options above are malformed and ignored: ${error.message}`;
    return { options: DEFAULT_CHECK, remarks: [{ rule: "CheckOptionIgnored", message, range }], notes: [] };
  }
}

/** True for a comment (without `#`) that holds check options. */
export function isCheckComment(comment: string): boolean {
  return readDirective(`#${comment}`)?.key === "check";
}

/**
 * True if a finding of that rule is told. Experimental rules are told where they are asked for, and skipping does not
 * take that back; all others are told unless they are skipped (BuildKit: Linter.Run).
 * @param own options in the comments above the instruction, merged with those of the file
 */
export function isTold(rule: string, file: CheckOptions, own?: CheckOptions | undefined): boolean {
  const both = own ? [file, own] : [file];
  if (findLintRule(rule)?.experimental) {
    return both.some(({ experimentalAll, experimental }) => experimentalAll || experimental.has(rule));
  }
  return !both.some(({ skipAll, skip }) => skipAll || skip.has(rule));
}
