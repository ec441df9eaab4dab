import * as fs from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundedJson } from "../../src/store/buildBounds.js";
import {
  type BuildEntry,
  type BuildStep,
  findBuild,
  listBuilds,
  putBuild,
  readBuild,
  removeBuilds,
} from "../../src/store/builds.js";
import { createLog } from "../../src/store/logs.js";
import type { Store } from "../../src/store/store.js";
import type { Json } from "../../src/support/json.js";
import { age, flipByte, keyOf, modeOf, openStore } from "./helpers.js";

/** When the first build of these tests began. */
const EPOCH = Date.UTC(2026, 2, 1, 12);

function entryOf(rest: Partial<BuildEntry> = {}): BuildEntry {
  return {
    version: 2,
    started: EPOCH,
    ended: EPOCH + 1500,
    outcome: "done",
    dockerfile: "Dockerfile",
    context: ".",
    names: [],
    steps: [],
    ...rest,
  };
}

function stepOf(label: string, rest: Partial<BuildStep> = {}): BuildStep {
  return { label, outcome: "done", duration: 100, ...rest };
}

function pathOf(store: Store, id: string): string {
  return `${store.path}/builds/${id}`;
}

/** A store that tells what it warns of. */
async function warningStore(): Promise<{ store: Store; warnings: string[] }> {
  const warnings: string[] = [];
  const store = await openStore(undefined, { warn: (message) => warnings.push(message) });
  return { store, warnings };
}

const hex = (length: number) =>
  fc.array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length }).map((all) => all.join(""));
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const digests = hex(64).map((digits) => `sha256:${digits}`);
/** Values of JSON as they come back: `-0` is 0 there, and `__proto__` is no name. */
const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as Json);
/** Texts in which nothing has to be hidden, in any script and with any control characters. */
const texts = fc.string({ unit: "binary", maxLength: 30 }).filter((text) => !/[:@]/.test(text));

const steps: fc.Arbitrary<BuildStep> = fc.record({
  label: texts,
  outcome: fc.constantFrom("done", "cached", "error", "cancelled"),
  duration: fc.nat(),
  log: maybe(hex(12)),
  id: maybe(fc.nat()),
  stage: maybe(texts),
  instruction: maybe(texts),
  kind: maybe(fc.constantFrom("copy", "run", "workdir")),
  line: maybe(fc.nat()),
  key: maybe(hex(64)),
  inputs: maybe(fc.array(fc.nat(), { maxLength: 4 })),
  by: maybe(fc.constantFrom("definition", "content")),
  reason: maybe(json),
  started: maybe(fc.nat()),
  saved: maybe(fc.nat()),
  diffId: maybe(digests),
  size: maybe(fc.nat()),
});

const entries: fc.Arbitrary<BuildEntry> = fc.record({
  version: fc.constant(2),
  started: fc.integer({ min: EPOCH, max: EPOCH * 2 }),
  ended: fc.nat(),
  outcome: fc.constantFrom("done", "error", "cancelled"),
  dockerfile: texts,
  context: texts,
  target: maybe(texts),
  title: maybe(texts),
  names: fc.array(texts, { maxLength: 3 }),
  digest: maybe(digests),
  error: maybe(texts),
  project: maybe(hex(64)),
  platform: maybe(texts),
  nacre: maybe(texts),
  isolation: maybe(texts),
  args: maybe(fc.array(fc.record({ name: fc.constantFrom("A", "VERSION"), value: maybe(texts) }), { maxLength: 3 })),
  inputs: maybe(
    fc.record({
      bases: maybe(fc.array(fc.record({ reference: texts, digest: maybe(digests), platform: maybe(texts) }))),
      contexts: maybe(fc.array(fc.record({ name: texts, description: maybe(texts), digest: maybe(texts) }))),
      remotes: maybe(
        fc.array(fc.record({ kind: fc.constantFrom("url", "git"), address: texts, commit: maybe(hex(40)) })),
      ),
    }),
  ),
  outputs: maybe(fc.array(fc.record({ type: texts, destination: maybe(texts), digest: maybe(digests) }))),
  steps: fc.array(steps, { maxLength: 5 }),
}) as fc.Arbitrary<BuildEntry>;

