/** The tags of a repository, in an order that helps. */
import type { TagInfo, TagsRequest } from "./searchTypes.js";

/**
 * Lists tags.
 * @param repository `NAME` or `HOST/NAME`, without tag and digest
 * @throws NacreError USAGE, REFERENCE_INVALID; NETWORK, DENIED, LIMIT_EXCEEDED, CANCELLED
 */
export async function listTags(repository: string, request: TagsRequest): Promise<TagInfo[]> {
  const { runTags } = await import("./tagsRun.js");
  return runTags(repository, request);
}
