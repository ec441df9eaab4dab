/** Advice on real builds, and its proofs. */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { adviseProject } from "../../src/advice/advice.js";
import type { Advice, AdviseRequest } from "../../src/advice/adviseBuilds.js";
import { fileDifferences } from "../../src/advice/sameFiles.js";
import { loadImage } from "../../src/image/image.js";
import { listBuilds } from "../../src/store/builds.js";
import { Store } from "../../src/store/store.js";
import { type Files, outcomes, Project } from "../build/helpers.js";
import { nacre } from "../cli/invocation.js";
import { requireTool, toolMissing } from "../setup/tools.js";

/** The advice for what was built last. */
function advise(project: Project, text: string, more: Partial<AdviseRequest> = {}): Promise<Advice> {
  return adviseProject({
    context: project.dir,
    dockerfile: { kind: "text", text, name: "Dockerfile" },
    store: project.store,
    leastSaving: 0,
    ...more,
  });
}

describe("builds of copies", () => {
  const TEXT = "FROM scratch\nCOPY src /src\nCOPY data /data\n";

  async function edited(): Promise<Project> {
    const project = new Project({ "src/a": "0", "src/lib/b": "0", "data/d": "d" });
    for (const round of ["1", "2", "3"]) {
      project.put({ "src/a": round, ...(round === "3" ? { "src/lib/b": "1" } : {}) });
      await project.build(TEXT);
    }
    return project;
  }

  it("tell which files made which steps miss, and what would spare it", async () => {
    const advice = await advise(await edited(), TEXT);
    expect(advice.builds).toMatchObject({ seen: 3, unusable: 0 });
    expect(advice.totals).toMatchObject({ seen: 6, misses: 6, shared: 0 });
    const [src, data] = advice.steps;
    expect(src).toMatchObject({ line: 2, instruction: "COPY src /src", seen: 3, misses: 3, followers: 2 });
    expect(src!.causes).toEqual([
      {
        ...{ kind: "file", builds: 2 },
        names: [
          { name: "src/a", builds: 2 },
          { name: "src/lib/b", builds: 1 },
        ],
        directories: [
          { name: "src", builds: 2 },
          { name: "src/lib", builds: 1 },
        ],
      },
      { kind: "first", builds: 1, names: [], directories: [] },
    ]);
    expect(data!.causes.map(({ kind, builds }) => [kind, builds])).toEqual([
      ["below", 2],
      ["first", 1],
    ]);
    expect(advice.suggestions).toHaveLength(1);
    expect(advice.suggestions[0]).toMatchObject({
      kind: "reorder",
      saving: { builds: 2, hits: 2 },
      safety: { kind: "certain" },
    });
  });

  it("are quicker by the hits that were promised, once the change is made", async () => {
    const project = await edited();
    const [suggestion] = (await advise(project, TEXT)).suggestions;
    const { text } = suggestion!.file!;
    await project.build(text);
    project.put({ "src/a": "4" });
    expect(outcomes(await project.build(text))).toEqual(["COPY data /data: cached", "COPY src /src: done"]);
    expect((await advise(project, text)).suggestions).toEqual([]);
  });
});

const noRun = process.getuid?.() !== 0 || ["busybox", "unshare", "setpriv", "tar"].some(toolMissing);