describe("the history of builds", () => {
  test("gives back every build as it was noted, and lists it without its steps", async () => {
    const store = await openStore();
    fc.assert(
      fc.property(entries, (entry) => {
        const id = putBuild(store, entry);
        const plain = JSON.parse(JSON.stringify(entry)) as BuildEntry;
        expect(readBuild(store, id)).toEqual({ id, ...plain });
        const { args: _args, inputs: _inputs, outputs: _outputs, steps: all, ...head } = plain;
        const counts = { steps: all.length, done: 0, cached: 0, error: 0, cancelled: 0 };
        for (const { outcome } of all) counts[outcome]++;
        expect(listBuilds(store).find((build) => build.id === id)).toEqual({ id, ...head, counts });
        fs.rmSync(pathOf(store, id));
      }),
      { numRuns: 200 },
    );
  });

  test("is for its owner only: logs and arguments are nobody else's affair", async () => {
    const store = await openStore();
    expect(modeOf(pathOf(store, putBuild(store, entryOf())))).toBe(0o600);
  });

  test("never has the values of arguments that look like secrets, or credentials of addresses, on disk", async () => {
    const store = await openStore();
    const args = [
      { name: "NPM_TOKEN", value: "hunter2" },
      { name: "dbPassword", value: "hunter2" },
      { name: "HARMLESS", value: `ghp_hunter2${"a1B2".repeat(8)}` },
      { name: "HTTP_PROXY", value: "http://me:hunter2@proxy.example:3128" },
      { name: "GITHUB_TOKEN" },
      { name: "KEYCLOAK_VERSION", value: "26.1" },
    ];
    const inputs = {
      contexts: [{ name: "main", description: "https://me:hunter2@git.example/x.git" }],
      remotes: [{ kind: "git" as const, address: "https://hunter2@git.example/y.git" }],
    };
    const id = putBuild(store, entryOf({ args, inputs, context: "https://me:hunter2@git.example/x.git" }));
    expect(fs.readFileSync(pathOf(store, id), "latin1")).not.toContain("hunter2");
    expect(readBuild(store, id)?.args).toEqual([
      { name: "NPM_TOKEN", hidden: true },
      { name: "dbPassword", hidden: true },
      { name: "HARMLESS", hidden: true },
      { name: "HTTP_PROXY", value: "http://proxy.example:3128" },
      { name: "GITHUB_TOKEN" },
      { name: "KEYCLOAK_VERSION", value: "26.1" },
    ]);
  });

  test("reads builds of version 1, which know less", async () => {
    const store = await openStore();
    const steps = [
      { label: "[1/2] COPY a /a", outcome: "cached", duration: 0 },
      { label: "[2/2] RUN x", outcome: "error", duration: 12, log: "0123456789ab" },
    ];
    const old = { ...entryOf(), version: 1, outcome: "error", error: "it failed", steps };
    const id = `${EPOCH.toString(36)}-0123456789ab`;
    fs.mkdirSync(`${store.path}/builds`);
    fs.writeFileSync(pathOf(store, id), JSON.stringify(old));
    expect(readBuild(store, id)).toEqual({ id, ...old });
    expect(listBuilds(store)).toMatchObject([
      { id, version: 1, counts: { steps: 2, done: 0, cached: 1, error: 1, cancelled: 0 } },
    ]);
  });

  test("finds a build by its name, the beginning of one, or counted from the last", async () => {
    const store = await openStore();
    const [first, second, third] = [0, 1, 2].map((at) => putBuild(store, entryOf({ started: EPOCH + at * 1e6 })));
    expect(findBuild(store).id).toBe(third);
    expect(["^0", "^1", "^2"].map((wanted) => findBuild(store, wanted).id)).toEqual([third, second, first]);
    expect(findBuild(store, second).id).toBe(second);
    expect(findBuild(store, second!.slice(0, 8)).id).toBe(second);
    for (const wanted of ["^3", "zzz", "", "^", "../index.json"]) {
      expect(() => findBuild(store, wanted)).toThrow(expect.objectContaining({ code: "USAGE" }));
    }
    expect(() => findBuild(store, first!.slice(0, 3))).toThrow(/^3 builds begin with/);
  });

  test("lists the newest first, as many as are wanted, and looks at no more", async () => {
    const { store, warnings } = await warningStore();
    const ids = [0, 1, 2, 3].map((at) => putBuild(store, entryOf({ started: EPOCH + at })));
    fs.writeFileSync(pathOf(store, ids[0]!), "damaged");
    expect(listBuilds(store, { limit: 2 }).map(({ id }) => id)).toEqual([ids[3], ids[2]]);
    expect(listBuilds(store, { filters: { since: EPOCH + 1 } })).toHaveLength(3);
    expect(warnings).toEqual([]);
  });

  test("filters by outcome, name, project, target, platform and time", async () => {
    const store = await openStore();
    const put = (name: string, rest: Partial<BuildEntry>) => putBuild(store, entryOf({ title: name, ...rest }));
    put("a", { outcome: "error", project: keyOf("one"), names: ["docker.io/library/hello:1.2"] });
    put("b", { started: EPOCH + 10, project: keyOf("two"), target: "test", platform: "linux/arm64" });
    put("c.d", { started: EPOCH + 20, outcome: "cancelled", names: ["r.example/team/app:latest"] });
    const found = (filters: Parameters<typeof listBuilds>[1] & object) =>
      listBuilds(store, filters).map(({ title }) => title);
    expect(found({ filters: { outcomes: ["error", "cancelled"] } })).toEqual(["c.d", "a"]);
    for (const name of ["hello", "hello:1.2", "docker.io/library/hello:1.2", "he*o", "a"]) {
      expect(found({ filters: { names: [name] } })).toEqual(["a"]);
    }
    expect(found({ filters: { names: ["r.example/team/app", "b"] } })).toEqual(["c.d", "b"]);
    expect(found({ filters: { names: ["cxd", "hell", "[", "app"] } })).toEqual([]);
    expect(found({ filters: { projects: [keyOf("two").slice(0, 12)] } })).toEqual(["b"]);
    expect(found({ filters: { targets: ["test"], platforms: ["linux/arm64"] } })).toEqual(["b"]);
    expect(found({ filters: { since: EPOCH + 10, until: EPOCH + 20 } })).toEqual(["b"]);
  });

  test("of builds of megabytes is listed by reading their beginnings", async () => {
    const store = await openStore();
    const text = "x".repeat(500);
    const many = Array.from({ length: 10_000 }, (_, id) =>
      stepOf(`[${id}/10000] RUN ${id}`, { id, instruction: text }),
    );
    const first = putBuild(store, entryOf({ steps: many }));
    const path = pathOf(store, first);
    expect(fs.statSync(path).size).toBeGreaterThan(5 << 20);
    const read = bytesReadBy(() => expect(listBuilds(store)).toHaveLength(1));
    expect(read).toBeLessThanOrEqual(8 << 10);
  });
});

