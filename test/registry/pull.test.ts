/** Pulling, with a client that believes everything: from the real registry, and from one that lies. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it, test } from "vitest";
import { importArchive } from "../../src/archive/import.js";
import { openArchive } from "../../src/archive/read.js";
import { findImage } from "../../src/image/catalog.js";
import { hexOf } from "../../src/oci/digest.js";
import type { Manifest } from "../../src/oci/documents.js";
import { parsePlatform } from "../../src/oci/platform.js";
import { parseReference } from "../../src/oci/reference.js";
import { saveImages } from "../../src/output/saveImages.js";
import { type PulledImage, type PullOptions, pullImage } from "../../src/registry/pull.js";
import { pullFromRegistry } from "../../src/registry/pullFromRegistry.js";
import { checkStore } from "../../src/store/check.js";
import { pruneStore } from "../../src/store/prune.js";
import { listSources } from "../../src/store/sources.js";
import { Store } from "../../src/store/store.js";
import { isNacreError } from "../../src/support/errors.js";
import type { NacreEvent } from "../../src/support/events.js";
import { newStore, tempDir } from "../archive/images.js";
import { toolMissing } from "../setup/tools.js";
import { canMount } from "../store/helpers.js";
import { plainClient } from "./plainClient.js";
import { cuttingProxy, randomPlan } from "./servers/cuttingProxy.js";
import { startRegistry } from "./servers/dockerRegistry.js";
import type { Fault } from "./servers/faults.js";
import { type FaultyRegistry, faultyRegistry } from "./servers/faultyRegistry.js";
import {
  digestOf,
  makeImage,
  makeIndex,
  noiseLayer,
  pushWithSkopeo,
  putImage,
  skopeo,
  skopeoFlags,
  type TestImage,
  withChildren,
  writeLayout,
} from "./servers/images.js";

const amd64 = parsePlatform("linux/amd64");

/** Pulls as `nacre pull` does. */
async function pull(
  store: Store,
  host: string,
  name: string,
  more: Partial<PullOptions> = {},
  events: NacreEvent[] = [],
): Promise<PulledImage> {
  const reference = parseReference(`${host}/${name}`);
  const lease = store.acquireLease();
  try {
    return await pullImage(store, plainClient(host, reference.path), reference, {
      ...{ policy: "always", platform: amd64, lease, now: Date.now, ...more },
      emit: (event) => events.push(event),
    });
  } finally {
    lease.release();
  }
}

/** The failure of a pull, after which the store must be sound and must not know the name. */
async function failure(store: Store, host: string, name: string, more: Partial<PullOptions> = {}) {
  const names = store.listReferences().map((each) => each.name);
  const error: unknown = await pull(store, host, name, more).then(
    () => "it succeeded",
    (error: unknown) => error,
  );
  if (!isNacreError(error)) throw error;
  expect(store.listReferences().map((each) => each.name)).toEqual(names);
  expect((await checkStore(store)).problems).toEqual([]);
  return error;
}

/** A registry in this process with an image under `app:1`. */
async function registryWith(image: TestImage, ...faults: Fault[]): Promise<FaultyRegistry> {
  const registry = await faultyRegistry(faults);
  registry.content.add("app", image, "1");
  return registry;
}

/** What a registry has been asked for since the last time. */
function asked(registry: FaultyRegistry): string[] {
  const lines = registry.requests.map(({ operation, reference }) => `${operation} ${reference}`);
  registry.requests.length = 0;
  return lines;
}

/** The same image with another manifest. */
function withManifest(image: TestImage, change: (manifest: Manifest) => Manifest): TestImage {
  const bytes = Buffer.from(JSON.stringify(change(JSON.parse(image.bytes.toString()) as Manifest)));
  return { ...image, bytes, descriptor: { ...image.descriptor, digest: digestOf(bytes), size: bytes.length } };
}

/** Files of a store's folder. */
function namesIn(store: Store, folder: string): string[] {
  const path = join(store.path, folder);
  return fs.existsSync(path) ? fs.readdirSync(path) : [];
}

const big = makeImage({ layers: [noiseLayer(6 << 20, "big"), noiseLayer(1000, "small")] });

