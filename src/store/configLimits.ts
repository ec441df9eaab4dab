/** The limits of the cache with where each comes from: a flag, the environment, the configuration file, or the default. */
import { isNacreError, NacreError } from "../support/errors.js";
import { parseDuration, parseSize } from "../support/human.js";
import { type Config, configError, readConfig } from "./configFile.js";
import { type CacheLimits, defaultLimit, type Percent } from "./limits.js";

/** A limit as it is written. */
export type LimitName = "max-size" | "keep-duration" | "min-free";

/** A limit and where it comes from. */
export interface Limit<T> {
  /** Undefined: there is no such limit. */
  readonly value: T | undefined;
  /** As it was written; `none` where there is none. */
  readonly text: string;
  /** `default`, a flag (`--max-size`), a variable (`NACRE_CACHE_MAX_SIZE`), or `FILE:LINE`. */
  readonly source: string;
}

/** The limits that hold. */
export interface ConfiguredLimits {
  readonly maxSize: Limit<number>;
  /** Milliseconds. */
  readonly keepDuration: Limit<number>;
  readonly minFree: Limit<number | Percent>;
}

/** Values of flags, as they were typed. */
export type LimitFlags = Readonly<Partial<Record<LimitName, string | undefined>>>;

/** The variable that stands for each limit. */
export const LIMIT_VARIABLES: Readonly<Record<LimitName, string>> = {
  "max-size": "NACRE_CACHE_MAX_SIZE",
  "keep-duration": "NACRE_CACHE_KEEP_DURATION",
  "min-free": "NACRE_CACHE_MIN_FREE",
};

/** No such limit, where one would otherwise apply. */
const NONE = "none";

interface Given {
  readonly text: string;
  readonly source: string;
  /** The same value's error, with where it stands. */
  readonly fail: (error: NacreError) => NacreError;
}

/**
 * Reads the limits: flags before the environment, that before the configuration file, that before the default.
 * @param storePath of the store, or where one would be: the default follows its file system
 * @throws NacreError USAGE for a value that is none, with the flag, variable or line that has it
 */
export function configuredLimits(storePath: string, env: NodeJS.ProcessEnv, flags: LimitFlags = {}): ConfiguredLimits {
  const config = readConfig(env);
  const given = (name: LimitName): Given | undefined => givenBy(name, flags, env, config);
  const maxSize = given("max-size");
  return {
    maxSize: maxSize ? read(maxSize, parseSize) : { ...defaultSize(storePath), source: "default" },
    keepDuration: read(given("keep-duration"), parseDuration),
    minFree: read(given("min-free"), parseFree),
  };
}

/** The figures alone. */
export function valuesOf({ maxSize, keepDuration, minFree }: ConfiguredLimits): CacheLimits {
  return {
    maxBytes: maxSize.value ?? Number.POSITIVE_INFINITY,
    keepDuration: keepDuration.value,
    minFree: minFree.value,
  };
}

/**
 * Reads an amount of free space: a size, or a part of the disk (`10%`).
 * @throws NacreError USAGE
 */
export function parseFree(text: string): number | Percent {
  const match = /^(\d{1,3}(?:\.\d+)?) ?%$/.exec(text.trim());
  if (!match) return parseSize(text);
  const percent = Number(match[1]);
  if (percent < 100) return { percent };
  throw new NacreError("USAGE", `not a part of a disk: ${JSON.stringify(text)}`, { hint: "it must be below 100%" });
}

function defaultSize(storePath: string): { value: number; text: string } {
  const value = defaultLimit(storePath);
  return { value, text: String(value) };
}

function read<T>(given: Given | undefined, parse: (text: string) => T): Limit<T> {
  if (!given) return { value: undefined, text: NONE, source: "default" };
  const { text, source } = given;
  if (text === NONE) return { value: undefined, text, source };
  try {
    return { value: parse(text), text, source };
  } catch (error) {
    if (!isNacreError(error)) throw error;
    throw given.fail(error);
  }
}

function givenBy(
  name: LimitName,
  flags: LimitFlags,
  env: NodeJS.ProcessEnv,
  config: Config | undefined,
): Given | undefined {
  const flag = flags[name];
  const named = (what: string) => (error: NacreError) =>
    new NacreError("USAGE", `${what}: ${error.message}`, { hint: error.hint });
  if (flag !== undefined) return { text: flag, source: `--${name}`, fail: named(`--${name}`) };
  const variable = LIMIT_VARIABLES[name];
  const value = env[variable];
  if (value) return { text: value, source: variable, fail: named(variable) };
  const entry = config?.cache[name];
  if (config === undefined || entry === undefined) return undefined;
  const line = config.lineOf(name);
  return {
    text: String(entry),
    source: line === undefined ? config.path : `${config.path}:${line}`,
    fail: (error) => configError(config.path, line, `${JSON.stringify(name)}: ${error.message}`, error.hint),
  };
}
