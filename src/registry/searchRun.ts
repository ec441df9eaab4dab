/** One search: whom to ask, in which way, and what of the answer is wanted. */
import { isNacreError } from "../support/errors.js";
import { hasNoCatalog, searchCatalog } from "./catalogSearch.js";
import { JsonClient } from "./hubJson.js";
import { engineSearch, HUB_ADDRESSES, oldSiteSearch, siteSearch } from "./hubSearch.js";
import { withAccess } from "./searchAccess.js";
import { parseSearchFilters, parseSearchTerm, type SearchFilters, type SearchTerm, searchLimit } from "./searchTerm.js";
import type { HubAddresses, SearchAccess, SearchOrder, SearchRequest, SearchResult } from "./searchTypes.js";
import { trustOf } from "./trust.js";
import type { CredentialStore, Endpoint, RegistryEnv } from "./types.js";

/** Does what {@link searchImages} promises. */
export async function runSearch(query: string, request: SearchRequest): Promise<SearchResult[]> {
  const filters = parseSearchFilters(request.filters ?? []);
  const limit = searchLimit(request.limit);
  const where = parseSearchTerm(query);
  if (filters.automated) {
    const why = 'the "is-automated" filter is deprecated: nothing on Docker Hub is an automated build any more';
    request.env.warn("search-automated", why);
    return [];
  }
  const client = new JsonClient(request.env);
  try {
    const found = await withAccess(request.env, request.access, (access) =>
      where.host === "docker.io"
        ? searchHub(client, where.term, limit, filters, request, access.credentials)
        : searchOther(client, where, limit, request, access),
    );
    const marked = found.map((result) => withHardened(result, request.hardened ?? []));
    return sorted(
      marked.filter((result) => isWanted(result, filters, request)),
      request.sort ?? "best",
    );
  } finally {
    await client.close();
  }
}

async function searchHub(
  client: JsonClient,
  term: string,
  limit: number,
  filters: SearchFilters,
  request: SearchRequest,
  credentials: CredentialStore,
): Promise<SearchResult[]> {
  const addresses: HubAddresses = { ...HUB_ADDRESSES, ...request.hub };
  const { badges = [], sort = "best" } = request;
  if (!wantsDetails(request)) {
    const authorization = await hubLogin(addresses, credentials, request.env);
    const search = { base: addresses.index, registry: "docker.io", term, limit, authorization };
    return (await engineSearch(client, search)) ?? [];
  }
  const asked = badges.length === 0 && filters.official === true ? (["official"] as const) : badges;
  const search = { site: addresses.site, term, limit, badges: asked, sort };
  const found = await siteSearch(client, search);
  if (found) return found;
  const why = "Docker Hub's search does not answer as it did: badges other than Official are not known";
  request.env.warn("search-badges", why);
  return oldSiteSearch(client, search);
}

function wantsDetails({ details, badges = [], sort }: SearchRequest): boolean {
  return details === true || badges.length > 0 || sort === "pulls" || sort === "updated";
}

/** Who is logged in is asked for by name and password, as Docker's engine does it, and nowhere but at Docker Hub. */
async function hubLogin(
  { index }: HubAddresses,
  store: CredentialStore,
  env: RegistryEnv,
): Promise<string | undefined> {
  if (index !== HUB_ADDRESSES.index) return undefined;
  try {
    const found = await store.find("docker.io");
    if (found?.kind !== "basic") return undefined;
    return `Basic ${Buffer.from(`${found.username}:${found.password}`).toString("base64")}`;
  } catch (error) {
    if (!isNacreError(error) || error.code !== "CREDENTIALS") throw error;
    env.warn("search-anonymous", `searching without a login: ${error.message}`);
    return undefined;
  }
}

async function searchOther(
  client: JsonClient,
  where: SearchTerm,
  limit: number,
  { env }: SearchRequest,
  access: SearchAccess,
): Promise<SearchResult[]> {
  const { host, term } = where;
  let refusal: unknown;
  try {
    const { results, cut } = await searchCatalog(await access.registries(), host, term, limit);
    if (cut) env.warn("search-catalog", `${host} has more repositories than were looked at: give more of the name`);
    if (results.length > 0) return [...results];
  } catch (error) {
    if (!hasNoCatalog(error)) throw error;
    refusal = error;
  }
  const found = await oldSearch(client, where, limit, access);
  if (found === undefined && refusal !== undefined) throw refusal;
  return found ?? [];
}

/** Some registries have Docker's old search and show nobody a whole catalog. It is a second try: that it fails is no news. */
async function oldSearch(
  client: JsonClient,
  { host, term }: SearchTerm,
  limit: number,
  { endpoints }: SearchAccess,
): Promise<SearchResult[] | undefined> {
  const own = endpoints.endpoints(host, "search", "pull").filter(({ mirrorOf }) => mirrorOf === undefined);
  const endpoint = own.at(-1);
  if (term === "" || endpoint === undefined) return undefined;
  for (const base of basesOf(endpoint)) {
    try {
      return await engineSearch(client, { base, registry: host, term, limit, tls: endpoint.tls });
    } catch (error) {
      if (!isNacreError(error) || error.code === "CANCELLED") throw error;
    }
  }
  return undefined;
}

function basesOf({ base, insecure }: Endpoint): string[] {
  const own = base.href.replace(/\/+$/, "");
  return insecure && own.startsWith("https:") ? [own, own.replace(/^https:/, "http:")] : [own];
}

function withHardened(result: SearchResult, prefixes: readonly string[]): SearchResult {
  if (result.badge !== undefined || prefixes.length === 0) return result;
  const slash = result.name.indexOf("/");
  const first = slash < 0 ? "" : result.name.slice(0, slash);
  const named = /[.:]/.test(first) || first === "localhost";
  const [host, path] = named ? [first, result.name.slice(slash + 1)] : ["docker.io", result.name];
  return { ...result, badge: trustOf({ host, path }, prefixes) };
}

function isWanted(result: SearchResult, { official, stars }: SearchFilters, { badges = [] }: SearchRequest): boolean {
  if (official !== undefined && result.official !== official) return false;
  if (stars > 0 && (result.stars ?? 0) < stars) return false;
  return badges.length === 0 || (result.badge !== undefined && badges.includes(result.badge));
}

/** The site has sorted by pulls and updates itself; it tells pulls as rounded texts. */
function sorted(results: readonly SearchResult[], by: SearchOrder): SearchResult[] {
  const all = [...results];
  if (by === "stars") return all.sort((a, b) => (b.stars ?? 0) - (a.stars ?? 0));
  return by === "name" ? all.sort((a, b) => (a.name < b.name ? -1 : 1)) : all;
}
