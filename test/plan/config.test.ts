import { describe, expect, test } from "vitest";
import type { KnownBase, PlanRequest, WantedBase } from "../../src/plan/graph.js";
import { copies, image, plan, planned, planWith, wanted } from "./planText.js";

describe("the platform of the image", () => {
  const arm = { os: "linux", architecture: "arm64" };

  test("is the base's where none is asked for", () => {
    const base = image({}, { architecture: "arm", variant: "v6" });
    const { target } = planWith("FROM base\nRUN x\n", () => base);
    expect(target.platform).toEqual({ os: "linux", architecture: "arm", variant: "v6" });
  });

  test("is the one asked for, even on a base of another architecture, with a warning", () => {
    const { target, warnings } = planWith("FROM base:1\n", () => image({}, { variant: "v3" }), { platform: arm });
    expect(target.platform).toEqual(arm);
    expect(warnings).toMatchObject([
      {
        rule: "InvalidBaseImagePlatform",
        message:
          'Base image base:1 was pulled with platform "linux/amd64/v3", expected "linux/arm64" for current build',
      },
    ]);
  });

  test("on scratch is the target's, whatever FROM --platform says", () => {
    const text = "FROM --platform=linux/s390x scratch AS s390x\nRUN x\n";
    expect(planned(text).target.platform.architecture).toBe("amd64");
    expect(planned(text, { platform: arm }).target.platform).toEqual(arm);
  });

  test("of other stages is their own", () => {
    const text = "FROM --platform=$BUILDPLATFORM tools AS tools\nRUN x\nFROM app\nCOPY --from=tools / /\n";
    const lookup = ({ platform }: WantedBase): KnownBase => image({}, { architecture: platform.architecture });
    const { steps, stages, target } = planWith(text, lookup, { platform: arm });
    expect(stages.map(({ platform }) => platform.architecture)).toEqual(["amd64", "arm64"]);
    expect(steps[0]).toMatchObject({ platform: { architecture: "amd64" } });
    expect(target.platform).toEqual(arm);
  });
});

describe("the config of a base", () => {
  test("is kept whole, but for its triggers", () => {
    const config = {
      ...{ User: "u", Env: ["PATH=/p"], Entrypoint: ["e"], Cmd: ["c"], WorkingDir: "/w", StopSignal: "9" },
      ...{ Labels: { a: "b" }, Shell: ["s"], ArgsEscaped: true, OnBuild: ["LABEL x=y"], Volumes: { "/v": {} } },
    };
    const { target } = planWith("FROM base\n", () => image(config, { author: "me", "os.features": ["f"] }));
    const { OnBuild: _used, ...rest } = config;
    expect(target.config).toEqual({ ...rest, Labels: { a: "b", x: "y" } });
    expect(target.author).toBe("me");
    expect(target.baseConfig?.["os.features"]).toEqual(["f"]);
  });

  test("may be absent, and its working directory stays absent", () => {
    const { target } = planWith("FROM base\nCOPY f x\n", () => image(null));
    expect(Object.keys(target.config)).toEqual(["Env"]);
  });

  test("labels may be called like members of an object", () => {
    const { target } = planned("FROM base\nLABEL __proto__=a constructor=b\n");
    expect(Object.entries(target.config.Labels ?? {})).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
    ]);
  });

  test("ENTRYPOINT [] takes the entry point away", () => {
    const { target } = planWith("FROM base\nENTRYPOINT []\n", () => image({ Entrypoint: ["e"], Cmd: ["c"] }));
    expect([target.config.Entrypoint, target.config.Cmd]).toEqual([null, null]);
  });

  test.each([
    ["VOLUME $NO", "VOLUME specified can not be an empty string", "$NO"],
    [`EXPOSE 80 \${P:-x}`, "invalid containerPort: x", `\${P:-x}`],
    [`STOPSIGNAL \${S:-SIGTREM}`, "invalid signal: SIGTREM (did you mean SIGTERM?)", `\${S:-SIGTREM}`],
  ])("%s is refused at its word", (line, message, word) => {
    try {
      planned(`FROM base\n${line}\n`);
      expect.unreachable();
    } catch (error) {
      const start = { line: 2, column: line.indexOf(word) };
      expect(error).toMatchObject({ message, place: { range: { start } }, hint: expect.any(String) });
    }
  });
});

