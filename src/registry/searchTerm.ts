/** What is searched for, where, and what of it is wanted: the words of `docker search`, read as Docker's engine does. Pure. */
import { NacreError } from "../support/errors.js";
import { canonicalHost, HUB, isRegistryHost } from "./registryHost.js";

const MAX_TERM = 255;

/** A term and the registry that is to be searched for it. */
export interface SearchTerm {
  /** `docker.io`, or a host as in references. */
  readonly host: string;
  /** Empty means everything, which Docker Hub does not answer. */
  readonly term: string;
}

/**
 * Reads `TERM` or `HOST/TERM`: the first part is a host if it has a dot or a colon in it, or is `localhost`.
 * @throws NacreError USAGE
 */
export function parseSearchTerm(text: string): SearchTerm {
  if (text.includes("://")) {
    throw usage(`invalid repository name: repository name (${text}) should not have a scheme`, "write HOST/TERM");
  }
  if (text.length > MAX_TERM) throw usage(`the search term is longer than ${MAX_TERM} characters`, "shorten it");
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  const named = /[.:]/.test(first) || first === "localhost";
  if (named && !isRegistryHost(first))
    throw usage(`${JSON.stringify(first)} is not a registry host`, "write HOST/TERM");
  const host = named ? canonicalHost(first) : HUB;
  const term = named ? text.slice(slash + 1) : text;
  if (host !== HUB) return { host, term };
  const wanted = term.replace(/^library\//, "");
  if (wanted.trim() === "") throw usage("nothing to search for", "give a part of the name: nacre search TERM");
  return { host, term: wanted };
}

/** What results must be. */
export interface SearchFilters {
  readonly official: boolean | undefined;
  /** Least number of stars. */
  readonly stars: number;
  /** Asks for automated builds alone: there are none any more. */
  readonly automated: boolean;
}

/**
 * Reads `NAME=VALUE` filters: `is-official`, `stars`, and `is-automated`, which Docker has given up.
 * @throws NacreError USAGE in the engine's words
 */
export function parseSearchFilters(texts: readonly string[]): SearchFilters {
  const values = new Map<string, Set<string>>();
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at < 0) throw usage(`bad format of filter ${JSON.stringify(text)} (expected name=value)`, FILTERS_HINT);
    const name = text.slice(0, at).trim().toLowerCase();
    if (!["is-official", "is-automated", "stars"].includes(name)) throw usage(`invalid filter '${name}'`, FILTERS_HINT);
    values.set(name, (values.get(name) ?? new Set()).add(text.slice(at + 1).trim()));
  }
  return {
    official: booleanOf("is-official", values.get("is-official")),
    automated: booleanOf("is-automated", values.get("is-automated")) ?? false,
    stars: Math.max(0, ...[...(values.get("stars") ?? [])].map(starsOf)),
  };
}

const FILTERS_HINT = "filters are is-official=true|false and stars=NUMBER";

function booleanOf(name: string, values: ReadonlySet<string> | undefined): boolean | undefined {
  if (values === undefined) return undefined;
  const isTrue = values.has("true") || values.has("1");
  const isFalse = values.has("false") || values.has("0");
  if (isTrue !== isFalse) return isTrue;
  throw usage(`invalid filter '${name}=[${[...values].sort().join(" ")}]'`, `write ${name}=true or ${name}=false`);
}

function starsOf(text: string): number {
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
  throw usage(`invalid filter 'stars=${text}'`, "write stars=NUMBER");
}

const DEFAULT_LIMIT = 25;
const MAX_LIMIT = 100;

/**
 * The number of results to ask for: 25 where it is 0 or not given.
 * @throws NacreError USAGE for what is not from 1 to 100
 */
export function searchLimit(limit: number | undefined): number {
  if (limit === undefined || limit === 0) return DEFAULT_LIMIT;
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw usage(
    `limit ${limit} is outside the range of [1, ${MAX_LIMIT}]`,
    `give --limit a number from 1 to ${MAX_LIMIT}`,
  );
}

function usage(message: string, hint: string): NacreError {
  return new NacreError("USAGE", message, { hint });
}
