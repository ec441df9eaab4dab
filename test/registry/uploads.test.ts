/** Uploading: known contents and such that are still being made, whatever becomes of the connection on the way. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { blobOf, clientWorld, digestOf, failureOf, noise, readAll, sourceOf } from "./clientWorld.js";
import { startRegistry } from "./servers/dockerRegistry.js";
import type { Fault, OperationName } from "./servers/faults.js";
import { faultyRegistry } from "./servers/faultyRegistry.js";
import { makeImage } from "./servers/images.js";

const MIB = 1 << 20;
const small = noise(300_000);
const big = noise(9 * MIB + 5);
const image = makeImage();

/** A content that can be read only once. */
async function* stream(bytes: Uint8Array, piece = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
}

async function world(...faults: readonly Fault[]) {
  const registry = await faultyRegistry(faults);
  const client = clientWorld().open(registry.host, "app", "push");
  const stored = (bytes: Uint8Array) => registry.content.repository("app").blobs.get(digestOf(bytes))?.equals(bytes);
  return { registry, client, stored };
}

describe.skipIf(toolMissing("docker-registry"))("with the real registry", () => {
  test.each([false, true])(
    "contents arrive, known or not, and are there then (relative locations: %s)",
    async (relativeUrls) => {
      const registry = await startRegistry({ relativeUrls });
      const { open } = clientWorld();
      const client = open(registry.host, "team/app", "push");
      const progress: number[] = [];
      expect(await client.upload(blobOf(small), sourceOf(small), ({ bytes }) => progress.push(bytes))).toBe("uploaded");
      expect(progress.at(-1)).toBe(small.length);
      expect(await client.upload(blobOf(small), sourceOf(small))).toBe("exists");
      expect(await client.uploadStream(stream(big))).toEqual({ digest: digestOf(big), size: big.length });
      for (const bytes of [Buffer.alloc(0), noise(1, 7), noise(4 * MIB, 7)]) {
        const { digest, size } = blobOf(bytes);
        expect(await client.uploadStream(stream(bytes))).toEqual({ digest, size });
      }
      await client.upload(blobOf(Buffer.from("{}")), sourceOf(Buffer.from("{}")));
      expect((await readAll(open(registry.host, "team/app").blob(blobOf(big)))).equals(big)).toBe(true);
      const other = open(registry.host, "team/other", "push");
      expect(await other.mount(digestOf(big), "team/app")).toBe(true);
      expect(await other.blobSize(digestOf(big))).toBe(big.length);
    },
  );

  test("what is not what it is called is refused, and so is a manifest without its blobs", async () => {
    const registry = await startRegistry();
    const client = clientWorld().open(registry.host, "app", "push");
    const wrong = { digest: digestOf(small), size: small.length };
    const failure = await failureOf(client.upload(wrong, sourceOf(noise(small.length, 5))));
    expect(failure).toMatchObject({ code: "CONTENT_INVALID", message: expect.stringContaining("digest") });
    const push = failureOf(client.putManifest("1", image.descriptor.mediaType, image.bytes));
    expect(await push).toMatchObject({ code: "NETWORK", message: expect.stringContaining("blob unknown") });
    expect(await client.resolve("1")).toBeUndefined();
  });
});

