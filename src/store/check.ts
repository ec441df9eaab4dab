/**
 * Checking a store: every blob is hashed again, every reference followed to its last layer, everything derived is
 * opened. With `repair`, what is wrong is removed, so that the next build makes or fetches it again.
 */
import * as fs from "node:fs";
import { type Digest, digestOfHex } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import { errnoOf, isNacreError } from "../support/errors.js";
import { hashFile, namesIn, openIfThere, unlinkIfThere } from "./files.js";
import { encodeEntries, INDEX_LOCK, nameOf } from "./references.js";
import type { Store } from "./store.js";
import { type Entry, inventory, type Kind, pathOf } from "./tombstones.js";
import { removeIfWrong } from "./unsynced.js";

/** Something that is not as it should be. */
export interface CheckProblem {
  readonly kind: Kind | "reference" | "index.json";
  /** Digest, reference or file name. */
  readonly name: string;
  readonly message: string;
  readonly repaired: boolean;
}

/** What a check has looked at and found. The store is sound if there are no problems. */
export interface CheckReport {
  readonly blobs: number;
  /** Bytes hashed. */
  readonly bytes: number;
  readonly references: number;
  readonly indexes: number;
  readonly records: number;
  readonly lists: number;
  readonly blocks: number;
  readonly snapshots: number;
  /** Downloads, hashed again, and git repositories, which git checks itself when it uses them. */
  readonly sources: number;
  readonly problems: readonly CheckProblem[];
}

/** How to check. */
export interface CheckOptions {
  /** Remove what is wrong. References that lose a part of their image go too. */
  readonly repair?: boolean | undefined;
  /** Told how many of all bytes have been hashed. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Checks the whole store; reads every byte of it.
 * @throws NacreError STORE if it cannot be read
 */
export async function checkStore(store: Store, options: CheckOptions = {}): Promise<CheckReport> {
  return new Check(store, options).run();
}

class Check {
  readonly #store: Store;
  readonly #repair: boolean;
  readonly #onProgress: (done: number, total: number) => void;
  readonly #problems: CheckProblem[] = [];
  readonly #entries: readonly Entry[];
  #bytes = 0;

  constructor(store: Store, options: CheckOptions) {
    this.#store = store;
    this.#repair = options.repair ?? false;
    this.#onProgress = options.onProgress ?? (() => {});
    this.#entries = [...inventory(store.directory).values()];
  }

  async run(): Promise<CheckReport> {
    await this.#checkIndexFile();
    const damaged = await this.#damagedBlobs();
    const references = await this.#checkReferences(damaged);
    if (this.#repair) for (const digest of damaged) await removeIfWrong(this.#store.directory, digest);
    this.#checkDerived();
    await this.#checkSnapshots();
    await this.#checkSources();
    return {
      blobs: this.#count("blob"),
      bytes: this.#bytes,
      references,
      indexes: this.#count("index"),
      records: this.#count("record"),
      lists: this.#count("list"),
      blocks: this.#count("block"),
      snapshots: this.#count("snapshot"),
      sources: this.#count("source"),
      problems: this.#problems,
    };
  }

  async #checkIndexFile(): Promise<void> {
    const { directory, locks, references } = this.#store;
    try {
      references.entries();
    } catch (error) {
      if (!isNacreError(error)) throw error;
      this.#report("index.json", directory.at("index.json"), error.message);
      if (!this.#repair) return;
      await locks.withLock(INDEX_LOCK, async () =>
        directory.publish(directory.at("index.json"), [encodeEntries([])], { mode: 0o644, durable: true }),
      );
    }
  }

  async #damagedBlobs(): Promise<Set<Digest>> {
    const damaged = new Set<Digest>();
    const blobs = this.#entries.filter((entry) => entry.kind === "blob");
    const total = blobs.reduce((sum, blob) => sum + blob.bytes, 0);
    for (const { name } of blobs) {
      const digest = digestOfHex(name);
      const actual = await this.#hash(digest, total);
      if (actual === undefined || actual === name) continue;
      damaged.add(digest);
      this.#report("blob", digest, actual === "" ? "cannot be read" : `its bytes have the digest sha256:${actual}`);
    }
    return damaged;
  }

  /** The hash of a blob; undefined if it is gone meanwhile, empty if it cannot be read. */
  async #hash(digest: Digest, total: number): Promise<string | undefined> {
    return this.#hashPath(this.#store.blobPath(digest), () => this.#onProgress(Math.min(this.#bytes, total), total));
  }

