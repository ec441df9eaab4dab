/**
 * Docker Hub's searches: the one that Docker's engine asks (`/v1/search`, which some other registries have too), the one of
 * its web site (`/api/search/v4`), and the older one of that (`/v2/search/repositories/`).
 */
import * as v from "valibot";
import { type JsonClient, notUnderstood } from "./hubJson.js";
import type { HubAddresses, SearchOrder, SearchResult } from "./searchTypes.js";
import { type TrustBadge, trustOf } from "./trust.js";
import type { EndpointTls } from "./types.js";

/** Where Docker Hub is. */
export const HUB_ADDRESSES: HubAddresses = { index: "https://index.docker.io", site: "https://hub.docker.com" };

/** Most characters that are kept of a name and of a description. */
const MAX_NAME = 255;
const MAX_TEXT = 4096;

const text = v.pipe(
  v.nullish(v.string(), ""),
  v.transform((all) => all.slice(0, MAX_TEXT)),
);
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_NAME));
const count = v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0)), 0);
const flag = v.nullish(v.boolean(), false);

/** moby: api/types/registry, SearchResults. */
const engineResult = v.looseObject({ name, description: text, star_count: count, is_official: flag });

/** docker/hub-mcp: the fields of the search that it calls. */
const siteResult = v.looseObject({
  name,
  short_description: text,
  badge: v.nullish(v.string()),
  star_count: count,
  pull_count: v.nullish(v.union([v.string(), v.number()])),
  updated_at: v.nullish(v.string()),
  archived: flag,
  publisher: v.nullish(v.looseObject({ name: v.nullish(v.string()) })),
  architectures: v.nullish(v.array(v.looseObject({ name: v.string() })), []),
});

const oldSiteResult = v.looseObject({
  repo_name: name,
  short_description: text,
  star_count: count,
  pull_count: v.nullish(v.union([v.string(), v.number()])),
  is_official: flag,
});

/** Where the engine's kind of search is asked. */
export interface EngineSearch {
  /** What is before `/v1/search`. */
  readonly base: string;
  /** As in references. */
  readonly registry: string;
  readonly term: string;
  readonly limit: number;
  readonly authorization?: string | undefined;
  readonly tls?: EndpointTls | undefined;
}

/**
 * Asks as Docker's engine does (moby: registry/session.go, searchRepositories).
 * @returns undefined if the registry has no such search
 */
export async function engineSearch(client: JsonClient, search: EngineSearch): Promise<SearchResult[] | undefined> {
  const { base, registry, term, limit, authorization, tls } = search;
  const url = new URL(`${base}/v1/search`);
  url.searchParams.set("q", term);
  url.searchParams.set("n", String(limit));
  const doing = doingOf(registry, term);
  // The engine sends this header; Docker Hub's answer does not depend on it any more.
  const headers = { "x-docker-token": "true" };
  const json = await client.ask({ url, doing, registry, headers, authorization, tls });
  if (json === undefined) return undefined;
  const entries = entriesOf(json, engineResult, { doing, registry, origin: url.origin });
  return entries.slice(0, limit).map((entry) => ({
    ...named(registry, entry.name, entry.is_official),
    description: entry.description,
    stars: entry.star_count,
  }));
}

/** What the web site's search is asked for. */
export interface SiteSearch {
  readonly site: string;
  readonly term: string;
  readonly limit: number;
  readonly badges: readonly TrustBadge[];
  readonly sort: SearchOrder;
}

const SORTS: Partial<Record<SearchOrder, string>> = { pulls: "pull_count", updated: "updated_at" };

/**
 * Asks as Docker Hub's web site does.
 * @returns undefined if there is no such search any more: it is not a documented API
 */