describe("named contexts", () => {
  const names = (...list: string[]): Partial<PlanRequest> => ({ contextNames: new Set(list) });
  const contexts = (text: string, overrides: Partial<PlanRequest>): readonly (string | undefined)[] =>
    wanted(text, overrides).map(({ context }) => context);

  test.each([
    ["alpine", "alpine"],
    ["alpine:latest", "alpine"],
    ["docker.io/library/alpine", "alpine"],
    ["alpine", "docker.io/library/alpine:latest"],
    ["debian:12", "debian:12"],
  ])("FROM %s is answered by the context %s", (from, name) => {
    expect(contexts(`FROM ${from}\n`, names(name))).toEqual([name]);
    expect(contexts(`FROM scratch\nCOPY --from=${from} / /\n`, names(name))).toEqual([name]);
    expect(contexts(`FROM base\nRUN --mount=from=${from},target=/t x\n`, names(name))).toEqual([undefined, name]);
  });

  test("another tag is another name", () => {
    expect(contexts("FROM debian:12\n", names("debian"))).toEqual([undefined]);
  });

  test("a name with a platform is tried first", () => {
    const platform = { os: "linux", architecture: "arm64" };
    const both = { ...names("a", "a::linux/arm64"), platform };
    expect(contexts("FROM a\n", both)).toEqual(["a::linux/arm64"]);
    expect(contexts("FROM --platform=$BUILDPLATFORM a\n", both)).toEqual(["a"]);
  });

  test.each(["scratch"])("%s cannot be overridden in FROM", (name) => {
    expect(contexts(`FROM ${name}\n`, names(name)).every((context) => context === undefined)).toBe(true);
  });

  test("a context replaces a stage: its base is not asked for and its body does not run", () => {
    const text = "FROM missing AS build\nRUN fail\nFROM scratch\nCOPY --from=Build /x /y\n";
    expect(wanted(text, names("build")).map(({ reference, context }) => [reference, context])).toEqual([
      ["build", "build"],
    ]);
    const lookup = (): KnownBase => ({ kind: "files", context: "build" });
    const { steps, stages } = planWith(text, lookup, names("build"));
    expect(steps).toHaveLength(1);
    expect(steps[0]).toMatchObject({ kind: "copy", from: { kind: "context", name: "build" } });
    expect(stages[0]?.base).toEqual({ kind: "context", name: "build" });
  });

  test("a directory as a base is the parent of the first step; the config is that of scratch", () => {
    const lookup = (): KnownBase => ({ kind: "files", context: "tools" });
    const result = planWith("FROM tools\nCOPY f g\n", lookup, names("tools"));
    const context = { kind: "context", name: "tools" };
    expect(copies(result)).toMatchObject([{ parent: context, from: { kind: "context", name: "" }, destination: "/g" }]);
    expect(result.target.base).toEqual(context);
    expect(result.target.config.WorkingDir).toBe("/");
    expect(result.bases.size).toBe(0);
  });

  test("a target that a context replaces is that context", () => {
    const lookup = (): KnownBase => ({ kind: "files", context: "a" });
    const { target, steps } = planWith("FROM missing AS a\nRUN x\n", lookup, names("a"));
    expect(steps).toEqual([]);
    expect(target.result).toEqual({ kind: "context", name: "a" });
  });

  test("a replaced stage may stand below those that use it", () => {
    const text = "FROM scratch AS a\nCOPY --from=late /x /y\nFROM missing AS late\nFROM a\nCOPY --from=late /z /z\n";
    const result = planWith(text, () => ({ kind: "files", context: "late" }), names("late"));
    expect(copies(result).map(({ from }) => from)).toEqual(Array(2).fill({ kind: "context", name: "late" }));
    expect(result.stages.map(({ name }) => name)).toEqual(["a", "late", "stage-2"]);
  });

  test("an image as a context brings its config, and the key says that it is no ordinary image", () => {
    const base = image({ User: "u", OnBuild: ["LABEL t=1"] });
    const result = planWith("FROM debian\n", () => base, names("debian"));
    expect(result.target.config).toMatchObject({ User: "u", Labels: { t: "1" } });
    expect([...result.bases.values()]).toMatchObject([{ context: "debian", reference: "debian" }]);
    expect([...result.bases.keys()][0]).not.toBe(wanted("FROM debian\n")[0]?.key);
  });

  test("a stage name that is no reference can still be overridden", () => {
    expect(contexts("FROM missing AS a-\nFROM a-\n", names("a-"))).toEqual(["a-"]);
  });
});

test("answers that nobody asked for are ignored", () => {
  const bases = new Map([["something else", image()]]);
  expect(plan("FROM scratch\nCOPY f /f\n", { bases })).toEqual(plan("FROM scratch\nCOPY f /f\n"));
});
