/** Searching Docker Hub, by the shapes of its answers, and other registries by their catalog. */
import { describe, expect, it } from "vitest";
import { searchImages } from "../../src/registry/search.js";
import { parseSearchFilters, parseSearchTerm, searchLimit } from "../../src/registry/searchTerm.js";
import type { SearchAccess, SearchRequest } from "../../src/registry/searchTypes.js";
import { trustOf } from "../../src/registry/trust.js";
import { nacre } from "../cli/invocation.js";
import { faultyRegistry } from "./servers/faultyRegistry.js";
import { json, packed, startHub } from "./servers/hub.js";
import { makeImage } from "./servers/images.js";

/** Nobody is logged in; a test that asks a registry makes its own access. */
const NOBODY: SearchAccess = {
  credentials: { find: async () => undefined },
  endpoints: { endpoints: () => [] },
  registries: () => Promise.reject(new Error("no registry is to be asked")),
};

function requestTo(url: string, more: Partial<SearchRequest> = {}): SearchRequest & { readonly warnings: string[] } {
  const warnings: string[] = [];
  const env = {
    ...{ env: {}, now: Date.now, limits: { backoff: 1 } },
    warn: (rule: string) => void warnings.push(rule),
  };
  return { env, hub: { index: url, site: url }, access: NOBODY, warnings, ...more };
}

describe("a search term", () => {
  it.each([
    ["nginx", "docker.io", "nginx"],
    ["library/nginx", "docker.io", "nginx"],
    ["docker.io/library/nginx", "docker.io", "nginx"],
    ["index.docker.io/bitnami/nginx", "docker.io", "bitnami/nginx"],
    ["quay.io", "docker.io", "quay.io"],
    ["quay.io/podman", "quay.io", "podman"],
    ["localhost/x", "localhost", "x"],
    ["localhost:5000/a/b", "localhost:5000", "a/b"],
    ["dhi.io/", "dhi.io", ""],
  ])("%s is for %s: %s", (text, host, term) => {
    expect(parseSearchTerm(text)).toEqual({ host, term });
  });

  it.each([
    ["https://quay.io/x", "should not have a scheme"],
    ["", "nothing to search for"],
    ["docker.io/library/", "nothing to search for"],
    ["a b.c/x", "not a registry host"],
    ["x".repeat(256), "longer than 255"],
  ])("%s is refused", (text, why) => {
    expect(() => parseSearchTerm(text)).toThrow(why);
  });
});

describe("search filters", () => {
  it("are read as Docker's engine reads them", () => {
    expect(parseSearchFilters(["is-official=1", "stars=3", "Stars= 10"])).toMatchObject({ official: true, stars: 10 });
    expect(parseSearchFilters(["is-official=false"])).toMatchObject({ official: false, stars: 0 });
    const refused: [string[], string][] = [
      [["is-official=maybe"], "invalid filter 'is-official=[maybe]'"],
      [["is-official=true", "is-official=false"], "invalid filter 'is-official=[false true]'"],
      [["stars=many"], "invalid filter 'stars=many'"],
      [["foo=bar"], "invalid filter 'foo'"],
      [["bad"], "bad format of filter"],
    ];
    for (const [filters, why] of refused) expect(() => parseSearchFilters(filters)).toThrow(why);
  });

  it("and the limit is from 1 to 100", () => {
    expect([searchLimit(undefined), searchLimit(0), searchLimit(100)]).toEqual([25, 25, 100]);
    for (const limit of [101, -1, 1.5]) expect(() => searchLimit(limit)).toThrow("outside the range of [1, 100]");
  });
});