describe.skipIf(toolMissing("docker-registry") || toolMissing("skopeo"))("an image that skopeo has pushed", () => {
  test.each([
    ["OCI, gzip", makeImage()],
    ["OCI, zstd", makeImage({ compression: "zstd" })],
    ["OCI, not compressed", makeImage({ compression: "none" })],
    ["Docker's types", makeImage({ docker: true })],
    ["an index", makeIndex([makeImage({ config: { architecture: "arm64" } }), makeImage()])],
  ])("comes into the store as it is: %s", async (_, image) => {
    const registry = await startRegistry();
    // What has Docker's types cannot lie in an OCI layout, from where skopeo takes it.
    if (image.descriptor.mediaType.includes("docker")) await putImage(image, registry, "some/app", "1");
    else await pushWithSkopeo(image, registry, "some/app:1");
    const store = await newStore();
    const pulled = await pull(store, registry.host, "some/app:1");
    const manifest = image.children.at(-1) ?? image;
    expect(pulled.descriptor.digest).toBe(image.descriptor.digest);
    expect(pulled.stored.digest).toBe(manifest.descriptor.digest);
    expect(pulled.image.layers.map(({ descriptor }) => descriptor)).toEqual(manifest.layers);
    expect((await checkStore(store)).problems).toEqual([]);
    expect(findImage(store, `${registry.host}/some/app:1`).descriptor.digest).toBe(manifest.descriptor.digest);
    await savedEquals(store, `${registry.host}/some/app:1`, manifest);
    await indexesEqualThoseOfLoading(store, manifest, pulled);
  });

  async function savedEquals(store: Store, name: string, image: TestImage): Promise<void> {
    const path = join(tempDir(), "saved.tar");
    const destination = { kind: "path" as const, path };
    await saveImages(store, [name], { destination, format: "oci", tar: true, jobs: 1 });
    expect(await skopeo("inspect", "--raw", `oci-archive:${path}`)).toBe(image.bytes.toString());
    const back = await startRegistry();
    await skopeo(
      "copy",
      "-q",
      "--preserve-digests",
      ...skopeoFlags(back, "dest"),
      `oci-archive:${path}`,
      `docker://${back.host}/x:1`,
    );
    expect(await skopeo("inspect", "--raw", ...skopeoFlags(back, ""), `docker://${back.host}/x:1`)).toBe(
      image.bytes.toString(),
    );
  }

  async function indexesEqualThoseOfLoading(store: Store, image: TestImage, pulled: PulledImage): Promise<void> {
    const loaded = await newStore();
    const source = await openArchive(writeLayout(image));
    await importArchive(loaded, source);
    source.close();
    for (const { diffId } of pulled.image.layers) {
      expect(store.readIndex(diffId)).toBeDefined();
      expect(store.readIndex(diffId)).toEqual(loaded.readIndex(diffId));
    }
  }
});

