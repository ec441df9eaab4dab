import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type ImportOptions, importArchive } from "../../src/archive/import.js";
import { openArchive } from "../../src/archive/read.js";
import { checkStore } from "../../src/store/check.js";
import type { Store } from "../../src/store/store.js";
import { isNacreError } from "../../src/support/errors.js";
import { type Member, newStore, pieces, tarOf, tempDir } from "./images.js";

const sha = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex");
const json = (value: unknown): string => JSON.stringify(value);
const LAYOUT: Member = { path: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' };
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";

const blob = (content: string | Buffer): Member => ({ path: `blobs/sha256/${sha(content)}`, content });
const pointer = (mediaType: string, content: string | Buffer, more: object = {}) => ({
  mediaType,
  digest: `sha256:${sha(content)}`,
  size: Buffer.byteLength(content),
  ...more,
});

/** The parts of a small valid image. */
function parts(layer = tarOf([{ path: "file", content: "hello" }]), diffIds = [`sha256:${sha(layer)}`], name = "x") {
  const config = json({
    architecture: "amd64",
    os: "linux",
    author: name,
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: pointer("application/vnd.oci.image.config.v1+json", config),
    layers: [pointer("application/vnd.oci.image.layer.v1.tar", layer)],
  };
  return { config, layer, manifest };
}

const indexOf = (...manifests: object[]): Member => ({
  path: "index.json",
  content: json({ schemaVersion: 2, manifests }),
});

function layoutTar({ config, layer, manifest }: { config: string; layer: Buffer; manifest: object }): Buffer {
  const text = json(manifest);
  return tarOf([LAYOUT, indexOf(pointer(MANIFEST_TYPE, text)), blob(text), blob(config), blob(layer)]);
}

let store: Store;
beforeAll(async () => {
  store = await newStore();
});

async function load(archive: string | Buffer, options: ImportOptions = {}) {
  const source = await openArchive(typeof archive === "string" ? archive : pieces(archive), {
    spoolDir: join(store.path, "tmp"),
  });
  try {
    return await importArchive(store, source, options);
  } finally {
    source.close();
  }
}

async function refused(archive: string | Buffer, code: string, options?: ImportOptions): Promise<string> {
  const error = await load(archive, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isNacreError(error) ? error.code : error).toBe(code);
  expect(store.listReferences()).toEqual([]);
  return String((error as Error).message);
}

describe("an OCI archive", () => {
  test("that is whole is taken", async () => {
    const whole = parts();
    const [image] = await load(layoutTar(whole));
    expect(image!.descriptor.digest).toBe(`sha256:${sha(json(whole.manifest))}`);
  });

  test("is refused if a blob is not what its digest says", async () => {
    const { config, layer, manifest } = parts();
    const text = json(manifest);
    const base = [LAYOUT, indexOf(pointer(MANIFEST_TYPE, text))];
    const bad = (content: string | Buffer): Member => ({ path: `blobs/sha256/${sha(content)}`, content: "other" });
    const fresh = parts(tarOf([{ path: "never seen", content: "before" }]));
    await refused(tarOf([...base, bad(text), blob(config), blob(layer)]), "CONTENT_INVALID");
    await refused(tarOf([...base, blob(text), bad(config), blob(layer)]), "CONTENT_INVALID");
    const freshText = json(fresh.manifest);
    const freshBase = [LAYOUT, indexOf(pointer(MANIFEST_TYPE, freshText)), blob(freshText), blob(fresh.config)];
    await refused(tarOf([...freshBase, bad(fresh.layer)]), "CONTENT_INVALID");
    await refused(tarOf(freshBase), "CONTENT_INVALID");
    const flipped = Buffer.from(fresh.layer);
    flipped[520]! ^= 1;
    await refused(tarOf([...freshBase, { ...blob(fresh.layer), content: flipped }]), "CONTENT_INVALID");
  });

  test("is refused if a size is wrong, though the digest is right", async () => {
    for (const off of [-1, 1]) {
      const { config, layer, manifest } = parts(tarOf([{ path: "size", content: `off by ${off}` }]));
      const layers = [{ ...manifest.layers[0]!, size: layer.length + off }];
      await refused(layoutTar({ config, layer, manifest: { ...manifest, layers } }), "CONTENT_INVALID");
      const wrongConfig = { ...manifest.config, size: manifest.config.size + off };
      await refused(layoutTar({ config, layer, manifest: { ...manifest, config: wrongConfig } }), "CONTENT_INVALID");
    }
  });

  test("is refused if a layer is not that of its diffID", async () => {
    const layer = tarOf([{ path: "a", content: "layer of another diffID" }]);
    await refused(layoutTar(parts(layer, [`sha256:${sha("else")}`])), "CONTENT_INVALID");
    await refused(layoutTar(parts(layer, [])), "CONTENT_INVALID");
    await refused(layoutTar(parts(layer, [`sha256:${sha(layer)}`, `sha256:${sha(layer)}`])), "CONTENT_INVALID");
  });

  test.each(["sha256:../../x", "sha256:ABC", "sha512:00", `sha256:${"A".repeat(64)}`, ""])(
    "is refused if it names a digest %j",
    async (digest) => {
      const { config, layer, manifest } = parts();
      const layers = [{ ...manifest.layers[0]!, digest }];
      await refused(layoutTar({ config, layer, manifest: { ...manifest, layers } }), "CONTENT_INVALID");
    },
  );

  test("is refused if a document could be read as manifest and as index", async () => {
    const { config, layer, manifest } = parts();
    await refused(layoutTar({ config, layer, manifest: { ...manifest, manifests: [] } }), "CONTENT_INVALID");
    await refused(layoutTar({ config, layer, manifest: { ...manifest, mediaType: INDEX_TYPE } }), "CONTENT_INVALID");
  });

  test("is refused if indexes nest without end", async () => {
    let text = json(parts().manifest);
    const members: Member[] = [LAYOUT, blob(text), blob(parts().config), blob(parts().layer)];
    let type = MANIFEST_TYPE;
    for (let depth = 0; depth < 50; depth++) {
      text = json({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [pointer(type, text)] });
      type = INDEX_TYPE;
      members.push(blob(text));
    }
    await refused(tarOf([...members, indexOf(pointer(type, text))]), "CONTENT_INVALID");
  });

  test("is refused if its documents are huge, malformed or doubled", async () => {
    await refused(tarOf([LAYOUT, { path: "index.json", content: Buffer.alloc(9 << 20, " ") }]), "LIMIT_EXCEEDED");
    await refused(tarOf([LAYOUT, { path: "index.json", content: "{" }]), "CONTENT_INVALID");
    await refused(tarOf([LAYOUT, { path: "index.json", content: json(parts().manifest) }]), "CONTENT_INVALID");
    await refused(tarOf([{ path: "oci-layout", content: "{}" }, indexOf()]), "CONTENT_INVALID");
    await refused(tarOf([LAYOUT, indexOf(), indexOf()]), "CONTENT_INVALID");
    await refused(tarOf([LAYOUT, indexOf(), { ...indexOf(), path: "./index.json" }]), "CONTENT_INVALID");
  });

  test("shows no members that stand behind its end", async () => {
    const { config, layer, manifest } = parts();
    const text = json(manifest);
    const hidden = tarOf([indexOf(pointer(MANIFEST_TYPE, text)), blob(text), blob(config), blob(layer)]);
    const message = await refused(Buffer.concat([tarOf([LAYOUT]), hidden]), "CONTENT_INVALID");
    expect(message).toContain("neither");
  });

  test("gives the image for the platform, or all", async () => {
    const members: Member[] = [LAYOUT];
    const entries = ["amd64", "arm64", "s390x"].map((architecture) => {
      const layer = tarOf([{ path: architecture, content: architecture }]);
      const { config, manifest } = parts(layer, undefined, architecture);
      members.push(blob(json(manifest)), blob(config), blob(layer));
      return pointer(MANIFEST_TYPE, json(manifest), { platform: { os: "linux", architecture } });
    });
    const index = json({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: entries });
    const nested = tarOf([...members, blob(index), indexOf(pointer(INDEX_TYPE, index))]);
    const flat = tarOf([...members, indexOf(...entries)]);
    for (const archive of [nested, flat]) {
      const [image] = await load(archive, { platform: { os: "linux", architecture: "arm64" } });
      expect(image!.descriptor.digest).toBe(entries[1]!.digest);
      expect(
        await refused(archive, "IMAGE_NOT_FOUND", { platform: { os: "windows", architecture: "amd64" } }),
      ).toContain("windows");
    }
    expect(store.hasBlob(entries[2]!.digest as never)).toBe(false);
    const [all] = await load(nested, { allPlatforms: true });
    expect(all!.descriptor.digest).toBe(`sha256:${sha(index)}`);
    expect(store.hasBlob(entries[2]!.digest as never)).toBe(true);
  });

  test("takes an attestation beside an image for no image of any platform", async () => {
    const { config, layer, manifest } = parts();
    const text = json(manifest);
    const digest = `sha256:${sha(text)}`;
    const statement = json({ _type: "https://in-toto.io/Statement/v1" });
    const empty = json({});
    const attestation = json({
      ...{
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        artifactType: "application/vnd.docker.attestation.manifest.v1+json",
      },
      ...{ config: pointer("application/vnd.oci.empty.v1+json", empty), subject: pointer(MANIFEST_TYPE, text) },
      layers: [pointer("application/vnd.in-toto+json", statement)],
    });
    const annotations = { "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest };
    const index = json({
      ...{ schemaVersion: 2, mediaType: INDEX_TYPE },
      manifests: [
        pointer(MANIFEST_TYPE, text, { platform: { os: "linux", architecture: "amd64" } }),
        pointer(MANIFEST_TYPE, attestation, { annotations, platform: { os: "unknown", architecture: "unknown" } }),
      ],
    });
    const blobs = [text, config, layer, attestation, empty, statement, index].map((content) => blob(content));
    const archive = tarOf([LAYOUT, ...blobs, indexOf(pointer(INDEX_TYPE, index))]);
    const [image] = await load(archive, { platform: { os: "linux", architecture: "amd64" } });
    expect(image!.descriptor.digest).toBe(digest);
    const unknown = { platform: { os: "unknown", architecture: "unknown" } };
    expect(await refused(archive, "IMAGE_NOT_FOUND", unknown)).toContain("unknown");
  });

  test("gives images by name, tag or digest, and says what there is", async () => {
    const { config, layer, manifest } = parts();
    const text = json(manifest);
    const named = { "io.containerd.image.name": "docker.io/library/app:1", "org.opencontainers.image.ref.name": "1" };
    const other = json({ ...manifest, annotations: { other: "yes" } });
    const archive = tarOf([
      LAYOUT,
      indexOf(
        pointer(MANIFEST_TYPE, text, { annotations: named }),
        pointer(MANIFEST_TYPE, other, { annotations: { "org.opencontainers.image.ref.name": "nightly" } }),
      ),
      ...[text, other, config, layer].map(blob),
    ]);
    expect(await load(archive)).toHaveLength(2);
    for (const name of ["app:1", "docker.io/library/app:1", `sha256:${sha(text)}`]) {
      expect((await load(archive, { names: [name] }))[0]!.descriptor.digest).toBe(`sha256:${sha(text)}`);
    }
    expect((await load(archive, { names: ["nightly"] }))[0]).toMatchObject({ names: [], tags: ["nightly"] });
    await refused(archive, "IMAGE_NOT_FOUND", { names: ["nope"] });
  });

  test("in a directory is never read through a pipe or outside of it", async () => {
    const dir = tempDir();
    writeFileSync(join(dir, "oci-layout"), LAYOUT.content!);
    execFileSync("mkfifo", [join(dir, "index.json")]);
    await refused(dir, "CONTENT_INVALID");
    const second = tempDir();
    writeFileSync(join(second, "oci-layout"), LAYOUT.content!);
    writeFileSync(join(second, "index.json"), indexOf(pointer(MANIFEST_TYPE, "x")).content!);
    mkdirSync(join(second, "blobs/sha256"), { recursive: true });
    symlinkSync("/dev/zero", join(second, `blobs/sha256/${sha("x")}`));
    await refused(second, "CONTENT_INVALID");
  });
});

describe("a docker-archive", () => {
  const layer = tarOf([{ path: "file", content: "old style" }]);
  const config = json({
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: [`sha256:${sha(layer)}`, `sha256:${sha(layer)}`] },
  });
  const id = "1".repeat(64);
  const second = "2".repeat(64);
  const manifest = (layers: string[], more: object = {}): Member => ({
    path: "manifest.json",
    content: json([{ Config: `${sha(config)}.json`, RepoTags: ["old:1"], Layers: layers, ...more }]),
  });
  const both = [`${id}/layer.tar`, `${second}/layer.tar`];
  const oldStyle = (more: Member[] = []): Member[] => [
    { path: id, type: "dir" },
    { path: `${id}/VERSION`, content: "1.0" },
    { path: `${id}/layer.tar`, content: layer },
    { path: second, type: "dir" },
    { path: `${second}/layer.tar`, type: "symlink", link: `../${id}/layer.tar` },
    { path: `${sha(config)}.json`, content: config },
    ...more,
  ];

  test("of the old kind is taken, with a layer that is a symlink to another", async () => {
    const [image] = await load(tarOf(oldStyle([manifest(both), { path: "repositories", content: "{}" }])));
    expect(image).toMatchObject({ names: ["docker.io/library/old:1"] });
    expect(store.hasIndex(`sha256:${sha(layer)}` as never)).toBe(true);
  });

  test("may have compressed layers of any kind", async () => {
    for (const pack of [
      gzipSync,
      (bytes: Buffer) => execFileSync("xz", ["-c"], { input: bytes }),
      (bytes: Buffer) => execFileSync("zstd", ["-qc"], { input: bytes }),
    ]) {
      const members = oldStyle([manifest(both)]).map((member) =>
        member.content === layer ? { ...member, content: pack(layer) } : member,
      );
      expect(await load(tarOf(members))).toHaveLength(1);
    }
  });

  test.each([
    ["../../etc/passwd", "CONTENT_INVALID"],
    ["/etc/passwd", "CONTENT_INVALID"],
    ["a/../../x", "CONTENT_INVALID"],
    ["..", "CONTENT_INVALID"],
    ["", "CONTENT_INVALID"],
    ["not/there", "CONTENT_INVALID"],
  ])("is refused if it names a layer %j", async (path, code) => {
    await refused(tarOf(oldStyle([manifest([`${id}/layer.tar`, path])])), code);
  });

  test("is refused if its links lead outside or in circles", async () => {
    for (const link of ["../../../etc/passwd", "/etc/passwd", `../${second}/layer.tar`, "."]) {
      const members = oldStyle([manifest(both)]).map((member) =>
        member.type === "symlink" ? { ...member, link } : member,
      );
      await refused(tarOf(members), "CONTENT_INVALID");
    }
  });

  test("is refused if layers and diffIDs do not fit", async () => {
    await refused(tarOf(oldStyle([manifest([both[0]!])])), "CONTENT_INVALID");
    const other = oldStyle([manifest(both)]).map((member) =>
      member.content === layer ? { ...member, content: tarOf([]) } : member,
    );
    await refused(tarOf(other), "CONTENT_INVALID");
    await refused(tarOf(oldStyle([manifest(both, { RepoTags: ["../x"] })])), "CONTENT_INVALID");
    await refused(tarOf([{ path: "manifest.json", content: "null" }]), "CONTENT_INVALID");
    expect(await load(tarOf([{ path: "manifest.json", content: "[]" }]))).toEqual([]);
  });

  test("without manifest.json, or anything else, is told what it is not", async () => {
    expect(await refused(tarOf([{ path: "repositories", content: "{}" }]), "CONTENT_INVALID")).toContain(
      "manifest.json",
    );
    await refused(tarOf([{ path: "etc/passwd", content: "x" }]), "CONTENT_INVALID");
    await refused(Buffer.alloc(0), "CONTENT_INVALID");
    await refused(Buffer.from("not a tar at all, but long enough\n".repeat(100)), "TAR_INVALID");
    await refused(join(tempDir(), "missing.tar"), "CONTEXT_UNREADABLE");
  });
});

describe("a damaged archive", () => {
  const saved = gunzipSync(readFileSync("testdata/archives/docker-save-28.tar.gz"));

  async function outcome(bytes: Buffer): Promise<string> {
    const fresh = await newStore();
    try {
      const source = await openArchive(pieces(bytes), { spoolDir: join(fresh.path, "tmp") });
      await importArchive(fresh, source).finally(() => source.close());
      return "taken";
    } catch (error) {
      return isNacreError(error) ? error.code : `not a NacreError: ${error}`;
    } finally {
      expect(fresh.listReferences()).toEqual([]);
      expect(readdirSync(join(fresh.path, "tmp")).filter((name) => name.startsWith("archive-"))).toEqual([]);
      expect((await checkStore(fresh)).problems).toEqual([]);
    }
  }

  test("cut off anywhere is a clear error, and leaves the store whole", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(18_000), async (length) => {
        const result = await outcome(saved.subarray(0, length));
        expect(["taken", "TAR_INVALID", "CONTENT_INVALID"]).toContain(result);
        if (result === "taken") expect(length).toBeGreaterThan(13_000);
      }),
      { numRuns: 40 },
    );
  });

  test("with flipped bits is a clear error or the same image, and leaves the store whole", async () => {
    const codes = ["taken", "TAR_INVALID", "CONTENT_INVALID", "LIMIT_EXCEEDED", "IMAGE_NOT_FOUND", "COMPRESSION"];
    await fc.assert(
      fc.asyncProperty(fc.nat(saved.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bytes = Buffer.from(saved);
        bytes[at]! ^= flip;
        expect(codes).toContain(await outcome(bytes));
      }),
      { numRuns: 60 },
    );
  });

  test("of a million members is refused, not held in memory", async () => {
    const header = tarOf([{ path: "m", content: "" }]).subarray(0, 512);
    const many = (function* () {
      for (let i = 0; i < 1200; i++) yield Buffer.concat(Array.from({ length: 100 }, () => header));
    })();
    async function* stream() {
      yield* many;
    }
    const opening = openArchive(stream(), { spoolDir: tempDir() });
    await expect(opening).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});
