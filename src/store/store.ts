/**
 * The store: a directory that holds everything nacre keeps, and is a valid OCI image layout at every moment. Bytes come
 * in as blobs, references and records; they come out verified. Any number of processes may use one store at once, and
 * any of them may be killed at any moment: what is visible is whole, what is left over is swept by the next one.
 *
 * Life of a blob: written to tmp/ while it is hashed, then renamed to blobs/sha256/ (visible, read-only), kept while a
 * reference, a record or a living process's lease needs it, removed by `prune.ts`.
 */
import * as path from "node:path";
import type { DiffId, Digest } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import { NacreError } from "../support/errors.js";
import { Blobs, type BlobWriter, type DigestAndSize } from "./blobs.js";
import { StoreDirectory, type TempFile } from "./directory.js";
import { type LayerBlob, Layers } from "./layers.js";
import { assertWritableStore, checkVersion, createStore, STORE_VERSION, versionOf } from "./layout.js";
import { type Lease, type LeasedDirectory, Leases } from "./leases.js";
import { Blocks, type List, Lists } from "./lists.js";
import { Locks } from "./locks.js";
import type { Flaw } from "./reach.js";
import { type NewRecord, Records, type StoredRecord } from "./records.js";
import { INDEX_LOCK, type NamedDescriptor, References } from "./references.js";
import { type RemoveTree, removeTree } from "./removeTree.js";
import { SnapshotDirectories } from "./snapshots.js";
import { hasDeadPrune, isPruneAnnounced, sweepTemp } from "./sweep.js";
import { PRUNE_LOCK, undoPrune } from "./tombstones.js";
import { type Marker, markersAmong, namesInTmp, settle, verifyAfterBoot } from "./unsynced.js";

export type { BlobWriter, DigestAndSize } from "./blobs.js";
export type { TempFile } from "./directory.js";
export type { LayerBlob } from "./layers.js";
export { defaultStorePath } from "./layout.js";
export type { Lease } from "./leases.js";
export type { Flaw } from "./reach.js";
export type { NewRecord, StoredRecord } from "./records.js";
export type { NamedDescriptor } from "./references.js";

const STAT_NAME = /^[0-9a-f]{8,128}$/;
/** Milliseconds between looks at blobs that were left to be synchronised later, in a process that lives long. */
const SETTLE_INTERVAL = 60_000;

/** How a store is opened. */
export interface StoreOptions {
  /** Make it if it is not there. Default: true. */
  readonly create?: boolean | undefined;
  /** Never write; everything that reads works. */
  readonly readOnly?: boolean | undefined;
  /** Told of things that went wrong without stopping the work. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: (() => number) | undefined;
  /** The flock program. Default: `flock` on PATH. */
  readonly lockHelper?: string | undefined;
  /** Removes directories that may hold files of other owners. Default: as this process is allowed to. */
  readonly removeTree?: RemoveTree | undefined;
  /** Clears up after copied roots (`c.` in tmp/) of killed processes. Default: they are left. */
  readonly sweepRoots?: ((store: Store) => Promise<void>) | undefined;
}

/** An opened store. Close it: until then what it has leased stays leased. */
export class Store {
  readonly path: string;
  /** The parts, for the other modules of this folder. */
  readonly directory: StoreDirectory;
  readonly blobs: Blobs;
  readonly layers: Layers;
  readonly lists: Lists;
  readonly blocks: Blocks;
  readonly records: Records;
  readonly references: References;
  readonly locks: Locks;
  readonly snapshots: SnapshotDirectories;
  readonly removeTree: RemoveTree;
  readonly #leases: Leases;
  readonly #background = new Set<Promise<void>>();
  readonly #settleTimer: NodeJS.Timeout | undefined;

