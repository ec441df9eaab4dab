/** What is suggested for which history, and what is not. */
import { describe, expect, it, test } from "vitest";
import { adviseProject } from "../../src/advice/advice.js";
import type { Advice, AdviseRequest } from "../../src/advice/adviseBuilds.js";
import { projectOf } from "../../src/build/project.js";
import { parseDockerfile } from "../../src/dockerfile/dockerfile.js";
import { type BuildArgument, type BuildEntry, putBuild } from "../../src/store/builds.js";
import { Store } from "../../src/store/store.js";
import { type Files, Project } from "../build/helpers.js";
import { argument, base, below, files, type PastRow, pastBuild } from "./history.js";

/** A Dockerfile, its context, and what became of its steps in past builds. */
async function advise(
  text: string,
  context: Files,
  builds: readonly (readonly PastRow[])[],
  more: Partial<AdviseRequest> = {},
  entry: Partial<BuildEntry> = { args: [{ name: "SHA", value: "1" }] },
): Promise<Advice> {
  const project = new Project(context);
  const request: AdviseRequest = {
    context: project.dir,
    dockerfile: { kind: "text", text, name: "Dockerfile" },
    store: project.store,
    all: true,
    ...more,
  };
  const { id } = projectOf(request, {
    dockerfile: parseDockerfile(text, "Dockerfile"),
    path: undefined,
    ignore: undefined,
  });
  const store = await Store.open(project.store);
  for (const [i, rows] of builds.entries()) {
    putBuild(store, { ...pastBuild(`b${i}`, rows), ...entry, started: 1e12 + i, project: id });
  }
  await store.close();
  return adviseProject(request);
}

/** `kind milliseconds`, the best first. */
function told({ suggestions }: Advice): string[] {
  return suggestions.map(({ kind, saving }) => `${kind} ${saving.atMost ? "up to " : ""}${saving.time}`);
}

/** What a suggestion puts in and takes out. */
function changed(advice: Advice, at = 0): string[] {
  const { diff } = advice.suggestions[at]!.file!;
  return diff.split("\n").filter((line) => /^[+-](?!\+\+ |-- )/.test(line));
}

/** The same builds again, so that it pays. */
function times<T>(number: number, value: T): T[] {
  return Array.from({ length: number }, () => value);
}

describe("install-first", () => {
  const APP = { "package.json": "{}", "package-lock.json": "{}", "src/a.js": "a" };
  const TEXT = "FROM node\nWORKDIR /app\nCOPY . .\nRUN npm ci\nRUN npm run build\n";
  const edited = (path: string): PastRow[] => [
    { instruction: "WORKDIR /app" },
    { instruction: "COPY . .", reason: files(path), duration: 100 },
    { instruction: "RUN npm ci", reason: below(1), duration: 20_000 },
    { instruction: "RUN npm run build", reason: below(2), duration: 5000 },
  ];

  it("moves the copy below the installation, and copies the manifests before", async () => {
    const advice = await advise(TEXT, APP, [edited("src/a.js"), edited("src/b.js"), edited("package.json")]);
    expect(told(advice)[0]).toBe("install-first 40000");
    expect(changed(advice)).toEqual(["-COPY . .", "+COPY package.json package-lock.json /app/", "+COPY . ."]);
    expect(advice.suggestions[0]).toMatchObject({
      ...{ line: 4, confidence: "high", safety: { kind: "unproven" } },
      saving: { builds: 2, hits: 2, atMost: false },
    });
  });

  it("leaves its comments with the copy of everything", async () => {
    const text = TEXT.replace("COPY", "# everything\nCOPY");
    const advice = await advise(text, APP, times(2, edited("src/a.js")));
    expect(advice.suggestions[0]!.file!.text).toBe(
      "FROM node\nWORKDIR /app\nCOPY package.json package-lock.json /app/\nRUN npm ci\n# everything\nCOPY . .\nRUN npm run build\n",
    );
  });

  it("is not suggested where only the manifests changed", async () => {
    const advice = await advise(TEXT, APP, times(3, edited("package-lock.json")));
    expect(told(advice)).toEqual(["cache-mount up to 60000"]);
  });

  it("is not suggested where files changed of which nothing is known", async () => {
    const unknown = { kind: "changed", changes: [{ what: "files", source: { kind: "word", word: 0 }, known: false }] };
    const [workdir, , ...rest] = edited("a");
    const advice = await advise(TEXT, APP, times(3, [workdir!, { instruction: "COPY . .", reason: unknown }, ...rest]));
    expect(told(advice)).toEqual(["cache-mount up to 60000"]);
  });

  it("is withheld unless all is wanted, and counted", async () => {
    const advice = await advise(TEXT, APP, times(2, edited("src/a.js")), { all: false });
    expect(advice.suggestions).toEqual([]);
    expect(advice.withheld).toMatchObject({ unproven: 2, time: 40_000, refuted: 0 });
    expect(advice.totals).toMatchObject({ spent: 50_200, avoidable: 0 });
  });

  it("splits a RUN that begins with the installation, and says that the time is at most that", async () => {
    const text = "FROM node\nWORKDIR /app\nCOPY . .\nRUN npm ci && npm run build\n";
    const rows: PastRow[] = [
      { instruction: "WORKDIR /app" },
      { instruction: "COPY . .", reason: files("src/a.js"), duration: 100 },
      { instruction: "RUN npm ci && npm run build", reason: below(1), duration: 20_000 },
    ];
    const advice = await advise(text, APP, times(2, rows));
    expect(told(advice)).toContain("install-first up to 40000");
    const at = advice.suggestions.findIndex(({ kind }) => kind === "install-first");
    expect(advice.suggestions[at]!.file!.text).toBe(
      "FROM node\nWORKDIR /app\nCOPY package.json package-lock.json /app/\nRUN npm ci\nCOPY . .\nRUN npm run build\n",
    );
    expect(advice.totals.avoidable).toBe(0);
  });

  it("is not suggested where the copy would land elsewhere", async () => {
    const text = "FROM node\nWORKDIR /app\nCOPY . .\nWORKDIR /app/web\nRUN npm ci\n";
    const rows: PastRow[] = [
      { instruction: "WORKDIR /app" },
      { instruction: "COPY . .", reason: files("web/a.js") },
      { instruction: "WORKDIR /app/web", reason: below(1) },
      { instruction: "RUN npm ci", reason: below(2), duration: 20_000 },
    ];
    const advice = await advise(text, { "web/package.json": "{}", "web/a.js": "" }, times(2, rows));
    expect(told(advice)).toEqual(["cache-mount up to 40000"]);
  });
});

