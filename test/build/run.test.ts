/** RUN, from a Dockerfile to an image: what is executed, what is cached, what is told and what is kept. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { BuildRequest, FailedRun } from "../../src/build/request.js";
import { findBuild } from "../../src/store/builds.js";
import { openLog } from "../../src/store/logs.js";
import { Store } from "../../src/store/store.js";
import type { NacreError } from "../../src/support/errors.js";
import { nacre } from "../cli/invocation.js";
import { requireTool, toolMissing } from "../setup/tools.js";
import { Project, scratch } from "./helpers.js";

const missing = ["busybox", "unshare", "setpriv", "tar"].some(toolMissing);
const TOOLS = ["sh", "cat", "echo", "sleep", "rm", "touch", "mkdir", "id", "head", "ls", "grep", "env"];

/** A project whose context has a directory of programs. */
function project(): Project {
  const made = new Project({ "data/a": "a\n", "data/b": "b\n" });
  mkdirSync(join(made.dir, "bin"));
  for (const name of TOOLS) copyFileSync(requireTool("busybox"), join(made.dir, "bin", name));
  return made;
}

const BASE = "FROM scratch\nCOPY --chmod=0755 bin /bin\n";

async function failureOf(work: Promise<unknown>): Promise<NacreError> {
  return work.then(
    () => expect.fail("the build succeeded"),
    (error: NacreError) => error,
  );
}

/** What the steps of a build wrote. */
async function logsOf(made: Project): Promise<string[]> {
  const store = await Store.open(made.store);
  try {
    const logs: string[] = [];
    for (const { log } of findBuild(store).steps) {
      if (log === undefined) continue;
      const parts: Buffer[] = [];
      for await (const part of openLog(store, log) ?? []) parts.push(Buffer.from(part));
      logs.push(Buffer.concat(parts).toString());
    }
    return logs;
  } finally {
    await store.close();
  }
}

/** All bytes of all files below a directory. */
function allBytes(dir: string): string {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n");
}