describe("what the store has", () => {
  it("is not asked for again, layer by layer", async () => {
    const first = makeImage({ layers: [noiseLayer(1000, "a"), noiseLayer(2000, "b")] });
    const second = makeImage({ layers: [noiseLayer(1000, "a"), noiseLayer(3000, "c")] });
    const registry = await registryWith(first);
    registry.content.add("app", second, "2");
    const store = await newStore();
    await pull(store, registry.host, "app:1");
    asked(registry);
    const events: NacreEvent[] = [];
    const pulled = await pull(store, registry.host, "app:2", {}, events);
    expect(pulled.layers.map(({ outcome }) => outcome)).toEqual(["exists", "downloaded"]);
    expect(asked(registry).filter((line) => line.startsWith("blob"))).toEqual([
      expect.stringMatching(/^blob\.get/),
      `blob.get ${second.layers[1]!.digest}`,
    ]);
    expect(events.flatMap((event) => (event.type === "end" ? [event.outcome] : [])).sort()).toEqual(["cached", "done"]);
  });

  it("costs one HEAD where the tag names the same image still, and none by digest", async () => {
    const index = makeIndex([makeImage()]);
    const registry = await registryWith(index);
    const store = await newStore();
    expect((await pull(store, registry.host, "app:1")).status).toBe("new");
    asked(registry);
    const again = await pull(store, registry.host, "app:1");
    expect([again.status, again.descriptor.digest]).toEqual(["up to date", index.descriptor.digest]);
    expect(again.descriptor).toEqual({ ...index.descriptor, platform: undefined });
    expect(asked(registry)).toEqual(["manifest.head 1"]);
    const byDigest = await pull(store, registry.host, `app@${index.descriptor.digest}`);
    expect(byDigest.status).toBe("new");
    expect(asked(registry)).toEqual([]);
    expect(store.listReferences().map(({ name }) => name)).toEqual([
      `${registry.host}/app:1`,
      `${registry.host}/app@${index.descriptor.digest}`,
    ]);
  });

  it("is used without a request if it is not missing, and never missed by a request that is not allowed", async () => {
    const registry = await registryWith(makeImage());
    const store = await newStore();
    const error = await failure(store, registry.host, "app:1", { policy: "never" });
    expect([error.code, error.hint]).toEqual(["IMAGE_NOT_FOUND", expect.stringContaining("nacre pull")]);
    expect((await failure(store, registry.host, "app:1", { policy: "always", offline: true })).code).toBe(
      "IMAGE_NOT_FOUND",
    );
    expect(asked(registry)).toEqual([]);
    expect((await pull(store, registry.host, "app:1", { policy: "missing" })).status).toBe("new");
    asked(registry);
    for (const policy of ["missing", "never"] as const) {
      expect((await pull(store, registry.host, "app:1", { policy })).status).toBe("up to date");
    }
    expect(asked(registry)).toEqual([]);
  });

  it("is not enough where another platform is wanted", async () => {
    const index = makeIndex([makeImage({ config: { architecture: "arm64" } }), makeImage()]);
    const registry = await registryWith(index);
    const store = await newStore();
    await pull(store, registry.host, "app:1");
    const arm = parsePlatform("linux/arm64");
    const pulled = await pull(store, registry.host, "app:1", { policy: "missing", platform: arm });
    expect(pulled.stored.digest).toBe(index.children[0]!.descriptor.digest);
    expect(pulled.layers.map(({ outcome }) => outcome)).toEqual(["exists", "exists"]);
  });

  it("serves for a layer that is wanted unpacked", async () => {
    const registry = await registryWith(makeImage({ layers: [noiseLayer(9000, "a")] }));
    registry.content.add("plain", makeImage({ layers: [noiseLayer(9000, "a")], compression: "none" }), "1");
    const store = await newStore();
    await pull(store, registry.host, "app:1");
    const pulled = await pull(store, registry.host, "plain:1");
    expect(pulled.layers.map(({ outcome }) => outcome)).toEqual(["exists"]);
    expect((await checkStore(store)).problems).toEqual([]);
  });

  it("gets its index again where that was lost, from the blob that is there", async () => {
    const image = makeImage();
    const registry = await registryWith(image);
    const store = await newStore();
    const { image: there } = await pull(store, registry.host, "app:1");
    await store.removeReference(`${registry.host}/app:1`);
    const index = store.readIndex(there.layers[0]!.diffId);
    for (const name of namesIn(store, "indexes")) fs.rmSync(join(store.path, "indexes", name));
    asked(registry);
    const again = await pull(store, registry.host, "app:1");
    expect(again.layers.map(({ outcome }) => outcome)).toEqual(["exists", "exists"]);
    expect(asked(registry)).toEqual(["manifest.head 1"]);
    expect(store.readIndex(there.layers[0]!.diffId)).toEqual(index);
  });

  it("is fetched once if it is listed twice", async () => {
    const image = makeImage({ layers: [noiseLayer(1000, "a"), noiseLayer(2000, "b"), noiseLayer(1000, "a")] });
    const registry = await registryWith(image);
    const store = await newStore();
    const pulled = await pull(store, registry.host, "app:1");
    expect(pulled.image.layers).toHaveLength(3);
    expect(pulled.layers).toHaveLength(2);
    expect(registry.lines("blob.get")).toHaveLength(3);
  });
});

