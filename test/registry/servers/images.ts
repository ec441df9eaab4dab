/** Small real images for tests of registries: in memory, as layouts on disk, and put into registries. */
import { execFile, execFileSync } from "node:child_process";
import { createCipheriv, createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { type Digest, digestOfHex, hexOf } from "../../../src/oci/digest.js";
import type { Descriptor, ImageConfig } from "../../../src/oci/documents.js";
import { encodeConfig, encodeIndex, encodeManifest } from "../../../src/oci/encode.js";
import * as types from "../../../src/oci/mediaTypes.js";
import { type Member, SOME_LAYERS, tarOf } from "../../archive/images.js";
import { requireTool } from "../../setup/tools.js";
import { serverDirectory } from "./cleanup.js";

/** An image or an index of images with all that belongs to it. */
export interface TestImage {
  /** Points at the manifest, or at the index. */
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  /** Layers and configs by digest. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
  /** The layers in order; of an index, none. */
  readonly layers: readonly Descriptor[];
  /** Manifests that an index lists. */
  readonly children: readonly TestImage[];
}

/** What an image is to be. */
export interface ImageWish {
  /** Members of each layer. */
  readonly layers?: readonly (readonly Member[])[];
  readonly compression?: types.Compression;
  /** Media types of Docker's schema 2 in place of OCI's. */
  readonly docker?: boolean;
  readonly config?: Partial<ImageConfig>;
  /** What it refers to, and as what. */
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A registry that tests put images into, and how it is reached. */
export interface Target {
  /** As in references. */
  readonly host: string;
  readonly url: string;
  readonly ca?: string | undefined;
  /** Value of the Authorization header for {@link putImage}; `USER:PASSWORD` for skopeo. */
  readonly authorization?: string | undefined;
  readonly login?: string | undefined;
}

/** Makes an image. The same wish gives the same bytes. */
export function makeImage(wish: ImageWish = {}): TestImage {
  const { layers = SOME_LAYERS, compression = "gzip", docker = false } = wish;
  const blobs = new Map<Digest, Buffer>();
  const keep = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const tars = layers.map(tarOf);
  const layerType = docker ? DOCKER_LAYERS[compression] : types.layerType(compression);
  const stored = tars.map((tar) => keep(layerType, compress(tar, compression)));
  const config: ImageConfig = {
    ...{ created: "2024-01-02T03:04:05Z", architecture: "amd64", os: "linux" },
    config: { Cmd: ["/bin/sh"] },
    history: layers.map((_, i) => ({ created: "2024-01-02T03:04:05Z", created_by: `layer ${i}` })),
    ...wish.config,
    rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
  };
  const mediaType = docker ? types.DOCKER_MANIFEST : types.OCI_MANIFEST;
  const bytes = encodeManifest({
    ...{ schemaVersion: 2, mediaType, artifactType: wish.artifactType },
    config: keep(docker ? types.DOCKER_CONFIG : types.OCI_CONFIG, encodeConfig(config)),
    ...{ layers: stored, subject: wish.subject, annotations: wish.annotations },
  });
  const platform = { os: config.os, architecture: config.architecture };
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length, platform };
  return { descriptor, bytes, blobs, layers: stored, children: [] };
}

/** Makes an index of images. */
export function makeIndex(children: readonly TestImage[], docker = false): TestImage {
  const mediaType = docker ? types.DOCKER_INDEX : types.OCI_INDEX;
  const bytes = encodeIndex({ schemaVersion: 2, mediaType, manifests: children.map(({ descriptor }) => descriptor) });
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  return { descriptor, bytes, blobs: new Map(), layers: [], children };
}

/** A layer with one file of so many bytes that do not compress; the same seed gives the same bytes. */
export function noiseLayer(size: number, seed: string): Member[] {
  const key = createHash("sha256").update(seed).digest();
  const content = createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
  return [{ path: `noise-${seed}`, content }];
}

/**
 * Writes an image as an OCI layout, under the tag `latest`.
 * @returns its directory, which goes when the test file is done
 */
export function writeLayout(image: TestImage, tag = "latest"): string {
  const directory = serverDirectory();
  const folder = join(directory, "blobs/sha256");
  mkdirSync(folder, { recursive: true });
  for (const { descriptor, bytes, blobs } of withChildren(image)) {
    for (const [digest, content] of blobs) writeFileSync(join(folder, hexOf(digest)), content);
    writeFileSync(join(folder, hexOf(descriptor.digest)), bytes);
  }
  const annotations = { "org.opencontainers.image.ref.name": tag };
  const index = { schemaVersion: 2, manifests: [{ ...image.descriptor, annotations }] };
  writeFileSync(join(directory, "index.json"), JSON.stringify(index));
  writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return directory;
}

/** Puts an image into a registry by plain requests, without any client. @param reference a tag; the digest by default */
export async function putImage(
  image: TestImage,
  target: Target,
  repository: string,
  reference: string = image.descriptor.digest,
): Promise<void> {
  for (const child of image.children) await putImage(child, target, repository);
  for (const [digest, content] of image.blobs) {
    const start = await ask(target, "POST", `/v2/${repository}/blobs/uploads/`);
    if (start.status !== 202) throw new Error(`putting ${digest}: ${start.status} ${start.body.toString()}`);
    const location = new URL(start.headers.location ?? "", target.url);
    location.searchParams.set("digest", digest);
    const done = await ask(target, "PUT", `${location.pathname}${location.search}`, content);
    if (done.status !== 201) throw new Error(`putting ${digest}: ${done.status} ${done.body.toString()}`);
  }
  const type = { "content-type": image.descriptor.mediaType };
  const done = await ask(target, "PUT", `/v2/${repository}/manifests/${reference}`, image.bytes, type);
  if (done.status !== 201) throw new Error(`putting ${reference}: ${done.status} ${done.body.toString()}`);
}

/** An answer of a registry. */
export interface PlainAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One plain request, without redirects and retries. */
export function ask(
  target: Target,
  method: string,
  path: string,
  body?: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<PlainAnswer> {
  const url = new URL(path, target.url);
  const authorization = target.authorization === undefined ? {} : { authorization: target.authorization };
  const options = { method, agent: false, headers: { ...authorization, ...headers }, ca: target.ca };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? https : http).request(url, options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks) });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Runs skopeo. @returns its standard output */