describe("an upload that is cut", () => {
  test("goes on where the registry has come to", async () => {
    const { registry, client, stored } = await world(
      { on: "upload.finish", fault: "cut-request", after: 4 * MIB, times: 1 },
      { on: "upload.chunk", fault: "cut-request", after: MIB, times: 2 },
    );
    expect(await client.upload(blobOf(big), sourceOf(big))).toBe("uploaded");
    expect(stored(big)).toBe(true);
    const sent = registry.requests.reduce((sum, { received }) => sum + received, 0);
    // What was in the air when it was cut is all that is sent again.
    expect(sent).toBeLessThan(big.length * 1.3);
  });

  test("starts anew where the registry has lost it", async () => {
    const { registry, client, stored } = await world(
      { on: "upload.finish", fault: "cut-request", after: 100_000, times: 1 },
      { on: "upload.status", fault: "forget" },
    );
    expect(await client.upload(blobOf(small), sourceOf(small))).toBe("uploaded");
    expect(stored(small)).toBe(true);
    expect(registry.lines("upload.start").length).toBe(2);
  });

  test.each([true, false])(
    "is found to have arrived where only the answer was lost (performed: %s)",
    async (performed) => {
      const { client, stored } = await world({ on: "upload.finish", fault: "drop", performed, times: 1 });
      expect(await client.upload(blobOf(small), sourceOf(small))).toBe("uploaded");
      expect(stored(small)).toBe(true);
    },
  );

  test("is given up in the end, and cancelled", async () => {
    const { registry, client } = await world({ on: ["upload.finish", "upload.chunk"], fault: "status", status: 500 });
    expect(await failureOf(client.upload(blobOf(small), sourceOf(small)))).toMatchObject({ code: "NETWORK" });
    expect(registry.content.uploads.size).toBe(0);
  });

  test("is tried in smaller parts where a proxy takes no big requests", async () => {
    const { client, stored } = await world({ on: "upload.finish", fault: "status", status: 413, times: 1 });
    expect(await client.upload(blobOf(small), sourceOf(small))).toBe("uploaded");
    expect(stored(small)).toBe(true);
  });

  test("is cut smaller where a proxy takes requests of a megabyte only", async () => {
    const { client, stored } = await world({
      ...{ on: ["upload.finish", "upload.chunk"], fault: "status", status: 413 },
      when: ({ headers }) => Number(headers["content-length"]) > MIB,
    });
    expect(await client.upload(blobOf(big), sourceOf(big))).toBe("uploaded");
    expect(stored(big)).toBe(true);
  });

  test("works whatever goes wrong a few times", async () => {
    const operations: OperationName[] = ["upload.start", "upload.chunk", "upload.finish", "upload.status", "blob.head"];
    const fault = fc.record({
      on: fc.constantFrom(...operations),
      skip: fc.nat(2),
      times: fc.constant(1),
      what: fc.constantFrom(
        ...[
          { fault: "status", status: 503 } as const,
          { fault: "cut-request", after: 1000 } as const,
          { fault: "cut-request", after: 70_000, keep: false } as const,
          { fault: "drop", performed: true } as const,
          { fault: "drop", performed: false } as const,
          { fault: "lose", bytes: 10 } as const,
          { fault: "forget" } as const,
        ],
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 3 }), async (wishes) => {
        const { client, stored } = await world(...wishes.map(({ what, ...when }) => ({ ...when, ...what })));
        expect(await client.upload(blobOf(small), sourceOf(small, 10_000))).toMatch(/uploaded|exists/);
        expect(stored(small)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe("a content that is being made", () => {
  test("is sent again as far as the registry has lost it", async () => {
    const { registry, client, stored } = await world(
      { on: "upload.chunk", fault: "cut-request", after: 2 * MIB, times: 1, skip: 1 },
      { on: "upload.chunk", fault: "lose", bytes: 1000, times: 1, skip: 3 },
      { on: "upload.finish", fault: "drop", performed: true, times: 1 },
    );
    expect(await client.uploadStream(stream(big))).toEqual({ digest: digestOf(big), size: big.length });
    expect(stored(big)).toBe(true);
    expect(registry.lines("upload.start").length).toBe(1);
  });

  test("starts anew only as long as nothing of it is gone", async () => {
    const first = await world(
      { on: "upload.chunk", fault: "status", status: 502, times: 1 },
      { on: "upload.status", fault: "forget", times: 1 },
    );
    expect(await first.client.uploadStream(stream(big))).toMatchObject({ digest: digestOf(big) });
    const later = await world(
      { on: "upload.chunk", fault: "status", status: 502, times: 1, skip: 1 },
      { on: "upload.status", fault: "forget", times: 1 },
    );
    const failure = await failureOf(later.client.uploadStream(stream(big)));
    expect(failure).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("has lost the first 4194304 bytes"),
    });
  });

  test("comes in chunks that are as big as the registry wants them", async () => {
    const { registry, client, stored } = await world({ on: "any", fault: "min-chunk", bytes: 5 * MIB });
    await client.uploadStream(stream(big));
    expect(stored(big)).toBe(true);
    expect(
      registry.requests.filter(({ received }) => received > 0).map(({ method, received }) => [method, received]),
    ).toEqual([
      ["PATCH", 5 * MIB],
      // The last one, which may be smaller, ends the upload.
      ["PUT", big.length - 5 * MIB],
    ]);
    const greedy = await world({ on: "any", fault: "min-chunk", bytes: 1 << 30 });
    expect(await failureOf(greedy.client.uploadStream(stream(big)))).toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  test("that cannot be read on is not pushed, and its own error is what is thrown", async () => {
    const { registry, client } = await world();
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield big.subarray(0, 5 * MIB);
      throw Object.assign(new Error("the disk is gone"), { code: "EIO" });
    }
    await expect(client.uploadStream(breaking())).rejects.toThrow("the disk is gone");
    await expect(client.upload(blobOf(big), breaking)).rejects.toThrow("the disk is gone");
    expect(registry.lines("upload.cancel").length).toBe(2);
    expect(registry.content.repository("app").blobs.size).toBe(0);
  });

  test("of another length than it is said to have is not pushed", async () => {
    const { registry, client } = await world();
    for (const length of [small.length - 1, small.length + 1]) {
      const failure = failureOf(client.upload({ ...blobOf(small), size: length }, sourceOf(small)));
      expect(await failure).toMatchObject({ code: "CONTENT_INVALID" });
    }
    expect(registry.content.repository("app").blobs.size).toBe(0);
  });

  test("is cancelled at the registry when it is stopped", async () => {
    const registry = await faultyRegistry();
    const stop = new AbortController();
    const client = clientWorld({ signal: stop.signal }).open(registry.host, "app", "push");
    async function* stopping(): AsyncGenerator<Uint8Array> {
      for (let at = 0; ; at++) {
        if (at === 6) stop.abort();
        yield noise(MIB);
      }
    }
    expect(await failureOf(client.uploadStream(stopping()))).toMatchObject({ code: "CANCELLED" });
    expect(registry.lines("upload.cancel").length).toBe(1);
  });
});

test("a mount that is not done leaves no upload behind", async () => {
  const { registry, client } = await world();
  expect(await client.mount(digestOf(small), "elsewhere")).toBe(false);
  expect(registry.content.uploads.size).toBe(0);
});

test("a registry that changes a manifest is found out", async () => {
  const { registry, client } = await world();
  for (const [digest, bytes] of image.blobs) registry.content.repository("app").blobs.set(digest, bytes);
  const { mediaType, digest } = image.descriptor;
  expect(await client.putManifest("1", mediaType, image.bytes)).toBe(digest);
  expect((await client.manifest("1"))?.bytes.equals(image.bytes)).toBe(true);
  registry.setFaults({ on: "manifest.put", fault: "headers", set: { "docker-content-digest": digestOf(small) } });
  expect(await failureOf(client.putManifest("2", mediaType, image.bytes))).toMatchObject({ code: "CONTENT_INVALID" });
  expect(await failureOf(client.putManifest(digestOf(small), mediaType, image.bytes))).toMatchObject({
    code: "CONTENT_INVALID",
  });
});