  private constructor(directory: StoreDirectory, options: StoreOptions) {
    this.path = directory.path;
    this.directory = directory;
    this.#leases = new Leases(directory);
    const protect = (digests: Iterable<Digest>, records: Iterable<string> = []) =>
      this.#leases.protectNew(digests, records);
    this.blobs = new Blobs(directory, protect);
    this.layers = new Layers(directory, this.blobs);
    this.lists = new Lists(directory);
    this.blocks = new Blocks(directory);
    this.records = new Records(directory, this.blobs, protect);
    this.locks = new Locks(directory, options.lockHelper);
    this.removeTree = options.removeTree ?? removeTree;
    this.snapshots = new SnapshotDirectories(directory, this.removeTree);
    this.references = new References(directory, this.blobs, this.locks);
    if (!directory.readOnly) {
      this.#settleTimer = setInterval(() => this.#settleOwn(), SETTLE_INTERVAL).unref();
    }
  }

  /**
   * Opens a store, making it if need be. Costs a handful of system calls unless something is left over: temporary files
   * of killed processes are removed then, and blobs that a power cut may have damaged are verified.
   * @throws NacreError STORE if it is newer than this program, is no store, is not there, or cannot be written; DISK_FULL
   */
  static async open(location: string, options: StoreOptions = {}): Promise<Store> {
    const root = path.resolve(location);
    const readOnly = options.readOnly ?? false;
    const version = versionOf(root);
    if (version === undefined) {
      if (readOnly || options.create === false) {
        throw new NacreError("STORE", `there is no store at ${root}`, { hint: "set NACRE_HOME, or build something" });
      }
      createStore(root);
    } else if (!readOnly) assertWritableStore(root, version);
    const warn = options.warn ?? (() => {});
    const note = version === undefined ? undefined : checkVersion(root, version, readOnly);
    if (note !== undefined) warn(note);
    const store = new Store(new StoreDirectory(root, readOnly, warn, options.now ?? Date.now), options);
    if (!readOnly && (version ?? STORE_VERSION) < STORE_VERSION) await (await import("./migrations.js")).migrate(store);
    if (!readOnly) await store.#tidy(options.sweepRoots);
    return store;
  }

