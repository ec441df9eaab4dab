import { describe, expect, test } from "vitest";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { copies, image, plan, planned, planWith, runs, wanted } from "./planText.js";

const LAYER = "FROM scratch\nCOPY f /f\n";

function refused(work: () => unknown): NacreError {
  try {
    work();
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** The text that an error points at. */
function marked({ place }: NacreError): string {
  if (!place) return "";
  const { start, end } = place.range;
  const line = place.text.split("\n")[start.line - 1] ?? "";
  return start.line === end.line ? line.slice(start.column, end.column) : line.slice(start.column);
}

describe("what a name stands for, by the place where it is used", () => {
  const two = "FROM scratch AS Foo\nCOPY f /f\n";

  test("FROM finds an earlier stage by its lower-case name", () => {
    const { target } = planned(`${two}FROM foo\n`);
    expect(target.base).toEqual({ kind: "step", id: 0 });
  });

  test("FROM does not find a stage whose name is typed in upper case, and says which one is meant", () => {
    const error = refused(() => planned(`${two}FROM Foo\n`));
    expect(error.code).toBe("PLAN_INVALID");
    expect(error.message).toMatch(/^failed to parse stage name "Foo": invalid reference format/);
    expect(error.hint).toContain("did you mean the stage foo?");
    expect(marked(error)).toBe("Foo");
  });

  test("FROM takes a number as an image", () => {
    expect(wanted(`${LAYER}FROM 0\n`).map(({ reference }) => reference)).toEqual(["0"]);
  });

  test("FROM does not see later stages", () => {
    const asked = wanted("FROM later AS a\nFROM scratch AS later\nCOPY f /\nFROM a\n");
    expect(asked.map(({ key }) => key)).toEqual(["docker.io/library/later:latest linux/amd64"]);
    expect(asked[0]?.hint).toContain("did you mean the stage later?");
  });

  test.each(["0", "foo", "FOO", "Foo"])("COPY --from=%s finds the stage", (name) => {
    const [, copy] = copies(planned(`${two}FROM scratch\nCOPY --from=${name} /f /g\n`));
    expect(copy?.from).toEqual({ kind: "step", id: 0 });
  });

  test("COPY --from of anything else is an image, resolved for the target platform", () => {
    const platform = { os: "linux", architecture: "arm64" };
    const text = "FROM --platform=$BUILDPLATFORM scratch\nCOPY --from=busybox:1 /bin /bin\n";
    expect(wanted(text, { platform })).toMatchObject([
      { key: "docker.io/library/busybox:1 linux/arm64", reference: "busybox:1", platform, explicitPlatform: true },
    ]);
  });

  test("COPY --from=scratch is an empty file system", () => {
    expect(copies(planned("FROM scratch\nCOPY --from=scratch /f /f\n"))[0]?.from).toEqual({ kind: "scratch" });
  });

  test("a mount finds a stage by name in any case, but takes a number as an image", () => {
    const text = (name: string): string => `${two}FROM scratch\nRUN --mount=from=${name},target=/t true\n`;
    expect(runs(planned(text("FOO")))[0]?.mountSources).toEqual([{ kind: "step", id: 0 }]);
    expect(wanted(text("0")).map(({ reference }) => reference)).toEqual(["0"]);
  });

  test.each(["foo", "FOO"])("--target %s finds the stage", (target) => {
    expect(planned(`${two}FROM scratch\n`, { target }).target.index).toBe(0);
  });

  test("an empty --target is the last stage, as if it were not given", () => {
    expect(planned(`${two}FROM scratch\n`, { target: "" }).target.index).toBe(1);
  });

  test("--target takes no number, and suggests the nearest name", () => {
    expect(refused(() => planned(two, { target: "0" })).message).toBe('target stage "0" could not be found');
    const error = refused(() => planned(`${two}FROM foo AS release\n`, { target: "relase" }));
    expect(error.message).toBe('target stage "relase" could not be found (did you mean release?)');
    expect(error.hint).toContain("foo, release");
  });

  test("of two stages with one name the last counts, for FROM the last before it", () => {
    const text = "FROM scratch AS a\nCOPY f /1\nFROM a AS a\nCOPY f /2\nFROM scratch\nCOPY --from=a /x /y\n";
    const [first, second, last] = copies(planned(text));
    expect(second?.parent).toEqual({ kind: "step", id: first?.id });
    expect(last?.from).toEqual({ kind: "step", id: second?.id });
  });
});

describe("which stages take part", () => {
  const text = `FROM scratch AS a
COPY f /a
FROM expensive:1 AS unused
RUN make
FROM a AS b
COPY f /b
FROM other:1 AS last
COPY --from=b /b /c
`;

  test("the last stage is the target, and only what it needs is asked for and planned", () => {
    expect(wanted(text).map(({ reference }) => reference)).toEqual(["other:1"]);
    expect(planned(text).stages.map(({ name }) => name)).toEqual(["a", "b", "last"]);
  });

  test("another target leaves later stages out", () => {
    const result = planned(text, { target: "b" });
    expect(result.stages.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(result.bases.size).toBe(0);
    expect(result.target.name).toBe("b");
  });

  test("all bases that can be known at once are asked for at once, each once per platform", () => {
    const many = `FROM one AS a
FROM --platform=linux/arm64 one AS b
FROM one AS c
COPY --from=two /x /x
RUN --mount=from=three,target=/t true
COPY --from=a / /a
COPY --from=b / /b
`;
    expect(wanted(many).map(({ key }) => key)).toEqual([
      "docker.io/library/one:latest linux/amd64",
      "docker.io/library/two:latest linux/amd64",
      "docker.io/library/three:latest linux/amd64",
      "docker.io/library/one:latest linux/arm64",
    ]);
  });

  test("FROM --platform makes the question explicit for that stage alone", () => {
    const asked = wanted("FROM --platform=linux/arm64 a AS x\nFROM b\nCOPY --from=x / /\n");
    const explicit = Object.fromEntries(asked.map(({ reference, explicitPlatform }) => [reference, explicitPlatform]));
    expect(explicit).toEqual({ a: true, b: false });
  });

  test("triggers of a base can bring in further images and stages", () => {
    const onbuild = "FROM scratch AS extra\nCOPY f /f\nFROM parent\nCOPY g /g\n";
    const asked: string[] = [];
    const result = planWith(onbuild, ({ reference }) => {
      asked.push(reference);
      const OnBuild = ["COPY --from=extra /f /f", "COPY --from=late:2 /l /l"];
      return reference === "parent" ? image({ OnBuild }) : image();
    });
    expect(asked).toEqual(["parent", "late:2"]);
    expect(result.stages.map(({ name }) => name)).toEqual(["extra", "stage-1"]);
    expect(copies(result).map(({ from }) => from.kind)).toEqual(["context", "step", "image", "context"]);
  });

  test("a trigger that is no instruction names itself and points at FROM", () => {
    const error = refused(() => planWith("FROM parent\n", () => image({ OnBuild: ["FNORD x"] })));
    expect(error.message).toContain("FNORD");
    expect(error.place?.range.start.line).toBe(1);
  });

  test("a trigger is used up by the first stage that runs it", () => {
    const result = planWith("FROM parent AS a\nFROM a\nFROM a\n", () => image({ OnBuild: ["COPY f /f"] }));
    expect(copies(result)).toHaveLength(1);
    expect(result.stages.map(({ config }) => config.OnBuild)).toEqual([undefined, undefined]);
  });

  test("the same input gives the same plan", () => {
    const once = planned(text);
    expect(planned(text)).toEqual(once);
  });
});

describe("stages that need each other", () => {
  test("a cycle is refused, also out of the target's reach, with all its lines", () => {
    const text = `FROM scratch AS a
COPY --from=c /f /f
FROM scratch AS b
COPY --from=a /f /f
FROM scratch AS c
COPY --from=b /f /f
FROM scratch
COPY f /f
`;
    const error = refused(() => planned(text));
    expect(error.message).toBe("circular dependency detected on stage: a");
    expect(error.facts.lines).toEqual([2, 4, 6]);
    expect(error.hint).toContain("lines 2, 4, 6");
  });

  test("a stage cannot copy from itself, by name or by number", () => {
    for (const name of ["a", "0"]) {
      const error = refused(() => planned(`FROM scratch AS a\nCOPY --from=${name} /f /f\n`));
      expect(error.message).toBe("circular dependency detected on stage: a");
      expect(marked(error)).toBe(name);
    }
  });

  test("two stages may share a source without being a cycle", () => {
    const text = `${LAYER}FROM scratch AS b\nCOPY --from=0 / /\nFROM scratch AS c\nCOPY --from=0 / /\nCOPY --from=b / /\n`;
    expect(planned(text).steps).toHaveLength(4);
  });

  test("a trigger that takes from its own stage or a later one is refused", () => {
    const onBuild = ["COPY --from=late /f /f"];
    const error = refused(() =>
      planWith("FROM parent AS early\nFROM scratch AS late\nCOPY f /f\nFROM early\n", () =>
        image({ OnBuild: onBuild }),
      ),
    );
    expect(error.message).toBe('cannot copy from stage "late", it needs to be defined before current stage "early"');
  });

  test("a long row of stages is planned, and a long cycle found", () => {
    const row = (first: string): string =>
      Array.from(
        { length: 4000 },
        (_, i) => `FROM scratch AS s${i}\nCOPY --from=${i === 0 ? first : i - 1} / /\n`,
      ).join("");
    expect(planned(row("scratch")).steps).toHaveLength(4000);
    expect(refused(() => planned(row("3999"))).facts.lines).toHaveLength(4000);
  });

  test("stage numbers outside the file are refused, with the range that exists", () => {
    const error = refused(() => planned(`${LAYER}FROM scratch\nCOPY --from=2 / /\n`));
    expect(error.message).toBe("invalid stage index 2");
    expect(error.hint).toContain("0 to 1");
    expect(marked(error)).toBe("2");
  });
});

describe("FROM lines that make no sense", () => {
  test("a blank base names the expression and the variable that is nearly declared", () => {
    const error = refused(() => planned("ARG VERSION\nFROM $VERSON\n"));
    expect(error.message).toBe("base name ($VERSON) should not be blank");
    expect(error.hint).toContain("did you mean VERSION?");
    expect(marked(error)).toBe("$VERSON");
  });

  test("a blank platform is refused", () => {
    const error = refused(() => planned("FROM --platform=$BUILDPLATFROM scratch\n"));
    expect(error.message).toBe("empty platform value from expression $BUILDPLATFROM (did you mean BUILDPLATFORM?)");
    expect(marked(error)).toBe("$BUILDPLATFROM");
  });

  test("a platform that is none is refused where it stands", () => {
    expect(marked(refused(() => planned("FROM --platform=a/b/c/d scratch\n")))).toBe("a/b/c/d");
  });

  test("an image name that is none is refused in COPY --from too", () => {
    const error = refused(() => planned("FROM scratch\nCOPY --from=x:y:z /a /b\n"));
    expect(error.message).toMatch(/^failed to parse stage name "x:y:z": invalid reference format/);
    expect(marked(error)).toBe("x:y:z");
  });

  test("no variable may stand in COPY --from", () => {
    const error = refused(() => plan("FROM scratch AS a\nCOPY f /f\nFROM scratch\nCOPY --from=$X / /\n"));
    expect(error.message).toMatch(/^variable expansion is not supported for --from/);
  });

  test("tag and digest together are kept", () => {
    const reference = `debian:12@sha256:${"a".repeat(64)}`;
    expect(wanted(`FROM ${reference}\n`)[0]?.key).toBe(`docker.io/library/${reference} linux/amd64`);
  });
});

describe("a stage that is built on another", () => {
  test("inherits files, environment, arguments, user, directory, shell, history and platform", () => {
    const text = `FROM --platform=linux/arm64 base AS a
ARG A=1
ENV E=2
USER u
WORKDIR /w
SHELL ["/bin/zsh", "-c"]
FROM a
RUN x
COPY f .
`;
    const result = planWith(text, () => image({}, { architecture: "arm64" }));
    const [run] = runs(result);
    expect(run).toMatchObject({
      args: ["/bin/zsh", "-c", "x"],
      cwd: "/w",
      user: "u",
      parent: { kind: "step", id: 0 },
      platform: { os: "linux", architecture: "arm64" },
    });
    expect(run?.env).toEqual(expect.arrayContaining(["A=1", "E=2"]));
    expect(copies(result)[0]?.destination).toBe("/w/");
    expect(result.target.history.map(({ createdBy }) => createdBy.split(" ")[0])).toEqual([
      ...["ARG", "ENV", "USER", "WORKDIR", "SHELL"],
      ...["RUN", "COPY"],
    ]);
    expect(result.target.platform).toEqual({ os: "linux", architecture: "arm64" });
  });

  test("sees ENV of its parent, where ARG had shadowed it", () => {
    const text = "FROM base AS a\nENV V=1\nARG V=2\nRUN one\nFROM a\nRUN two\n";
    const value = runs(planned(text)).map(({ env }) => env.find((pair) => pair.startsWith("V=")));
    expect(value).toEqual(["V=2", "V=1"]);
  });

  test("does not change its parent", () => {
    const text = "FROM base AS a\nENV A=1\nFROM a AS b\nENV A=2\nFROM a\nCOPY --from=b / /\n";
    const envs = planned(text).stages.map(({ config }) => config.Env?.find((pair) => pair.startsWith("A=")));
    expect(envs).toEqual(["A=1", "A=2", "A=1"]);
  });
});

test("--no-cache covers RUN, COPY and ADD but not WORKDIR; the filter covers stages by name in any case", () => {
  const text = "FROM base AS Build\nRUN a\nFROM build AS b\nWORKDIR /w\nRUN b\nCOPY f .\nADD f .\n";
  const ignored = (overrides: Parameters<typeof planned>[1]): readonly string[] =>
    planned(text, overrides)
      .steps.filter(({ ignoreCache }) => ignoreCache)
      .map(({ label }) => label);
  expect(ignored({ noCache: true })).toEqual([
    "[build 2/2] RUN a",
    "[b 2/4] RUN b",
    "[b 3/4] COPY f .",
    "[b 4/4] ADD f .",
  ]);
  expect(ignored({ noCacheStages: ["BUILD"] })).toEqual(["[build 2/2] RUN a"]);
  expect(ignored({})).toEqual([]);
  expect(planned(text, { noCacheStages: ["bild"] }).warnings).toMatchObject([
    { rule: "UnknownNoCacheStage", message: "--no-cache-filter names no stage: bild (did you mean build?)" },
  ]);
});
