/**
 * References: names of images, kept in index.json as the OCI image layout has it. The file is replaced atomically under
 * a lock, and an entry is never written whose image is not whole. Entries of other tools stay as they are.
 */
import { type Digest, isDigest } from "../oci/digest.js";
import { type Descriptor, parseJson } from "../oci/documents.js";
import { encodeIndex } from "../oci/encode.js";
import { OCI_INDEX } from "../oci/mediaTypes.js";
import { ioError, NacreError } from "../support/errors.js";
import type { Json } from "../support/json.js";
import type { Blobs } from "./blobs.js";
import type { StoreDirectory } from "./directory.js";
import { readIfThere, syncDirectory } from "./files.js";
import type { Locks } from "./locks.js";
import { type Flaw, type Reach, reachOf } from "./reach.js";

/** The lock under which index.json is replaced and garbage collection takes things away. */
export const INDEX_LOCK = "index";
/** image-spec, annotations.md: the reference of an entry of index.json. */
export const REF_NAME = "org.opencontainers.image.ref.name";
/** The same for containerd and `docker load`, which take the other for a bare tag. */
const CONTAINERD_NAME = "io.containerd.image.name";
/** Largest index.json that is read or written: some 100,000 references. */
const MAX_INDEX_BYTES = 64 << 20;
const MAX_NAME = 1024;

/** A named image. */
export interface NamedDescriptor {
  /** The full reference, e.g. `docker.io/library/hello:1`. */
  readonly name: string;
  readonly descriptor: Descriptor;
}

/** The references of one opened store. */
export class References {
  readonly #directory: StoreDirectory;
  readonly #blobs: Blobs;
  readonly #locks: Locks;

  constructor(directory: StoreDirectory, blobs: Blobs, locks: Locks) {
    this.#directory = directory;
    this.#blobs = blobs;
    this.#locks = locks;
  }

  /** All named images in the order of index.json. The two annotations that hold the name are taken off. */
  list(): NamedDescriptor[] {
    return this.entries().flatMap((entry) => {
      const name = nameOf(entry);
      return name === undefined ? [] : [{ name, descriptor: bare(entry) }];
    });
  }

  resolve(name: string): Descriptor | undefined {
    return this.list().find((reference) => reference.name === name)?.descriptor;
  }

  /** Every entry of index.json as it stands, those of other tools included; malformed ones are left out with a warning. */
  entries(): Descriptor[] {
    const path = this.#directory.at("index.json");
    const document = this.#read(path);
    const manifests = isObject(document) ? document.manifests : undefined;
    if (!Array.isArray(manifests)) throw damaged(path);
    return manifests.filter((entry): entry is Descriptor => {
      if (isDescriptor(entry)) return true;
      this.#directory.warn(`${path} has a malformed entry, which is ignored`);
      return false;
    });
  }

