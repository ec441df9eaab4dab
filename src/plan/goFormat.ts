/**
 * Texts as Go's fmt package prints them. BuildKit makes history lines with it, and images are compared line by line.
 */

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\x07", "\\a"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\v", "\\v"],
  ["\\", "\\\\"],
]);
/** What Go calls printable: letters, marks, numbers, punctuation, symbols and the ASCII blank (strconv.IsPrint). */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** A string as `%q` prints it: double-quoted. Bytes that are not UTF-8 (lone surrogates here) become `\xNN`. */
export function goQuote(text: string): string {
  let out = "";
  for (const char of text) out += char === '"' ? '\\"' : escaped(char);
  return `"${out}"`;
}

/** A list of strings as `%q` prints it: `["a" "b c"]`. */
export function goQuoteList(texts: readonly string[]): string {
  return `[${texts.map(goQuote).join(" ")}]`;
}

/** A list of strings as `%v` prints it: `[a b c]`. */
export function goList(texts: readonly string[]): string {
  return `[${texts.join(" ")}]`;
}

/** An integer as `%q` prints it: the character of that number, single-quoted. Numbers beyond Unicode become U+FFFD. */
export function goQuoteRune(value: number): string {
  const valid = value >= 0 && value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff);
  const char = String.fromCodePoint(valid ? value : 0xfffd);
  return `'${char === "'" ? "\\'" : escaped(char)}'`;
}

/** A duration as Go prints it: `1m30s`, `500ms`, `0s`. @param nanoseconds a whole number, not negative */
export function goDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return "0s";
  if (nanoseconds < 1e3) return `${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${decimal(nanoseconds, 3)}µs`;
  if (nanoseconds < 1e9) return `${decimal(nanoseconds, 6)}ms`;
  const minutes = Math.floor(nanoseconds / 60e9);
  const seconds = `${decimal(nanoseconds - minutes * 60e9, 9)}s`;
  if (minutes === 0) return seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`;
}

/** `value / 10^digits` without trailing zeros. */
function decimal(value: number, digits: number): string {
  const scale = 10 ** digits;
  const fraction = String(value % scale)
    .padStart(digits, "0")
    .replace(/0+$/, "");
  const whole = String(Math.floor(value / scale));
  return fraction ? `${whole}.${fraction}` : whole;
}

function escaped(char: string): string {
  const known = ESCAPES.get(char);
  if (known) return known;
  const code = char.codePointAt(0) ?? 0;
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${hex(code - 0xdc00, 2)}`;
  if (PRINTABLE.test(char)) return char;
  if (code < 0x80) return `\\x${hex(code, 2)}`;
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, "0");
}
