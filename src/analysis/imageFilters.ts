/** `--filter` of listings of images, by Docker's rules (moby, image list). Pure. */
import { formatReference, parseReference, shortenName } from "../oci/reference.js";
import { isNacreError, NacreError } from "../support/errors.js";
import { parseDuration } from "../support/human.js";
import { nearest } from "../support/suggest.js";
import { compileGlob } from "./nameGlob.js";

/** Filters, read. What stands several times in it: all labels must fit, one of the references is enough. */
export interface ImageFilters {
  /** Images without a tag, or those with a name. */
  readonly dangling?: boolean | undefined;
  readonly labels: readonly { readonly name: string; readonly value?: string | undefined }[];
  /** Images made before this one; as findImage takes it. */
  readonly before?: string | undefined;
  /** Images made after this one. */
  readonly since?: string | undefined;
  /** Made before this time, milliseconds since 1970. */
  readonly until?: number | undefined;
  /** True for a short name, with or without tag or digest. Absent: all of them. */
  readonly takesName?: ((name: string) => boolean) | undefined;
}

const NAMES = ["dangling", "label", "before", "since", "until", "reference"];

/**
 * Reads filters.
 * @param texts `NAME=VALUE` each
 * @param reference `REPOSITORY[:TAG]`, which is one more `reference=`
 * @param now milliseconds since 1970
 * @throws NacreError USAGE
 */
export function parseImageFilters(texts: readonly string[], reference: string | undefined, now: number): ImageFilters {
  const values = new Map<string, string[]>();
  for (const text of texts) {
    const at = text.indexOf("=");
    const name = text.slice(0, at).trim().toLowerCase();
    if (at < 0) throw usage(`bad filter ${JSON.stringify(text)}`, "write it as name=value");
    if (!NAMES.includes(name)) {
      const near = nearest(name, NAMES);
      throw usage(
        `invalid filter ${JSON.stringify(name)}`,
        near ? `did you mean ${near}?` : `filters are ${NAMES.join(", ")}`,
      );
    }
    values.set(name, [...(values.get(name) ?? []), text.slice(at + 1).trim()]);
  }
  const patterns = [...(values.get("reference") ?? []), ...(reference === undefined ? [] : [reference])];
  return {
    dangling: values.has("dangling") ? danglingOf(values.get("dangling")!) : undefined,
    labels: (values.get("label") ?? []).map(labelOf),
    before: values.get("before")?.at(-1),
    since: values.get("since")?.at(-1),
    until: values.has("until") ? untilOf(values.get("until")!, now) : undefined,
    takesName: patterns.length === 0 ? undefined : nameTest(patterns),
  };
}

/** True if an image has all these labels. */
export function hasLabels(
  labels: Readonly<Record<string, string>> | null | undefined,
  wanted: ImageFilters["labels"],
): boolean {
  return wanted.every(({ name, value }) => {
    const own = labels && Object.hasOwn(labels, name) ? labels[name] : undefined;
    return own !== undefined && (value === undefined || own === value);
  });
}

/** A pattern fits the short name as it is listed, with its tag or without; written in full, a name fits too. */
function nameTest(patterns: readonly string[]): (name: string) => boolean {
  const tests = patterns.map((pattern) => {
    const globs = [pattern, shortFormOf(pattern)].filter((text) => text !== undefined).map(compileGlob);
    return (name: string): boolean => globs.some((glob) => glob(name) || glob(withoutTag(name)));
  });
  return (name) => tests.some((test) => test(name));
}

/** `alpine` of `docker.io/library/alpine`; undefined for a text with wildcards. */
function shortFormOf(pattern: string): string | undefined {
  try {
    const reference = parseReference(pattern);
    const hasTag = reference.digest !== undefined || /:[^:/]*$/.test(pattern);
    return shortenName(formatReference(hasTag ? reference : { host: reference.host, path: reference.path })).replace(
      hasTag ? /$^/ : /:latest$/,
      "",
    );
  } catch (error) {
    if (isNacreError(error)) return undefined;
    throw error;
  }
}

function withoutTag(name: string): string {
  return name.replace(/@.*$/s, "").replace(/:[^:/]*$/, "");
}

function danglingOf(values: readonly string[]): boolean {
  const wanted = values.map((value) => {
    if (/^(?:1|t|true)$/i.test(value)) return true;
    if (/^(?:0|f|false)$/i.test(value)) return false;
    throw usage(`invalid filter dangling=${JSON.stringify(value)}`, "write dangling=true or dangling=false");
  });
  if (new Set(wanted).size > 1) throw usage("dangling is to be true and false at once", "leave one of them out");
  return wanted[0]!;
}

function labelOf(text: string): { readonly name: string; readonly value?: string } {
  const at = text.indexOf("=");
  return at < 0 ? { name: text } : { name: text.slice(0, at), value: text.slice(at + 1) };
}

/** Forms of a time: seconds since 1970, RFC 3339 with or without a zone (then it is UTC), shortened from behind; or a duration ago. */
function untilOf(values: readonly string[], now: number): number {
  if (values.length > 1) throw usage("more than one until filter specified", "leave all but one out");
  const text = values[0]!;
  if (/^\d+(?:\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  const [, day, time, zone] =
    /^(\d{4}-\d\d-\d\d)(?:T(\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?))?(Z|[+-]\d\d:\d\d)?$/.exec(text) ?? [];
  if (day !== undefined) {
    const whole = `${time ?? "00"}:00:00`.split(":").slice(0, 3).join(":");
    const parsed = Date.parse(`${day}T${whole}${zone ?? "Z"}`);
    if (!Number.isNaN(parsed)) return parsed;
  }
  try {
    return now - parseDuration(text);
  } catch {
    throw usage(
      `failed to parse value as time or duration: ${JSON.stringify(text)}`,
      "write e.g. 24h or 2024-05-06T07:08:09Z",
    );
  }
}

function usage(message: string, hint: string): NacreError {
  return new NacreError("USAGE", message, { hint });
}
