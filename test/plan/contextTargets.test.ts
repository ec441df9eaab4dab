import { describe, expect, test } from "vitest";
import type { PlanRequest } from "../../src/plan/graph.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { copies, image, planned, planWith, runs, wanted } from "./planText.js";

/** Named contexts of which some are stages: `{ deps: "target:build", other: "dir" }`. */
function contexts(values: Readonly<Record<string, string>>): Partial<PlanRequest> {
  const targets = Object.entries(values).filter(([, value]) => value.startsWith("target:"));
  return {
    contextNames: new Set(Object.keys(values)),
    contextTargets: new Map(targets.map(([name, value]) => [name, value.slice("target:".length)])),
  };
}

function refused(work: () => unknown): NacreError {
  try {
    work();
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const STAGES =
  "FROM scratch AS first\nCOPY f /first\nENV WHO=first\nFROM scratch AS second\nCOPY f /second\nENV WHO=second\n";

describe("a named context that is a stage of the same file", () => {
  test("stands for an image in FROM, with config, and no image is looked up", () => {
    const text = `${STAGES}FROM base:1\nCOPY f /third\n`;
    expect(wanted(text, contexts({ "base:1": "target:first" }))).toEqual([]);
    const { target, stages } = planned(text, contexts({ "base:1": "target:First" }));
    expect(target.config.Env).toContain("WHO=first");
    expect(stages.map(({ name }) => name)).toEqual(["first", "stage-2"]);
  });

  test.each(["COPY --from=deps / /x", "COPY --from=docker.io/library/deps:latest / /x"])(
    "stands for a source: %s",
    (line) => {
      const [first, copy] = copies(planned(`${STAGES}FROM scratch\n${line}\n`, contexts({ deps: "target:first" })));
      expect(copy?.from).toEqual({ kind: "step", id: first?.id });
    },
  );

  test("stands for the source of a mount", () => {
    const text = `${STAGES}FROM base\nRUN --mount=from=deps,target=/d true\n`;
    const [run] = runs(planned(text, contexts({ deps: "target:second" })));
    expect(run?.mountSources).toEqual([{ kind: "step", id: 0 }]);
  });

  test("takes the place of a stage, body and all, by name, by number, in FROM and as the target", () => {
    const request = contexts({ first: "target:second" });
    const copied = copies(planned(`${STAGES}FROM scratch\nCOPY --from=first / /a\nCOPY --from=0 / /b\n`, request));
    expect(copied.map(({ destination }) => destination)).toEqual(["/second", "/a", "/b"]);
    expect(copied.slice(1).map(({ from }) => from)).toEqual([
      { kind: "step", id: 0 },
      { kind: "step", id: 0 },
    ]);
    expect(planned(`${STAGES}FROM first\n`, request).target.config.Env).toContain("WHO=second");
    expect(planned(STAGES, { ...request, target: "first" }).target.name).toBe("second");
  });

  test("may stand further down than those that use it", () => {
    const text =
      "FROM tools AS user\nCOPY --from=files / /got\nFROM scratch AS late\nCOPY f /late\nENV WHO=late\nFROM user\nCOPY f /f\n";
    const result = planned(text, contexts({ tools: "target:late", files: "target:late" }));
    expect(copies(result).map(({ destination }) => destination)).toEqual(["/late", "/got", "/f"]);
    expect(result.target.config.Env).toContain("WHO=late");
  });

  test("runs its triggers where it is a base", () => {
    const text = "FROM scratch AS parent\nONBUILD ENV T=1\nFROM base\n";
    expect(planned(text, contexts({ base: "target:parent" })).target.config.Env).toContain("T=1");
  });

  test("is chosen for one platform only if its name says so", () => {
    const request = {
      ...contexts({ "deps::linux/aarch64": "target:first" }),
      platform: { os: "linux", architecture: "arm64" },
    };
    const text = `${STAGES}FROM scratch\nCOPY --from=deps / /x\n`;
    expect(copies(planned(text, request)).at(-1)?.from.kind).toBe("step");
    expect(wanted(text, contexts({ "deps::linux/arm64": "target:first" })).map(({ reference }) => reference)).toEqual([
      "deps",
    ]);
  });

  test("has to be there", () => {
    const error = refused(() => planned(STAGES, contexts({ deps: "target:secnd" })));
    expect(error.message).toBe("failed to find target secnd for context deps (did you mean second?)");
  });

  test.each([
    [{ first: "target:first" }, STAGES],
    [{ first: "target:second", second: "target:first" }, STAGES],
    [{ base: "target:a" }, "FROM base AS a\nCOPY f /\n"],
    [{ base: "target:b" }, "FROM base AS a\nCOPY f /\nFROM a AS b\nCOPY f /\n"],
    [{ files: "target:b" }, "FROM scratch AS a\nCOPY --from=files / /\nFROM scratch AS b\nCOPY --from=a / /\n"],
  ])("cannot stand for what it needs itself: %j", (values, text) => {
    expect(refused(() => planned(text, contexts(values))).message).toMatch(/^circular dependency detected on stage: /);
  });

  test("cannot be what a trigger takes from a stage that needs it", () => {
    const text = "FROM parent AS a\nFROM scratch AS b\nCOPY --from=a / /\n";
    const lookup = () => image({ OnBuild: ["COPY --from=files / /"] });
    const error = refused(() => planWith(text, lookup, contexts({ files: "target:b" })));
    expect(error.message).toBe("circular dependency detected on stage: a");
  });
});

describe("the name of a context", () => {
  const asked = (text: string, name: string): readonly (string | undefined)[] =>
    wanted(text, { contextNames: new Set([name]) }).map(({ context }) => context);

  test.each([
    ["FROM alpine", "docker.io/library/alpine:latest"],
    ["FROM docker.io/library/alpine:latest", "alpine"],
    ["FROM alpine:3", "alpine:3"],
    ["FROM index.docker.io/alpine", "alpine"],
    ["FROM context", "context"],
    ["FROM scratch AS x\nCOPY --from=context /f /f", "context"],
  ])("%j is answered by %s", (text, name) => {
    expect(asked(`${text}\n`, name)).toEqual([name]);
  });

  test.each([
    ["FROM alpine:3", "alpine"],
    ["FROM alpine", "alpine:3"],
    ["FROM quay.io/alpine", "alpine"],
  ])("%j is not answered by %s", (text, name) => {
    expect(asked(`${text}\n`, name)).toEqual([undefined]);
  });

  test("nothing stands for scratch, nor for a stage that is called context", () => {
    expect(asked("FROM scratch\nCOPY --from=scratch / /\n", "scratch")).toEqual([]);
    expect(asked("FROM scratch AS context\nCOPY f /\nFROM context\nCOPY --from=context / /\n", "context")).toEqual([]);
  });

  test.each(["FOO", "-a", "x:y:z", "name::linux/a/b/c"])("%s is refused", (name) => {
    const error = refused(() => wanted("FROM scratch\n", { contextNames: new Set([name]) }));
    expect(error.code).toBe("REFERENCE_INVALID");
    expect(error.message).toContain(`invalid context name ${name}: invalid reference format`);
  });
});
