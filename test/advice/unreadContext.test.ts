import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { adviseContext } from "../../src/advice/advice.js";
import type { Finding } from "../../src/advice/finding.js";
import { folder } from "../context/folder.js";

const MB = 1_000_000;

/** A folder with files of these sizes (sparse, so that they cost nothing) or contents. */
function sized(files: Readonly<Record<string, number | string>>): string {
  const root = folder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(root, name, ".."), { recursive: true });
    writeFileSync(join(root, name), typeof content === "string" ? content : "");
    if (typeof content === "number") truncateSync(join(root, name), content);
  }
  return root;
}

async function found(dockerfile: string, root: string): Promise<readonly Finding[]> {
  const all = await adviseContext({
    context: root,
    dockerfile: { kind: "text", text: dockerfile, name: "Dockerfile" },
  });
  return all.filter(({ rule }) => rule === "UnreadContext" || rule === "MissingIgnoreFile");
}

describe("large parts of the context that no step reads", () => {
  const root = (): string =>
    sized({ ".dockerignore": "", "src/a": "a", "data/raw/big.bin": 30 * MB, "movie [1].mp4": 12 * MB, "docs/x": 100 });

  test("are named by size, with lines for the ignore file", async () => {
    const [one, ...rest] = await found("FROM scratch\nCOPY src /src/\n", root());
    expect(rest).toEqual([]);
    expect(one).toMatchObject({
      rule: "UnreadContext",
      detail: expect.stringMatching(/^no step reads data\/ \(1 files?, 30MB\) and movie \[1\]\.mp4 \(12MB\)/),
      fix: "write into .dockerignore: data, movie \\[1\\].mp4 (one a line)",
    });
    expect(one!.place.range.start.line).toBe(2);
  });

  test("are told by the part that is not read, where a step reads another part", async () => {
    const one = await found(
      "FROM scratch\nCOPY data/small* src /\n",
      sized({ ".dockerignore": "", "data/small": "", "data/raw/x": 30 * MB, "src/a": "" }),
    );
    expect(one.map(({ fix }) => fix)).toEqual(["write into .dockerignore: data/raw"]);
  });

  test.each([
    ["a step copies them", "COPY src data /\nCOPY movie* /"],
    ["a step copies everything", "COPY . /"],
    ["a step mounts everything", "COPY src /\nRUN --mount=type=bind,target=/m true"],
    ["no step reads the context at all", "RUN true"],
  ])("are no trouble where %s", async (_, body) => {
    expect(await found(`FROM scratch\n${body}\n`, root())).toEqual([]);
  });

  test("are no trouble where a stage reads them that the target does not need", async () => {
    const dockerfile = "FROM scratch AS data\nCOPY data movie* /\nFROM scratch AS app\nCOPY src /\n";
    expect(await found(dockerfile, root())).toEqual([]);
  });

  test("are no trouble where they are ignored, or small", async () => {
    const files = { ".dockerignore": "data\n", "src/a": "", "data/big": 30 * MB, "docs/small": 9 * MB };
    expect(await found("FROM scratch\nCOPY src /\n", sized(files))).toEqual([]);
  });

  test("count by number too", async () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`tiles/${i % 10}/${i}`, ""]));
    const [one] = await found("FROM scratch\nCOPY src /\n", sized({ ".dockerignore": "", "src/a": "", ...many }));
    expect(one?.detail).toContain("tiles/ (1000 files, 0B)");
  });
});

describe("without an ignore file", () => {
  const made = { "package.json": "{}", "node_modules/x/big": 40 * MB, ".git/HEAD": "ref", ".git/pack": 20 * MB };

  test("trees that tools make are named, and which of them a step copies", async () => {
    const [one, ...rest] = await found("FROM scratch\nCOPY . /\n", sized(made));
    expect(rest).toEqual([]);
    expect(one).toMatchObject({
      rule: "MissingIgnoreFile",
      detail:
        "there is no .dockerignore, and node_modules/ (1 file, 40MB) and .git/ (2 files, 20MB) are in the context; node_modules and .git are copied into the image",
      fix: "write into .dockerignore: node_modules, .git (one a line)",
    });
  });

  test("an unread tree is told once", async () => {
    const all = await found("FROM scratch\nCOPY package.json /\n", sized(made));
    expect(all.map(({ rule }) => rule)).toEqual(["MissingIgnoreFile"]);
    expect(all[0]!.detail).not.toContain("copied");
  });

  test.each([
    ["a step names the tree", "COPY node_modules /n/", { "node_modules/x": 40 * MB }],
    ["a step takes something out of it", "COPY target/app.jar /", { "pom.xml": "", "target/app.jar": 40 * MB }],
    ["it is small", "COPY . /", { "node_modules/x": 10 }],
    ["a directory only has such a name", "COPY . /", { "target/x": 40 * MB, "env/y": 40 * MB }],
  ])("nothing is told where %s", async (_, body, files) => {
    expect(await found(`FROM scratch\n${body}\n`, sized(files))).toEqual([]);
  });
});
