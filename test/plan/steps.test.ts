import { describe, expect, test } from "vitest";
import type { CopyStep, FileState, Plan, RunStep } from "../../src/plan/graph.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { copies, image, planned, planWith, runs } from "./planText.js";

function copy(text: string): CopyStep {
  const found = copies(planned(`FROM base\n${text}\n`)).at(-1);
  if (!found) throw new Error("no COPY was planned");
  return found;
}

function run(text: string): RunStep {
  const found = runs(planned(`FROM base\n${text}\n`)).at(-1);
  if (!found) throw new Error("no RUN was planned");
  return found;
}

function refused(text: string): NacreError {
  try {
    planned(text);
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

function marked({ place }: NacreError): string {
  const { start, end } = place!.range;
  return place!.text.split("\n")[start.line - 1]!.slice(start.column, end.column);
}

const step = (id: number): FileState => ({ kind: "step", id });

describe("the parent of a step", () => {
  const parents = ({ steps }: Plan): readonly FileState[] => steps.map(({ parent }) => parent);

  test("is the nearest earlier step that changes files, or the base", () => {
    const text = `FROM base
LABEL a=1
COPY f /f
ENV B=1
CMD x
WORKDIR /
EXPOSE 80
RUN y
WORKDIR /w
USER u
ADD g /g
`;
    const base = { kind: "image", base: "docker.io/library/base:latest linux/amd64" };
    expect(parents(planned(text))).toEqual([base, step(0), step(1), step(2)]);
  });

  test("goes on across FROM stage, and starts anew with FROM scratch", () => {
    const text =
      "FROM scratch AS a\nCOPY f /f\nFROM a AS b\nLABEL x=y\nFROM b\nCOPY g /g\nFROM scratch AS c\nCOPY h /h\nFROM b\nCOPY --from=c / /\nRUN x\n";
    expect(parents(planned(text))).toEqual([{ kind: "scratch" }, { kind: "scratch" }, step(0), step(2)]);
  });

  test("is scratch for an image whose config lists no layers, whatever its config says", () => {
    const rootfs = { type: "layers", diff_ids: [] };
    const result = planWith("FROM base\nCOPY f /f\n", () => image({ Env: ["A=1"] }, { rootfs }));
    expect(parents(result)).toEqual([{ kind: "scratch" }]);
    expect(result.target.base).toEqual({ kind: "scratch" });
    expect(result.target.config.Env).toContain("A=1");
  });

  test("is the image if only its history tells of layers (schema 1)", () => {
    const rootfs = { type: "layers", diff_ids: [] };
    const history = [{ created_by: "x" }];
    expect(parents(planWith("FROM base\nRUN x\n", () => image({}, { rootfs, history })))[0]?.kind).toBe("image");
  });
});

describe("COPY and ADD", () => {
  test.each([
    ["/w", "x", "/w/x"],
    ["/w", "x/", "/w/x/"],
    ["/w", ".", "/w/"],
    ["/w", "./", "/w/"],
    ["/w", "/x", "/x"],
    ["/w", "/x/", "/x/"],
    ["/w", "/x/.", "/x/"],
    ["/w", "x/.", "/w/x/"],
    ["/w", "../x", "/x"],
    ["/w", "/a/../b//c", "/a/../b//c"],
    ["/", "x", "/x"],
    ["/", ".", "/"],
    ["/w/", ".", "/w/"],
    ["/w", '""', "/w/"],
  ])("WORKDIR %s, destination %s is %s", (workdir, destination, absolute) => {
    expect(copy(`WORKDIR ${workdir}\nCOPY f ${destination}`).destination).toBe(absolute);
  });

  test("without WORKDIR and without one in the base the root is the current directory", () => {
    expect(copy("COPY f x").destination).toBe("/x");
  });

  test("expand sources, destination, owner, mode and checksum, but not exclude", () => {
    const planned = copy(`ENV V=v\nCOPY --chown=$V:\${V}s --chmod=\${M:-755} --exclude=$V $V \${V}2 /$V/`);
    expect(planned).toMatchObject({
      ...{ sources: ["v", "v2"], destination: "/v/", chown: "v:vs", chmod: "755", exclude: ["$V"] },
    });
  });

  test("an owner or mode that expands to nothing is none", () => {
    const planned = copy("COPY --chown=$NO --chmod=$NO f /f");
    expect([planned.chown, planned.chmod]).toEqual([undefined, undefined]);
  });

  test("flags are kept", () => {
    expect(copy("COPY --link --parents f /f")).toMatchObject({ link: true, parents: true });
    expect(copy("ADD --unpack=false --keep-git-dir https://h/x.git /f")).toMatchObject({
      ...{ keyword: "ADD", unpack: false, keepGitDir: true, sources: ["https://h/x.git"] },
    });
    expect(copy("ADD f /f").unpack).toBeUndefined();
  });

  test("heredocs are expanded unless their name is quoted, always with the backslash as escape", () => {
    const text = "ENV V=v\nCOPY <<A <<'B' /d/\n$V \\$V \"'\nA\n$V\nB";
    expect(copy(text).heredocs).toEqual([
      { name: "A", content: "v $V \"'\n" },
      { name: "B", content: "$V\n" },
    ]);
  });

  test.each(["0", "755", "07777", "u=rwX,go=rX", "+x", "g=u", "a-w", "u+s,+t", "=", "ug+rw-x"])(
    "--chmod=%s is taken",
    (mode) => {
      expect(copy(`COPY --chmod=${mode} f /f`).chmod).toBe(mode);
    },
  );

  test.each(["8", "64a", "10000", "0o7", "-1", "u=q", "u", "rwx", "u=rwX,", "7,u=x", "u=gx"])(
    "--chmod=%s is refused where it stands",
    (mode) => {
      const error = refused(`FROM scratch\nCOPY --chmod=${mode} f /f\n`);
      expect(error.message).toBe(
        `invalid chmod parameter: '${mode}'. it should be octal string and between 0 and 07777`,
      );
      expect(marked(error)).toBe(mode);
    },
  );

  test.each([
    ["http://h/x", "URL"],
    ["https://h/x.tar", "URL"],
    ["git@h:o/r", "git ref"],
    ["me@h.example:r.git#main", "git ref"],
    ["ssh://h/r", "git ref"],
    ["git://h/r", "git ref"],
    ["https://h/o/r.git", "git ref"],
    ["https://h/o/r.git#v1:dir", "git ref"],
    ["https://h/o/r.git?ref=v1", "git ref"],
  ])("COPY refuses %s as a %s, also if it comes from a variable", (source, what) => {
    const error = refused(`FROM scratch\nARG S=${source}\nCOPY f $S /f\n`);
    expect(error.message).toBe(`source can't be a ${what} for COPY`);
    expect(marked(error)).toBe("$S");
    expect(copy(`ADD ${source} /f`).sources).toEqual([source]);
  });

  test.each(["github.com/o/r", "x.git", "https:/x", "a@b", "git@h/x"])("%s is a local path", (source) => {
    expect(copy(`COPY ${source} /f`).sources).toEqual([source]);
  });

  test("a checksum needs one remote source", () => {
    const sum = `--checksum=sha256:${"0".repeat(64)}`;
    expect(refused(`FROM scratch\nADD ${sum} a b /f/\n`).message).toBe(
      "checksum can't be specified for multiple sources",
    );
    expect(refused(`FROM scratch\nADD ${sum} a /f\n`).message).toBe("checksum requires HTTP(S) or Git sources");
    expect(copy(`ADD ${sum} https://h/x /f`).checksum).toMatch(/^sha256:0/);
  });

  test("an expansion that fails points at its word", () => {
    const error = refused(`FROM scratch\nCOPY f \${D:?no destination}/x\n`.replace("no destination", "missing"));
    expect(error.message).toContain("D: missing");
    expect(marked(error)).toBe(`\${D:?missing}/x`);
  });
});

describe("WORKDIR", () => {
  test("knows the user who will own the directory, and the path to make", () => {
    const text = `FROM base\nUSER \${U:-node}:staff\nWORKDIR /a/\nWORKDIR b/../c\n`;
    expect(planned(text).steps).toMatchObject([
      { kind: "workdir", path: "/a/", user: "node:staff" },
      { kind: "workdir", path: "/a/c", user: "node:staff" },
    ]);
  });

  test("/ makes no step, however it is reached", () => {
    const result = planned("FROM base\nWORKDIR /a\nWORKDIR ..\nWORKDIR /\n");
    expect(result.steps).toHaveLength(1);
    expect(result.target.history.map(({ createdBy, step: id }) => [createdBy, id])).toEqual([
      ...[["WORKDIR /a", 0] as const, ["WORKDIR /", undefined] as const, ["WORKDIR /", undefined] as const],
    ]);
  });

  test("of the base is where relative paths start", () => {
    const result = planWith("FROM base\nWORKDIR b\n", () => image({ WorkingDir: "/a" }));
    expect(result.target.config.WorkingDir).toBe("/a/b");
  });
});

describe("RUN", () => {
  test("shell form is SHELL and the text as it stands; exec form is the array alone", () => {
    expect(run("RUN echo $A  'b'").args).toEqual(["/bin/sh", "-c", "echo $A  'b'"]);
    expect(run('RUN ["echo", "$A"]').args).toEqual(["echo", "$A"]);
    expect(run('SHELL ["/bin/bash", "-ec"]\nRUN x').args).toEqual(["/bin/bash", "-ec", "x"]);
  });

  test("SHELL of the base image is in force", () => {
    const result = planWith("FROM base\nRUN x\n", () => image({ Shell: ["/bin/zsh", "-c"] }));
    expect(runs(result)[0]?.args).toEqual(["/bin/zsh", "-c", "x"]);
  });

  test("a lone heredoc is its body; with an interpreter line it becomes a script", () => {
    expect(run("RUN <<-E\n\techo $A\n\tE").args).toEqual(["/bin/sh", "-c", "echo $A\n"]);
    expect(run("RUN <<E\n#!/bin/awk\nx $A\nE")).toMatchObject({
      args: ["/bin/sh", "-c", "/dev/pipes/E"],
      script: { name: "E", content: "#!/bin/awk\nx $A\n" },
    });
    expect(run("RUN cat <<-A\n\tx\n\tA").args[2]).toBe("cat <<-A\n\tx\nA");
  });

  test("environment is the base's, then ENV and ARG, the last set last", () => {
    const result = planWith("FROM base\nENV A=1 B=2\nARG C=3\nENV A=4\nRUN x\n", () =>
      image({ Env: ["Z=0", "PATH=/p"] }),
    );
    expect(runs(result)[0]?.env).toEqual(["Z=0", "PATH=/p", "B=2", "C=3", "A=4"]);
  });

  test("a base without PATH gets the default one, unless it is Windows", () => {
    const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    expect(planWith("FROM base\n", () => image({ Env: ["A=1"] })).target.config.Env).toEqual(["A=1", path]);
    expect(planWith("FROM base\n", () => image({ Env: ["PATH="] })).target.config.Env).toEqual(["PATH="]);
    expect(planWith("FROM base\n", () => image({}, { os: "windows" })).target.config.Env).toBeUndefined();
  });

  test("network is the flag's, else the request's; default means the request's", () => {
    const network = (flag: string): string | undefined =>
      runs(planned(`FROM base\nRUN ${flag} x\n`, { network: "host" }))[0]?.network;
    expect([network(""), network("--network=none"), network("--network=default")]).toEqual(["host", "none", "host"]);
    expect(run("RUN x").network).toBeUndefined();
  });

  test("mounts are expanded value by value, and know what they show", () => {
    const text = `FROM scratch AS tools
COPY f /f
FROM base
ARG D="a,b" T=cache
RUN --mount=from=tools,target=/$D,source=$X --mount=type=$T,target=/c --mount=type=bind,target=/ctx --mount=type=secret,id=$T x
`;
    const [planned1] = runs(planned(text));
    expect(planned1?.mounts).toEqual([
      'from=tools,"target=/a,b",source=',
      "type=cache,target=/c",
      "type=bind,target=/ctx",
      "type=secret,id=cache",
    ]);
    expect(planned1?.mountSources).toEqual([step(0), undefined, { kind: "context", name: "" }, undefined]);
  });

  test("a mount that makes no sense is refused where it stands", () => {
    const error = refused("FROM base\nRUN --mount=type=$T,target=/x x\n");
    expect(error.message).toMatch(/^unsupported mount type ""/);
    expect(marked(error)).toBe("type=$T");
  });

  test("a mount from a later stage is refused", () => {
    const error = refused("FROM scratch AS a\nRUN --mount=from=B,target=/t x\nFROM scratch AS b\nCOPY f /f\nFROM a\n");
    expect(error.message).toBe('cannot mount from stage "B" to "/t", stage needs to be defined before current command');
  });
});

describe("labels", () => {
  test("count the base image and the steps, padded to equal width", () => {
    const copiesOf = Array.from({ length: 9 }, (_, i) => `COPY f /${i}\n`).join("");
    const result = planned(`FROM base AS b\nENV A=1\n${copiesOf}`);
    expect(result.steps.at(0)?.label).toBe("[b  2/10] COPY f /0".replace("b ", ""));
    expect(result.steps.at(-1)?.label).toBe("[10/10] COPY f /8");
    expect([...result.bases.values()].map(({ label }) => label)).toEqual([
      "[ 1/10] FROM docker.io/library/base:latest",
    ]);
  });

  test("name the stage where there are several", () => {
    const result = planned("FROM scratch AS Build\nCOPY f /f\nFROM scratch\nCOPY --from=build / /\n");
    expect(result.steps.map(({ label }) => label)).toEqual([
      "[build 1/1] COPY f /f",
      "[stage-1 1/1] COPY --from=build / /",
    ]);
  });

  test("are one line, whatever a variable holds", () => {
    const result = planWith("FROM base\nRUN echo $NL\nCOPY f /$NL\n", () => image({ Env: ["NL=a\nb"] }));
    expect(result.steps.map(({ label }) => label)).toEqual(["[2/3] RUN echo a b", "[3/3] COPY f /a b"]);
  });

  test("never show a secret", () => {
    const text = `FROM base\nENV TOKEN=visible\nRUN --mount=type=secret,id=t,env=TOKEN curl $TOKEN \${TOKEN}x\n`;
    expect(planned(text).steps[0]?.label).toContain("curl **** ****x");
  });

  test("mark triggers", () => {
    const result = planWith("FROM base\nCOPY g /g\n", () => image({ OnBuild: ["copy f /f", "LABEL a=b"] }));
    expect(result.steps.map(({ label }) => label)).toEqual(["[2/3] ONBUILD COPY f /f", "[3/3] COPY g /g"]);
  });
});
