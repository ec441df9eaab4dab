/** Builds that are verified: the same image again, and what keeps it from being that. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { verifyBuild } from "../../src/advice/advice.js";
import type { BuildVerification, VerifyBuildRequest } from "../../src/advice/verifyBuild.js";
import { listBuilds } from "../../src/store/builds.js";
import { Store } from "../../src/store/store.js";
import { Project } from "../build/helpers.js";
import { nacre } from "../cli/invocation.js";
import { requireTool, toolMissing } from "../setup/tools.js";

function verify(project: Project, text: string, more: Partial<VerifyBuildRequest> = {}): Promise<BuildVerification> {
  const dockerfile = { kind: "text", text, name: "Dockerfile" } as const;
  return verifyBuild({ context: project.dir, dockerfile, store: project.store, ...more });
}

const EPOCH = { sourceDateEpoch: 1_700_000_000, reproducible: true };
const COPY = "FROM scratch\nCOPY src /app/src\n";

test("with all times set, copies make the same image; without, times are the cause", async () => {
  const project = new Project({ "src/a": "a" });
  const same = await verify(project, COPY, EPOCH);
  expect(same).toMatchObject({ reproducible: true, causes: [] });
  expect(new Set(same.builds).size).toBe(1);
  const times = await verify(project, COPY);
  expect(times).toMatchObject({ reproducible: false, differs: 2 });
  expect(new Set(times.causes.map((cause) => cause.class))).toEqual(new Set(["mtime", "created"]));
  expect(times.causes[0]).toMatchObject({ class: "mtime", path: "app", layer: 0, line: { line: 2 } });
  const store = await Store.open(project.store);
  try {
    // No name and no build of them stays.
    expect(store.references.entries()).toEqual([]);
    expect(listBuilds(store)).toEqual([]);
  } finally {
    await store.close();
  }
});

test("a file that is another one in the second build is named with its instruction", async () => {
  const project = new Project({ "src/a": "a", "src/b": "b" });
  const onProgress = (doing: string): void => {
    if (doing === "build 2 of 3") writeFileSync(join(project.dir, "src/b"), "B!");
  };
  const result = await verify(project, `${COPY}ENV A=b\n`, { ...EPOCH, times: 3, onProgress });
  expect(result).toMatchObject({ reproducible: false, differs: 2 });
  expect(result.builds).toHaveLength(2);
  expect(result.causes).toMatchObject([
    { class: "content", path: "app/src/b", layer: 0, createdBy: "COPY src /app/src # buildkit", line: { line: 2 } },
  ]);
});

test("a build is compared with an image: the same however it is compressed, or another", async () => {
  const project = new Project({ "src/a": "a" });
  const path = join(project.dir, "image.tar");
  const form = {
    compression: { type: "gzip", force: false },
    rewriteTimestamp: false,
    annotations: new Map(),
  } as const;
  await project.build(COPY, {
    ...EPOCH,
    outputs: [{ type: "oci", destination: { kind: "path", path }, tar: true, ...form }],
  });
  const against = `oci-archive:${path}`;
  const same = await verify(project, COPY, { ...EPOCH, against });
  expect(same).toMatchObject({ reproducible: true, against: { digest: expect.stringMatching(/^sha256:/) } });
  expect(same.builds).toHaveLength(1);
  const other = await verify(project, `${COPY}LABEL a=b\n`, { ...EPOCH, against });
  expect(other.reproducible).toBe(false);
  expect(other.causes.map(({ field }) => field)).toContain("config.Labels");
});

test("one build cannot be compared with nothing", async () => {
  await expect(verify(new Project({}), COPY, { times: 1 })).rejects.toMatchObject({ code: "USAGE" });
});

describe.skipIf(process.getuid?.() !== 0 || toolMissing("busybox"))("builds that run programs", () => {
  test("are told apart from those that write the time down", async () => {
    const project = new Project({});
    mkdirSync(join(project.dir, "bin"));
    copyFileSync(requireTool("busybox"), join(project.dir, "bin/sh"));
    const base = "FROM scratch\nCOPY bin /bin\n";
    expect((await verify(project, `${base}RUN echo always > /x\n`, EPOCH)).reproducible).toBe(true);
    const result = await verify(
      project,
      `${base}RUN echo always > /x\nRUN /bin/sh -c 'read u _ < /proc/uptime; echo $u > /stamp'\n`,
      EPOCH,
    );
    expect(result.causes).toMatchObject([{ class: "content", path: "stamp", layer: 2, line: { line: 4 } }]);
  });
});

describe("nacre verify DIRECTORY", () => {
  const run = (project: Project, ...words: string[]) =>
    nacre(["--store", project.store, "verify", ...words], { env: { SOURCE_DATE_EPOCH: "1700000000" } });

  test("tells the verdict by its exit code, the first cause, and all on demand", async () => {
    const project = new Project({ Dockerfile: COPY, "src/a": "a" });
    const same = await run(project, project.dir, "--reproducible");
    expect(same).toMatchObject({ code: 0, stdout: expect.stringContaining("the same image") });
    const differs = await nacre(["--store", project.store, "verify", join(project.dir, "Dockerfile")]);
    expect(differs.code).toBe(1);
    expect(differs.stdout).toMatch(
      /build 2 differs from build 1\n {2}mtime: \/app has another mtime.*\n {6}layer 0, .*:2: COPY src/,
    );
    expect(differs.stdout).toMatch(/… and \d more: see them with --all/);
    expect(differs.stderr).toContain("hint: only times differ");
  });

  test("ends with 2 if it cannot be built, or what it is asked makes no sense", async () => {
    const project = new Project({ Dockerfile: "FROM scratch\nCOPY gone /\n" });
    for (const words of [
      [project.dir],
      [project.dir, "--times", "0"],
      [project.dir, "--against", "oci:/nowhere"],
      ["./nothing"],
    ]) {
      const outcome = await run(project, ...words);
      expect(outcome).toMatchObject({ code: 2, stderr: expect.stringMatching(/^ERROR: /m) });
    }
  });

  test("takes an image layout in a directory for an image", async () => {
    const project = new Project({ "oci-layout": "{}", "index.json": "{}", Dockerfile: COPY });
    expect(await run(project, project.dir)).toMatchObject({ code: 1, stdout: expect.stringContaining("document") });
  });
});