describe("the engine's search", () => {
  it("is asked as Docker's engine asks it", async () => {
    const hub = await startHub();
    const results = await searchImages("library/nginx", requestTo(hub.url, { limit: 2, filters: ["stars=1000"] }));
    expect(results).toEqual([
      { name: "nginx", description: "Official build of Nginx.", stars: 20834, official: true, badge: "official" },
    ]);
    const [asked] = hub.requests;
    expect(`${asked!.url.pathname}${asked!.url.search}`).toBe("/v1/search?q=nginx&n=2");
    expect(asked!.headers["x-docker-token"]).toBe("true");
  });

  it("gets no credentials at another address than Docker Hub's own", async () => {
    const hub = await startHub();
    const find = async () => ({ kind: "basic", username: "ann", password: "canary" }) as const;
    await searchImages("nginx", requestTo(hub.url, { access: { ...NOBODY, credentials: { find } } }));
    expect(JSON.stringify(hub.requests)).not.toContain(Buffer.from("ann:canary").toString("base64"));
  });

  it("finds no automated builds any more", async () => {
    const hub = await startHub();
    const request = requestTo(hub.url, { filters: ["is-automated=true"] });
    expect([await searchImages("nginx", request), request.warnings]).toEqual([[], ["search-automated"]]);
    expect(hub.requests).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ["a list in place of an object", [], "not what a search answers"],
    ["no results", { num_results: 0 }, "not what a search answers"],
    ["something huge", { results: ["x".repeat(5 << 20)] }, "is larger than|more than|exceed|limit|longer"],
  ])("that answers %s is an error", async (_, answer, why) => {
    const hub = await startHub();
    hub.answers.set("/v1/search", (_url, response) => json(response, answer));
    await expect(searchImages("nginx", requestTo(hub.url))).rejects.toThrow(new RegExp(why));
  });

  it("leaves out results of another form, and takes an empty list as Go writes it", async () => {
    const hub = await startHub();
    const results = [{ name: 7 }, { name: "" }, null, { name: "x".repeat(999) }, { name: "good" }];
    hub.answers.set("/v1/search", (_url, response) => json(response, { results }));
    expect((await searchImages("x", requestTo(hub.url))).map(({ name }) => name)).toEqual(["good"]);
    hub.answers.set("/v1/search", (_url, response) => json(response, { results: null }));
    expect(await searchImages("x", requestTo(hub.url))).toEqual([]);
    hub.answers.set("/v1/search", (_url, response) => packed(response, { results }));
    await expect(searchImages("x", requestTo(hub.url))).rejects.toThrow("not what a search answers");
  });

  it("is asked again where it fails in passing, and no more than a few times", async () => {
    const hub = await startHub();
    hub.answers.set("/v1/search", (_url, response) => {
      if (hub.requests.length === 1) response.writeHead(503).end();
      else json(response, { results: [] });
    });
    expect(await searchImages("nginx", requestTo(hub.url))).toEqual([]);
    hub.answers.set("/v1/search", (_url, response) => void response.writeHead(500).end());
    await expect(searchImages("nginx", requestTo(hub.url))).rejects.toThrow("cannot search Docker Hub");
    expect(hub.requests).toHaveLength(2 + 3);
  });
});

describe("the web site's search", () => {
  it("tells badges, pulls and publishers", async () => {
    const hub = await startHub();
    const results = await searchImages(
      "postgres",
      requestTo(hub.url, { details: true, hardened: ["docker.io/mirror"] }),
    );
    expect(results.map(({ name, badge, pulls, official }) => [name, badge, pulls, official])).toEqual([
      ["postgres", "official", "1B+", true],
      ["bitnami/postgresql", "verified_publisher", "500M+", false],
      ["some/sponsored", "open_source", "1M+", false],
      ["nobody/postgres", undefined, "10K+", false],
      ["mirror/dhi-postgres", "hardened", "100+", false],
    ]);
    expect(results[1]).toMatchObject({
      publisher: "Publisher of bitnami/postgresql",
      updated: "2026-03-01T10:00:00.000Z",
      architectures: ["amd64", "arm64"],
    });
  });

  it("filters by badge there and here, and sorts by pulls there", async () => {
    const hub = await startHub();
    const request = requestTo(hub.url, { badges: ["verified_publisher", "hardened"], sort: "pulls", limit: 7 });
    expect((await searchImages("postgres", request)).map(({ name }) => name)).toEqual(["bitnami/postgresql"]);
    expect(Object.fromEntries(hub.requests[0]!.url.searchParams)).toEqual({
      ...{ query: "postgres", type: "image", from: "0", size: "7" },
      ...{ badges: "verified_publisher", sort: "pull_count", order: "desc" },
    });
  });

  it("is replaced by the older one where it is gone", async () => {
    const hub = await startHub();
    hub.answers.set("/api/search/v4", (_url, response) => void response.writeHead(410).end());
    hub.answers.set("/v2/search/repositories/", (_url, response) => {
      const entry = { repo_name: "nginx", short_description: "Nginx", star_count: 2, pull_count: 1_234_567_890 };
      json(response, { count: 1, next: null, previous: null, results: [{ ...entry, is_official: true }] });
    });
    const request = requestTo(hub.url, { details: true });
    expect(await searchImages("nginx", request)).toEqual([
      { name: "nginx", description: "Nginx", stars: 2, official: true, badge: "official", pulls: "1.2B" },
    ]);
    expect(request.warnings).toEqual(["search-badges"]);
  });
});

