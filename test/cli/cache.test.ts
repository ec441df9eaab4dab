/** `nacre cache` and `nacre prune`: what they show of a store that builds have filled, and what they remove. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { CacheDisk, CacheItem, PruneReport } from "../../src/index.js";
import { nacre, type Outcome, tempDirectory } from "./invocation.js";

const DOCKERFILE = "FROM scratch AS one\nCOPY a /a\nFROM scratch\nCOPY b /b\nCOPY --from=one /a /a\n";

/** A project, a store that its builds fill, and a configuration of its own. */
function workplace() {
  const root = tempDirectory();
  const context = join(root, "context");
  mkdirSync(context);
  for (const name of ["a", "b"]) writeFileSync(join(context, name), name.repeat(5000));
  writeFileSync(join(context, "Dockerfile"), DOCKERFILE);
  const config = join(root, "config.toml");
  writeFileSync(config, "");
  const env = { NACRE_HOME: join(root, "store"), PATH: process.env.PATH ?? "", NACRE_CONFIG: config };
  const run = (...argv: string[]): Promise<Outcome> => nacre(argv, { env });
  return { root, context, config, env, run };
}

async function must(outcome: Promise<Outcome>): Promise<string> {
  const { code, stdout, stderr } = await outcome;
  expect(stderr).not.toContain("ERROR");
  expect(code).toBe(0);
  return stdout;
}

function itemsOf(output: string): CacheItem[] {
  return output
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as CacheItem);
}

/** Makes the records look as if they were used last so long ago. */
function ageRecords(store: string, hours: number): void {
  const then = Date.now() / 1000 - hours * 3600;
  for (const entry of readdirSync(join(store, "records"), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), then, then);
  }
}

describe("nacre cache ls", () => {
  test("lists the steps with layer, age and uses, and marks what an image has too", async () => {
    const { context, env, run } = workplace();
    await must(run("build", "-q", "-t", "app", context));
    const items = itemsOf(await must(run("cache", "ls", "--format", "json")));
    expect(items.map(({ type }) => type)).toEqual(["step", "step", "step"]);
    for (const item of items) {
      if (item.type !== "step") throw new Error(item.type);
      expect(item).toMatchObject({ uses: 0, usable: true, inUse: false });
      expect(item.bytes).toBeGreaterThan(4096);
      expect(Date.now() - item.created).toBeLessThan(60_000);
      expect(item.diffId).toMatch(/^sha256:/);
    }
    // The step of the first stage made what the last one copies: equal layers are one.
    expect(items.filter(({ shared }) => shared).length).toBeGreaterThanOrEqual(2);
    ageRecords(env.NACRE_HOME, 1);
    await must(run("build", "-q", "-t", "app", context));
    const again = itemsOf(await must(run("cache", "ls", "--format", "json", "--sort", "uses")));
    expect(again[0]).toMatchObject({ uses: expect.any(Number) });
    expect((again[0] as { uses: number }).uses).toBeGreaterThan(0);
    const table = await must(run("cache", "ls"));
    expect(table).toMatch(/^TYPE +NAME +SIZE +CREATED +LAST USED +USES +PROJECT +WHAT\n/);
    expect(table).toMatch(/\nstep +[0-9a-f]{12} +\d+(?:\.\d+)?kB\*? +.* ago +/);
    expect(table).toContain("* a named image has it too");
  });

  test("picks by type and filter, sorts, and prints names for scripts", async () => {
    const { context, run } = workplace();
    await must(run("build", "-q", "-t", "app", context));
    const layers = itemsOf(await must(run("cache", "ls", "--type", "layers", "--format", "json")));
    expect(layers.map(({ type }) => type)).toEqual(Array(layers.length).fill("layer"));
    expect(layers.length).toBeGreaterThanOrEqual(2);
    expect(await must(run("cache", "ls", "--filter", "unused=1h", "-q"))).toBe("");
    expect((await must(run("cache", "ls", "--type", "steps,mounts", "-q"))).match(/^[0-9a-f]{16}$/gm)).toHaveLength(3);
    const sizes = itemsOf(await must(run("cache", "ls", "--type", "all", "--sort", "size", "--format", "json")));
    expect(sizes.map(({ bytes }) => bytes)).toEqual(sizes.map(({ bytes }) => bytes).sort((a, b) => b - a));
    expect(await must(run("cache", "ls", "--filter", "project=ffff", "-q"))).toBe("");
  });

  test.each([
    [["--type", "step,mounds"], "did you mean mounts?"],
    [["--filter", "labl=x"], "did you mean label=…?"],
    [["--filter", "shared=perhaps"], "neither true nor false"],
    [["--filter", "unused=long"], "not a duration"],
    [["--sort", "sise"], "did you mean size?"],
  ])("refuses %j with a hint", async (flags, words) => {
    const { run } = workplace();
    const { code, stderr } = await run("cache", "ls", ...flags);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });

  test("shows a record whose layer is gone as what it is", async () => {
    const { context, env, run } = workplace();
    await must(run("build", "-q", context));
    const blobs = join(env.NACRE_HOME, "blobs/sha256");
    for (const name of readdirSync(blobs)) rmSync(join(blobs, name));
    expect(await must(run("cache", "ls", "--no-trunc"))).toContain("its layer is gone");
    expect(JSON.parse(await must(run("prune", "--format", "json"))) as PruneReport).toMatchObject({
      removed: expect.arrayContaining([expect.objectContaining({ kind: "record", reason: "unusable" })]),
    });
  });
});