describe("reorder", () => {
  const system = (run: string): readonly [string, PastRow[]] => [
    `FROM debian\nCOPY src /app\n# what it needs\n${run}\nRUN make\n`,
    [
      { instruction: "COPY src /app", reason: files("src/a.c") },
      { instruction: run, reason: below(0), duration: 9000 },
      { instruction: "RUN make", reason: below(1) },
    ],
  ];

  it("puts the installation of packages, with its comment, before the files", async () => {
    const [text, rows] = system("RUN apt-get update && apt-get install -y gcc && rm -rf /var/lib/apt/lists/*");
    const advice = await advise(text, { "src/a.c": "" }, times(2, rows));
    expect(told(advice)[0]).toBe("reorder 18000");
    expect(advice.suggestions[0]!.file!.text.split("\n").slice(0, 4)).toEqual([
      "FROM debian",
      "# what it needs",
      "RUN apt-get update && apt-get install -y gcc && rm -rf /var/lib/apt/lists/*",
      "COPY src /app",
    ]);
    expect(advice.suggestions[0]).toMatchObject({ confidence: "high", safety: { kind: "unproven" } });
  });

  it.each(["RUN apt-get install -y gcc && make -C /app", "RUN gcc /app/a.c", "RUN gcc a.c", "RUN cat app/x"])(
    "leaves %s where it is",
    async (run) => {
      const [text, rows] = system(run);
      const advice = await advise(text, { "src/a.c": "" }, times(2, rows));
      expect(told(advice).filter((line) => line.startsWith("reorder 18000"))).toEqual([]);
    },
  );

  it("is not very sure of a program that it does not know", async () => {
    const [text, rows] = system("RUN ./configure-the-system");
    const advice = await advise(text, { "src/a.c": "" }, times(2, rows));
    expect(advice.suggestions[0]).toMatchObject({ kind: "reorder", confidence: "low", safety: { kind: "unproven" } });
  });

  it("leaves alone what would run with other settings", async () => {
    const text = "FROM debian\nCOPY src /app\nENV A=1\nWORKDIR /other\nRUN apt-get install gcc\n";
    const rows: PastRow[] = [
      { instruction: "COPY src /app", reason: files("src/a.c") },
      { instruction: "WORKDIR /other", reason: below(0) },
      { instruction: "RUN apt-get install gcc", reason: below(1), duration: 9000 },
    ];
    const advice = await advise(text, { "src/a.c": "" }, times(2, rows));
    // Not the RUN above, but the COPY below: the settings stay.
    expect(advice.suggestions[0]!.file!.text).toBe(
      "FROM debian\nENV A=1\nWORKDIR /other\nRUN apt-get install gcc\nCOPY src /app\n",
    );
  });

  describe("of copies", () => {
    const rows = (first: string, second: string): PastRow[] => [
      { instruction: first, reason: files("src/a") },
      { instruction: second, reason: below(0), duration: 4000 },
    ];
    const context: Files = { "src/a": "a", "data/b": "b", f: "f", "links/l": { link: "/src" } };

    test("to different places is certain to change nothing, and told without being asked for all", async () => {
      const text = "FROM scratch\nCOPY src /src\nCOPY data /data\n";
      const advice = await advise(text, context, times(2, rows("COPY src /src", "COPY data /data")), { all: false });
      expect(told(advice)).toEqual(["reorder 8000"]);
      expect(advice.suggestions[0]!.safety.kind).toBe("certain");
      expect(advice.suggestions[0]!.file!.text).toBe("FROM scratch\nCOPY data /data\nCOPY src /src\n");
      expect(advice.totals.avoidable).toBe(8000);
    });

    test.each([
      ["one lies in the other", "scratch", "COPY src /x", "COPY data /x/data"],
      ["both go to one directory", "scratch", "COPY src /x", "COPY data /x"],
      ["the base may have symlinks", "debian", "COPY src /src", "COPY data /data"],
      ["a symlink is copied", "scratch", "COPY src links /src/", "COPY data /data"],
      ["owners differ", "scratch", "COPY --chown=1 src /x/src", "COPY data /x/data"],
      ["an owner has to be looked up", "scratch", "COPY --chown=a src /src", "COPY --chown=a data /data"],
      ["one unpacks an archive", "scratch", "COPY src /src", "ADD f /data"],
    ])("is not certain where %s", async (_what, from, first, second) => {
      const text = `FROM ${from}\n${first}\n${second}\n`;
      const advice = await advise(text, context, times(2, rows(first, second)));
      expect(advice.suggestions.map(({ kind, safety }) => `${kind} ${safety.kind}`)).toEqual(["reorder unproven"]);
    });

    test("does nothing for what hit all the same", async () => {
      const text = "FROM scratch\nCOPY src /src\nCOPY data /data\n";
      const hit = [{ instruction: "COPY src /src", reason: files("src/a") }, { instruction: "COPY data /data" }];
      expect(told(await advise(text, context, times(3, hit)))).toEqual([]);
    });
  });
});

