/**
 * Blobs: immutable bytes under blobs/sha256/, named by their digest. A blob exists only when it is whole and its bytes
 * have been hashed; it is read-only from then on. Two writers of the same digest both succeed.
 */
import * as fs from "node:fs";
import { type Digest, digestOfHex, hexOf } from "../oci/digest.js";
import { ioError, NacreError } from "../support/errors.js";
import { createHasher, sha256Hex } from "../support/hash.js";
import { type StoreDirectory, sizeOnDisk, type TempFile } from "./directory.js";
import { openIfThere, readFrom, renameIfThere, statIfThere, syncFile, unlinkIfThere, writeAll } from "./files.js";
import { reclaim } from "./reclaim.js";
import { markUnsynced, mayDefer } from "./unsynced.js";

/** Mode of blobs: no one writes to them again. */
const BLOB_MODE = 0o444;
/** Small writes are gathered to this many bytes: a system call and a hash update for each would cost more than the work. */
const GATHER = 128 << 10;

/** A digest and a number of bytes. */
export interface DigestAndSize {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** Writes one blob, hashing as it goes. The blob exists only after `commit`; dropping a writer leaves a swept file. */
export interface BlobWriter {
  /** Adds bytes; the caller may reuse the chunk afterwards. */
  write(chunk: Uint8Array): void;
  /**
   * Makes the blob visible.
   * @param expected fails with CONTENT_INVALID, leaving nothing, if the bytes hash to something else
   */
  commit(expected?: Digest): Promise<DigestAndSize>;
  /** Leaves nothing behind. Harmless after `commit`. */
  abort(): void;
}

/** The blobs of one opened store. */
export class Blobs {
  readonly #directory: StoreDirectory;
  readonly #protect: (digests: readonly Digest[]) => void;

  constructor(directory: StoreDirectory, protect: (digests: readonly Digest[]) => void) {
    this.#directory = directory;
    this.#protect = protect;
  }

  path(digest: Digest): string {
    return this.#directory.at("blobs", "sha256", hexOf(digest));
  }

  /** Bytes of the blob, or undefined if it is not there. One that garbage collection has moved aside is put back. */
  size(digest: Digest): number | undefined {
    const path = this.path(digest);
    const stat = statIfThere(path) ?? this.#reclaimed(digest, path);
    return stat?.isFile() ? stat.size : undefined;
  }

  /** A descriptor for reading. A blob that is just being judged by garbage collection can be opened too. */
  open(digest: Digest): number {
    const fd = this.tryOpen(digest);
    if (fd !== undefined) return fd;
    throw new NacreError("CONTENT_INVALID", `the blob ${digest} is missing from the store ${this.#directory.path}`, {
      hint: "find and remove what needs it with: nacre check --repair",
      facts: { digest },
    });
  }

  /** The same; undefined if the blob is not there. */
  tryOpen(digest: Digest): number | undefined {
    const aside = this.#directory.at("tombstones", `blob.${hexOf(digest)}`);
    try {
      return openIfThere(this.path(digest)) ?? openIfThere(aside) ?? openIfThere(this.path(digest));
    } catch (error) {
      throw ioError("STORE", `opening the blob ${digest}`, error);
    }
  }

  /** The whole blob, its hash verified. */
  read(digest: Digest, limit: number): Buffer {
    const fd = this.open(digest);
    try {
      const size = fs.fstatSync(fd).size;
      if (size > limit) {
        throw new NacreError("LIMIT_EXCEEDED", `the blob ${digest} has ${size} bytes; at most ${limit} are read`);
      }
      const bytes = readFrom(fd, size);
      if (sha256Hex(bytes) === hexOf(digest)) return bytes;
    } catch (error) {
      throw ioError("STORE", `reading the blob ${digest}`, error);
    } finally {
      fs.closeSync(fd);
    }
    throw new NacreError("CONTENT_INVALID", `the blob ${digest} in the store ${this.#directory.path} is damaged`, {
      hint: "remove it and what needs it with: nacre check --repair",
      facts: { digest },
    });
  }

