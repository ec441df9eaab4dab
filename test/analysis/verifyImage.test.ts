/** What is wrong with images, and that nothing is wrong with those that other tools make. */
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { verifyImage } from "../../src/analysis/analysis.js";
import { Findings } from "../../src/analysis/verifyTypes.js";
import * as types from "../../src/oci/mediaTypes.js";
import { parsePlatform } from "../../src/oci/platform.js";
import { END_OF_ARCHIVE } from "../../src/tar/write.js";
import { type Member, newStore, putImage, SOME_LAYERS, tarOf, tempDir } from "../archive/images.js";
import { startRegistry } from "../registry/servers/dockerRegistry.js";
import {
  makeImage,
  makeIndex,
  putImage as pushImage,
  skopeo,
  writeLayout as writeImage,
} from "../registry/servers/images.js";
import { toolMissing } from "../setup/tools.js";
import type { Toc } from "./lazyLayers.js";
import { estargzLayer, zstdChunkedLayer } from "./odd/formats.js";
import * as raw from "./odd/rawImage.js";

const NOW = Date.parse("2025-06-01T00:00:00Z");
const world = { env: {}, now: () => NOW };

/** The findings of an image as `SEVERITY CLASS PATH: MESSAGE`. */
async function findingsOf(spec: string): Promise<string[]> {
  const { findings } = await verifyImage(spec, world);
  return findings.map(
    (one) => `${one.severity} ${one.class}${one.path === undefined ? "" : ` ${one.path}`}: ${one.message}`,
  );
}

const ofLayers = (...layers: readonly (readonly Member[])[]) =>
  findingsOf(raw.layoutOf({ layers: layers.map(raw.gzipLayer) }));
const ofTar = (tar: Buffer) => findingsOf(raw.layoutOf({ layers: [raw.tarLayer(tar)] }));
/** Without what is worth a note: a time to come, a name that is not UTF-8. */
const SOUND = SOME_LAYERS.map((layer) =>
  layer.map((member) => ({ ...member, path: member.path.replace("\xe9", "e"), mtime: 1_700_000_000 })),
);
const PLAIN: readonly Member[] = [{ path: "plain", content: "plain" }];

describe("sound are", () => {
  test("images with a bit of everything, in each compression, and every byte of them was read", async () => {
    for (const compression of ["none", "gzip", "zstd"] as const) {
      const image = makeImage({ compression, layers: SOUND });
      const report = await verifyImage(`oci:${writeImage(image)}`, world);
      const bytes = image.bytes.length + [...image.blobs.values()].reduce((sum, blob) => sum + blob.length, 0);
      expect(report).toMatchObject({
        sound: true,
        findings: [],
        totals: { layers: 2, members: SOUND.flat().length, bytes, manifests: 1 },
      });
      expect(report.digest).toBe(image.descriptor.digest);
    }
  });

  test("images of the store", async () => {
    const store = await newStore();
    await store.setReferences([{ name: "docker.io/library/some:1", descriptor: await putImage(store, SOUND) }]);
    expect(await verifyImage("some:1", { ...world, store })).toMatchObject({
      sound: true,
      findings: [],
      place: "store",
    });
  });

  test.skipIf(toolMissing("skopeo"))("what skopeo writes, as a layout and as a docker-archive", async () => {
    const from = `oci:${writeImage(makeImage({ layers: SOUND }))}:latest`;
    const directory = tempDir();
    for (const to of [
      `oci:${directory}/layout:x`,
      `oci-archive:${directory}/oci.tar:x`,
      `docker-archive:${directory}/docker.tar:x:1`,
    ]) {
      await skopeo("copy", "--quiet", from, to);
      expect(await findingsOf(to)).toEqual([]);
    }
  });

  test.skipIf(toolMissing("umoci"))("what umoci makes of a directory", async () => {
    const directory = join(tempDir(), "image");
    const umoci = (...args: string[]) => execFileSync("umoci", args, { stdio: "pipe" });
    const root = tempDir();
    writeFileSync(join(root, "file"), "content");
    umoci("init", "--layout", directory);
    umoci("new", "--image", `${directory}:x`);
    umoci("insert", "--image", `${directory}:x`, root, "/data");
    // It leaves the end of the tar away.
    expect((await verifyImage(`oci:${directory}:x`, { env: {} })).sound).toBe(true);
  });

  test("all platforms in a registry, and one of them where one is wanted", async () => {
    const registry = await startRegistry();
    const index = makeIndex(
      ["amd64", "arm64"].map((architecture) => makeImage({ layers: SOUND, config: { architecture } })),
    );
    await pushImage(index, registry, "many", "1");
    const env = { NACRE_INSECURE_REGISTRIES: registry.host };
    const spec = `docker://${registry.host}/many:1`;
    const all = await verifyImage(spec, { ...world, env });
    expect(all).toMatchObject({ findings: [], place: "registry", totals: { indexes: 1, manifests: 2, layers: 2 } });
    const one = await verifyImage(spec, { ...world, env }, { platform: parsePlatform("linux/arm64") });
    expect(one).toMatchObject({ findings: [], totals: { indexes: 1, manifests: 1 } });
  });
});

