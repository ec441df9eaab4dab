/** Layers in formats with a table of contents, made for tests: eStargz and zstd:chunked, and images of them. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Digest } from "../../src/oci/digest.js";
import type { Descriptor } from "../../src/oci/documents.js";
import { encodeConfig, encodeManifest } from "../../src/oci/encode.js";
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST } from "../../src/oci/mediaTypes.js";
import type { TarEntry } from "../../src/tar/entry.js";
import { encodeHeader, paddingOf } from "../../src/tar/write.js";
import type { Member } from "../archive/images.js";
import { digestOf, type TestImage } from "../registry/servers/images.js";

/** A layer with a table of contents. */
export interface LazyBlob {
  readonly blob: Buffer;
  /** Unpacked. */
  readonly tar: Buffer;
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Where the contents begin, by path. */
  readonly offsets: ReadonlyMap<string, number>;
}

/** How a layer is made. */
export interface LazyWish {
  /** Bytes of a file that are compressed by themselves; default 4 MiB. */
  readonly chunkSize?: number;
  /** Changes the table before it is written. */
  readonly bend?: (toc: Toc) => unknown;
  /** eStargz: of gzip; default 1. */
  readonly level?: number;
  /** eStargz: small files share a member, each with its position within. */
  readonly shared?: boolean;
  /** zstd:chunked: chunks of nothing but zeros are left to the table. */
  readonly holes?: boolean;
}

/** The table as JSON. */
export interface Toc {
  version: number;
  entries: Record<string, unknown>[];
}

const sha = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A layer as eStargz. */
export function estargz(members: readonly Member[], wish: LazyWish = {}): LazyBlob {
  const writer = new Pieces((bytes) => gzipSync(bytes, { level: wish.level ?? 1 }));
  const toc = writeMembers(writer, members, wish, () => ({}));
  writer.cut();
  const json = Buffer.from(JSON.stringify(wish.bend?.(toc) ?? toc));
  const position = writer.size;
  const own: TarEntry = {
    path: "stargz.index.json",
    type: "file",
    mode: 0,
    uid: 0,
    gid: 0,
    size: json.length,
    mtime: 0,
  };
  writer.add(encodeHeader(own), json, Buffer.alloc(paddingOf(json.length) + 1024));
  writer.cut();
  const field = Buffer.from(`SG\x16\0${position.toString(16).padStart(16, "0")}STARGZ`, "latin1");
  const length = Buffer.from([field.length, 0]);
  const head = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff]);
  // An empty block of no compression, and the checksum and size of nothing.
  const footer = Buffer.concat([head, length, field, Buffer.from([1, 0, 0, 0xff, 0xff]), Buffer.alloc(8)]);
  const annotations = { "containerd.io/snapshot/stargz/toc.digest": sha(json) };
  return writer.end(footer, { mediaType: OCI_LAYER_GZIP, annotations });
}

/** A layer as zstd:chunked; its frames are not compressed. */
export function zstdChunked(members: readonly Member[], wish: LazyWish = {}): LazyBlob {
  const writer = new Pieces(zstdFrame);
  const toc = writeMembers(writer, members, wish, (end) => ({ endOffset: end }));
  writer.add(Buffer.alloc(1024));
  writer.cut();
  const json = Buffer.from(JSON.stringify(wish.bend?.(toc) ?? toc));
  const stored = zstdFrame(json);
  const position = writer.size + 8;
  const footer = Buffer.alloc(64);
  for (const [at, value] of [position, stored.length, json.length, 1].entries())
    footer.writeBigUInt64LE(BigInt(value), at * 8);
  footer.write("GNUlInUx", 56, "latin1");
  const annotations = {
    "io.github.containers.zstd-chunked.manifest-checksum": sha(stored),
    "io.github.containers.zstd-chunked.manifest-position": `${position}:${stored.length}:${json.length}:1`,
  };
  const tail = Buffer.concat([skippable(stored), skippable(footer)]);
  return writer.end(tail, { mediaType: OCI_LAYER_ZSTD, annotations });
}

/** A plain layer. */
export function plainGzip(lazy: LazyBlob): LazyBlob {
  return { ...lazy, blob: gzipSync(lazy.tar, { level: 1 }), mediaType: OCI_LAYER_GZIP, annotations: {} };
}

/** An image of such layers, lowest first. */
export function imageOf(layers: readonly LazyBlob[]): TestImage {
  const blobs = new Map<Digest, Buffer>();
  const keep = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const stored = layers.map(({ blob, mediaType, annotations }) => ({ ...keep(mediaType, blob), annotations }));
  const config = encodeConfig({
    ...{ created: "2024-01-02T03:04:05Z", architecture: "amd64", os: "linux", config: {} },
    history: layers.map((_, at) => ({ created: "2024-01-02T03:04:05Z", created_by: `layer ${at}` })),
    rootfs: { type: "layers", diff_ids: layers.map(({ tar }) => digestOf(tar)) },
  });
  const bytes = encodeManifest({
    ...{ schemaVersion: 2, mediaType: OCI_MANIFEST, config: keep(OCI_CONFIG, config), layers: stored },
  });
  const descriptor = { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length };
  return { descriptor, bytes, blobs, layers: stored, children: [] };
}

