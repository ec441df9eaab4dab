/**
 * Records and blobs that were damaged, or written by someone else, in a store that builds trust: no wrong hit, a plain
 * message where something cannot go on, and nothing lost.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { STORE_VERSION } from "../../src/store/layout.js";
import { sealOf } from "../../src/store/sealed.js";
import { sha256Hex } from "../../src/support/hash.js";
import { canonicalJson, type Json } from "../../src/support/json.js";
import { layersOf, outcomes, Project } from "../build/helpers.js";
import { nacre } from "../cli/invocation.js";
import { canMount } from "../store/helpers.js";

const GOOD = "FROM scratch\nCOPY good /x\n";
const EVIL = "FROM scratch\nCOPY evil /x\n";

interface Envelope {
  readonly key: string;
  readonly created: number;
  readonly blobs: readonly { readonly digest: string; readonly size: number }[];
  readonly indexes: readonly string[];
  readonly lists: readonly string[];
  readonly body: { readonly ingredients: Json; readonly layer: { readonly diffId: string; readonly size: number } };
}

interface RecordFile {
  readonly path: string;
  readonly envelope: Envelope;
}

function recordFiles(store: string): RecordFile[] {
  const entries = fs.readdirSync(join(store, "records"), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, envelope: JSON.parse(fs.readFileSync(path, "utf8").slice(80)) as Envelope }));
}

/** Writes a record as nacre would, whatever it says: with the right checksum, name and id. */
function forge(store: string, envelope: Envelope): string {
  const content = Buffer.from(canonicalJson(envelope as unknown as Json));
  const name = `${envelope.key}.${String(envelope.created).padStart(13, "0")}.${sha256Hex(content).slice(0, 16)}`;
  const shard = join(store, "records", envelope.key.slice(0, 2));
  fs.mkdirSync(shard, { recursive: true });
  fs.writeFileSync(join(shard, name), Buffer.concat([sealOf(`record:${name}`, content), content]));
  return join(shard, name);
}

/** A store with the records of a good and of an evil build. */
async function twoBuilds() {
  const project = new Project({ good: "good\n", evil: "evil\n" });
  const evil = await project.build(EVIL);
  const [evilRecord] = recordFiles(project.store);
  const good = await project.build(GOOD);
  const goodRecord = recordFiles(project.store).find(({ path }) => path !== evilRecord!.path)!;
  return { project, evil, good, evilRecord: evilRecord!, goodRecord };
}

async function expectGood(project: Project, digest: string, outcome: "done" | "cached"): Promise<void> {
  const result = await project.build(GOOD);
  expect(outcomes(result)).toEqual([`COPY good /x: ${outcome}`]);
  expect(result.digest.length).toBe(digest.length);
  expect(await project.files(result)).toEqual([expect.stringMatching(/^x file 644 good\n$/)]);
}

describe("a record", () => {
  test("with the ingredients of another step never answers for a key that they do not give", async () => {
    const { project, good, evilRecord, goodRecord } = await twoBuilds();
    const later = goodRecord.envelope.created + 1000;
    forge(project.store, { ...evilRecord.envelope, key: goodRecord.envelope.key, created: later });
    await expectGood(project, good.digest, "cached");
    fs.rmSync(goodRecord.path);
    await expectGood(project, good.digest, "done");
  });

  test("that says another size of its layer, or names one that is not there, is none", async () => {
    const { project, good, goodRecord } = await twoBuilds();
    const { envelope, path } = goodRecord;
    const { layer } = envelope.body;
    fs.rmSync(path);
    const missing = `sha256:${"0".repeat(64)}`;
    for (const [n, change] of [
      { body: { ...envelope.body, layer: { ...layer, size: layer.size + 1 } } },
      { body: { ...envelope.body, layer: { ...layer, diffId: missing } } },
      { blobs: [{ digest: missing, size: 1 }] },
      { blobs: envelope.blobs.map((blob) => ({ ...blob, size: blob.size + 1 })) },
    ].entries()) {
      forge(project.store, { ...envelope, ...change, created: envelope.created + n });
    }
    await expectGood(project, good.digest, "done");
  });

  test("of a form that is not known, damaged, huge, or no file at all is passed over", async () => {
    const { project, good, goodRecord } = await twoBuilds();
    const { path, envelope } = goodRecord;
    const bytes = fs.readFileSync(path);
    const beside = (n: number): string => path.replace(String(envelope.created), String(envelope.created + n));
    fs.writeFileSync(beside(1), bytes);
    fs.writeFileSync(beside(2), bytes.subarray(0, 200));
    fs.writeFileSync(beside(3), "");
    fs.truncateSync(beside(3), 2 ** 33);
    fs.mkdirSync(beside(4));
    fs.symlinkSync("/dev/zero", beside(5));
    fs.writeFileSync(beside(6), Buffer.concat([Buffer.from("nacre 9 "), bytes.subarray(8)]));
    spawnSync("mkfifo", [beside(7)]);
    forge(project.store, { ...envelope, created: envelope.created + 8, body: [] as never });
    forge(project.store, { ...envelope, created: envelope.created + 9, body: { ...envelope.body, layer: 1 } as never });
    await expectGood(project, good.digest, "cached");
    fs.rmSync(path);
    await expectGood(project, good.digest, "done");
    const listed = await nacre(["cache", "ls", "--format", "json"], { env: { NACRE_HOME: project.store } });
    expect(listed.code).toBe(0);
    const pruned = await nacre(["prune", "-f"], { env: { NACRE_HOME: project.store } });
    expect(pruned.stderr).not.toContain("ERROR");
    await expectGood(project, good.digest, "cached");
  });
});

