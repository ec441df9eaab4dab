import { execFileSync } from "node:child_process";
import { chmodSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { explainContextPaths, listContext } from "../../src/advice/advice.js";
import { readIgnoreFile } from "../../src/context/ignoreFile.js";
import { openLocalContext } from "../../src/context/local.js";
import { folder, pathsOf } from "../context/folder.js";

const FILES = {
  ".dockerignore": "node_modules\n!node_modules/b/c\n*.log\n",
  Dockerfile:
    "FROM scratch\nARG D=src\nCOPY $D /\nCOPY --exclude=*.md docs /d/\nRUN --mount=type=bind,source=tool,target=/t true\n",
  "src/a.js": "12345",
  "docs/a.txt": "1",
  "docs/b.md": "22",
  "node_modules/x/big": "0123456789",
  "node_modules/b/c/y": "1",
  "a.log": "x",
  tool: "1",
  "other/x": "1",
};

describe("the listing of a context", () => {
  test("has what the rules keep, sums of both sides, and what is dropped with its rule", async () => {
    const root = folder(FILES);
    symlinkSync("src", join(root, "link"));
    chmodSync(join(root, "tool"), 0o755);
    const listing = await listContext({ context: root });
    expect(listing).toMatchObject({ context: root, ignoreFile: ".dockerignore", dropped: { files: 2, bytes: 11 } });
    expect(listing.entries).toContainEqual({ path: "link", type: "symlink", size: 0, mode: "0777", link: "src" });
    expect(listing.entries).toContainEqual({ path: "tool", type: "file", size: 1, mode: "0755" });
    expect(listing.entries.map(({ path }) => path)).toEqual(
      expect.arrayContaining(["node_modules", "node_modules/b/c/y"]),
    );
    expect(listing.droppedEntries).toEqual([
      { path: "a.log", type: "file", files: 1, bytes: 1, line: 3, pattern: "*.log" },
      { path: "node_modules/x", type: "dir", files: 1, bytes: 10, line: 1, pattern: "node_modules" },
    ]);
    const sum = listing.entries.reduce((total, { size }) => total + size, 0);
    expect(listing.kept.bytes).toBe(sum);
    expect(listing.sizes).toMatchObject({ path: "", bytes: sum, files: listing.kept.files });
  });

  test("keeps to what steps read, if asked, arguments and exclusions applied", async () => {
    const listing = await listContext({ context: folder(FILES), used: true });
    expect(listing.entries.map(({ path }) => path)).toEqual(["docs", "docs/a.txt", "src", "src/a.js", "tool"]);
    expect(listing.unused!.files).toBe(5);
    const other = await listContext({ context: folder(FILES), used: true, buildArgs: { D: "other" } });
    expect(other.entries.map(({ path }) => path)).toContain("other/x");
  });

  test("needs no Dockerfile, but takes the ignore file that belongs to one", async () => {
    const root = folder({
      a: "",
      b: "",
      ".dockerignore": "a",
      "x.Dockerfile.dockerignore": "b",
      ".containerignore": "",
    });
    const paths = async (more: object): Promise<string[]> =>
      (await listContext({ context: root, ...more })).entries
        .map(({ path }) => path)
        .filter((path) => path.length === 1);
    expect(await paths({})).toEqual(["b"]);
    expect(await paths({ dockerfile: { kind: "file", path: join(root, "x.Dockerfile") } })).toEqual(["a"]);
    expect(await paths({ ignoreFile: "/dev/null" })).toEqual(["a", "b"]);
    await expect(listContext({ context: root, ignoreFile: "nope" })).rejects.toMatchObject({
      code: "CONTEXT_UNREADABLE",
    });
  });

  test("tells of a .containerignore only where nothing else applies", async () => {
    const root = folder({ ".containerignore": "a" });
    expect((await listContext({ context: root })).remark).toMatch(/^\.containerignore is not read, as in docker build/);
    expect(
      (await listContext({ context: folder({ ".containerignore": "a", ".dockerignore": "" }) })).remark,
    ).toBeUndefined();
  });

  test("keeps and sums exactly what a build sees, whatever the rules", async () => {
    const name = fc.constantFrom("a", "b", "c.log");
    const path = fc.array(name, { minLength: 2, maxLength: 4 }).map(
      (parts) =>
        `${parts
          .slice(0, -1)
          .map((part) => `d${part}`)
          .join("/")}/${parts.at(-1)}`,
    );
    const line = fc.tuple(
      fc.constantFrom("", "!"),
      fc.array(fc.constantFrom("da", "db", "a", "*", "**", "*.log"), { minLength: 1, maxLength: 3 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(path, { minLength: 1, maxLength: 8 }),
        fc.array(line, { maxLength: 5 }),
        async (paths, lines) => {
          const ignore = lines.map(([mark, words]) => mark + words.join("/")).join("\n");
          const root = folder({ ...Object.fromEntries(paths.map((one) => [one, one])), ".dockerignore": ignore });
          const context = await openLocalContext({ root, ignore: readIgnoreFile({ root }) });
          const listing = await listContext({ context: root });
          const listed = listing.entries.map(({ path: one, type }) => (type === "dir" ? `${one}/` : one));
          expect(listed).toEqual(pathsOf(context));
          const count = execFileSync("find", [root, "-type", "f"]).toString().trim().split("\n").length;
          expect(listing.kept.files + listing.dropped.files).toBe(count);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("why a path is in the context, or is not", () => {
  const explain = async (root: string, ...paths: string[]) =>
    (await explainContextPaths({ context: root }, paths)).map(
      ({ fate, decision }) => `${fate} ${decision?.line ?? "-"}`,
    );

  test("names the rule", async () => {
    const root = folder(FILES);
    expect(
      await explain(root, "src/a.js", "a.log", "node_modules/x/big", "node_modules/b/c/y", "node_modules"),
    ).toEqual(["kept -", "dropped 3", "dropped 1", "kept 2", "parent 1"]);
    expect(
      await explain(root, "nope", "nope.log", "../x", "/src", join(root, "a.log"), "/etc/passwd", ".", "src/../a.log"),
    ).toEqual(["missing -", "missing 3", "outside -", "kept -", "dropped 3", "outside -", "kept -", "dropped 3"]);
  });

  test("follows symlinks in directories, inside the context", async () => {
    const root = folder(FILES);
    symlinkSync("/node_modules", join(root, "modules"));
    const [path] = await explainContextPaths({ context: root }, ["modules/x/big"]);
    expect(path).toMatchObject({
      path: "node_modules/x/big",
      fate: "dropped",
      through: { path: "modules", target: "/node_modules" },
    });
  });

  test("says that a build reads its Dockerfile and ignore file whatever the rules say", async () => {
    const root = folder({ Dockerfile: "FROM scratch", ".dockerignore": "*" });
    const explained = await explainContextPaths({ context: root }, ["Dockerfile", ".dockerignore"]);
    expect(explained.map(({ role, fate }) => `${role} ${fate}`)).toEqual(["dockerfile dropped", "ignorefile dropped"]);
  });
});
