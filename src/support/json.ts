/** JSON in the two exact spellings that digests depend on. */

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * JSON with sorted keys (by UTF-16 unit), no blanks, members that are undefined left out: equal values give equal bytes.
 * Used for cache keys and everything that is hashed and only nacre reads.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item as Json)).join(",")}]`;
  const object = value as { readonly [key: string]: Json | undefined };
  const members: string[] = [];
  for (const key of Object.keys(object).sort()) {
    const member = object[key];
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(member)}`);
  }
  return `{${members.join(",")}}`;
}

/** JSON whose objects may be maps, because JavaScript objects put integer-like keys first, whatever order they are given in. */
export type OrderedJson =
  | null
  | boolean
  | number
  | string
  | readonly OrderedJson[]
  | { readonly [key: string]: OrderedJson | undefined }
  | ReadonlyMap<string, OrderedJson | undefined>;

/**
 * JSON as Go's encoding/json writes it: members in the given order, `<`, `>`, `&`, U+2028 and U+2029 escaped, lone
 * surrogates as U+FFFD. Image configs and manifests are written so, because their digests are compared with BuildKit's.
 * @param indent blanks per level (manifests: 2), or 0 for compact
 */
export function goJson(value: OrderedJson, indent = 0): string {
  return render(value, indent, indent > 0 ? "\n" : "");
}

function render(value: OrderedJson, indent: number, newline: string): string {
  if (typeof value === "string") return goString(value);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const inner = newline === "" ? "" : newline + " ".repeat(indent);
  if (Array.isArray(value)) {
    return bracket(
      "[",
      value.map((item) => render(item as OrderedJson, indent, inner)),
      "]",
      inner,
      newline,
    );
  }
  const colon = newline === "" ? ":" : ": ";
  const entries = value instanceof Map ? [...value.entries()] : Object.entries(value);
  const members = entries
    .filter((entry) => entry[1] !== undefined)
    .map(([key, member]) => goString(key) + colon + render(member as OrderedJson, indent, inner));
  return bracket("{", members, "}", inner, newline);
}

function bracket(open: string, items: readonly string[], close: string, inner: string, outer: string): string {
  return items.length === 0 ? open + close : open + inner + items.join(`,${inner}`) + outer + close;
}

function goString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
