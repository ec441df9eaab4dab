/** Pushing images of the store to real registries, and what other tools find there. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadImages } from "../../src/archive/loadImages.js";
import { loadImage } from "../../src/image/image.js";
import type { Digest } from "../../src/oci/digest.js";
import type { Descriptor } from "../../src/oci/documents.js";
import { parseReference } from "../../src/oci/reference.js";
import { writeOutput } from "../../src/output/output.js";
import { pushBuilt } from "../../src/output/pushBuilt.js";
import { type PushOptions, pushImage } from "../../src/output/pushImage.js";
import { layerPushBlob } from "../../src/output/pushSources.js";
import type { PushedImage } from "../../src/output/pushTargets.js";
import { blobOrigins, noteBlobOrigin } from "../../src/registry/blobOrigins.js";
import { pullImage } from "../../src/registry/pull.js";
import type { Registries, RepositoryClient } from "../../src/registry/types.js";
import type { Store } from "../../src/store/store.js";
import { silent } from "../../src/support/events.js";
import { type Member, newStore, putImage, SOME_LAYERS, tempDir } from "../archive/images.js";
import { clientWorld, digestOf, failureOf, readAll } from "../registry/clientWorld.js";
import { cuttingProxy } from "../registry/servers/cuttingProxy.js";
import { startRegistry, type TestRegistry } from "../registry/servers/dockerRegistry.js";
import { faultyRegistry } from "../registry/servers/faultyRegistry.js";
import {
  makeImage,
  makeIndex,
  noiseLayer,
  putImage as putInto,
  skopeo,
  type TestImage,
  writeLayout,
} from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";
import { envOf, sh } from "./images.js";

const GZIP = { type: "gzip", force: false } as const;
const options = (more: Partial<PushOptions> = {}): PushOptions => ({ jobs: 2, now: Date.now, ...more });

/** Pushes by the store's descriptor. */
const push = (store: Store, image: Descriptor | string, names: string | string[], more?: Partial<PushOptions>) =>
  pushImage(store, clientWorld().registries, image, [names].flat(), options(more));

const outcomes = ([image]: readonly PushedImage[]) => image!.layers.map(({ outcome }) => outcome.kind).sort();
const tags = async (registry: { url: string }, repository: string): Promise<string[]> => {
  const answer = await fetch(`${registry.url}/v2/${repository}/tags/list`);
  return answer.ok ? (((await answer.json()) as { tags: string[] | null }).tags ?? []).sort() : [];
};
const raw = (registry: TestRegistry, name: string) =>
  skopeo("inspect", "--raw", "--tls-verify=false", `docker://${registry.host}/${name}`);
