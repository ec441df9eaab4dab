/** Reading from a registry: what a name is, manifests, blobs in one piece or in many. */
import { describe, expect, test } from "vitest";
import { OCI_MANIFEST } from "../../src/oci/mediaTypes.js";
import { retryAfterOf } from "../../src/registry/rateLimit.js";
import { toolMissing } from "../setup/tools.js";
import { blobOf, clientWorld, digestOf, failureOf, listAll, noise, readAll, sourceOf } from "./clientWorld.js";
import { startRegistry } from "./servers/dockerRegistry.js";
import type { Fault } from "./servers/faults.js";
import { faultyRegistry } from "./servers/faultyRegistry.js";
import { makeImage, makeIndex, putImage } from "./servers/images.js";

const image = makeImage();
const { mediaType, digest, size } = image.descriptor;
/** What an answer tells of the image. */
const plain = { mediaType, digest, size };
const big = noise(700_000);

/** A registry with the image `app:1` and a blob. */
async function registryWith(faults: readonly Fault[] = []) {
  const registry = await faultyRegistry(faults);
  registry.content.add("app", image, "1");
  registry.content.repository("app").blobs.set(digestOf(big), big);
  return registry;
}

describe.skipIf(toolMissing("docker-registry"))("with the real registry", () => {
  test("an image is resolved, read and listed, and what is not there is not", async () => {
    const registry = await startRegistry();
    const index = makeIndex([makeImage({ config: { architecture: "amd64" } })]);
    await putImage(image, registry, "team/app", "1");
    await putImage(index, registry, "team/app", "both");
    const { open, registries } = clientWorld();
    const client = open(registry.host, "team/app");
    expect(await client.resolve("1")).toEqual(plain);
    expect(await client.resolve(image.descriptor.digest)).toEqual(plain);
    expect(await client.manifest("both")).toEqual({
      descriptor: expect.objectContaining({ digest: index.descriptor.digest }),
      bytes: index.bytes,
    });
    for (const layer of image.layers) {
      expect(await client.blobSize(layer.digest)).toBe(layer.size);
      expect(await readAll(client.blob(layer))).toEqual(image.blobs.get(layer.digest));
      const rest = await readAll(client.blob(layer, { offset: 5 }));
      expect(rest).toEqual(image.blobs.get(layer.digest)!.subarray(5));
    }
    expect((await listAll(client.tags())).sort()).toEqual(["1", "both"]);
    expect(await listAll(registries.catalog(registry.host))).toEqual(["team/app"]);
    expect(await client.resolve("2")).toBeUndefined();
    expect(await client.manifest("2")).toBeUndefined();
    expect(await client.blobSize(digestOf(Buffer.from("x")))).toBeUndefined();
  });

  test("an insecure registry is asked by https, then by http; one that is not is told apart", async () => {
    const [open, secure] = [await startRegistry(), await startRegistry({ tls: true })];
    for (const registry of [open, secure]) await putImage(image, registry, "app", "1");
    for (const registry of [open, secure]) {
      const base = new URL(`https://${registry.host}`);
      const client = clientWorld({ endpoint: { base, insecure: true } }).open(registry.host);
      expect(await client.resolve("1")).toEqual(plain);
      const failure = failureOf(clientWorld({ endpoint: { base } }).open(registry.host).resolve("1"));
      const why = registry === open ? /plain http where https/ : /certificate is not trusted/;
      expect(await failure).toMatchObject({ code: "NETWORK", message: expect.stringMatching(why) });
    }
    const trusted = { base: new URL(secure.url), tls: { ca: [secure.ca!] } };
    const client = clientWorld({ endpoint: trusted }).open(secure.host);
    expect(await client.resolve("1")).toEqual(plain);
  });

  test("a registry that is started again meanwhile is waited for", async () => {
    const registry = await startRegistry();
    await putImage(image, registry, "app", "1");
    const client = clientWorld({ limits: { backoff: 50, attempts: 12 } }).open(registry.host);
    await client.resolve("1");
    await registry.kill();
    const [found] = await Promise.all([client.resolve("1"), registry.restart()]);
    expect(found).toEqual(plain);
  });
});

