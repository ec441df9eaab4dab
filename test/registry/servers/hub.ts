/** Docker Hub's APIs for search and tags, by the shapes of their answers; whatever else is asked gets 404. */
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { whenDone } from "./cleanup.js";

/** A server that answers like Docker Hub. */
export interface FakeHub {
  /** For both of Hub's addresses. */
  readonly url: string;
  readonly requests: { readonly url: URL; readonly headers: http.IncomingHttpHeaders }[];
  /** Answers by path, in place of the usual ones. */
  readonly answers: Map<string, (url: URL, response: http.ServerResponse) => void>;
  stop(): Promise<void>;
}

/** As the engine's search answers (fields of moby's api/types/registry). */
export const ENGINE_RESULTS = [
  { name: "nginx", description: "Official build of Nginx.", star_count: 20834, is_official: true, is_automated: false },
  {
    name: "bitnami/nginx",
    description: "Bitnami container image for NGINX\nwith a second line",
    star_count: 202,
    is_official: false,
    is_automated: true,
  },
  {
    name: "evil/name",
    description: "\u001b[31mred\u001b[0m \u202egnp.exe and much more than forty-five columns of text",
    star_count: 3,
    is_official: false,
  },
  { name: "wide/app", description: "漢字".repeat(20), star_count: 0, is_official: false },
];

/** As the web site's search answers (fields of docker/hub-mcp's search tool). */
export const SITE_RESULTS = [
  siteResult("library/postgres", "official", "1B+", 14000, "2026-02-01T10:00:00Z"),
  siteResult("bitnami/postgresql", "verified_publisher", "500M+", 300, "2026-03-01T10:00:00Z"),
  siteResult("some/sponsored", "open_source", "1M+", 20, "2025-01-01T10:00:00Z"),
  siteResult("nobody/postgres", "none", "10K+", 0, "2024-01-01T10:00:00Z"),
  siteResult("mirror/dhi-postgres", null, "100+", 1, null),
];

function siteResult(name: string, badge: string | null, pulls: string, stars: number, updated: string | null) {
  return {
    ...{ id: name, name, slug: name, type: "image", badge, star_count: stars, pull_count: pulls, updated_at: updated },
    ...{ created_at: "2014-06-06T00:00:00Z", short_description: `About ${name}`, archived: false },
    publisher: { id: "x", name: `Publisher of ${name}` },
    ...{ extension_reviewed: false, logo_url: null, categories: [{ slug: "db", name: "Databases" }] },
    operating_systems: [{ name: "linux", label: "Linux" }],
    architectures: [
      { name: "amd64", label: "x86-64" },
      { name: "arm64", label: "ARM 64" },
    ],
  };
}

/** As Docker's Hub API lists tags, not in the order of time. */
export const HUB_TAGS = [
  hubTag("3.20", "2026-01-02T00:00:00.123456Z", 3_600_000),
  hubTag("edge", "2026-03-02T00:00:00Z", 3_700_000),
  hubTag("3.19", "2025-01-02T00:00:00Z", null),
];

function hubTag(name: string, updated: string, size: number | null) {
  const image = { features: "", digest: `sha256:${"a".repeat(64)}`, size, status: "active" };
  return {
    ...{ id: 1, name, last_updated: updated, tag_last_pushed: updated, full_size: size, v2: true },
    ...{ digest: `sha256:${"b".repeat(64)}`, media_type: "application/vnd.oci.image.index.v1+json" },
    images: [
      { ...image, os: "linux", architecture: "amd64", variant: null },
      { ...image, os: "linux", architecture: "arm", variant: "v7" },
      { ...image, os: "unknown", architecture: "unknown", variant: null },
    ],
  };
}

/** Starts such a server; it ends with the test file at the latest. */
export async function startHub(): Promise<FakeHub> {
  const requests: FakeHub["requests"] = [];
  const answers: FakeHub["answers"] = new Map();
  const server = http.createServer((request, response) => {
    const url = new URL(request.url!, "http://hub");
    requests.push({ url, headers: request.headers });
    const answer = answers.get(url.pathname) ?? USUAL[url.pathname];
    if (answer) return answer(url, response);
    response.writeHead(404, { "content-type": "text/html" }).end("<html>not here</html>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = whenDone(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, answers, stop };
}

/** Answers with JSON. */
export function json(response: http.ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

/** Answers with JSON that was packed without being asked for. */
export function packed(response: http.ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
  response.end(gzipSync(JSON.stringify(value)));
}

const USUAL: Readonly<Record<string, (url: URL, response: http.ServerResponse) => void>> = {
  "/v1/search": (url, response) => {
    const results = ENGINE_RESULTS.slice(0, Number(url.searchParams.get("n")));
    const query = url.searchParams.get("q");
    json(response, { num_pages: 1, num_results: results.length, page: 1, page_size: 25, query, results });
  },
  "/api/search/v4": (url, response) => {
    const wanted = url.searchParams.get("badges")?.split(",");
    const results = SITE_RESULTS.filter(({ badge }) => wanted === undefined || wanted.includes(badge ?? ""));
    json(response, { total: results.length, results });
  },
  "/v2/namespaces/library/repositories/alpine/tags": (url, response) => {
    const page = Number(url.searchParams.get("page"));
    const results = page === 1 ? HUB_TAGS.slice(0, 2) : HUB_TAGS.slice(2);
    // What the next address is does not matter: it is not followed.
    json(response, { count: 3, next: page === 1 ? "http://169.254.169.254/" : null, previous: null, results });
  },
};