describe("an image index", () => {
  const [arm, plain] = [makeImage({ config: { architecture: "arm64" } }), makeImage()];
  const provenance = makeImage({ layers: [], artifactType: "application/vnd.example" });
  const attestation = {
    ...withManifest(provenance, (manifest) => ({
      ...manifest,
      config: { ...manifest.config, mediaType: "application/vnd.oci.empty.v1+json" },
    })),
  };
  const unknown: TestImage = {
    ...attestation,
    descriptor: { ...attestation.descriptor, platform: { os: "unknown", architecture: "unknown" } },
  };
  const index = makeIndex([unknown, arm, plain]);

  it("says which platforms there are where the one is missing", async () => {
    const registry = await registryWith(index);
    const platform = parsePlatform("linux/riscv64");
    const error = await failure(await newStore(), registry.host, "app:1", { platform });
    expect(error.message).toBe(`${registry.host}/app:1 has no image for linux/riscv64`);
    expect(error.hint).toContain("linux/arm64, linux/amd64");
  });

  it("is taken whole with all its platforms, attestations too", async () => {
    const registry = await registryWith(index);
    const store = await newStore();
    const pulled = await pull(store, registry.host, "app:1", { allPlatforms: true });
    expect(pulled.stored.digest).toBe(index.descriptor.digest);
    expect(pulled.image.descriptor.digest).toBe(plain.descriptor.digest);
    for (const { descriptor } of withChildren(index)) expect(store.hasBlob(descriptor.digest)).toBe(true);
    expect((await checkStore(store)).problems).toEqual([]);
    asked(registry);
    expect((await pull(store, registry.host, "app:1", { allPlatforms: true })).status).toBe("up to date");
    expect(asked(registry)).toEqual(["manifest.head 1"]);
  });

  it("is completed where only one platform was there", async () => {
    const registry = await registryWith(index);
    const store = await newStore();
    await pull(store, registry.host, "app:1");
    const pulled = await pull(store, registry.host, "app:1", { allPlatforms: true, policy: "missing" });
    expect([pulled.status, pulled.stored.digest]).toEqual(["new", index.descriptor.digest]);
  });

  it("warns of an image for one other platform only, and takes it", async () => {
    const registry = await registryWith(arm);
    const events: NacreEvent[] = [];
    const pulled = await pull(await newStore(), registry.host, "app:1", {}, events);
    expect(pulled.warnings).toEqual([expect.stringContaining("linux/arm64")]);
    expect(events).toContainEqual(expect.objectContaining({ type: "warning", rule: "PlatformMismatch" }));
  });

  it("that lies in others is refused from a certain depth on", async () => {
    let nested = makeIndex([plain]);
    for (let depth = 0; depth < 50; depth++) {
      nested = makeIndex([
        { ...nested, descriptor: { ...nested.descriptor, platform: { os: "linux", architecture: "amd64" } } },
      ]);
    }
    const registry = await registryWith(nested);
    for (const allPlatforms of [false, true]) {
      const error = await failure(await newStore(), registry.host, "app:1", { allPlatforms });
      expect(error.message).toContain("more than 4 deep");
    }
  });
});

