import { describe, expect, test } from "vitest";
import { parsePlatform } from "../../src/oci/platform.js";
import { builderNotes } from "../../src/plan/builderArguments.js";
import type { PlanRequest } from "../../src/plan/graph.js";
import { image, planned, planWith, runs, wanted } from "./planText.js";

const on = (platform: string, buildArgs: Record<string, string> = {}): Partial<PlanRequest> => ({
  platform: parsePlatform(platform),
  buildArgs: new Map(Object.entries(buildArgs)),
});
const several = { BUILDKIT_MULTI_PLATFORM: "1" };

describe("the platform arguments", () => {
  test.each([
    ["windows/amd64", "windows/amd64,windows,amd64,,"],
    ["windows(10.0.17763)/amd64", "windows/amd64,windows,amd64,,10.0.17763"],
    ["macos/aarch64", "darwin/arm64,darwin,arm64,,"],
    ["linux/arm/v6", "linux/arm/v6,linux,arm,v6,"],
  ])("for --platform %s are %s", (platform, expected) => {
    const names = ["PLATFORM", "OS", "ARCH", "VARIANT", "OSVERSION"].map((name) => `TARGET${name}`);
    const text = `FROM scratch\nARG ${names.join(" ")}\nLABEL seen=${names.map((name) => `$${name}`).join(",")}\n`;
    expect(planned(text, on(platform)).target.config.Labels?.seen).toBe(expected);
  });

  test("choose stages: the target's, and the machine's for tools", () => {
    const text = `ARG TARGETARCH
FROM a AS for-arm64
FROM b AS for-amd64
FROM --platform=$BUILDPLATFORM c AS tools
FROM for-\${TARGETARCH}
COPY --from=tools / /tools
`;
    expect(
      wanted(text, on("linux/arm64"))
        .map(({ key }) => key)
        .sort(),
    ).toEqual(["docker.io/library/a:latest linux/arm64", "docker.io/library/c:latest linux/amd64"]);
  });
});

describe("labels of steps", () => {
  const text = `FROM --platform=$BUILDPLATFORM base AS tools
COPY f /1
ARG TARGETARCH
COPY f /2
ENV TARGETPLATFORM=windows/arm/v6
COPY f /3
FROM tools AS more
ENV TARGETPLATFORM=linux/amd64/v3
RUN x
FROM base
WORKDIR /w
COPY --from=more / .
`;
  const labels = (request: Partial<PlanRequest>): readonly string[] => {
    const { steps, bases } = planned(text, request);
    return [...[...bases.values()].map(({ label }) => label).sort(), ...steps.map(({ label }) => label)];
  };

  test("tell no platform in an ordinary build, not even in one for another machine", () => {
    expect(labels(on("linux/arm64"))).not.toContainEqual(expect.stringContaining("linux/"));
  });

  test("tell the stage's platform, and the one it builds for once its variables say so, where an image index is asked for", () => {
    expect(labels(on("linux/arm64", several))).toEqual([
      "[linux/amd64 tools 1/4] FROM docker.io/library/base:latest",
      "[linux/arm64 stage-2 1/3] FROM docker.io/library/base:latest",
      "[linux/amd64 tools 2/4] COPY f /1",
      "[linux/amd64->arm64 tools 3/4] COPY f /2",
      "[linux/amd64->windows/arm/v6 tools 4/4] COPY f /3",
      "[linux/amd64 more 1/1] RUN x",
      "[linux/arm64 stage-2 2/3] WORKDIR /w",
      "[linux/arm64 stage-2 3/3] COPY --from=more / .",
    ]);
  });

  test("of images that are looked up tell the platform then, too", () => {
    expect(wanted("FROM a\n", on("linux/arm64", several))[0]?.shownPlatform).toBe("linux/arm64");
    expect(wanted("FROM a\n", on("linux/arm64"))[0]?.shownPlatform).toBeUndefined();
  });

  test("a value that is no boolean is refused", () => {
    expect(() => planned("FROM scratch\n", on("linux/arm64", { BUILDKIT_MULTI_PLATFORM: "yes" }))).toThrow(
      "invalid boolean value for BUILDKIT_MULTI_PLATFORM: yes",
    );
  });
});

