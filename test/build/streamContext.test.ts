/** Contexts that come as a stream: archives, compressed or not, and a Dockerfile alone (what Docker did was looked at). */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { BuildRequest } from "../../src/build/request.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";
import { type Files, layersOf, outcomes, Project, put, scratch } from "./helpers.js";

/** Pieces of one stream, cut anywhere. */
async function* pieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function tarOf(files: Files, prepare: (dir: string) => void = () => {}, flags: readonly string[] = []): Buffer {
  const dir = scratch();
  put(dir, files);
  chmodSync(dir, 0o755);
  prepare(dir);
  return execFileSync("tar", ["-C", dir, ...flags, "-cf", "-", "."], { maxBuffer: 1 << 28 });
}

function streamed(bytes: Uint8Array, more: Partial<BuildRequest> = {}): Partial<BuildRequest> {
  return { context: { stream: pieces(bytes) }, dockerfile: undefined, ...more };
}

async function failure(work: Promise<unknown>): Promise<NacreError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isNacreError(error)) throw new Error(`no failure, or another one: ${String(error)}`);
  return error;
}

const FILES: Files = { Dockerfile: "FROM scratch\nCOPY d /d\nCOPY f /\n", f: "F", "d/g": "G", ".dockerignore": "f\n" };

describe("an archive on standard input", () => {
  test.each([
    ["as it is", []],
    ["gzip", ["--gzip"]],
    ["bzip2", ["--bzip2"]],
    ["xz", ["--xz"]],
    ["zstd", ["--use-compress-program", "zstd"]],
  ])("is the context (%s), and its ignore file says nothing", async (_, flags) => {
    const project = new Project();
    const bytes = tarOf(FILES, undefined, flags);
    const result = await project.build("", streamed(bytes));
    expect(await project.files(result)).toEqual(["d dir 755", "d/g file 644 G", "f file 644 F"]);
  });

  test("keeps owners, modes and links as they are in it", async () => {
    const project = new Project();
    const dockerfile = "FROM scratch\nCOPY . /x\n";
    const bytes = tarOf({ ...FILES, Dockerfile: dockerfile, l: { link: "f" } }, (dir) => {
      chmodSync(join(dir, "f"), 0o640);
      if (process.getuid?.() === 0) chownSync(join(dir, "f"), 1000, 1001);
    });
    const out = scratch();
    const destination = { kind: "path" as const, path: join(out, "x.tar") };
    await project.build("", streamed(bytes, { outputs: [{ type: "tar", destination }] }));
    const listing = execFileSync("tar", ["--numeric-owner", "-tvf", destination.path], { encoding: "utf8" });
    const owner = process.getuid?.() === 0 ? "1000/1001" : `${process.getuid?.()}/${process.getgid?.()}`;
    expect(listing).toMatch(new RegExp(`^-rw-r----- ${owner} .* x/f$`, "m"));
    expect(listing).toMatch(/ x\/l -> f$/m);
  });

  test("is keyed by its files: what did not change is not built again", async () => {
    const project = new Project();
    await project.build("", streamed(tarOf(FILES)));
    expect(outcomes(await project.build("", streamed(tarOf(FILES))))).toEqual([
      "COPY d /d: cached",
      "COPY f /: cached",
    ]);
    const changed = await project.build("", streamed(tarOf({ ...FILES, f: "changed" })));
    expect(outcomes(changed)).toEqual(["COPY d /d: cached", "COPY f /: done"]);
  });

  test("gives the same layers as a directory with the same files", async () => {
    const project = new Project();
    const dir = scratch();
    put(dir, FILES);
    const dockerfile = "FROM scratch\nCOPY d /d\nADD d /e/\n";
    const directory = await project.build(dockerfile, { context: dir, reproducible: true });
    const bytes = execFileSync("tar", ["-C", dir, "--owner=0", "--group=0", "-cf", "-", "."]);
    const named = { kind: "text" as const, text: dockerfile, name: "Dockerfile" };
    const archive = await project.build("", streamed(bytes, { dockerfile: named, reproducible: true }));
    expect(layersOf(archive)).toEqual(layersOf(directory));
  });

  test("may hold the Dockerfile anywhere", async () => {
    const project = new Project();
    const bytes = tarOf({ "ci/Other": "FROM scratch\nCOPY a /\n", a: "A" });
    const result = await project.build("", streamed(bytes, { dockerfile: { kind: "file", path: "ci/Other" } }));
    expect(await project.files(result)).toEqual(["a file 644 A"]);
  });

  test("takes archives in it apart for ADD", async () => {
    const project = new Project();
    const inner = tarOf({ deep: "D" }).toString("latin1");
    const dir = scratch();
    put(dir, { Dockerfile: "FROM scratch\nADD in.tar /x/\n" });
    execFileSync("sh", ["-c", `cat > "$1"`, "sh", join(dir, "in.tar")], { input: Buffer.from(inner, "latin1") });
    const result = await project.build("", streamed(execFileSync("tar", ["-C", dir, "-cf", "-", "."])));
    expect(await project.files(result)).toEqual(["x dir 755", "x/deep file 644 D"]);
  });

  test("fails with the name of what is missing in it", async () => {
    const project = new Project();
    const missing = await failure(project.build("", streamed(tarOf({ f: "F" }))));
    expect(missing).toMatchObject({
      code: "DOCKERFILE_MISSING",
      message: "failed to read dockerfile: open Dockerfile: no such file or directory",
    });
    const source = await failure(
      project.build("", streamed(tarOf({ Dockerfile: "FROM scratch\nCOPY g /\n", f: "F" }))),
    );
    expect(source).toMatchObject({ code: "SOURCE_NOT_FOUND" });
    expect(source.message).toContain(`"/g": not found`);
  });

  test.each([0.3, 0.7, 0.99])(
    "that ends too early (%s of it) is no context, and leaves nothing behind",
    async (part) => {
      const project = new Project();
      const bytes = tarOf({ ...FILES, big: "x".repeat(200_000) }, undefined, ["--gzip"]);
      const error = await failure(project.build("", streamed(bytes.subarray(0, Math.floor(bytes.length * part)))));
      expect(["COMPRESSION", "TAR_INVALID"]).toContain(error.code);
      expect(readdirSync(join(project.store, "tmp"))).toEqual([]);
    },
  );
});

