/** Layers that are sent while they are compressed. */
import { createHash } from "node:crypto";
import { chmodSync, closeSync, openSync, writeSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { loadImage } from "../../src/image/image.js";
import type { Descriptor } from "../../src/oci/documents.js";
import { type PushOptions, pushImage } from "../../src/output/pushImage.js";
import type { Store } from "../../src/store/store.js";
import { type Member, newStore, putImage } from "../archive/images.js";
import { clientWorld, failureOf } from "../registry/clientWorld.js";
import { type FaultyRegistry, faultyRegistry } from "../registry/servers/faultyRegistry.js";
import { noiseLayer } from "../registry/servers/images.js";

/** Big enough to be hashed by a thread, of two dozen blocks. */
const FILES = Array.from({ length: 24 }, (_, i) => noiseLayer(900_000, `file-${i}`)[0]!);
const grown = (member: Member): Member => ({
  ...member,
  content: Buffer.concat([member.content as Buffer, Buffer.alloc(3000)]),
});
const CHANGED = FILES.map((member, i) => (i === 2 ? grown(member) : member));

const push = (store: Store, image: Descriptor, name: string, more: Partial<PushOptions> = {}) =>
  pushImage(store, clientWorld().registries, image, [name], { jobs: 2, now: Date.now, ...more });

/** A store and a registry that have the layer as it was before the change. */
async function world() {
  const [store, registry] = [await newStore(), await faultyRegistry()];
  await push(store, await putImage(store, [FILES]), `${registry.host}/app:1`);
  registry.requests.length = 0;
  return { store, registry, changed: await putImage(store, [CHANGED]) };
}

/** What the registry has of the pushed layer, unpacked. */
function diffIdAt(registry: FaultyRegistry, digest: string): string {
  const bytes = registry.content.repository("app").blobs.get(digest)!;
  expect(`sha256:${createHash("sha256").update(bytes).digest("hex")}`).toBe(digest);
  return `sha256:${createHash("sha256").update(gunzipSync(bytes)).digest("hex")}`;
}

describe("a layer of which little is new", () => {
  it("is sent before its digest is known, once, and is what any other push makes of it", async () => {
    const { store, registry, changed } = await world();
    const [pushed] = await push(store, changed, `${registry.host}/app:2`);
    const [layer] = pushed!.layers;
    expect(layer!.outcome).toEqual({ kind: "pushed" });
    expect(diffIdAt(registry, layer!.digest)).toBe(loadImage(store, changed).layers[0]!.diffId);
    const about = registry.requests.filter(({ path }) => path.includes(layer!.digest.slice(7)));
    // No one has asked if it is there.
    expect(about).toEqual([]);
    expect(registry.lines("upload.chunk").length).toBeGreaterThan(1);
    const sent = registry.requests.reduce((sum, { received }) => sum + received, 0);
    expect(sent).toBeLessThan(layer!.size + 10_000);

    const [other, second] = [await newStore(), await faultyRegistry()];
    const [again] = await push(other, await putImage(other, [CHANGED]), `${second.host}/app:2`);
    expect(again!.layers[0]!.digest).toBe(layer!.digest);
  });

  it("is not sent where nothing of it was kept: it may be there already", async () => {
    const { registry, store, changed } = await world();
    await push(store, changed, `${registry.host}/app:2`);
    const other = await newStore();
    registry.requests.length = 0;
    const [pushed] = await push(other, await putImage(other, [CHANGED]), `${registry.host}/app:2`);
    expect(pushed!.layers[0]!.outcome).toEqual({ kind: "exists" });
    expect(registry.lines("upload.start")).toEqual([]);
  });

  it("is sent again when the registry loses what has come", async () => {
    const { store, registry, changed } = await world();
    registry.setFaults(
      { on: "upload.chunk", fault: "status", status: 502, times: 1, skip: 1 },
      { on: "upload.status", fault: "forget", times: 1 },
    );
    const [pushed] = await push(store, changed, `${registry.host}/app:2`);
    expect(registry.lines("upload.start").length).toBeGreaterThan(1);
    expect(diffIdAt(registry, pushed!.layers[0]!.digest)).toBe(loadImage(store, changed).layers[0]!.diffId);
    expect(registry.content.repository("app").tags.get("2")).toBe(pushed!.digest);
  });

  it("is not sent at all if it is damaged, and leaves no upload behind", async () => {
    const { store, registry, changed } = await world();
    const { diffId } = loadImage(store, changed).layers[0]!;
    chmodSync(store.blobPath(diffId), 0o644);
    const fd = openSync(store.blobPath(diffId), "r+");
    writeSync(fd, Buffer.from("damage"), 0, 6, 20_000_000);
    closeSync(fd);
    expect(await failureOf(push(store, changed, `${registry.host}/app:2`))).toMatchObject({ code: "CONTENT_INVALID" });
    expect(registry.lines("upload.finish")).toEqual([]);
    expect(registry.lines("upload.cancel").length).toBe(registry.lines("upload.start").length);
    expect([...registry.content.repository("app").tags.keys()]).toEqual(["1"]);
  });

  it("fails as any push where nothing may be pushed", async () => {
    const { store, registry, changed } = await world();
    registry.setFaults({ on: "upload", fault: "status", status: 403 });
    expect(await failureOf(push(store, changed, `${registry.host}/app:2`))).toMatchObject({ code: "DENIED" });
    expect([...registry.content.repository("app").tags.keys()]).toEqual(["1"]);
  });
});
