/** What refers to a manifest: by the registry's own list, or by the tag that clients keep in its place. */
import { describe, expect, test } from "vitest";
import { toolMissing } from "../setup/tools.js";
import { clientWorld, failureOf } from "./clientWorld.js";
import { startRegistry } from "./servers/dockerRegistry.js";
import { faultyRegistry } from "./servers/faultyRegistry.js";
import { makeImage, putImage, type TestImage } from "./servers/images.js";

const subject = makeImage();
const { mediaType, digest, size } = subject.descriptor;
const artifact = (name: string): TestImage =>
  makeImage({
    ...{ layers: [], subject: { mediaType, digest, size }, artifactType: `application/vnd.test.${name}` },
    annotations: { name },
  });
const [signature, list] = [artifact("signature"), artifact("list")];

const entry = (image: TestImage, name: string) => ({
  ...{ mediaType: image.descriptor.mediaType, digest: image.descriptor.digest, size: image.descriptor.size },
  ...{ annotations: { name }, artifactType: `application/vnd.test.${name}` },
});

describe.skipIf(toolMissing("docker-registry"))("with the real registry, which keeps no list", () => {
  test("the tag is written, once for each, however many write at once", async () => {
    const registry = await startRegistry();
    await putImage(subject, registry, "app", "1");
    const { open } = clientWorld();
    const client = open(registry.host, "app", "push");
    expect(await client.referrers(digest)).toEqual([]);
    const images = [signature, list, ...Array.from({ length: 6 }, (_, at) => artifact(`n${at}`))];
    for (const { blobs } of images)
      for (const [blob, bytes] of blobs) {
        await client.upload({ digest: blob, size: bytes.length }, async function* () {
          yield bytes;
        });
      }
    const put = (image: TestImage, to = client) => to.putReferrer(image.descriptor.mediaType, image.bytes, digest);
    await Promise.all([...images, ...images].map((image) => put(image)));
    expect((await client.referrers(digest)).length).toBe(images.length);
    expect(await client.referrers(digest, "application/vnd.test.list")).toEqual([entry(list, "list")]);
    expect(await client.resolve(`sha256-${digest.slice(7)}`)).toBeDefined();
  });
});

describe("with a registry that keeps a list", () => {
  test("it is asked, and no tag is written", async () => {
    const registry = await faultyRegistry();
    registry.content.add("app", subject, "1");
    for (const image of [signature, list])
      for (const [blob, bytes] of image.blobs) registry.content.repository("app").blobs.set(blob, bytes);
    const client = clientWorld().open(registry.host, "app", "push");
    for (const image of [signature, list]) await client.putReferrer(image.descriptor.mediaType, image.bytes, digest);
    expect([...registry.content.repository("app").tags.keys()]).toEqual(["1"]);
    const found = await client.referrers(digest);
    expect(found.map((one) => one.digest).sort()).toEqual([signature, list].map((one) => one.descriptor.digest).sort());
    const signatures = await client.referrers(digest, "application/vnd.test.signature");
    expect(signatures.map((one) => one.digest)).toEqual([signature.descriptor.digest]);
  });
});

describe("the tag", () => {
  async function without() {
    const registry = await faultyRegistry([{ on: "any", fault: "no-referrers" }]);
    registry.content.add("app", subject, "1");
    for (const [blob, bytes] of signature.blobs) registry.content.repository("app").blobs.set(blob, bytes);
    return { registry, client: clientWorld().open(registry.host, "app", "push") };
  }
  const put = (client: Awaited<ReturnType<typeof without>>["client"]) =>
    client.putReferrer(signature.descriptor.mediaType, signature.bytes, digest);

  test("is written again when someone else was quicker", async () => {
    const { registry, client } = await without();
    await put(client);
    registry.content.repository("app").tags.delete(`sha256-${digest.slice(7)}`);
    registry.setFaults(
      { on: "any", fault: "no-referrers" },
      { on: "manifest.put", fault: "status", status: 412, times: 1, when: ({ headers }) => "if-match" in headers },
    );
    await put(client);
    expect(await client.referrers(digest)).toEqual([entry(signature, "signature")]);
  });

  test("that holds something else stays as it is", async () => {
    const { registry, client } = await without();
    registry.content.add("app", subject, `sha256-${digest.slice(7)}`);
    expect(await failureOf(put(client))).toMatchObject({ code: "CONTENT_INVALID" });
    expect(registry.content.repository("app").tags.get(`sha256-${digest.slice(7)}`)).toBe(digest);
  });
});

test("a manifest is put as what refers to its own subject alone", async () => {
  const registry = await faultyRegistry();
  const client = clientWorld().open(registry.host, "app", "push");
  const wrong = client.putReferrer(signature.descriptor.mediaType, signature.bytes, signature.descriptor.digest);
  expect(await failureOf(wrong)).toMatchObject({ code: "CONTENT_INVALID" });
  expect(registry.requests).toEqual([]);
});
