/** One list of tags: from the registry, or from Docker Hub's web site, which also knows when each was pushed. */
import * as v from "valibot";
import { parseReference, type Reference } from "../oci/reference.js";
import { NacreError } from "../support/errors.js";
import { JsonClient, notUnderstood } from "./hubJson.js";
import { HUB_ADDRESSES } from "./hubSearch.js";
import { withAccess } from "./searchAccess.js";
import type { TagInfo, TagsRequest } from "./searchTypes.js";
import { byName, byVersion } from "./tagOrder.js";

/** Most tags of a repository. */
const MAX_TAGS = 500_000;
/** Tags of a page, and most pages, of Docker Hub's web site. */
const PAGE = 100;
const MAX_PAGES = 100;
const TAG = /^\w[\w.-]{0,127}$/;

/** Does what {@link listTags} promises. */
export async function runTags(repository: string, request: TagsRequest): Promise<TagInfo[]> {
  const reference = repositoryOf(repository);
  const { sort = "version", limit = Infinity } = request;
  if (!(limit === Infinity || (Number.isInteger(limit) && limit >= 1))) {
    throw new NacreError("USAGE", `limit ${limit} is not a number of 1 or more`, { hint: "e.g. --limit 10" });
  }
  if (sort === "updated") return hubTags(reference, request, limit);
  const names = await withAccess(request.env, request.access, async ({ registries }) =>
    namesOf((await registries()).open(reference.host, reference.path, "pull").tags(), repository),
  );
  const ordered = sort === "name" ? byName(names) : byVersion(names);
  return ordered.slice(0, limit).map((tag) => ({ tag }));
}

function repositoryOf(text: string): Reference {
  const reference = parseReference(text);
  if (reference.digest === undefined && !/:[^/]*$/.test(text.replace(/^[^/]*\//, ""))) return reference;
  throw new NacreError("USAGE", `${JSON.stringify(text)} is one image, not a repository`, {
    hint: "leave out the tag and the digest",
  });
}

/** What cannot be a tag is left out: nobody could pull it. */
async function namesOf(tags: AsyncIterable<string>, repository: string): Promise<string[]> {
  const names = new Set<string>();
  for await (const tag of tags) {
    if (TAG.test(tag)) names.add(tag);
    if (names.size <= MAX_TAGS) continue;
    throw new NacreError("LIMIT_EXCEEDED", `${repository} has more than ${MAX_TAGS} tags`, {
      hint: "no list of them would be of use: ask for a tag that you know",
    });
  }
  return [...names];
}

/** Docker's Hub API, "List repository tags"; `ordering` is what its web site sends. */
const hubTag = v.looseObject({
  name: v.pipe(v.string(), v.regex(TAG)),
  last_updated: v.nullish(v.string()),
  full_size: v.nullish(v.number()),
  digest: v.nullish(v.string()),
  images: v.nullish(
    v.array(
      v.looseObject({ os: v.nullish(v.string()), architecture: v.nullish(v.string()), variant: v.nullish(v.string()) }),
    ),
    [],
  ),
});

const hubPage = v.looseObject({ next: v.nullish(v.string()), results: v.nullish(v.array(v.unknown()), []) });

async function hubTags({ host, path }: Reference, request: TagsRequest, limit: number): Promise<TagInfo[]> {
  if (host !== "docker.io") {
    throw new NacreError("USAGE", `${host} does not tell when tags were pushed`, {
      hint: "--sort updated is for Docker Hub: use --sort version or --sort name",
    });
  }
  const client = new JsonClient(request.env);
  const { site } = { ...HUB_ADDRESSES, ...request.hub };
  const found = new Map<string, TagInfo>();
  try {
    for (let page = 1; page <= MAX_PAGES && found.size < limit; page++) {
      const { next, results } = await hubTagPage(client, site, path, page);
      for (const tag of results) found.set(tag.tag, tag);
      if (!next || results.length === 0) break;
    }
  } finally {
    await client.close();
  }
  const all = [...found.values()].sort((a, b) => ((a.updated ?? "") > (b.updated ?? "") ? -1 : 1));
  return all.slice(0, limit);
}

async function hubTagPage(client: JsonClient, site: string, path: string, page: number) {
  const slash = path.indexOf("/");
  const url = new URL(`${site}/v2/namespaces/${path.slice(0, slash)}/repositories/${path.slice(slash + 1)}/tags`);
  url.searchParams.set("page", String(page));
  url.searchParams.set("page_size", String(PAGE));
  url.searchParams.set("ordering", "last_updated");
  const question = { doing: `list the tags of ${path}`, registry: "docker.io" };
  const json = await client.ask({ url, ...question });
  if (json === undefined) {
    throw new NacreError("NETWORK", `Docker Hub has no repository ${path}, or it is private`, {
      hint: "private ones are listed without --sort updated, after nacre login",
    });
  }
  const read = v.safeParse(hubPage, json);
  if (!read.success) throw notUnderstood({ ...question, origin: url.origin });
  const results = read.output.results.map((entry) => v.safeParse(hubTag, entry));
  return {
    next: read.output.next,
    results: results.flatMap((one) => (one.success ? [tagOf(one.output)] : [])),
  };
}

function tagOf(entry: v.InferOutput<typeof hubTag>): TagInfo {
  const time = Date.parse(entry.last_updated ?? "");
  const platforms = entry.images
    .filter(({ os, architecture }) => os && os !== "unknown" && architecture)
    .map(({ os, architecture, variant }) => [os, architecture, variant].filter(Boolean).join("/").slice(0, 100));
  return {
    tag: entry.name,
    updated: Number.isNaN(time) ? undefined : new Date(time).toISOString(),
    size: entry.full_size ?? undefined,
    digest: entry.digest?.slice(0, 200) || undefined,
    platforms: [...new Set(platforms)],
  };
}