describe("names in layers", () => {
  test("that lead out of the root are errors, absolute ones and .. are told", async () => {
    const members = ["../../etc/passwd", "/abs", "a/../b", "ok"].map((path) => ({ path, content: "x" }));
    const link: Member = { path: "link", type: "hardlink", link: "../../etc/shadow" };
    const found = await ofLayers([...members, link]);
    expect(found).toEqual([
      "error name ../../etc/passwd: it leads out of the root",
      "warning name /abs: it is an absolute path",
      "warning name a/../b: it has .. in it",
      "error name link: the target of its link leads out of the root",
      expect.stringMatching(/^error hard-link link: its target "etc\/shadow" is neither/),
    ]);
  });

  test("that no file system holds are errors", async () => {
    expect(await ofLayers([{ path: `dir/${"n".repeat(256)}` }])).toEqual([
      expect.stringContaining("more than 255 bytes"),
    ]);
    expect(await ofLayers([{ path: `dir/${"n".repeat(255)}` }])).toEqual([]);
  });

  test("listed twice are told, directories as a note", async () => {
    const dir: Member = { path: "d", type: "dir", mode: 0o755 };
    expect(await ofLayers([dir, { path: "d/f" }, { ...dir, path: "./d/" }, { path: "d//f" }])).toEqual([
      expect.stringMatching(/^note duplicate/),
      expect.stringMatching(/^warning duplicate/),
    ]);
  });
});

describe("hard links", () => {
  const link = (path: string, to: string): Member => ({ path, type: "hardlink", link: to });
  test("lead into lower layers, unless what they lead to is gone there", async () => {
    expect(await ofLayers(PLAIN, [link("again", "plain")], [link("third", "again")])).toEqual([]);
    expect(await ofLayers(PLAIN, [{ path: ".wh.plain" }], [link("again", "plain")])).toEqual([
      expect.stringMatching(/^error hard-link again/),
    ]);
  });

  test("do not lead into layers above", async () => {
    expect(await ofLayers([link("early", "plain")], PLAIN)).toEqual([expect.stringMatching(/^error hard-link early/)]);
  });
});

describe("whiteouts", () => {
  test("of what is there are no findings: files, directories, what was brought back", async () => {
    const layers = [
      [{ path: "a/b/c" }, { path: "x" }],
      [{ path: ".wh.a" }, { path: ".wh.x" }],
      [{ path: "x" }],
      [{ path: ".wh.x" }],
    ];
    expect(await ofLayers(...layers)).toEqual([]);
  });

  test("of all that lies below the lowest layer are notes", async () => {
    expect(await ofLayers([{ path: ".wh..wh..opq" }, ...PLAIN])).toEqual([
      "note whiteout : it hides what is below, and nothing is",
    ]);
    expect(await ofLayers(PLAIN, [{ path: ".wh..wh..opq" }])).toEqual([]);
  });

  test("of what was removed before, or never was, are notes", async () => {
    const found = await ofLayers(PLAIN, [{ path: ".wh.plain" }], [{ path: ".wh.plain" }, { path: "new/.wh.x" }]);
    expect(found).toEqual([
      "note whiteout new/x: it removes what is not there",
      "note whiteout plain: it removes what is not there",
    ]);
  });
});

