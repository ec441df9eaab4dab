/**
 * The configuration file: `$NACRE_CONFIG`, else `nacre/config.toml` in `$XDG_CONFIG_HOME` or `~/.config`. TOML, known keys
 * only: a key that is misspelt would otherwise be a limit that does not hold.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { errnoOf, NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";

const MAX_BYTES = 1 << 20;

/** What a key may hold; the words are for errors. */
type Form = (value: unknown) => boolean;
const isSize: Form = (value) => typeof value === "string" || (Number.isSafeInteger(value) && Number(value) >= 0);
const isText: Form = (value) => typeof value === "string";

/** The tables of the file with their keys. */
const TABLES: Readonly<Record<string, Readonly<Record<string, { readonly form: Form; readonly wanted: string }>>>> = {
  cache: {
    "max-size": { form: isSize, wanted: 'a size, e.g. "20GB"' },
    "keep-duration": { form: isText, wanted: 'a duration, e.g. "30d"' },
    "min-free": { form: isSize, wanted: 'a size or a part of the disk, e.g. "10%"' },
  },
};

/** What the file holds, checked for its form only. */
export interface Config {
  /** Where it lies. */
  readonly path: string;
  readonly cache: Readonly<Record<string, string | number | undefined>>;
  /** The line of a key of `[cache]`; the first is 1. Undefined where it is written in a way that this cannot follow. */
  readonly lineOf: (key: string) => number | undefined;
}

/** Where the file is, or would be. */
export function configPath(env: NodeJS.ProcessEnv): string {
  if (env.NACRE_CONFIG) return env.NACRE_CONFIG;
  const isUsable = env.XDG_CONFIG_HOME !== undefined && isAbsolute(env.XDG_CONFIG_HOME);
  const home = isUsable ? env.XDG_CONFIG_HOME! : join(env.HOME || homedir(), ".config");
  return join(home, "nacre", "config.toml");
}

/**
 * Reads the file.
 * @returns undefined if there is none, unless `$NACRE_CONFIG` names it
 * @throws NacreError USAGE with the place, for what is no TOML, a key that is not known, or a value of the wrong kind
 */
export function readConfig(env: NodeJS.ProcessEnv): Config | undefined {
  const path = configPath(env);
  const text = readText(path, Boolean(env.NACRE_CONFIG));
  if (text === undefined) return undefined;
  const tables = parse(path, text);
  for (const [name, table] of Object.entries(tables)) checkTable(path, text, name, table);
  const cache = (tables.cache ?? {}) as Config["cache"];
  return { path, cache, lineOf: (key) => lineOf(text, "cache", key) };
}

/** An error in the file. @param line the first line is 1 */
export function configError(path: string, line: number | undefined, why: string, hint?: string): NacreError {
  const place = line === undefined ? path : `${path}:${line}`;
  return new NacreError("USAGE", `${place}: ${why}`, { hint, facts: { file: path, line } });
}

function readText(path: string, isNamed: boolean): string | undefined {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_BYTES) throw configError(path, undefined, "is too big for a configuration file");
    return bytes.toString("utf8");
  } catch (error) {
    if (error instanceof NacreError) throw error;
    const errno = errnoOf(error);
    if (!isNamed && (errno === "ENOENT" || errno === "ENOTDIR")) return undefined;
    const why = errno === "ENOENT" ? "there is no such file" : `it cannot be read (${errno ?? String(error)})`;
    throw configError(path, undefined, why, isNamed ? "NACRE_CONFIG names it" : undefined);
  }
}

function parse(path: string, text: string): Record<string, unknown> {
  // Loaded here: most machines have no such file.
  const { parse: parseToml, TomlError } = createRequire(import.meta.url)("smol-toml") as typeof import("smol-toml");
  try {
    return parseToml(text, { maxDepth: 50 });
  } catch (error) {
    const line = error instanceof TomlError ? error.line : undefined;
    const why = error instanceof TomlError ? error.message.split("\n")[0]!.replace(/^Invalid TOML document: /, "") : "";
    throw configError(path, line, `it is not TOML${why === "" ? "" : `: ${why}`}`);
  }
}

function checkTable(path: string, text: string, name: string, table: unknown): void {
  if (!Object.hasOwn(TABLES, name)) {
    const line = lineOf(text, name) ?? lineOf(text, undefined, name);
    throw configError(
      path,
      line,
      `unknown key ${JSON.stringify(name)}`,
      hintFor(name, Object.keys(TABLES), "the file"),
    );
  }
  const known = TABLES[name]!;
  if (typeof table !== "object" || table === null || Array.isArray(table)) {
    throw configError(
      path,
      lineOf(text, undefined, name),
      `${JSON.stringify(name)} must be a table`,
      `write [${name}]`,
    );
  }
  for (const [key, value] of Object.entries(table)) {
    const line = lineOf(text, name, key);
    if (!Object.hasOwn(known, key)) {
      throw configError(
        path,
        line,
        `unknown key ${JSON.stringify(key)} in [${name}]`,
        hintFor(key, Object.keys(known), `[${name}]`),
      );
    }
    if (!known[key]!.form(value)) throw configError(path, line, `${JSON.stringify(key)} must be ${known[key]!.wanted}`);
  }
}

function hintFor(name: string, known: readonly string[], where: string): string {
  const near = nearest(name, known);
  return near ? `did you mean ${near}?` : `${where} may have ${known.join(", ")}`;
}

/** The line of a table's header or, with a key, of that key in it (of the top, where no table is named). */
function lineOf(text: string, table: string | undefined, key?: string): number | undefined {
  let current: string | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const header = /^\s*\[\s*(["']?)([^\]"']+?)\1\s*(?:\.[^\]]*)?\]/.exec(line)?.[2];
    if (header !== undefined) current = header.split(".")[0]!.trim();
    if (header !== undefined && key === undefined && current === table) return index + 1;
    const name = /^\s*(["']?)([^=\s"'#[]+)\1\s*=/.exec(line)?.[2];
    if (name === undefined || key === undefined) continue;
    if (current === table && (name === key || name.split(".")[0] === key)) return index + 1;
    if (current === undefined && table !== undefined && name === `${table}.${key}`) return index + 1;
  }
  return undefined;
}
