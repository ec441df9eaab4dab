/** Copying images between places, compared with skopeo and byte for byte. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadImages } from "../../src/archive/loadImages.js";
import type { Digest } from "../../src/oci/digest.js";
import type { Descriptor } from "../../src/oci/documents.js";
import { parseImagePlace, showImagePlace } from "../../src/oci/imagePlace.js";
import { copyImage } from "../../src/output/copy.js";
import type { CopyEnv, CopyOptions, CopyReport } from "../../src/output/copyRequest.js";
import type { Store } from "../../src/store/store.js";
import { newStore, tempDir } from "../archive/images.js";
import { clientWorld, failureOf } from "../registry/clientWorld.js";
import { cuttingProxy } from "../registry/servers/cuttingProxy.js";
import { startRegistry, type TestRegistry } from "../registry/servers/dockerRegistry.js";
import { faultyRegistry } from "../registry/servers/faultyRegistry.js";
import {
  ask,
  digestOf,
  makeImage,
  makeIndex,
  noiseLayer,
  putImage,
  skopeo,
  type TestImage,
  writeLayout,
} from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";
import { engineServer } from "./engineServer.js";

const index = makeIndex([makeImage(), makeImage({ config: { architecture: "arm64" } })]);
const ACCEPT = {
  accept: [
    ...["application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"],
    ...[
      "application/vnd.docker.distribution.manifest.v2+json",
      "application/vnd.docker.distribution.manifest.list.v2+json",
    ],
  ].join(", "),
};

interface CopyWorld extends Partial<CopyEnv> {
  readonly store?: Store;
}

function copy(from: string, to: string, options: CopyOptions = {}, world: CopyWorld = {}): Promise<CopyReport> {
  const { store, ...more } = world;
  return copyImage(from, to, options, {
    ...{ registries: clientWorld().registries, variables: {}, now: Date.now },
    openStore: async () => store ?? Promise.reject(new Error("no store was expected to be opened")),
    ...more,
  });
}

const manifest = async (registry: { url: string; host: string }, name: string, reference: string) => {
  const answer = await ask(registry, "GET", `/v2/${name}/manifests/${reference}`, undefined, ACCEPT);
  return answer.status === 200 ? answer.body : undefined;
};
const blobsIn = (layout: string) => readdirSync(join(layout, "blobs/sha256")).sort();
const entriesIn = (layout: string): Descriptor[] =>
  JSON.parse(readFileSync(join(layout, "index.json"), "utf8")).manifests;
const uploads = (registry: TestRegistry) => registry.log().match(/"(?:PATCH|PUT) \/v2\/\S+\/blobs\/uploads\//g) ?? [];
const outcomes = ({ blobs }: CopyReport) => [...new Set(blobs.map(({ outcome }) => outcome.kind))];

async function registryWith(image: TestImage, name = "app", reference = "1"): Promise<TestRegistry> {
  const registry = await startRegistry();
  await putImage(image, registry, name, reference);
  return registry;
}

describe.skipIf(toolMissing("docker-registry") || toolMissing("skopeo"))("a copy between registries", () => {
  it("has all platforms, byte for byte as skopeo copies them; what is there is not sent again", async () => {
    const [from, to] = [await registryWith(index), await startRegistry()];
    const report = await copy(`${from.host}/app:1`, `docker://${to.host}/mirror/app:2`, { all: true });
    expect(report).toMatchObject({ descriptor: { digest: index.descriptor.digest }, from: `${from.host}/app:1` });
    const tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    await skopeo("copy", "--quiet", "--all", ...tls, `docker://${from.host}/app:1`, `docker://${to.host}/by/skopeo:2`);
    expect(await manifest(to, "mirror/app", "2")).toEqual(await manifest(to, "by/skopeo", "2"));
    for (const child of index.children) {
      expect(await manifest(to, "mirror/app", child.descriptor.digest)).toEqual(child.bytes);
      for (const [digest, bytes] of child.blobs) {
        expect((await ask(to, "GET", `/v2/mirror/app/blobs/${digest}`)).body).toEqual(bytes);
      }
    }
    const before = uploads(to).length;
    expect(outcomes(await copy(`${from.host}/app:1`, `${to.host}/mirror/app:3`, { all: true }))).toEqual(["exists"]);
    expect(uploads(to).length).toBe(before);
  });

  it("takes this machine's platform, or the one that is asked for", async () => {
    const [from, to] = [await registryWith(index), await startRegistry()];
    const arm64 = { os: "linux", architecture: "arm64" };
    const report = await copy(`${from.host}/app:1`, `${to.host}/app:arm`, { platform: arm64 });
    expect(report.descriptor.digest).toBe(index.children[1]!.descriptor.digest);
    expect(await manifest(to, "app", "arm")).toEqual(index.children[1]!.bytes);
    const missing = copy(`${from.host}/app:1`, `${to.host}/app:s`, {
      platform: { os: "linux", architecture: "s390x" },
    });
    const failure = await failureOf(missing);
    expect(failure).toMatchObject({
      code: "IMAGE_NOT_FOUND",
      hint: expect.stringContaining("linux/amd64, linux/arm64"),
    });
  });

  it("mounts within one registry", async () => {
    const registry = await registryWith(index);
    const before = uploads(registry).length;
    expect(outcomes(await copy(`${registry.host}/app:1`, `${registry.host}/new:1`, { all: true }))).toEqual([
      "mounted",
    ]);
    expect(uploads(registry).length).toBe(before);
    expect(await manifest(registry, "new", "1")).toEqual(index.bytes);
  });

  it("goes on after cuts on both sides", async () => {
    const image = makeImage({ layers: [noiseLayer(4 << 20, "cut")] });
    const [from, to] = [await registryWith(image), await startRegistry()];
    const source = await cuttingProxy(from.host, (nth) =>
      nth < 4 ? [{ direction: "down", at: 1 << 20, does: "reset" }] : [],
    );
    const target = await cuttingProxy(to.host, (nth) =>
      nth < 4 ? [{ direction: "up", at: 2 << 20, does: "cut" }] : [],
    );
    await copy(`${source.host}/app:1`, `${target.host}/app:1`);
    expect(source.happened.length * target.happened.length).toBeGreaterThan(0);
    const { digest } = image.layers[0]!;
    expect(digestOf((await ask(to, "GET", `/v2/app/blobs/${digest}`)).body)).toBe(digest);
  });

  it("brings signatures and what else refers to the image, and what refers to that", async () => {
    const image = makeImage();
    const subject = { ...image.descriptor, platform: undefined };
    const proof = makeImage({ layers: [[{ path: "proof" }]], subject, artifactType: "application/x.proof" });
    const ofProof = makeImage({
      layers: [[{ path: "of-proof" }]],
      subject: proof.descriptor,
      artifactType: "application/x.more",
    });
    const signature = makeImage({ layers: [[{ path: "signature" }]] });
    const from = await registryWith(image);
    const cosign = `${image.descriptor.digest.replace(":", "-")}.sig`;
    await putImage(signature, from, "app", cosign);
    const client = clientWorld().open(from.host, "app", "push");
    for (const [one, of] of [
      [proof, image],
      [ofProof, proof],
    ] as const) {
      await putImage(one, from, "app");
      await client.putReferrer(one.descriptor.mediaType, one.bytes, of.descriptor.digest);
    }
    const layout = join(tempDir(), "layout");
    const report = await copy(`${from.host}/app:1`, `oci:${layout}:1`, { referrers: true });
    expect(report).toMatchObject({ tags: [cosign], referrers: [proof.descriptor.digest, ofProof.descriptor.digest] });
    const to = await startRegistry();
    expect(await copy(`oci:${layout}:1`, `${to.host}/app:1`, { referrers: true })).toMatchObject({
      ...{ tags: [cosign], referrers: [proof.descriptor.digest, ofProof.descriptor.digest] },
    });
    expect(await manifest(to, "app", cosign)).toEqual(signature.bytes);
    const found = await clientWorld().open(to.host, "app").referrers(image.descriptor.digest);
    expect(found.map(({ digest, artifactType }) => [digest, artifactType])).toEqual([
      [proof.descriptor.digest, "application/x.proof"],
    ]);
    const again = await clientWorld().open(to.host, "app").referrers(proof.descriptor.digest);
    expect(again.map(({ digest }) => digest)).toEqual([ofProof.descriptor.digest]);
  });
});

describe.skipIf(toolMissing("docker-registry") || toolMissing("skopeo"))("a copy to and from archives", () => {
  it("has the blobs that skopeo's has, in a layout that skopeo reads, and comes back the same", async () => {
    const from = await registryWith(index);
    const [own, other] = [join(tempDir(), "own"), join(tempDir(), "other")];
    await copy(`${from.host}/app:1`, `oci:${own}:v1`, { all: true });
    await skopeo(
      "copy",
      "--quiet",
      "--all",
      "--src-tls-verify=false",
      `docker://${from.host}/app:1`,
      `oci:${other}:v1`,
    );
    expect(blobsIn(own)).toEqual(blobsIn(other));
    expect(await skopeo("inspect", "--raw", `oci:${own}:v1`)).toBe(index.bytes.toString());
    for (const name of blobsIn(own))
      expect(digestOf(readFileSync(join(own, "blobs/sha256", name)))).toBe(`sha256:${name}`);
    const to = await startRegistry();
    await copy(`oci:${own}:v1`, `${to.host}/app:1`, { all: true });
    expect(await manifest(to, "app", "1")).toEqual(index.bytes);
  });

  it("adds to a layout, and moves a tag", async () => {
    const layout = join(tempDir(), "layout");
    const [one, two] = [makeImage(), makeImage({ layers: [[{ path: "two" }]] })];
    await copy(`oci:${writeLayout(one)}`, `oci:${layout}:a`);
    await copy(`oci:${writeLayout(two)}`, `oci:${layout}:b`);
    await copy(`oci:${writeLayout(two)}`, `oci:${layout}:a`);
    expect(
      entriesIn(layout).map(({ digest, annotations }) => [digest, annotations?.["org.opencontainers.image.ref.name"]]),
    ).toEqual([
      [two.descriptor.digest, "b"],
      [two.descriptor.digest, "a"],
    ]);
    await copy(`oci:${layout}`, `oci:${join(tempDir(), "x")}`);
    await copy(`oci:${writeLayout(one)}`, `oci:${layout}:c`);
    expect(await failureOf(copy(`oci:${layout}`, `oci:${join(tempDir(), "x")}`))).toMatchObject({
      ...{ code: "USAGE", hint: expect.stringContaining("b, a, c") },
    });
    expect(await failureOf(copy(`oci:${layout}:d`, `oci:${join(tempDir(), "x")}`))).toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
  });

  it("through tars keeps every digest, in Docker's format too", async () => {
    const image = makeImage({ docker: true });
    const [from, to] = [await registryWith(image), await startRegistry()];
    const [oci, docker] = [join(tempDir(), "oci.tar"), join(tempDir(), "docker.tar")];
    await copy(`${from.host}/app:1`, `oci-archive:${oci}:v1`);
    await copy(`oci-archive:${oci}:v1`, `docker-archive:${docker}:some/app:1`);
    await copy(`docker-archive:${docker}:some/app:1`, `${to.host}/app:1`);
    expect(await manifest(to, "app", "1")).toEqual(image.bytes);
    const config = await skopeo("inspect", "--config", "--raw", `docker-archive:${docker}:some/app:1`);
    expect(digestOf(Buffer.from(config))).toBe(JSON.parse(image.bytes.toString()).config.digest);
  });

  it("makes a manifest for docker-archives without one, the same as loading makes", async () => {
    const [store, to, file] = [await newStore(), await startRegistry(), join(tempDir(), "old.tar")];
    await skopeo("copy", "--quiet", `oci:${writeLayout(makeImage())}:latest`, `docker-archive:${file}:some/app:1`);
    const [loaded] = await loadImages(store, file);
    const report = await copy(`docker-archive:${file}`, `${to.host}/app:1`);
    expect(report.descriptor.digest).toBe(loaded!.descriptor.digest);
    expect(digestOf((await manifest(to, "app", "1"))!)).toBe(loaded!.descriptor.digest);
  });

  it("refuses an index where only one image has room, unless that is wished", async () => {
    const [layout, file] = [writeLayout(index), join(tempDir(), "app.tar")];
    const refused = await failureOf(copy(`oci:${layout}`, `docker-archive:${file}`, { all: true }));
    expect(refused).toMatchObject({ code: "USAGE", message: expect.stringContaining("cannot hold the image index") });
    expect(existsSync(file)).toBe(false);
    const report = await copy(`oci:${layout}`, `docker-archive:${file}`, { all: true, allowDigestChange: true });
    expect(index.children.map(({ descriptor }) => descriptor.digest)).toContain(report.descriptor.digest);
    expect(await failureOf(copy(`oci:${layout}`, `docker-archive:${file}`, { referrers: true }))).toMatchObject({
      code: "USAGE",
    });
  });
});

describe.skipIf(toolMissing("docker-registry"))("a copy to and from the store", () => {
  it("keeps digests in all directions", async () => {
    const [store, from, to] = [await newStore(), await registryWith(index), await startRegistry()];
    await copy(`${from.host}/app:1`, "store:mine:1", { all: true }, { store });
    await copy("store:mine:1", "store:mine:2", { all: true }, { store });
    await copy("store:mine:2", `${to.host}/app:1`, { all: true }, { store });
    expect(await manifest(to, "app", "1")).toEqual(index.bytes);
    await copy(`oci:${writeLayout(makeImage())}:latest`, "store:mine:3", {}, { store });
    expect(store.listReferences().map(({ name }) => name)).toEqual([1, 2, 3].map((n) => `docker.io/library/mine:${n}`));
    expect(await failureOf(copy("store:none", `${to.host}/app:2`, {}, { store }))).toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
  });

  it("leaves layers uncompressed where they are", async () => {
    const [store, to] = [await newStore(), await startRegistry()];
    const image = makeImage({ compression: "none" });
    await loadImages(store, writeLayout(image), { tags: ["mine:1"] });
    await copy("store:mine:1", `${to.host}/app:1`, {}, { store });
    expect(await manifest(to, "app", "1")).toEqual(image.bytes);
  });
});

describe("a copy to and from Docker", () => {
  it("goes through its socket, both ways", async () => {
    const engine = await engineServer();
    const variables = { DOCKER_HOST: `unix://${engine.socket}` };
    const image = makeImage();
    await copy(`oci:${writeLayout(image)}`, "docker-daemon:some/app:1", {}, { variables });
    expect(engine.requests).toEqual(["POST /images/load?quiet=1"]);
    const layout = join(tempDir(), "layout");
    const report = await copy("docker-daemon:some/app:1", `oci:${layout}:v1`, {}, { variables });
    expect(report.descriptor.digest).toBe(image.descriptor.digest);
    expect(engine.requests.at(-1)).toBe("GET /images/docker.io/some/app%3A1/get");
    expect(await failureOf(copy("docker-daemon:none", `oci:${layout}:v2`, {}, { variables }))).toMatchObject({
      ...{
        code: "IMAGE_NOT_FOUND",
        message: expect.stringContaining("Docker has no image docker.io/library/none:latest"),
      },
    });
  });
});

describe("a copy that cannot be right", () => {
  it("ends with what is wrong, and leaves no tag", async () => {
    const [image, to] = [makeImage(), await faultyRegistry()];
    const layout = writeLayout(image);
    const { digest, size } = image.layers[0]!;
    writeFileSync(join(layout, "blobs/sha256", digest.slice(7)), Buffer.alloc(size, 7));
    const damaged = await failureOf(copy(`oci:${layout}`, `${to.host}/app:1`));
    expect(damaged).toMatchObject({ code: "CONTENT_INVALID", message: expect.stringContaining(digest) });
    rmSync(join(layout, "blobs/sha256", digest.slice(7)));
    await expect(copy(`oci:${layout}`, `${to.host}/app:1`)).rejects.toThrow(digest.slice(7));
    expect(to.content.repository("app").tags.size).toBe(0);
    const target = join(tempDir(), "copy");
    await expect(copy(`oci:${layout}`, `oci:${target}:1`)).rejects.toThrow(digest.slice(7));
    expect(existsSync(target)).toBe(false);
  });

  it("says which tag or manifest is missing", async () => {
    const [from, layout] = [await faultyRegistry(), join(tempDir(), "layout")];
    expect(await failureOf(copy(`${from.host}/app:1`, `oci:${layout}`))).toMatchObject({ code: "IMAGE_NOT_FOUND" });
    from.content.add("app", index, "1");
    const lost = index.children[1]!.descriptor.digest;
    from.content.repository("app").manifests.delete(lost);
    const failure = await failureOf(copy(`${from.host}/app:1`, `oci:${layout}`, { all: true }));
    expect(failure).toMatchObject({ code: "IMAGE_NOT_FOUND", message: expect.stringContaining(lost) });
    await copy(`${from.host}/app:1`, `oci:${layout}`, { platform: { os: "linux", architecture: "amd64" } });
  });

  it("refuses layers that registries must not distribute, unless the source has them", async () => {
    const [from, image] = [await faultyRegistry(), makeImage()];
    const json = JSON.parse(image.bytes.toString());
    json.layers[0].mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    json.layers[0].urls = ["https://example.org/layer"];
    const bytes = Buffer.from(JSON.stringify(json));
    const foreign: TestImage = {
      ...image,
      bytes,
      descriptor: { ...image.descriptor, digest: digestOf(bytes), size: bytes.length },
    };
    from.content.add("app", foreign, "1");
    const digest = json.layers[0].digest as Digest;
    await copy(`${from.host}/app:1`, `${from.host}/copy:1`);
    from.content.repository("app").blobs.delete(digest);
    const failure = await failureOf(copy(`${from.host}/app:1`, `${from.host}/copy:2`));
    expect(failure).toMatchObject({
      code: "CONTENT_INVALID",
      message: expect.stringContaining("https://example.org/layer"),
    });
  });

  it("believes no index that loops or lies about what it lists", async () => {
    const from = await faultyRegistry();
    const image = makeImage();
    const lying = makeIndex([{ ...image, descriptor: { ...image.descriptor, size: image.bytes.length + 1 } }]);
    from.content.add("app", lying, "1");
    const layout = join(tempDir(), "layout");
    await expect(copy(`${from.host}/app:1`, `oci:${layout}`, { all: true })).rejects.toMatchObject({
      name: "NacreError",
    });
    let deep = makeIndex([image]);
    for (let n = 0; n < 6; n++) deep = makeIndex([deep]);
    from.content.add("app", deep, "deep");
    expect(await failureOf(copy(`${from.host}/app:deep`, `oci:${layout}`, { all: true }))).toMatchObject({
      code: "CONTENT_INVALID",
    });
  });
});

describe("a place of a copy", () => {
  it.each([
    ["alpine", "docker.io/library/alpine:latest"],
    ["docker://example.org:5000/a/b:1", "example.org:5000/a/b:1"],
    ["oci:dir", "oci:dir"],
    ["oci:/some/dir:v1", "oci:/some/dir:v1"],
    ["oci-archive:a.tar:docker.io/library/x:1", "oci-archive:a.tar:docker.io/library/x:1"],
    ["docker-archive:a.tar", "docker-archive:a.tar"],
    ["store:app", "store:app"],
    ["docker-daemon:app", "docker-daemon:docker.io/library/app:latest"],
    ["containers-storage:localhost/app:1", "containers-storage:localhost/app:1"],
    ["oci", "docker.io/library/oci:latest"],
  ])("%s is %s", (text, shown) => expect(showImagePlace(parseImagePlace(text))).toBe(shown));

  it.each([
    ["dokcer://a", "did you mean docker://?"],
    ["oci-archve:a", "did you mean oci-archive:?"],
    ["dir:/x", "the transports are"],
    ["https://example.org/a", "the transports are"],
    ["oci:", "write what is meant"],
    ["oci::tag", "write oci:PATH"],
  ])("%s is refused", async (text, hint) => {
    const failure = await failureOf((async () => parseImagePlace(text))());
    expect(failure).toMatchObject({ code: "USAGE", hint: expect.stringContaining(hint) });
  });
});

describe.skipIf(toolMissing("skopeo") || process.getuid?.() !== 0)("a copy to and from containers-storage", () => {
  it("goes through skopeo, and the image's id stays", async () => {
    const home = tempDir();
    const storage = join(home, "storage.conf");
    const places = `runroot = "${home}/run"\ngraphroot = "${home}/graph"`;
    writeFileSync(storage, `[storage]\ndriver = "vfs"\n${places}\n`);
    mkdirSync(join(home, ".config/containers"), { recursive: true });
    writeFileSync(
      join(home, ".config/containers/policy.json"),
      JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }),
    );
    const variables = { PATH: process.env.PATH, HOME: home, CONTAINERS_STORAGE_CONF: storage, TMPDIR: home };
    const image = makeImage({ layers: [[{ path: "file", content: "some" }]] });
    await copy(`oci:${writeLayout(image)}`, "containers-storage:some/app:1", {}, { variables });
    const layout = join(home, "layout");
    const report = await copy("containers-storage:some/app:1", `oci:${layout}:v1`, {}, { variables });
    const config = JSON.parse(image.bytes.toString()).config.digest as Digest;
    expect(report.blobs.map(({ digest }) => digest)).toContain(config);
    const failure = await failureOf(copy("containers-storage:none", `oci:${layout}:v2`, {}, { variables }));
    expect(failure).toMatchObject({ code: "IMAGE_NOT_FOUND" });
    const noSkopeo = await failureOf(copy("containers-storage:a", `oci:${layout}`, {}, { variables: { PATH: home } }));
    expect(noSkopeo).toMatchObject({ code: "TOOL_MISSING" });
  });
});
