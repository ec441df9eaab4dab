/**
 * Searching for images. In: a term, and what of the results is wanted. Out: names that can be pulled, with what their
 * registry says of them. Docker Hub is asked as Docker's engine asks it, or, for badges and sorting, as its web site does;
 * any other registry for its catalog. Everything read is bounded; texts are as strangers wrote them.
 */

import type { SearchRequest, SearchResult } from "./searchTypes.js";

/**
 * Searches a registry.
 * @param query `TERM` for Docker Hub, `HOST/TERM` for another registry
 * @throws NacreError USAGE; NETWORK, DENIED, LIMIT_EXCEEDED, CANCELLED
 */
export async function searchImages(query: string, request: SearchRequest): Promise<SearchResult[]> {
  const { runSearch } = await import("./searchRun.js");
  return runSearch(query, request);
}
