/** One record of comma-separated values, as Go's encoding/csv reads it. */
import { NacreError } from "../support/errors.js";

/**
 * Splits a record. A field that begins with a double quote ends at the next single one; within it two stand for one.
 * @throws NacreError DOCKERFILE_SYNTAX in BuildKit's wording
 */
export function parseCsv(text: string): string[] {
  if (text === "") throw malformed("EOF");
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const field = text[at] === '"' ? quotedField(text, at) : bareField(text, at);
    fields.push(field.value);
    if (field.end >= text.length) return fields;
    at = field.end + 1;
  }
}

function bareField(text: string, at: number): { value: string; end: number } {
  const comma = text.indexOf(",", at);
  const end = comma === -1 ? text.length : comma;
  const value = text.slice(at, end);
  const quote = value.indexOf('"');
  if (quote !== -1) throw malformed(`parse error on line 1, column ${at + quote + 1}: bare " in non-quoted-field`);
  return { value, end };
}

function quotedField(text: string, open: number): { value: string; end: number } {
  const parts: string[] = [];
  let at = open + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    const bad = quote === -1 ? open : quote;
    if (quote !== -1) parts.push(text.slice(at, quote));
    const next = quote === -1 ? "?" : text[quote + 1];
    if (next === undefined || next === ",") return { value: parts.join(""), end: quote + 1 };
    if (next !== '"')
      throw malformed(`parse error on line 1, column ${bad + 1}: extraneous or missing " in quoted-field`);
    parts.push('"');
    at = quote + 2;
  }
}

function malformed(why: string): NacreError {
  return new NacreError("DOCKERFILE_SYNTAX", `failed to parse csv mounts: ${why}`, {
    hint: "write --mount=key=value,key=value; quote a field that has a comma as a whole: --mount='\"source=a,b\",target=/c'",
  });
}