describe("tars", () => {
  const tar = tarOf(PLAIN);
  const members = tar.subarray(0, tar.length - END_OF_ARCHIVE.length);
  test("without end, with something behind it, and cut off", async () => {
    expect(await ofTar(members)).toEqual([expect.stringMatching(/^warning tar: the tar has no end mark/)]);
    expect(await ofTar(Buffer.concat([tar, Buffer.alloc(10_240)]))).toEqual([]);
    expect(await ofTar(Buffer.concat([tar, tar]))).toEqual([expect.stringMatching(/^warning tar: the tar goes on/)]);
    expect(await ofTar(tar.subarray(0, 515))).toEqual([expect.stringMatching(/^error tar: .*cut off/)]);
  });

  test("of no members at all are sound", async () => {
    expect(await ofTar(END_OF_ARCHIVE)).toEqual([]);
  });

  test("that are no tars, and gzip with something behind it", async () => {
    expect(await ofTar(Buffer.from("x".repeat(2048)))).toEqual([expect.stringMatching(/^error tar: /)]);
    const layer = raw.gzipLayer(PLAIN);
    const blob = Buffer.concat([layer.blob, Buffer.from("behind")]);
    expect(await findingsOf(raw.layoutOf({ layers: [{ ...layer, blob }] }))).toEqual([
      expect.stringMatching(/^error compression: /),
    ]);
  });

  test("whose members lie too deep", async () => {
    const depth = 3000;
    expect(await ofLayers([{ path: `${"d/".repeat(depth)}f` }])).toEqual([expect.stringMatching(/^error limit: /)]);
  });

  test("with members of the future", async () => {
    const late = { path: "late", mtime: NOW / 1000 + 90_000 };
    expect(await ofLayers([...PLAIN, late, { path: "soon", mtime: NOW / 1000 + 3600 }])).toEqual([
      "note time late: 1 of 3 members were changed in the future",
    ]);
  });
});

describe("tables of contents", () => {
  const members: readonly Member[] = [
    { path: "d", type: "dir", mode: 0o755 },
    { path: "d/one", content: "one" },
    { path: "d/two", content: "two" },
    { path: "l", type: "symlink", link: "d/one", mode: 0o777 },
    { path: "h", type: "hardlink", link: "d/one" },
  ];
  const LIES: readonly (readonly [string, (toc: Toc) => void, string])[] = [
    ["leave a file out", (toc) => void toc.entries.splice(1, 1), "d/one: the table of contents does not have it"],
    [
      "invent one",
      (toc) => void toc.entries.push({ name: "new", type: "dir", mode: 0o755 }),
      "new: the table of contents alone has it",
    ],
    [
      "have another mode",
      (toc) => void Object.assign(toc.entries[2]!, { mode: 0o4755 }),
      "d/two: the table of contents tells another mode of it",
    ],
    [
      "have another content",
      (toc) =>
        void Object.assign(toc.entries[2]!, { digest: raw.digestOf("other"), chunkDigest: raw.digestOf("other") }),
      "d/two: the table of contents tells another content of it",
    ],
  ];
  test.each([
    ["estargz", estargzLayer],
    ["zstd:chunked", zstdChunkedLayer],
  ])("of %s that tell what the tar has are sound, others are not", async (_name, make) => {
    expect(await findingsOf(raw.layoutOf({ layers: [make(members)] }))).toEqual([]);
    for (const [, bend, finding] of LIES) {
      const found = await findingsOf(raw.layoutOf({ layers: [make(members, { bend })] }));
      expect(found).toContain(`error toc ${finding}`);
    }
  });

  test("that are not where the manifest promises them are errors", async () => {
    const { descriptor, ...layer } = estargzLayer(members);
    expect(
      await findingsOf(raw.layoutOf({ layers: [{ ...raw.gzipLayer(members), descriptor: descriptor! }] })),
    ).toEqual([expect.stringMatching(/^error toc: the table of contents of the layer .* is not used/)]);
    expect(await findingsOf(raw.layoutOf({ layers: [layer] }))).toEqual([]);
  });
});

