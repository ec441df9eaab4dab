import { mkdirSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { build } from "../../src/build/build.js";
import { catalogEntries, findImage, holdImage, idOf, removeImages, tagImage } from "../../src/image/catalog.js";
import type { Digest } from "../../src/oci/digest.js";
import { Store } from "../../src/store/store.js";
import { isNacreError, type NacreError } from "../../src/support/errors.js";

const BIG = "x".repeat(1000);

/** A store with two images: `one:1` (also `other/one:1`) and, newer, `two:latest` on top of the same first layer. */
async function makeStore() {
  const root = mkdtempSync(join(tmpdir(), "nacre-catalog-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const context = join(root, "context");
  mkdirSync(context);
  writeFileSync(join(context, "a"), BIG);
  writeFileSync(join(context, "b"), "bb");
  const path = join(root, "store");
  const make = (text: string, tags: string[], sourceDateEpoch: number) =>
    build({ context, dockerfile: { kind: "text", text }, tags, store: path, sourceDateEpoch });
  const one = await make("FROM scratch\nCOPY a /\nENV X=1\n", ["one:1", "other/one:1"], 1000);
  const two = await make("FROM scratch\nCOPY a /\nLABEL l=v\nCOPY b /\n", ["two"], 2000);
  const store = await Store.open(path);
  onTestFinished(() => store.close());
  return { store, make, one, two };
}

async function failureOf(action: () => unknown): Promise<NacreError> {
  try {
    await action();
  } catch (error) {
    if (isNacreError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("finding", () => {
  test("by every spelling of a name, by digests, ids and their beginnings", async () => {
    const { store, one, two } = await makeStore();
    const id = two.configDigest.slice(7);
    for (const text of ["two", "two:latest", "docker.io/library/two", "index.docker.io/library/two:latest"]) {
      expect(findImage(store, text)).toMatchObject({
        descriptor: { digest: two.descriptor.digest },
        name: "docker.io/library/two:latest",
      });
    }
    for (const text of [id, two.configDigest, id.slice(0, 12), `sha256:${id.slice(0, 12)}`, two.descriptor.digest]) {
      const found = findImage(store, text);
      expect(found.descriptor.digest).toBe(two.descriptor.digest);
      expect(found.name).toBeUndefined();
    }
    expect(findImage(store, `other/one@${one.descriptor.digest}`).names).toHaveLength(2);
  });

  test("a digest under the name of another repository is not found", async () => {
    const { store, one } = await makeStore();
    expect((await failureOf(() => findImage(store, `two@${one.descriptor.digest}`))).code).toBe("IMAGE_NOT_FOUND");
  });

  test("a beginning that several images share is refused with their names", async () => {
    const { store, make } = await makeStore();
    // Seventeen ids have sixteen first digits between them.
    for (let i = 0; i < 15; i++) await make("FROM scratch\nCOPY a /\n", [`more:${i}`], i);
    const digits = catalogEntries(store).map(({ descriptor }) => idOf(store, descriptor)?.[7] ?? "");
    const shared = digits.find((digit, i) => digits.indexOf(digit) < i) ?? "";
    const error = await failureOf(() => findImage(store, shared));
    expect(error.code).toBe("USAGE");
    expect(error.message).toMatch(new RegExp(`^several images begin with ${shared}: .+, .+`));
  });

  test("what is not there is answered with the nearest name", async () => {
    const { store } = await makeStore();
    expect((await failureOf(() => findImage(store, "tow"))).hint).toBe("did you mean two:latest?");
    expect((await failureOf(() => findImage(store, "one:9"))).hint).toBe("did you mean one:1?");
    expect((await failureOf(() => findImage(store, "nothing-like-it"))).hint).toContain("nacre image ls");
    expect((await failureOf(() => findImage(store, "NOT A NAME"))).code).toBe("IMAGE_NOT_FOUND");
  });
});

describe("naming", () => {
  test("adds names, and moves a name that another image had", async () => {
    const { store, two } = await makeStore();
    expect(await tagImage(store, "two", ["new", "one:1"])).toEqual([
      "docker.io/library/new:latest",
      "docker.io/library/one:1",
    ]);
    expect(findImage(store, "one:1").descriptor.digest).toBe(two.descriptor.digest);
    expect(findImage(store, "other/one:1").descriptor.digest).not.toBe(two.descriptor.digest);
  });

  test("changes nothing if the source is not there or one new name is bad", async () => {
    const { store } = await makeStore();
    const before = store.listReferences();
    expect((await failureOf(() => tagImage(store, "nope", ["x"]))).code).toBe("IMAGE_NOT_FOUND");
    expect((await failureOf(() => tagImage(store, "two", ["good", "Bad"]))).code).toBe("REFERENCE_INVALID");
    expect((await failureOf(() => tagImage(store, "two", [`x@sha256:${"0".repeat(64)}`]))).code).toBe(
      "REFERENCE_INVALID",
    );
    expect(store.listReferences()).toEqual(before);
  });
});

describe("removing", () => {
  test("by name takes that name only; the last one takes the image", async () => {
    const { store, one } = await makeStore();
    expect(await removeImages(store, ["one:1"])).toEqual({
      untagged: ["docker.io/library/one:1"],
      deleted: [],
      failures: [],
    });
    expect(await removeImages(store, ["other/one:1"])).toEqual({
      untagged: ["docker.io/other/one:1"],
      deleted: [one.configDigest],
      failures: [],
    });
  });

  test("by id asks for force where names are of several repositories", async () => {
    const { store, one } = await makeStore();
    const refused = await removeImages(store, [one.configDigest]);
    expect(refused).toMatchObject({ untagged: [], deleted: [] });
    expect(refused.failures[0]?.hint).toContain("--force");
    const removed = await removeImages(store, [one.configDigest.slice(7, 19)], { force: true });
    expect(removed.untagged).toHaveLength(2);
    expect(removed.deleted).toEqual([one.configDigest]);
  });

  test("one that is missing does not keep the others", async () => {
    const { store, two } = await makeStore();
    const removal = await removeImages(store, ["nope", "two", "also-not"]);
    expect(removal.deleted).toEqual([two.configDigest]);
    expect(removal.failures.map(({ code }) => code)).toEqual(["IMAGE_NOT_FOUND", "IMAGE_NOT_FOUND"]);
  });
});

test("an image that is taken into use is the one that its name means now, though the one before be gone", async () => {
  const { store, one, two } = await makeStore();
  const lease = store.acquireLease();
  // Between the look at the name and the lease it is moved, and what it meant is removed.
  const late = {
    protect: (digests: Iterable<Digest>) => {
      const wanted = [...digests];
      if (wanted.includes(one.descriptor.digest)) {
        const moved = readFileSync(`${store.path}/index.json`, "utf8")
          .replaceAll(one.descriptor.digest, two.descriptor.digest)
          .replaceAll(`"size":${one.descriptor.size}`, `"size":${two.descriptor.size}`);
        writeFileSync(`${store.path}/index.json`, moved);
        unlinkSync(store.blobPath(one.descriptor.digest));
      }
      lease.protect(wanted);
    },
    release: () => lease.release(),
  };
  expect(holdImage(store, late, "one:1").descriptor.digest).toBe(two.descriptor.digest);
});
