/**
 * A cache whose records, lists, indexes and layers were exchanged for others, cut or forged, as builds and plans meet it:
 * never a wrong answer, at most a step that is made again or a plain message.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { previewBuild } from "../../src/build/preview.js";
import type { BuildResult } from "../../src/build/request.js";
import { findRecord } from "../../src/cache/record.js";
import { sealOf } from "../../src/store/sealed.js";
import { Store } from "../../src/store/store.js";
import { sha256Hex } from "../../src/support/hash.js";
import { canonicalJson, type Json } from "../../src/support/json.js";
import { layersOf, Project } from "../build/helpers.js";
import { nacre } from "../cli/invocation.js";
import { requireTool, toolMissing } from "../setup/tools.js";

const FILES = { good: "good\n", evil: "evil\n", more: "more\n" };
const STEPS = `FROM scratch AS a
COPY good /x
FROM scratch
WORKDIR /w
COPY more .
COPY --from=a /x /y
COPY --link evil /z
`;

interface Envelope {
  readonly key: string;
  readonly created: number;
  readonly body: Json;
}

/** All files below a directory of a store. */
function filesIn(project: Project, name: string): string[] {
  const directory = join(project.store, name);
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function envelopeOf(path: string): Envelope {
  return JSON.parse(fs.readFileSync(path, "utf8").slice(80)) as Envelope;
}

/** Writes a record as nacre would, whatever it says: with the right checksum, name and id. */
function forge(project: Project, envelope: Envelope): void {
  const content = Buffer.from(canonicalJson(envelope as unknown as Json));
  const name = `${envelope.key}.${String(envelope.created).padStart(13, "0")}.${sha256Hex(content).slice(0, 16)}`;
  const shard = join(project.store, "records", envelope.key.slice(0, 2));
  fs.mkdirSync(shard, { recursive: true });
  fs.writeFileSync(join(shard, name), Buffer.concat([sealOf(`record:${name}`, content), content]));
}

async function planned(project: Project, dockerfile: string): Promise<string[]> {
  const { steps } = await previewBuild({
    ...{ context: project.dir, store: project.store },
    dockerfile: { kind: "text", text: dockerfile, name: "Dockerfile" },
  });
  return steps.map(({ outcome }) => outcome.kind);
}

const answersOf = ({ steps }: BuildResult): string[] => steps.map(({ outcome }) => outcome);

/** Overwrites a file that may be read-only, in place. */
function overwrite(path: string, content: Buffer): void {
  fs.chmodSync(path, 0o600);
  fs.writeFileSync(path, content);
}

describe("records", () => {
  test("of every step under the name and key of every other one answer for none of them", async () => {
    const project = new Project(FILES);
    const first = await project.build(STEPS);
    const wanted = await project.files(first);
    const paths = filesIn(project, "records");
    const envelopes = paths.map(envelopeOf);
    expect(envelopes.length).toBeGreaterThan(4);
    for (const [i, { key, created }] of envelopes.entries()) {
      for (const [j, other] of envelopes.entries()) {
        if (i !== j) forge(project, { ...other, key, created: created + 1 + j });
      }
    }
    const cached = await project.build(STEPS);
    expect(new Set(answersOf(cached))).toEqual(new Set(["cached"]));
    expect(cached.digest).toBe(first.digest);
    for (const path of paths) fs.rmSync(path);
    expect(new Set(await planned(project, STEPS))).not.toContain("hit");
    const made = await project.build(STEPS);
    expect(new Set(answersOf(made))).toEqual(new Set(["done"]));
    expect(await project.files(made)).toEqual(wanted);
  });

  test("with their layers exchanged answer for none but their own key, even where seal and name are right", async () => {
    const project = new Project(FILES);
    const text = (file: string): string => `FROM scratch\nCOPY ${file} /x\n`;
    await project.build(text("evil"));
    const [evil] = filesIn(project, "records");
    await project.build(text("good"));
    const good = filesIn(project, "records").find((path) => path !== evil)!;
    const { key, created } = envelopeOf(good);
    // Two sets of ingredients under one key: the file says so, and its checksum is right.
    forge(project, { ...envelopeOf(evil!), key, created: created + 5 });
    fs.copyFileSync(
      evil!,
      good.replace(/\d{13}\.[0-9a-f]{16}$/, (end) => `${created + 6}${end.slice(13)}`),
    );
    fs.rmSync(good);
    const result = await project.build(text("good"));
    expect(answersOf(result)).toEqual(["done"]);
    expect(await project.files(result)).toEqual(["x file 644 good\n"]);
  });

  test("cut at any byte, or with any byte changed, are none; and what they were is made again", async () => {
    const project = new Project(FILES);
    const text = "FROM scratch\nCOPY good /x\n";
    await project.build(text);
    const [path = ""] = filesIn(project, "records");
    const whole = fs.readFileSync(path);
    const { key } = envelopeOf(path);
    const store = await Store.open(project.store);
    const lease = store.acquireLease();
    try {
      for (let length = 0; length < whole.length; length++) {
        overwrite(path, whole.subarray(0, length));
        expect(findRecord(store, lease, key), `${length} bytes`).toBeUndefined();
      }
      for (let at = 0; at < whole.length; at++) {
        const changed = Buffer.from(whole);
        changed[at]! ^= 1;
        overwrite(path, changed);
        expect(findRecord(store, lease, key), `byte ${at}`).toBeUndefined();
      }
      for (const foreign of ["{}", "null", "[]", '{"key":1}', "\u0000".repeat(500), `${whole.subarray(0, 80)}{}`]) {
        overwrite(path, Buffer.from(foreign));
        expect(findRecord(store, lease, key), foreign).toBeUndefined();
      }
      overwrite(path, whole);
      expect(findRecord(store, lease, key)).toBeDefined();
    } finally {
      lease.release();
      await store.close();
    }
    overwrite(path, whole.subarray(0, whole.length - 1));
    expect(await planned(project, text)).toEqual(["miss"]);
    expect(answersOf(await project.build(text))).toEqual(["done"]);
    expect(answersOf(await project.build(text))).toEqual(["cached"]);
  });
});

describe("what is kept beside records", () => {
  const KEPT = ["indexes", "lists", "builds", "projects", "stat", "derived"];

  test.each<[string, (path: string, all: readonly string[]) => Buffer]>([
    ["exchanged for another of its kind", (path, all) => fs.readFileSync(all[(all.indexOf(path) + 1) % all.length]!)],
    ["empty", () => Buffer.alloc(0)],
    ["something else", () => Buffer.from('{"version":1}\n'.repeat(40))],
    ["cut", (path) => fs.readFileSync(path).subarray(0, -1)],
  ])("and is %s changes no answer", async (_what, content) => {
    const project = new Project(FILES);
    const first = await project.build(STEPS);
    const wanted = await project.files(first);
    for (const name of KEPT) {
      const all = filesIn(project, name);
      const poisoned = all.map((path) => [path, content(path, all)] as const);
      for (const [path, bytes] of poisoned) overwrite(path, bytes);
    }
    expect(new Set(await planned(project, STEPS))).toEqual(new Set(["hit"]));
    const cached = await project.build(STEPS);
    expect(new Set(answersOf(cached))).toEqual(new Set(["cached"]));
    expect(cached.digest).toBe(first.digest);
    project.put({ more: "changed\n" });
    const changed = await project.build(STEPS);
    const files = wanted.map((line) => line.replace("more\n", "changed\n"));
    expect(await project.files(changed)).toEqual(files);
  });
});

describe("a layer whose bytes are those of another one of the same size", () => {
  test("never gets into what is copied from it: the build fails and says so, until the store is mended", async () => {
    const project = new Project(FILES);
    const base = (file: string): string => `FROM scratch AS a\nCOPY ${file} /x\n`;
    const [good] = layersOf(await project.build(base("good")));
    const [evil] = layersOf(await project.build(base("evil")));
    const path = (diffId: string | undefined): string => join(project.store, "blobs/sha256", diffId!.slice(7));
    expect(fs.statSync(path(good)).size).toBe(fs.statSync(path(evil)).size);
    overwrite(path(good), fs.readFileSync(path(evil)));
    const text = `${base("good")}FROM scratch\nCOPY --from=a /x /y\n`;
    await expect(project.build(text)).rejects.toMatchObject({
      code: "CONTENT_INVALID",
      message: "the layer that /y is copied from is damaged in the store",
      hint: expect.stringContaining("nacre check --repair"),
    });
    const env = { NACRE_HOME: project.store };
    const checked = await nacre(["check"], { env });
    expect(checked.code).toBe(1);
    expect(checked.stdout + checked.stderr).toContain(good);
    await nacre(["check", "--repair"], { env });
    const result = await project.build(text);
    expect(await project.files(result)).toEqual(["y file 644 good\n"]);
  });

  test.skipIf(process.getuid?.() !== 0 || ["busybox", "unshare", "setpriv", "tar"].some(toolMissing))(
    "is never what a RUN sees",
    async () => {
      const project = new Project(FILES);
      fs.mkdirSync(join(project.dir, "bin"));
      for (const name of ["sh", "cat"]) fs.copyFileSync(requireTool("busybox"), join(project.dir, "bin", name));
      const base = (file: string): string => `FROM scratch AS a\nCOPY --chmod=0755 bin /bin\nCOPY ${file} /x\n`;
      const [, good] = layersOf(await project.build(base("good")));
      const [, evil] = layersOf(await project.build(base("evil")));
      const path = (diffId: string | undefined): string => join(project.store, "blobs/sha256", diffId!.slice(7));
      overwrite(path(good), fs.readFileSync(path(evil)));
      const text = `${base("good")}RUN cat /x > /y\n`;
      await expect(project.build(text)).rejects.toMatchObject({
        code: "CONTENT_INVALID",
        message: expect.stringContaining("x has another content in the"),
      });
      await nacre(["check", "--repair"], { env: { NACRE_HOME: project.store } });
      const files = await project.files(await project.build(text));
      expect(files.filter((line) => line.startsWith("y "))).toEqual(["y file 644 good\n"]);
    },
  );
});
