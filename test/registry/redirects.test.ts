/** Where answers lead: blobs in storage elsewhere, uploads elsewhere, and how far that is followed. */
import { describe, expect, test } from "vitest";
import { blobOf, clientWorld, digestOf, failureOf, noise, readAll, sourceOf } from "./clientWorld.js";
import { faultyRegistry } from "./servers/faultyRegistry.js";
import { makeImage } from "./servers/images.js";

const image = makeImage();
const blob = noise(200_000);

async function storage() {
  const registry = await faultyRegistry([], { host: "127.0.0.2" });
  registry.content.add("app", image, "1");
  registry.content.repository("app").blobs.set(digestOf(blob), blob);
  return registry;
}

describe("a redirect", () => {
  test.each([301, 302, 303, 307, 308] as const)("leads to where a blob is: %i", async (status) => {
    const store = await storage();
    const registry = await faultyRegistry([{ on: "blob.get", fault: "redirect", to: `${store.url}{path}`, status }]);
    const client = clientWorld().open(registry.host);
    expect((await readAll(client.blob(blobOf(blob), { offset: 5 }))).equals(blob.subarray(5))).toBe(true);
    expect(store.requests[0]!.headers.range).toBe("bytes=5-");
  });

  test("is followed ten times, and no more", async () => {
    const registry = await faultyRegistry([{ on: "manifest", fault: "redirect", to: "self", times: 10 }]);
    registry.content.add("app", image, "1");
    expect(await clientWorld().open(registry.host).manifest("1")).toBeDefined();
    registry.setFaults({ on: "manifest", fault: "redirect", to: "self" });
    const failure = await failureOf(clientWorld().open(registry.host).manifest("1"));
    expect(failure).toMatchObject({ code: "NETWORK", message: expect.stringContaining("after 10 redirects") });
    expect(registry.met({ on: "manifest", fault: "redirect", to: "self" })).toBe(0);
  });

  test("of what is sent is followed where that means to send it again", async () => {
    const store = await storage();
    const registry = await faultyRegistry([{ on: "manifest.put", fault: "redirect", to: `${store.url}{path}` }]);
    const client = clientWorld().open(registry.host, "app", "push");
    expect(await client.putManifest("2", image.descriptor.mediaType, image.bytes)).toBe(image.descriptor.digest);
    expect(store.content.repository("app").tags.get("2")).toBe(image.descriptor.digest);
    registry.setFaults({ on: "manifest.put", fault: "redirect", to: `${store.url}{path}`, status: 302 });
    const failure = await failureOf(client.putManifest("3", image.descriptor.mediaType, image.bytes));
    expect(failure).toMatchObject({ code: "NETWORK", message: expect.stringContaining("redirects") });
  });

  test.each(["file:///etc/passwd", "ftp://x/", "http://[", "javascript:1"])("to %s is not followed", async (to) => {
    const registry = await faultyRegistry([{ on: "manifest", fault: "redirect", to }]);
    expect(await failureOf(clientWorld().open(registry.host).manifest("1"))).toMatchObject({ code: "NETWORK" });
  });
});

test("an upload goes on where the registry says, on another host too", async () => {
  const store = await storage();
  const registry = await faultyRegistry([
    {
      ...{ on: "upload.start", fault: "instead" },
      answer: (_, response) =>
        !!response.writeHead(202, { location: `${store.url}/v2/app/blobs/uploads/x?a=%2F` }).end(),
    },
  ]);
  store.setFaults({
    ...{ on: "upload.finish", fault: "instead" },
    answer: async (_, response, message) => {
      message.resume();
      await new Promise((resolve) => message.on("end", resolve));
      return !!response.writeHead(201).end();
    },
  });
  const client = clientWorld().open(registry.host, "app", "push");
  expect(await client.upload(blobOf(blob), sourceOf(blob))).toBe("uploaded");
  expect(store.lines()).toEqual([`PUT /v2/app/blobs/uploads/x?a=%2F&digest=${encodeURIComponent(digestOf(blob))}`]);
});

test("a blob that is elsewhere is fetched from there if the registry does not have it", async () => {
  const [store, registry] = [await storage(), await faultyRegistry()];
  const client = clientWorld().open(registry.host);
  const urls = ["ftp://x/", `${store.url}/nothing`, `${store.url}/v2/app/blobs/${digestOf(blob)}`];
  expect((await readAll(client.blob({ ...blobOf(blob), urls }))).equals(blob)).toBe(true);
  const failure = await failureOf(readAll(client.blob(blobOf(blob))));
  expect(failure).toMatchObject({ code: "NETWORK", message: expect.stringContaining("does not have it") });
});
