/** A compact view of parsed Dockerfiles for golden files: words as `raw @ 1:5-1:11`, ranges as `1:0-1:14`. */
import type { Dockerfile, SourceWarning, Word } from "../../src/dockerfile/ast.js";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import type { SourceRange } from "../../src/support/source.js";

export function showRange({ start, end }: SourceRange): string {
  return `${start.line}:${start.column}-${end.line}:${end.column}`;
}

/** Replaces words and ranges, however deep. */
export function view(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(view);
  if (value === null || typeof value !== "object") return value;
  if ("raw" in value && "range" in value) return `${(value as Word).raw} @ ${showRange((value as Word).range)}`;
  if ("start" in value && "end" in value) return showRange(value as SourceRange);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, view(member)]));
}

function viewFile({ escape: token, directives, globalArgs, stages, warnings }: Dockerfile): unknown {
  return {
    escape: token,
    directives: directives.map(({ name, value, range }) => `${name}=${value} @ ${showRange(range)}`),
    globalArgs: view(globalArgs),
    stages: view(stages),
    warnings: warnings.map(({ rule, message, range }: SourceWarning) => `${rule}: ${message} @ ${showRange(range)}`),
  };
}

/** What parsing gives: the file, or the error with its place. */
export function outcome(text: string): unknown {
  try {
    return viewFile(parseDockerfile(text, "Dockerfile"));
  } catch (error) {
    if (!isNacreError(error)) throw error;
    return { error: viewError(error) };
  }
}

export function viewError({ code, message, hint, place }: NacreError): unknown {
  return { code, message, hint, at: place && showRange(place.range) };
}

/** The error that parsing throws; fails if it throws none. */
export function parseError(text: string): NacreError {
  try {
    parseDockerfile(text, "Dockerfile");
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error(`parsed without an error: ${JSON.stringify(text)}`);
}