const uploadsOf = (registry: TestRegistry) => registry.log().match(/"(?:PATCH|PUT) \/v2\/\S+\/blobs\/uploads\//g) ?? [];

async function loadInto(store: Store, image: TestImage, name = "some/app:1"): Promise<Descriptor> {
  const [loaded] = await loadImages(store, writeLayout(image), { tags: [name], allPlatforms: true });
  return loaded!.descriptor;
}

describe.skipIf(toolMissing("docker-registry") || toolMissing("skopeo"))("a push", () => {
  it("brings what was built, compressed, with the digest that an archive of it has; skopeo and umoci read it", async () => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const built = await putImage(store, SOME_LAYERS);
    const [pushed] = await push(store, built, `${registry.host}/me/app:1`);
    const archive = join(tempDir(), "app.tar");
    const output = { type: "oci", destination: { kind: "path", path: archive }, tar: true, compression: GZIP } as const;
    const image = loadImage(store, built);
    const { image: exported } = await writeOutput(
      { ...output, rewriteTimestamp: false, annotations: new Map() },
      image,
      envOf(store),
    );
    expect(pushed).toMatchObject({ digest: exported!.descriptor.digest, name: `${registry.host}/me/app:1` });
    const layout = join(tempDir(), "layout");
    await skopeo("copy", "--quiet", "--src-tls-verify=false", `docker://${registry.host}/me/app:1`, `oci:${layout}:x`);
    if (!toolMissing("umoci")) {
      sh(`umoci unpack ${process.getuid?.() === 0 ? "" : "--rootless"} --image ${layout}:x ${layout}-root`);
      expect(existsSync(`${layout}-root/rootfs`)).toBe(true);
      rmSync(`${layout}-root`, { recursive: true });
    }
    const config = JSON.parse(
      await skopeo("inspect", "--config", "--tls-verify=false", `docker://${registry.host}/me/app:1`),
    );
    expect(config).toMatchObject({
      architecture: "amd64",
      rootfs: { diff_ids: image.layers.map(({ diffId }) => diffId) },
    });
    expect(JSON.parse(await raw(registry, "me/app:1")).layers.map((layer: Descriptor) => layer.mediaType)).toEqual(
      SOME_LAYERS.map(() => "application/vnd.oci.image.layer.v1.tar+gzip"),
    );
  });

  it("sends nothing that is there", async () => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const built = await putImage(store, SOME_LAYERS);
    expect(outcomes(await push(store, built, `${registry.host}/app:1`))).toEqual(SOME_LAYERS.map(() => "pushed"));
    const before = uploadsOf(registry).length;
    expect(outcomes(await push(store, built, `${registry.host}/app:2`))).toEqual(SOME_LAYERS.map(() => "exists"));
    const more = await putImage(store, [...SOME_LAYERS, noiseLayer(1000, "new")]);
    expect(outcomes(await push(store, more, `${registry.host}/app:3`))).toEqual([
      ...SOME_LAYERS.map(() => "exists"),
      "pushed",
    ]);
    // The new layer and its config, with one request each.
    expect(uploadsOf(registry).length - before).toBe(2);
    expect(await tags(registry, "app")).toEqual(["1", "2", "3"]);
  });

  it("finds by digest what another store has pushed", async () => {
    const [one, two, registry] = [await newStore(), await newStore(), await startRegistry()];
    await push(one, await putImage(one, SOME_LAYERS), `${registry.host}/app:1`);
    const again = await push(two, await putImage(two, SOME_LAYERS), `${registry.host}/app:1`);
    expect(outcomes(again)).toEqual(SOME_LAYERS.map(() => "exists"));
  });

  it("mounts what another repository of the registry has", async () => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const built = await putImage(store, SOME_LAYERS);
    await push(store, built, `${registry.host}/library/base:1`);
    const before = uploadsOf(registry).length;
    const [pushed] = await push(store, built, `${registry.host}/me/app:1`);
    expect(pushed!.layers.map(({ outcome }) => outcome)).toEqual(
      SOME_LAYERS.map(() => ({ kind: "mounted", from: "library/base" })),
    );
    expect(uploadsOf(registry).length).toBe(before);
    expect(await raw(registry, "me/app:1")).toBe(await raw(registry, "library/base:1"));
  });

  it("mounts what was pulled from another repository of the registry", async () => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const base = makeImage();
    await putInto(base, registry, "library/base", "1");
    const { registries, open } = clientWorld();
    const reference = parseReference(`${registry.host}/library/base:1`);
    const lease = store.acquireLease();
    const pulling = { policy: "always", emit: silent, lease, now: Date.now } as const;
    const { stored } = await pullImage(store, open(registry.host, "library/base"), reference, pulling);
    lease.release();
    const [pushed] = await pushImage(store, registries, stored, [`${registry.host}/me/app:1`], options());
    expect(pushed!.layers.map(({ outcome }) => outcome)).toEqual(
      base.layers.map(() => ({ kind: "mounted", from: "library/base" })),
    );
  });

  it("sends what a repository was said to have, but has no more", async () => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const built = await putImage(store, SOME_LAYERS);
    await push(store, built, `${registry.host}/app:1`);
    await registry.kill();
    rmSync(registry.storage, { recursive: true });
    await registry.restart();
    expect(outcomes(await push(store, built, `${registry.host}/other:1`))).toEqual(SOME_LAYERS.map(() => "pushed"));
  });

  it("gives several names in several repositories and registries all blobs once", async () => {
    const [store, one, two] = [await newStore(), await startRegistry(), await startRegistry()];
    const built = await putImage(store, SOME_LAYERS);
    const names = [`${one.host}/a:1`, `${one.host}/a:2`, `${one.host}/b`, `${two.host}/a:1`];
    const pushed = await push(store, built, names);
    expect(pushed.map(({ name }) => name)).toEqual([...names.slice(0, 2), `${one.host}/b:latest`, names[3]]);
    expect(new Set(pushed.map(({ digest }) => digest)).size).toBe(1);
    expect(uploadsOf(one).length).toBe(SOME_LAYERS.length + 1);
    expect(await tags(one, "a")).toEqual(["1", "2"]);
    expect(await raw(two, "a:1")).toBe(await raw(one, "b:latest"));
  });

  it("pushes a layer that an image has twice once", async () => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const layer: Member[] = [{ path: "same", content: "same" }];
    const built = await putImage(store, [layer, layer]);
    expect((await push(store, built, `${registry.host}/app:1`))[0]!.layers).toHaveLength(1);
    expect(uploadsOf(registry)).toHaveLength(2);
    expect(JSON.parse(await raw(registry, "app:1")).layers).toHaveLength(2);
  });

  it.each([true, false])("keeps every byte of an image that came compressed (Docker's types: %s)", async (docker) => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const index = makeIndex([makeImage({ docker }), makeImage({ docker, config: { architecture: "arm64" } })], docker);
    await loadInto(store, index);
    const [pushed] = await push(store, "some/app:1", `${registry.host}/app:1`);
    expect(pushed!.digest).toBe(index.descriptor.digest);
    expect(await raw(registry, "app:1")).toBe(index.bytes.toString());
    const [one] = await push(store, "some/app:1", `${registry.host}/arm:1`, {
      platform: { os: "linux", architecture: "arm64" },
    });
    expect(one!.digest).toBe(index.children[1]!.descriptor.digest);
  });

  it("compresses what is uncompressed within an index, and what speaks of it follows", async () => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const plain = makeImage({ compression: "none" });
    const attestation = makeImage({
      layers: [[{ path: "proof", content: "{}" }]],
      config: { os: "unknown", architecture: "unknown" },
    });
    const annotations = {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": plain.descriptor.digest,
    };
    const noted = { ...attestation, descriptor: { ...attestation.descriptor, annotations } };
    await loadInto(store, makeIndex([plain, noted]));
    await push(store, "some/app:1", `${registry.host}/app:1`);
    const { manifests } = JSON.parse(await raw(registry, "app:1"));
    expect(manifests[0].digest).not.toBe(plain.descriptor.digest);
    expect(manifests[1].digest).toBe(attestation.descriptor.digest);
    expect(manifests[1].annotations["vnd.docker.reference.digest"]).toBe(manifests[0].digest);
    const child = JSON.parse(await raw(registry, `app@${manifests[0].digest}`));
    expect(child.layers.every((layer: Descriptor) => layer.mediaType.endsWith("+gzip"))).toBe(true);
  });

  it.each(["none", "zstd"] as const)("takes %s in place of gzip", async (type) => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const built = await putImage(store, SOME_LAYERS);
    await push(store, built, `${registry.host}/app:1`, { compression: { type, force: false } });
    const ending = type === "none" ? ".tar" : "+zstd";
    for (const layer of JSON.parse(await raw(registry, "app:1")).layers)
      expect(layer.mediaType.endsWith(ending)).toBe(true);
  });

  it("of a build has the form that the build's other outputs have", async () => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const image = loadImage(store, await putImage(store, SOME_LAYERS));
    const form = { compression: GZIP, rewriteTimestamp: false, annotations: new Map([["a", "b"]]) };
    const { registries } = clientWorld();
    const env = envOf(store, { index: true });
    const { image: exported, pushed } = await pushBuilt(form, image, [`${registry.host}/app:1`], env, {
      store,
      registries,
      now: Date.now,
    });
    expect(pushed[0]!.digest).toBe(exported.descriptor.digest);
    const { manifests } = JSON.parse(await raw(registry, "app:1"));
    expect(JSON.parse(await raw(registry, `app@${manifests[0].digest}`)).annotations).toEqual({ a: "b" });
  });

  it("goes on after cuts in the middle of a layer that is compressed on the way", async () => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const built = await putImage(store, [noiseLayer(8 << 20, "big")]);
    const proxy = await cuttingProxy(registry.host, (nth) =>
      nth < 4 ? [{ direction: "up", at: 3 << 20, does: "cut" }] : [],
    );
    const [pushed] = await push(store, built, `${proxy.host}/app:1`);
    expect(proxy.happened.length).toBeGreaterThan(0);
    expect(await raw(registry, "app:1")).toContain(pushed!.layers[0]!.digest);
  });
});

