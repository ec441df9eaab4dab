import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { type BuildEntry, type BuildStep, putBuild } from "../../src/store/builds.js";
import { createLog } from "../../src/store/logs.js";
import { Store } from "../../src/store/store.js";
import { projectIdentity } from "../../src/support/project.js";
import { nacre, type Outcome, tempDirectory } from "./invocation.js";

const HOUR = 3_600_000;

/** A store with builds, and the command in it. */
class History {
  readonly directory = tempDirectory();
  readonly path = join(this.directory, "store");
  readonly now = Date.now();

  async put(rest: Partial<BuildEntry> & { readonly ago?: number; readonly output?: string } = {}): Promise<string> {
    const { ago = HOUR, output, ...entry } = rest;
    const store = await Store.open(this.path);
    try {
      const started = this.now - ago;
      const log = output === undefined ? undefined : logOf(store, output);
      const steps = (entry.steps ?? []).map((step) =>
        step.outcome === "error" || log === undefined ? step : { ...step, log },
      );
      return putBuild(store, {
        version: 2,
        started,
        ended: started + 12_300,
        outcome: "done",
        dockerfile: "Dockerfile",
        context: ".",
        names: [],
        ...entry,
        steps,
      });
    } finally {
      await store.close();
    }
  }

  run(...argv: readonly string[]): Promise<Outcome> {
    return nacre(["builds", ...argv], { env: { NACRE_HOME: this.path } });
  }

  async lines(...argv: readonly string[]): Promise<string[]> {
    const { code, stdout, stderr } = await this.run(...argv);
    expect([code, stderr]).toEqual([0, ""]);
    return stdout.split("\n").slice(0, -1);
  }
}

function logOf(store: Store, text: string): string {
  const log = createLog(store);
  log.write(Buffer.from(text));
  log.close();
  return log.name;
}

const STEPS: BuildStep[] = [
  {
    ...{ id: 0, stage: "build", label: "[build 1/3] COPY . /src", instruction: "COPY . /src", kind: "copy" },
    ...{ outcome: "cached", by: "definition", duration: 0, saved: 5000, started: 10, size: 4_620 },
  },
  {
    ...{ id: 1, stage: "build", label: "[build 2/3] RUN make", instruction: "RUN make \\\n    all", kind: "run" },
    ...{
      outcome: "done",
      duration: 11_000,
      started: 20,
      reason: { kind: "first", scope: "step" },
      inputs: [0],
    },
  },
  {
    ...{ id: 2, stage: "build", label: "[build 3/3] RUN test", instruction: "RUN test", kind: "run" },
    ...{ outcome: "cached", by: "content", duration: 0, started: 11_020 },
  },
];

