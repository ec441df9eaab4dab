/** `nacre plan`: what it says a build would do is what the build then does, and saying it changes nothing. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { previewBuild } from "../../src/build/preview.js";
import type { BuildPreview } from "../../src/build/previewTypes.js";
import type { BuildRequest, BuildResult } from "../../src/build/request.js";
import { nacre } from "../cli/invocation.js";
import { requireTool, toolMissing } from "../setup/tools.js";
import { Project, put } from "./helpers.js";

const TEXT = "FROM scratch AS a\nCOPY f g /x/\nFROM scratch\nCOPY --from=a /x/f /f\nCOPY h /h\n";
const FILES = { f: "F", g: "G", h: "H" };

function preview(project: Project, text: string, request: Partial<BuildRequest> = {}): Promise<BuildPreview> {
  const dockerfile = { kind: "text", text, name: "Dockerfile" } as const;
  return previewBuild({ context: project.dir, dockerfile, store: project.store, ...request });
}

/** `COPY f /f: hit` and the like. */
function told({ steps }: BuildPreview): string[] {
  return steps.map(({ instruction, outcome }) => `${instruction}: ${outcome.kind}`);
}

function done(result: BuildResult): Map<string, string> {
  return new Map(result.steps.map(({ label, outcome }) => [label, outcome]));
}

/** Everything below a directory with size and time, but what is known of contexts' files. */
function everything(dir: string): string[] {
  const names = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) => !/^(stat|leases)/.test(name));
  return names.sort().map((name) => {
    const { size, mtimeMs } = statSync(join(dir, name));
    return `${name} ${size} ${mtimeMs}`;
  });
}

describe("a preview", () => {
  it("of a project that was never built misses everything, and makes no store", async () => {
    const project = new Project(FILES);
    const result = await preview(project, TEXT);
    expect(told(result)).toEqual(["COPY f g /x/: miss", "COPY --from=a /x/f /f: miss", "COPY h /h: miss"]);
    expect(result.steps.map(({ why }) => why)).toEqual(["never built here", "never built here", "never built here"]);
    expect(result.totals).toMatchObject({ steps: 3, misses: 3, untimed: 3, cost: 0 });
    expect(result.allHit).toBe(false);
    expect(existsSync(project.store)).toBe(false);
  });

  it("of an unchanged project hits everything, with sizes and times", async () => {
    const project = new Project(FILES);
    await project.build(TEXT);
    const result = await preview(project, TEXT);
    expect(told(result)).toEqual(["COPY f g /x/: hit", "COPY --from=a /x/f /f: hit", "COPY h /h: hit"]);
    expect(result.allHit).toBe(true);
    for (const step of result.steps) {
      expect(step.size).toBeGreaterThan(0);
      expect(step.duration).toBeGreaterThanOrEqual(0);
      expect(step.why).toBeUndefined();
    }
  });

  it("writes nothing but what is known of the context's files, in a store that has something and in one that has not", async () => {
    const project = new Project(FILES);
    await project.build(TEXT);
    project.put({ g: "changed" });
    const before = everything(project.store);
    await preview(project, TEXT);
    expect(everything(project.store)).toEqual(before);
  });

  it("says which step decides where a step may still hit by content, and names the files that changed", async () => {
    const project = new Project(FILES);
    await project.build(TEXT);
    project.put({ g: "changed" });
    const result = await preview(project, TEXT);
    expect(result.steps.map(({ outcome, why }) => [outcome.kind, why])).toEqual([
      ["miss", "1 of 1 file differs: g (content)"],
      ["undecided", "decided after step 1"],
      ["undecided", "decided after step 1"],
    ]);
    const built = done(await project.build(TEXT));
    expect([...built.values()].filter((outcome) => outcome === "cached")).toHaveLength(2);
  });

  it("does not leave open what is built on files that have surely changed", async () => {
    const project = new Project(FILES);
    const text = "FROM scratch\nCOPY f /f\nCOPY g /g\nCOPY h /h\n";
    await project.build(text);
    project.put({ f: "changed" });
    expect(told(await preview(project, text))).toEqual(["COPY f /f: miss", "COPY g /g: miss", "COPY h /h: miss"]);
    const built = await project.build(text);
    expect([...done(built).values()]).toEqual(["done", "done", "done"]);
  });

  it("previews --no-cache and --no-cache-filter as they are", async () => {
    const project = new Project(FILES);
    await project.build(TEXT);
    const all = await preview(project, TEXT, { noCache: true });
    expect(all.steps.map(({ why }) => why)).toEqual(Array(3).fill("not looked for (--no-cache)"));
    const filtered = await preview(project, TEXT, { noCacheFilter: ["a"] });
    expect(filtered.steps[0]!.why).toBe("not looked for (--no-cache-filter)");
    expect(filtered.steps[1]!.outcome).toEqual({ kind: "undecided", after: 0 });
  });

  it("knows a touched file and a fresh copy elsewhere for the same", async () => {
    const project = new Project(FILES);
    await project.build(TEXT);
    utimesSync(join(project.dir, "f"), 1, 1);
    expect((await preview(project, TEXT)).allHit).toBe(true);
    const clone = new Project(FILES, project.store);
    expect((await preview(clone, TEXT)).allHit).toBe(true);
    clone.put({ f: "other" });
    expect((await preview(clone, TEXT)).steps[0]!.why).toBe("never built here");
    const twin = join(clone.dir, basename(project.dir));
    mkdirSync(twin);
    put(twin, { ...FILES, f: "other" });
    expect((await preview(clone, TEXT, { context: twin })).steps[0]!.why).toBe("1 of 1 file differs: f (content)");
  });

  it("tells of what was evicted, and of a layer that is gone", async () => {
    const project = new Project(FILES);
    await project.build(TEXT);
    const gone = await nacre(["prune", "--all", "--force"], { env: { NACRE_HOME: project.store } });
    expect(gone.code).toBe(0);
    const { steps } = await preview(project, TEXT);
    for (const { why } of steps) expect(why).toMatch(/^evicted by gc on \d{4}-\d\d-\d\d/);
    const result = await project.build(TEXT);
    const last = result.steps.find(({ label }) => label.endsWith("COPY h /h"));
    rmSync(join(project.store, "blobs/sha256", last!.layer!.diffId.slice(7)));
    const again = await preview(project, TEXT);
    expect(again.steps.map(({ why }) => why)).toContain("its layer is gone from the store");
  });

  it("fails as the build would fail", async () => {
    const project = new Project(FILES);
    await expect(preview(project, "FROM scratch\nCOPY nothing /\n")).rejects.toMatchObject({
      code: "SOURCE_NOT_FOUND",
    });
    await expect(preview(project, "FROM nowhere.invalid/x\n", { offline: true })).rejects.toMatchObject({
      code: "BASE_NOT_FOUND",
    });
  });
});

