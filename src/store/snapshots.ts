/**
 * Snapshots in the store: directories that hold the files of a layer, made when a RUN needs them, removed by garbage
 * collection like everything that can be made again. `snapshots/NAME/` holds `fs/`, the files themselves, and `meta`,
 * whose mtime is the last use. A snapshot appears by rename, whole. How its files are made, and what its name stands
 * for, is the affair of `sandbox/`.
 *
 * Files of a snapshot are not synchronised one by one. So it is trusted only under the boot that made it, or once the
 * file `synced` says that the whole file system has been synchronised since.
 */
import * as fs from "node:fs";
import * as v from "valibot";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import type { StoreDirectory } from "./directory.js";
import { namesIn, readIfThere, statIfThere, writeAll } from "./files.js";
import type { RemoveTree } from "./removeTree.js";
import { sealOf, unseal } from "./sealed.js";

/** `FLAVOUR.` and 64 hex digits, with a letter and a dash before them where they are no diffID. */
const NAME = /^[a-z][a-z0-9]{0,63}\.(?:[a-z]-)?[0-9a-f]{64}$/;
const MAX_META_BYTES = 4096;

/** What is known of a snapshot. */
export interface SnapshotFacts {
  /** On disk; counted when it was made. */
  readonly bytes: number;
  /** Of a delta: the name of the snapshot that it lies on. */
  readonly base?: string | undefined;
  /** Nothing of the layers below it is seen. */
  readonly opaque?: boolean | undefined;
}

const Meta = v.strictObject({
  version: v.literal(1),
  bytes: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  created: v.pipe(v.number(), v.safeInteger()),
  boot: v.pipe(v.string(), v.regex(/^[0-9a-f]{1,32}$/)),
  base: v.optional(v.pipe(v.string(), v.regex(NAME))),
  opaque: v.optional(v.boolean()),
});

/** A snapshot in the store. */
export interface StoredSnapshot extends SnapshotFacts {
  readonly name: string;
  /** Absolute path of its files. */
  readonly fs: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** It survives a power cut. */
  readonly synced: boolean;
  /** It is whole: made under this boot, or synchronised since. */
  readonly trusted: boolean;
}

/** A snapshot in the making: a directory in tmp/ that a later process sweeps if this one is killed. */
export interface NewSnapshot {
  readonly path: string;
  /** Absolute path of the directory for its files, empty at first. */
  readonly fs: string;
}

/** True for what can be the name of a snapshot. */
export function isSnapshotName(name: string): boolean {
  return NAME.test(name);
}

/** The snapshots of one opened store. */
export class SnapshotDirectories {
  readonly #directory: StoreDirectory;
  readonly #removeTree: RemoveTree;

  constructor(directory: StoreDirectory, removeTree: RemoveTree) {
    this.#directory = directory;
    this.#removeTree = removeTree;
  }