describe("a name", () => {
  test("is resolved by HEAD alone; without a digest in the answer it is read", async () => {
    const registry = await registryWith();
    const client = clientWorld().open(registry.host);
    expect(await client.resolve("1")).toEqual(plain);
    expect(registry.lines()).toEqual(["HEAD /v2/app/manifests/1"]);
    registry.setFaults({ on: "manifest.head", fault: "headers", set: { "docker-content-digest": undefined } });
    expect(await client.resolve("1")).toEqual(plain);
    registry.setFaults({ on: "manifest.head", fault: "status", status: 405 });
    expect(await client.resolve("1")).toEqual(plain);
  });

  test("that could be another path is never sent", async () => {
    const registry = await registryWith();
    const { open } = clientWorld();
    for (const reference of ["../1", "a/b", "1?x", "", "sha256:../../x", "sha256:ABC", "a".repeat(129)]) {
      expect(await failureOf(open(registry.host).manifest(reference))).toMatchObject({ code: "REFERENCE_INVALID" });
    }
    for (const repository of ["../x", "App", "a//b", "a b", ""])
      expect(() => open(registry.host, repository)).toThrow(/is not a repository name/);
    expect(registry.requests).toEqual([]);
  });
});

describe("a blob", () => {
  test("is continued where it was cut, without what has come coming again", async () => {
    const registry = await registryWith([
      { on: "blob.get", fault: "cut", after: 300_000, how: "reset", times: 1 },
      { on: "blob.get", fault: "cut", after: 100_000, skip: 1, times: 1 },
    ]);
    expect((await readAll(clientWorld().open(registry.host).blob(blobOf(big)))).equals(big)).toBe(true);
    const ranges = registry.requests.map(({ headers }) => headers.range);
    expect(ranges[0]).toBeUndefined();
    for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=\d+-$/);
    expect(ranges.length).toBe(3);
  });

  test.each(["ignored", "416"] as const)("is continued though ranges are %s", async (how) => {
    const registry = await registryWith([
      { on: "blob.get", fault: "cut", after: 300_000, times: 1 },
      { on: "blob.get", fault: "range", how, when: ({ headers }) => headers.range !== undefined },
    ]);
    expect((await readAll(clientWorld().open(registry.host).blob(blobOf(big)))).equals(big)).toBe(true);
  });

  test.each(["other-part", "wrong-total", "lie"] as const)("is not made up of wrong parts: %s", async (how) => {
    const registry = await registryWith([
      { on: "blob.get", fault: "cut", after: 300_000, times: 1 },
      { on: "blob.get", fault: "range", how },
    ]);
    const failure = failureOf(readAll(clientWorld().open(registry.host).blob(blobOf(big))));
    expect(await failure).toMatchObject({ code: "CONTENT_INVALID" });
  });

  test("that is given up in the middle ends its connection, and the client serves on", async () => {
    const registry = await registryWith();
    const client = clientWorld().open(registry.host);
    for await (const _ of client.blob(blobOf(big))) break;
    expect(await client.resolve("1")).toEqual(plain);
  });

  test("stops when it is told to", async () => {
    const registry = await registryWith([{ on: "blob.get", fault: "drip", bytes: 1000, milliseconds: 20 }]);
    const stop = new AbortController();
    const client = clientWorld({ signal: stop.signal }).open(registry.host);
    const reading = (async () => {
      for await (const _ of client.blob(blobOf(big))) stop.abort();
    })();
    expect(await failureOf(reading)).toMatchObject({ code: "CANCELLED" });
  });

  test("of nothing is right without being asked for, and only then", async () => {
    const registry = await registryWith();
    const client = clientWorld().open(registry.host);
    expect(await readAll(client.blob(blobOf(Buffer.alloc(0))))).toEqual(Buffer.alloc(0));
    const lie = { ...blobOf(big), size: 0 };
    expect(await failureOf(readAll(client.blob(lie)))).toMatchObject({ code: "CONTENT_INVALID" });
  });
});

