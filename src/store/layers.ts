/**
 * Derived data of layers, by diffID: the index (its bytes are `layer/`'s affair), and the blobs that hold the layer's
 * tar in one form or another. All of it can be made again from the blobs, so damage counts as absence.
 */
import * as fs from "node:fs";
import { type DiffId, type Digest, hexOf, isDigest } from "../oci/digest.js";
import { OCI_LAYER } from "../oci/mediaTypes.js";
import { ioError, NacreError } from "../support/errors.js";
import type { Blobs } from "./blobs.js";
import type { StoreDirectory } from "./directory.js";
import { isMissing, makeDirectory, readIfThere, statIfThere, writeAll } from "./files.js";
import { reclaim } from "./reclaim.js";
import { sealOf, unseal } from "./sealed.js";

/** Largest index that is read: an index of 5,000,000 entries is below 1 GiB. */
const MAX_INDEX_BYTES = 1 << 30;
const MAX_BLOBS_BYTES = 1 << 20;
const LINE = /^(sha256:[0-9a-f]{64}) ([0-9]{1,15}) ([\x21-\x7e]{1,255})$/;

/** A blob that holds a layer's tar, compressed or not. */
export interface LayerBlob {
  readonly digest: Digest;
  /** Bytes of the blob. */
  readonly size: number;
  readonly mediaType: string;
}

/** Indexes and blob lists of one opened store. */
export class Layers {
  readonly #directory: StoreDirectory;
  readonly #blobs: Blobs;

  constructor(directory: StoreDirectory, blobs: Blobs) {
    this.#directory = directory;
    this.#blobs = blobs;
  }

  indexPath(diffId: DiffId): string {
    return this.#directory.at("indexes", hexOf(diffId));
  }

  hasIndex(diffId: DiffId): boolean {
    return statIfThere(this.indexPath(diffId))?.isFile() ?? false;
  }

  /** The index, verified against its checksum; its memory is aligned to 8 bytes. */
  readIndex(diffId: DiffId): Buffer | undefined {
    const path = this.indexPath(diffId);
    try {
      return unseal(`index:${diffId}`, readIfThere(path, MAX_INDEX_BYTES) ?? this.#reclaimed(diffId, path));
    } catch (error) {
      throw ioError("STORE", `reading ${path}`, error);
    }
  }

  writeIndex(diffId: DiffId, bytes: Uint8Array): void {
    this.#directory.publish(this.indexPath(diffId), [sealOf(`index:${diffId}`, bytes), bytes]);
  }

  /** The blobs of a layer that are in the store, the uncompressed one first. */
  blobsOf(diffId: DiffId): LayerBlob[] {
    const known = new Map<Digest, LayerBlob>();
    const size = this.#blobs.size(diffId);
    // An uncompressed layer's digest is its diffID: it needs no note.
    if (size !== undefined) known.set(diffId, { digest: diffId, size, mediaType: OCI_LAYER });
    for (const blob of this.notedBlobs(diffId)) {
      if (!known.has(blob.digest) && this.#blobs.size(blob.digest) === blob.size) known.set(blob.digest, blob);
    }
    return [...known.values()];
  }

  /** Notes a blob of a layer; the caller has verified that it decompresses to the diffID. */
  addBlob(diffId: DiffId, blob: LayerBlob): void {
    this.#directory.assertWritable();
    const line = `${blob.digest} ${blob.size} ${blob.mediaType}`;
    if (!LINE.test(line)) throw new NacreError("INTERNAL", `not a layer's blob: ${JSON.stringify(line)}`);
    if (blob.digest === diffId || this.notedBlobs(diffId).some((noted) => noted.digest === blob.digest)) return;
    this.#append(`${this.indexPath(diffId)}.blobs`, `\n${line}\n`);
  }

  /** What is noted, in the store or not. Lines that a crash cut short are left out. */
  notedBlobs(diffId: DiffId): LayerBlob[] {
    const path = `${this.indexPath(diffId)}.blobs`;
    try {
      return (readIfThere(path, MAX_BLOBS_BYTES)?.toString("latin1") ?? "").split("\n").flatMap((line) => {
        const match = LINE.exec(line);
        if (!match || !isDigest(match[1])) return [];
        return [{ digest: match[1], size: Number(match[2]), mediaType: match[3]! }];
      });
    } catch (error) {
      throw ioError("STORE", `reading ${path}`, error);
    }
  }

  #reclaimed(diffId: DiffId, path: string): Buffer | undefined {
    const found = reclaim(this.#directory, `index.${hexOf(diffId)}`, path);
    return found === undefined ? undefined : readIfThere(found, MAX_INDEX_BYTES);
  }

  /** One write in append mode, so that notes of several processes do not overwrite each other. */
  #append(path: string, text: string): void {
    try {
      const fd = openForAppending(path);
      try {
        writeAll(fd, Buffer.from(text, "latin1"));
      } finally {
        fs.closeSync(fd);
      }
    } catch (error) {
      throw ioError("STORE", `writing ${path}`, error);
    }
  }
}

function openForAppending(path: string): number {
  try {
    return fs.openSync(path, "a", 0o644);
  } catch (error) {
    if (!isMissing(error)) throw error;
    makeDirectory(path.slice(0, path.lastIndexOf("/")));
    return fs.openSync(path, "a", 0o644);
  }
}
