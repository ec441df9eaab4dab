import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { NacreError } from "../../src/support/errors.js";
import { nacre, type Outcome, tempDirectory } from "./invocation.js";

/** A directory with a context and a store of its own, and a way to run commands in that store. */
function workplace() {
  const root = tempDirectory();
  const context = join(root, "context");
  mkdirSync(context);
  writeFileSync(join(context, "greeting.txt"), "hello\n");
  writeFileSync(join(context, "Dockerfile"), 'FROM scratch\nCOPY greeting.txt /\nCMD ["/greeting.txt"]\n');
  const env = { NACRE_HOME: join(root, "store"), PATH: process.env.PATH ?? "" };
  const run = (...argv: string[]): Promise<Outcome> => nacre(argv, { env });
  return { root, context, env, run };
}

/** Runs a command that must succeed. @returns its standard output */
async function must(outcome: Promise<Outcome>): Promise<string> {
  const { code, stdout, stderr } = await outcome;
  expect(stderr).not.toContain("ERROR");
  expect(code).toBe(0);
  return stdout;
}

describe("a new machine", () => {
  test("listing, checking, pruning and info work before there is a store, and make none", async () => {
    const { env, run } = workplace();
    expect(await must(run("image", "ls"))).toMatch(/^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\n$/);
    await must(run("check"));
    await must(run("prune", "--force"));
    expect(await must(run("info"))).toContain("not made yet");
    expect(existsSync(env.NACRE_HOME)).toBe(false);
  });

  test("inspecting what is not there fails with 1", async () => {
    const { run } = workplace();
    expect(await run("inspect", "x")).toMatchObject({ code: 1 });
  });
});