describe("sources on the network", () => {
  let server: Server | undefined;
  const requests: string[] = [];
  let content = "one";

  afterEach(() => {
    server?.close();
    requests.length = 0;
  });

  async function serve(): Promise<string> {
    server = createServer((request, response) => {
      requests.push(request.method ?? "");
      response.setHeader("ETag", `"${content}"`);
      response.end(request.method === "HEAD" ? undefined : content);
    });
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/f`;
  }

  it("are asked for with HEAD, and unknown until they are downloaded", async () => {
    const project = new Project(FILES);
    const text = `FROM scratch\nADD ${await serve()} /f\nCOPY h /h\n`;
    const first = await preview(project, text);
    expect(first.steps.map(({ why }) => why)).toEqual(["unknown until downloaded", "decided after step 1"]);
    expect(requests).toEqual([]);
    await project.build(text);
    requests.length = 0;
    expect((await preview(project, text)).allHit).toBe(true);
    expect(requests).toEqual(["HEAD"]);
    content = "two";
    expect(told(await preview(project, text))).toEqual([
      expect.stringMatching(/^ADD .*: unknown$/),
      "COPY h /h: unknown",
    ]);
    expect((await preview(project, text, { offline: true })).allHit).toBe(true);
  });
});

const noRun = process.getuid?.() !== 0 || ["busybox", "unshare", "setpriv", "tar"].some(toolMissing);

describe.skipIf(noRun)("RUN", () => {
  it("costs what it took last time, and what follows is decided by what it gives", async () => {
    const project = new Project({ ...FILES, list: "" });
    mkdirSync(join(project.dir, "bin"));
    for (const name of ["sh", "cat", "sleep"]) copyFileSync(requireTool("busybox"), join(project.dir, "bin", name));
    const text = (more: string) =>
      `FROM scratch\nCOPY --chmod=755 bin /bin\nRUN sleep 0.3; cat /bin/cat > /c${more}\nCOPY h /h\n`;
    await project.build(text(""));
    const result = await preview(project, text("; cat /c > /c"));
    expect(result.steps.map(({ outcome }) => outcome.kind)).toEqual(["hit", "miss", "undecided"]);
    expect(result.totals.cost).toBeGreaterThanOrEqual(300);
    expect(result.steps[1]!.reason).toMatchObject({ kind: "changed", changes: [{ what: "command" }] });
  });
});

describe("nacre plan", () => {
  it("prints a table, a sum and, on demand, JSON and an exit code", async () => {
    const project = new Project({ ...FILES, Dockerfile: TEXT });
    const env = { NACRE_HOME: project.store };
    const first = await nacre(["plan", "--exit-code", project.dir], { env });
    expect(first.code).toBe(3);
    expect(first.stdout).toContain("never built here");
    expect(first.stdout).toContain("0 of 3 steps from the cache, 3 to make");
    expect((await nacre(["build", "-q", project.dir], { env })).code).toBe(0);
    const second = await nacre(["plan", "--exit-code", project.dir], { env });
    expect(second.code).toBe(0);
    expect(second.stdout).toContain("3 of 3 steps from the cache");
    const json = await nacre(["build", "--dry-run", project.dir], { env });
    expect(json.stdout).toBe(second.stdout);
    const parsed = JSON.parse((await nacre(["plan", "--format", "json", project.dir], { env })).stdout) as BuildPreview;
    expect(parsed.allHit).toBe(true);
    project.put({ h: "changed" });
    const explained = await nacre(["plan", "--explain", project.dir], { env });
    expect(explained.stdout).toMatch(/COPY h \/h .*\n {4}1 of 1 file differs in h:\n {6}h \(content\)/);
  });
});

describe("a directory as a base", () => {
  it("is explained by its files", async () => {
    const project = new Project({ f: "F" });
    const base = new Project({ "etc/a": "A", "etc/b": "B" });
    const request = { buildContexts: { base: base.dir } };
    const text = "FROM base\nCOPY f /f\n";
    await project.build(text, request);
    expect((await preview(project, text, request)).allHit).toBe(true);
    base.put({ "etc/a": "changed" });
    const { steps } = await preview(project, text, request);
    expect(steps[0]).toMatchObject({ outcome: { kind: "miss" }, why: "1 of 2 files differs: etc/a (content)" });
  });
});