describe("another registry", () => {
  const image = makeImage({ layers: [] });

  it("is searched through its catalog, the best names first", async () => {
    const registry = await faultyRegistry([], { pageSize: 2 });
    for (const name of ["app", "team/app", "team/app-tools", "team/my-app", "apps/other", "zzz"]) {
      registry.content.add(name, image, "1");
    }
    const names = async (term: string, more: Partial<SearchRequest> = {}) => {
      const request = requestTo("http://127.0.0.1:1", { access: undefined, ...more });
      return (await searchImages(`${registry.host}/${term}`, request)).map(({ name }) =>
        name.replace(registry.host, "HOST"),
      );
    };
    const all = ["HOST/app", "HOST/team/app", "HOST/team/app-tools", "HOST/team/my-app", "HOST/apps/other"];
    expect(await names("APP")).toEqual(all);
    expect(await names("app", { limit: 2 })).toEqual(all.slice(0, 2));
    expect(await names("")).toHaveLength(6);
    expect(await names("nothing")).toEqual([]);
  });

  it("that shows nobody its catalog is asked for Docker's old search, and else says why", async () => {
    const registry = await faultyRegistry([
      { on: "catalog", fault: "status", status: 405 },
      {
        ...{ on: "other", times: 1, fault: "instead" },
        when: ({ path }) => path === "/v1/search",
        answer: (_, response) => {
          json(response, { results: [{ name: "team/app", description: "An app", star_count: 1 }] });
          return true;
        },
      },
    ]);
    const search = () => searchImages(`${registry.host}/app`, requestTo("http://127.0.0.1:1", { access: undefined }));
    expect(await search()).toMatchObject([{ name: `${registry.host}/team/app`, description: "An app", stars: 1 }]);
    await expect(search()).rejects.toThrow("405");
  });
});

describe("trust by name", () => {
  it("is for official and hardened images", () => {
    expect(trustOf({ host: "docker.io", path: "library/nginx" })).toBe("official");
    expect(trustOf({ host: "docker.io", path: "bitnami/nginx" })).toBeUndefined();
    expect(trustOf({ host: "dhi.io", path: "node" })).toBe("hardened");
    expect(trustOf({ host: "dhi.io.evil.example", path: "node" })).toBeUndefined();
    expect(trustOf({ host: "r.example", path: "dhi/node" }, ["r.example/dhi/"])).toBe("hardened");
    expect(trustOf({ host: "r.example", path: "dhi-other/node" }, ["r.example/dhi"])).toBeUndefined();
  });
});

describe("nacre search", () => {
  it("prints Docker's table, and nothing that drives a terminal", async () => {
    const hub = await startHub();
    const { code, stdout } = await nacre(["search", "nginx"], { env: { NACRE_HUB_INDEX: hub.url } });
    expect(code).toBe(0);
    expect(cellsOf(stdout)).toEqual([
      ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"],
      ["nginx", "Official build of Nginx.", "20834", "[OK]"],
      ["bitnami/nginx", "Bitnami container image for NGINX with a sec…", "202"],
      ["evil/name", "\\x1b[31mred\\x1b[0m \\u202egnp.exe and much mo…", "3"],
      ["wide/app", `${"漢字".repeat(11)}…`, "0"],
    ]);
    const whole = await nacre(["search", "--no-trunc", "nginx"], { env: { NACRE_HUB_INDEX: hub.url } });
    expect(whole.stdout).toContain("Bitnami container image for NGINX with a second line");
  });

  it("prints Docker's JSON, and more of it with badges", async () => {
    const hub = await startHub();
    const env = { NACRE_HUB_INDEX: hub.url, NACRE_HUB_SITE: hub.url };
    const plain = await nacre(["search", "--format", "json", "--limit", "1", "nginx"], { env });
    expect(plain.stdout).toBe(
      '{"Description":"Official build of Nginx.","IsOfficial":"true","Name":"nginx","StarCount":"20834"}\n',
    );
    const rich = await nacre(["search", "--badge", "sponsored", "--format", "json", "nginx"], { env });
    expect(JSON.parse(rich.stdout)).toMatchObject({ Name: "some/sponsored", Badge: "open_source", PullCount: "1M+" });
    const table = await nacre(["search", "--badges", "--sort", "stars", "postgres"], { env });
    expect(cellsOf(table.stdout).slice(0, 3)).toEqual([
      ["NAME", "DESCRIPTION", "STARS", "PULLS", "BADGE"],
      ["postgres", "About library/postgres", "14000", "1B+", "Official"],
      ["bitnami/postgresql", "About bitnami/postgresql", "300", "500M+", "Verified Publisher"],
    ]);
  });

  it.each([
    [["search", "--badge", "oficial", "x"], "did you mean official?"],
    [["search", "--sort", "size", "x"], "--sort is one of"],
    [["search", "--limit", "101", "x"], "outside the range of [1, 100]"],
    [["search", "--limit", "ten", "x"], "--limit is not a number"],
    [["search", "https://x/y"], "should not have a scheme"],
  ])("%s is a wrong use", async (argv, why) => {
    const { code, stderr } = await nacre(argv);
    expect([code, stderr.includes(why) ? why : stderr]).toEqual([2, why]);
  });
});

function cellsOf(table: string): string[][] {
  const lines = table.trimEnd().split("\n");
  return lines.map((line) => line.split(/ {3,}/));
}