describe("a layer whose bytes were exchanged", () => {
  test("is noticed when it is read: nothing of it leaves the store, and check --repair mends what can be", async () => {
    const { project, good } = await twoBuilds();
    const layer = layersOf(good)[0]!;
    const blob = join(project.store, "blobs/sha256", layer.slice(7));
    const size = fs.statSync(blob).size;
    fs.chmodSync(blob, 0o600);
    fs.writeFileSync(blob, Buffer.alloc(size, "x"));
    fs.chmodSync(blob, 0o444);
    const archive = join(project.dir, "out.tar");
    const env = { NACRE_HOME: project.store };
    fs.writeFileSync(join(project.dir, "Dockerfile"), GOOD);
    const told = await nacre(["build", "-o", `type=oci,dest=${archive}`, project.dir], { env });
    expect(told.code).toBe(1);
    expect(told.stderr).toContain(layer);
    expect(told.stderr).not.toMatch(/\n {4}at /);
    expect(fs.existsSync(archive)).toBe(false);
    expect((await nacre(["check"], { env })).code).toBe(1);
    await nacre(["check", "--repair"], { env });
    const again = await nacre(["build", "-o", `type=oci,dest=${archive}`, project.dir], { env });
    expect(again.stderr).not.toContain("ERROR");
    expect(again.code).toBe(0);
  });
});

describe("a store that is not to be written", () => {
  test("because a newer nacre made it is refused by builds and prune, in plain words, and read by the rest", async () => {
    const project = new Project({ good: "good\n" });
    await project.build(GOOD, { tags: ["kept:1"] });
    fs.writeFileSync(join(project.store, "version"), `nacre store ${STORE_VERSION + 1}\n`);
    const env = { NACRE_HOME: project.store };
    fs.writeFileSync(join(project.dir, "Dockerfile"), GOOD);
    for (const argv of [
      ["build", project.dir],
      ["prune", "-f"],
      ["cache", "clear", "-f"],
      ["rm", "kept:1"],
    ]) {
      const { code, stderr } = await nacre(argv, { env });
      expect(code).toBe(1);
      expect(stderr).toContain(`has version ${STORE_VERSION + 1}; this nacre writes up to ${STORE_VERSION}`);
      expect(stderr).toContain("hint: use a newer nacre");
    }
    for (const argv of [["images"], ["inspect", "kept:1"], ["cache", "ls"], ["cache", "du"], ["prune", "--dry-run"]]) {
      const { code, stderr } = await nacre(argv, { env });
      expect(code, argv.join(" ")).toBe(0);
      expect(stderr).toContain("it is only read");
    }
    const archive = join(project.dir, "kept.tar");
    expect((await nacre(["save", "-o", archive, "kept:1"], { env })).code).toBe(0);
    expect(fs.statSync(archive).size).toBeGreaterThan(1000);
  });

  test.runIf(canMount())("because its disk is read-only is refused by builds and read by the rest", async () => {
    const project = new Project({ good: "good\n" });
    await project.build(GOOD, { tags: ["kept:1"] });
    const env = { NACRE_HOME: project.store };
    fs.writeFileSync(join(project.dir, "Dockerfile"), GOOD);
    spawnSync("mount", ["--bind", project.store, project.store]);
    spawnSync("mount", ["-o", "remount,ro,bind", project.store]);
    try {
      for (const argv of [
        ["build", project.dir],
        ["cache", "clear", "-f"],
      ]) {
        const { code, stderr } = await nacre(argv, { env });
        expect(code).toBe(1);
        expect(stderr).toContain("EROFS");
        expect(stderr).toContain("hint: choose another directory with NACRE_HOME");
      }
      for (const argv of [["images"], ["cache", "ls"], ["cache", "du"], ["prune", "--dry-run", "--all"], ["check"]]) {
        const { code, stderr } = await nacre(argv, { env });
        expect(code, `${argv.join(" ")}: ${stderr}`).toBe(0);
      }
    } finally {
      spawnSync("umount", [project.store]);
    }
    expect(outcomes(await project.build(GOOD))).toEqual(["COPY good /x: cached"]);
  });
});