describe("a first image", () => {
  test("is built, cached, listed, named, inspected, saved, removed", async () => {
    const { root, context, run } = workplace();
    const tar = join(root, "hello.tar");
    const first = await run("build", "-t", "hello:1", "-o", `type=oci,dest=${tar}`, context);
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/\[1\/1\] COPY greeting.txt \/\n[\s\S]*#\d+ DONE/);
    expect(first.stderr).toMatch(
      /\nbuilt hello:1\n {2}sha256:[0-9a-f]{64} .* \(0 of 1 steps cached\)\nwrote .*hello.tar \(oci\)\n$/,
    );
    const second = await run("build", "-t", "hello:1", context);
    expect(second.stderr).toMatch(/#\d+ CACHED\n[\s\S]*1 of 1 steps cached/);
    const digest = await must(run("build", "-q", context));
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}\n$/);

    expect(await must(run("image", "ls"))).toMatch(/\nhello +1 +[0-9a-f]{12} +.* ago +6B\n$/);
    await must(run("tag", "hello:1", "hello:2", "other"));
    const [id = ""] = (await must(run("images", "-q"))).split("\n");
    expect(id).toMatch(/^[0-9a-f]{12}$/);
    expect((await must(run("images", "hello"))).match(/\nhello/g)).toHaveLength(2);
    expect((await must(run("images", "hello:2"))).match(/\nhello/g)).toHaveLength(1);
    const [row] = (await must(run("images", "--no-trunc", "--format", "json", "other"))).split("\n");
    expect(JSON.parse(row!)).toMatchObject({ Repository: "other", Tag: "latest", SizeBytes: 6, Digest: digest.trim() });

    const inspected = JSON.parse(await must(run("inspect", id, "hello:2"))) as { Id: string; RepoTags: string[] }[];
    expect(inspected.map((image) => image.RepoTags)).toEqual(Array(2).fill(["hello:1", "hello:2", "other:latest"]));
    expect(await must(run("inspect", "--raw", "manifest", "other"))).toContain('"schemaVersion": 2');

    const removed = await run("rm", "hello:3", "hello:2");
    expect(removed).toMatchObject({ code: 1, stdout: "Untagged: hello:2\n" });
    expect(removed.stderr).toContain("did you mean hello:1?");
    expect(await must(run("rm", "--force", id))).toMatch(
      /^Untagged: hello:1\nUntagged: other:latest\nDeleted: sha256:/,
    );
    expect(await must(run("check"))).toContain("the store is sound");
  });

  test("is loaded from its own archive, and from a directory, with the same digest", async () => {
    const { root, context, run } = workplace();
    const layout = join(root, "layout");
    await must(run("build", "-q", "-t", "hello:1", "-o", `type=oci,tar=false,dest=${layout}`, context));
    const store = join(root, "second");
    expect(await must(run("--store", store, "load", layout))).toBe("Loaded image: hello:1\n");
    expect(await must(run("load", "--store", store, "-t", "new", "-i", layout))).toBe("Loaded image: new:latest\n");
    // One line for each name, as docker has it: the other store has a name more.
    const ids = await must(run("images", "--store", store, "-q"));
    expect(new Set(ids.split("\n"))).toEqual(new Set((await must(run("images", "-q"))).split("\n")));
  });

  test("is saved as it is, or in another compression, for other tools", async () => {
    const { root, context, run } = workplace();
    await must(run("build", "-q", "-t", "hello:1", context));
    for (const [format, compression] of [
      ["oci", "gzip"],
      ["docker", "none"],
      ["oci", "zstd"],
    ]) {
      const file = join(root, `${format}-${compression}.tar`);
      await must(run("save", "-o", file, "--format", format!, "--compression", compression!, "hello:1"));
      const transport = format === "oci" ? "oci-archive" : "docker-archive";
      const seen = spawnSync("skopeo", ["inspect", "--config", `${transport}:${file}`], { encoding: "utf8" });
      expect(seen.stderr).toBe("");
      expect(JSON.parse(seen.stdout)).toMatchObject({ config: { Cmd: ["/greeting.txt"] } });
    }
    const asItIs = join(root, "as-it-is");
    await must(run("save", "-o", asItIs, "--format", "oci-dir", "hello:1"));
    const digest = (await must(run("build", "-q", context))).trim();
    expect(readFileSync(join(asItIs, "index.json"), "utf8")).toContain(digest);
  });

  test("of a root file system is loaded as one layer, and serves as a base", async () => {
    const { root, context, run } = workplace();
    const tar = join(root, "rootfs.tar");
    expect(spawnSync("tar", ["-cf", tar, "-C", context, "."]).status).toBe(0);
    expect(await must(run("load", "--rootfs", "--tag", "base:1", tar))).toBe("Loaded image: base:1\n");
    writeFileSync(join(context, "Dockerfile"), "FROM base:1\nCOPY greeting.txt /again\n");
    await must(run("build", "-q", "-t", "app", context));
    const [image] = JSON.parse(await must(run("inspect", "app"))) as { Layers: { Files: number }[] }[];
    expect(image?.Layers.map(({ Files }) => Files)).toEqual([2, 1]);
  });
});