/** Bytes that are read from files meanwhile, as the kernel counts them; 0 where it does not. */
function bytesReadBy(work: () => void): number {
  const count = (): number => {
    const text = fs.existsSync("/proc/self/io") ? fs.readFileSync("/proc/self/io", "latin1") : "";
    return Number(/^rchar: (\d+)$/m.exec(text)?.[1] ?? 0);
  };
  count();
  const before = count();
  const own = count() - before;
  const start = count();
  work();
  return count() - start - own;
}

describe("a build that cannot be read", () => {
  test("by any change of any byte, or cut short, is left out with a plain message and never shown wrong", async () => {
    const { store, warnings } = await warningStore();
    const good = putBuild(store, entryOf({ started: EPOCH - 1 }));
    const id = putBuild(store, entryOf({ steps: [stepOf("[1/1] RUN x")], title: "nightly" }));
    const whole = fs.readFileSync(pathOf(store, id));
    for (let at = 0; at < whole.length; at++) {
      flipByte(pathOf(store, id), at);
      expect(readBuild(store, id), `byte ${at}`).toBeUndefined();
      fs.writeFileSync(pathOf(store, id), whole);
    }
    for (let length = 0; length < whole.length; length += 7) {
      fs.writeFileSync(pathOf(store, id), whole.subarray(0, length));
      expect(listBuilds(store).map((build) => build.id)).toEqual([good]);
      expect(warnings.splice(0)).toEqual([
        expect.stringMatching(/^the build \S+ (?:is damaged|was not written by nacre) and/),
      ]);
    }
  });

  test("because a newer nacre wrote it is named as such, and left alone", async () => {
    const { store, warnings } = await warningStore();
    const id = putBuild(store, entryOf());
    fs.writeFileSync(pathOf(store, id), "nacre build 3 whatever\n");
    expect(listBuilds(store)).toEqual([]);
    expect(warnings).toEqual([`the build ${id} was written by a newer nacre and is left out`]);
    expect(() => findBuild(store, id)).toThrow(expect.objectContaining({ code: "STORE", hint: "update nacre" }));
    fs.writeFileSync(pathOf(store, id), JSON.stringify({ version: 7 }));
    expect(() => findBuild(store, id)).toThrow(/was written by a newer nacre/);
  });

  test("because it is something else is left out, whatever it is", async () => {
    const { store, warnings } = await warningStore();
    const id = (digit: string): string => `${EPOCH.toString(36)}-${digit.repeat(12)}`;
    fs.mkdirSync(pathOf(store, id("1")), { recursive: true });
    fs.writeFileSync(pathOf(store, id("2")), "GIF89a");
    fs.writeFileSync(pathOf(store, id("3")), '{"version":1}');
    fs.writeFileSync(pathOf(store, "notes.txt"), "mine");
    fs.writeFileSync(pathOf(store, ".hidden"), "mine");
    fs.symlinkSync("/dev/zero", pathOf(store, id("4")));
    fs.writeFileSync(pathOf(store, id("5")), "[1,");
    expect(listBuilds(store)).toEqual([]);
    expect(warnings).toHaveLength(6);
    for (const line of warnings) expect(line).toMatch(/^the build \S+ was not written by nacre and is left out$/);
  });

  test("under another name than its own is damaged", async () => {
    const store = await openStore();
    const id = putBuild(store, entryOf());
    const other = `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}`;
    fs.renameSync(pathOf(store, id), pathOf(store, other));
    expect(readBuild(store, other)).toBeUndefined();
    expect(listBuilds(store)).toEqual([]);
  });
});

