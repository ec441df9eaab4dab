import { describe, expect, test } from "vitest";
import { unknownBase } from "../../src/build/outline.js";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import type { KnownBase, PlanRequest } from "../../src/plan/graph.js";
import { outlineTarget, type StageOutline, targetsOf } from "../../src/plan/outline.js";
import { image, request } from "./planText.js";

/** The outline, with `bases` by the name that the file uses; others are unknown. */
function outlined(
  text: string,
  overrides: Partial<PlanRequest> = {},
  images: Readonly<Record<string, KnownBase>> = {},
): StageOutline {
  const file = parseDockerfile(text, "Dockerfile");
  const bases = new Map<string, KnownBase>();
  for (;;) {
    const result = outlineTarget(file, request({ ...overrides, bases }));
    if (result.kind === "outline") return result.outline;
    for (const wanted of result.bases) bases.set(wanted.key, images[wanted.reference] ?? unknownBase(wanted));
  }
}

/** `NAME=value @line`, or `NAME @line` without a value. */
function args({ args: list }: StageOutline): string[] {
  return list.map(({ name, value, range }) => `${name}${value === undefined ? "" : `=${value}`} @${range.start.line}`);
}

function buildArgs(values: Readonly<Record<string, string>>): Partial<PlanRequest> {
  return { buildArgs: new Map(Object.entries(values)) };
}

describe("the arguments of a target", () => {
  test("are those of its stages, not those of stages out of reach", () => {
    const text = "FROM a AS x\nARG ONE=1\nFROM b AS y\nARG TWO=2\nFROM c\nARG THREE\nCOPY --from=x / /\n";
    expect(args(outlined(text))).toEqual(["ONE=1 @2", "THREE @6"]);
    expect(args(outlined(text, { target: "y" }))).toEqual(["TWO=2 @4"]);
  });

  test("have what the FROM line mentions, and what those defaults mention", () => {
    const text = "ARG OS=debian\nARG TAG=12\nARG NOT=needed\nARG IMAGE=$OS:$TAG\nFROM $IMAGE\n";
    expect(args(outlined(text))).toEqual(["OS=debian @1", "TAG=12 @2", "IMAGE=debian:12 @4"]);
  });

  test("lack what only a default mentions where a build argument replaces it", () => {
    const text = "ARG OS=debian\nARG IMAGE=$OS:12\nFROM $IMAGE\n";
    expect(args(outlined(text, buildArgs({ IMAGE: "fedora:41" })))).toEqual(["IMAGE=fedora:41 @2"]);
  });

  test("stand where they are declared for all: an ARG that hands a global value on is no place of its own", () => {
    const text = "# V the version\nARG V=1\nFROM a\n# V nothing\nARG V\nARG W=$V\n";
    expect(args(outlined(text))).toEqual(["V=1 @2", "W=1 @6"]);
    expect(outlined(text).args[0]?.description).toBe("the version");
    expect(args(outlined(text, buildArgs({ V: "2" })))).toEqual(["V=2 @5", "W=2 @6"]);
  });

  test("lack platform arguments, whose values nobody has to give", () => {
    expect(args(outlined("FROM --platform=$BUILDPLATFORM a\nARG TARGETARCH\nARG X=$TARGETARCH\n"))).toEqual([
      "X=amd64 @3",
    ]);
  });

  test("of the same name in several stages are told once, the target's own first, then its base's", () => {
    const text = "FROM a AS x\nARG N=x\nFROM a AS y\nARG N=y\nFROM x\nCOPY --from=y / /\n";
    expect(args(outlined(text))).toEqual(["N=x @2"]);
    expect(args(outlined(`${text}ARG N=own\n`))).toEqual(["N=own @7"]);
  });

  test("may name themselves in a default", () => {
    expect(args(outlined("ARG A=1\nARG A=${A}2\nFROM img:$A\n"))).toEqual(["A=12 @2"]);
  });

  test("see the variables of the base only where it is known", () => {
    const text = "FROM a\nARG DIR=$ROOT/bin\n";
    expect(args(outlined(text))).toEqual(["DIR=/bin @2"]);
    expect(args(outlined(text, {}, { a: image({ Env: ["ROOT=/opt"] }) }))).toEqual(["DIR=/opt/bin @2"]);
  });

  test("have those of triggers, at the FROM line", () => {
    const base = image({ OnBuild: ["ARG T=1", "RUN --mount=type=secret,id=s true"] });
    const found = outlined("FROM b\nRUN true\nFROM a\n", {}, { a: base });
    expect(args(found)).toEqual(["T=1 @3"]);
    expect(found.secrets).toMatchObject([{ id: "s", range: { start: { line: 3 } } }]);
  });

  test("of a stage that a named context replaces do not count", () => {
    const text = "ARG V=1\nFROM a:$V AS x\nARG ONE=1\nFROM x\nARG TWO=2\n";
    expect(args(outlined(text, { contextNames: new Set(["x"]) }))).toEqual(["TWO=2 @5"]);
  });
});

describe("the mounts of a target", () => {
  const text = [
    "FROM a AS x",
    "RUN --mount=type=secret,id=s,required --mount=type=ssh --mount=type=cache,target=/root/.cache true",
    "FROM x",
    "ARG ID=key",
    "RUN --mount=type=secret,id=s --mount=type=secret,target=/p/q --mount=type=ssh,id=$ID,required true",
    "",
  ].join("\n");

  test("are told once for each id, the target's own first", () => {
    const { secrets, ssh, caches } = outlined(text);
    expect(secrets.map(({ id, required }) => [id, required])).toEqual([
      ["s", false],
      ["q", false],
    ]);
    expect(ssh.map(({ id, required }) => [id, required])).toEqual([
      ["default", false],
      ["key", true],
    ]);
    expect(caches.map(({ id }) => id)).toEqual(["/root/.cache"]);
  });

  test("of a stage out of reach do not count", () => {
    expect(outlined(text, { target: "x" }).secrets).toMatchObject([{ id: "s", required: true }]);
  });
});

describe("descriptions and targets", () => {
  test("a description is what follows the name, in the first comment line that begins with it", () => {
    const { name, description } = outlined("# the build\n# app is what runs\n# app again\nFROM a AS App\n");
    expect({ name, description }).toEqual({ name: "app", description: "is what runs" });
  });

  test("targets are all stages, as they are written", () => {
    const text = "ARG V\n# one it is\nFROM --platform=$BUILDPLATFORM img:$V AS One\nFROM one\n";
    expect(targetsOf(parseDockerfile(text, "Dockerfile"))).toMatchObject([
      { name: "one", description: "it is", base: "img:$V", platform: "$BUILDPLATFORM", default: false },
      { name: undefined, description: undefined, base: "one", default: true },
    ]);
  });

  test("a target that does not exist is refused as a build would refuse it", () => {
    expect(() => outlined("FROM a AS x\n", { target: "y" })).toThrow('target stage "y" could not be found');
  });
});