describe("documents", () => {
  test("blobs that are missing, too long, too short, or said to be", async () => {
    const layer = raw.gzipLayer(PLAIN);
    const of = (more: Partial<raw.RawLayer>) => findingsOf(raw.layoutOf({ layers: [{ ...layer, ...more }] }));
    expect(await of({ isThere: false })).toEqual(["error missing: the blob is not there"]);
    for (const size of [layer.blob.length - 1, layer.blob.length + 1]) {
      expect(await of({ descriptor: { size } })).toEqual([expect.stringMatching(/^error blob: /)]);
    }
  });

  test("a config that is gone, and one that is another", async () => {
    const blobs: raw.Blobs = new Map();
    const root = raw.addImage(blobs, { layers: [raw.gzipLayer(PLAIN)] });
    const directory = raw.writeLayout(blobs, [root]);
    const { config } = JSON.parse(blobs.get(root.digest)!.toString()) as { config: raw.RawDescriptor };
    const path = join(directory, "blobs/sha256", config.digest.slice(7));
    const bytes = blobs.get(config.digest)!.toString();
    writeFileSync(path, bytes.replace("amd64", "arm64"));
    expect(await findingsOf(`oci:${directory}`)).toEqual([
      expect.stringMatching(/^error document: .*is not what its digest says/),
    ]);
    rmSync(path);
    expect(await findingsOf(`oci:${directory}`)).toEqual(["error missing: the config is not there"]);
  });

  test("platforms that are not those of the index, and attestations of nothing", async () => {
    const blobs: raw.Blobs = new Map();
    const image = {
      ...raw.addImage(blobs, { layers: [raw.gzipLayer(PLAIN)] }),
      platform: { os: "linux", architecture: "s390x" },
    };
    const annotations = {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": raw.digestOf("x"),
    };
    const attestation = { ...raw.addImage(blobs, { layers: [], config: { os: "unknown" } }), annotations };
    const index = raw.addIndex(blobs, [image, image, attestation]);
    expect(await findingsOf(`oci:${raw.writeLayout(blobs, [index])}`)).toEqual([
      expect.stringMatching(/^warning platform: linux\/s390x is listed more than once/),
      expect.stringMatching(/^warning referrer: the attestation .* is about sha256:2d71/),
      "error platform: the index says linux/s390x, the config linux/amd64",
    ]);
  });

  test("media types that contradict each other", async () => {
    const layer = raw.gzipLayer(PLAIN);
    const mixed = { layers: [{ ...layer, mediaType: types.DOCKER_LAYER_GZIP }] };
    expect(await findingsOf(raw.layoutOf(mixed))).toEqual([
      expect.stringMatching(/^warning media-type: types of OCI and of Docker/),
    ]);
    const odd = { layers: [{ ...layer, mediaType: "application/x-odd" }] };
    expect(await findingsOf(raw.layoutOf(odd))).toEqual([
      expect.stringMatching(/^error media-type: its type application\/x-odd/),
    ]);
    const blobs: raw.Blobs = new Map();
    const root = raw.addImage(blobs, { layers: [layer] });
    const asDocker = { ...root, mediaType: types.DOCKER_MANIFEST };
    expect(await findingsOf(`oci:${raw.writeLayout(blobs, [asDocker])}`)).toEqual([
      expect.stringMatching(/^error media-type: it says that it is of the type .*oci/),
    ]);
  });

  test("times and annotations that are none", async () => {
    const config = {
      created: "yesterday",
      history: [{ created: "2031-01-01T00:00:00Z", created_by: "late" }],
      config: { Env: ["A=b", "=", "NONE"] },
    };
    const annotations = { "org.opencontainers.image.created": "now", "org.opencontainers.image.base.digest": "abc" };
    const image = { layers: [raw.gzipLayer(PLAIN)], config, manifest: { annotations } };
    expect((await findingsOf(raw.layoutOf(image))).map((text) => text.split(" ").slice(0, 2).join(" "))).toEqual([
      ...[
        "warning annotation:",
        "warning annotation:",
        "warning time:",
        "note time:",
        "warning document:",
        "warning document:",
      ],
    ]);
  });

  test("indexes that nest without end, or list themselves", async () => {
    const blobs: raw.Blobs = new Map();
    let root = raw.addImage(blobs, { layers: [raw.gzipLayer(PLAIN)] });
    for (let depth = 0; depth < 8; depth++) root = raw.addIndex(blobs, [root]);
    expect(await findingsOf(`oci:${raw.writeLayout(blobs, [root])}`)).toEqual([
      expect.stringMatching(/^error document: .*lie within each other/),
    ]);
  });
});