describe("what is too large", () => {
  test("is cut: the history takes a build of any size", async () => {
    const store = await openStore();
    const long = "y".repeat(300_000);
    const reason = {
      kind: "changed",
      files: Array.from({ length: 80_000 }, (_, n) => ({ path: `src/${n}`, n })),
      total: 80_000,
    };
    const many = Array.from({ length: 60 }, (_, id) => stepOf(long, { id, instruction: long, reason }));
    const id = putBuild(store, entryOf({ steps: many, error: long, title: long }));
    expect(fs.statSync(pathOf(store, id)).size).toBeLessThan(13 << 20);
    const build = readBuild(store, id)!;
    expect(build.steps).toHaveLength(60);
    expect(build.steps[0]!.reason).toMatchObject({ kind: "changed", total: 80_000, truncated: true });
    expect(listBuilds(store)).toMatchObject([{ counts: { steps: 60 } }]);
  });

  test("counts all steps of a build that has too many to keep", async () => {
    const store = await openStore();
    const many = Array.from({ length: 120_000 }, (_, id) => stepOf(`[${id}/120000] RUN ${"z".repeat(100)}`, { id }));
    const id = putBuild(store, entryOf({ steps: many }));
    expect(listBuilds(store)[0]!.counts).toMatchObject({ steps: 120_000, done: 120_000 });
    expect(readBuild(store, id)!.steps.length).toBeGreaterThanOrEqual(1000);
  });

  test("is cut to any length that was asked for, or left out, and stays JSON of the same form", () => {
    fc.assert(
      fc.property(json, fc.nat({ max: 400 }), (value, limit) => {
        const cut = boundedJson(value, limit);
        if (cut === undefined) return;
        expect(JSON.stringify(cut).length).toBeLessThanOrEqual(limit);
        if (JSON.stringify(value).length <= limit) expect(cut).toEqual(value);
        else expect(Array.isArray(cut)).toBe(Array.isArray(value));
      }),
    );
  });
});

/** A log with that text. @returns its name */
function logOf(store: Store, text: string): string {
  const log = createLog(store);
  log.write(Buffer.from(text));
  log.close();
  return log.name;
}

