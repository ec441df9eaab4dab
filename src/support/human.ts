/** Sizes and times as people read and write them: Docker's spellings (go-units), decimal units. */
import { NacreError } from "./errors.js";

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/**
 * A number of bytes with three significant digits in decimal units: `0B`, `4.62kB`, `29.7MB`. What would round to
 * `1e+03kB` in Docker's listings rolls over to the next unit here.
 */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (unit < BYTE_UNITS.length - 1 && roundsTo1000(value)) {
    value /= 1000;
    unit++;
  }
  const text = value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
  return `${text}${BYTE_UNITS[unit]}`;
}

function roundsTo1000(value: number): boolean {
  return Number(value.toPrecision(3)) >= 1000;
}

/** A duration as seconds with one decimal, as BuildKit prints steps: `0.1s`, `83.4s`. @param milliseconds */
export function formatSeconds(milliseconds: number): string {
  return `${(Math.max(0, milliseconds) / 1000).toFixed(1)}s`;
}

/** How long ago something was, in Docker's words: `5 seconds`, `About an hour`, `3 days`. @param milliseconds */
export function formatAge(milliseconds: number): string {
  const seconds = Math.floor(Math.max(0, milliseconds) / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(seconds / 3600 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}

const SIZE_FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  p: 1e15,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
  pi: 2 ** 50,
};

/**
 * Reads a size: a number with an optional decimal (`10GB`, `1.5g`, `512k`) or binary (`10GiB`) unit; bytes without one.
 * @returns whole bytes
 * @throws NacreError USAGE
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d*)?|\.\d+) ?([kmgtp]?i?)b?$/i.exec(text.trim());
  const factor = match ? SIZE_FACTORS[match[2]!.toLowerCase()] : undefined;
  const bytes = match && factor !== undefined ? Math.round(Number(match[1]) * factor) : Number.NaN;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new NacreError("USAGE", `not a size: ${JSON.stringify(text)}`, {
    hint: "write a number with a unit, e.g. 10GB, 512MB or 2GiB",
  });
}

/**
 * Reads an amount of memory, whose units are binary whether or not they say so (docker's `--memory`, `--shm-size`: `64m`
 * is 64 MiB).
 * @returns whole bytes
 * @throws NacreError USAGE
 */
export function parseMemory(text: string): number {
  return parseSize(text.trim().replace(/([kmgtp])i?b?$/i, "$1i"));
}

const DURATION_FACTORS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Reads a duration as Go writes them: `24h`, `1h30m`, `1.5h`, `300ms`; days (`7d`) besides.
 * @returns milliseconds
 * @throws NacreError USAGE
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  const pattern = /(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d)/gy;
  let total = 0;
  let end = 0;
  for (const match of trimmed.matchAll(pattern)) {
    total += Number(match[1]) * DURATION_FACTORS[match[2]!]!;
    end = match.index + match[0].length;
  }
  if (trimmed === "0") return 0;
  if (trimmed !== "" && end === trimmed.length && Number.isFinite(total)) return total;
  throw new NacreError("USAGE", `not a duration: ${JSON.stringify(text)}`, {
    hint: "write numbers with units, e.g. 24h, 1h30m or 7d",
  });
}
