/** Image layouts that need not make sense: every part is as the test says, whatever the other parts are. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Digest, digestOfHex } from "../../../src/oci/digest.js";
import * as types from "../../../src/oci/mediaTypes.js";
import { type Member, tarOf, tempDir } from "../../archive/images.js";

/** A descriptor as it stands in JSON, right or not. */
export interface RawDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly [field: string]: unknown;
}

/** A layer: its blob, and what is said of it. */
export interface RawLayer {
  readonly blob: Buffer;
  readonly mediaType: string;
  readonly diffId: Digest;
  /** Further fields of the descriptor, or others in place of the right ones. */
  readonly descriptor?: Readonly<Record<string, unknown>>;
  /** False: the layout does not have the blob. */
  readonly isThere?: boolean;
}

/** An image: layers, and what differs from a plain config and manifest. */
export interface RawImage {
  readonly layers: readonly RawLayer[];
  /** Fields of the config; undefined ones are left out. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly docker?: boolean;
}

/** Blobs by digest. */
export type Blobs = Map<Digest, Buffer>;

export const CREATED = "2024-01-02T03:04:05Z";

export function digestOf(bytes: Uint8Array | string): Digest {
  return digestOfHex(createHash("sha256").update(bytes).digest("hex"));
}

/** A layer of members, compressed with gzip, and all right. */
export function gzipLayer(members: readonly Member[]): RawLayer {
  return tarLayer(tarOf(members));
}

/** A layer of a tar, compressed with gzip. */
export function tarLayer(tar: Buffer): RawLayer {
  return { blob: gzipSync(tar, { level: 6 }), mediaType: types.OCI_LAYER_GZIP, diffId: digestOf(tar) };
}

/** Keeps bytes and points at them. */
export function keep(
  blobs: Blobs,
  mediaType: string,
  bytes: Buffer,
  more: Readonly<Record<string, unknown>> = {},
): RawDescriptor {
  const digest = digestOf(bytes);
  blobs.set(digest, bytes);
  return { mediaType, digest, size: bytes.length, ...more };
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Puts the parts of an image among the blobs. @returns points at its manifest */
export function addImage(blobs: Blobs, image: RawImage): RawDescriptor {
  const { layers, docker = false } = image;
  const config = {
    ...{ created: CREATED, architecture: "amd64", os: "linux", config: { Cmd: ["/bin/sh"] } },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map((_, at) => ({ created: CREATED, created_by: `layer ${at}` })),
    ...image.config,
  };
  const manifest = {
    ...{ schemaVersion: 2, mediaType: docker ? types.DOCKER_MANIFEST : types.OCI_MANIFEST },
    config: keep(blobs, docker ? types.DOCKER_CONFIG : types.OCI_CONFIG, json(config)),
    layers: layers.map((layer) => addLayer(blobs, layer)),
    ...image.manifest,
  };
  return keep(blobs, manifest.mediaType, json(manifest));
}

function addLayer(blobs: Blobs, { blob, mediaType, descriptor, isThere = true }: RawLayer): RawDescriptor {
  const right = { mediaType, digest: digestOf(blob), size: blob.length };
  const said = { ...right, ...descriptor };
  if (isThere) blobs.set(said.digest, blob);
  return said;
}

/** Puts an image index among the blobs. */
export function addIndex(
  blobs: Blobs,
  manifests: readonly RawDescriptor[],
  more: Readonly<Record<string, unknown>> = {},
): RawDescriptor {
  return keep(blobs, types.OCI_INDEX, json({ schemaVersion: 2, mediaType: types.OCI_INDEX, manifests, ...more }));
}

/** Writes a layout. @returns its directory, which goes when the test file is done */
export function writeLayout(blobs: Blobs, roots: readonly RawDescriptor[], tag: string | undefined = "odd"): string {
  const directory = tempDir();
  mkdirSync(join(directory, "blobs/sha256"), { recursive: true });
  for (const [digest, bytes] of blobs) writeFileSync(join(directory, "blobs/sha256", digest.slice(7)), bytes);
  const [first, ...others] = roots;
  const annotations = tag === undefined ? undefined : { "org.opencontainers.image.ref.name": tag };
  const manifests = [{ ...first, annotations }, ...others];
  writeFileSync(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return directory;
}

/** A layout with one image. @returns how commands are given it */
export function layoutOf(image: RawImage): string {
  const blobs: Blobs = new Map();
  return `oci:${writeLayout(blobs, [addImage(blobs, image)])}`;
}
