/** Numbers and strings as they are written in templates, by Go's rules. Pure. */

const SIMPLE: Readonly<Record<string, string>> = {
  ...{ a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" },
  ...{ "\\": "\\", '"': '"', "'": "'" },
};
const ESCAPE = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|([^xuU0-7]))|\\/gs;

/** The text of a quoted string or character constant; undefined if an escape means nothing. */
export function unquote(source: string): string | undefined {
  const inner = source.slice(1, -1);
  if (source.startsWith("`")) return inner;
  let isGood = true;
  const text = inner.replace(ESCAPE, (_all, byte, short, long, octal, simple: string | undefined) => {
    const code = byte ?? short ?? long;
    const value =
      code === undefined ? (octal === undefined ? undefined : Number.parseInt(octal, 8)) : Number.parseInt(code, 16);
    if (value !== undefined && value <= 0x10ffff) return String.fromCodePoint(value);
    if (simple !== undefined && Object.hasOwn(SIMPLE, simple)) return SIMPLE[simple]!;
    isGood = false;
    return "";
  });
  return isGood ? text : undefined;
}

/** A number: `12`, `-1`, `0x1f`, `0o17`, `017`, `0b1`, `1_000`, `1.5e3`; undefined for what is none. */
export function numberOf(source: string): number | undefined {
  const [, sign = "", digits = ""] = /^([+-]?)(.*)$/.exec(source.replaceAll("_", "")) ?? [];
  const isOctal = /^0[0-7]+$/.test(digits);
  const value = Number(isOctal ? `0o${digits.slice(1)}` : digits);
  if (digits === "" || !Number.isFinite(value)) return undefined;
  return sign === "-" ? -value : value;
}
