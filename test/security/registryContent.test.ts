/** What registries may send in place of what they were asked for. */

import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/mediaTypes.js";
import { duplicateKey } from "../../src/registry/duplicateKeys.js";
import { blobOf, clientWorld, digestOf, failureOf, listAll, noise, readAll } from "../registry/clientWorld.js";
import type { Fault } from "../registry/servers/faults.js";
import { faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { makeImage } from "../registry/servers/images.js";

const image = makeImage();
const other = makeImage({ config: { author: "someone else" } });
const blob = noise(100_000);
const MIB = 1 << 20;

async function world(...faults: readonly Fault[]) {
  const registry = await faultyRegistry(faults);
  registry.content.add("app", image, "1");
  registry.content.repository("app").blobs.set(digestOf(blob), blob);
  return { registry, ...clientWorld() };
}

describe("a blob", () => {
  const wrong: readonly (readonly [string, Fault])[] = [
    ["another byte", { on: "blob.get", fault: "body", to: "flip" }],
    ["a byte too few", { on: "blob.get", fault: "body", to: "short" }],
    ["a byte too many", { on: "blob.get", fault: "body", to: "long" }],
    ["nothing", { on: "blob.get", fault: "body", to: "empty" }],
    ["the same in gzip", { on: "blob.get", fault: "body", to: (right) => gzipSync(right) }],
    ["bytes without end", { on: "blob.get", fault: "endless" }],
    ["fewer than it says", { on: "blob.get", fault: "length", by: 10 }],
    ["the length of another", { on: "blob.get", fault: "headers", set: { "content-length": "5" } }],
    ["a word for the digest", { on: "blob.get", fault: "body", to: noise(blob.length, 9) }],
  ];

  test.each(wrong)("is not %s: reading it fails before it ends", async (_, fault) => {
    const { registry, open } = await world(fault);
    let bytes = 0;
    const reading = (async () => {
      for await (const chunk of open(registry.host).blob(blobOf(blob))) bytes += chunk.length;
    })();
    expect((await failureOf(reading)).code).toMatch(/CONTENT_INVALID|NETWORK/);
    expect(bytes).toBeLessThanOrEqual(blob.length);
  });

  test("has the size of its descriptor", async () => {
    const { registry, open } = await world();
    for (const size of [blob.length - 1, blob.length + 1, 1]) {
      const failure = failureOf(readAll(open(registry.host).blob({ ...blobOf(blob), size })));
      expect(await failure).toMatchObject({ code: "CONTENT_INVALID" });
    }
  });
});

describe("a manifest", () => {
  const json = JSON.parse(image.bytes.toString());
  const send = (value: unknown, type = OCI_MANIFEST): Fault[] => {
    const bytes = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
    return [
      { on: "manifest.get", fault: "body", to: bytes },
      { on: "manifest.get", fault: "headers", set: { "content-type": type } },
    ];
  };
  const wrong: readonly (readonly [string, Fault[]])[] = [
    ["that is an index too", send({ ...json, manifests: [] })],
    ["sent as something else", send(json, OCI_INDEX)],
    ["sent as a web page", send(json, "text/html")],
    ["that says it is an index", send({ ...json, mediaType: OCI_INDEX })],
    [
      "of schema 1",
      send({ schemaVersion: 1, name: "app" }, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
    ],
    ["with a key twice", send(image.bytes.toString().replace("{", '{"layers":[],'))],
    ["with a key in two cases", send(image.bytes.toString().replace("{", '{"Layers":[],'))],
    ["that is no JSON", send("<html>")],
    ["that is null", send("null")],
    ["whose digests are paths", send({ ...json, config: { ...json.config, digest: "sha256:../../etc/passwd" } })],
    ["whose digests are short", send({ ...json, config: { ...json.config, digest: "sha256:abc" } })],
    [
      "whose digests are in upper case",
      send({ ...json, config: { ...json.config, digest: `sha256:${"A".repeat(64)}` } }),
    ],
    ["whose sizes are negative", send({ ...json, config: { ...json.config, size: -1 } })],
  ];

  test.each(wrong)("%s is refused", async (_, faults) => {
    const { registry, open } = await world(...faults);
    expect(await failureOf(open(registry.host).manifest("1"))).toMatchObject({ code: "CONTENT_INVALID" });
  });

  test("is what its bytes are, whatever the registry calls them", async () => {
    const lie = { "docker-content-digest": other.descriptor.digest };
    const { registry, open } = await world({ on: "manifest.get", fault: "headers", set: lie });
    const found = await open(registry.host).manifest("1");
    expect(found?.descriptor.digest).toBe(image.descriptor.digest);
  });

  test("asked for by digest is that one, or nothing", async () => {
    const { registry, open } = await world({ on: "manifest.get", fault: "body", to: other.bytes });
    const client = open(registry.host);
    const { digest } = image.descriptor;
    expect(await failureOf(client.manifest(digest))).toMatchObject({ code: "CONTENT_INVALID" });
    registry.setFaults({
      on: "manifest.head",
      fault: "headers",
      set: { "docker-content-digest": other.descriptor.digest },
    });
    expect(await failureOf(client.resolve(digest))).toMatchObject({ code: "CONTENT_INVALID" });
    for (const odd of ["sha256:../../x", "sha256:abc", "sha512:abc", "x"]) {
      registry.setFaults({ on: "manifest.head", fault: "headers", set: { "docker-content-digest": odd } });
      expect((await client.resolve("1"))?.digest).toBe(digest);
    }
  });

  test("of a tag that moves between two looks is noticed", async () => {
    const { registry, open } = await world();
    registry.content.add("app", other);
    const client = open(registry.host);
    const first = await client.resolve("1");
    registry.setFaults({ on: "manifest", fault: "tag", digest: other.descriptor.digest });
    const failure = await failureOf(client.manifest("1", first));
    expect(failure).toMatchObject({ code: "CONTENT_INVALID", message: expect.stringContaining("a moment ago") });
    expect((await client.manifest(first!.digest, first))?.bytes.equals(image.bytes)).toBe(true);
  });
});

test("a key that stands twice is found wherever it does", () => {
  for (const text of [
    '{"a":1,"b":{"a":2},"c":[{"a":1},{"a":1}],"d":"a","e":["a","a"]}',
    '{"x":{"A":1,"a":2}}',
    "[]",
    '"a"',
  ]) {
    expect(duplicateKey(text)).toBeUndefined();
  }
  for (const text of ['{"a":1,"a":1}', '{"x":[{"a":{"b":1,"\\u0062":2}}]}', '{"a":1,"A":2}', '{"\\"":"}","\\"":1}']) {
    expect(duplicateKey(text)).toBeDefined();
  }
});

describe("answers without end are not read to it:", () => {
  const huge = Buffer.alloc(5 * MIB, " ");
  const cases: readonly (readonly [string, Fault, (client: ReturnType<typeof openApp>) => Promise<unknown>, RegExp])[] =
    [
      ["a manifest", { on: "manifest.get", fault: "body", to: huge }, (client) => client.manifest("1"), /LIMIT/],
      ["an endless manifest", { on: "manifest.get", fault: "endless" }, (client) => client.manifest("1"), /LIMIT/],
      ["tags", { on: "tags", fault: "endless" }, (client) => listAll(client.tags()), /LIMIT/],
      ["referrers", { on: "referrers", fault: "endless" }, (client) => client.referrers(digestOf(blob)), /LIMIT/],
      [
        "a blob",
        { on: "blob.get", fault: "endless" },
        (client) => readAll(client.blob(blobOf(blob))),
        /CONTENT_INVALID/,
      ],
      [
        "an error",
        { on: "manifest.get", fault: "status", status: 400, body: Buffer.alloc(5 * MIB, "x") },
        (client) => client.manifest("1"),
        /NETWORK/,
      ],
    ];
  const openApp = (registry: { readonly host: string }) => clientWorld().open(registry.host);

  test.each(cases)("%s", async (_, fault, work, code) => {
    const { registry } = await world(fault);
    expect((await failureOf(work(openApp(registry)))).code).toMatch(code);
  });

  test("a token", async () => {
    const auth = { kind: "bearer", users: {} } as const;
    const registry = await faultyRegistry([{ on: "token", fault: "body", to: Buffer.alloc(MIB, " ") }], { auth });
    expect(await failureOf(openApp(registry).manifest("1"))).toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("an answer that trickles in", async () => {
    const { registry } = await world({ on: "blob.get", fault: "drip", bytes: 1, milliseconds: 5 });
    const limits = { slowWindow: 60, slowBytes: 10_000, attempts: 2 };
    const client = clientWorld({ limits }).open(registry.host);
    const failure = await failureOf(readAll(client.blob(blobOf(blob))));
    expect(failure).toMatchObject({ code: "NETWORK", message: expect.stringContaining("nothing came") });
  });

  test("what is not HTTP at all", async () => {
    const { registry } = await world({ on: "manifest.get", fault: "garbage" });
    expect(await failureOf(openApp(registry).manifest("1"))).toMatchObject({ code: "NETWORK" });
  });

  test("pages that go on for ever are read as long as someone reads them", async () => {
    const { registry } = await world({ on: "tags", fault: "paging", how: "endless" });
    let count = 0;
    for await (const _ of openApp(registry).tags()) if (++count === 500) break;
    expect(count).toBe(500);
  });
});
