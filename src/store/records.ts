/**
 * Records: what the cache knows of executed steps, one file each, never changed. The store understands the envelope
 * (key, what the record needs, when it was made); the body is the cache's own. A record's last use is the mtime of its
 * file. Records of one key are found by the names in one of 256 directories, without reading any other record.
 */
import * as fs from "node:fs";
import { type DiffId, type Digest, isDigest } from "../oci/digest.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson, type Json } from "../support/json.js";
import type { Blobs, DigestAndSize } from "./blobs.js";
import type { StoreDirectory } from "./directory.js";
import { isMissing, namesIn, readIfThere } from "./files.js";
import { sealOf, unseal } from "./sealed.js";
import { noteUse } from "./uses.js";

/** Largest record that is read. */
const MAX_RECORD_BYTES = 32 << 20;
/** A last use is written down again only after this many milliseconds. */
const TOUCH_EVERY = 60_000;
const KEY = /^[0-9a-f]{64}$/;
const FILE_NAME = /^([0-9a-f]{64})\.([0-9]{13,16})\.([0-9a-f]{16})$/;

/** A record as it is handed in. */
export interface NewRecord {
  /** 64 hex digits; several records may share one. */
  readonly key: string;
  /** Blobs without which the record is worth nothing. They must be in the store. */
  readonly blobs: readonly Digest[];
  /** Layers whose indexes are kept for it. */
  readonly indexes: readonly DiffId[];
  /** Lists that are kept for it, with all that these name as children. */
  readonly lists: readonly Digest[];
  readonly body: Json;
}

/** A record in the store. */
export interface StoredRecord extends NewRecord {
  /** Unique in the store. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly created: number;
}

/** A record with what only the store cares for. */
export interface Envelope extends StoredRecord {
  readonly sizes: readonly DigestAndSize[];
}

/** Where a record lies: all that its name tells. */
export interface RecordFile {
  readonly path: string;
  readonly key: string;
  readonly created: number;
  readonly id: string;
}

/** The records of one opened store. */
export class Records {
  readonly #directory: StoreDirectory;
  readonly #blobs: Blobs;
  readonly #protect: (digests: Iterable<Digest>, records: Iterable<string>) => void;
  #lastCreated = 0;

  constructor(
    directory: StoreDirectory,
    blobs: Blobs,
    protect: (digests: Iterable<Digest>, records: Iterable<string>) => void,
  ) {
    this.#directory = directory;
    this.#blobs = blobs;
    this.#protect = protect;
  }