describe("what may pass", () => {
  test.each([408, 429, 499, 500, 502, 503, 504, 522])("is tried again: %i", async (status) => {
    const registry = await registryWith([{ on: "manifest.get", fault: "status", status, times: 2 }]);
    const found = await clientWorld().open(registry.host).manifest("1");
    expect(found?.descriptor).toEqual(plain);
  });

  test("is not tried for ever, and its error tells what, where and why", async () => {
    const body = JSON.stringify({ errors: [{ code: "UNAVAILABLE", message: "back\u001b[31m soon" }] });
    const registry = await registryWith([{ on: "manifest.get", fault: "status", status: 503, body }]);
    const failure = await failureOf(clientWorld().open(registry.host).manifest("1"));
    expect(failure).toEqual({
      code: "NETWORK",
      message: `cannot read ${registry.host}/app:1: ${registry.url}: the registry fails (503): back [31m soon`,
      hint: "try again later",
    });
    expect(registry.requests.length).toBe(4);
  });

  test("is waited for as long as the registry says, unless that is too long", async () => {
    const registry = await registryWith([{ on: "manifest", fault: "status", status: 429, retryAfter: 3600 }]);
    const failure = await failureOf(clientWorld().open(registry.host).manifest("1"));
    expect(failure).toMatchObject({ code: "NETWORK", hint: expect.stringContaining("try again in 60 minutes") });
    expect(registry.requests.length).toBe(1);
    registry.setFaults({ on: "manifest", fault: "status", status: 429, retryAfter: "1", times: 1 });
    expect(await clientWorld().open(registry.host).manifest("1")).toBeDefined();
    const wait = (text: string, date?: string) =>
      retryAfterOf({ header: (name) => (name === "retry-after" ? text : date) }, 1_700_000_000_000);
    expect([wait("30"), wait(" 0 "), wait("1700000060"), wait("x"), wait("-1")]).toEqual([
      30_000,
      0,
      60_000,
      undefined,
      undefined,
    ]);
    expect(wait("Tue, 14 Nov 2023 22:13:30 GMT")).toBe(10_000);
    // The server's clock, not ours, where it tells it.
    expect(wait("Tue, 14 Nov 2023 22:13:30 GMT", "Tue, 14 Nov 2023 22:13:25 GMT")).toBe(5_000);
  });

  test("a limit that is used up is not tried again", async () => {
    const headers = { "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600" };
    const registry = await registryWith([{ on: "manifest.get", fault: "status", status: 429, headers }]);
    const client = clientWorld().open(registry.host);
    expect(await failureOf(client.manifest("1"))).toMatchObject({ hint: expect.stringContaining("6 hours") });
    expect(registry.requests.length).toBe(1);
    expect(client.rateLimit()).toEqual({ limit: 100, remaining: 0, window: 21_600 });
  });

  test("an answer that never comes is not waited for", async () => {
    const registry = await registryWith([{ on: "manifest.get", fault: "silence", times: 1 }]);
    const limits = { headers: 100, connect: 1000 };
    expect(await clientWorld({ limits }).open(registry.host).manifest("1")).toBeDefined();
  });
});

test("warnings are shown once each, and as text", async () => {
  const registry = await registryWith([{ on: "any", fault: "warning", text: "this tag \u0085goes soon" }]);
  const { open, warnings } = clientWorld();
  for (const _ of [1, 2]) await open(registry.host).resolve("1");
  expect(warnings).toEqual([`registry-warning: ${registry.host}: this tag goes soon`]);
});

