import { describe, expect, test } from "vitest";
import type { PlanRequest } from "../../src/plan/graph.js";
import { image, planned, planWith, runs, wanted } from "./planText.js";

/** The value of `SEEN` in the config of the target. */
function seen(text: string, overrides: Partial<PlanRequest> = {}): string | undefined {
  const env = planned(text, overrides).target.config.Env ?? [];
  return env.find((pair) => pair.startsWith("SEEN="))?.slice("SEEN=".length);
}

const args = (pairs: Record<string, string>): Partial<PlanRequest> => ({ buildArgs: new Map(Object.entries(pairs)) });

describe("the value of ARG", () => {
  const stage = "ARG G=global\nFROM scratch\n";

  test.each([
    ["ARG G", {}, "global"],
    ["ARG G", { G: "given" }, "given"],
    ["ARG G=own", {}, "own"],
    ["ARG G=own", { G: "given" }, "given"],
    ["ARG G=", {}, ""],
    ["ARG U", {}, ""],
    ["", { G: "given" }, ""],
    ["ARG G=own\nARG G", {}, "global"],
  ])("%j with build arguments %j is %j", (line, given, value) => {
    expect(seen(`${stage}${line}\nENV SEEN=$G$U\n`, args(given))).toBe(value);
  });

  test("a name without any value stays undefined, which is not the same as empty", () => {
    expect(seen(`FROM scratch\nARG U\nARG E=\nENV SEEN=\${U-unset},\${E-unset}\n`)).toBe("unset,");
  });

  test("an empty build argument is a value", () => {
    expect(seen(`FROM scratch\nARG N=default\nENV SEEN=\${N-unset}\n`, args({ N: "" }))).toBe("");
  });

  test("the default is not expanded where a build argument is given, so it cannot fail", () => {
    const text = `FROM scratch\nARG N=\${X:?missing}\nENV SEEN=$N\n`;
    expect(() => seen(text)).toThrow("X: missing");
    expect(seen(text, args({ N: "fine" }))).toBe("fine");
  });

  test("names of one ARG are set one after the other, those of one ENV together", () => {
    expect(seen("FROM scratch\nARG a=1\nARG a=2 b=$a\nENV SEEN=$b\n")).toBe("2");
    expect(seen("FROM scratch\nENV a=1\nENV a=2 SEEN=$a\n")).toBe("1");
  });

  test("an ARG just above FROM belongs to the stage before it", () => {
    const [asked] = wanted(`FROM scratch\nARG TAG=12\nFROM debian:\${TAG:-none}\n`);
    expect(asked?.reference).toBe("debian:none");
  });

  test("of ARG and ENV the later one is seen, and only ENV reaches the config", () => {
    const env = (text: string): readonly string[] => {
      const { steps, target } = planned(`FROM base\n${text}RUN x\n`);
      const run = steps[0]?.kind === "run" ? steps[0].env : [];
      return [run, target.config.Env ?? []].map((pairs) => pairs.find((pair) => pair.startsWith("V=")) ?? "none");
    };
    expect(env("ENV V=1\nARG V=2\n")).toEqual(["V=2", "V=1"]);
    expect(env("ARG V=2\nENV V=1\n")).toEqual(["V=1", "V=1"]);
    expect(env("ARG V=2\n")).toEqual(["V=2", "none"]);
  });

  test("an ARG shadows what the base image set", () => {
    const result = planWith("FROM base\nARG V=arg\nRUN x\nENV SEEN=$V\n", () => image({ Env: ["V=base"] }));
    expect(runs(result)[0]?.env).toContain("V=arg");
    expect(result.target.config.Env).toEqual(expect.arrayContaining(["V=base", "SEEN=arg"]));
  });

  test("arguments that steer the scanner never enter the environment", () => {
    const result = planned("FROM base\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nRUN x\n");
    expect(runs(result)[0]?.env.some((pair) => pair.includes("SBOM"))).toBe(false);
  });
});