  put(record: NewRecord): StoredRecord {
    checkKey(record.key);
    const created = Math.max(this.#directory.now(), this.#lastCreated + 1);
    this.#lastCreated = created;
    this.#protect([...record.blobs, ...record.indexes, ...record.lists], []);
    const blobs = record.blobs.map((digest) => ({ digest, size: this.#sizeOf(digest) }));
    const { key, indexes, lists, body } = record;
    const content = Buffer.from(
      canonicalJson({ key, created, blobs: blobs as unknown as Json, indexes, lists, body }),
      "utf8",
    );
    const id = sha256Hex(content).slice(0, 16);
    this.#protect([], [id]);
    const name = `${key}.${String(created).padStart(13, "0")}.${id}`;
    this.#directory.publish(this.#directory.at("records", key.slice(0, 2), name), [
      sealOf(sealName(name), content),
      content,
    ]);
    return { key, blobs: record.blobs, indexes, lists, body, id, created };
  }

  /** Whole records of a key whose blobs are there, newest first. */
  find(key: string): StoredRecord[] {
    return this.files(key)
      .sort((a, b) => b.created - a.created || (a.id < b.id ? 1 : -1))
      .flatMap((file) => {
        const record = this.read(file);
        return record && this.hasBlobs(record) ? [withoutSizes(record)] : [];
      });
  }

  /** Notes that the record was used now. Never throws: it only steers what garbage collection takes first. */
  touch(record: StoredRecord): void {
    if (this.#directory.readOnly) return;
    const name = `${record.key}.${String(record.created).padStart(13, "0")}.${record.id}`;
    const path = this.#directory.at("records", record.key.slice(0, 2), name);
    const now = this.#directory.now();
    try {
      if (now - fs.statSync(path).mtimeMs <= TOUCH_EVERY) return;
      fs.utimesSync(path, now / 1000, now / 1000);
      noteUse(this.#directory, record.key, record.id);
    } catch (error) {
      if (!isMissing(error) && !["EPERM", "EACCES", "EROFS"].includes(errnoOf(error) ?? "")) throw error;
    }
  }

  /** The files of a key, or of all keys. */
  files(key?: string): RecordFile[] {
    if (key !== undefined) return KEY.test(key) ? this.#filesIn(key.slice(0, 2), key) : [];
    return namesIn(this.#directory.at("records")).flatMap((shard) => this.#filesIn(shard));
  }

  /** A record's content, or undefined if it is damaged, too long or gone. */
  read(file: RecordFile): Envelope | undefined {
    let bytes: Buffer | undefined;
    try {
      bytes = readIfThere(file.path, MAX_RECORD_BYTES);
    } catch (error) {
      if (["EACCES", "EPERM", "EISDIR", "EIO"].includes(errnoOf(error) ?? "")) return undefined;
      throw ioError("STORE", `reading ${file.path}`, error);
    }
    const content = unseal(sealName(file.path.slice(file.path.lastIndexOf("/") + 1)), bytes);
    return content && parseEnvelope(content, file);
  }

  /** True if all blobs of a record exist with the size that they had when it was made. */
  hasBlobs(record: Envelope): boolean {
    return record.sizes.every(({ digest, size }) => this.#blobs.size(digest) === size);
  }

  #filesIn(shard: string, key?: string): RecordFile[] {
    const directory = this.#directory.at("records", shard);
    return namesIn(directory).flatMap((name) => {
      if (key !== undefined && !name.startsWith(key)) return [];
      const match = FILE_NAME.exec(name);
      if (!match || !name.startsWith(shard)) return [];
      return [{ path: `${directory}/${name}`, key: match[1]!, created: Number(match[2]), id: match[3]! }];
    });
  }

  #sizeOf(digest: Digest): number {
    const size = this.#blobs.size(digest);
    if (size !== undefined) return size;
    throw new NacreError("CONTENT_INVALID", `a record needs the blob ${digest}, which is not in the store`, {
      facts: { digest },
    });
  }
}

/** A record as callers see it. */
export function withoutSizes({ sizes: _sizes, ...record }: Envelope): StoredRecord {
  return record;
}

function parseEnvelope(content: Buffer, file: RecordFile): Envelope | undefined {
  const json = parseObject(content);
  if (!json || json.key !== file.key || json.created !== file.created) return undefined;
  if (sha256Hex(content).slice(0, 16) !== file.id || json.body === undefined) return undefined;
  const { blobs, indexes, lists, body } = json;
  if (!isListOf(blobs, isSized) || !isListOf(indexes, isDigest) || !isListOf(lists, isDigest)) return undefined;
  const { key, created, id } = file;
  return { key, created, id, blobs: blobs.map((blob) => blob.digest), sizes: blobs, indexes, lists, body };
}

function parseObject(content: Buffer): { readonly [key: string]: Json | undefined } | undefined {
  try {
    const value = JSON.parse(content.toString("utf8")) as Json;
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as { readonly [key: string]: Json | undefined })
      : undefined;
  } catch {
    return undefined;
  }
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(isItem);
}

function isSized(value: unknown): value is DigestAndSize {
  if (typeof value !== "object" || value === null) return false;
  const { digest, size } = value as Partial<DigestAndSize>;
  return isDigest(digest) && Number.isSafeInteger(size) && size! >= 0;
}

function checkKey(key: string): void {
  if (!KEY.test(key)) throw new NacreError("INTERNAL", `not a record key: ${JSON.stringify(key)}`);
}

function sealName(fileName: string): string {
  return `record:${fileName}`;
}
