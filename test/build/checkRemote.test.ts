/** Checks that look base images up in registries: the store gets nothing of it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkDockerfile } from "../../src/build/dockerfileChecks.js";
import type { BuildRequest } from "../../src/build/request.js";
import { startRegistry } from "../registry/servers/dockerRegistry.js";
import { faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { makeImage, makeIndex, putImage } from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";
import { scratch } from "./helpers.js";

const env = { HOME: "/nonexistent", NACRE_REGISTRIES_CONF: "/dev/null" };
/** What its trigger does is seen only by those who have the config: a stage name of two cases. */
const base = makeImage({ config: { config: { OnBuild: ["ENV from trigger", "COPY --from=nowhere:1 /a /b"] } } });
const plain = makeImage({ config: { config: { Env: ["VERSION=3"] } } });
const foreign = makeImage({ config: { architecture: "s390x" } });

async function check(text: string, more: Partial<BuildRequest> = {}) {
  const store = join(scratch(), "store");
  const dockerfile = { kind: "text", text, name: "Dockerfile" } as const;
  const request = { context: scratch(), dockerfile, store, platform: "linux/amd64", env, ...more };
  const report = await checkDockerfile(request);
  expect(existsSync(store)).toBe(false);
  return { ...report, rules: report.findings.map(({ rule }) => rule) };
}

describe.skipIf(toolMissing("docker-registry"))("a base that the store has not", () => {
  test("is looked up in its registry, and its config counts", async () => {
    const registry = await startRegistry();
    await putImage(makeIndex([foreign, plain]), registry, "team/app", "1");
    const found = await check(`FROM ${registry.host}/team/app:1\nRUN echo $VERSION $NOTHING\n`);
    expect(found.error).toBeUndefined();
    const unseen = await check(`FROM ${registry.host}/team/app:1\nRUN echo $VERSION $NOTHING\n`, { offline: true });
    expect(unseen.error).toMatchObject({ code: "BASE_NOT_FOUND" });
    const workdir = (name: string): string => `FROM ${name}\nLABEL v=$VERSION n=$NOTHING\n`;
    const { findings } = await check(workdir(`${registry.host}/team/app:1`));
    expect(findings.map(({ rule, message }) => [rule, message.includes("NOTHING")])).toEqual([["UndefinedVar", true]]);
  });
});

describe("a base that the store has not", () => {
  test("is asked for once, and of it no layer is fetched", async () => {
    const registry = await faultyRegistry();
    registry.content.add("app", plain, "1");
    const text = `FROM ${registry.host}/app:1 AS a\nFROM ${registry.host}/app:1\nCOPY --from=${registry.host}/app:1 /x /x\n`;
    expect((await check(text)).error).toBeUndefined();
    const asked = registry.requests.map(({ path }) => path);
    expect(asked.filter((path) => path.includes("/manifests/"))).toHaveLength(1);
    for (const { digest } of plain.layers) expect(asked.some((path) => path.includes(digest))).toBe(false);
  });

  test("may ask for more images by its triggers", async () => {
    const registry = await faultyRegistry();
    registry.content.add("app", base, "1");
    const { error } = await check(`FROM ${registry.host}/app:1\n`);
    expect(error?.message).toContain("nowhere:1");
  });

  test("and that no registry has, or can be asked for, is told of as before, and the rest is checked", async () => {
    const registry = await faultyRegistry();
    registry.content.add("app", plain, "1");
    const nobody = "127.0.0.1:1";
    const text = `FROM ${nobody}/x:1 AS Upper\nFROM ${nobody}/y:1\nFROM ${registry.host}/none\nFROM ${registry.host}/app:1\n`;
    const { error, rules } = await check(`${text}LABEL a=$NOTHING\n`);
    expect(error).toMatchObject({ code: "BASE_NOT_FOUND", place: { range: { start: { line: 1 } } } });
    expect(error?.message).toMatch(/^127\.0\.0\.1:1\/x:1: no such image in the store .*, and it cannot be looked up: /);
    expect(rules).toEqual(expect.arrayContaining(["StageNameCasing", "UndefinedVar"]));
  });

  test("is not asked for offline", async () => {
    const registry = await faultyRegistry();
    registry.content.add("app", plain, "1");
    const { error } = await check(`FROM ${registry.host}/app:1\n`, { offline: true });
    expect(error?.message).toMatch(/no such image in the store for linux\/amd64$/);
    expect(registry.requests).toEqual([]);
  });
});
