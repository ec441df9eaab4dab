/** Which Dockerfile a build reads, when it looks at its context, and what it takes from an image that stands for a name. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { BuildRequest } from "../../src/build/request.js";
import { loadImage } from "../../src/image/image.js";
import { Store } from "../../src/store/store.js";
import { sha256Hex } from "../../src/support/hash.js";
import { toolMissing } from "../setup/tools.js";
import { type Files, Project, put, scratch } from "./helpers.js";

/** The paths of what the Dockerfile in the context, or the one that is named, makes. */
async function pathsOf(files: Files, request: Partial<BuildRequest> = {}): Promise<readonly (string | undefined)[]> {
  const project = new Project(files);
  const result = await project.build("", { dockerfile: undefined, ...request });
  return (await project.files(result)).map((line) => line.split(" ")[0]);
}

describe("the Dockerfile of a directory", () => {
  test("is called Dockerfile, or dockerfile where there is no such", async () => {
    const lower = { dockerfile: "FROM scratch\nCOPY f /lower\n", f: "f" };
    expect(await pathsOf(lower)).toEqual(["lower"]);
    expect(await pathsOf({ ...lower, Dockerfile: "FROM scratch\nCOPY f /upper\n" })).toEqual(["upper"]);
  });

  test("may be a symlink", async () => {
    const files = { "real/app": "FROM scratch\nCOPY f /x\n", Dockerfile: { link: "real/app" }, f: "f" };
    expect(await pathsOf(files)).toEqual(["x"]);
  });

  test("may lie outside, with an ignore file of its own beside it", async () => {
    const dir = scratch();
    put(dir, { "My.file": "FROM scratch\nCOPY . /\n", "My.file.dockerignore": "a\n" });
    const dockerfile = { kind: "file", path: join(dir, "My.file") } as const;
    expect(await pathsOf({ a: "", b: "", ".dockerignore": "b\n" }, { dockerfile })).toEqual([".dockerignore", "b"]);
  });
});

test("a context that no step of the target reads is not looked at", async () => {
  const project = new Project({ f: "f" });
  const text = "FROM scratch AS unused\nCOPY f /\nFROM scratch AS a\nWORKDIR /w\nFROM scratch\nCOPY --from=a / /\n";
  await project.build(text);
  expect(JSON.stringify(project.events)).not.toContain("load build context");
  await project.build(text.replace("WORKDIR /w", "COPY f /"));
  expect(JSON.stringify(project.events)).toContain("load build context");
});

/** Serves a directory's files, until the test ends. */
async function serve(dir: string): Promise<string> {
  const server = createServer((request, response) => {
    try {
      response.end(readFileSync(join(dir, new URL(request.url ?? "", "http://x").pathname)));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve()).closeAllConnections()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a named context", () => {
  test("of an http address is one file called context, or the files of the archive that lies there", async () => {
    const dir = scratch();
    put(dir, { plain: "text", "t/a": "a", "t/d/b": "b" });
    execFileSync("tar", ["-czf", join(dir, "files"), "-C", join(dir, "t"), "a", "d"]);
    const origin = await serve(dir);
    const text = "FROM scratch\nCOPY --from=one / /one/\nCOPY --from=many / /many/\n";
    const project = new Project();
    const result = await project.build(text, {
      buildContexts: { one: `${origin}/plain`, many: `${origin}/files` },
    });
    const paths = (await project.files(result)).filter((line) => line.includes(" file "));
    expect(paths.map((line) => line.replace(/ file \d+/, ""))).toEqual(["many/a a", "many/d/b b", "one/context text"]);
  });

  test("docker-image:// is an image of the store, with its config", async () => {
    const project = new Project({ f: "f" });
    await project.build("FROM scratch\nCOPY f /made\nENV A=1\n", { tags: ["vendor/tools:1"] });
    const result = await project.build("FROM tools\nLABEL a=$A\nCOPY --from=tools /made /copy-$A\n", {
      buildContexts: { tools: "docker-image://vendor/tools:1" },
    });
    expect(await project.files(result)).toEqual(["copy-1 file 644 f", "made file 644 f"]);
  });
});

test.skipIf(toolMissing("git"))("BUILDKIT_CONTEXT_KEEP_GIT_DIR=1 keeps .git in a context of git", async () => {
  const [work, dir] = [scratch(), scratch()];
  put(work, { Dockerfile: "FROM scratch\nCOPY . /\n" });
  const git = (cwd: string, ...args: string[]) =>
    execFileSync("git", ["-c", "user.name=n", "-c", "user.email=n@example.org", ...args], {
      cwd,
      stdio: "pipe",
      env: { PATH: process.env.PATH, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
    });
  git(work, "init", "-q", "-b", "main");
  git(work, "add", "-A");
  git(work, "commit", "-q", "-m", "files");
  git(work, "clone", "-q", "--bare", ".", join(dir, "repo.git"));
  git(join(dir, "repo.git"), "update-server-info");
  const context = `${await serve(dir)}/repo.git`;
  expect(await pathsOf({}, { context })).toEqual(["Dockerfile"]);
  const kept = await pathsOf({}, { context, buildArgs: { BUILDKIT_CONTEXT_KEEP_GIT_DIR: "1" } });
  expect(kept).toContain(".git/HEAD");
});

test("the time that an image claims for itself is not that of what is built on it", async () => {
  const layout = scratch();
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  const blob = (mediaType: string, value: unknown) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const hex = sha256Hex(bytes);
    writeFileSync(join(layout, "blobs/sha256", hex), bytes);
    return { mediaType: `application/vnd.oci.image.${mediaType}.v1+json`, digest: `sha256:${hex}`, size: bytes.length };
  };
  const image = {
    ...{ architecture: "amd64", os: "linux", created: "2031-01-01T00:00:00Z", config: {} },
    history: [{ created: "2021-01-01T00:00:00Z", created_by: "x", empty_layer: true }],
    rootfs: { type: "layers", diff_ids: [] },
  };
  const manifest = blob("manifest", { schemaVersion: 2, config: blob("config", image), layers: [] });
  writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  const project = new Project();
  const result = await project.build("FROM base\nLABEL a=1\n", {
    buildContexts: { base: `oci-layout://${layout}` },
    platform: "linux/amd64",
  });
  const store = await Store.open(project.store);
  const { config } = loadImage(store, result.descriptor);
  await store.close();
  expect(config.config?.Labels).toEqual({ a: "1" });
  expect(Date.parse(config.created ?? "")).toBeLessThan(Date.parse("2031-01-01"));
});
