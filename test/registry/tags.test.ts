/** Listing tags: their order, and where they come from. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byName, byVersion } from "../../src/registry/tagOrder.js";
import { nacre } from "../cli/invocation.js";
import { faultyRegistry } from "./servers/faultyRegistry.js";
import { startHub } from "./servers/hub.js";
import { makeImage } from "./servers/images.js";

describe("tags by version", () => {
  it.each([
    [["latest", "4", "4.1", "4.1.2", "4.1.1", "3", "3.20", "3.20.10", "3.20.9", "3.9"]],
    [["1.2.3", "1.2.3-alpine", "1.2.3-bookworm", "1.2.3-rc2", "1.2.3-rc1", "1.2.3-beta", "1.2.2"]],
    [["v2.0.0", "v2.0.0-rc.10", "v2.0.0-rc.9", "v1.9"]],
    [["3.14.0", "3.14.0rc1", "3.14.0b2", "3.14.0a1", "3.13"]],
    [["18", "18-alpine", "18-slim", "18.20", "9"]],
    [["1.0", "20250101", "20240807", "20240807-slim", "bookworm", "edge", "stable"]],
    [["2.0", "3f2a9b1", "abc1234"]],
    [["jdk-8", "jdk-21"]],
  ])("%s", (tags) => {
    expect(byVersion([...tags].reverse())).toEqual(tags);
  });

  it("are in one order, whatever order they come in, and all of them", () => {
    const part = fc.constantFrom("1", "2", "10", "01", ".", "-", "_", "+", "rc", "alpha", "v", "a", "latest", "x");
    const tag = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.uniqueArray(tag, { maxLength: 12 }), (tags) => {
        const sorted = byVersion(tags);
        expect(byVersion([...tags].reverse())).toEqual(sorted);
        expect([...sorted].sort()).toEqual([...tags].sort());
        expect(byName(byVersion(tags))).toEqual(byName(tags));
      }),
    );
  });
});

describe("nacre tags", () => {
  it("lists what a registry has, page by page, the newest version first", async () => {
    const registry = await faultyRegistry([], { pageSize: 2 });
    const image = makeImage({ layers: [] });
    for (const tag of ["1.9", "1.10", "latest", "1.10-rc1", "main"]) registry.content.add("team/app", image, tag);
    const name = `${registry.host}/team/app`;
    const { stdout } = await nacre(["tags", name]);
    expect(stdout).toBe("TAG\nlatest\n1.10\n1.10-rc1\n1.9\nmain\n");
    expect((await nacre(["tags", "-q", "--limit", "2", "--sort", "name", name])).stdout).toBe("1.9\n1.10\n");
    expect((await nacre(["tags", "--format", "json", "--limit", "1", name])).stdout).toBe('{"Tag":"latest"}\n');
    expect((await nacre(["tags", `${registry.host}/none`])).code).toBe(1);
    expect((await nacre(["tags", "--sort", "updated", name])).stderr).toContain("--sort updated is for Docker Hub");
  });

  it("leaves out what cannot be a tag", async () => {
    const tags = ["good", "../x", "\u001b[31m", "", "x".repeat(200)];
    const body = JSON.stringify({ name: "app", tags });
    const headers = { "content-type": "application/json" };
    const registry = await faultyRegistry([{ on: "tags", fault: "status", status: 200, headers, body }]);
    const { stdout } = await nacre(["tags", "-q", `${registry.host}/app`]);
    expect(stdout).toBe("good\n");
  });

  it("knows from Docker Hub's web site what was pushed last, and follows it nowhere", async () => {
    const hub = await startHub();
    const env = { NACRE_HUB_SITE: hub.url };
    const { stdout } = await nacre(["tags", "--sort", "updated", "--format", "json", "alpine"], { env });
    const rows = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows.map(({ Tag }) => Tag)).toEqual(["edge", "3.20", "3.19"]);
    expect(rows[1]).toMatchObject({
      UpdatedAt: "2026-01-02T00:00:00.123Z",
      SizeBytes: 3_600_000,
      Platforms: ["linux/amd64", "linux/arm/v7"],
    });
    expect(hub.requests.map(({ url }) => url.searchParams.get("page"))).toEqual(["1", "2"]);
    const table = await nacre(["tags", "--sort", "updated", "--limit", "2", "alpine"], { env });
    expect(table.stdout).toMatch(
      /^TAG {7}UPDATED .*SIZE .*PLATFORMS\nedge .* ago .*3\.7MB .*linux\/amd64, linux\/arm\/v7\n/,
    );
    const none = await nacre(["tags", "--sort", "updated", "none/none"], { env });
    expect(none.stderr).toContain("Docker Hub has no repository none/none");
  });

  it.each([
    [["tags", "alpine:3.20"], "is one image, not a repository"],
    [["tags", "--sort", "zzzzzzzz", "alpine"], "--sort is one of"],
    [["tags", "--limit", "0", "alpine"], "--limit is not a number of 1 or more"],
  ])("%s is a wrong use", async (argv, why) => {
    const { code, stderr } = await nacre(argv);
    expect([code, stderr.includes(why) ? why : stderr]).toEqual([2, why]);
  });
});