  /** Names of all that are there, whole or not, in no order. */
  names(): string[] {
    return namesIn(this.#directory.at("snapshots")).filter(isSnapshotName);
  }

  /** A snapshot that can be used; undefined if there is none. A delta whose base cannot be used is none. */
  find(name: string): StoredSnapshot | undefined {
    const found = this.read(name);
    if (!found?.trusted) return undefined;
    if (found.base === undefined) return found;
    const base = this.read(found.base);
    return base?.trusted && base.base === undefined ? found : undefined;
  }

  /** What the snapshot says of itself, whether it can be trusted or not; undefined if there is none or it is damaged. */
  read(name: string): StoredSnapshot | undefined {
    const path = this.#path(name);
    try {
      const text = unseal(`snapshot:${name}`, readIfThere(`${path}/meta`, MAX_META_BYTES));
      const meta = text && parseMeta(text);
      if (!meta || !statIfThere(`${path}/fs`)?.isDirectory()) return undefined;
      const { boot, version: _, ...facts } = meta;
      const synced = statIfThere(`${path}/synced`) !== undefined;
      return { ...facts, name, fs: `${path}/fs`, synced, trusted: synced || boot === this.#directory.owner.boot };
    } catch (error) {
      throw ioError("STORE", `reading ${path}`, error);
    }
  }

  /** A place to make a snapshot in. */
  create(): NewSnapshot {
    const path = this.#directory.tempTree();
    try {
      fs.mkdirSync(`${path}/fs`, { mode: 0o755 });
      fs.chmodSync(`${path}/fs`, 0o755);
    } catch (error) {
      fs.rmSync(path, { recursive: true, force: true });
      throw ioError("STORE", `creating ${path}/fs`, error);
    }
    return { path, fs: `${path}/fs` };
  }

  /**
   * Makes what was made a snapshot of that name. If there is one already, which can be trusted, that one stays.
   * @returns what is there now
   * @throws NacreError STORE, DISK_FULL; the directory in the making is gone then
   */
  async publish(made: NewSnapshot, name: string, facts: SnapshotFacts): Promise<StoredSnapshot> {
    try {
      this.#writeMeta(made, name, facts);
      this.#directory.ensure("snapshots");
      while (!renameUnlessThere(made.path, this.#path(name))) {
        const there = this.find(name);
        if (there) {
          await this.discard(made);
          return there;
        }
        await this.remove(name);
      }
    } catch (error) {
      await this.discard(made);
      throw ioError("STORE", `making the snapshot ${name}`, error);
    }
    this.#directory.bytesWritten += facts.bytes;
    const published = this.find(name);
    if (!published) throw new NacreError("STORE", `the snapshot ${name} was removed while it was made`);
    return published;
  }

  /** Removes what was in the making. Never throws: what cannot be removed now is swept later. */
  async discard(made: NewSnapshot): Promise<void> {
    await this.#removeTree(made.path).catch(() => {});
  }

  /** Removes a snapshot. It is out of sight before its first file goes. */
  async remove(name: string): Promise<void> {
    const aside = this.#directory.tempPath();
    if (!renameUnlessThere(this.#path(name), aside)) return;
    await this.#removeTree(aside).catch((error) => {
      this.#directory.warn(`the directory ${aside} could not be removed: ${String(error)}`);
    });
  }

  /** Notes the last use, by which garbage collection chooses; of a delta, that of its base too. */
  touch(snapshot: StoredSnapshot): void {
    const time = new Date(this.#directory.now());
    for (const name of [snapshot.name, snapshot.base]) {
      try {
        if (name !== undefined) fs.utimesSync(`${this.#path(name)}/meta`, time, time);
      } catch {
        // Only read, or removed meanwhile: it looks older than it is, nothing else.
      }
    }
  }

  /** Notes that the file system has been synchronised since the snapshot was made. */
  noteSynced(name: string): void {
    try {
      fs.closeSync(fs.openSync(`${this.#path(name)}/synced`, "a", 0o644));
    } catch {
      // Removed meanwhile.
    }
  }

  #path(name: string): string {
    if (!isSnapshotName(name)) throw new NacreError("INTERNAL", `not a name of a snapshot: ${JSON.stringify(name)}`);
    return this.#directory.at("snapshots", name);
  }

  #writeMeta(made: NewSnapshot, name: string, facts: SnapshotFacts): void {
    const { owner, now } = this.#directory;
    const meta = { version: 1, ...facts, created: Math.floor(now()), boot: owner.boot };
    const bytes = Buffer.from(JSON.stringify(meta));
    const fd = fs.openSync(`${made.path}/meta`, "wx", 0o644);
    try {
      writeAll(fd, Buffer.concat([sealOf(`snapshot:${name}`, bytes), bytes]));
    } finally {
      fs.closeSync(fd);
    }
  }
}

function parseMeta(text: Buffer): v.InferOutput<typeof Meta> | undefined {
  try {
    const result = v.safeParse(Meta, JSON.parse(text.toString()));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** @returns false if there is something of the new name, or nothing of the old one */
function renameUnlessThere(from: string, to: string): boolean {
  try {
    fs.renameSync(from, to);
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST", "ENOENT"].includes(errnoOf(error) ?? "")) return false;
    throw error;
  }
}