  /** The bytes of index.json, to see if it has changed. */
  bytes(): Buffer {
    return readIfThere(this.#directory.at("index.json"), MAX_INDEX_BYTES) ?? Buffer.alloc(0);
  }

  async set(references: readonly NamedDescriptor[], protect: (digests: Digest[]) => void): Promise<void> {
    this.#directory.assertWritable();
    for (const { name } of references) checkName(name);
    if (sameEntries(this.entries(), withNames(this.entries(), references))) return;
    protect(references.map((reference) => reference.descriptor.digest));
    await this.#locks.withLock(INDEX_LOCK, async () => {
      for (const reference of references) this.#assertWhole(reference);
      this.#replace(withNames(this.entries(), references));
    });
  }

  /** @returns false if there was no such name */
  async remove(name: string): Promise<boolean> {
    return (await this.removeWhere((entry) => nameOf(entry) === name)).length > 0;
  }

  /** Removes the entries that a condition picks. @returns the entries removed */
  async removeWhere(isUnwanted: (entry: Descriptor) => boolean): Promise<Descriptor[]> {
    this.#directory.assertWritable();
    if (!this.entries().some(isUnwanted)) return [];
    return this.#locks.withLock(INDEX_LOCK, async () => {
      const entries = this.entries();
      const removed = entries.filter(isUnwanted);
      if (removed.length > 0) this.#replace(entries.filter((entry) => !removed.includes(entry)));
      return removed;
    });
  }

  /** Removes the entries that need one of the blobs, which are gone or damaged, and warns of each. */
  async removeReaching(gone: ReadonlySet<Digest>): Promise<Descriptor[]> {
    if (gone.size === 0) return [];
    const removed = await this.removeWhere((entry) => {
      const { blobs } = this.reachOf(entry);
      return [...gone].some((digest) => blobs.has(digest));
    });
    for (const entry of removed) {
      this.#directory.warn(`removed the image ${nameOf(entry) ?? entry.digest}: a part of it is gone or damaged`);
    }
    return removed;
  }

  /** What is wrong with an image: nothing, normally. Layers are checked for existence and size only. */
  flawsOf(entry: Descriptor): readonly Flaw[] {
    return this.reachOf(entry).flaws;
  }

  /** All that an image needs, and what is wrong with it. */
  reachOf(entry: Descriptor): Reach {
    return reachOf(this.#blobs, [entry]);
  }

  #assertWhole({ name, descriptor }: NamedDescriptor): void {
    const flaw = this.flawsOf(descriptor)[0];
    if (!flaw) return;
    throw new NacreError("CONTENT_INVALID", `${name} cannot be stored: ${flaw.message}`, {
      hint: "build or load the image again",
      facts: { name, digest: flaw.digest },
    });
  }

  #replace(entries: readonly Descriptor[]): void {
    const bytes = encodeEntries(entries);
    if (bytes.length > MAX_INDEX_BYTES) {
      throw new NacreError("LIMIT_EXCEEDED", `the store ${this.#directory.path} has too many references`, {
        hint: "remove some with: nacre rm",
      });
    }
    // The names of blobs were not synchronised when they appeared: they must be, before a reference to them is.
    syncDirectory(this.#directory.at("blobs", "sha256"));
    this.#directory.publish(this.#directory.at("index.json"), [bytes], { mode: 0o644, durable: true });
  }

  #read(path: string): Json {
    let bytes: Buffer | undefined;
    try {
      bytes = readIfThere(path, MAX_INDEX_BYTES);
    } catch (error) {
      throw ioError("STORE", `reading ${path}`, error);
    }
    if (bytes === undefined) throw damaged(path);
    try {
      return parseJson(bytes, MAX_INDEX_BYTES, path);
    } catch (error) {
      throw damaged(path, error);
    }
  }
}

/** The name of an entry of index.json. */
export function nameOf(entry: Descriptor): string | undefined {
  return entry.annotations?.[REF_NAME];
}

function withNames(entries: readonly Descriptor[], references: readonly NamedDescriptor[]): Descriptor[] {
  const result = [...entries];
  for (const reference of references) {
    const at = result.findIndex((entry) => nameOf(entry) === reference.name);
    if (at < 0) result.push(named(reference));
    else result[at] = named(reference);
  }
  return result;
}

function named({ name, descriptor }: NamedDescriptor): Descriptor {
  return { ...descriptor, annotations: { ...descriptor.annotations, [REF_NAME]: name, [CONTAINERD_NAME]: name } };
}

function bare(entry: Descriptor): Descriptor {
  const { annotations, ...rest } = entry;
  const { [REF_NAME]: _name, [CONTAINERD_NAME]: _containerd, ...others } = annotations ?? {};
  return Object.keys(others).length > 0 ? { ...rest, annotations: others } : rest;
}

/** The bytes of an index.json with these entries. */
export function encodeEntries(entries: readonly Descriptor[]): Buffer {
  return encodeIndex({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries }, 0);
}

function sameEntries(a: readonly Descriptor[], b: readonly Descriptor[]): boolean {
  return encodeEntries(a).equals(encodeEntries(b));
}

function checkName(name: string): void {
  if (name.length > 0 && name.length <= MAX_NAME && name.isWellFormed() && !/[\x00-\x1f\x7f]/.test(name)) return;
  throw new NacreError("REFERENCE_INVALID", `not a name for an image: ${JSON.stringify(name.slice(0, 100))}`, {
    hint: "write it as [host/]name[:tag]",
  });
}

function isDescriptor(value: Json): boolean {
  if (!isObject(value) || typeof value.mediaType !== "string" || !isDigest(value.digest)) return false;
  if (!Number.isSafeInteger(value.size) || (value.size as number) < 0) return false;
  const { annotations, platform } = value;
  if (annotations !== undefined && !isObject(annotations)) return false;
  if (annotations && !Object.values(annotations).every((text) => typeof text === "string")) return false;
  return platform === undefined || isObject(platform);
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function damaged(path: string, cause?: unknown): NacreError {
  return new NacreError("STORE", `${path} is missing or damaged`, {
    hint: "move the store away, or make an empty index anew with: nacre check --repair",
    cause,
  });
}
