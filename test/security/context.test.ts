/** Nothing outside of the build context is ever opened, whatever links lie in it. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { nacre } from "../cli/invocation.js";
import { freshDirectory, listing, makeProbe } from "./world.js";

const cli = fileURLToPath(new URL("../../bin/nacre.js", import.meta.url));
const canTrace = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;

/** A context whose links all lead to a probe. */
function hostileContext(H: string): string {
  const context = freshDirectory();
  mkdirSync(join(context, "real"));
  writeFileSync(join(context, "real", "file"), "x");
  symlinkSync(H, join(context, "absolute"));
  symlinkSync(join("..", "..", H), join(context, "real", "upwards"));
  symlinkSync(`${H}/f`, join(context, "file"));
  symlinkSync("absolute", join(context, "twice"));
  writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY . /all/\nCOPY */*.txt* real* /some/\n");
  return context;
}

/** Sources that would lead to the probe's file, were they followed on the host. */
const SOURCES = ["absolute/f", "file", "twice/sub/g", "real/upwards/f", "absolute/*", "*/f", "../H/f", "/../../H/f"];

test("links in the context are copied as links, and never followed out of it", async () => {
  const probe = makeProbe();
  const context = hostileContext(probe.path);
  const out = join(freshDirectory(), "out");
  const env = { NACRE_HOME: join(freshDirectory(), "store") };
  expect(await nacre(["build", "-o", out, context], { env })).toMatchObject({ code: 0 });
  expect(
    listing(out)
      .filter((path) => path.startsWith("all/"))
      .join("\n"),
  ).toContain(`all/absolute -> ${probe.path}`);
  for (const source of SOURCES) {
    writeFileSync(join(context, "Dockerfile"), `FROM scratch\nCOPY ${source} /x/\n`);
    const { code, stderr } = await nacre(["build", "-o", out, context], { env });
    // A wildcard may match nothing (BuildKit).
    expect(`${source}: ${code}`).toBe(`${source}: ${source.includes("*") ? 0 : 1}`);
    if (code === 1) expect(stderr).toMatch(/ERROR: .*not found/);
    expect(spawnSync("grep", ["-r", "precious", out]).status).toBe(1);
  }
  probe.expectUntouched();
});

test.runIf(canTrace)("no system call opens anything there", () => {
  const probe = makeProbe();
  const context = hostileContext(probe.path);
  const trace = join(freshDirectory(), "trace");
  const flags = ["-f", "-y", "-e", "trace=open,openat,openat2,creat,readlink,readlinkat", "-o", trace];
  const env = { ...process.env, NACRE_HOME: join(freshDirectory(), "store") };
  execFileSync("strace", [...flags, process.execPath, cli, "build", "-q", context], { env, stdio: "pipe" });
  const calls = readFileSync(trace, "utf8").split("\n");
  expect(calls.some((line) => line.includes("real"))).toBe(true);
  const opened = calls.filter((line) => /\b(open|openat|openat2|creat)\(/.test(line) && line.includes(probe.path));
  expect(opened).toEqual([]);
  probe.expectUntouched();
});