  /** Stores a small document. Its bytes are on disk on return; its name is when a reference to it is set. */
  put(bytes: Uint8Array): DigestAndSize {
    const digest = digestOfHex(sha256Hex(bytes));
    this.#directory.assertWritable();
    this.#protect([digest]);
    if (this.size(digest) === bytes.length) return { digest, size: bytes.length };
    const temp = this.#directory.temp();
    try {
      writeAll(temp.fd, bytes);
      fs.fchmodSync(temp.fd, BLOB_MODE);
      fs.fsyncSync(temp.fd);
      this.#publish(temp, digest, bytes.length);
      return { digest, size: bytes.length };
    } catch (error) {
      throw ioError("STORE", `writing the blob ${digest}`, error);
    } finally {
      discard(temp);
    }
  }

  /**
   * Makes a file of tmp/, whose bytes the caller has hashed, a blob. Takes over the descriptor and closes it, whatever
   * happens; on failure the file is removed.
   * @throws NacreError CONTENT_INVALID if the file has not `size` bytes; STORE, DISK_FULL
   */
  async adopt(temp: TempFile, digest: Digest, size: number): Promise<void> {
    try {
      this.#directory.assertWritable();
      const actual = fs.fstatSync(temp.fd).size;
      if (actual !== size) {
        throw new NacreError("CONTENT_INVALID", `${temp.path} has ${actual} bytes instead of ${size}`);
      }
      this.#protect([digest]);
      if (this.size(digest) === size) return;
      fs.fchmodSync(temp.fd, BLOB_MODE);
      if (mayDefer(this.#directory, size)) markUnsynced(this.#directory, digest);
      else await syncFile(temp.fd);
      this.#publish(temp, digest, size);
    } catch (error) {
      throw ioError("STORE", `writing the blob ${digest}`, error);
    } finally {
      discard(temp);
    }
  }

  /** A writer for a blob whose digest is not known yet. */
  create(): BlobWriter {
    return new GatheringWriter(this, this.#directory.temp(), this.#directory.path);
  }

  #reclaimed(digest: Digest, path: string): fs.Stats | undefined {
    const found = reclaim(this.#directory, `blob.${hexOf(digest)}`, path);
    return found === undefined ? undefined : statIfThere(found);
  }

  #publish(temp: TempFile, digest: Digest, size: number): void {
    if (!renameIfThere(temp.path, this.path(digest))) {
      throw new NacreError("STORE", `${temp.path} was removed while it was written`);
    }
    this.#directory.bytesWritten += sizeOnDisk(size);
  }
}

/** Closes a temporary file and removes its name, unless it has become a blob. */
function discard(temp: TempFile): void {
  fs.closeSync(temp.fd);
  unlinkIfThere(temp.path);
}

class GatheringWriter implements BlobWriter {
  readonly #blobs: Blobs;
  readonly #temp: TempFile;
  /** Path of the store, for messages. */
  readonly #store: string;
  readonly #hasher = createHasher();
  readonly #buffer = Buffer.allocUnsafeSlow(GATHER);
  #filled = 0;
  #size = 0;
  #done = false;

  constructor(blobs: Blobs, temp: TempFile, store: string) {
    this.#blobs = blobs;
    this.#temp = temp;
    this.#store = store;
  }

  write(chunk: Uint8Array): void {
    if (chunk.length > GATHER - this.#filled) this.#flush();
    if (chunk.length >= GATHER) {
      this.#emit(chunk);
      return;
    }
    this.#buffer.set(chunk, this.#filled);
    this.#filled += chunk.length;
  }

  async commit(expected?: Digest): Promise<DigestAndSize> {
    if (this.#done) throw new NacreError("INTERNAL", "a blob was committed after its end");
    this.#flush();
    this.#done = true;
    const digest = digestOfHex(this.#hasher.hex());
    if (expected !== undefined && expected !== digest) {
      discard(this.#temp);
      throw new NacreError("CONTENT_INVALID", `expected the digest ${expected}, but the bytes have ${digest}`, {
        facts: { expected, actual: digest, size: this.#size },
      });
    }
    await this.#blobs.adopt(this.#temp, digest, this.#size);
    return { digest, size: this.#size };
  }

  abort(): void {
    if (this.#done) return;
    this.#done = true;
    discard(this.#temp);
  }

  #flush(): void {
    if (this.#filled === 0) return;
    this.#emit(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  #emit(bytes: Uint8Array): void {
    if (this.#done) throw new NacreError("INTERNAL", "a blob was written to after its end");
    try {
      writeAll(this.#temp.fd, bytes);
    } catch (error) {
      this.abort();
      throw ioError("STORE", `writing a blob to the store ${this.#store}`, error);
    }
    this.#hasher.update(bytes);
    this.#size += bytes.length;
  }
}
