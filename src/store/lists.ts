/**
 * Content-addressed lists (the nodes of context listings, one per directory, shared between records) and cached blocks
 * of compressed layers. Both are caches: what is damaged counts as absent.
 *
 * A list file is: number of children (4 bytes, big-endian), the children's raw digests, the content; its digest covers
 * all of it. The children let garbage collection follow a list down without understanding it.
 */
import * as fs from "node:fs";
import { type Digest, digestOfHex, hexOf } from "../oci/digest.js";
import { ioError, NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import type { StoreDirectory } from "./directory.js";
import { readIfThere, statIfThere } from "./files.js";
import { sealOf, unseal } from "./sealed.js";

const MAX_LIST_BYTES = 256 << 20;
const MAX_BLOCK_BYTES = 256 << 20;
/** A block's last use is written down again only after this many milliseconds. */
const TOUCH_EVERY = 24 * 3_600_000;
const BLOCK_KEY = /^[0-9a-f]{16,128}$/;

/** A list as it is read. */
export interface List {
  readonly content: Buffer;
  readonly children: readonly Digest[];
}

/** The lists of one opened store. */
export class Lists {
  readonly #directory: StoreDirectory;

  constructor(directory: StoreDirectory) {
    this.#directory = directory;
  }

  path(digest: Digest): string {
    const hex = hexOf(digest);
    return this.#directory.at("lists", hex.slice(0, 2), hex);
  }

  /** @param children lists that must be kept as long as this one is */
  put(content: Uint8Array, children: readonly Digest[]): Digest {
    this.#directory.assertWritable();
    const count = Buffer.alloc(4);
    count.writeUInt32BE(children.length);
    const bytes = Buffer.concat([count, ...children.map((child) => Buffer.from(hexOf(child), "hex")), content]);
    const digest = digestOfHex(sha256Hex(bytes));
    // A size that fits is taken for the right content here; reading verifies it.
    if (statIfThere(this.path(digest))?.size !== bytes.length) this.#directory.publish(this.path(digest), [bytes]);
    return digest;
  }

  read(digest: Digest): List | undefined {
    const path = this.path(digest);
    try {
      const bytes = readIfThere(path, MAX_LIST_BYTES);
      return bytes && sha256Hex(bytes) === hexOf(digest) ? parseList(bytes) : undefined;
    } catch (error) {
      throw ioError("STORE", `reading ${path}`, error);
    }
  }
}

/** The cached blocks of one opened store. */
export class Blocks {
  readonly #directory: StoreDirectory;

  constructor(directory: StoreDirectory) {
    this.#directory = directory;
  }

  path(key: string): string {
    if (!BLOCK_KEY.test(key)) throw new NacreError("INTERNAL", `not a block key: ${JSON.stringify(key)}`);
    return this.#directory.at("blocks", key.slice(0, 2), key);
  }

  read(key: string): Buffer | undefined {
    const path = this.path(key);
    try {
      const bytes = unseal(`block:${key}`, readIfThere(path, MAX_BLOCK_BYTES));
      if (bytes) this.#touch(path);
      return bytes;
    } catch (error) {
      throw ioError("STORE", `reading ${path}`, error);
    }
  }

  write(key: string, bytes: Uint8Array): void {
    this.#directory.publish(this.path(key), [sealOf(`block:${key}`, bytes), bytes]);
  }

  #touch(path: string): void {
    if (this.#directory.readOnly) return;
    const now = this.#directory.now();
    const stat = statIfThere(path);
    if (!stat || now - stat.mtimeMs < TOUCH_EVERY) return;
    try {
      fs.utimesSync(path, now / 1000, now / 1000);
    } catch {
      // It only steers what garbage collection takes first.
    }
  }
}

function parseList(bytes: Buffer): List | undefined {
  if (bytes.length < 4) return undefined;
  const count = bytes.readUInt32BE(0);
  const start = 4 + 32 * count;
  if (start > bytes.length) return undefined;
  const children = Array.from({ length: count }, (_, i) => digestOfHex(bytes.toString("hex", 4 + 32 * i, 36 + 32 * i)));
  return { content: bytes.subarray(start), children };
}
