/**
 * Reading configuration files of others: bounded, and without ever repeating what they say. They may hold passwords, and
 * parsers like to quote the line that they did not understand: of their errors only the place is kept.
 */
import * as fs from "node:fs";
import { createRequire } from "node:module";
import * as v from "valibot";
import { type ErrorCode, errnoOf, NacreError } from "../support/errors.js";

/** Largest configuration or certificate file: far above any that people write. */
export const MAX_CONFIG_BYTES = 4 << 20;
/** Most entries of a directory that are looked at. */
const MAX_ENTRIES = 4096;

/** What kind of failure a file's errors are, and what can be done about them. */
export interface ConfigKind {
  readonly code: ErrorCode;
  readonly hint: string;
}

/** Files that say whom to ask. */
export const ENDPOINT_CONFIG: ConfigKind = {
  code: "USAGE",
  hint: "mend or remove the file; NACRE_REGISTRIES_CONF=/dev/null leaves all such files aside",
};

/**
 * A file's text, or undefined where there is none.
 * @throws NacreError of the kind's code if it is there and cannot be read, is no file, or is too big
 */
export function readConfigFile(file: string, kind: ConfigKind): string | undefined {
  let descriptor: number | undefined;
  try {
    // Not blocking: opening a named pipe must not wait for whoever writes to it.
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    return readBounded(descriptor);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    throw configError(kind, file, error instanceof TooMuch ? error.message : `it cannot be read (${errno ?? "?"})`);
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

class TooMuch extends Error {}

function readBounded(descriptor: number): string {
  const stat = fs.fstatSync(descriptor);
  // A device like /dev/null is a file without content.
  if (stat.isCharacterDevice()) return "";
  if (!stat.isFile()) throw new TooMuch("it is not a file");
  if (stat.size > MAX_CONFIG_BYTES) throw new TooMuch(`it is larger than ${MAX_CONFIG_BYTES >> 20} MiB`);
  return fs.readFileSync(descriptor, "utf8").replace(/^\uFEFF/, "");
}

/**
 * Names in a directory in byte order; none where there is no such directory.
 * @throws NacreError of the kind's code if it cannot be read or has too many
 */
export function readConfigDirectory(directory: string, kind: ConfigKind): readonly string[] {
  try {
    const names = fs.readdirSync(directory).sort();
    if (names.length <= MAX_ENTRIES) return names;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return [];
    throw configError(kind, directory, `it cannot be read (${errno ?? "?"})`);
  }
  throw configError(kind, directory, `it has more than ${MAX_ENTRIES} entries`);
}

/** True if there is a directory of that name. */
export function isDirectory(path: string): boolean {
  try {
    return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false;
  }
}

/**
 * Reads a text as JSON of a given form.
 * @throws NacreError of the kind's code, with the line where the parser tells it
 */
export function parseJsonConfig<S extends v.GenericSchema>(
  schema: S,
  file: string,
  text: string,
  kind: ConfigKind,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(text.trim() === "" ? "{}" : text);
  } catch (error) {
    const at = /position (\d+)/.exec(String(error))?.[1];
    throw configError(kind, file, "it is not JSON", at === undefined ? undefined : lineAt(text, Number(at)));
  }
  return checkForm(schema, file, value, kind);
}

/**
 * Reads a text as TOML of a given form. The parser is loaded here: most machines have nothing for it.
 * @throws NacreError of the kind's code, with the line where the parser tells it
 */
export function parseTomlConfig<S extends v.GenericSchema>(
  schema: S,
  file: string,
  text: string,
  kind: ConfigKind,
): v.InferOutput<S> {
  // A file of comments alone, as packages install them.
  if (/^(?:\s*(?:#.*)?(?:\n|$))*$/.test(text)) return checkForm(schema, file, {}, kind);
  const { parse, TomlError } = createRequire(import.meta.url)("smol-toml") as typeof import("smol-toml");
  let value: unknown;
  try {
    value = parse(text, { maxDepth: 50 });
  } catch (error) {
    throw configError(kind, file, "it is not TOML", error instanceof TomlError ? error.line : undefined);
  }
  return checkForm(schema, file, value, kind);
}

function checkForm<S extends v.GenericSchema>(
  schema: S,
  file: string,
  value: unknown,
  kind: ConfigKind,
): v.InferOutput<S> {
  if (Array.isArray(value)) throw configError(kind, file, "its content is a list");
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  // The name of the member alone: what stands there may be secret.
  const name = issue.path?.map((item) => String(item.key)).join(".") ?? "";
  const wanted = issue.kind === "schema" && issue.expected ? ` (wanted: ${issue.expected})` : "";
  throw configError(kind, file, `${name === "" ? "its content" : JSON.stringify(name)} is not as it must be${wanted}`);
}

/** An error in a configuration file. @param line the first line is 1 */
export function configError(kind: ConfigKind, file: string, why: string, line?: number): NacreError {
  const place = line === undefined ? file : `${file}:${line}`;
  return new NacreError(kind.code, `${place}: ${why}`, { hint: kind.hint, facts: { file, line } });
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}
