/**
 * Cache mounts for the steps of one build: finds or makes the directory that a step is to see, and keeps others out as
 * far as `sharing` says (BuildKit: cacheRefGetter): `shared` lets everyone in, `locked` one step at a time, `private`
 * gives a second user a copy of its own, which is used again later. Between processes too; the kernel frees what a killed
 * process held.
 */
import * as fs from "node:fs";
import { cleanPath } from "../layer/fileTree.js";
import type { CacheIdentity, MakeContent, Sharing } from "../store/cacheMounts.js";
import type { HeldLock, LockKind } from "../store/flock.js";
import type { Lease, Store } from "../store/store.js";
import { toByteString } from "../support/bytes.js";
import { errnoOf, ioError, isNacreError, NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson } from "../support/json.js";
import type { Hand } from "./hand.js";
import type { CacheRunMount, TreeSource } from "./types.js";

/** Copies of one private cache: more users at once than any machine has. */
const MAX_COPIES = 1000;
/** How often a cache that is removed while it is taken is tried again. */
const ATTEMPTS = 20;

/**
 * Writes what a source holds to a path where nothing is: the directory or file that its path leads to, with its own
 * metadata, links followed inside its tree. Nothing is written if nothing is there.
 */
export type UnpackSeed = (source: TreeSource, into: string) => Promise<void>;

/** What an acquisition may need. */
export interface AcquireOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told when others must be waited for. Default: the store's warnings. */
  readonly note?: ((message: string) => void) | undefined;
}

/** A cache in use. */
export interface AcquiredCache {
  /** What is to be mounted: a directory, or a file where the seed was one. */
  readonly dir: string;
  /** Lets others in. Calling it again does nothing. */
  release(): Promise<void>;
}

/** Caches of one step in use, in the order in which they were asked for. */
export interface AcquiredCaches {
  readonly dirs: readonly string[];
  release(): Promise<void>;
}

/** The modules that are needed once a cache is used. */
type Parts = typeof import("../store/cacheMounts.js") & typeof import("../store/flock.js");