describe("a Dockerfile on standard input", () => {
  test("has an empty context", async () => {
    const project = new Project();
    const result = await project.build("", streamed(Buffer.from("FROM scratch\nCOPY . /n/\nCOPY <<E /e\nhi\nE\n")));
    expect(await project.files(result)).toEqual(["e file 644 hi\n", "n dir 755"]);
  });

  test("cannot be named by -f too", async () => {
    const project = new Project();
    const dockerfile = { kind: "file" as const, path: "Dockerfile" };
    const error = await failure(project.build("", streamed(Buffer.from("FROM scratch\n"), { dockerfile })));
    expect(error.message).toBe("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
  });

  test("that is empty is an empty Dockerfile", async () => {
    const error = await failure(new Project().build("", streamed(Buffer.alloc(0))));
    expect(error.message).toBe("the Dockerfile cannot be empty");
  });

  test("that is too big is not read to its end", async () => {
    const project = new Project();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield Buffer.alloc(1 << 20, "# nothing\n");
    }
    const error = await failure(project.build("", { context: { stream: endless() }, dockerfile: undefined }));
    expect(error.code).toBe("LIMIT_EXCEEDED");
  });
});

describe("the command", () => {
  const cli = join(import.meta.dirname, "../../bin/nacre.js");
  const run = (args: readonly string[], input: Uint8Array) =>
    spawnSync(process.execPath, [cli, "build", "-q", ...args], {
      input,
      encoding: "utf8",
      env: { ...process.env, NACRE_HOME: join(scratch(), "store") },
    });

  test("takes - for standard input", () => {
    const { status, stdout, stderr } = run(["-"], tarOf(FILES));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  });

  test("does not take both the context and the Dockerfile from it", () => {
    const { status, stderr } = run(["-f", "-", "-"], tarOf(FILES));
    expect(status).toBe(2);
    expect(stderr).toContain("can't use stdin for both build context and dockerfile");
  });
});
