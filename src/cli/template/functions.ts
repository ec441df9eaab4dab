/**
 * The functions of templates: those of Go's text/template (without the ones for HTML) and Docker's own (docker/cli,
 * templates). Pure.
 */
import { printableJson } from "../terminalText.js";
import { formatText } from "./printf.js";
import { TemplateProblem } from "./problem.js";
import { areEqual, isLess, isMap, isTextMap, isTrue, joinTexts, keysOf, showValue, typeName } from "./values.js";

/** Most blanks that `pad` adds on a side. */
const MAX_PADDING = 1000;

/** What an argument must be; `texts` is a list of texts. */
type ArgumentType = "any" | "string" | "int" | "texts";

interface TemplateFunction {
  /** Of the arguments in their order; the last one is also that of all others where more are taken. */
  readonly types: readonly ArgumentType[];
  readonly least: number;
  readonly most: number;
  readonly call: (args: readonly unknown[]) => unknown;
}

/** What a function gets once its arguments have been checked; there are as many as it wants. */
// biome-ignore lint/suspicious/noExplicitAny: the table says beside each function which types have been checked
type Checked = (...args: any[]) => unknown;

const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map(
  Object.entries({
    json: exactly(["any"], (value: unknown) => printableJson(value ?? null)),
    split: exactly(["string", "string"], splitText),
    join: exactly(["texts", "string"], (list: readonly string[] | null, separator: string) =>
      joinTexts(list ?? [], separator),
    ),
    lower: exactly(["string"], (text: string) => text.toLowerCase()),
    upper: exactly(["string"], (text: string) => text.toUpperCase()),
    title: exactly(["string"], (text: string) =>
      text.replace(/(?<![\p{L}\p{Nd}_'])\p{L}/gu, (char) => char.toUpperCase()),
    ),
    pad: exactly(["string", "int", "int"], pad),
    truncate: exactly(["string", "int"], truncateBytes),
    len: exactly(["any"], lengthOf),
    index: atLeast(1, ["any"], (value: unknown, ...keys: unknown[]) => keys.reduce(elementOf, value)),
    slice: { types: ["any"], least: 1, most: 4, call: sliceOf },
    print: atLeast(0, ["any"], (...args: unknown[]) => printAll(args)),
    println: atLeast(
      0,
      ["any"],
      (...args: unknown[]) =>
        `${joinTexts(
          args.map((arg) => showValue(arg)),
          " ",
        )}\n`,
    ),
    printf: atLeast(1, ["string", "any"], (format: string, ...args: unknown[]) => formatText(format, args)),
    not: exactly(["any"], (value: unknown) => !isTrue(value)),
    eq: atLeast(1, ["any"], equalsOne),
    ne: exactly(["any", "any"], (a: unknown, b: unknown) => !areEqual(a, b)),
    lt: exactly(["any", "any"], isLess),
    le: exactly(["any", "any"], (a: unknown, b: unknown) => isLess(a, b) || areEqual(a, b)),
    gt: exactly(["any", "any"], (a: unknown, b: unknown) => !isLess(a, b) && !areEqual(a, b)),
    ge: exactly(["any", "any"], (a: unknown, b: unknown) => !isLess(a, b)),
  } satisfies Record<string, TemplateFunction>),
);

/** Names that a template may call; `and` and `or` do not look at more than they need, and are the evaluator's own. */
export const FUNCTION_NAMES: ReadonlySet<string> = new Set([...FUNCTIONS.keys(), "and", "or"]);

/** In the row of headers these give the header as it is (docker/cli, HeaderFunctions). */
const HEADER_FUNCTIONS: ReadonlySet<string> = new Set(["json", "title", "lower", "upper", "truncate", "split", "join"]);

/** Too few or too many arguments. */
export class WrongCount extends TemplateProblem {}

/** An argument that is not of the type which the function takes. */
export class WrongType extends TemplateProblem {
  /** Its number, from 0. */
  readonly argument: number;
  /** In Go's words. */
  readonly wanted: string;

  constructor(argument: number, wanted: string, value: unknown) {
    const got = value === undefined || value === null ? "" : `; got ${typeName(value)}`;
    super(`${got === "" ? "invalid value" : "wrong type for value"}; expected ${wanted}${got}`);
    this.argument = argument;
    this.wanted = wanted;
  }
}

/**
 * Calls a function.
 * @param forHeaders the values are headers of columns, not contents
 * @throws TemplateProblem
 */
export function callFunction(name: string, args: readonly unknown[], forHeaders: boolean): unknown {
  const { types, least, most, call } = FUNCTIONS.get(name)!;
  if (args.length < least || args.length > most) {
    const want = least === most ? `${least}` : `at least ${least}`;
    throw new WrongCount(`wrong number of args for ${name}: want ${want} got ${args.length}`);
  }
  if (forHeaders && HEADER_FUNCTIONS.has(name)) return args[0];
  for (const [i, arg] of args.entries()) checkType(i, types[Math.min(i, types.length - 1)]!, arg);
  try {
    return call(args);
  } catch (error) {
    if (!(error instanceof TemplateProblem)) throw error;
    throw new TemplateProblem(`error calling ${name}: ${error.message}`);
  }
}

const GO_TYPES = { string: "string", int: "int", texts: "[]string" } as const;

function checkType(argument: number, type: ArgumentType, value: unknown): void {
  if (type === "any") return;
  if (type === "string" && typeof value === "string") return;
  if (type === "int" && Number.isSafeInteger(value)) return;
  // A list that is not there is one without elements.
  if (type === "texts" && value === null) return;
  if (type === "texts" && Array.isArray(value) && value.every((each) => typeof each === "string")) return;
  throw new WrongType(argument, GO_TYPES[type], value);
}

function exactly(types: readonly ArgumentType[], call: Checked): TemplateFunction {
  return { types, least: types.length, most: types.length, call: (args) => call(...args) };
}

function atLeast(least: number, types: readonly ArgumentType[], call: Checked): TemplateFunction {
  return { types, least, most: Number.POSITIVE_INFINITY, call: (args) => call(...args) };
}

/** `eq` of one and some others: true if it equals any of them. */
function equalsOne(first: unknown, ...others: unknown[]): boolean {
  if (others.length === 0) throw new TemplateProblem("missing argument for comparison");
  return others.some((other) => areEqual(first, other));
}

/** Without a separator into characters, not into halves of them. */
function splitText(value: string, separator: string): readonly string[] {
  return separator === "" ? [...value] : value.split(separator);
}

/** Nothing is added to an empty text. */
function pad(value: string, before: number, after: number): string {
  if (value === "") return value;
  const blanks = (count: number): string => {
    if (count >= 0 && count <= MAX_PADDING) return " ".repeat(count);
    throw new TemplateProblem(`blanks are counted from 0 to ${MAX_PADDING}`);
  };
  return blanks(before) + value + blanks(after);
}

/** The first bytes; a character that would be cut is left out. */
function truncateBytes(value: string, length: number): string {
  const bytes = Buffer.from(value);
  if (bytes.length < length) return value;
  if (length < 0) throw new TemplateProblem(`slice bounds out of range [:${length}]`);
  return wholeCharacters(bytes.subarray(0, length));
}

function wholeCharacters(bytes: Buffer): string {
  return new TextDecoder("utf-8").decode(bytes, { stream: true });
}

function lengthOf(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isMap(value)) return keysOf(value).length;
  throw new TemplateProblem(value == null ? "len of nil pointer" : `len of type ${typeName(value)}`);
}

function elementOf(value: unknown, key: unknown): unknown {
  if (value === undefined || value === null) throw new TemplateProblem("index of untyped nil");
  if (isMap(value)) {
    if (typeof key !== "string") throw new TemplateProblem(`value has type ${typeName(key)}; should be string`);
    // What is not in a map of texts is an empty text.
    return Object.hasOwn(value, key) ? value[key] : isTextMap(value) ? "" : undefined;
  }
  const elements = typeof value === "string" ? Buffer.from(value) : Array.isArray(value) ? value : undefined;
  if (elements === undefined) throw new TemplateProblem(`can't index item of type ${typeName(value)}`);
  if (typeof key !== "number" || !Number.isInteger(key)) {
    throw new TemplateProblem(
      key == null ? "cannot index slice/array with nil" : `cannot index slice/array with type ${typeName(key)}`,
    );
  }
  if (key < 0 || key >= elements.length) throw new TemplateProblem(`index out of range: ${key}`);
  return elements[key];
}

function sliceOf([value, ...bounds]: readonly unknown[]): unknown {
  const isText = typeof value === "string";
  const elements = isText ? Buffer.from(value) : Array.isArray(value) ? value : undefined;
  if (elements === undefined) {
    throw new TemplateProblem(value == null ? "slice of untyped nil" : `can't slice item of type ${typeName(value)}`);
  }
  if (isText && bounds.length > 2) throw new TemplateProblem("cannot 3-index slice a string");
  const places = bounds.map((bound) => {
    if (typeof bound !== "number" || !Number.isInteger(bound)) {
      throw new TemplateProblem(`cannot index slice/array with type ${typeName(bound)}`);
    }
    if (bound < 0 || bound > elements.length) throw new TemplateProblem(`index out of range: ${bound}`);
    return bound;
  });
  const [from = 0, to = elements.length] = places;
  if (from > to) throw new TemplateProblem(`invalid slice index: ${from} > ${to}`);
  const part = elements.slice(from, to);
  return isText ? wholeCharacters(part as Buffer) : part;
}

/** Blanks stand between two values of which none is a text (Go's Sprint). */
function printAll(args: readonly unknown[]): string {
  const parts = args.map((arg, i) => {
    const isApart = i > 0 && typeof arg !== "string" && typeof args[i - 1] !== "string";
    return (isApart ? " " : "") + showValue(arg);
  });
  return joinTexts(parts);
}
