/** Searching a registry that has no search: the names of its catalog that have the term in them. */
import { parseReference } from "../oci/reference.js";
import { isNacreError } from "../support/errors.js";
import type { SearchResult } from "./searchTypes.js";
import { trustOf } from "./trust.js";
import type { Registries } from "./types.js";

/** Most repositories that are looked at. */
const MAX_NAMES = 500_000;
/** Most that are kept to be ranked. */
const MAX_MATCHES = 20_000;

/** What a catalog was looked through for. */
export interface CatalogFind {
  readonly results: readonly SearchResult[];
  /** There was more than is looked at. */
  readonly cut: boolean;
}

/**
 * Looks through a registry's catalog.
 * @param term empty: everything
 * @returns the best `limit`: the name itself, names that end in it, that begin with it, that have it in them
 * @throws NacreError NETWORK, DENIED, …
 */
export async function searchCatalog(
  registries: Registries,
  host: string,
  term: string,
  limit: number,
): Promise<CatalogFind> {
  const wanted = term.toLowerCase();
  const matches: string[] = [];
  let seen = 0;
  let cut = false;
  for await (const name of registries.catalog(host)) {
    if (name.includes(wanted) && isRepository(host, name)) matches.push(name);
    cut = ++seen >= MAX_NAMES || matches.length >= MAX_MATCHES;
    if (cut) break;
  }
  const ranked = matches.map((name) => ({ name, rank: rankOf(name, wanted) }));
  ranked.sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  const results = ranked.slice(0, limit).map(({ name }): SearchResult => {
    const badge = trustOf({ host, path: name });
    return { name: `${host}/${name}`, description: "", stars: undefined, official: false, badge };
  });
  return { results, cut };
}

/** True for failures by which a registry says that it tells nobody, or not us, what it holds. */
export function hasNoCatalog(error: unknown): boolean {
  if (!isNacreError(error)) return false;
  return error.code === "DENIED" || [401, 403, 404, 405, 501].includes(Number(error.facts.status));
}

function rankOf(name: string, term: string): number {
  const last = name.slice(name.lastIndexOf("/") + 1);
  if (name === term) return 0;
  if (last === term) return 1;
  if (last.startsWith(term)) return 2;
  return last.includes(term) ? 3 : 4;
}

function isRepository(host: string, name: string): boolean {
  try {
    return parseReference(`${host}/${name}`).path === name;
  } catch {
    return false;
  }
}