describe("nacre cache du", () => {
  test("adds up to what the store takes, and tells what can be had back", async () => {
    const { context, run } = workplace();
    await must(run("build", "-q", "-t", "app", context));
    writeFileSync(join(context, "b"), "another".repeat(10_000));
    await must(run("build", "-q", context));
    const disk = JSON.parse(await must(run("cache", "du", "--format", "json"))) as CacheDisk;
    const sum = disk.kinds.reduce((total, { bytes }) => total + bytes, 0);
    expect(disk.shared + disk.private).toBe(sum);
    expect(sum + disk.other).toBe(disk.total);
    expect(disk.shared).toBeGreaterThan(0);
    expect(disk.reclaimable).toBe(disk.private);
    const cleared = JSON.parse(await must(run("cache", "clear", "-f", "--format", "json"))) as PruneReport;
    expect(cleared.freed).toBe(disk.reclaimable);
    const text = await must(run("cache", "du", "--verbose"));
    expect(text).toMatch(/^Name: +/);
    expect(text).toMatch(/\nReclaimable: +0B, by nacre cache clear\n/);
  });
});

describe("nacre cache clear", () => {
  test("removes everything but named images, after showing it", async () => {
    const { context, run } = workplace();
    await must(run("build", "-q", "-t", "app", context));
    const dry = await must(run("cache", "clear", "--dry-run", "--verbose"));
    expect(dry).toMatch(/^KIND +NAME +SIZE +LAST USED +WHY\n/);
    expect(dry).toContain("Would free");
    expect(itemsOf(await must(run("cache", "ls", "--format", "json")))).toHaveLength(3);
    expect(await must(run("cache", "clear", "-f"))).toContain("Freed");
    expect(await must(run("cache", "ls", "-q"))).toBe("");
    expect(await must(run("check"))).toContain("the store is sound");
    const rebuilt = await run("build", context);
    expect(rebuilt.stderr).toContain("(0 of 3 steps cached)");
  });

  test("of a type leaves the others", async () => {
    const { context, run } = workplace();
    await must(run("build", "-q", context));
    await must(run("cache", "clear", "-f", "--type", "mounts"));
    expect(itemsOf(await must(run("cache", "ls", "--format", "json")))).toHaveLength(3);
    await must(run("cache", "clear", "-f", "--type", "steps"));
    expect(await must(run("cache", "ls", "-q"))).toBe("");
  });

  test("and every other command is content with a machine that has no store", async () => {
    const { env, run } = workplace();
    for (const argv of [["ls"], ["du"], ["clear", "-f"], ["prune", "-f"]]) await must(run("cache", ...argv));
    expect(existsSync(env.NACRE_HOME)).toBe(false);
  });
});

describe("the limits of the cache", () => {
  test("come from the configuration file; nacre info says which hold and where they are set", async () => {
    const { context, config, run } = workplace();
    writeFileSync(config, '[cache]\nmax-size = "1kB"\nkeep-duration = "30d"\n');
    await must(run("build", "-q", context));
    const info = await must(run("info"));
    expect(info).toContain(`at most 1kB (max-size: ${config}:2)`);
    expect(info).toContain(`used within 30d (keep-duration: ${config}:3)`);
    const report = JSON.parse(await must(run("prune", "--dry-run", "--format", "json"))) as PruneReport;
    expect(report).toMatchObject({ maxBytes: 1000, keepDuration: 30 * 86_400_000, dryRun: true });
    expect(report.removed.length).toBeGreaterThan(0);
    const wider = JSON.parse(await must(run("prune", "--dry-run", "--max-size=1GB", "--format=json"))) as PruneReport;
    expect(wider.removed).toEqual([]);
  });

  test("that are misspelt stop prune, are told by info, and only warn a build", async () => {
    const { context, config, run } = workplace();
    writeFileSync(config, '[cache]\nmax-sise = "1kB"\n');
    const pruned = await run("prune", "-f");
    expect(pruned.code).toBe(2);
    expect(pruned.stderr).toContain(`${config}:2: unknown key "max-sise" in [cache]`);
    expect(pruned.stderr).toContain("did you mean max-size?");
    expect(await must(run("info"))).toContain("unknown key");
    const built = await run("build", "-t", "app", context);
    expect(built.code).toBe(0);
    expect(built.stderr).toContain("max-sise");
  });

  test("by age remove what was not used, and keep the rest", async () => {
    const { context, env, run } = workplace();
    await must(run("build", "-q", context));
    ageRecords(env.NACRE_HOME, 100);
    writeFileSync(join(context, "b"), "new");
    await must(run("build", "-q", context));
    const report = await must(run("prune", "-f", "--keep-duration", "24h"));
    expect(report).toContain("unused for too long");
    expect((await must(run("cache", "ls", "-q"))).trimEnd().split("\n").length).toBeLessThan(4);
    expect((await run("build", context)).stderr).toContain("(3 of 3 steps cached)");
  });

  test("do not go with --all", async () => {
    const { run } = workplace();
    expect(await run("prune", "--all", "--min-free", "10%")).toMatchObject({ code: 2 });
    expect(await run("prune", "--min-free", "100%")).toMatchObject({ code: 2 });
  });

  test("are kept by a process of its own that a build starts and does not wait for", async () => {
    const { context, env, run } = workplace();
    const limits = { NACRE_CACHE_MAX_SIZE: "20kB" };
    for (let i = 0; i < 4; i++) {
      writeFileSync(join(context, "b"), `${i}`.repeat(20_000));
      const { code } = await nacre(["build", "-q", context], { env: { ...env, ...limits } });
      expect(code).toBe(0);
    }
    const ledger = join(env.NACRE_HOME, "locks/cache-size");
    // It writes the ledger anew when it is done.
    const isDone = (): boolean => !readFileSync(ledger, "latin1").includes("?");
    for (let i = 0; i < 400 && !isDone(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isDone()).toBe(true);
    expect(await must(run("check"))).toContain("the store is sound");
  });
});
