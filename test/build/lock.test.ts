/** Base images from a registry, and the file that locks them: against the real docker-registry. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { updateLock } from "../../src/build/lock.js";
import { startRegistry, type TestRegistry } from "../registry/servers/dockerRegistry.js";
import { toolMissing } from "../setup/tools.js";
import { Project } from "./helpers.js";

describe.skipIf(toolMissing("docker-registry"))("a base image in a registry", () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startRegistry({});
  });
  afterAll(() => registry.stop());

  const form = {
    compression: { type: "gzip" as const, force: false },
    rewriteTimestamp: false,
    annotations: new Map(),
  };
  /** Pushes an image with one file. @returns its digest */
  async function push(name: string, content: string): Promise<string> {
    const project = new Project({ f: content });
    const outputs = [{ type: "registry" as const, ...form }];
    return (await project.build("FROM scratch\nCOPY f /f\n", { tags: [name], outputs })).digest;
  }

  test("is pulled where the store has none, and not asked for again", async () => {
    const name = `${registry.host}/once:1`;
    await push(name, "one");
    const project = new Project({ g: "G" });
    const dockerfile = `FROM ${name}\nCOPY g /\nCOPY --from=${name} /f /copy\n`;
    expect(await project.files(await project.build(dockerfile))).toEqual([
      "copy file 644 one",
      "f file 644 one",
      "g file 644 G",
    ]);
    await push(name, "two");
    expect(await project.files(await project.build(dockerfile))).toContain("f file 644 one");
    expect(await project.files(await project.build(dockerfile, { pull: true }))).toContain("f file 644 two");
  });

  test("can be named by its digest", async () => {
    const digest = await push(`${registry.host}/digest:1`, "old");
    await push(`${registry.host}/digest:1`, "new");
    const project = new Project();
    const result = await project.build(`FROM ${registry.host}/digest:1@${digest}\nLABEL a=b\n`);
    expect(await project.files(result)).toEqual(["f file 644 old"]);
  });

  test("that is not there is told of with its place", async () => {
    const work = new Project().build(`FROM scratch AS a\nFROM ${registry.host}/nowhere:1\n`);
    await expect(work).rejects.toMatchObject({ code: "BASE_NOT_FOUND", place: { range: { start: { line: 2 } } } });
  });

  test("is not asked for offline", async () => {
    const name = `${registry.host}/offline:1`;
    await push(name, "x");
    const work = new Project().build(`FROM ${name}\n`, { offline: true });
    await expect(work).rejects.toMatchObject({ code: "BASE_NOT_FOUND" });
  });

  test("is locked: later builds take the same, whatever the name has come to mean", async () => {
    const name = `${registry.host}/locked:1`;
    const digest = await push(name, "first");
    const project = new Project();
    const dockerfile = `FROM ${name}\nLABEL a=b\n`;
    await project.build(dockerfile, { lock: "write" });
    const path = join(project.dir, "nacre.lock");
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ version: 1, images: { [name]: { digest } } });
    await push(name, "second");
    const fresh = new Project();
    writeFileSync(join(fresh.dir, "nacre.lock"), readFileSync(path));
    expect(await fresh.files(await fresh.build(dockerfile, { lock: "hold" }))).toEqual(["f file 644 first"]);
    expect(await fresh.files(await fresh.build(dockerfile, { pull: true }))).toEqual(["f file 644 second"]);
  });

  test("that the lock file does not have is refused where it is to be held", async () => {
    const name = `${registry.host}/unlocked:1`;
    await push(name, "x");
    const work = new Project().build(`FROM ${name}\n`, { lock: "hold" });
    await expect(work).rejects.toMatchObject({ code: "LOCK", hint: expect.stringContaining("nacre lock update") });
  });

  test("is looked up anew by an update, with what images' triggers name, and others stay", async () => {
    const name = `${registry.host}/update:1`;
    const old = await push(name, "old");
    const project = new Project({ Dockerfile: `FROM ${name}\nFROM ${name} AS unused\n` });
    const request = { context: project.dir, store: project.store };
    const other = `sha256:${"1".repeat(64)}`;
    const path = join(project.dir, "nacre.lock");
    writeFileSync(path, JSON.stringify({ version: 1, images: { "other:1": { digest: other } } }));
    expect((await updateLock(request)).images).toEqual([{ name, before: undefined, after: old }]);
    const now = await push(name, "new");
    expect((await updateLock(request)).images).toEqual([{ name, before: old, after: now }]);
    const { images } = JSON.parse(readFileSync(path, "utf8"));
    expect(images).toEqual({ "other:1": { digest: other }, [name]: { digest: now } });
  });

  test.each(["{", "[]", '{"version":2,"images":{}}', '{"version":1,"images":{"a":{"digest":"sha256:1"}}}'])(
    "a lock file of %s is refused by name, and left as it is",
    async (text) => {
      const project = new Project({ "nacre.lock": text });
      const work = project.build("FROM scratch\nLABEL a=b\n", { lock: "write" });
      await expect(work).rejects.toMatchObject({
        code: "CONTENT_INVALID",
        message: expect.stringContaining("nacre.lock"),
      });
      expect(readFileSync(join(project.dir, "nacre.lock"), "utf8")).toBe(text);
    },
  );
});