describe("mirrors", () => {
  test("are asked first; what one lacks, or cannot send, the next one has", async () => {
    const [failing, lacking, home] = [
      await faultyRegistry([{ on: "any", fault: "status", status: 500 }]),
      await faultyRegistry(),
      await registryWith(),
    ];
    const mirrors = [failing, lacking].map(({ url }) => ({ base: new URL(url) }));
    const { open, warnings } = clientWorld({ mirrors });
    const client = open(home.host);
    expect((await client.manifest("1"))?.descriptor).toEqual(plain);
    expect((await readAll(client.blob(blobOf(big)))).equals(big)).toBe(true);
    expect(lacking.lines()).toEqual(["GET /v2/app/manifests/1", `GET /v2/app/blobs/${digestOf(big)}`]);
    expect(warnings).toEqual([expect.stringMatching(/^mirror-failed: the mirror .* is passed over/)]);
  });

  test("a blob that a mirror sends only in part is continued from the registry itself", async () => {
    const mirror = await registryWith([
      { on: "blob.get", fault: "cut", after: 200_000, times: 1 },
      { on: "blob.get", fault: "status", status: 500, skip: 1 },
    ]);
    const home = await registryWith();
    const client = clientWorld({ mirrors: [{ base: new URL(mirror.url) }] }).open(home.host);
    expect((await readAll(client.blob(blobOf(big)))).equals(big)).toBe(true);
    expect(home.requests.map(({ headers }) => headers.range)).toEqual([expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
  });

  test("one that sends a wrong blob is not asked for it again", async () => {
    const mirror = await registryWith([{ on: "blob.get", fault: "body", to: "flip" }]);
    const home = await registryWith();
    const client = clientWorld({ mirrors: [{ base: new URL(mirror.url) }] }).open(home.host);
    expect(await failureOf(readAll(client.blob(blobOf(big))))).toMatchObject({ code: "CONTENT_INVALID" });
    expect((await readAll(client.blob(blobOf(big)))).equals(big)).toBe(true);
  });

  test("one that is down is left alone for a while, and an error lists all that were tried", async () => {
    const down = await faultyRegistry([{ on: "any", fault: "drop", performed: false }]);
    const home = await registryWith([{ on: "any", fault: "status", status: 403 }]);
    let now = 0;
    const { open, warnings } = clientWorld({ mirrors: [{ base: new URL(down.url) }], now: () => now });
    const failure = await failureOf(open(home.host).manifest("1"));
    expect(failure).toMatchObject({ code: "DENIED", message: expect.stringContaining("the connection was cut") });
    const tries = down.requests.length;
    await failureOf(open(home.host).manifest("1"));
    await failureOf(readAll(open(home.host).blob(blobOf(big))));
    expect(down.requests.length).toBe(tries);
    now += 61_000;
    await failureOf(readAll(open(home.host).blob(blobOf(big))));
    expect(down.requests.length).toBeGreaterThan(tries);
    expect(warnings).toEqual([expect.stringContaining(`the mirror ${down.url} is passed over`)]);
  });

  test("answer only what they are there for, under the name of the registry", async () => {
    const [byDigest, home] = [await registryWith(), await registryWith()];
    const mirror = {
      base: new URL(`${byDigest.url}/`),
      answers: "digest",
      sendsNamespace: true,
      mirrorOf: "docker.io",
    };
    const client = clientWorld({ mirrors: [mirror as object] }).open(home.host);
    await client.resolve("1");
    expect(byDigest.requests).toEqual([]);
    await client.resolve(image.descriptor.digest);
    expect(byDigest.lines()).toEqual([`HEAD /v2/app/manifests/${image.descriptor.digest}?ns=docker.io`]);
  });
});

describe("lists", () => {
  test("are read page by page, and not for ever", async () => {
    const registry = await faultyRegistry([], { pageSize: 2 });
    const tags = ["1", "2", "3", "4", "5"];
    for (const tag of tags) registry.content.add("app", image, tag);
    const client = clientWorld().open(registry.host);
    expect(await listAll(client.tags())).toEqual(tags);
    registry.setFaults({ on: "tags", fault: "paging", how: "loop" });
    expect(await failureOf(listAll(client.tags()))).toMatchObject({ code: "CONTENT_INVALID" });
  });

  test("of a repository that is not there is an error that says so", async () => {
    const registry = await faultyRegistry();
    const failure = await failureOf(listAll(clientWorld().open(registry.host, "nothing").tags()));
    expect(failure).toMatchObject({ code: "NETWORK", hint: expect.stringContaining("check the name") });
  });
});

test("the type that counts is the one in the document, and both agree", async () => {
  const registry = await registryWith();
  const client = clientWorld().open(registry.host);
  const set = (type: string | undefined) =>
    registry.setFaults({ on: "manifest.get", fault: "headers", set: { "content-type": type } });
  set(`${OCI_MANIFEST}; charset=utf-8`);
  expect((await client.manifest("1"))?.descriptor).toEqual(plain);
  set("application/json");
  expect((await client.manifest("1"))?.descriptor).toEqual(plain);
  set("application/vnd.oci.image.index.v1+json");
  expect(await failureOf(client.manifest("1"))).toMatchObject({ code: "CONTENT_INVALID" });
});

test("requests of many clients share connections", async () => {
  const registry = await registryWith();
  const { open } = clientWorld();
  for (let round = 0; round < 10; round++) await open(registry.host).resolve("1");
  expect(new Set(registry.requests.map(({ connection }) => connection)).size).toBeLessThanOrEqual(2);
  await Promise.all(Array.from({ length: 40 }, () => readAll(open(registry.host).blob(blobOf(big)))));
  expect(new Set(registry.requests.map(({ connection }) => connection)).size).toBeLessThanOrEqual(33);
});

test("content is uploaded and read again in pieces of any size", async () => {
  const registry = await faultyRegistry();
  const { open } = clientWorld();
  const client = open(registry.host, "app", "push");
  expect(await client.upload(blobOf(big), sourceOf(big, 777))).toBe("uploaded");
  expect((await readAll(open(registry.host).blob(blobOf(big)))).equals(big)).toBe(true);
});
