/**
 * The file of a build, `builds/ID`. A first line says how long the parts are and how they hash; then follow what listings
 * need, the names of the logs, and the whole entry, each as one line of JSON:
 *
 *   nacre build 2 HEAD LOGS ENTRY SHA256-OF-HEAD SHA256-OF-LOGS-AND-ENTRY
 *
 * So a listing reads the beginning of a file only, however large it is. The hashes begin with the build's name: a file that
 * was cut short, damaged or renamed is found out. Version 1 was the entry alone, as JSON.
 */
import * as v from "valibot";
import { sha256Hex } from "../support/hash.js";
import { boundedEntry } from "./buildBounds.js";
import { BUILD_VERSION, type BuildEntry, type BuildHead, entrySchema, headOf, headSchema } from "./buildEntry.js";

/** Largest file that is read; what is larger was not written by nacre. */
export const MAX_BUILD_BYTES = 32 << 20;
/** Largest entry that is written. */
const MAX_ENTRY_BYTES = 12 << 20;
/** No first line is longer. */
export const FIRST_LINE_BYTES = 256;
const FIRST_LINE = /^nacre build 2 (\d{1,9}) (\d{1,9}) (\d{1,9}) ([0-9a-f]{64}) ([0-9a-f]{64})\n/;
const OTHER_VERSION = /^nacre build (\d+)[ \n]/;

/** Why the file of a build is of no use. */
export type BuildProblem = "damaged" | "newer" | "foreign" | "unreadable";

/** Where the parts of a file lie: offsets in bytes. */
export interface BuildParts {
  readonly head: number;
  readonly logs: number;
  readonly entry: number;
  readonly end: number;
  readonly headHash: string;
  readonly restHash: string;
}

/** The file of an entry. */
export function encodeBuild(id: string, entry: BuildEntry): Buffer[] {
  const { entry: kept, json } = boundedEntry(entry, MAX_ENTRY_BYTES);
  // The counts are those of all steps, even if there are too many to keep.
  const head = lineOf(JSON.stringify({ ...headOf(kept), counts: headOf(entry).counts }));
  const names = [...new Set(kept.steps.flatMap(({ log }) => log ?? []))];
  const logs = lineOf(JSON.stringify(names));
  const rest = Buffer.concat([logs, lineOf(json)]);
  const lengths = [head.length, logs.length, rest.length - logs.length].join(" ");
  const first = `nacre build ${BUILD_VERSION} ${lengths} ${hash(id, head)} ${hash(id, rest)}`;
  return [lineOf(first), head, rest];
}

function lineOf(text: string): Buffer {
  return Buffer.from(`${text}\n`, "utf8");
}

function hash(id: string, part: Uint8Array): string {
  return sha256Hex(Buffer.concat([Buffer.from(`build:${id}\n`), part]));
}

/**
 * The form of a file, by its beginning.
 * @param start at least {@link FIRST_LINE_BYTES}, or all there is
 * @param size of the whole file
 */
export function formOf(start: Buffer, size: number): BuildParts | "v1" | BuildProblem {
  if (size > MAX_BUILD_BYTES) return "foreign";
  const line = start.subarray(0, FIRST_LINE_BYTES).toString("latin1");
  const match = FIRST_LINE.exec(line);
  if (!match) {
    if (line.startsWith("{")) return "v1";
    const version = Number(OTHER_VERSION.exec(line)?.[1] ?? 0);
    if (version > BUILD_VERSION) return "newer";
    return line === "" || line.startsWith("nacre build ") || line.startsWith("\0") ? "damaged" : "foreign";
  }
  const head = match[0].length;
  const logs = head + Number(match[1]);
  const entry = logs + Number(match[2]);
  const end = entry + Number(match[3]);
  return end === size ? { head, logs, entry, end, headHash: match[4]!, restHash: match[5]! } : "damaged";
}

/** Reads the part that listings need. */
export function decodeHead(id: string, parts: BuildParts, head: Buffer): BuildHead | BuildProblem {
  if (hash(id, head) !== parts.headHash) return "damaged";
  const result = v.safeParse(headSchema, parse(head));
  return result.success ? result.output : "damaged";
}

/** Reads the whole entry. */
export function decodeEntry(id: string, parts: BuildParts, file: Buffer): BuildEntry | BuildProblem {
  const rest = file.subarray(parts.logs, parts.end);
  if (hash(id, file.subarray(parts.head, parts.logs)) !== parts.headHash) return "damaged";
  if (hash(id, rest) !== parts.restHash) return "damaged";
  const result = v.safeParse(entrySchema, parse(rest.subarray(parts.entry - parts.logs)));
  return result.success ? result.output : "damaged";
}

/** Reads an entry of version 1. */
export function decodeV1(file: Buffer): BuildEntry | BuildProblem {
  const json = parse(file);
  if (json === undefined) return "damaged";
  const { version } = (json ?? {}) as { readonly version?: unknown };
  if (typeof version === "number" && version > 1) return "newer";
  const result = v.safeParse(entrySchema, json);
  return result.success ? result.output : "foreign";
}

/** The names of logs in a file, even in one that cannot be understood: whatever may be one. */
export function logsIn(file: Buffer): string[] {
  return [...file.toString("latin1").matchAll(/"([0-9a-f]{12})"/g)].map((match) => match[1]!);
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
