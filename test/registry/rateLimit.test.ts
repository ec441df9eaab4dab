/** How much a registry still lets people pull: read from its headers, and asked for without a pull. */
import { describe, expect, test } from "vitest";
import { rateLimitOf } from "../../src/registry/rateLimit.js";
import { nacre } from "../cli/invocation.js";
import { toolMissing } from "../setup/tools.js";
import { startRegistry } from "./servers/dockerRegistry.js";
import { faultyRegistry } from "./servers/faultyRegistry.js";
import { makeImage, putImage } from "./servers/images.js";

const env = { HOME: "/nonexistent", NACRE_REGISTRIES_CONF: "/dev/null" };
const HUB = {
  ...{ "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600" },
  "docker-ratelimit-source": "192.0.2.7",
};

describe("the headers of a rate limit", () => {
  const read = (headers: Record<string, string>) => rateLimitOf({ header: (name) => headers[name] });
  test.each([
    [HUB, { limit: 100, remaining: 76, window: 21600, source: "192.0.2.7" }],
    [
      { "ratelimit-limit": "200", "ratelimit-remaining": "0" },
      { limit: 200, remaining: 0, window: 21600 },
    ],
    [
      { "ratelimit-limit": "5;w=60", "ratelimit-remaining": "4" },
      { limit: 5, remaining: 4, window: 60 },
    ],
    [
      { ...HUB, "docker-ratelimit-source": "a\u001b[31mb" },
      { ...read(HUB), source: "a [31mb" },
    ],
    [{ "ratelimit-limit": "many", "ratelimit-remaining": "4" }, undefined],
    [{}, undefined],
  ])("%j", (headers, expected) => {
    expect(read(headers)).toEqual(expected);
  });
});

describe("nacre ratelimit", () => {
  async function registryWith(status: number, headers: Record<string, string>) {
    const registry = await faultyRegistry();
    registry.content.add("app", makeImage(), "1");
    registry.setFaults({ on: "manifest", fault: "status", status, headers, body: "" });
    return registry;
  }

  test("asks by HEAD, and shows what the registry tells", async () => {
    const registry = await registryWith(200, {
      ...HUB,
      "docker-content-digest": makeImage().descriptor.digest,
      "content-type": makeImage().descriptor.mediaType,
      "content-length": String(makeImage().descriptor.size),
    });
    const { code, stdout } = await nacre(["ratelimit", `${registry.host}/app:1`], { env });
    expect([code, stdout]).toEqual([
      0,
      `Registry:     ${registry.host}\nLimit:        100 pulls in 6 hours\nRemaining:    76\nCounted for:  192.0.2.7\n`,
    ]);
    expect(registry.requests.map(({ operation }) => operation)).not.toContain("manifest.get");
    const json = await nacre(["ratelimit", "--format", "json", `${registry.host}/app:1`], { env });
    expect(JSON.parse(json.stdout)).toMatchObject({ Limit: 100, Remaining: 76, WindowSeconds: 21600 });
    const template = await nacre(["ratelimit", "--format", "{{.Remaining}}", `${registry.host}/app:1`], { env });
    expect(template.stdout).toBe("76\n");
  });

  test("shows a limit that is used up", async () => {
    const registry = await registryWith(429, { ...HUB, "ratelimit-remaining": "0;w=21600" });
    const { code, stdout } = await nacre(["ratelimit", `${registry.host}/app:1`], { env });
    expect([code, stdout]).toEqual([0, expect.stringContaining("Remaining:    0\n")]);
  });

  test("fails where the registry cannot be asked", async () => {
    expect(await nacre(["ratelimit", "127.0.0.1:1/app"], { env })).toMatchObject({ code: 1, stdout: "" });
  });
});

describe.skipIf(toolMissing("docker-registry"))("a registry without limits", () => {
  test("is said to tell of none", async () => {
    const registry = await startRegistry();
    await putImage(makeImage(), registry, "app", "1");
    const { code, stdout } = await nacre(["ratelimit", `${registry.host}/app:1`], { env });
    expect([code, stdout]).toEqual([0, `${registry.host} tells of no limit\n`]);
  });
});