describe("predefined arguments", () => {
  test("platform arguments are seen in FROM, and in a stage only once declared", () => {
    const platform = { os: "linux", architecture: "arm", variant: "v7" };
    const text = "FROM x-$TARGETARCH-$BUILDARCH\n";
    expect(wanted(text, { platform })[0]?.reference).toBe("x-arm-amd64");
    const declared = "FROM scratch\nARG TARGETPLATFORM TARGETVARIANT BUILDPLATFORM\nENV ";
    const words = "SEEN=$TARGETPLATFORM,$TARGETVARIANT,$BUILDPLATFORM,$TARGETARCH";
    expect(seen(`${declared}${words}\n`, { platform })).toBe("linux/arm/v7,v7,linux/amd64,");
  });

  test("the target platform is the machine's where none is asked for", () => {
    expect(seen("FROM scratch\nARG TARGETPLATFORM\nENV SEEN=$TARGETPLATFORM\n")).toBe("linux/amd64");
  });

  test("a build argument overrides a platform argument", () => {
    expect(wanted("FROM x-$TARGETARCH\n", args({ TARGETARCH: "mine" }))[0]?.reference).toBe("x-mine");
  });

  test.each([
    ["FROM scratch\n", undefined, "default"],
    ["FROM scratch AS Last\n", undefined, "last"],
    ["FROM scratch AS a\n", "A", "A"],
  ])("TARGETSTAGE in %j with --target %s is %s", (from, target, value) => {
    expect(seen(`${from}ARG TARGETSTAGE\nENV SEEN=$TARGETSTAGE\n`, { target })).toBe(value);
  });

  test("proxy arguments reach RUN in both cases, and neither expansion nor history", () => {
    const given = args({ http_proxy: "http://p", NO_PROXY: "n" });
    const result = planned("FROM base\nENV SEEN=$http_proxy\nRUN x\n", given);
    const [run] = runs(result);
    expect(run?.proxyEnv).toEqual(["HTTP_PROXY=http://p", "http_proxy=http://p", "NO_PROXY=n", "no_proxy=n"]);
    expect(run?.env.some((pair) => /proxy/i.test(pair))).toBe(false);
    expect(result.target.history.some(({ createdBy }) => /proxy=/i.test(createdBy))).toBe(false);
    expect(result.target.config.Env).toContain("SEEN=");
  });

  test("a declared proxy argument is an ordinary one", () => {
    const result = planned("FROM base\nARG HTTP_PROXY\nRUN x\n", args({ HTTP_PROXY: "http://p" }));
    expect(runs(result)[0]?.env).toContain("HTTP_PROXY=http://p");
    expect(result.target.history.at(-1)?.createdBy).toBe("RUN |1 HTTP_PROXY=http://p /bin/sh -c x # buildkit");
  });
});

describe("SOURCE_DATE_EPOCH", () => {
  const epoch = (text: string, overrides: Partial<PlanRequest> = {}): number | undefined =>
    planned(text, overrides).sourceDateEpoch;

  test("comes from the build argument, else from the global ARG", () => {
    const text = "ARG SOURCE_DATE_EPOCH=5\nFROM scratch\n";
    expect(epoch(text)).toBe(5);
    expect(epoch(text, args({ SOURCE_DATE_EPOCH: "7" }))).toBe(7);
    expect(epoch("FROM scratch\n", args({ SOURCE_DATE_EPOCH: "0" }))).toBe(0);
    expect(epoch("FROM scratch\n", args({ SOURCE_DATE_EPOCH: "-3" }))).toBe(-3);
  });

  test("an empty value and a stage's ARG are none", () => {
    expect(epoch("FROM scratch\nARG SOURCE_DATE_EPOCH=5\n")).toBeUndefined();
    expect(epoch("ARG SOURCE_DATE_EPOCH=5\nFROM scratch\n", args({ SOURCE_DATE_EPOCH: "" }))).toBeUndefined();
  });

  test.each(["nothing", "1.5", "0x10", "99999999999999999999", " 1"])("%j is refused", (value) => {
    expect(() => epoch("FROM scratch\n", args({ SOURCE_DATE_EPOCH: value }))).toThrow(
      `invalid SOURCE_DATE_EPOCH: ${value}`,
    );
  });

  const stageArg = "ARG SOURCE_DATE_EPOCH\nENV SEEN=$SOURCE_DATE_EPOCH\n";

  test("`context` is the time of a git context, which stages see as a number", () => {
    const context = { ...args({ SOURCE_DATE_EPOCH: "context" }), contextTime: 1234 };
    expect(epoch(`FROM scratch\n${stageArg}`, context)).toBe(1234);
    expect(seen(`FROM scratch\n${stageArg}`, context)).toBe("1234");
    const inFile = `ARG SOURCE_DATE_EPOCH=context\nFROM scratch\n${stageArg}`;
    expect(epoch(inFile, { contextTime: 99 })).toBe(99);
    expect(seen(inFile, { contextTime: 99 })).toBe("99");
  });

  test("a named context with a time of its own gives it", () => {
    const named = { contextNames: new Set(["src"]), contextTimes: new Map([["src", 7]]) };
    expect(epoch("FROM scratch\n", { ...args({ SOURCE_DATE_EPOCH: "src" }), ...named })).toBe(7);
  });

  test.each(["context", "src"])("a local directory (%s) has none: the variable is as if it were not given", (value) => {
    const request = { ...args({ SOURCE_DATE_EPOCH: value }), contextNames: new Set(["src"]) };
    const result = planned(`FROM scratch\n${stageArg}`, request);
    expect(result.sourceDateEpoch).toBeUndefined();
    expect(seen(`FROM scratch\n${stageArg}`, request)).toBe("");
    expect(result.warnings.map(({ rule }) => rule)).toEqual(["SourceDateUnknown"]);
  });

  test("a stage's time cannot be had, and the error says so", () => {
    expect(() => epoch("FROM scratch AS Src\n", args({ SOURCE_DATE_EPOCH: "src" }))).toThrow(
      expect.objectContaining({
        code: "UNSUPPORTED",
        message: "SOURCE_DATE_EPOCH=src: the time of a stage cannot be used",
      }),
    );
  });

  test("a bad value in the file is refused where it is declared", () => {
    expect(() => epoch("ARG A\nARG SOURCE_DATE_EPOCH=x\nFROM scratch\n")).toThrow(
      expect.objectContaining({
        place: expect.objectContaining({ range: expect.objectContaining({ start: { line: 2, column: 0 } }) }),
      }),
    );
  });
});