describe("a push that fails", () => {
  it("leaves no tag, and the tag that was there where it was", async () => {
    const [store, registry] = [await newStore(), await faultyRegistry()];
    const before = makeImage({ layers: [[{ path: "before" }]] });
    registry.content.add("app", before, "1");
    registry.setFaults({ on: "upload", fault: "status", status: 403, when: ({ received }) => received >= 0 });
    const built = await putImage(store, SOME_LAYERS);
    expect(await failureOf(push(store, built, [`${registry.host}/app:1`, `${registry.host}/app:2`]))).toMatchObject({
      code: "DENIED",
    });
    expect([...registry.content.repository("app").tags]).toEqual([["1", before.descriptor.digest]]);
    expect(registry.lines("manifest.put")).toEqual([]);
    registry.setFaults({ on: "manifest.put", fault: "status", status: 500 });
    await expect(push(store, built, `${registry.host}/app:1`)).rejects.toThrow();
    expect([...registry.content.repository("app").tags]).toEqual([["1", before.descriptor.digest]]);
  });

  it("tells of a damaged blob, and gives it to no one", async () => {
    const [store, registry] = [await newStore(), await faultyRegistry()];
    const image = makeImage();
    await loadInto(store, image);
    const { digest, size } = image.layers[0]!;
    const path = store.blobPath(digest);
    rmSync(path);
    writeFileSync(path, Buffer.alloc(size, 7));
    const failure = await failureOf(push(store, "some/app:1", `${registry.host}/app:1`));
    expect(failure).toMatchObject({ code: "CONTENT_INVALID", hint: expect.stringContaining("nacre check") });
    expect(failure.message).toContain(digest);
    expect(registry.content.repository("app").blobs.has(digest)).toBe(false);
    expect(registry.content.repository("app").tags.size).toBe(0);
  });

  it("refuses names with a digest, and images that are not whole", async () => {
    const store = await newStore();
    const image = makeImage();
    await loadInto(store, image);
    const name = `example.org/a@${image.descriptor.digest}`;
    expect(await failureOf(push(store, "some/app:1", name))).toMatchObject({ code: "REFERENCE_INVALID" });
    rmSync(store.blobPath(image.layers[0]!.digest));
    const failure = await failureOf(push(store, "some/app:1", "example.org/a:1"));
    expect(failure).toMatchObject({ code: "CONTENT_INVALID", message: expect.stringContaining("is missing") });
  });

  it("stops when it is told to", async () => {
    const [store, registry] = [await newStore(), await faultyRegistry([{ on: "upload.start", fault: "silence" }])];
    const stop = new AbortController();
    const built = await putImage(store, SOME_LAYERS);
    const { registries } = clientWorld({ signal: stop.signal });
    const pushing = pushImage(store, registries, built, [`${registry.host}/app:1`], options({ signal: stop.signal }));
    setTimeout(() => stop.abort(), 100);
    expect(await failureOf(pushing)).toMatchObject({ code: "CANCELLED" });
  });
});