describe.skipIf(process.getuid?.() !== 0 || missing)("RUN", () => {
  it("makes a layer of what the command changes, on top of layers that are only composed", async () => {
    const made = project();
    const result = await made.build(
      `${BASE}COPY data /data\nRUN rm /data/a && echo new > /data/c\nCOPY data/a /data/d\nRUN cat /data/b /data/c /data/d > /all\n`,
    );
    const files = await made.files(result);
    expect(files.filter((line) => line.startsWith("data") || line.startsWith("all"))).toEqual([
      expect.stringMatching(/^all .*a?/),
      expect.stringContaining("data dir"),
      expect.stringMatching(/^data\/b /),
      expect.stringMatching(/^data\/c .*new/),
      expect.stringMatching(/^data\/d .*a/),
    ]);
  });

  it("is answered by the cache, without a sandbox, until something that it observes changes", async () => {
    const made = project();
    const dockerfile = `${BASE}ARG A=1\nENV E=1\nUSER 0\nRUN echo $A\n`;
    const outcome = async (text: string, request: Partial<BuildRequest> = {}) =>
      (await made.build(text, request)).steps.at(-1)?.outcome;
    expect(await outcome(dockerfile)).toBe("done");
    expect(await outcome(dockerfile)).toBe("cached");
    expect(await outcome(dockerfile.replace("RUN", "LABEL l=1\nEXPOSE 80\nRUN"))).toBe("cached");
    expect(await outcome(dockerfile, { buildArgs: { HTTP_PROXY: "http://p" } })).toBe("cached");
    expect(await outcome(dockerfile, { limits: { memory: 2 ** 32, timeout: 60_000 } })).toBe("cached");
    for (const changed of [
      dockerfile.replace("A=1", "A=2"),
      dockerfile.replace("E=1", "E=2"),
      dockerfile.replace("USER 0", "USER 1"),
      dockerfile.replace("RUN", "WORKDIR /bin\nRUN"),
      dockerfile.replace("RUN", 'SHELL ["/bin/sh", "-ec"]\nRUN'),
      dockerfile.replace("RUN", "RUN --network=none"),
      dockerfile.replace("echo", "echo and"),
    ]) {
      expect(await outcome(changed), changed).toBe("done");
    }
    expect(await outcome(dockerfile, { hosts: [{ name: "h", ip: "10.0.0.1" }] })).toBe("done");
    expect(await outcome(dockerfile, { noCache: true })).toBe("done");
  });

  it("that fails tells exit code, place and last lines, and keeps the whole output", async () => {
    const made = project();
    const error = await failureOf(
      made.build(`${BASE}RUN for i in 1 2 3; do echo line $i; done; echo to stderr >&2; exit 7\n`),
    );
    expect(error).toMatchObject({ code: "RUN_FAILED", place: { range: { start: { line: 3 } } } });
    expect(error.message).toMatch(/^process "\/bin\/sh -c for i .*" did not complete successfully: exit code: 7$/);
    expect(error.facts.tail).toEqual(["line 1", "line 2", "line 3", "to stderr"]);
    expect(await logsOf(made)).toEqual(["line 1\nline 2\nline 3\nto stderr\n"]);
  });

  it("that fails stops the steps beside it, and nothing of the build becomes visible", async () => {
    const made = project();
    const started = Date.now();
    const error = await failureOf(
      made.build(
        `${BASE.replace("scratch", "scratch AS base")}FROM base AS slow\nRUN sleep 60\nFROM base\nRUN sleep 0.2; exit 3\nCOPY --from=slow /bin/sh /x\n`,
        { tags: ["failed:1"], jobs: 4 },
      ),
    );
    expect(error.code).toBe("RUN_FAILED");
    expect(Date.now() - started).toBeLessThan(30_000);
    const store = await Store.open(made.store);
    expect(store.listReferences()).toEqual([]);
    await store.close();
  });

  it("keeps stages apart that run at the same time", async () => {
    const made = project();
    await made.build(
      `${BASE.replace("scratch", "scratch AS base")}FROM base AS one\nRUN for i in 1 2 3; do echo one; sleep 0.1; done\nFROM base AS two\nRUN for i in 1 2 3; do echo two; sleep 0.1; done\nFROM base\nCOPY --from=one /bin/sh /1\nCOPY --from=two /bin/sh /2\n`,
      { jobs: 4 },
    );
    expect((await logsOf(made)).sort()).toEqual(["one\none\none\n", "two\ntwo\ntwo\n"]);
  });

  it("never lets a secret into image, store or log", async () => {
    const made = project();
    const canary = "canary-0123456789-abcdefghij";
    const file = join(scratch(), "secret");
    writeFileSync(file, canary);
    const result = await made.build(
      `${BASE}RUN --mount=type=secret,id=f,required --mount=type=secret,id=e,env=TOKEN head -c 6 /run/secrets/f; echo; test "$TOKEN" = ${"$"}(cat /run/secrets/f) && echo same > /seen\n`
        .replace("test ", "[ ")
        .replace("cat /run/secrets/f) &&", "cat /run/secrets/f) ] &&"),
      { secrets: [`id=f,src=${file}`, `id=e,src=${file}`] },
    );
    expect(await made.files(result)).toContainEqual(expect.stringMatching(/^seen .*same/));
    expect((await made.files(result)).filter((line) => line.startsWith("run"))).toEqual([]);
    expect(allBytes(made.store)).not.toContain(canary);
    expect(JSON.stringify(made.events)).not.toContain(canary);
    expect(await logsOf(made)).toEqual(["canary\n"]);
  });

  it("with a required secret that was not given says which flag gives it", async () => {
    const made = project();
    const error = await failureOf(made.build(`${BASE}RUN --mount=type=secret,id=f,required true\n`));
    expect(error).toMatchObject({ code: "MOUNT", message: "secret f: not found" });
    expect(error.hint).toContain("--secret id=f");
  });

  it("sees a bind mount of the context by content, and executes again only if that changes", async () => {
    const made = project();
    const dockerfile = `${BASE}RUN --mount=type=bind,source=data,target=/mnt cat /mnt/a > /out; ls /mnt >> /out\n`;
    const first = await made.build(dockerfile);
    expect(await made.files(first)).toContainEqual(expect.stringMatching(/^out /));
    expect((await made.files(first)).filter((line) => line.startsWith("mnt"))).toEqual([]);
    made.put({ "other/file": "no matter\n" });
    expect((await made.build(dockerfile)).steps.at(-1)?.outcome).toBe("cached");
    made.put({ "data/a": "changed\n" });
    expect((await made.build(dockerfile)).steps.at(-1)?.outcome).toBe("done");
  });

  it("keeps a cache mount from build to build, and --no-cache empties it", async () => {
    const made = project();
    const dockerfile = (n: number) =>
      `${BASE}RUN --mount=type=cache,target=/cache echo ${n} >> /cache/list; cat /cache/list\n`;
    await made.build(dockerfile(1));
    await made.build(dockerfile(2));
    expect(await logsOf(made)).toEqual(["1\n2\n"]);
    await made.build(dockerfile(3), { noCache: true });
    expect(await logsOf(made)).toEqual(["3\n"]);
    const listed = await nacre(["cache", "ls", "--type", "mounts", "--format", "json"], {
      env: { NACRE_HOME: made.store },
    });
    expect(JSON.parse(listed.stdout)).toMatchObject({ id: "/cache", files: 1, inUse: false });
  });

  it("hands a failed root over before it is removed", async () => {
    const made = project();
    const seen: FailedRun[] = [];
    const onFailedRun = async (failed: FailedRun): Promise<void> => void seen.push(failed);
    await failureOf(made.build(`${BASE}RUN echo said; exit 1\n`, { onFailedRun }));
    expect(seen).toMatchObject([{ message: expect.stringContaining("exit code: 1"), tail: ["said"] }]);
  });

  it("is stopped when its time is over", async () => {
    const made = project();
    const error = await failureOf(made.build(`${BASE}RUN sleep 100\n`, { limits: { timeout: 300 } }));
    expect(error).toMatchObject({ code: "RUN_FAILED", message: expect.stringContaining("stopped after 0.3s") });
    expect(error.hint).toContain("--step-timeout");
  });

  it("that runs out of memory says so in place of an exit code", async () => {
    const made = project();
    const text = `${BASE}RUN x=1; while :; do x=$x$x; done\n`;
    const error = await failureOf(made.build(text, { limits: { memory: 32 << 20, memorySwap: 32 << 20 } }));
    // Where no control group can be made, the limit is refused.
    if (error.code === "ISOLATION") return;
    expect(error.message).toMatch(/^process ".*" did not complete successfully: cannot allocate memory$/);
  });

  it("leaves nothing in the store's tmp, whatever happened", async () => {
    const made = project();
    await made.build(`${BASE}RUN touch /x\n`);
    await failureOf(made.build(`${BASE}RUN touch /y && exit 1\n`));
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 500);
    await failureOf(made.build(`${BASE}RUN sleep 100\n`, { signal: abort.signal }));
    // What begins with `u.` says that a blob is not known to be on disk yet.
    expect(readdirSync(join(made.store, "tmp")).filter((name) => !name.startsWith("u."))).toEqual([]);
  });

  it("gives a cached step's first output to nacre logs", async () => {
    const made = project();
    const dockerfile = `${BASE}RUN echo hello from the step\n`;
    await made.build(dockerfile);
    await made.build(dockerfile);
    const env = { NACRE_HOME: made.store };
    const shown = await nacre(["logs"], { env });
    expect(shown.stdout).toContain("hello from the step");
    expect(shown.stdout).toContain("(cached)");
    expect((await nacre(["logs", "--list"], { env })).stdout.split("\n")).toHaveLength(4);
    expect(await nacre(["logs", "--failed"], { env })).toMatchObject({ code: 2 });
  });

  it("that writes a hundred megabytes is logged whole, and told without being gathered", async () => {
    const made = project();
    await made.build(`${BASE}RUN head -c 100000000 /dev/zero\n`, { emit: () => {} });
    const [log] = readdirSync(join(made.store, "logs"));
    expect(statSync(join(made.store, "logs", log!)).size).toBe(100_000_000);
  });
});