describe("warnings about names", () => {
  const warnings = (text: string, overrides: Partial<PlanRequest> = {}): readonly string[] =>
    planned(text, overrides).warnings.map(
      ({ rule, message, place }) => `${place?.range.start.line ?? "-"} ${rule}: ${message}`,
    );

  test("an undefined variable is named with the nearest known one", () => {
    expect(warnings("FROM scratch\nARG VERSION=1\nENV A=$VERSON\n")).toEqual([
      "3 UndefinedVar: Usage of undefined variable '$VERSON' (did you mean $VERSION?)",
    ]);
  });

  test("a declared name without a value is not undefined", () => {
    expect(warnings("FROM scratch\nARG X\nENV A=$X\n")).toEqual([]);
  });

  test("a global name that the stage does not declare says how to get it", () => {
    const [warning] = planned("ARG V=1\nFROM scratch\nCOPY f /$V\n").warnings;
    expect(warning?.message).toBe("Usage of undefined variable '$V'");
    expect(warning?.hint).toBe('add "ARG V" to the stage: what stands before FROM is not seen here');
  });

  test("an instruction reports a name once, and unneeded stages report nothing", () => {
    expect(warnings("FROM scratch\nENV A=$X B=$X C=$Y\n")).toHaveLength(2);
    expect(warnings("FROM scratch AS unused\nENV A=$X\nFROM scratch\nENV B=1\n")).toEqual([]);
  });

  test("FROM reports what is not declared globally, never what is merely empty", () => {
    expect(warnings("ARG TAG\nFROM base$TAG$TGA\n")).toEqual([
      "2 UndefinedArgInFrom: FROM argument 'TGA' is not declared (did you mean TAG?)",
    ]);
  });

  test("a build argument that nothing declares is named, once, with the nearest ARG", () => {
    const text = "FROM scratch AS a\nARG VERSION\nFROM scratch\n";
    const given = { VERSON: "1", HTTP_PROXY: "p", BUILDKIT_INLINE_CACHE: "1", TARGETARCH: "x", VERSION: "2" };
    expect(warnings(text, args(given))).toEqual([
      "- UnusedBuildArg: Build argument VERSON is not declared by any ARG (did you mean VERSION?)",
    ]);
  });

  test("an ARG in a trigger declares a build argument", () => {
    const result = planWith("FROM base\n", () => image({ OnBuild: ["ARG T"] }), args({ T: "1" }));
    expect(result.warnings).toEqual([]);
  });

  test.each([
    ["ARG V\nFROM debian:$V\n", { V: "12" }, "InvalidDefaultArgInFrom"],
    ["FROM --platform=$TARGETPLATFORM a\n", {}, "RedundantTargetPlatform"],
    ["FROM --platform=linux/arm64 a\n", {}, "FromPlatformFlagConstDisallowed"],
    ["FROM base\nWORKDIR rel\n", {}, "WorkdirRelativePath"],
    ["FROM base\nCMD x\n", {}, "JSONArgsRecommended"],
  ])("%j warns of its last rule", (text, given, rule) => {
    expect(planned(text, args(given)).warnings.map((warning) => warning.rule)).toEqual([rule]);
  });

  test.each([
    "ARG V=12\nFROM debian:$V\n",
    "FROM --platform=$BUILDPLATFORM a\n",
    "FROM --platform=linux/arm64 a AS build-arm64\n",
    "FROM base\nWORKDIR /w\nWORKDIR rel\n",
    'FROM base\nSHELL ["/bin/bash", "-c"]\nCMD x\n',
  ])("%j warns of nothing", (text) => {
    expect(planned(text).warnings).toEqual([]);
  });
});
