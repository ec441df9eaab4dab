/**
 * Files with rules of a gate: `.nacre-gate.toml` (or JSON), and the `.dive-ci` files of dive as they are. Of YAML, which dive
 * uses, only what such files need is read: one mapping of names to plain or quoted values, below `rules:` or not.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { errnoOf, NacreError } from "../support/errors.js";
import { DIVE_DEFAULTS } from "./gateDefaults.js";
import { type GateRules, type GateSettings, gateName, readGateRules } from "./gateRules.js";

/** Largest file that is read. */
const MAX_BYTES = 1 << 20;

/**
 * Reads a file of rules. Its name tells its form: `.toml`, `.json`; everything else is one of dive's.
 * @param path as it is shown in errors and reports
 * @throws NacreError USAGE
 */
export function readGateFile(path: string): GateRules {
  return parseGateFile(path, readText(path));
}

/** See {@link readGateFile}. */
export function parseGateFile(path: string, text: string): GateRules {
  const name = basename(path).toLowerCase();
  if (name.endsWith(".toml"))
    return readGateRules(parseToml(path, text), (key) => ({ file: path, line: lineOf(text, key) }));
  if (name.endsWith(".json")) return readGateRules(parseJson(path, text), () => ({ file: path }));
  return diveRules(path, text);
}

function readText(path: string): string {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_BYTES) throw problem(path, undefined, "it is too big for a file of rules");
    return bytes.toString("utf8").replace(/^\ufeff/, "");
  } catch (error) {
    if (error instanceof NacreError) throw error;
    const why =
      errnoOf(error) === "ENOENT" ? "there is no such file" : `it cannot be read (${errnoOf(error) ?? error})`;
    throw problem(path, undefined, why);
  }
}

function parseToml(path: string, text: string): GateSettings {
  // Loaded here: flags need no TOML.
  const { parse, TomlError } = createRequire(import.meta.url)("smol-toml") as typeof import("smol-toml");
  try {
    return parse(text, { maxDepth: 20 });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw problem(
      path,
      error.line,
      `it is not TOML: ${error.message.split("\n")[0]!.replace(/^Invalid TOML document: /, "")}`,
    );
  }
}

function parseJson(path: string, text: string): GateSettings {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw problem(path, undefined, `it is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as GateSettings;
  throw problem(path, undefined, "it must be an object of rules");
}

/** The line on which a key is set. */
function lineOf(text: string, key: string): number | undefined {
  const name = key.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const pattern = new RegExp(`^\\s*(?:\\[\\s*)?["']?${name}["']?\\s*(?:[=.\\]]|$)`);
  const line = text.split("\n").findIndex((each) => pattern.test(each));
  return line < 0 ? undefined : line + 1;
}

/** Rules that a file of dive leaves out have dive's defaults. */
function diveRules(path: string, text: string): GateRules {
  const settings: Record<string, unknown> = {};
  const lines = new Map<string, number>();
  for (const { line, key, value } of diveEntries(path, text)) {
    const name = gateName(key, `${path}:${line}`);
    if (!Object.hasOwn(DIVE_DEFAULTS, name)) {
      throw problem(path, line, `${key} is no rule of dive`, "put nacre's own rules into .nacre-gate.toml");
    }
    if (lines.has(name)) throw problem(path, line, `${key} is there twice`);
    lines.set(name, line);
    settings[name] = value;
  }
  return readGateRules({ ...DIVE_DEFAULTS, ...settings }, (name) => {
    const line = lines.get(name);
    return line === undefined ? { file: path } : { file: path, line };
  });
}

interface DiveEntry {
  readonly line: number;
  readonly key: string;
  readonly value: string;
}

function diveEntries(path: string, text: string): DiveEntry[] {
  const entries: DiveEntry[] = [];
  let indent: number | undefined;
  let isBelowRules = false;
  for (const [at, raw] of text.split(/\r?\n/).entries()) {
    const line = at + 1;
    if (/^\s*(?:#.*)?$/.test(raw) || /^---\s*(?:#.*)?$/.test(raw)) continue;
    const [, blanks = "", key, rest = ""] = /^( *)([A-Za-z][\w-]*|"[\w-]+"|'[\w-]+'):(?=\s|$)(.*)$/.exec(raw) ?? [];
    if (key === undefined) throw notUnderstood(path, line);
    const name = key.replace(/^["']|["']$/g, "");
    const value = scalar(rest, path, line);
    if (name === "rules" && blanks === "" && value === "" && entries.length === 0 && !isBelowRules) {
      isBelowRules = true;
      continue;
    }
    indent ??= blanks.length;
    if (blanks.length !== indent || (isBelowRules && indent === 0)) throw notUnderstood(path, line);
    entries.push({ line, key: name, value });
  }
  return entries;
}

/** A plain or quoted value, without the remark behind it. */
function scalar(text: string, path: string, line: number): string {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed.startsWith("#")) return "";
  const [, double, single] = /^(?:"([^"\\]*)"|'([^']*)')\s*(?:#.*)?$/.exec(trimmed) ?? [];
  if (double !== undefined || single !== undefined) return double ?? single ?? "";
  const plain = trimmed.replace(/\s+#.*$/, "");
  if (/^[[{|>&*!%@`"'?-]/.test(plain) || /:(?:\s|$)/.test(plain)) throw notUnderstood(path, line);
  return plain === "~" || plain === "null" ? "" : plain;
}

function notUnderstood(path: string, line: number): NacreError {
  return problem(
    path,
    line,
    "this is not how a .dive-ci file looks",
    'write lines such as "  lowestEfficiency: 0.95" below "rules:"',
  );
}

function problem(path: string, line: number | undefined, why: string, hint?: string): NacreError {
  const place = line === undefined ? path : `${path}:${line}`;
  return new NacreError("USAGE", `${place}: ${why}`, { hint, facts: { file: path, line } });
}