  async #hashPath(path: string, onBytes: () => void = () => {}): Promise<string | undefined> {
    const fd = openIfThere(path);
    if (fd === undefined) return undefined;
    try {
      return await hashFile(fd, (bytes) => {
        this.#bytes += bytes;
        onBytes();
      });
    } catch (error) {
      if (errnoOf(error) === "EIO") return "";
      throw error;
    } finally {
      fs.closeSync(fd);
    }
  }

  async #checkReferences(damaged: ReadonlySet<Digest>): Promise<number> {
    const { references } = this.#store;
    const entries = this.#readableEntries();
    const broken = new Set<Digest>(damaged);
    for (const entry of entries) {
      const { blobs, flaws } = references.reachOf(entry);
      const flaw = flaws[0];
      const lost = [...blobs].find((digest) => damaged.has(digest));
      if ((!flaw && !lost) || !this.#isStillThere(entry)) continue;
      // It may have been removed, and the same image made again, between the two looks.
      if (!lost && references.flawsOf(entry).length === 0) continue;
      this.#report("reference", nameOf(entry) ?? entry.digest, flaw?.message ?? `the blob ${lost} is damaged`);
      for (const { digest } of flaws) broken.add(digest);
    }
    if (this.#repair) await references.removeReaching(broken);
    return entries.length;
  }

  #readableEntries(): Descriptor[] {
    try {
      return this.#store.references.entries();
    } catch (error) {
      if (isNacreError(error)) return [];
      throw error;
    }
  }

  /** An image may be removed while the check goes on; then it is no loss that its parts are gone. */
  #isStillThere(entry: Descriptor): boolean {
    return this.#readableEntries().some((one) => one.digest === entry.digest && nameOf(one) === nameOf(entry));
  }

  #checkDerived(): void {
    const { layers, records, lists, blocks, directory } = this.#store;
    const isWhole = (kind: Kind, name: string): boolean => {
      switch (kind) {
        case "index":
          return layers.readIndex(digestOfHex(name)) !== undefined;
        case "list":
          return lists.read(digestOfHex(name)) !== undefined;
        case "block":
          return blocks.read(name) !== undefined;
        case "record":
          return records.files(name.slice(0, 64)).some((file) => file.path.endsWith(name) && records.read(file));
        default:
          return true;
      }
    };
    for (const { kind, name } of this.#entries) {
      const path = pathOf(directory, kind, name);
      // What garbage collection takes away for a moment is not there at the first look.
      if (isWhole(kind, name) || !fs.existsSync(path) || isWhole(kind, name)) continue;
      this.#report(kind, name, "is damaged");
      if (this.#repair) unlinkIfThere(path);
    }
  }

  /** Their files are not compared with their layers: a snapshot cut off by a power cut is left aside and made anew. */
  async #checkSnapshots(): Promise<void> {
    const { snapshots, directory } = this.#store;
    for (const { kind, name } of this.#entries) {
      if (kind !== "snapshot") continue;
      const found = snapshots.read(name);
      const base = found?.base;
      const isSound = found && (base === undefined || snapshots.read(base) !== undefined);
      if (isSound || !fs.existsSync(pathOf(directory, kind, name)) || snapshots.find(name)) continue;
      this.#report(kind, name, found ? `the snapshot ${base} that it lies on is gone` : "is damaged");
      if (this.#repair) await snapshots.remove(name);
    }
  }

  /** What was downloaded lies under the name of its digest. */
  async #checkSources(): Promise<void> {
    const { directory } = this.#store;
    for (const { kind, name } of this.#entries) {
      if (kind !== "source") continue;
      const path = pathOf(directory, kind, name);
      for (const file of namesIn(path).filter((one) => /^[0-9a-f]{64}$/.test(one))) {
        const actual = await this.#hashPath(`${path}/${file}`);
        if (actual === undefined || actual === file) continue;
        const what = actual === "" ? "cannot be read" : `has the digest sha256:${actual}`;
        this.#report(kind, name, `the download sha256:${file} ${what}`);
        if (this.#repair) unlinkIfThere(`${path}/${file}`);
      }
    }
  }

  #count(kind: Kind): number {
    return this.#entries.reduce((count, entry) => count + (entry.kind === kind ? 1 : 0), 0);
  }

  #report(kind: CheckProblem["kind"], name: string, message: string): void {
    this.#problems.push({ kind, name, message, repaired: this.#repair });
  }
}
