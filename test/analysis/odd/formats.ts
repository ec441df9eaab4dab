/** Layers in every format that is about, and under wrong names. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as types from "../../../src/oci/mediaTypes.js";
import { type Member, tarOf } from "../../archive/images.js";
import { requireTool } from "../../setup/tools.js";
import { estargz, type LazyBlob, type LazyWish, zstdChunked } from "../lazyLayers.js";
import { digestOf, gzipLayer, type RawLayer } from "./rawImage.js";

export const PLAIN: readonly Member[] = [
  { path: "etc", type: "dir", mode: 0o755 },
  { path: "etc/motd", content: "hello\n" },
];

function zstd(bytes: Buffer): Buffer {
  return execFileSync(requireTool("zstd"), ["-q", "-3"], { input: bytes, maxBuffer: 1 << 28 });
}

/** Compressed with zstd. */
export function zstdLayer(members: readonly Member[]): RawLayer {
  const tar = tarOf(members);
  return { blob: zstd(tar), mediaType: types.OCI_LAYER_ZSTD, diffId: digestOf(tar) };
}

/** eStargz: to everything that knows nothing of it, a gzipped tar with one file more. */
export function estargzLayer(members: readonly Member[], wish: LazyWish = {}): RawLayer {
  return lazyLayer(estargz(members, wish));
}

/** zstd:chunked: to everything that knows nothing of it, a tar in zstd. */
export function zstdChunkedLayer(members: readonly Member[], wish: LazyWish = {}): RawLayer {
  return lazyLayer(zstdChunked(members, wish));
}

function lazyLayer({ blob, mediaType, tar, annotations }: LazyBlob): RawLayer {
  return { blob, mediaType, diffId: digestOf(tar), descriptor: { annotations } };
}

/** gzip that is said to be a plain tar, and the other way round. */
export function mislabelled(which: "gzip as tar" | "tar as gzip"): RawLayer {
  const tar = tarOf(PLAIN);
  if (which === "tar as gzip") return { blob: tar, mediaType: types.OCI_LAYER_GZIP, diffId: digestOf(tar) };
  return { ...gzipLayer(PLAIN), mediaType: types.OCI_LAYER };
}

/** The blob ends early; the manifest has the digest and size of the whole one. */
export function truncatedLayer(): RawLayer {
  const layer = gzipLayer([...PLAIN, { path: "noise", content: noise(100_000) }]);
  const descriptor = { digest: digestOf(layer.blob), size: layer.blob.length };
  return { ...layer, descriptor, blob: layer.blob.subarray(0, layer.blob.length >> 1) };
}

/** A bit of the blob has changed. */
export function corruptLayer(): RawLayer {
  const layer = gzipLayer([...PLAIN, { path: "noise", content: noise(100_000) }]);
  const blob = Buffer.from(layer.blob);
  blob[blob.length >> 1]! ^= 0x10;
  return { ...layer, descriptor: { digest: digestOf(layer.blob), size: layer.blob.length }, blob };
}

/** The config names another content than the blob has. */
export function otherDiffId(): RawLayer {
  return { ...gzipLayer(PLAIN), diffId: digestOf("something else") };
}

/** Kept elsewhere, as Windows base layers are. */
export function foreignLayer(): RawLayer {
  return {
    ...gzipLayer([{ path: "windows", content: "licensed" }]),
    mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    descriptor: { urls: ["https://example.invalid/layer"] },
    isThere: false,
  };
}

/** As ocicrypt makes them. */
export function encryptedLayer(): RawLayer {
  return {
    blob: noise(5000),
    mediaType: `${types.OCI_LAYER_GZIP}+encrypted`,
    diffId: digestOf(tarOf(PLAIN)),
    descriptor: { annotations: { "org.opencontainers.image.enc.keys.jwe": "e30=" } },
  };
}

/** Bytes that do not compress; always the same. */
export function noise(size: number): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; at * 32 < size; at++) chunks.push(createHash("sha256").update(`noise ${at}`).digest());
  return Buffer.concat(chunks).subarray(0, size);
}