test("what refers to the image is looked at: its subject, its blobs", async () => {
  const blobs: raw.Blobs = new Map();
  const image = raw.addImage(blobs, { layers: [raw.gzipLayer(PLAIN)] });
  const empty = raw.keep(blobs, "application/vnd.oci.empty.v1+json", Buffer.from("{}"));
  const signature = (layers: readonly raw.RawDescriptor[], subject: raw.RawDescriptor) =>
    raw.keep(
      blobs,
      types.OCI_MANIFEST,
      raw.json({ schemaVersion: 2, mediaType: types.OCI_MANIFEST, config: empty, layers, subject }),
    );
  const good = signature([raw.keep(blobs, "application/x-signature", Buffer.from("good"))], image);
  const bad = signature([{ ...empty, digest: raw.digestOf("gone"), size: 4 }], image);
  const { findings, totals } = await verifyImage(`oci:${raw.writeLayout(blobs, [image, good, bad])}`, world);
  expect(totals.referrers).toBe(2);
  expect(findings.filter(({ severity }) => severity === "error")).toMatchObject([
    { class: "missing", digest: raw.digestOf("gone") },
  ]);
});

test("the first findings of a kind are told, the others counted", async () => {
  const findings = new Findings();
  for (let at = 0; at < 25; at++) findings.add("warning", "duplicate", `number ${at}`, { layer: 1 });
  findings.add("error", "blob", "another");
  expect(findings.all).toHaveLength(22);
  expect(findings.all[20]).toMatchObject({ count: 5, message: "and 5 more of the kind", layer: 1 });
  expect(findings.isSound).toBe(false);
});

test("verifying stops when it is told to", async () => {
  const controller = new AbortController();
  controller.abort();
  const work = verifyImage(raw.layoutOf({ layers: [raw.gzipLayer(PLAIN)] }), { ...world, signal: controller.signal });
  await expect(work).rejects.toMatchObject({ code: "CANCELLED" });
});

test("whatever byte of a blob is changed, added or lost, the image is not sound", async () => {
  const image = makeImage({ layers: SOUND });
  const blobs = [...image.blobs.values(), image.bytes];
  const change = fc.record({
    blob: fc.nat({ max: blobs.length - 1 }),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    how: fc.oneof(fc.integer({ min: 1, max: 255 }), fc.constantFrom("cut" as const, "grow" as const)),
  });
  const check = async ({
    blob,
    at,
    how,
  }: {
    blob: number;
    at: number;
    how: number | "cut" | "grow";
  }): Promise<void> => {
    const right = blobs[blob]!;
    const position = Math.floor(at * right.length);
    const bytes =
      how === "grow"
        ? Buffer.concat([right, Buffer.from("x")])
        : Buffer.from(how === "cut" ? right.subarray(0, position) : right);
    if (typeof how === "number") bytes[position]! ^= how;
    writeFileSync(join(directory, "blobs/sha256", raw.digestOf(right).slice(7)), bytes);
    try {
      const { sound, findings } = await verifyImage(`oci:${directory}`, world);
      expect([sound, findings[0]?.severity]).toEqual([false, "error"]);
    } finally {
      writeFileSync(join(directory, "blobs/sha256", raw.digestOf(right).slice(7)), right);
    }
  };
  const directory = writeImage(image);
  await fc.assert(fc.asyncProperty(change, check), { numRuns: 150 });
  expect((await verifyImage(`oci:${directory}`, world)).sound).toBe(true);
});
