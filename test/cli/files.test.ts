/** `nacre tree`, `cat`, `extract` and `which` as people run them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { expect, test } from "vitest";
import { runCommand } from "../../src/cli/main.js";
import type { Member } from "../archive/images.js";
import { makeImage, writeLayout } from "../registry/servers/images.js";
import { nacre, tempDirectory } from "./invocation.js";

const LAYERS: readonly (readonly Member[])[] = [
  [
    { path: "bin", type: "dir", mode: 0o755 },
    { path: "bin/su", content: "#!su\n", mode: 0o4755 },
    { path: "bin/sh", type: "symlink", link: "su" },
    { path: "etc", type: "dir", mode: 0o755 },
    { path: "etc/conf", content: "a=1\n" },
    { path: "etc/old", content: "x".repeat(2000) },
    { path: "tmp", type: "dir", mode: 0o1777 },
    { path: "dev/null", type: "char", devMajor: 1, devMinor: 3, mode: 0o666 },
  ],
  [
    { path: "etc", type: "dir", mode: 0o755 },
    { path: "etc/.wh.old", content: "" },
    { path: "etc/conf", content: "a=2\n", uid: 10, gid: 20 },
    { path: "evil\x1b]0;title\x07\n<b>", type: "symlink", link: "=cmd()", mode: 0o777 },
    { path: "raw", content: Buffer.from([0, 1, 2, 255]) },
    { path: "colour", content: "\x1b[31mred\x1b[0m\ttab\n" },
  ],
];
const image = (layers = LAYERS): string => `oci:${writeLayout(makeImage({ layers }), "v1")}:v1`;
const store = (): string => join(tempDirectory(), "store");
const run = (command: string, ...args: readonly string[]) => nacre([command, "--store", store(), ...args]);

/** Runs a command whose standard output is a terminal. */
async function onTerminal(...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [Object.assign(new PassThrough(), { isTTY: true }), new PassThrough()];
  const texts = ["", ""];
  stdout.on("data", (chunk: Buffer) => (texts[0] += chunk.toString("latin1")));
  stderr.on("data", (chunk: Buffer) => (texts[1] += chunk.toString()));
  const signal = new AbortController().signal;
  const code = await runCommand(argv, { stdin: Readable.from([]), stdout, stderr, env: {}, now: Date.now, signal });
  return { code, stdout: texts[0]!, stderr: texts[1]! };
}

test("tree shows what a container sees, with the sizes of directories", async () => {
  const { code, stdout, stderr } = await run("tree", image());
  expect(code).toBe(0);
  expect(stdout.split("\n")).toEqual([
    "drwxr-xr-x  0:0         30B  /",
    "drwxr-xr-x  0:0          5B  ├── bin/",
    "lrw-r--r--  0:0           -  │   ├── sh -> su",
    "-rwsr-xr-x  0:0          5B  │   └── su",
    "-rw-r--r--  0:0         17B  ├── colour",
    "drwxr-xr-x  0:0          0B  ├── dev/",
    "crw-rw-rw-  0:0         1,3  │   └── null",
    "drwxr-xr-x  0:0          4B  ├── etc/",
    "-rw-r--r--  10:20        4B  │   └── conf",
    "lrwxrwxrwx  0:0           -  ├── evil\\x1b]0;title\\x07\\x0a<b> -> =cmd()",
    "-rw-r--r--  0:0          4B  ├── raw",
    "drwxrwxrwt  0:0          0B  └── tmp/",
    "",
    "5 directories, 7 files, 30B",
    "",
  ]);
  expect(stderr).toBe("");
});

test("tree shows what a layer does to those below", async () => {
  const { stdout } = await run("tree", image(), "--layer", "1");
  expect(stdout.split("\n")).toEqual([
    "= drwxr-xr-x  0:0         25B  /  [removes 2kB]",
    "A -rw-r--r--  0:0         17B  ├── colour",
    "= drwxr-xr-x  0:0          4B  ├── etc/  [removes 2kB]",
    "M -rw-r--r--  10:20        4B  │   ├── conf  [content, owner]",
    "R -rw-r--r--  0:0        -2kB  │   └── old",
    "A lrwxrwxrwx  0:0           -  ├── evil\\x1b]0;title\\x07\\x0a<b> -> =cmd()",
    "A -rw-r--r--  0:0          4B  └── raw",
    "",
    "2 directories, 4 files, 25B: 3 added, 1 modified, 0 touched, 1 removed, 1 unchanged; 2kB of lower layers removed",
    "",
  ]);
  const only = await run("tree", image(), "--layer", "1", "--change", "removed,modified", "--format", "table");
  expect(
    only.stdout
      .split("\n")
      .slice(1, 3)
      .map((line) => line.replace(/ +/g, " ")),
  ).toEqual(["M -rw-r--r-- 10:20 4B /etc/conf [content, owner]", "R -rw-r--r-- 0:0 -2kB /etc/old"]);
});

test("tree says when there is more below, and shows all of it on demand", async () => {
  const deep = image([[{ path: "a/b/c/d", content: "1" }]]);
  const cut = await run("tree", deep);
  expect(cut.stdout).not.toContain("c/");
  expect(cut.stderr).toBe("note: 2 levels are shown; more with --depth\n");
  const all = await run("tree", deep, "--depth", "all");
  expect(all.stdout).toContain("└── d");
  expect(all.stderr).toBe("");
});