describe("late-argument", () => {
  const rows = (...instructions: string[]): PastRow[] =>
    instructions.map((instruction) => ({ instruction, reason: argument("SHA"), duration: 3000 }));

  it("declares it above its first use", async () => {
    const text = "FROM debian\n# what is built\nARG SHA\nRUN slow\nRUN echo $SHA\n";
    const advice = await advise(text, {}, times(2, rows("RUN slow", "RUN echo $SHA")));
    expect(told(advice)).toEqual(["late-argument 6000"]);
    expect(advice.suggestions[0]!.file!.text).toBe("FROM debian\nRUN slow\n# what is built\nARG SHA\nRUN echo $SHA\n");
    expect(advice.suggestions[0]!.safety.kind).toBe("unproven");
  });

  it.each([
    ["the RUN names it", "ARG SHA\nRUN slow --of SHA", ["RUN slow --of SHA"]],
    ["ENV passes it on", "ARG SHA\nENV V=$SHA\nRUN slow", ["RUN slow"]],
    ["a COPY leads to another place by it", "ARG SHA\nCOPY a /$SHA\nRUN slow", ["COPY a /$SHA", "RUN slow"]],
    ["it is declared with others", "ARG SHA OTHER\nRUN slow", ["RUN slow"]],
    ["it is declared twice", "ARG SHA\nARG SHA=1\nRUN slow", ["RUN slow"]],
  ])("is not suggested where %s", async (_what, body, instructions) => {
    const all = instructions.map((instruction) => ({ instruction, reason: argument("SHA"), duration: 3000 }));
    expect(told(await advise(`FROM debian\n${body}\n`, { a: "" }, times(2, all)))).toEqual([]);
  });

  it.each<[string, BuildArgument[], Record<string, string>]>([
    ["from the builds", [{ name: "SHA", value: "1" }], {}],
    ["though its value is hidden", [{ name: "SHA", hidden: true }], {}],
    ["because it is given", [], { SHA: "1" }],
  ])("knows that there is a value %s", async (_what, args, buildArgs) => {
    const text = "FROM debian\nARG SHA\nRUN slow\nRUN echo $SHA\n";
    const advice = await advise(text, {}, times(2, rows("RUN slow", "RUN echo $SHA")), { buildArgs }, { args });
    expect(told(advice)).toEqual(["late-argument 6000"]);
  });
});

