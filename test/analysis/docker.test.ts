/** What Docker says of a set of small images (testdata/analysis, recorded), and what nacre says of the same ones. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { importArchive } from "../../src/archive/import.js";
import { openArchive } from "../../src/archive/read.js";
import { newStore, tempDir } from "../archive/images.js";
import { nacre } from "../cli/invocation.js";

interface Answer {
  readonly arguments: readonly string[];
  readonly now: number;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const testdata = new URL("../../testdata/analysis/", import.meta.url);
const { answers } = JSON.parse(readFileSync(new URL("docker.json", testdata), "utf8")) as {
  readonly answers: readonly Answer[];
};
let archive: string;
let home: string;

beforeAll(async () => {
  archive = join(tempDir(), "images.tar");
  writeFileSync(archive, gunzipSync(readFileSync(new URL("images.tar.gz", testdata))));
  const store = await newStore();
  home = store.path;
  const source = await openArchive(archive);
  const images = await importArchive(store, source);
  source.close();
  await store.setReferences(images.flatMap(({ names, descriptor }) => names.map((name) => ({ name, descriptor }))));
  // An image without a name, as other tools leave them in index.json.
  const nameless = images.filter(({ names }) => names.length === 0).map(({ descriptor }) => descriptor);
  expect(nameless).toHaveLength(1);
  const index = JSON.parse(readFileSync(join(home, "index.json"), "utf8")) as { manifests: unknown[] };
  writeFileSync(join(home, "index.json"), JSON.stringify({ ...index, manifests: [...index.manifests, ...nameless] }));
});

const run = (argv: readonly string[], now: number) => nacre(argv, { env: { NACRE_HOME: home }, now });
const linesOf = (text: string): string[] => text.split("\n").map((line) => line.trimEnd());
const jsonLines = (text: string) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const kind = (name: string, isJson: boolean) =>
  answers.filter(({ arguments: argv, code }) => argv[0] === name && code === 0 && argv.includes("json") === isJson);
const labelled = (list: readonly Answer[]) =>
  list.map((answer): [string, Answer] => [answer.arguments.join(" ").replaceAll("\t", "\\t"), answer]);

describe("histories are Docker's", () => {
  test.each(labelled(kind("history", false)))("%s", async (_name, answer) => {
    const { stdout, stderr, code } = await run(answer.arguments, answer.now);
    expect(linesOf(stdout)).toEqual(linesOf(answer.stdout));
    expect([stderr, code]).toEqual(["", 0]);
  });

  test.each(labelled(kind("history", true)))("%s", async (_name, answer) => {
    const { stdout } = await run(answer.arguments, answer.now);
    const wanted = jsonLines(answer.stdout);
    expect(jsonLines(stdout)).toMatchObject(wanted);
    expect(jsonLines(stdout)).toHaveLength(wanted.length);
  });

  test("also out of the archive itself, without a store", async () => {
    for (const name of ["plain:1", "odd:1"]) {
      const wanted = answers.find(({ arguments: argv }) => argv.join(" ") === `history ${name}`)!;
      const argv = ["history", `docker-archive:${archive}:${name}`];
      const { stdout } = await nacre(argv, { env: { NACRE_HOME: "/nowhere" }, now: wanted.now });
      expect(linesOf(stdout)).toEqual(linesOf(wanted.stdout));
    }
  });
});

describe("listings are Docker's", () => {
  // Images made at the same time stand in any order there; digests are those of manifests here.
  const comparable = labelled(kind("images", false)).filter(([name]) => !name.includes("--digests"));
  test.each(comparable)("%s", async (_name, answer) => {
    const { stdout, code } = await run(answer.arguments, answer.now);
    expect(linesOf(stdout).sort()).toEqual(linesOf(answer.stdout).sort());
    expect(code).toBe(0);
  });

  test("the newest image comes first, and names of one are sorted", async () => {
    const { stdout } = await run(["images", "--format", "{{.Repository}}:{{.Tag}}"], 0);
    const plain = ["plain:1", "plain:2", "registry.example:5000/team/plain:x"];
    expect(linesOf(stdout)).toEqual(["young:1", "odd:1", ...plain, "<none>:<none>", "epoch:1", ""]);
  });

  test("JSON has Docker's fields; digests and shared sizes are known here", async () => {
    const [answer] = kind("images", true);
    const rows = jsonLines((await run(answer!.arguments, answer!.now)).stdout);
    const wanted = jsonLines(answer!.stdout).map(
      ({ Containers: _c, Digest: _d, SharedSize: _s, UniqueSize: _u, VirtualSize: _v, ...row }) => row,
    );
    expect(rows).toMatchObject(wanted);
    expect(Object.keys(rows[0]!)).toEqual(expect.arrayContaining(Object.keys(jsonLines(answer!.stdout)[0]!)));
  });

  const refused = labelled(answers.filter(({ arguments: argv, code }) => argv[0] === "images" && code !== 0));
  test.each(refused)("%s is refused there and here", async (_name, { arguments: argv, now }) => {
    const { stdout, code, stderr } = await run(argv, now);
    expect(stdout).toBe("");
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(/hint: /);
  });
});

describe("inspections are Docker's", () => {
  const whole = answers.filter(({ arguments: argv }) => argv[0] === "image" && argv[1] === "inspect");
  test.each(labelled(whole))("%s", async (_name, answer) => {
    const { stdout } = await run(answer.arguments, answer.now);
    const [wanted] = JSON.parse(answer.stdout) as Record<string, unknown>[];
    // What was never in a registry has digests here all the same: those of manifests.
    const { RepoDigests: _, ...fields } = wanted!;
    expect(JSON.parse(stdout)).toMatchObject([fields]);
  });

  test("by a template", async () => {
    const answer = answers.find(({ arguments: argv }) => argv[0] === "inspect" && argv[1] === "--format")!;
    expect((await run(answer.arguments, answer.now)).stdout).toBe(answer.stdout);
  });

  test("what is there is printed though something else is not", async () => {
    const { stdout, stderr, code } = await run(["inspect", "--platform", "linux/amd64", "plain:1", "odd:9"], 0);
    expect(JSON.parse(stdout)).toMatchObject([{ RepoTags: expect.arrayContaining(["plain:1"]) }]);
    expect(stderr).toContain("odd:9");
    expect(code).toBe(1);
  });
});