describe("nacre builds ls", () => {
  test("lists the newest first, with what the cache answered", async () => {
    const history = new History();
    const old = await history.put({ ago: 50 * HOUR, outcome: "error", title: "nightly", target: "test" });
    const last = await history.put({ steps: STEPS, names: ["docker.io/library/hello:1"] });
    expect(await history.lines("ls")).toEqual([
      "BUILD                   NAME      STATUS    CREATED             DURATION   CACHED    TARGET",
      `${last}   hello:1   done      About an hour ago   12.3s      2/3`,
      `${old}   nightly   error     2 days ago          12.3s      0/0       test`,
    ]);
    expect(await history.lines("ls", "-q", "-n", "1")).toEqual([last]);
    const json = (await history.lines("list", "--format", "json")).map((line) => JSON.parse(line));
    expect(json).toMatchObject([
      { id: last, counts: { steps: 3, cached: 2, done: 1 } },
      { id: old, title: "nightly" },
    ]);
    expect(json[0]).not.toHaveProperty("steps");
  });

  test("filters", async () => {
    const history = new History();
    const failed = await history.put({ ago: 50 * HOUR, outcome: "error", title: "nightly" });
    const cancelled = await history.put({ ago: 3 * HOUR, outcome: "cancelled" });
    const project = projectIdentity({ dockerfile: join(history.directory, "Dockerfile"), context: history.directory });
    const done = await history.put({ ago: HOUR, project });
    const found = (...filters: readonly string[]) =>
      history.lines("ls", "-q", ...filters.flatMap((filter) => ["--filter", filter]));
    expect(await found("status=error|cancelled")).toEqual([cancelled, failed]);
    expect(await found("status=completed", "status=canceled")).toEqual([done, cancelled]);
    expect(await found("status=error,name=nightly")).toEqual([failed]);
    expect(await found("since=4h", "until=2h")).toEqual([cancelled]);
    expect(await found(`until=${new Date(history.now - 24 * HOUR).toISOString()}`)).toEqual([failed]);
    expect(await found(`project=${history.directory}`)).toEqual([done]);
    expect(await found(`project=${project.slice(0, 8)}`)).toEqual([done]);
    expect(await found(`project=${join(history.directory, "other")}`, "project=nightly")).toEqual([]);
    expect(await found("target=x")).toEqual([]);
  });

  test("shows nothing where there is no store, and makes none", async () => {
    const path = join(tempDirectory(), "none");
    const { code, stdout } = await nacre(["builds", "ls"], { env: { NACRE_HOME: path } });
    expect([code, stdout.split("\n").length, existsSync(path)]).toEqual([0, 2, false]);
  });

  test("leaves out what cannot be read, with a warning", async () => {
    const history = new History();
    const id = await history.put();
    writeFileSync(join(history.path, "builds", id), "nacre build 9\n");
    const { code, stderr } = await history.run("ls", "-q");
    expect([code, stderr]).toEqual([0, `warning: the build ${id} was written by a newer nacre and is left out\n`]);
  });

  test.each([
    ["colour=red", /unknown filter "colour"/],
    ["statsu=done", /write --filter status=VALUE/],
    ["status", /the filter status has no value/],
    ["status=fine", /a build is done, error or cancelled/],
    ["since=yesterday", /not a time: "yesterday"/],
  ])("refuses --filter %s", async (filter, message) => {
    const { code, stderr } = await new History().run("ls", "--filter", filter);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe("nacre builds show", () => {
  test("shows what went in, what came out, and each step with its times and the reason of its miss", async () => {
    const history = new History();
    const id = await history.put({
      ...{
        steps: STEPS,
        title: "\u001b[31mnightly",
        target: "build",
        platform: "linux/amd64",
        isolation: "namespaces",
      },
      ...{ names: ["docker.io/library/hello:1"], digest: `sha256:${"a".repeat(64)}`, nacre: "1.2.3" },
      args: [
        { name: "VERSION", value: "1.2" },
        { name: "NPM_TOKEN", value: "hunter2" },
      ],
      inputs: {
        bases: [{ reference: "debian:12", digest: `sha256:${"b".repeat(64)}`, platform: "linux/amd64" }],
        contexts: [{ name: "main", description: "." }],
        remotes: [{ kind: "git", address: "https://git.example/x.git", commit: "c".repeat(40) }],
      },
      outputs: [{ type: "oci", destination: "x.tar" }],
    });
    const lines = await history.lines("show");
    expect(lines).toEqual(
      expect.arrayContaining([
        `Build:       ${id}`,
        "Duration:    12.3s, 2 of 3 steps cached, which saved 5.0s",
        "Names:       hello:1",
        "  VERSION     1.2",
        "  NPM_TOKEN   (hidden)",
        "  context   main (.)",
        expect.stringMatching(/^ {2}base +debian:12 +sha256:b{64} +linux\/amd64$/),
        expect.stringMatching(/^ {2}git +https:\/\/git\.example\/x\.git +c{40}$/),
        "  oci       x.tar",
      ]),
    );
    const steps = lines.slice(lines.indexOf("Steps:") + 1).map((line) => line.trim().split(/ {2,}/));
    expect(steps).toEqual([
      ["STEP", "STAGE", "INSTRUCTION", "CACHE", "START", "TIME", "SIZE", "WHY"],
      ["1", "build", "COPY . /src", "hit", "+0.0s", "(5.0s)", "4.62kB"],
      ["2", "build", "RUN make all", "miss", "+0.0s", "11.0s", expect.any(String)],
      ["3", "build", "RUN test", "hit by content", "+11.0s"],
    ]);
    expect(lines.join("\n")).not.toMatch(/hunter2|\u001b/);
    const json = JSON.parse((await history.lines("show", id.slice(0, 10), "--format", "json")).join(""));
    expect(json).toMatchObject({
      id,
      steps: [{ by: "definition" }, { reason: { kind: "first" } }, { by: "content" }],
    });
  });

  test("shows the error of a build that failed", async () => {
    const history = new History();
    await history.put({ outcome: "error", error: "process failed\nexit code 3" });
    expect((await history.lines("show", "^0")).slice(-3)).toEqual(["Error:", "  process failed", "  exit code 3"]);
  });

  test("says which build is not there", async () => {
    const history = new History();
    expect(await history.run("show")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is no store yet"),
    });
    const id = await history.put();
    expect(await history.run("show", "^1")).toMatchObject({ code: 2, stderr: expect.stringContaining('called "^1"') });
    writeFileSync(join(history.path, "builds", id), "nacre build 2 x");
    const { code, stderr } = await history.run("show", id);
    expect([code, stderr]).toEqual([1, `ERROR: the build ${id} is damaged\nhint: remove it: nacre builds rm ${id}\n`]);
  });
});

test("nacre builds logs prints what steps wrote, as nacre logs does", async () => {
  const history = new History();
  await history.put({ ago: 2 * HOUR, steps: STEPS.slice(1, 2), output: "old\n" });
  const id = await history.put({ steps: STEPS.slice(1, 2), output: "new\n" });
  expect(await history.lines("logs", "^1")).toEqual(["=> [build 2/3] RUN make  11.0s", "old"]);
  expect(await history.lines("logs", "--step", "2")).toEqual(["=> [build 2/3] RUN make  11.0s", "new"]);
  const env = { NACRE_HOME: history.path };
  expect((await nacre(["logs", id], { env })).stdout).toBe("=> [build 2/3] RUN make  11.0s\nnew\n");
  expect((await nacre(["logs", "--list"], { env })).stdout.split("\n")).toHaveLength(4);
});

describe("nacre builds compare", () => {
  test("compares the last two: times, hits, inputs, what came out", async () => {
    const history = new History();
    const before = await history.put({
      ...{ ago: 2 * HOUR, digest: "sha256:1", args: [{ name: "VERSION", value: "1.2" }] },
      inputs: { bases: [{ reference: "debian:12", digest: "sha256:b1" }] },
      steps: STEPS,
    });
    const after = await history.put({
      ...{ digest: "sha256:2", args: [{ name: "VERSION", value: "1.3" }] },
      inputs: { bases: [{ reference: "debian:12", digest: "sha256:b2" }] },
      steps: [
        STEPS[0]!,
        { ...STEPS[1]!, outcome: "cached", duration: 0, saved: 11_000 },
        { ...STEPS[2]!, instruction: "RUN test --all", outcome: "done", duration: 2000 },
      ],
    });
    const lines = (await history.lines("compare")).map((line) => line.trim().split(/ {2,}/));
    expect(lines).toEqual(
      expect.arrayContaining([
        ["before", before, "done", "12.3s", "2/3", "5.0s"],
        ["after", after, "done", "12.3s", "2/3", "16.0s"],
        ["VERSION", "1.2", "1.3"],
        ["debian:12", "sha256:b1", "sha256:b2"],
        ["image", "sha256:1", "sha256:2"],
        ["build", "RUN make all", "miss 11.0s", "hit (11.0s)", "-11.0s", expect.any(String)],
        ["build", "~ RUN test --all", "hit by content", "miss 2.0s", "+2.0s"],
        ["- RUN test"],
        ["+ RUN test --all"],
      ]),
    );
    const json = JSON.parse((await history.lines("compare", before, "^0", "--format", "json")).join(""));
    expect(json).toMatchObject({
      before: { id: before },
      after: { id: after },
      steps: [{ match: "same" }, {}, { match: "edited" }],
    });
  });

  test("needs two builds", async () => {
    const history = new History();
    await history.put();
    expect(await history.run("compare")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no build is called "^1"'),
    });
  });
});

describe("nacre builds export", () => {
  test("writes JSON with a version, to standard output or to a file", async () => {
    const history = new History();
    const id = await history.put({ steps: STEPS });
    const file = join(history.directory, "build.json");
    expect(await history.lines("export", "-o", file)).toEqual([]);
    const document = JSON.parse(readFileSync(file, "utf8"));
    expect(document).toMatchObject({ format: "nacre-build", version: 1, build: { id, steps: [{}, {}, {}] } });
    expect(JSON.parse((await history.lines("export")).join("\n"))).toEqual(document);
  });

  test("writes a trace", async () => {
    const history = new History();
    await history.put({ steps: STEPS });
    const { traceEvents } = JSON.parse((await history.lines("export", "^0", "--format", "chrome-trace")).join("\n"));
    const run = traceEvents.find((event: { readonly name: string }) => event.name === "[build 2/3] RUN make");
    expect(run).toMatchObject({ ph: "X", ts: 20_000, dur: 11_000_000, tid: 1, args: { outcome: "done", inputs: [0] } });
  });

  test("fails where the file cannot be written", async () => {
    const history = new History();
    await history.put();
    expect(await history.run("export", "-o", history.directory)).toMatchObject({ code: 1 });
  });
});

describe("nacre builds rm", () => {
  test("removes builds with the outputs that only they name", async () => {
    const history = new History();
    const old = await history.put({ ago: 50 * HOUR, steps: STEPS.slice(1, 2), output: "old\n" });
    const last = await history.put({ steps: STEPS.slice(1, 2), output: "new\n" });
    const { code, stdout, stderr } = await history.run("rm", "--older-than", "1d");
    expect([code, stdout]).toEqual([0, `${old}\n`]);
    expect(stderr).toMatch(/^Removed 1 build and the outputs of 1 step: \d/);
    expect(readdirSync(join(history.path, "logs"))).toHaveLength(1);
    expect(await history.lines("ls", "-q")).toEqual([last]);
    expect(await history.run("rm", "zzz")).toMatchObject({ code: 2 });
    expect(await history.run("rm", "--all", "--force")).toMatchObject({ code: 0, stdout: `${last}\n` });
    expect(readdirSync(join(history.path, "logs"))).toEqual([]);
  });

  test("asks before it removes all, where someone can be asked", async () => {
    const history = new History();
    const id = await history.put();
    const answer = (text: string) =>
      nacre(["builds", "rm", "--all"], {
        env: { NACRE_HOME: history.path },
        stdin: Object.assign(Readable.from([Buffer.from(text)]), { isTTY: true }),
        columns: 80,
      });
    expect(await answer("n\n")).toMatchObject({ code: 0, stdout: "" });
    expect(await history.lines("ls", "-q")).toEqual([id]);
    expect(await answer("y\n")).toMatchObject({ code: 0, stdout: `${id}\n` });
  });

  test.each([[[]], [["x", "--all"]], [["--all", "--older-than", "1d"]]])("wants to know which: %j", async (argv) => {
    expect(await new History().run("rm", ...argv)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("name builds, or give --all or --older-than"),
    });
  });
});
