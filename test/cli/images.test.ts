/** Commands that look into images, as they are typed. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { makeImage, makeIndex, writeLayout } from "../registry/servers/images.js";
import { nacre, tempDirectory } from "./invocation.js";

let home: string;
const run = (...argv: readonly string[]) => nacre(argv, { env: { NACRE_HOME: home } });
const must = async (...argv: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(...argv);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
};

beforeEach(async () => {
  const root = tempDirectory();
  home = join(root, "store");
  mkdirSync(join(root, "context"));
  writeFileSync(join(root, "context/a"), "x".repeat(2000));
  const dockerfile = 'FROM scratch\nCOPY a /one\n\nENV TEXT="a b"\nCOPY a /two\n';
  writeFileSync(join(root, "context/Dockerfile"), dockerfile);
  expect((await run("build", "-q", "-t", "app:1", join(root, "context"))).code).toBe(0);
});

describe("history", () => {
  test("--layers tells sizes, a running total, files and lines of the Dockerfile", async () => {
    const lines = (await must("history", "--layers", "app:1")).trimEnd().split("\n");
    expect(lines[0]).toMatch(/^LAYER +CREATED +CREATED BY +SIZE +COMPRESSED +CUM +FILES +WASTE +LINE$/);
    expect(lines[1]).toMatch(/^[0-9a-f]{12} .* COPY a \/two # buildkit +2kB +\S+ +4kB +1 +0B +5$/);
    expect(lines[2]).toMatch(/^- .* ENV TEXT=a b +0B +- +2kB +- +-$/);
    expect(lines[3]).toMatch(/ COPY a \/one # buildkit +2kB +\S+ +2kB +1 +0B +2$/);
  });

  test("--dockerfile prints one", async () => {
    expect(await must("image", "history", "--dockerfile", "app:1")).toMatch(
      /^# Reconstructed .*\nFROM scratch\nCOPY a \/one\nENV TEXT="a b"\nCOPY a \/two\n$/,
    );
  });

  test("-H=false, --human=false and --no-human are the same; -H is the default", async () => {
    const plain = await must("history", "--no-human", "app:1");
    expect(plain).toMatch(/CREATED AT.*\n.* 2000 /);
    expect(await must("history", "-H=false", "app:1")).toBe(plain);
    expect(await must("history", "--human=false", "app:1")).toBe(plain);
    expect(await must("history", "-H", "app:1")).toBe(await must("history", "app:1"));
  });

  test("names that could drive a terminal are shown harmless, in every form", async () => {
    const created_by = "RUN evil\u001b[2Jtext\u202e\nnext";
    const config = { history: [{ created_by }], config: { Labels: { "a\u001b[1m": "\u001b[2J" } } };
    const spec = `oci:${writeLayout(makeImage({ layers: [[{ path: "x" }]], config }))}`;
    for (const flags of [
      [],
      ["--no-trunc"],
      ["--layers"],
      ["--format", "{{.CreatedBy}}"],
      ["--dockerfile"],
      ["--format", "json"],
    ]) {
      const text = await must("history", ...flags, spec);
      expect(text).not.toMatch(/[\u001b\u202e]/);
      expect(text).toContain("evil");
    }
    for (const flags of [[], ["--format", "{{json .Config}}"], ["--format", "{{.History}}"]]) {
      expect(await must("inspect", ...flags, spec)).not.toMatch(/[\u001b\u202e]/);
    }
  });

  test("an image that is nowhere ends with 1, and says where it was looked for", async () => {
    const { code, stderr } = await run("history", "store:nothing");
    expect(code).toBe(1);
    expect(stderr).toContain('no image "nothing" in the store');
  });
});

describe("image ls", () => {
  test("--tree shows platforms, those that are not in the store too", async () => {
    const index = makeIndex([makeImage(), makeImage({ config: { architecture: "arm64" } })]);
    expect((await run("load", "--all-platforms", "-t", "multi:1", writeLayout(index))).code).toBe(0);
    const lines = (await must("images", "--tree")).trimEnd().split("\n");
    const at = lines.findIndex((line) => line.startsWith("multi:1"));
    expect(lines[0]).toMatch(/^IMAGE +ID +PLATFORM +SIZE$/);
    expect(lines[at + 1]).toMatch(/^├─ linux\/amd64 +[0-9a-f]{12} +linux\/amd64 +\S+B$/);
    expect(lines[at + 2]).toMatch(/^└─ linux\/arm64 +[0-9a-f]{12} +linux\/arm64 +\S+B$/);
  });

  test("the model of the sizes stands above them", async () => {
    expect(await must("images", "--size", "content")).toMatch(/CONTENT SIZE\n/);
    expect(await must("images", "--size=disk")).toMatch(/DISK USAGE\n/);
    const [row] = (await must("images", "--size=disk", "--format", "json")).split("\n");
    expect(JSON.parse(row!)).toMatchObject({ SizeModel: "disk", SizeBytes: expect.any(Number) });
  });

  test("templates see labels and facts", async () => {
    const text = await must("images", "--format", "{{.Repository}} {{.Platform}} {{.SizeBytes}} {{len .Labels}}");
    expect(text).toMatch(/^app linux\/\w+ 4000 0\n$/);
  });
});

describe("inspect", () => {
  test("takes archives and templates", async () => {
    const spec = `oci:${writeLayout(makeImage({ layers: [[{ path: "x", content: "abc" }]] }))}`;
    expect(
      await must("inspect", "--format", "{{.Architecture}} {{.Size}} {{range .Layers}}{{.Files}}{{end}}", spec),
    ).toBe("amd64 3 1\n");
    const [image] = JSON.parse(await must("inspect", spec)) as Record<string, unknown>[];
    expect(image).toMatchObject({ SchemaVersion: 1, RepoTags: [], RepoDigests: [], Size: 3 });
  });

  test("tells the line of the Dockerfile that made a layer", async () => {
    const text = await must("inspect", "--format", "{{range .Layers}}{{.DockerfileLine}} {{end}}", "app:1");
    expect(text).toBe("2 5 \n");
  });
});