test("tree gives the biggest, and lists for programs and spreadsheets", async () => {
  const top = await run("tree", image(), "--up-to", "0", "--top", "2");
  expect(top.stdout.split("\n")).toEqual([
    "MODE        OWNER      SIZE  LAYER  PATH",
    "-rw-r--r--  0:0         2kB      0  /etc/old",
    "-rwsr-xr-x  0:0          5B      0  /bin/su",
    "",
  ]);
  const json = (await run("tree", image(), "/etc", "--format", "json")).stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(json[0]).toMatchObject({ schema: "nacre.tree/1", totals: { files: 1, directories: 1, bytes: 4 } });
  expect(json.slice(1).map(({ path, mode, layer }) => [path, mode, layer])).toEqual([
    ["/etc", "0755", 1],
    ["/etc/conf", "0644", 1],
  ]);
  const csv = (await run("tree", image(), "--format", "csv", "--glob", "evil*")).stdout.split("\n");
  expect(csv[1]).toMatch(/^\/evil\\x1b\]0;title\\x07\\x0a<b>,symlink,0777,0,0,0,2023-11-14T22:13:20.000Z,'=cmd\(\),1,/);
});

test.each([
  [["--layer", "7"], 'there is no layer "7"'],
  [["--layer", "0", "--up-to", "1"], "cannot be used with"],
  [["--change", "removd", "--layer", "0"], 'unknown change "removd"'],
  [["--change", "removed"], "changes are those of one layer"],
  [["--regex", "("], "no regular expression"],
  [["--top", "many"], "--top is a number"],
  [["--format", "xml"], 'unknown format "xml"'],
])("tree with %j is wrong usage", async (flags, message) => {
  const { code, stderr } = await run("tree", image(), ...flags);
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
});

test("cat prints bytes as they are, and on a terminal only text, harmless", async () => {
  expect((await run("cat", image(), "/bin/sh", "etc/conf")).stdout).toBe("#!su\na=2\n");
  expect((await run("cat", image(), "/etc/conf", "--layer", "0")).stdout).toBe("a=1\n");
  const shown = await onTerminal("cat", "--store", store(), image(), "/colour");
  expect(shown.stdout).toBe("\\x1b[31mred\\x1b[0m\ttab\n");
  const refused = await onTerminal("cat", "--store", store(), image(), "/raw");
  expect(refused).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("--force") });
  expect((await onTerminal("cat", "--store", store(), image(), "/raw", "--force")).stdout).toBe("\0\x01\x02\xff");
  expect(await run("cat", image(), "/none")).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining("there is no /none"),
  });
});

test("extract writes to the disk, tells what it left out, and keeps to its flags", async () => {
  const destination = join(tempDirectory(), "out");
  const first = await run("extract", image(), "/", destination);
  expect(first).toMatchObject({ code: 0, stdout: "4 files (30B), 4 directories, 2 links\n" });
  expect(first.stderr).toBe("note: left out: /dev/null (devices are made with --devices, as root)\n");
  expect(readFileSync(join(destination, "etc/conf"), "utf8")).toBe("a=2\n");
  expect(await run("extract", image(), "/etc", join(destination, "etc"))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("is there already"),
  });
  expect(await run("extract", image(), "/etc", join(destination, "etc"), "-n")).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("there already"),
  });
  const json = JSON.parse(
    (await run("extract", image(), "/etc", join(destination, "etc"), "-f", "--format", "json")).stdout,
  );
  expect(json).toMatchObject({ schema: "nacre.extract/1", files: 1, bytes: 4 });
  expect(await run("extract", image(), "/etc")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("give a destination"),
  });
  expect(await onTerminal("extract", "--store", store(), image(), "/etc", "-o", "-")).toMatchObject({
    code: 2,
    stdout: "",
  });
  const tar = join(tempDirectory(), "etc.tar");
  expect(await run("extract", image(), "/etc", "-o", tar)).toMatchObject({
    code: 0,
    stdout: "1 file (4B), 0 directories, 0 links\n",
  });
  expect(existsSync(tar)).toBe(true);
});

test("which names the layers and their instructions, of a path that is gone too", async () => {
  const { code, stdout } = await run("which", image(), "/etc/old");
  expect(code).toBe(0);
  const lines = stdout.split("\n");
  expect(lines[0]).toMatch(/^LAYER +ACTION +SIZE +MODE +OWNER +DIGEST +INSTRUCTION$/);
  expect(lines[1]).toMatch(/^0 [0-9a-f]{12} +added +2kB +-rw-r--r-- +0:0 +[0-9a-f]{12} +RUN layer 0$/);
  expect(lines[2]).toMatch(/^1 [0-9a-f]{12} +removed +- +- +- +- +RUN layer 1$/);
  expect(lines[3]).toBe("/etc/old is gone from the image; what layers stored of it is still part of it.");
  const json = JSON.parse((await run("which", image(), "etc/conf", "--format", "json")).stdout);
  expect(
    json.versions.map(({ action, reasons }: { action: string; reasons: string[] }) => [action, ...reasons]),
  ).toEqual([["added"], ["modified", "content", "owner"]]);
  expect(await run("which", image(), "/none")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("no layer of"),
  });
});