/** The image of a layout that another tool wrote. */
export function readLayout(directory: string): TestImage {
  const blob = (digest: string): Buffer => readFileSync(join(directory, "blobs/sha256", digest.slice(7)));
  const [descriptor] = (JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as { manifests: Descriptor[] })
    .manifests;
  const bytes = blob(descriptor!.digest);
  const { config, layers } = JSON.parse(bytes.toString()) as { config: Descriptor; layers: Descriptor[] };
  const blobs = new Map([config, ...layers].map(({ digest }) => [digest, blob(digest)]));
  return { descriptor: descriptor!, bytes, blobs, layers, children: [] };
}

/** Bytes of the tar, compressed piece by piece. */
class Pieces {
  readonly #compress: (bytes: Buffer) => Buffer;
  readonly #tar: Buffer[] = [];
  readonly #stored: Buffer[] = [];
  readonly offsets = new Map<string, number>();
  #open: Buffer[] = [];
  #inOpen = 0;
  size = 0;

  constructor(compress: (bytes: Buffer) => Buffer) {
    this.#compress = compress;
  }

  /** Bytes that are in the piece so far. */
  get inner(): number {
    return this.#inOpen;
  }

  add(...parts: Buffer[]): void {
    for (const part of parts) {
      this.#tar.push(part);
      this.#open.push(part);
      this.#inOpen += part.length;
    }
  }

  /** What follows is compressed by itself. @returns where it begins */
  cut(): number {
    if (this.#inOpen > 0) {
      const stored = this.#compress(Buffer.concat(this.#open));
      this.#stored.push(stored);
      this.size += stored.length;
    }
    this.#open = [];
    this.#inOpen = 0;
    return this.size;
  }

  end(tail: Buffer, about: Pick<LazyBlob, "mediaType" | "annotations">): LazyBlob {
    const { offsets } = this;
    return { blob: Buffer.concat([...this.#stored, tail]), tar: Buffer.concat(this.#tar), offsets, ...about };
  }
}

const TYPES = {
  file: "reg",
  dir: "dir",
  symlink: "symlink",
  hardlink: "hardlink",
  char: "char",
  block: "block",
  fifo: "fifo",
};

function writeMembers(
  writer: Pieces,
  members: readonly Member[],
  { chunkSize = 4 << 20, shared = false, holes = false }: LazyWish,
  afterFile: (end: number) => Record<string, unknown>,
): Toc {
  const toc: Toc = { version: 1, entries: [] };
  for (const { content = "", ...member } of members) {
    const bytes = Buffer.from(content);
    const entry: TarEntry = {
      ...{ type: "file", mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 1_700_000_000 },
      ...member,
      ...(member.type === undefined || member.type === "file" ? { size: bytes.length } : {}),
    };
    writer.add(encodeHeader(entry));
    const first = tocEntry(entry);
    toc.entries.push(first);
    if (entry.size === 0) continue;
    first.digest = sha(bytes);
    const isSmall = shared && bytes.length <= 1000;
    for (let at = 0; at < bytes.length; at += chunkSize) {
      const chunk = bytes.subarray(at, at + chunkSize);
      const isHole = holes && chunk.every((byte) => byte === 0);
      const place = isSmall ? { offset: writer.size, innerOffset: writer.inner } : { offset: writer.cut() };
      if (at === 0) writer.offsets.set(entry.path, place.offset);
      const facts = {
        ...place,
        ...{ chunkOffset: at, chunkSize: chunk.length, chunkDigest: sha(chunk) },
        ...(isHole ? { chunkType: "zeros" } : {}),
      };
      if (at === 0) Object.assign(first, facts);
      else toc.entries.push({ type: "chunk", name: entry.path, ...facts });
      writer.add(chunk);
    }
    if (!isSmall) {
      const end = afterFile(0).endOffset === undefined ? {} : afterFile(writer.cut());
      Object.assign(first, end);
    }
    writer.add(Buffer.alloc(paddingOf(bytes.length)));
  }
  return toc;
}

function tocEntry(entry: TarEntry): Record<string, unknown> {
  const { path, type, mode, uid, gid, size, mtime, link, devMajor, devMinor, xattrs } = entry;
  const text = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");
  return {
    ...{ name: type === "dir" ? `${text(path)}/` : text(path), type: TYPES[type] },
    ...(mode ? { mode } : {}),
    ...(uid ? { uid } : {}),
    ...(gid ? { gid } : {}),
    ...(type === "file" && size ? { size } : {}),
    modtime: new Date(mtime * 1000).toISOString(),
    ...(link === undefined ? {} : { linkName: text(link) }),
    ...(devMajor ? { devMajor } : {}),
    ...(devMinor ? { devMinor } : {}),
    ...(xattrs
      ? {
          xattrs: Object.fromEntries(
            Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value, "latin1").toString("base64")]),
          ),
        }
      : {}),
  };
}

/** A frame of blocks that are stored as they are (RFC 8878, section 3.1.1). */
function zstdFrame(bytes: Buffer): Buffer {
  const blocks: Buffer[] = [];
  const size = Buffer.alloc(9);
  // 8 bytes of content size; a window of 128 KiB.
  size[0] = 7 << 3;
  size.writeBigUInt64LE(BigInt(bytes.length), 1);
  for (let at = 0; at === 0 || at < bytes.length; at += 1 << 17) {
    const block = bytes.subarray(at, at + (1 << 17));
    const header = Buffer.alloc(3);
    header.writeUIntLE(block.length * 8 + (at + (1 << 17) >= bytes.length ? 1 : 0), 0, 3);
    blocks.push(header, block);
  }
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xc0]), size, ...blocks]);
}

function skippable(bytes: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a50, 0);
  header.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}