export async function skopeo(...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: serverDirectory(), TMPDIR: process.env.TMPDIR };
  const done = await promisify(execFile)(requireTool("skopeo"), ["--insecure-policy", ...args], {
    env,
    maxBuffer: 1 << 26,
  });
  return done.stdout;
}

/**
 * Flags with which skopeo reaches a registry.
 * @param side `src` and `dest` for `skopeo copy`; empty for other commands
 */
export function skopeoFlags({ ca, login }: Target, side: "src" | "dest" | ""): string[] {
  const prefix = side === "" ? "--" : `--${side}-`;
  const creds = login === undefined ? [] : [`${prefix}creds=${login}`];
  if (ca === undefined) return [`${prefix}tls-verify=false`, ...creds];
  const directory = serverDirectory();
  writeFileSync(join(directory, "ca.crt"), ca);
  return [`${prefix}cert-dir=${directory}`, ...creds];
}

/** Pushes an image with skopeo, all of it and with its digests. @param name repository and tag */
export async function pushWithSkopeo(image: TestImage, target: Target, name: string): Promise<void> {
  const from = `oci:${writeLayout(image)}:latest`;
  const flags = ["--all", "--preserve-digests", ...skopeoFlags(target, "dest")];
  await skopeo("copy", "--quiet", ...flags, from, `docker://${target.host}/${name}`);
}

/** An image with all that its index lists, the innermost first. */
export function withChildren(image: TestImage): TestImage[] {
  return [...image.children.flatMap(withChildren), image];
}

/** The digest of bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return digestOfHex(createHash("sha256").update(bytes).digest("hex"));
}

const DOCKER_LAYERS: Readonly<Record<types.Compression, string>> = {
  none: types.DOCKER_LAYER,
  gzip: types.DOCKER_LAYER_GZIP,
  zstd: types.OCI_LAYER_ZSTD,
};

function compress(tar: Buffer, compression: types.Compression): Buffer {
  if (compression === "none") return tar;
  if (compression === "gzip") return gzipSync(tar, { level: 1 });
  return execFileSync(requireTool("zstd"), ["-q", "-1"], { input: tar, maxBuffer: 1 << 30 });
}
