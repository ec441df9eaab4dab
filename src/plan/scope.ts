/**
 * Scopes of variables: the global one (ARGs before the first FROM, platform arguments), and what build arguments do to
 * ARG. Expansion of words goes through here, so that undefined variables are reported and errors get their place.
 */
import type { ArgInstruction, Dockerfile, InstructionBase } from "../dockerfile/ast.js";
import { expandHeredoc, expandWord, expandWords } from "../dockerfile/expand.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import { isNacreError } from "../support/errors.js";
import type { SourceRange } from "../support/source.js";
import { nearest } from "../support/suggest.js";
import { Environment } from "./environment.js";
import type { PlanRequest } from "./graph.js";
import type { Notes } from "./notes.js";

/** ARGs that steer the builder and never enter an environment (BuildKit: nonEnvArgs). */
const NON_ENV_ARGS: ReadonlySet<string> = new Set(["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]);
/** In the order in which BuildKit puts them into the environment of RUN. */
const PROXY_NAMES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"] as const;

/** The variables that FROM lines see. */
export interface GlobalScope {
  readonly env: Environment;
  /** Every name that may be used in FROM, with or without a value. */
  readonly names: ReadonlySet<string>;
}

/** Turns words into texts. */
export interface Expander {
  readonly word: (raw: string, range: SourceRange) => string;
  readonly words: (raw: string, range: SourceRange) => readonly string[];
  readonly heredoc: (body: string, range: SourceRange) => string;
}

/** The global scope: platform arguments, then the global ARGs in order, each overridden by its build argument. */
export function globalScope(file: Dockerfile, request: PlanRequest, notes: Notes): GlobalScope {
  const env = new Environment(platformArguments(file, request));
  const names = new Set(env.names());
  for (const instruction of file.globalArgs) {
    for (const arg of instruction.args) {
      names.add(arg.name);
      const given = request.buildArgs.get(arg.name);
      const value = given ?? (arg.value && globalDefault(arg.value, env, instruction, notes));
      if (value !== undefined) env.set(arg.name, value);
    }
  }
  return { env, names };
}

function globalDefault(
  word: NonNullable<ArgInstruction["args"][number]["value"]>,
  env: Environment,
  instruction: ArgInstruction,
  notes: Notes,
): string {
  return expander(env, notes, instruction, () => {}).word(word.raw, word.range);
}

/** BUILD…, TARGET… and TARGETSTAGE; a build argument of the same name wins, and what is unknown is set but empty. */
export function platformArguments(file: Dockerfile, request: PlanRequest): readonly (readonly [string, string])[] {
  const stage = request.target || (file.stages.at(-1)?.name ?? "default");
  const values: readonly (readonly [string, string])[] = [
    ...platformValues("BUILD", request.buildPlatform),
    ...platformValues("TARGET", request.platform ?? request.buildPlatform),
    ["TARGETSTAGE", stage],
  ];
  return values.map(([name, value]) => [name, request.buildArgs.get(name) ?? value] as const);
}

function platformValues(prefix: string, platform: Platform): readonly (readonly [string, string])[] {
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, platform.osVersion ?? ""],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ""],
  ];
}

/**
 * The value that one name of a stage's ARG gets: the build argument, else its own default, else the global value, else
 * none. The default is not even expanded if a build argument is given.
 */
export function argValue(
  arg: ArgInstruction["args"][number],
  buildArgs: ReadonlyMap<string, string>,
  globals: GlobalScope,
  expand: Expander,
): string | undefined {
  const given = buildArgs.get(arg.name);
  if (given !== undefined) return given;
  if (arg.value) return expand.word(arg.value.raw, arg.value.range);
  return globals.env.get(arg.name);
}

/** False for the ARGs that RUN and expansion never see. */
export function entersEnvironment(name: string): boolean {
  return !NON_ENV_ARGS.has(name);
}

/** The predefined proxy arguments that were given, in both cases, as `NAME=value`. */
export function proxyEnvironment(buildArgs: ReadonlyMap<string, string>): readonly string[] {
  return PROXY_NAMES.flatMap((name) => {
    const value = buildArgs.get(name) || buildArgs.get(name.toLowerCase());
    return value ? [`${name}=${value}`, `${name.toLowerCase()}=${value}`] : [];
  });
}

/** True for build arguments that need no ARG: proxies, platform arguments, and those that steer the builder. */
export function isPredefined(name: string): boolean {
  const upper = name.toUpperCase();
  if (PROXY_NAMES.some((proxy) => proxy === upper)) return true;
  return (
    /^(?:BUILD|TARGET)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)$/.test(name) ||
    /^(?:BUILDKIT_|BUILDX_)/.test(name) ||
    name === "TARGETSTAGE" ||
    name === "SOURCE_DATE_EPOCH"
  );
}

/**
 * An expander over `env` for one instruction.
 * @param undefinedName told each name that a word uses although it is not set
 */
export function expander(
  env: Environment,
  notes: Notes,
  instruction: InstructionBase,
  undefinedName: (name: string, range: SourceRange) => void,
): Expander {
  const token = notes.file.escape;
  const lookup = (range: SourceRange) => ({
    get: (name: string) => env.get(name),
    unset: (name: string) => undefinedName(name, range),
    allowance: notes.allowance,
  });
  return {
    word: (raw, range) => notes.at(range, () => expandWord(raw, lookup(range), token)),
    words: (raw, range) => notes.at(range, () => expandWords(raw, lookup(range), token)),
    heredoc: (body, range) => atLine(range, notes, () => expandHeredoc(body, lookup(instruction.range))),
  };
}

/** Runs `work` on the body of a heredoc that stands at `range`; a failure is placed at its line. */
function atLine<T>(range: SourceRange, notes: Notes, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const line = isNacreError(error) ? error.facts.line : undefined;
    if (!isNacreError(error) || typeof line !== "number") throw error;
    throw error.at(notes.place(notes.lineRange(range, line)));
  }
}

/** Names that are looked at for a hint: a file has fewer, and one that has more may miss as many. */
const MAX_SUGGESTED = 200;

/** ` (did you mean $X?)`, or nothing. */
export function suggestion(name: string, candidates: Iterable<string>, prefix = "$"): string {
  const near = nearest(name, [...candidates].filter((candidate) => candidate !== name).slice(-MAX_SUGGESTED));
  return near === undefined ? "" : ` (did you mean ${prefix}${near}?)`;
}
