/** Where the fields of a `--mount` stand, so that errors point at the one at fault. */
import { isNacreError } from "../support/errors.js";
import type { SourceRange } from "../support/source.js";
import type { Word } from "./ast.js";

/** The name of a field, as it is compared. */
export function fieldKey(field: string): string {
  const equals = field.indexOf("=");
  return (equals === -1 ? field : field.slice(0, equals)).toLowerCase();
}

const SAME_KEYS: readonly (readonly string[])[] = [
  ["target", "dst", "destination"],
  ["source", "src"],
];

/**
 * Where the field of that name stands in the value of a `--mount`; the whole value where quotes or seams of lines keep it
 * from being told.
 */
export function mountFieldRange({ raw, range }: Word, key: unknown): SourceRange {
  const { start, end } = range;
  if (raw.includes('"') || start.line !== end.line || end.column - start.column !== raw.length) return range;
  const keys = SAME_KEYS.find((same) => same.some((each) => each === key)) ?? [key];
  let column = start.column;
  let found = range;
  for (const field of raw.split(",")) {
    const fieldEnd = column + field.length;
    if (field !== "" && keys.includes(fieldKey(field))) {
      found = { start: { line: start.line, column }, end: { line: start.line, column: fieldEnd } };
    }
    column = fieldEnd + 1;
  }
  return found;
}

/** The range of what is wrong in a mount: of one field, if the error knows it, else of the value. */
export function mountErrorRange(error: unknown, word: Word): SourceRange {
  return mountFieldRange(word, isNacreError(error) ? error.facts.key : undefined);
}
