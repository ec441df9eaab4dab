import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { tempDirectory } from "./invocation.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = join(root, "bin/nacre.js");

beforeAll(() => {
  if (existsSync(join(root, "dist/cli/main.js"))) return;
  spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"], {
    cwd: root,
  });
});

function workplace() {
  const directory = tempDirectory();
  const context = join(directory, "context");
  mkdirSync(context);
  writeFileSync(join(context, "file"), Buffer.alloc(4 << 20, 7));
  writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY file /\n");
  return { directory, context, env: { ...process.env, NACRE_HOME: join(directory, "store"), NACRE_DEBUG: "" } };
}

/** Waits for the end of a process. */
function ended(child: ChildProcess): Promise<{ code: number | null; signal: string | null; stderr: string }> {
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal, stderr })));
}

/** Sends a signal once the process has printed something that matches. */
function signalAfter(child: ChildProcess, pattern: RegExp, signal: NodeJS.Signals): void {
  let seen = "";
  const look = (chunk: Buffer): void => {
    seen += chunk.toString();
    if (!pattern.test(seen)) return;
    child.stderr?.off("data", look);
    child.kill(signal);
  };
  child.stderr?.on("data", look);
}

describe("the process", () => {
  test.each([
    [["version"], 0],
    [["bulid"], 2],
    [["build"], 2],
    [["inspect", "nothing"], 1],
    [["image", "ls"], 0],
  ])("nacre %j exits with %d", (argv, code) => {
    const { env } = workplace();
    const { status, stderr } = spawnSync(process.execPath, [bin, ...argv], { env, encoding: "utf8" });
    expect(status).toBe(code);
    expect(stderr).not.toMatch(/\n {4}at /);
  });

  test("a reader that goes away is no failure worth a message", async () => {
    const { env } = workplace();
    const child = spawn(process.execPath, [bin, "build", "--help"], { env, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    const { stderr } = await ended(child);
    expect(stderr).toBe("");
  });

  test("a full disk under standard output is a failure", () => {
    if (!existsSync("/dev/full")) return;
    const { env } = workplace();
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [bin, "version"], { env, stdio: ["ignore", full, "pipe"] });
    expect(status).toBe(1);
    expect(stderr.toString()).toContain("ENOSPC");
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s while a build writes its output ends it with %d, and leaves a sound store", async (signal, code) => {
    const { context, env } = workplace();
    // No one reads standard output, so the build cannot end by itself.
    const child = spawn(process.execPath, [bin, "build", "-t", "x", "-o", "-", context], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const end = ended(child);
    signalAfter(child, /exporting/, signal);
    child.stderr.once("end", () => child.stdout.resume());
    const { code: actual, stderr } = await end;
    expect(stderr).toMatch(/ERROR: .*(cancel|stop)/);
    expect(actual).toBe(code);
    const check = spawnSync(process.execPath, [bin, "check"], { env, encoding: "utf8" });
    expect(check.stdout).toContain("the store is sound");
    expect(spawnSync(process.execPath, [bin, "images", "-q"], { env, encoding: "utf8" }).stdout).toBe("");
  });
});

test("no command loads the library before it runs: help and wrong usage stay quick", () => {
  const cli = join(root, "src/cli");
  const files = readdirSync(cli, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const eager = files.filter((name) =>
    /^(?:import|export) (?!type\b)[^;]*from "(?:\.\.\/)+index\.js";/m.test(readFileSync(join(cli, name), "utf8")),
  );
  expect(files.length).toBeGreaterThan(20);
  expect(eager).toEqual([]);
});