describe.skipIf(noRun)("proofs", () => {
  const BASE = "FROM scratch AS base\nCOPY --chmod=0755 bin /bin\n";

  /** Programs by name: shell scripts that busybox runs. */
  function project(files: Files, programs: Readonly<Record<string, string>> = {}): Project {
    const made = new Project(files);
    mkdirSync(join(made.dir, "bin"));
    for (const name of ["sh", "cat", "cp", "date", "sleep", "mkdir", "echo"]) {
      copyFileSync(requireTool("busybox"), join(made.dir, "bin", name));
    }
    for (const [name, text] of Object.entries(programs)) {
      writeFileSync(join(made.dir, "bin", name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    }
    return made;
  }

  async function buildAll(made: Project, text: string, edits: readonly Files[]): Promise<void> {
    for (const files of edits) {
      made.put(files);
      await made.build(text);
    }
  }

  const EDITS: readonly Files[] = [{ "app/a.js": "1" }, { "app/a.js": "2" }];
  const NODE = `${BASE}WORKDIR /app\n# everything\nCOPY app /app\nRUN npm ci\n`;
  const node = (script: string): Project =>
    project({ "app/package.json": "{}", "app/a.js": "0" }, { npm: `/bin/sleep 0.1; ${script}` });

  const kinds = ({ suggestions }: Advice): string[] => suggestions.map(({ kind, safety }) => `${kind} ${safety.kind}`);

  test("show that manifests first gives the same image", async () => {
    const made = node("mkdir -p node_modules; cat package.json > node_modules/x");
    await buildAll(made, NODE, EDITS);
    expect(kinds(await advise(made, NODE))).toEqual([]);
    const before = await seen(made);
    const advice = await advise(made, NODE, { prove: true });
    // Nothing is left behind.
    expect(await seen(made)).toEqual(before);
    expect(kinds(advice)[0]).toBe("install-first proven");
    const [{ saving, file }] = advice.suggestions as [Advice["suggestions"][number]];
    expect(saving.time).toBeGreaterThan(100);
    expect(advice.totals.avoidable).toBe(saving.time);
    made.put({ "app/a.js": "4" });
    expect(outcomes(await made.build(file!.text)).find((line) => line.startsWith("RUN"))).toBe("RUN npm ci: cached");
  });

  test("refute what changes the image, and name the files", async () => {
    const made = node("mkdir -p node_modules; cat *.js > node_modules/x; true");
    await buildAll(made, NODE, EDITS);
    const all = await advise(made, NODE, { prove: true, all: true });
    expect(all.suggestions.find(({ kind }) => kind === "install-first")!.safety).toEqual({
      kind: "refuted",
      differences: ["/app/node_modules/x (content)"],
    });
  });

  test("refute what cannot be built", async () => {
    const made = node("cat a.js");
    await buildAll(made, NODE, EDITS);
    const all = await advise(made, NODE, { prove: true, all: true });
    expect(all.suggestions.find(({ kind }) => kind === "install-first")!.safety).toMatchObject({ kind: "failed" });
  });

  test("let differ what differs from build to build, and tell of it", async () => {
    const made = node("mkdir -p node_modules; cat /proc/sys/kernel/random/uuid > node_modules/id");
    await buildAll(made, NODE, EDITS);
    const advice = await advise(made, NODE, { prove: true });
    expect(advice.suggestions.find(({ kind }) => kind === "install-first")!.safety).toEqual({
      kind: "proven",
      unstable: ["/app/node_modules/id"],
    });
    // The second build of the present Dockerfile has not taken the place of the first.
    const store = await Store.open(made.store);
    const [last] = listBuilds(store);
    await store.close();
    expect((await made.build(NODE)).digest).toBe(last!.digest);
  });

  test("refute an argument's later place if a program reads it, and prove it otherwise", async () => {
    for (const [script, expected] of [
      ["echo x > /out", "proven"],
      ["echo $SHA > /out", "refuted"],
    ] as const) {
      const made = project({ f: "f" }, { tool: script });
      const text = `${BASE}ARG SHA\nRUN tool\nRUN echo $SHA > /sha\n`;
      for (const SHA of ["1", "2"]) await made.build(text, { buildArgs: { SHA } });
      const advice = await advise(made, text, { prove: true, all: true });
      expect(kinds(advice)).toEqual([`late-argument ${expected}`]);
    }
  });

  test("prove that files are not needed, or that they are", async () => {
    for (const [copied, expected] of [
      ["a.js", "proven"],
      ["*", "refuted"],
    ] as const) {
      const made = project({ "app/a.js": "0", "app/x.log": "" });
      const text = `${BASE}FROM base AS build\nCOPY app /app\nRUN mkdir /out; cat /app/${copied} > /out/all\nFROM scratch\nCOPY --from=build /out /\n`;
      await buildAll(made, text, [{ "app/x.log": "1" }, { "app/x.log": "2" }]);
      const advice = await advise(made, text, { prove: true, all: true });
      expect(kinds(advice).filter((line) => line.startsWith("ignore"))).toEqual([`ignore ${expected}`]);
    }
  });

  async function seen(made: Project) {
    const store = await Store.open(made.store);
    try {
      return { builds: listBuilds(store).map(({ id }) => id), names: store.listReferences().map(({ name }) => name) };
    } finally {
      await store.close();
    }
  }

  test("hold for every target that was built", async () => {
    const made = project({ f: "f" }, { tool: "echo $SHA > /out" });
    const text = `${BASE}FROM base AS test\nARG SHA\nRUN tool\nFROM base\nCOPY f /f\n`;
    for (const SHA of ["1", "2"]) await made.build(text, { target: "test", buildArgs: { SHA } });
    await made.build(text);
    expect(kinds(await advise(made, text, { prove: true, all: true }))).toEqual(["late-argument refuted"]);
  });

  describe("the command", () => {
    let store: string;
    let dir: string;

    async function run(...argv: readonly string[]): Promise<string> {
      const { code, stdout } = await nacre(["advise", dir, ...argv], { env: { NACRE_HOME: store } });
      expect(code).toBe(0);
      return stdout;
    }

    it("shows the history, what is proven, and diffs that patch understands", async () => {
      const made = node("mkdir -p node_modules");
      [store, dir] = [made.store, made.dir];
      writeFileSync(join(dir, "Dockerfile"), NODE);
      for (const files of EDITS) {
        made.put(files);
        const { code } = await nacre(["build", dir, "--progress", "quiet"], { env: { NACRE_HOME: store } });
        expect(code).toBe(0);
      }
      const plain = await run();
      expect(plain).toMatch(/^Dockerfile: 2 builds, \d+% of 8 steps answered by the cache\n/);
      expect(plain).toMatch(/\n5 +COPY app \/app +2\/2 +\S+ +\S+ +new \(1\); files app\/a\.js \(1\)\n/);
      expect(plain).toMatch(/2 more changes may keep the image as it is/);
      expect(plain).not.toContain("+++");
      expect(await run("--all")).toContain("UNPROVEN: ");
      const proven = await run("--prove");
      expect(proven).toMatch(/1\. install with app\/package\.json alone/);
      expect(proven).toContain("the same image: proven by building both");
      expect(proven).toContain("+COPY app/package.json /app/");
      const diff = await run("--all", "--format", "diff");
      expect(diff.startsWith("--- Dockerfile\n+++ Dockerfile\n@@ ")).toBe(true);
      expect(JSON.parse(await run("--format", "json"))).toMatchObject({
        builds: { seen: 2 },
        withheld: { unproven: 2 },
      });
    });
  });
});

describe("the command", () => {
  it("says what to do where nothing is known", async () => {
    const made = new Project({ Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" });
    const { code, stdout } = await nacre(["advise", made.dir], { env: { NACRE_HOME: made.store } });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^No build of .*Dockerfile with this context is remembered here\.\n.*nacre build/);
    expect(readdirSync(made.dir)).toEqual(["Dockerfile"]);
  });

  it("refuses a number of builds that is none", async () => {
    const made = new Project({ Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" });
    const { code, stderr } = await nacre(["advise", made.dir, "--last", "0"]);
    expect(code).not.toBe(0);
    expect(stderr).toContain('--last is not a number of 1 or more: "0"');
  });
});

describe("two images", () => {
  async function differences(before: string, after: string, files: Files) {
    const project = new Project(files);
    const [old, fresh] = [await project.build(before), await project.build(after)];
    const store = await Store.open(project.store);
    try {
      const found = await fileDifferences(store, loadImage(store, old.descriptor), loadImage(store, fresh.descriptor));
      return found.map(({ path, what }) => `${path} ${what}`);
    } finally {
      await store.close();
    }
  }

  const FILES: Files = { a: "a", b: "b", "d/x": "x", l: { link: "a" } };

  it.each<[string, string, string[]]>([
    ["COPY a b /x/", "COPY b /x/\nCOPY a /x/", []],
    ["COPY a /x", "COPY b /x", ["x content"]],
    ["COPY a /x", "COPY --chmod=600 a /x", ["x mode"]],
    ["COPY a /x", "COPY --chown=7:8 a /x", ["x owner"]],
    ["COPY a /x", "COPY d /x", ["x type"]],
    ["COPY a /x", "COPY a /x\nCOPY b /y", ["y added"]],
    ["COPY d /x", "COPY a /y", ["x removed", "y added"]],
    ["COPY . /x", "COPY . /x\nCOPY a /x/d/x", ["x/d/x content"]],
  ])("of %s and %s differ as they do", async (before, after, expected) => {
    expect(await differences(`FROM scratch\n${before}\n`, `FROM scratch\n${after}\n`, FILES)).toEqual(expected);
  });
});