/** What is wanted of one cache. */
interface Wanted {
  readonly identity: CacheIdentity;
  readonly sharing: Sharing;
  readonly mount: CacheRunMount;
  readonly note: (message: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** See the top of this file. */
export class CacheMounts {
  readonly #store: Store;
  readonly #lease: Lease;
  readonly #hand: Hand;
  readonly #unpackSeed: UnpackSeed;
  readonly #helper: string | undefined;
  /** By name: made, and emptied if that was asked for; once in a build. */
  readonly #prepared = new Map<string, Promise<void>>();

  /**
   * @param lease protects from garbage collection what this build has used
   * @param lockHelper the flock program
   */
  constructor(store: Store, lease: Lease, hand: Hand, unpackSeed: UnpackSeed, lockHelper?: string) {
    this.#store = store;
    this.#lease = lease;
    this.#hand = hand;
    this.#unpackSeed = unpackSeed;
    this.#helper = lockHelper;
  }

  /**
   * Takes one cache into use. A step that has several takes them with {@link acquireAll}, or it may wait for itself.
   * @throws NacreError CANCELLED, MOUNT (no such path in the seed, an owner that cannot be), TOOL_MISSING, STORE, DISK_FULL
   */
  async acquire(mount: CacheRunMount, options: AcquireOptions = {}): Promise<AcquiredCache> {
    const { dirs, release } = await this.acquireAll([mount], options);
    return { dir: dirs[0]!, release };
  }

  /**
   * Takes all caches of a step into use, or none. Mounts of the same cache get the same directory, whatever their sharing.
   * All steps take theirs in one order, so that they never wait for each other in a circle.
   * @throws as {@link acquire} does
   */
  async acquireAll(mounts: readonly CacheRunMount[], options: AcquireOptions = {}): Promise<AcquiredCaches> {
    const parts = await loadParts();
    const names = mounts.map((mount) => parts.cacheMountName(this.#identity(mount, 0)));
    const held = new Map<string, AcquiredCache>();
    const release = async (): Promise<void> => {
      await Promise.all([...held.values()].map((cache) => cache.release()));
    };
    try {
      for (const name of [...new Set(names)].sort()) {
        const same = mounts.filter((_, i) => names[i] === name);
        held.set(name, await this.#acquire(parts, same, options));
      }
    } catch (error) {
      await release();
      throw error;
    }
    return { dirs: names.map((name) => held.get(name)!.dir), release };
  }

  /** @param mounts all of one cache */
  async #acquire(parts: Parts, mounts: readonly CacheRunMount[], options: AcquireOptions): Promise<AcquiredCache> {
    const mount = mounts[0]!;
    const sharing = strictest(mounts.map((one) => one.sharing));
    const note = options.note ?? ((message) => this.#store.directory.warn(message));
    const { signal } = options;
    if (sharing !== "private") {
      const taken = await this.#take(parts, { identity: this.#identity(mount, 0), sharing, mount, note, signal });
      return taken!;
    }
    for (let copy = 0; copy < MAX_COPIES; copy++) {
      const taken = await this.#take(parts, { identity: this.#identity(mount, copy), sharing, mount, note, signal });
      if (taken !== undefined) return taken;
    }
    throw new NacreError("MOUNT", `all ${MAX_COPIES} copies of the private cache mount ${mount.id} are in use`);
  }

  /** @returns undefined if a private copy is taken */
  async #take(parts: Parts, wanted: Wanted): Promise<AcquiredCache | undefined> {
    const { directory } = this.#store;
    const name = parts.cacheMountName(wanted.identity);
    const path = parts.cacheMountPath(directory, name);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await this.#prepare(parts, name, wanted);
      const inode = inodeOf(path);
      const lock = inode === undefined ? NO_LOCK : await this.#lock(parts, path, wanted);
      if (lock === undefined) return undefined;
      // What is locked must still be what lies there.
      if (inode !== undefined && inode === inodeOf(path) && inodeOf(`${path}/data`) !== undefined) {
        parts.touchCacheMount(directory, name);
        return acquired(`${path}/data`, lock, () => parts.touchCacheMount(directory, name));
      }
      await lock.release();
      this.#prepared.delete(name);
    }
    throw new NacreError("STORE", `the cache mount ${path} is removed again and again`);
  }

  /** Waits where others have what this one needs alone, and says so first. @returns undefined if a private copy is taken */
  async #lock(parts: Parts, path: string, { sharing, note, signal, mount }: Wanted): Promise<HeldLock | undefined> {
    const kind: LockKind = sharing === "shared" ? "shared" : "exclusive";
    const common = { kind, signal, helper: this.#helper };
    try {
      const lock = await parts.flock(path, { ...common, patience: "try" });
      if (lock !== "busy") return lock;
      if (sharing === "private") return undefined;
      note(`waiting for another step that uses the cache mount ${mount.id}`);
      return (await parts.flock(path, { ...common, patience: "wait" })) as HeldLock;
    } catch (error) {
      // Where there is no flock nobody can hold the lock alone.
      if (sharing === "shared" && isNacreError(error) && error.code === "TOOL_MISSING") return NO_LOCK;
      throw error;
    }
  }

  /** Makes the cache if there is none; empties it if it is to start anew, unless someone uses it. Once in a build. */
  #prepare(parts: Parts, name: string, wanted: Wanted): Promise<void> {
    let prepared = this.#prepared.get(name);
    if (prepared === undefined) {
      prepared = this.#prepareOnce(parts, name, wanted);
      this.#prepared.set(name, prepared);
      prepared.catch(() => this.#prepared.delete(name));
    }
    return prepared;
  }

  async #prepareOnce(parts: Parts, name: string, { identity, mount, sharing, note }: Wanted): Promise<void> {
    await this.#store.useDirectories(this.#lease, [`mount:${name}`]);
    const path = parts.cacheMountPath(this.#store.directory, name);
    const make: MakeContent = (into) => this.#makeContent(mount, into);
    if (inodeOf(path) === undefined) {
      await parts.createCacheMount(this.#store, identity, sharing, make);
      return;
    }
    const isWhole = inodeOf(`${path}/data`) !== undefined;
    if (isWhole && !mount.fresh) return;
    // Where there is no content, another process may be making it just now.
    const lock = await this.#lockAlone(parts, path, isWhole ? "try" : "wait");
    if (lock === undefined) {
      if (sharing !== "private") note(`the cache mount ${mount.id} is in use, and is not emptied`);
      return;
    }
    try {
      const isStillWhole = inodeOf(`${path}/data`) !== undefined;
      if (mount.fresh || !isStillWhole) await parts.replaceCacheContent(this.#store, name, make);
    } finally {
      await lock.release();
    }
  }

  async #lockAlone(parts: Parts, path: string, patience: "try" | "wait"): Promise<HeldLock | undefined> {
    try {
      const lock = await parts.flock(path, { kind: "exclusive", patience, helper: this.#helper });
      return lock === "busy" ? undefined : lock;
    } catch (error) {
      if (isNacreError(error) && error.code === "TOOL_MISSING") return NO_LOCK;
      throw error;
    }
  }

  async #makeContent(mount: CacheRunMount, into: string): Promise<void> {
    if (mount.seed !== undefined) {
      await this.#unpackSeed(mount.seed, into);
      checkSeed(mount.seed, into);
      return;
    }
    const { mode, uid, gid } = mount.owner;
    try {
      fs.mkdirSync(into, { mode: 0o700 });
      if (!this.#hand.singleId) fs.chownSync(into, uid, gid);
      fs.chmodSync(into, mode & 0o7777);
    } catch (error) {
      if (errnoOf(error) === "EINVAL" || errnoOf(error) === "EPERM") throw unownable(mount, error);
      throw ioError("STORE", `making ${into}`, error);
    }
  }

  #identity(mount: CacheRunMount, copy: number): CacheIdentity {
    const { id, namespace = "", owner } = mount;
    const seed = mount.seed && seedIdentity(mount.seed);
    const { mode, uid, gid } = owner;
    return { flavour: this.#hand.flavour, namespace, id, seed, owner: { mode, uid, gid }, copy };
  }
}

/** The modules of the store that only a build with cache mounts needs. */
async function loadParts(): Promise<Parts> {
  const [mounts, locks] = await Promise.all([import("../store/cacheMounts.js"), import("../store/flock.js")]);
  return { ...mounts, ...locks };
}

/** Names the first content of a cache: the layers and the path in them. */
function seedIdentity({ layers, path }: TreeSource): string {
  const at = cleanPath(toByteString(path));
  return sha256Hex(canonicalJson({ layers: layers.map((layer) => layer.diffId), path: at }));
}

const NO_LOCK: HeldLock = { release: async () => {} };
const STRICTNESS: readonly Sharing[] = ["private", "shared", "locked"];

function strictest(sharing: readonly Sharing[]): Sharing {
  return sharing.reduce((a, b) => (STRICTNESS.indexOf(a) < STRICTNESS.indexOf(b) ? b : a));
}

function acquired(dir: string, lock: HeldLock, touch: () => void): AcquiredCache {
  let released: Promise<void> | undefined;
  const release = (): Promise<void> => {
    if (released === undefined) {
      touch();
      released = lock.release();
    }
    return released;
  };
  return { dir, release };
}

/** Identifies what is at a path, a symlink not followed; undefined if nothing is. */
function inodeOf(path: string): string | undefined {
  const stat = fs.lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? undefined : `${stat.dev}.${stat.ino}`;
}

function checkSeed({ path }: TreeSource, into: string): void {
  const stat = fs.lstatSync(into, { throwIfNoEntry: false });
  if (stat?.isDirectory() || stat?.isFile()) return;
  const shown = `/${path.replace(/^\/+/, "")}`;
  throw new NacreError("MOUNT", `open ${shown}: no such file or directory`, {
    hint: "the source of a cache mount is a directory or file of what from= names",
    facts: { path },
  });
}

function unownable({ id, owner }: CacheRunMount, cause: unknown): NacreError {
  const message = `the cache mount ${id} cannot belong to ${owner.uid}:${owner.gid}: no such ids are available here`;
  return new NacreError("MOUNT", message, {
    hint: "give the user a wider range in /etc/subuid and /etc/subgid, or build as root",
    cause,
  });
}
