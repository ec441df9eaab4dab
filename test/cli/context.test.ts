import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { nacre, tempDirectory } from "./invocation.js";

/** A project with an ignore file. */
function project(): string {
  const root = tempDirectory();
  const files: Record<string, string | number> = {
    ".dockerignore": "node_modules\n!node_modules/keep\n*.log\n",
    Dockerfile: "FROM scratch\nCOPY src /\n",
    "src/lib/deep/big.js": 2_000_000,
    "src/lib/deep/small.js": 1000,
    "docs/guide.md": 500,
    "node_modules/a/x": 3_000_000,
    "node_modules/keep/y": 10,
    "a.log": 5,
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), typeof content === "string" ? content : "");
    if (typeof content === "number") truncateSync(join(root, name), content);
  }
  return root;
}

describe("nacre context ls", () => {
  test("lists what a build can see; the sums go to standard error", async () => {
    const root = project();
    symlinkSync("src", join(root, "link"));
    const { code, stdout, stderr } = await nacre(["context", "ls", root]);
    expect(code).toBe(0);
    expect(stdout.split("\n")).toEqual([
      ...[
        ".dockerignore",
        "Dockerfile",
        "docs/",
        "docs/guide.md",
        "link -> src",
        "node_modules/",
        "node_modules/keep/",
      ],
      ...[
        "node_modules/keep/y",
        "src/",
        "src/lib/",
        "src/lib/deep/",
        "src/lib/deep/big.js",
        "src/lib/deep/small.js",
        "",
      ],
    ]);
    expect(stderr).toBe("6 files, 2MB; 2 files, 3MB ignored by .dockerignore\n");
  });

  test("--sizes shows the largest as a tree; lone directories share a row", async () => {
    const { stdout } = await nacre(["context", "ls", "--sizes", "--top", "3", project()]);
    expect(stdout).toBe(
      [
        "SIZE      FILES     PATH",
        "2MB       6         .",
        "2MB       2           src/lib/deep/",
        "2MB                     big.js",
        "1kB                     small.js",
        "",
      ].join("\n"),
    );
  });

  test("--ignored names the line that drops", async () => {
    const { stdout } = await nacre(["context", "ls", "--ignored", "--sizes", project()]);
    expect(stdout.split("\n").map((line) => line.trim().split(/ {2,}/))).toEqual([
      ["SIZE", "FILES", "PATH", "RULE"],
      ["3MB", "1", "node_modules/a/", ".dockerignore:1: node_modules"],
      ["5B", "1", "a.log", ".dockerignore:3: *.log"],
      [""],
    ]);
  });

  test("--used keeps to what the Dockerfile reads", async () => {
    const { stdout, stderr } = await nacre(["context", "ls", "--used", project()]);
    expect(stdout.split("\n")[0]).toBe("src/");
    expect(stdout).not.toContain("docs");
    expect(stderr).toContain("2 files, 2MB that steps read; 4 files, 572B that no step reads;");
  });

  test("--format json is one document", async () => {
    const { stdout } = await nacre(["context", "ls", "--format", "json", "--top", "1", project()]);
    expect(JSON.parse(stdout)).toMatchObject({
      ignoreFile: ".dockerignore",
      kept: { files: 6, bytes: 2_001_572 },
      ignored: { files: 2, bytes: 3_000_005 },
      entries: [{ path: "src/lib/deep/big.js", type: "file", size: 2_000_000, mode: "0644" }],
    });
  });

  test("names cannot drive the terminal", async () => {
    const root = project();
    writeFileSync(join(root, "a\u001b[2Jb\n"), "");
    const { stdout } = await nacre(["context", "ls", root]);
    expect(stdout).toContain("a\\x1b[2Jb\\x0a");
  });

  test("wrong usage", async () => {
    expect((await nacre(["context", "ls", "--top", "0"])).code).toBe(2);
    expect((await nacre(["context", "ls", "/no/such/directory"])).code).toBe(1);
  });
});

describe("nacre context why", () => {
  test("says for each path which rule decides, and where several had a say, each of them", async () => {
    const { code, stdout } = await nacre([
      "context",
      "why",
      "--context",
      project(),
      "src",
      "a.log",
      "node_modules/keep/y",
      "node_modules",
      "nope.log",
      "../x",
    ]);
    expect(code).toBe(1);
    expect(stdout).toBe(
      [
        "src: kept: no rule of .dockerignore matches",
        "a.log: dropped by .dockerignore:3: *.log",
        "node_modules/keep/y: kept by .dockerignore:2: !node_modules/keep (through node_modules/keep/)",
        "  .dockerignore:1: node_modules drops node_modules",
        "  .dockerignore:2: !node_modules/keep keeps node_modules/keep",
        "node_modules: kept only as a directory above node_modules/keep; .dockerignore:1: node_modules drops the rest",
        "nope.log: not there; .dockerignore:3: *.log would drop it",
        "../x: outside the context: COPY cannot reach it",
        "",
      ].join("\n"),
    );
  });

  test("ends with 0 if all is kept, 1 if something is not, 2 if it cannot tell", async () => {
    const root = project();
    const code = async (...words: string[]): Promise<number> =>
      (await nacre(["context", "why", "--context", root, ...words])).code;
    expect(await code("src", "Dockerfile")).toBe(0);
    expect(await code("src", "a.log")).toBe(1);
    expect(await code("nope")).toBe(1);
    expect(await code("--ignorefile", "nope", "src")).toBe(2);
    expect((await nacre(["context", "why"])).code).toBe(2);
    writeFileSync(join(root, ".dockerignore"), "a\n[\n");
    const broken = await nacre(["context", "why", "--context", root, "src"]);
    expect(broken).toMatchObject({ code: 2, stdout: "" });
    expect(broken.stderr).toMatch(/^\.dockerignore:2\n(?:.*\n)*ERROR: bad pattern "\["/);
  });

  test("--format json gives one object a path", async () => {
    const { stdout } = await nacre(["context", "why", "--context", project(), "--format", "json", "a.log", "src"]);
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { asked: "a.log", fate: "dropped", decision: { line: 3, pattern: "*.log" } },
      { asked: "src", fate: "kept" },
    ]);
  });
});

test("nacre build --ignorefile takes another ignore file", async () => {
  const root = project();
  const store = join(tempDirectory(), "store");
  const other = join(tempDirectory(), "rules");
  writeFileSync(other, "src\n");
  const build = (...words: string[]) => nacre(["build", "--store", store, ...words, root]);
  const refused = await build("--ignorefile", other);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`${other}, line 1 (src), keeps it out of the context`);
  expect((await build("--ignorefile", "/dev/null")).code).toBe(0);
});