describe("a registry that is wrong", () => {
  const image = makeImage({ layers: [noiseLayer(5000, "a")] });
  const [layer] = image.layers;
  const manifest = image.descriptor.digest;
  const config = (JSON.parse(image.bytes.toString()) as Manifest).config.digest;
  const of = (digest: string) => ({ when: ({ reference }: { reference: string | undefined }) => reference === digest });

  test.each<[string, Fault]>([
    ["a manifest with other bytes", { on: "manifest.get", fault: "body", to: "flip", ...of(manifest) }],
    ["a manifest that is cut", { on: "manifest.get", fault: "body", to: "short", ...of(manifest) }],
    ["a manifest that is too long", { on: "manifest.get", fault: "body", to: "long", ...of(manifest) }],
    ["an empty manifest", { on: "manifest.get", fault: "body", to: "empty", ...of(manifest) }],
    ["a config with other bytes", { on: "blob.get", fault: "body", to: "flip", ...of(config) }],
    ["a config that is too short", { on: "blob.get", fault: "body", to: "short", ...of(config) }],
    ["a config that is too long", { on: "blob.get", fault: "body", to: "long", ...of(config) }],
    ["a layer with other bytes", { on: "blob.get", fault: "body", to: "flip", ...of(layer!.digest) }],
    ["a layer that is too short", { on: "blob.get", fault: "body", to: "short", ...of(layer!.digest) }],
    ["a layer that is too long", { on: "blob.get", fault: "body", to: "long", ...of(layer!.digest) }],
    ["a layer without an end", { on: "blob.get", fault: "endless", ...of(layer!.digest) }],
    ["a config without an end", { on: "blob.get", fault: "endless", ...of(config) }],
    ["an empty layer", { on: "blob.get", fault: "body", to: "empty", ...of(layer!.digest) }],
  ])("gets nothing into the store: %s", async (_, fault) => {
    const registry = await registryWith(image, fault);
    const store = await newStore();
    expect((await failure(store, registry.host, "app:1")).code).toMatch(/^(CONTENT_INVALID|COMPRESSION)$/);
    expect(store.hasBlob(fault.on === "manifest.get" ? image.descriptor.digest : layer!.digest)).toBe(false);
    registry.setFaults();
    expect((await pull(store, registry.host, "app:1")).status).toBe("new");
  });

  it("stays with the digest that the tag had when it was asked for", async () => {
    const moved = makeImage({ layers: [noiseLayer(10, "moved")] });
    const registry = await registryWith(image, { on: "manifest.head", fault: "tag", digest: image.descriptor.digest });
    registry.content.add("app", moved, "1");
    const pulled = await pull(await newStore(), registry.host, "app:1");
    expect(pulled.descriptor.digest).toBe(image.descriptor.digest);
  });

  test.each<[string, (manifest: Manifest) => object, RegExp]>([
    ["fewer layers than the config", (m) => ({ ...m, layers: [] }), /lists 1 layers, its manifest 0/],
    ["a manifest and an index at once", (m) => ({ ...m, manifests: [] }), /manifest and an index at once/],
    ["schema 1", (m) => ({ ...m, schemaVersion: 1 }), /schema 1/],
    [
      "a chart",
      (m) => ({ ...m, config: { ...m.config, mediaType: "application/vnd.cncf.helm.config.v1+json" } }),
      /artifact of the type .*helm/,
    ],
    [
      "a foreign layer",
      (m) => retyped(m, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
      /must not be distributed/,
    ],
    [
      "an encrypted layer",
      (m) => retyped(m, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
      /encrypted layer/,
    ],
    ["an unknown layer", (m) => retyped(m, "application/x-squash"), /unknown type application\/x-squash/],
    [
      "an invalid digest",
      (m) => ({ ...m, layers: [{ ...m.layers[0], digest: "sha256:../../x" }] }),
      /malformed at layers/,
    ],
    ["a huge config", (m) => ({ ...m, config: { ...m.config, size: 9 << 20 } }), /config of .* has 9437184 bytes/],
    [
      "one layer with two sizes",
      (m) => ({ ...m, layers: [m.layers[0], { ...m.layers[0], size: 1 }] }),
      /bytes and with 1/,
    ],
    ["a wrong layer size", (m) => ({ ...m, layers: [{ ...m.layers[0], size: 77 }] }), /more than 77 bytes/],
  ])("is told clearly: %s", async (_, change, message) => {
    const other = withManifest(image, change as (manifest: Manifest) => Manifest);
    const registry = await registryWith(other);
    expect((await failure(await newStore(), registry.host, "app:1")).message).toMatch(message);
  });

  function retyped(manifest: Manifest, mediaType: string): Manifest {
    return {
      ...manifest,
      layers: manifest.layers.map((each) => ({ ...each, mediaType, urls: ["https://example.com/x"] })),
    };
  }

  it("is told clearly: another content than the config says", async () => {
    const wrong = makeImage({ layers: [noiseLayer(5001, "b")] });
    const confused = withManifest(image, (m) => ({ ...m, layers: wrong.layers }));
    const registry = await registryWith({ ...confused, blobs: new Map([...image.blobs, ...wrong.blobs]) });
    const store = await newStore();
    const error = await failure(store, registry.host, "app:1");
    expect(error.message).toMatch(/^a layer's content is .*, the config says /);
    // Where the blob is known from another image, too.
    registry.content.add("good", wrong, "1");
    await pull(store, registry.host, "good:1");
    expect((await failure(store, registry.host, "app:1")).message).toMatch(/^a layer's content is /);
  });

  it("is told clearly: an image or tag that is not there, and a tag whose manifest is gone", async () => {
    const registry = await registryWith(image);
    expect((await failure(await newStore(), registry.host, "app:2")).message).toContain("app:2 is not in the registry");
    registry.content.repository("app").tags.set("1", "sha256:".padEnd(71, "0"));
    registry.setFaults({ on: "manifest.head", fault: "tag", digest: image.descriptor.digest });
    registry.content.repository("app").manifests.clear();
    expect((await failure(await newStore(), registry.host, "app:1")).code).toBe("IMAGE_NOT_FOUND");
  });
});

describe("a pull that is interrupted", () => {
  const [first] = big.layers;
  const isBig = ({ reference }: { reference: string | undefined }) => reference === first!.digest;
  const cut: Fault = { on: "blob.get", fault: "cut", after: 5 << 20, when: isBig };

  it("goes on where it was cut, with what was complete", async () => {
    const registry = await registryWith(big, cut);
    const location = join(tempDir(), "store");
    let store = await Store.open(location);
    afterAll(() => store.close());
    expect((await failure(store, registry.host, "app:1")).code).toBe("NETWORK");
    expect(store.hasBlob(big.layers[1]!.digest)).toBe(true);
    await store.close();
    store = await Store.open(location);
    const [part] = listSources(store);
    expect(part).toMatchObject({
      kind: "layer",
      name: hexOf(first!.digest),
      label: `${registry.host}/app@${first!.digest}`,
    });
    const { size } = fs.statSync(`${part!.path}/content`);
    expect(size).toBeGreaterThan(4 << 20);
    registry.setFaults();
    asked(registry);
    const events: NacreEvent[] = [];
    const pulled = await pull(store, registry.host, "app:1", {}, events);
    expect(pulled.layers.map(({ outcome }) => outcome)).toEqual(["downloaded", "exists"]);
    expect(registry.requests.map(({ headers }) => headers.range).filter(Boolean)).toEqual([`bytes=${size}-`]);
    expect(events.filter((event) => event.type === "progress").at(-1)).toMatchObject({ current: first!.size });
    expect(listSources(store)).toEqual([]);
    expect((await checkStore(store)).problems).toEqual([]);
  });

  test.each<[string, (bytes: Buffer) => Buffer]>([
    ["damaged", (bytes) => Buffer.concat([Buffer.from("x"), bytes.subarray(1)])],
    [
      "damaged in its middle",
      (bytes) => Buffer.concat([bytes.subarray(0, 1000), Buffer.alloc(9), bytes.subarray(1009)]),
    ],
    ["full of zeros", (bytes) => Buffer.alloc(bytes.length)],
    ["longer than the layer", (bytes) => Buffer.concat([bytes, bytes])],
    ["empty", () => Buffer.alloc(0)],
  ])("begins anew where what is left of it is %s", async (_, damage) => {
    const registry = await registryWith(big, cut);
    const store = await newStore();
    await failure(store, registry.host, "app:1");
    const path = `${listSources(store)[0]!.path}/content`;
    fs.writeFileSync(path, damage(fs.readFileSync(path)));
    registry.setFaults();
    expect((await pull(store, registry.host, "app:1")).status).toBe("new");
    expect((await checkStore(store)).problems).toEqual([]);
    expect(listSources(store)).toEqual([]);
  });

  it("asks for nothing where only the end of the work is missing", async () => {
    const registry = await registryWith(big, cut);
    const store = await newStore();
    await failure(store, registry.host, "app:1");
    fs.writeFileSync(`${listSources(store)[0]!.path}/content`, big.blobs.get(first!.digest)!);
    asked(registry);
    await pull(store, registry.host, "app:1");
    expect(asked(registry)).toEqual(["manifest.head 1"]);
  });

  it("keeps nothing of a layer that came whole and wrong", async () => {
    const registry = await registryWith(big, { on: "blob.get", fault: "body", to: "flip", when: isBig });
    const store = await newStore();
    expect((await failure(store, registry.host, "app:1")).code).toMatch(/^(CONTENT_INVALID|COMPRESSION)$/);
    expect([listSources(store), namesIn(store, "sources/layer")]).toEqual([[], []]);
  });

  it("ends at once when it is cancelled, while nothing comes", async () => {
    const registry = await registryWith(big, { on: "blob.get", fault: "silence", when: isBig });
    const store = await newStore();
    const stop = new AbortController();
    const failing = failure(store, registry.host, "app:1", { signal: stop.signal });
    await expect.poll(() => registry.lines("blob.get").some((line) => line.includes(first!.digest))).toBe(true);
    stop.abort();
    expect((await failing).code).toBe("CANCELLED");
    expect(namesIn(store, "leases")).toEqual([]);
  });

  it("stops the other layers when one fails, and says why that one did", async () => {
    const registry = await registryWith(
      big,
      { on: "blob.get", fault: "silence", when: isBig },
      {
        ...{ on: "blob.get", fault: "body", to: "flip" },
        when: ({ reference }) => reference === big.layers[1]!.digest,
      },
    );
    const events: NacreEvent[] = [];
    const store = await newStore();
    await expect(pull(store, registry.host, "app:1", {}, events)).rejects.toMatchObject({ code: /CONTENT|COMPR/ });
    expect(events.flatMap((event) => (event.type === "end" ? [event.outcome] : []))).toEqual(["error", "cancelled"]);
  });

  it("leaves what garbage collection can take away", async () => {
    const registry = await registryWith(big, cut);
    const store = await newStore();
    await failure(store, registry.host, "app:1");
    await pruneStore(store, { all: true });
    expect(listSources(store)).toEqual([]);
    registry.setFaults();
    expect((await pull(store, registry.host, "app:1")).status).toBe("new");
  });

  it("fetches a layer once where two pull it at the same time", async () => {
    const registry = await registryWith(big);
    const location = join(tempDir(), "store");
    const stores = await Promise.all([Store.open(location), Store.open(location)]);
    await Promise.all(stores.map((store) => pull(store, registry.host, "app:1")));
    expect(registry.lines("blob.get").filter((line) => line.includes(first!.digest))).toHaveLength(1);
    expect((await checkStore(stores[0]!)).problems).toEqual([]);
    for (const store of stores) await store.close();
  });

  test.runIf(canMount())("loses nothing on a full disk", async () => {
    const registry = await registryWith(big);
    const directory = tempDir();
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", directory]).status).toBe(0);
    try {
      const store = await Store.open(join(directory, "store"));
      registry.content.add("small", makeImage(), "1");
      await pull(store, registry.host, "small:1");
      expect((await failure(store, registry.host, "app:1")).code).toBe("DISK_FULL");
      expect((await pull(store, registry.host, "small:1")).status).toBe("up to date");
      spawnSync("mount", ["-o", "remount,size=64m", directory]);
      expect((await pull(store, registry.host, "app:1")).status).toBe("new");
      expect((await checkStore(store)).problems).toEqual([]);
      await store.close();
    } finally {
      spawnSync("umount", [directory]);
    }
  });
});

describe("a pull over connections that break", () => {
  test.each([1, 2, 3, 4])("ends well or clean, and goes on from there: seed %d", async (seed) => {
    const image = makeImage({ layers: ["a", "b", "c"].map((name) => noiseLayer(5 << 20, name)) });
    const registry = await registryWith(image);
    const plan = randomPlan(seed, {
      chance: 0.7,
      within: 6 << 20,
      does: ["cut", "reset", "delay", "duplicate", "flip"],
    });
    const proxy = await cuttingProxy(registry.host, plan);
    const store = await newStore();
    const limits = { attempts: 3, backoff: 1 };
    let isDone = false;
    for (let attempt = 0; attempt < 20 && !isDone; attempt++) {
      isDone = await pullFromRegistry(store, `${proxy.host}/app:1`, { env: {}, platform: amd64, limits }).then(
        ({ stored }) => stored.digest === image.descriptor.digest,
        (error: unknown) => {
          if (!isNacreError(error) || error.code === "INTERNAL") throw error;
          return false;
        },
      );
      expect((await checkStore(store)).problems).toEqual([]);
      expect(store.listReferences()).toHaveLength(isDone ? 1 : 0);
    }
    expect(isDone).toBe(true);
  });
});