describe("a base for another platform than the one asked for", () => {
  const amd64 = () => image({}, { architecture: "amd64" });

  test("is warned of, and the config says what was asked for", () => {
    const { target, warnings } = planWith("FROM base\nRUN x\n", amd64, on("linux/arm64"));
    expect(target.platform).toMatchObject({ os: "linux", architecture: "arm64" });
    expect(warnings).toMatchObject([
      {
        rule: "InvalidBaseImagePlatform",
        message: 'Base image base was pulled with platform "linux/amd64", expected "linux/arm64" for current build',
      },
    ]);
  });

  test("has programs of its own platform all the same; of a scratch stage nobody knows", () => {
    const programs = (text: string): unknown => runs(planWith(text, amd64, on("linux/arm64")))[0]?.programs;
    expect(programs("FROM base\nRUN x\n")).toEqual({ os: "linux", architecture: "amd64" });
    expect(programs("FROM base AS a\nFROM a\nRUN x\n")).toEqual({ os: "linux", architecture: "amd64" });
    expect(programs("FROM scratch\nRUN x\n")).toBeUndefined();
  });

  test("that says nothing of its platform counts as the one asked for, so that every image says one", () => {
    const unknown = () => image({}, { os: "", architecture: "" });
    const platform = { os: "linux", architecture: "arm64" };
    expect(planWith("FROM base\n", unknown, on("linux/arm64")).target.platform).toMatchObject(platform);
    expect(planWith("FROM base\n", unknown).target.platform).toMatchObject({ os: "linux", architecture: "amd64" });
  });

  test("gives its platform to the config where none was asked for", () => {
    const arm = () => image({}, { architecture: "arm64", variant: "v8" });
    expect(planWith("FROM base\n", arm).target.platform).toMatchObject({ architecture: "arm64", variant: "v8" });
  });
});

test("arguments that steer the builder are in no environment of RUN, unless they are declared", () => {
  const steering = {
    ...{ BUILDKIT_INLINE_CACHE: "1", BUILDKIT_BUILD_NAME: "n", BUILDKIT_MULTI_PLATFORM: "1", BUILDKIT_SYNTAX: "x" },
    ...{ BUILDKIT_CONTEXT_KEEP_GIT_DIR: "1", BUILDKIT_CACHE_MOUNT_NS: "n", BUILDKIT_SANDBOX_HOSTNAME: "h" },
    ...{ BUILDKIT_DOCKERFILE_CHECK: "skip=all", BUILDKIT_SBOM_SCAN_STAGE: "true", BUILDKIT_SBOM_SCAN_CONTEXT: "true" },
  };
  const [run] = runs(planned("FROM base\nRUN x\n", { buildArgs: new Map(Object.entries(steering)) }));
  expect(run?.env.filter((pair) => pair.startsWith("BUILDKIT"))).toEqual([]);
  expect(run?.proxyEnv).toEqual([]);
  const declared = `FROM base\nARG ${Object.keys(steering).join(" ")}\nRUN x\n`;
  const names = runs(planned(declared, { buildArgs: new Map(Object.entries(steering)) }))[0]?.env.map(
    (pair) => pair.split("=")[0],
  );
  expect(names).toContain("BUILDKIT_BUILD_NAME");
  expect(names?.filter((name) => name?.startsWith("BUILDKIT_SBOM"))).toEqual([]);
});

test("what an argument asks for in vain is noted, what it switches off is not", () => {
  const rules = (pairs: Record<string, string>): readonly string[] =>
    builderNotes(new Map(Object.entries(pairs))).map(({ rule }) => rule);
  expect(rules({ BUILDKIT_INLINE_CACHE: "1", BUILDKIT_SBOM_SCAN_STAGE: "a,b" })).toEqual([
    "InlineCacheIgnored",
    "SbomScanIgnored",
  ]);
  expect(rules({ BUILDKIT_INLINE_CACHE: "0", BUILDKIT_SBOM_SCAN_CONTEXT: "false" })).toEqual([]);
});
