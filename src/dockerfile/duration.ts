/** Durations as Go writes them: `1m30s`, `500ms`, `1.5h`. */
import { NacreError } from "../support/errors.js";

/** Nanoseconds of each unit; both signs that Unicode has for micro are known. */
const UNITS: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n],
  ["μs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);

const MAX_NANOSECONDS = 2n ** 63n - 1n;
const PART = /(\d*)(?:\.(\d*))?([^\d.]*)/y;

/**
 * Reads a Go duration (time.ParseDuration).
 * @returns nanoseconds; exact up to 104 days, the nearest double beyond
 * @throws NacreError DOCKERFILE_SYNTAX in Go's wording
 */
export function parseDuration(text: string): number {
  const negative = text.startsWith("-");
  const digits = /^[+-]/.test(text) ? text.slice(1) : text;
  if (digits === "0") return 0;
  if (digits === "" || digits.length > 200) throw invalid(text);
  let total = 0n;
  for (PART.lastIndex = 0; PART.lastIndex < digits.length; ) total += nextPart(digits, text);
  if (total > MAX_NANOSECONDS) throw invalid(text);
  return Number(negative ? -total : total);
}

function nextPart(digits: string, text: string): bigint {
  const [, whole = "", fraction = "", unit = ""] = PART.exec(digits) ?? [];
  if (whole === "" && fraction === "") throw invalid(text);
  if (unit === "") throw problem(`time: missing unit in duration ${JSON.stringify(text)}`);
  const size = UNITS.get(unit);
  if (size === undefined)
    throw problem(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
  return BigInt(whole || "0") * size + (BigInt(fraction || "0") * size) / 10n ** BigInt(fraction.length);
}

function invalid(text: string): NacreError {
  return problem(`time: invalid duration ${JSON.stringify(text)}`);
}

function problem(message: string): NacreError {
  return new NacreError("DOCKERFILE_SYNTAX", message, { hint: "write a number with a unit: 500ms, 30s, 1m30s, 2h" });
}