export async function siteSearch(client: JsonClient, search: SiteSearch): Promise<SearchResult[] | undefined> {
  const { site, term, limit, badges, sort } = search;
  const url = new URL(`${site}/api/search/v4`);
  url.searchParams.set("query", term);
  url.searchParams.set("type", "image");
  url.searchParams.set("from", "0");
  url.searchParams.set("size", String(limit));
  const known = badges.filter((badge) => badge !== "hardened");
  if (known.length > 0) url.searchParams.set("badges", known.join(","));
  if (SORTS[sort] !== undefined) {
    url.searchParams.set("sort", SORTS[sort]);
    url.searchParams.set("order", "desc");
  }
  const question = { doing: doingOf("docker.io", term), registry: "docker.io" };
  const json = await client.ask({ url, ...question });
  if (json === undefined) return undefined;
  const entries = entriesOf(json, siteResult, { ...question, origin: url.origin });
  return entries.slice(0, limit).map((entry) => ({
    ...named("docker.io", entry.name, entry.badge === "official", badgeOf(entry.badge)),
    description: entry.short_description,
    stars: entry.star_count,
    pulls: pullsOf(entry.pull_count),
    publisher: entry.publisher?.name?.slice(0, MAX_NAME) || undefined,
    updated: dateOf(entry.updated_at),
    archived: entry.archived,
    architectures: [...new Set(entry.architectures.map((each) => each.name.slice(0, MAX_NAME)))].filter(Boolean),
  }));
}

/** The same by the older API: it knows of official images, and of no other badges. */
export async function oldSiteSearch(client: JsonClient, search: SiteSearch): Promise<SearchResult[]> {
  const { site, term, limit } = search;
  const url = new URL(`${site}/v2/search/repositories/`);
  url.searchParams.set("query", term);
  url.searchParams.set("page", "1");
  url.searchParams.set("page_size", String(limit));
  const question = { doing: doingOf("docker.io", term), registry: "docker.io" };
  const json = await client.ask({ url, ...question });
  const entries = entriesOf(json, oldSiteResult, { ...question, origin: url.origin });
  return entries.slice(0, limit).map((entry) => ({
    ...named("docker.io", entry.repo_name, entry.is_official),
    description: entry.short_description,
    stars: entry.star_count,
    pulls: pullsOf(entry.pull_count),
  }));
}

/** Entries of another form than they must have are left out: one odd repository is not to hide the others. */
function entriesOf<S extends v.GenericSchema>(
  json: unknown,
  schema: S,
  attempt: { readonly doing: string; readonly registry: string; readonly origin: string },
): v.InferOutput<S>[] {
  const results = (json as { readonly results?: unknown } | null | undefined)?.results;
  // Go writes an empty list as null.
  if (results === null) return [];
  if (!Array.isArray(results)) throw notUnderstood(attempt);
  return results.map((entry) => v.safeParse(schema, entry)).flatMap((one) => (one.success ? [one.output] : []));
}

function named(registry: string, raw: string, official: boolean, badge?: TrustBadge) {
  const isHub = registry === "docker.io";
  const short = isHub ? raw.replace(/^library\/(?=[^/]+$)/, "") : raw;
  const isForeign = !isHub && !raw.startsWith(`${registry}/`);
  const full = isForeign ? `${registry}/${raw}` : short;
  const known = trustOf(isHub ? { host: registry, path: official ? `library/${short}` : short } : splitName(full));
  return { name: full, official, badge: badge ?? known };
}

function splitName(full: string): { readonly host: string; readonly path: string } {
  const slash = full.indexOf("/");
  return { host: full.slice(0, slash), path: full.slice(slash + 1) };
}

function badgeOf(text: string | null | undefined): TrustBadge | undefined {
  return text === "official" || text === "verified_publisher" || text === "open_source" ? text : undefined;
}

/** The site's search rounds (`1B+`); its older one counts. */
function pullsOf(pulls: string | number | null | undefined): string | undefined {
  if (typeof pulls === "string") return pulls.slice(0, 32) || undefined;
  if (typeof pulls !== "number") return undefined;
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(pulls);
}

function dateOf(text: string | null | undefined): string | undefined {
  const time = Date.parse(text ?? "");
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

function doingOf(registry: string, term: string): string {
  return `search ${registry === "docker.io" ? "Docker Hub" : registry} for ${JSON.stringify(term)}`;
}