describe("lock-base", () => {
  const TEXT = "FROM debian:12\nRUN slow\n";
  const moved = [{ instruction: "RUN slow", reason: base("debian:12"), duration: 3000 }];

  it("is certain, and a command", async () => {
    const advice = await advise(TEXT, {}, times(2, moved), { all: false });
    expect(told(advice)).toEqual(["lock-base 6000"]);
    expect(advice.suggestions[0]).toMatchObject({ command: "nacre lock update", safety: { kind: "certain" } });
    expect(advice.suggestions[0]!.file).toBeUndefined();
  });

  it("is not suggested where there is a lock file, or another base", async () => {
    const lock = { "nacre.lock": JSON.stringify({ version: 1, images: {} }) };
    expect(told(await advise(TEXT, lock, times(2, moved)))).toEqual([]);
    expect(told(await advise("FROM alpine\nRUN slow\n", {}, times(2, moved)))).toEqual([]);
  });
});

describe("ignore", () => {
  const TEXT = "FROM node AS build\nCOPY . /src\nRUN make\nFROM scratch\nCOPY --from=build /out /\n";
  const rows = (...paths: string[]): PastRow[] => [
    { stage: "build", instruction: "COPY . /src", reason: files(...paths), inputs: [] },
    { stage: "build", instruction: "RUN make", reason: below(0), duration: 7000 },
    { stage: "stage-1", instruction: "COPY --from=build /out /", reason: below(1) },
  ];

  it("names the patterns of what tools leave, and adds them to the file", async () => {
    const context = { ".dockerignore": "tmp", "debug.log": "", "src/a.c": "" };
    const advice = await advise(TEXT, context, [rows("debug.log"), rows("debug.log", ".git/index"), rows("src/a.c")]);
    const found = advice.suggestions.findIndex(({ kind }) => kind === "ignore");
    expect(told(advice)[found]).toBe("ignore 18000");
    expect(advice.suggestions[found]!.file).toMatchObject({
      name: ".dockerignore",
      text: "tmp\n.git\n**/*.log\n",
    });
  });

  it("is not suggested where the files are in the image itself", async () => {
    const text = "FROM node\nCOPY . /src\nRUN make\n";
    const own = rows("debug.log")
      .slice(0, 2)
      .map(({ stage: _stage, ...row }) => row);
    expect(told(await advise(text, { "debug.log": "" }, times(2, own))).filter((one) => /^ignore/.test(one))).toEqual(
      [],
    );
  });

  it("is not suggested where the stage was built by itself", async () => {
    const advice = await advise(TEXT, { "debug.log": "" }, times(2, rows("debug.log").slice(0, 2)), {
      target: "build",
    });
    expect(told(advice).filter((one) => /^ignore/.test(one))).toEqual([]);
  });

  it("is not suggested for files that changed together with others", async () => {
    const advice = await advise(TEXT, { "debug.log": "" }, times(2, rows("debug.log", "src/a.c")));
    expect(told(advice).filter((one) => /^ignore/.test(one))).toEqual([]);
  });
});

describe("cache-mount", () => {
  const rows = (instruction: string, more: Partial<PastRow> = {}): PastRow[] => [
    { instruction, reason: { kind: "evicted" }, duration: 3000, ...more },
  ];

  it.each([
    ["RUN pip install -r r.txt", "--mount=type=cache,target=/root/.cache/pip"],
    [
      "RUN apt-get update && apt-get install -y gcc",
      "--mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked",
    ],
    ["RUN apk add curl", "--mount=type=cache,target=/etc/apk/cache,sharing=locked"],
    ["RUN go mod download", "--mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build"],
    ["RUN yarn install", "--mount=type=cache,target=/usr/local/share/.cache/yarn"],
  ])("gives %s one", async (run, mounts) => {
    const advice = await advise(`FROM debian\n${run}\n`, {}, times(2, rows(run)));
    expect(told(advice)).toEqual(["cache-mount up to 6000"]);
    expect(changed(advice)).toEqual([`-${run}`, `+${run.replace("RUN", `RUN ${mounts}`)}`]);
  });

  it("takes the directory that the environment names, and keeps lines that go on", async () => {
    const text = "FROM debian\nENV NPM_CONFIG_CACHE=/var/npm\nRUN npm \\\n  ci\n";
    const advice = await advise(text, {}, times(2, rows("RUN npm \\ ci")));
    expect(changed(advice)).toEqual(["-RUN npm \\", "+RUN --mount=type=cache,target=/var/npm npm \\"]);
  });

  it.each([
    ["it keeps nothing", "RUN apk add --no-cache curl"],
    ["it has one", "RUN --mount=type=cache,target=/x pip install -r r.txt"],
    ["it fetches nothing", "RUN make"],
  ])("is not suggested where %s", async (_what, run) => {
    expect(told(await advise(`FROM debian\n${run}\n`, {}, times(2, rows(run))))).toEqual([]);
  });

  it("is not suggested for another user, nor for a single miss", async () => {
    const run = "RUN npm ci";
    expect(told(await advise(`FROM debian\nUSER node\n${run}\n`, {}, times(2, rows(run))))).toEqual([]);
    expect(told(await advise(`FROM debian\n${run}\n`, {}, [rows(run)]))).toEqual([]);
  });
});

