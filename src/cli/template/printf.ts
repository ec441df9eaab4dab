/** Go's `printf` for the values of templates: the verbs and flags that people use, and Go's marks for what is wrong. Pure. */
import { TemplateProblem } from "./problem.js";
import { joinTexts, showValue, typeName } from "./values.js";

/** Widest field, and most digits after the point. */
const MAX_WIDTH = 1000;
const DIRECTIVE = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([^\d])?|[^%]+/gsu;

interface Directive {
  readonly flags: string;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

/**
 * @param format text with verbs
 * @throws TemplateProblem for widths beyond all measure
 */
export function formatText(format: string, args: readonly unknown[]): string {
  let used = 0;
  const out: string[] = [];
  for (const match of format.matchAll(DIRECTIVE)) {
    const [piece, flags = "", width, precision, verb] = match;
    if (!piece.startsWith("%")) {
      out.push(piece);
      continue;
    }
    const star = (text: string | undefined): number | undefined =>
      sizeOf(text === "*" ? Number(args[used++]) : text === undefined ? undefined : Number(text));
    const wide = star(width);
    const exact = /\.(?=[^\d*]|$)/.test(piece) && precision === undefined ? 0 : star(precision);
    if (verb === undefined) out.push("%!(NOVERB)");
    else if (verb === "%") out.push("%");
    else if (used >= args.length) out.push(`%!${verb}(MISSING)`);
    else out.push(formatOne(verb, args[used++], { flags, width: wide, precision: exact }));
  }
  const extra = args.slice(used).map((arg) => (arg == null ? "<nil>" : `${typeName(arg)}=${showValue(arg)}`));
  if (extra.length > 0) out.push("%!(EXTRA ", joinTexts(extra, ", "), ")");
  return joinTexts(out);
}

function sizeOf(size: number | undefined): number | undefined {
  if (size === undefined || (Number.isInteger(size) && Math.abs(size) <= MAX_WIDTH)) return size;
  throw new TemplateProblem(`error calling printf: widths and precisions are numbers up to ${MAX_WIDTH}`);
}

function formatOne(verb: string, arg: unknown, directive: Directive): string {
  const { flags, width = 0 } = directive;
  const text =
    textOf(verb, arg, directive) ?? `%!${verb}(${arg == null ? "<nil>" : `${typeName(arg)}=${showValue(arg)}`})`;
  const missing = Math.abs(width) - [...text].length;
  if (missing <= 0) return text;
  if (flags.includes("-") || width < 0) return text + " ".repeat(missing);
  if (!flags.includes("0") || typeof arg !== "number") return " ".repeat(missing) + text;
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  return sign + "0".repeat(missing) + text.slice(sign.length);
}

/** Undefined for a verb that does not fit. */
function textOf(verb: string, arg: unknown, directive: Directive): string | undefined {
  if (verb === "v") return cut(showValue(arg, directive.flags.includes("#")), typeof arg === "string" ? directive : {});
  if (verb === "T") return arg == null ? "<nil>" : typeName(arg);
  if (Array.isArray(arg)) {
    const parts = arg.map((each) => textOf(verb, each, directive));
    return parts.includes(undefined) ? undefined : `[${parts.join(" ")}]`;
  }
  if (typeof arg === "string") return textOfString(verb, arg, directive);
  if (typeof arg === "number") return textOfNumber(verb, arg, directive);
  return verb === "t" && typeof arg === "boolean" ? String(arg) : undefined;
}

function textOfString(verb: string, text: string, directive: Directive): string | undefined {
  if (verb === "s") return cut(text, directive);
  if (verb === "q") return JSON.stringify(cut(text, directive));
  const hex = verb === "x" || verb === "X" ? Buffer.from(text).toString("hex") : undefined;
  return verb === "X" ? hex?.toUpperCase() : hex;
}

function cut(text: string, { precision }: Partial<Directive>): string {
  return precision === undefined ? text : [...text].slice(0, precision).join("");
}

const BASES: Readonly<Record<string, number>> = { d: 10, x: 16, X: 16, o: 8, b: 2 };

function textOfNumber(verb: string, number: number, { flags, precision }: Directive): string | undefined {
  const isWhole = Number.isInteger(number);
  const sign = number < 0 ? "-" : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const size = Math.abs(number);
  const base = Object.hasOwn(BASES, verb) && isWhole ? BASES[verb] : undefined;
  if (base !== undefined) {
    const digits = size.toString(base).padStart(precision ?? 0, "0");
    const prefix = flags.includes("#") ? ({ x: "0x", X: "0X", o: "0", b: "0b" }[verb] ?? "") : "";
    return sign + prefix + (verb === "X" ? digits.toUpperCase() : digits);
  }
  if ((verb === "c" || verb === "q") && isWhole && size <= 0x10ffff) {
    const char = String.fromCodePoint(size);
    return verb === "c" ? char : `'${char}'`;
  }
  if (verb === "f" || verb === "F") return sign + size.toFixed(Math.min(precision ?? 6, 100));
  if (verb === "e") return sign + size.toExponential(Math.min(precision ?? 6, 100)).replace(/e([+-])(\d)$/, "e$10$2");
  return verb === "g"
    ? sign + (precision ? String(Number(size.toPrecision(Math.min(precision, 100)))) : String(size))
    : undefined;
}
