/** One line of comma-separated fields, quoted as Go's encoding/csv (and so buildx) reads them. */
import { NacreError } from "../support/errors.js";

/**
 * Splits `type=oci,"name=a,b",dest=x` into its fields. A field may stand in double quotes, then a comma is part of it and
 * `""` is a quote. As in Go, a quote inside an unquoted field is an error, not a guess.
 * @throws NacreError USAGE
 */
export function parseCsvLine(line: string): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const { value, end } = line[at] === '"' ? quotedField(line, at) : plainField(line, at);
    fields.push(value);
    if (end >= line.length) return fields;
    at = end + 1;
  }
}

/** Writes fields so that {@link parseCsvLine} reads them back. */
export function formatCsvLine(fields: readonly string[]): string {
  return fields
    .map((field) => (/[",\r\n]/.test(field) || field === "" ? `"${field.replaceAll('"', '""')}"` : field))
    .join(",");
}

interface Field {
  readonly value: string;
  /** Index of the comma after the field, or the line's length. */
  readonly end: number;
}

function plainField(line: string, start: number): Field {
  const comma = line.indexOf(",", start);
  const end = comma < 0 ? line.length : comma;
  const value = line.slice(start, end);
  if (value.includes('"')) throw malformed(line, "a quote inside a field that does not begin with one");
  return { value, end };
}

function quotedField(line: string, start: number): Field {
  let value = "";
  for (let at = start + 1; ; ) {
    const quote = line.indexOf('"', at);
    if (quote < 0) throw malformed(line, "the closing quote is missing");
    value += line.slice(at, quote);
    if (line[quote + 1] !== '"') {
      const end = quote + 1;
      if (end < line.length && line[end] !== ",") throw malformed(line, "something follows the closing quote");
      return { value, end };
    }
    value += '"';
    at = quote + 2;
  }
}

function malformed(line: string, why: string): NacreError {
  return new NacreError("USAGE", `malformed list ${JSON.stringify(line)}: ${why}`, {
    hint: "put a whole field in double quotes and double the quotes inside it, e.g. 'type=oci,\"name=a,b\"'",
  });
}
