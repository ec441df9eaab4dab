/**
 * What templates work with: texts, numbers, booleans, lists and maps (plain objects), as JSON has them, and how Go shows
 * and compares these. `undefined` is what is not there. Pure.
 */
import { TemplateProblem } from "./problem.js";

/** Nodes that are looked at when one value is printed: lists may hold others. */
const MAX_PRINTED = 1_000_000;

/** Most characters of one text that a function makes. */
const MAX_TEXT = 4 << 20;

/** Texts put together. @throws TemplateProblem for more than anyone can want */
export function joinTexts(texts: readonly string[], separator = ""): string {
  const length = texts.reduce((sum, text) => sum + text.length + separator.length, 0);
  if (length <= MAX_TEXT) return texts.join(separator);
  throw new TemplateProblem(`a text has at most ${MAX_TEXT} characters`);
}

/** A map: an object that is no list. */
export type MapValue = Readonly<Record<string, unknown>>;

/** True for a {@link MapValue}. */
export function isMap(value: unknown): value is MapValue {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a value is called in messages, as Go would call it. */
export function typeName(value: unknown): string {
  if (value === undefined || value === null) return "nil";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  if (Array.isArray(value)) return "[]interface {}";
  return isMap(value) ? "map[string]interface {}" : "string";
}

/** True for a map of texts, as labels are, also an empty one. */
export function isTextMap(value: MapValue): boolean {
  return Object.values(value).every((each) => typeof each === "string");
}

/** Whether a condition holds: everything does but what is empty, zero, false or not there. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isMap(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== "" && value !== 0 && value !== false;
}

/** A value as an action prints it. */
export function printValue(value: unknown): string {
  return value === undefined || value === null ? "<no value>" : showValue(value);
}

/** Go's `%v`. @param quotes texts with their quotes, as `%q` has them */
export function showValue(value: unknown, quotes = false): string {
  let left = MAX_PRINTED;
  const show = (one: unknown): string => {
    if (--left < 0) throw new TemplateProblem("the value is too big to be printed");
    if (one === undefined || one === null) return "<nil>";
    if (typeof one === "string") return quotes ? JSON.stringify(one) : one;
    if (typeof one === "number") return showNumber(one);
    if (Array.isArray(one)) return `[${one.map(show).join(" ")}]`;
    if (!isMap(one)) return String(one);
    const pairs = keysOf(one).map((key) => `${quotes ? JSON.stringify(key) : key}:${show(one[key])}`);
    return `map[${pairs.join(" ")}]`;
  };
  return show(value);
}

/** Keys that have a value, in byte order. */
export function keysOf(map: MapValue): string[] {
  const keys = Object.keys(map).filter((key) => map[key] !== undefined);
  return keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** Go writes exponents with two digits. */
function showNumber(number: number): string {
  if (Number.isInteger(number) && Math.abs(number) < 1e21) return String(number);
  return String(number).replace(/e([+-])(\d)$/, "e$10$2");
}

/** `eq`: both are of one kind and equal. @throws TemplateProblem for what cannot be compared */
export function areEqual(a: unknown, b: unknown): boolean {
  const [one, other] = [kindOf(a), kindOf(b)];
  if (one === "nil" || other === "nil") return one === other;
  if (one === "other" || other === "other") {
    const odd = one === "other" ? a : b;
    throw new TemplateProblem(`non-comparable type ${showValue(odd)}: ${typeName(odd)}`);
  }
  if (one !== other) throw incompatible(a, b);
  return a === b;
}

/** `lt`. @throws TemplateProblem for what has no order */
export function isLess(a: unknown, b: unknown): boolean {
  const [one, other] = [kindOf(a), kindOf(b)];
  if (one !== "string" && one !== "number") throw new TemplateProblem("invalid type for comparison");
  if (one !== other) throw incompatible(a, b);
  if (typeof a === "number") return a < (b as number);
  return Buffer.compare(Buffer.from(a as string), Buffer.from(b as string)) < 0;
}

function kindOf(value: unknown): "nil" | "string" | "number" | "boolean" | "other" {
  if (value === undefined || value === null) return "nil";
  const type = typeof value;
  return type === "string" || type === "number" || type === "boolean" ? type : "other";
}

function incompatible(a: unknown, b: unknown): TemplateProblem {
  return new TemplateProblem(`incompatible types for comparison: ${typeName(a)} and ${typeName(b)}`);
}