describe("failures", () => {
  test("a missing source is shown with its line, the nearest name and exit code 1; no output is left", async () => {
    const { root, context, run } = workplace();
    writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY greting.txt /\n");
    const tar = join(root, "x.tar");
    const { code, stderr } = await run("build", "-t", "x", "-o", `type=oci,dest=${tar}`, context);
    expect(code).toBe(1);
    expect(stderr).toContain("   2 | >>> COPY greting.txt /");
    expect(stderr).toMatch(/ERROR: .*greting\.txt.*\nhint: .*greeting\.txt/);
    expect(stderr).not.toMatch(/\n {4}at /);
    expect(readdirSync(root)).not.toContain("x.tar");
    expect(await must(run("image", "ls"))).not.toContain("\nx ");
    expect(await must(run("check"))).toContain("the store is sound");
  });

  test("with rawjson everything on standard error stays JSON, the error last", async () => {
    const { context, env } = workplace();
    const { code, stderr } = await nacre(["build", "--progress=rawjson", "-f", "-", context], {
      env,
      stdin: "FROM scratch\nCOPY nothing /\n",
    });
    expect(code).toBe(1);
    const lines = stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; code?: string });
    expect(lines.at(-1)).toMatchObject({ type: "error", code: "SOURCE_NOT_FOUND", place: { file: "-" } });
  });

  test("damage is found by check, told, and repaired", async () => {
    const { context, env, run } = workplace();
    await must(run("build", "-q", "-t", "hello", context));
    const blobs = join(env.NACRE_HOME, "blobs/sha256");
    const name = readdirSync(blobs)[0]!;
    spawnSync("chmod", ["u+w", join(blobs, name)]);
    writeFileSync(join(blobs, name), "damaged");
    const { code, stdout, stderr } = await run("check");
    expect(code).toBe(1);
    expect(stdout).toContain(`blob sha256:${name}`);
    expect(stderr).toContain("nacre check --repair");
    await must(run("check", "--repair"));
    expect(await must(run("check"))).toContain("the store is sound");
  });

  test("an archive without a name for its image asks for one, and keeps nothing", async () => {
    const { root, context, run } = workplace();
    const tar = join(root, "nameless.tar");
    await must(run("build", "-q", "-o", `type=oci,dest=${tar}`, context));
    const { code, stderr } = await run("load", tar);
    expect(code).toBe(2);
    expect(stderr).toContain("--tag NAME");
    expect(await must(run("load", "-t", "named", tar))).toBe("Loaded image: named:latest\n");
  });

  test("a build that is stopped says so, leaves no name and a sound store", async () => {
    const { context, env, run } = workplace();
    const controller = new AbortController();
    controller.abort();
    const { code, stderr } = await nacre(["build", "-t", "x", context], { env, signal: controller.signal });
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERROR: .*(cancel|stop)/);
    expect(await must(run("image", "ls"))).not.toContain("\nx ");
  });
});

test("a command that waits for its input ends when it is stopped", async () => {
  const { context, env } = workplace();
  for (const argv of [
    ["build", "-f", "-", context],
    ["load", "-"],
  ]) {
    const controller = new AbortController();
    const stdin = new PassThrough();
    stdin.once("newListener", () =>
      setImmediate(() => controller.abort(new NacreError("CANCELLED", "stopped by SIGINT"))),
    );
    const { code, stderr } = await nacre(argv, { env, stdin, signal: controller.signal });
    expect(stderr).toContain("ERROR: stopped by SIGINT");
    expect(code).toBe(1);
  }
});

describe("pruning", () => {
  test("says what goes and why, first dry, then in earnest; images stay", async () => {
    const { context, run } = workplace();
    await must(run("build", "-q", "-t", "kept", context));
    writeFileSync(join(context, "greeting.txt"), "another\n");
    await must(run("build", "-q", context));
    const dry = await must(run("prune", "--all", "--dry-run"));
    expect(dry).toMatch(/^KIND +NUMBER +SIZE +LAST USED +WHY\n/);
    expect(dry).toContain("Would free");
    const report = JSON.parse(await must(run("prune", "--all", "--force", "--format", "json"))) as { freed: number };
    expect(report.freed).toBeGreaterThan(0);
    expect(await must(run("prune", "--all"))).toContain("Nothing to remove");
    expect(await must(run("image", "ls", "-q"))).toMatch(/^[0-9a-f]{12}\n$/);
    expect(await must(run("check"))).toContain("the store is sound");
  });
});

test("info tells about the store as text and as JSON", async () => {
  const { context, env, run } = workplace();
  await must(run("build", "-q", "-t", "hello", context));
  expect(await must(run("info"))).toContain(`store:        ${env.NACRE_HOME}`);
  const info = JSON.parse(await must(run("info", "--format", "json"))) as {
    store: { images: number };
    tools: unknown[];
  };
  expect(info.store).toMatchObject({
    images: 1,
    path: env.NACRE_HOME,
    usage: { total: { bytes: expect.any(Number) } },
  });
  expect(info.tools).toContainEqual(expect.objectContaining({ name: "flock" }));
});

test("on a terminal the last frame shows the finished steps", async () => {
  const { context, env } = workplace();
  const { stderr } = await nacre(["build", context], { env: { ...env, NO_COLOR: "1" }, columns: 70 });
  expect(stderr).toMatch(/\[\+\] \d+\.\ds \((\d+)\/\1\) FINISHED\n/);
  expect(stderr).toMatch(/ => \[1\/1\] COPY greeting.txt \/ +\d+\.\ds\n/);
});