describe("split-run", () => {
  const command = { kind: "changed", changes: [{ what: "command", before: "a", after: "b" }] };
  const build = (run: string): PastRow[] => [{ instruction: run, reason: command, duration: 8000 }];

  it("gives the installation at the beginning a step of its own if only the rest was edited", async () => {
    const run = (rest: string) => `RUN apk add --no-cache gcc && make ${rest}`;
    const advice = await advise(`FROM alpine\n${run("c")}\n`, {}, [build(run("a")), build(run("b")), build(run("c"))]);
    expect(told(advice)).toEqual(["split-run up to 24000"]);
    expect(changed(advice)).toEqual([`-${run("c")}`, "+RUN apk add --no-cache gcc", "+RUN make c"]);
  });

  it("is not suggested where the installation was edited, or what follows depends on the shell", async () => {
    const run = (what: string) => `RUN apk add --no-cache ${what} && make`;
    expect(told(await advise(`FROM alpine\n${run("c")}\n`, {}, [build(run("a")), build(run("b"))]))).toEqual([]);
    const state = (rest: string) => `RUN apk add --no-cache gcc && cd /src && make ${rest}`;
    expect(told(await advise(`FROM alpine\n${state("c")}\n`, {}, [build(state("a")), build(state("b"))]))).toEqual([]);
  });
});

describe("advice", () => {
  it("asks for the values that a proof needs and that were not kept", async () => {
    const rows = [{ instruction: "RUN slow", reason: { kind: "evicted" } }];
    const args: BuildArgument[] = [{ name: "API_TOKEN", hidden: true }];
    const asking = advise("FROM debian\nRUN slow\n", {}, times(2, rows), { prove: true }, { args });
    await expect(asking).rejects.toMatchObject({
      code: "USAGE",
      hint: expect.stringContaining("--build-arg API_TOKEN="),
    });
  });

  it("says nothing of a project that was never built", async () => {
    const advice = await advise("FROM debian\nRUN slow\n", {}, []);
    expect(advice).toMatchObject({ builds: { seen: 0, unusable: 0 }, suggestions: [], totals: { spent: 0 } });
  });

  it("measures by the present Dockerfile: what it does right already is not suggested", async () => {
    const then: PastRow[] = [
      { instruction: "COPY src /app", reason: files("src/a.c") },
      { instruction: "RUN apt-get install gcc", reason: below(0), duration: 9000 },
    ];
    const advice = await advise(
      "FROM debian\nRUN apt-get install gcc\nCOPY src /app\n",
      { "src/a.c": "" },
      times(2, then),
    );
    expect(advice.totals).toMatchObject({ spent: 20_000, replayed: 2000 });
    expect(told(advice)).toEqual([]);
  });

  it("looks at the last builds, or those of a target, if asked", async () => {
    const rows = [{ instruction: "RUN slow", reason: { kind: "evicted" } }];
    expect((await advise("FROM debian\nRUN slow\n", {}, times(5, rows), { last: 2 })).builds.seen).toBe(2);
    expect((await advise("FROM debian AS a\nRUN slow\n", {}, times(5, rows), { target: "a" })).builds.seen).toBe(0);
  });

  it("drops what saves too little", async () => {
    const text = "FROM scratch\nCOPY src /src\nCOPY data /data\n";
    const rows = [
      { instruction: "COPY src /src", reason: files("src/a") },
      { instruction: "COPY data /data", reason: below(0), duration: 60 },
    ];
    const context = { "src/a": "a", "data/b": "b" };
    expect(told(await advise(text, context, [rows]))).toEqual([]);
    expect(told(await advise(text, context, times(2, rows)))).toEqual(["reorder 120"]);
    expect(told(await advise(text, context, [rows], { leastSaving: 0 }))).toEqual(["reorder 60"]);
  });
});