describe("a registry that loses a blob before the manifest comes", () => {
  /** Clients that do something before the first manifest is put. */
  function meddling(registries: Registries, meddle: () => void): Registries {
    let isFirst = true;
    const open: Registries["open"] = (...where) => {
      const client = registries.open(...where);
      return new Proxy(client, {
        get(target, key: keyof RepositoryClient) {
          const value = target[key];
          if (key === "putManifest" && isFirst) {
            isFirst = false;
            meddle();
          }
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    };
    return { ...registries, open, catalog: registries.catalog.bind(registries), close: () => registries.close() };
  }

  it.skipIf(toolMissing("docker-registry"))("gets it once more", async () => {
    const [store, registry] = [await newStore(), await startRegistry()];
    const built = await putImage(store, SOME_LAYERS);
    const [first] = await push(store, built, `${registry.host}/app:1`);
    const { digest } = first!.layers[0]!;
    const repository = join(registry.storage, "docker/registry/v2/repositories/app");
    const registries = meddling(clientWorld().registries, () =>
      rmSync(join(repository, "_layers/sha256", digest.slice(7)), { recursive: true }),
    );
    const pushed = await pushImage(store, registries, built, [`${registry.host}/app:2`], options());
    expect(outcomes(pushed)).toEqual(SOME_LAYERS.map(() => "exists"));
    expect(await tags(registry, "app")).toEqual(["1", "2"]);
    expect((await fetch(`${registry.url}/v2/app/blobs/${digest}`)).status).toBe(200);
  });

  it("gets it even if it says that it has it", async () => {
    const [store, registry] = [await newStore(), await faultyRegistry()];
    const image = makeImage();
    await loadInto(store, image);
    await push(store, "some/app:1", `${registry.host}/app:1`);
    const body = JSON.stringify({ errors: [{ code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown" }] });
    registry.setFaults({ on: "manifest.put", fault: "status", status: 404, body, times: 1 });
    registry.requests.length = 0;
    await push(store, "some/app:1", `${registry.host}/app:2`);
    expect(registry.lines("upload.finish").length).toBe(new Set(image.blobs.keys()).size);
    expect(registry.content.repository("app").tags.get("2")).toBe(image.descriptor.digest);
  });
});

describe("what a push reads", () => {
  it("is the same from any offset on", async () => {
    const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => i));
    const whole = { digest: digestOf(bytes), size: bytes.length };
    const pieces = async (offset: number) => {
      const open = () => [bytes.subarray(0, 10), Buffer.alloc(0), bytes.subarray(10, 55), bytes.subarray(55)];
      return readAll(layerPushBlob({ blob: { ...whole, open } }).open(offset));
    };
    for (const offset of [0, 1, 9, 10, 54, 55, 99, 100]) {
      expect(await pieces(offset)).toEqual(bytes.subarray(offset));
    }
  });
});

describe("the note of the repositories that have a blob", () => {
  const digest = makeImage().descriptor.digest as Digest;

  it("names the last ones first, each once, by registry", async () => {
    const store = await newStore();
    for (let n = 0; n < 12; n++) noteBlobOrigin(store, "example.org", `r/${n % 10}`, [digest]);
    expect(blobOrigins(store, "example.org", digest).slice(0, 3)).toEqual(["r/1", "r/0", "r/9"]);
    expect(blobOrigins(store, "example.org", digest)).toHaveLength(8);
    expect(blobOrigins(store, "example.com", digest)).toEqual([]);
    noteBlobOrigin(store, "docker.io", "library/a", [digest]);
    expect(blobOrigins(store, "registry-1.docker.io", digest)).toEqual(["library/a"]);
  });
});
