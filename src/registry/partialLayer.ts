/**
 * A layer on its way into the store whose bytes outlast an interrupted download: they go into a file that the next one
 * finds. What is found is hashed again, together with what follows, so nothing is believed of it. Where nothing is found,
 * all bytes come from the client, which checks them itself.
 */
import * as fs from "node:fs";
import { type Digest, digestOfHex } from "../oci/digest.js";
import type { BlobWriter, DigestAndSize, Store } from "../store/store.js";
import { ioError, NacreError } from "../support/errors.js";
import { createHasher, type Hasher } from "../support/hash.js";

/** Bytes per read of what is there. */
const CHUNK = 256 << 10;

/** Writes a blob in a file that is kept until it is whole. */
export class PartialLayer implements BlobWriter {
  /** Bytes that an earlier download has left: the first ones that are to be written, which {@link kept} gives. */
  readonly found: number;
  readonly #store: Store;
  readonly #path: string;
  readonly #fd: number;
  /** Undefined where the client hashes. */
  readonly #hasher: Hasher | undefined;
  #size = 0;
  #open = true;

  /**
   * @param path the file; made if it is missing
   * @param most bytes that the blob has: of a longer file nothing is used
   * @throws NacreError STORE, DISK_FULL
   */
  constructor(store: Store, path: string, most: number) {
    this.#store = store;
    this.#path = path;
    try {
      this.#fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW, 0o600);
      const { size } = fs.fstatSync(this.#fd);
      if (size > most) fs.ftruncateSync(this.#fd, 0);
      this.found = size > most ? 0 : size;
      this.#hasher = this.found > 0 ? createHasher() : undefined;
    } catch (error) {
      throw ioError("STORE", `opening ${path}`, error);
    }
  }

  /** What was found, from its start. */
  async *kept(): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.found; ) {
      this.#assertOpen();
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, this.found - at));
      const count = fs.readSync(this.#fd, chunk, 0, chunk.length, at);
      if (count === 0) throw new NacreError("STORE", `${this.#path} has become shorter while it was read`);
      at += count;
      yield chunk.subarray(0, count);
    }
  }

  write(chunk: Uint8Array): void {
    this.#assertOpen();
    this.#hasher?.update(chunk);
    const known = Math.min(chunk.length, Math.max(0, this.found - this.#size));
    try {
      for (let done = known; done < chunk.length; ) {
        done += fs.writeSync(this.#fd, chunk, done, chunk.length - done, this.#size + done);
      }
    } catch (error) {
      throw ioError("STORE", `writing a layer to ${this.#path}`, error);
    }
    this.#size += chunk.length;
  }

  /** @param expected what the client has verified the bytes to be, if none were found */
  async commit(expected: Digest): Promise<DigestAndSize> {
    const digest = this.#hasher === undefined ? expected : digestOfHex(this.#hasher.hex());
    if (expected !== digest) {
      this.abort();
      throw new NacreError("CONTENT_INVALID", `expected the digest ${expected}, but the bytes have ${digest}`, {
        facts: { expected, actual: digest, size: this.#size },
      });
    }
    this.#open = false;
    await this.#store.adoptBlob(this.#path, this.#fd, digest, this.#size);
    return { digest, size: this.#size };
  }

  /** Leaves what has come for the next download. */
  abort(): void {
    if (!this.#open) return;
    this.#open = false;
    fs.closeSync(this.#fd);
  }

  /** A descriptor that is closed may be another file's by now. */
  #assertOpen(): void {
    if (!this.#open) throw new NacreError("INTERNAL", "a layer was used after its end");
  }
}

/** Takes bytes that are in the store already, and only sees whether they are the right ones. */
export class KnownBlob implements BlobWriter {
  readonly #hasher: Hasher = createHasher();
  #size = 0;

  write(chunk: Uint8Array): void {
    this.#hasher.update(chunk);
    this.#size += chunk.length;
  }

  async commit(expected?: Digest): Promise<DigestAndSize> {
    const digest = digestOfHex(this.#hasher.hex());
    if (expected === undefined || expected === digest) return { digest, size: this.#size };
    throw new NacreError("CONTENT_INVALID", `the blob ${expected} in the store is damaged`, {
      hint: "remove it and what needs it with: nacre check --repair",
      facts: { expected, actual: digest },
    });
  }

  abort(): void {}
}