  /** Waits for what runs in the background and releases all leases. */
  async close(): Promise<void> {
    clearInterval(this.#settleTimer);
    await Promise.all(this.#background);
    this.#leases.close();
  }

  // Blobs

  hasBlob(digest: Digest): boolean {
    return this.blobs.size(digest) !== undefined;
  }

  /** Bytes, or undefined if the blob is not there. */
  blobSize(digest: Digest): number | undefined {
    return this.blobs.size(digest);
  }

  /** Where the blob is or would be. Prefer {@link openBlob}, which garbage collection cannot get between. */
  blobPath(digest: Digest): string {
    return this.blobs.path(digest);
  }

  /**
   * The whole blob, its hash verified.
   * @param limit most bytes to read
   * @throws NacreError CONTENT_INVALID if it is missing or damaged, LIMIT_EXCEEDED
   */
  readBlob(digest: Digest, limit: number): Buffer {
    return this.blobs.read(digest, limit);
  }

  /** A descriptor for reading, which the caller closes; the bytes are not verified. @throws NacreError CONTENT_INVALID */
  openBlob(digest: Digest): number {
    return this.blobs.open(digest);
  }

  /** The same, or undefined if the blob is not there. */
  tryOpenBlob(digest: Digest): number | undefined {
    return this.blobs.tryOpen(digest);
  }

  /** Stores a small document. */
  putBlob(bytes: Uint8Array): DigestAndSize {
    return this.blobs.put(bytes);
  }

  /** Starts a blob whose digest is not known yet. */
  createBlob(): BlobWriter {
    return this.blobs.create();
  }

  /** A new file in tmp/ that no one else writes to, mode 0600. If it is left there, a later process sweeps it. */
  tempFile(): TempFile {
    return this.directory.temp();
  }

  /**
   * Makes a temporary file, whose bytes the caller has hashed, a blob. Takes over the file and closes it, whatever happens.
   * @throws NacreError CONTENT_INVALID if the file has not `size` bytes; STORE, DISK_FULL
   */
  adoptBlob(tempPath: string, fd: number, digest: Digest, size: number): Promise<void> {
    return this.blobs.adopt({ path: tempPath, fd }, digest, size);
  }

  // Derived data of layers

  hasIndex(diffId: DiffId): boolean {
    return this.layers.hasIndex(diffId);
  }

  /** The index of a layer, or undefined if there is none or it is damaged. Aligned to 8 bytes in memory. */
  readIndex(diffId: DiffId): Buffer | undefined {
    return this.layers.readIndex(diffId);
  }

  writeIndex(diffId: DiffId, bytes: Uint8Array): void {
    this.#leases.protectNew([diffId]);
    this.layers.writeIndex(diffId, bytes);
  }

  /** Every blob in the store that holds this layer, the uncompressed one first. */
  layerBlobs(diffId: DiffId): readonly LayerBlob[] {
    return this.layers.blobsOf(diffId);
  }

  /** Notes that a blob holds this layer; the caller has verified it. */
  addLayerBlob(diffId: DiffId, blob: LayerBlob): void {
    this.layers.addBlob(diffId, blob);
  }

  // References

  /** All named images, in the order in which they were first named. */
  listReferences(): readonly NamedDescriptor[] {
    return this.references.list();
  }

  resolveReference(name: string): Descriptor | undefined {
    return this.references.resolve(name);
  }

  /**
   * Names images, all or none; a name that exists is moved. Writes nothing, and takes no lock, if nothing changes.
   * @throws NacreError CONTENT_INVALID if manifest, config or a layer is missing or has the wrong size; REFERENCE_INVALID
   */
  setReferences(entries: readonly NamedDescriptor[]): Promise<void> {
    return this.references.set(entries, (digests) => this.#leases.protectNew(digests));
  }

  /**
   * What an image lacks: empty if manifest, config and layers are there with the right sizes. After protecting a manifest
   * in a lease, this is the check that makes using the image safe.
   */
  flawsOf(descriptor: Descriptor): readonly Flaw[] {
    return this.references.flawsOf(descriptor);
  }

  /** @returns false if there was no such name */
  removeReference(name: string): Promise<boolean> {
    return this.references.remove(name);
  }

  // Records

  /** Stores a record. @throws NacreError CONTENT_INVALID if a blob that it needs is not in the store */
  putRecord(record: NewRecord): StoredRecord {
    return this.records.put(record);
  }

  /** The records of a key, newest first: only whole ones, whose blobs exist with the right size. */
  findRecords(key: string): readonly StoredRecord[] {
    return this.records.find(key);
  }

  /** Notes the last use, by which garbage collection chooses. */
  touchRecord(record: StoredRecord): void {
    this.records.touch(record);
  }

  /**
   * Takes a record into use: protects it and all that it names, then checks that it is still there, then touches it.
   * @returns false if garbage collection was faster: then the record is not to be used
   */
  useRecord(record: StoredRecord, lease: Lease): boolean {
    lease.protect([...record.blobs, ...record.indexes, ...record.lists], [record.id]);
    if (!record.blobs.every((digest) => this.hasBlob(digest))) return false;
    this.records.touch(record);
    return true;
  }

  // Lists, blocks, stat caches

  /**
   * Stores a content-addressed list.
   * @param children lists that must be kept as long as this one; part of what the digest covers
   */
  putList(bytes: Uint8Array, children: readonly Digest[] = []): Digest {
    return this.lists.put(bytes, children);
  }

  /** A list's content, or undefined if it is not there or damaged. */
  readList(digest: Digest): Buffer | undefined {
    return this.lists.read(digest)?.content;
  }

  /** A list with the children it was stored with. */
  readListNode(digest: Digest): List | undefined {
    return this.lists.read(digest);
  }

  /** A cached compressed block, or undefined. @param key 16 to 128 hex digits */
  readBlock(key: string): Buffer | undefined {
    return this.blocks.read(key);
  }

  writeBlock(key: string, bytes: Uint8Array): void {
    this.blocks.write(key, bytes);
  }

  /** Where a stat cache of that name (hex digits) is kept; the directory exists unless the store is only read. */
  statPath(name: string): string {
    if (!STAT_NAME.test(name)) throw new NacreError("INTERNAL", `not a name of a stat cache: ${JSON.stringify(name)}`);
    if (!this.directory.readOnly) this.directory.ensure("stat");
    return this.directory.at("stat", name);
  }

  // Concurrency

  /** Protects from garbage collection: protect first, then check that the thing exists, then use it. */
  acquireLease(): Lease {
    return this.#leases.acquire();
  }

  /** Protects what is about to be relied on as if it had just been written. Look for it afterwards. */
  protect(digests: Iterable<Digest>): void {
    this.#leases.protectNew(digests);
  }

  /**
   * Takes snapshots and directories of cache mounts into use. Look for them afterwards: those that are there then stay
   * where they are until the lease ends.
   */
  async useDirectories(lease: Lease, directories: Iterable<LeasedDirectory>): Promise<void> {
    lease.protect([], [], directories);
    // Garbage collection that began before it could see the lease may be taking them away just now.
    if (this.directory.readOnly || !isPruneAnnounced(namesInTmp(this.directory))) return;
    await this.locks.withLock(INDEX_LOCK, async () => {});
  }

  /** Runs the work under a lock between processes; not re-entrant. @param name letters, digits, `-` */
  withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.locks.withLock(name, work);
  }

  /** Sees to what earlier processes left behind. One directory is listed; it is empty unless something is. */
  async #tidy(sweepRoots: StoreOptions["sweepRoots"]): Promise<void> {
    const names = namesInTmp(this.directory);
    if (names.length === 0) return;
    if (names.some((name) => name.startsWith("c."))) await sweepRoots?.(this);
    const trees = sweepTemp(this.directory, names);
    if (trees.length > 0) this.#inBackground(this.#removeTrees(trees));
    const markers = markersAmong(this.directory, names);
    const here = markers.filter((marker) => marker.boot === this.directory.owner.boot);
    const elsewhere = markers.filter((marker) => marker.boot !== this.directory.owner.boot);
    if (hasDeadPrune(this.directory, names)) {
      await this.locks.tryWithLock(PRUNE_LOCK, () => undoPrune(this.directory, this.removeTree));
    }
    if (elsewhere.length > 0) await this.#recover();
    if (here.length > 0) this.#inBackground(settle(this.directory, here));
  }

  /** What cannot be removed now is tried again, and told of, by garbage collection. */
  async #removeTrees(paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.removeTree(path).catch(() => {});
  }

  /** After an unclean boot: nothing may be trusted before what was not known to be on disk has been verified. */
  async #recover(): Promise<void> {
    await this.locks.withLock("recover", async () => {
      const { bad, finish } = await verifyAfterBoot(this.directory, this.#foreignMarkers());
      await this.references.removeReaching(bad);
      await finish();
    });
  }

  #foreignMarkers(): Marker[] {
    return markersAmong(this.directory, namesInTmp(this.directory)).filter(
      (marker) => marker.boot !== this.directory.owner.boot,
    );
  }

  #settleOwn(): void {
    const markers = markersAmong(this.directory, namesInTmp(this.directory));
    const here = markers.filter((marker) => marker.boot === this.directory.owner.boot);
    if (here.length > 0 && this.#background.size === 0) this.#inBackground(settle(this.directory, here));
  }

  #inBackground(work: Promise<void>): void {
    const tracked = work.finally(() => this.#background.delete(tracked));
    this.#background.add(tracked);
  }
}