describe("removing builds", () => {
  test("takes the logs that no other build names, and no others", async () => {
    const store = await openStore();
    const [own, shared, going] = [logOf(store, "own"), logOf(store, "shared"), logOf(store, "going on")];
    const first = putBuild(store, entryOf({ steps: [stepOf("a", { log: own }), stepOf("b", { log: shared })] }));
    const second = putBuild(store, entryOf({ started: EPOCH + 1e9, steps: [stepOf("b", { log: shared })] }));
    expect(removeBuilds(store, { builds: [first.slice(0, 7), "^1"] })).toMatchObject({ builds: [first], logs: 1 });
    expect(fs.readdirSync(`${store.path}/logs`).sort()).toEqual([shared, going].sort());
    expect(removeBuilds(store, { all: true })).toMatchObject({ builds: [second], logs: 1 });
    expect(fs.readdirSync(`${store.path}/logs`)).toEqual([going]);
  });

  test("removes nothing if one of them is not there", async () => {
    const store = await openStore();
    const id = putBuild(store, entryOf());
    expect(() => removeBuilds(store, { builds: [id, "zzz"] })).toThrow(/no build is called/);
    expect(listBuilds(store)).toHaveLength(1);
  });

  test("by time goes by when they began", async () => {
    const store = await openStore();
    const ids = [0, 1, 2].map((at) => putBuild(store, entryOf({ started: EPOCH + at })));
    expect(removeBuilds(store, { before: EPOCH + 2 }).builds).toEqual([ids[1], ids[0]]);
  });

  test("removes damaged ones too, and keeps the logs that those which it does not understand may name", async () => {
    const store = await openStore();
    const log = logOf(store, "x");
    const newer = putBuild(store, entryOf());
    fs.writeFileSync(pathOf(store, newer), `nacre build 9\n{"outputs":["${log}"]}`);
    const damaged = putBuild(store, entryOf({ started: EPOCH + 1e9, steps: [stepOf("a", { log })] }));
    fs.appendFileSync(pathOf(store, damaged), "!");
    expect(removeBuilds(store, { builds: [damaged] })).toMatchObject({ builds: [damaged], logs: 0 });
    expect(fs.readdirSync(`${store.path}/logs`)).toEqual([log]);
  });
});

describe("the number of builds that are kept", () => {
  /** Notes builds one after the other; the n-th is called `n`. */
  function putMany(store: Store, from: number, count: number, rest: Partial<BuildEntry> = {}): void {
    for (let at = from; at < from + count; at++) {
      putBuild(store, entryOf({ started: EPOCH + at, title: String(at), ...rest }));
    }
  }
  const kept = (store: Store): number[] => listBuilds(store).map(({ title }) => Number(title));

  test("is a hundred and the few that gather until it is looked again", async () => {
    const store = await openStore();
    putMany(store, 0, 300);
    const left = kept(store);
    expect(left.length).toBeGreaterThanOrEqual(100);
    expect(left.length).toBeLessThanOrEqual(111);
    expect(left).toEqual(Array.from(left, (_, at) => 299 - at));
  });

  test("leaves each project its last ten, however often others are built", async () => {
    const store = await openStore();
    putMany(store, 0, 15, { project: keyOf("rare") });
    putMany(store, 15, 250, { project: keyOf("often") });
    const left = kept(store);
    expect(left.filter((at) => at < 15)).toEqual([14, 13, 12, 11, 10, 9, 8, 7, 6, 5]);
    expect(left.length).toBeLessThanOrEqual(121);
  });

  test("is bounded for any number of projects", async () => {
    const store = await openStore();
    for (let at = 0; at < 540; at++) putMany(store, at, 1, { project: keyOf(`p${at}`) });
    expect(kept(store).length).toBeLessThanOrEqual(511);
    expect(kept(store).length).toBeGreaterThanOrEqual(500);
  });

  test("takes logs away only when they are old and no build that is kept names them", async () => {
    const store = await openStore();
    const [named, fresh, old] = [logOf(store, "named"), logOf(store, "fresh"), logOf(store, "old")];
    for (const name of [named, old]) age(`${store.path}/logs/${name}`, 30 * 24 * 3_600_000);
    putMany(store, 0, 150, { steps: [stepOf("a", { log: named })] });
    expect(fs.readdirSync(`${store.path}/logs`).sort()).toEqual([named, fresh].sort());
  });
});
