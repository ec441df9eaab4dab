/**
 * What cache mounts of RUN keep, in the store: `mounts/NAME/` holds `data`, which is what a step sees, and `meta`, whose
 * mtime is the last use. A cache appears by rename, whole. Its name is a digest of all that makes it another cache; ids
 * are data and never part of a path. What `data` holds was written by commands of Dockerfiles: nothing here follows
 * symlinks in it.
 */
import * as fs from "node:fs";
import * as v from "valibot";
import { ioError, NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson } from "../support/json.js";
import type { StoreDirectory } from "./directory.js";
import { namesIn, readIfThere, renameUnlessThere, statIfThere, writeAll } from "./files.js";
import { readProtected } from "./leases.js";
import { INDEX_LOCK } from "./references.js";
import type { Store } from "./store.js";
import { announcePrune, bury, destroy, PRUNE_LOCK, restore } from "./tombstones.js";
import { treeSize } from "./treeSize.js";

const NAME = /^[0-9a-f]{64}$/;
const MAX_META_BYTES = 64 << 10;
/** Characters of an id that are kept for people to read. */
const MAX_ID = 4096;

/** Mode, uid and gid of a cache that starts empty, where none are given (BuildKit's). */
export const USUAL_OWNER: CacheOwner = { mode: 0o755, uid: 0, gid: 0 };

/** Owner and mode of a cache that starts empty. */
export interface CacheOwner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** All that makes one cache another than the next. */
export interface CacheIdentity {
  /** Of the hand that owns the files: `root`, or a hash of an id mapping. */
  readonly flavour: string;
  readonly namespace: string;
  readonly id: string;
  /** What its first content is, by digest; undefined if it starts empty. */
  readonly seed: string | undefined;
  readonly owner: CacheOwner;
  /** Number of the copy, where `sharing=private` has made several: 0 is the one that all others share. */
  readonly copy: number;
}

export type Sharing = "shared" | "private" | "locked";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Meta = v.strictObject({
  version: v.literal(1),
  flavour: v.string(),
  namespace: v.string(),
  id: v.string(),
  seed: v.optional(v.string()),
  owner: v.strictObject({ mode: whole, uid: whole, gid: whole }),
  copy: whole,
  sharing: v.picklist(["shared", "private", "locked"]),
  created: whole,
});

/** A cache in the store. */
export interface CacheMountInfo {
  /** 64 hex digits; what {@link removeCacheMount} takes. */
  readonly name: string;
  readonly id: string;
  readonly namespace: string;
  readonly flavour: string;
  readonly copy: number;
  /** As in the step that made it. */
  readonly sharing: Sharing;
  /** Its first content came from an image, a stage or a context. */
  readonly seeded: boolean;
  readonly owner: CacheOwner;
  /** On disk; counted when it is first asked for. Approximate while the cache is in use. */
  readonly bytes: number;
  /** Names in it that are no directories; counted like `bytes`. */
  readonly files: number;
  /** Milliseconds since 1970. */
  readonly lastUsed: number;
  readonly created: number;
  /** A living process has it in use. */
  readonly inUse: boolean;
  /** Absolute path of its content. */
  readonly path: string;
}

/** The name of a cache in the store. An owner that is the usual one does not count. */
export function cacheMountName(identity: CacheIdentity): string {
  const { flavour, namespace, id, seed, owner, copy } = identity;
  const isUsual = canonicalJson({ ...owner }) === canonicalJson({ ...USUAL_OWNER });
  const ingredients = { flavour, namespace, id, seed, owner: isUsual ? undefined : { ...owner } };
  return sha256Hex(canonicalJson({ ...ingredients, copy: copy || undefined }));
}

/** Where a cache lies, or would lie. */
export function cacheMountPath(directory: StoreDirectory, name: string): string {
  if (!NAME.test(name)) throw new NacreError("INTERNAL", `not a name of a cache mount: ${JSON.stringify(name)}`);
  return directory.at("mounts", name);
}

/** Makes the content of a cache at a path where nothing is: a directory, or a file. */
export type MakeContent = (path: string) => Promise<void>;

/**
 * Makes a cache, unless there is one: then that one stays as it is.
 * @throws NacreError STORE, DISK_FULL, and what `make` throws
 */
export async function createCacheMount(
  store: Store,
  identity: CacheIdentity,
  sharing: Sharing,
  make: MakeContent,
): Promise<void> {
  const path = cacheMountPath(store.directory, cacheMountName(identity));
  const temp = store.directory.tempTree();
  try {
    await make(`${temp}/data`);
    writeMeta(`${temp}/meta`, identity, sharing, store.directory.now());
    store.directory.ensure("mounts");
    if (!renameUnlessThere(temp, path)) await store.removeTree(temp);
  } catch (error) {
    await store.removeTree(temp).catch(() => {});
    throw ioError("STORE", `making the cache mount ${path}`, error);
  }
}

/**
 * Replaces the content of a cache. Hold its lock, exclusively: until this returns there may be none.
 * @throws NacreError STORE, DISK_FULL, and what `make` throws: the old content stays then
 */
export async function replaceCacheContent(store: Store, name: string, make: MakeContent): Promise<void> {
  const path = cacheMountPath(store.directory, name);
  const temp = store.directory.tempTree();
  try {
    await make(`${temp}/new`);
    renameUnlessThere(`${path}/data`, `${temp}/old`);
    fs.renameSync(`${temp}/new`, `${path}/data`);
  } catch (error) {
    throw ioError("STORE", `emptying the cache mount ${path}`, error);
  } finally {
    // What cannot be removed now is swept by a later process.
    await store.removeTree(temp).catch(() => {});
  }
}

/** Notes the last use, by which garbage collection chooses. */
export function touchCacheMount(directory: StoreDirectory, name: string): void {
  const time = new Date(directory.now());
  try {
    fs.utimesSync(`${cacheMountPath(directory, name)}/meta`, time, time);
  } catch {
    // It looks older than it is, nothing else.
  }
}

/** All caches in the store, those used last first. One whose `meta` cannot be read is listed without an id. */
export function listCacheMounts(store: Store): CacheMountInfo[] {
  const { directories } = readProtected(store.directory);
  const names = namesIn(store.directory.at("mounts")).filter((name) => NAME.test(name));
  const infos = names.flatMap((name) => {
    const info = infoOf(store.directory, name, directories.has(`mount:${name}`));
    return info === undefined ? [] : [info];
  });
  return infos.sort((a, b) => b.lastUsed - a.lastUsed || (a.name < b.name ? -1 : 1));
}

/**
 * Removes a cache and all that it holds.
 * @returns `used` if a living process has it in use: then it stays; `missing` if there is none of that name
 * @throws NacreError STORE
 */
export async function removeCacheMount(store: Store, name: string): Promise<"removed" | "used" | "missing"> {
  const { directory, locks } = store;
  const path = cacheMountPath(directory, name);
  const entry = { id: `mount.${name}`, kind: "mount", name } as const;
  const isUsed = (): boolean => readProtected(directory).directories.has(`mount:${name}`);
  if (statIfThere(path) === undefined) return "missing";
  return locks.withLock(PRUNE_LOCK, async () => {
    const end = announcePrune(directory);
    try {
      // Whoever takes a directory into use while removal is announced waits for this lock.
      const outcome = await locks.withLock(INDEX_LOCK, async () => {
        if (isUsed()) return "used";
        if (!bury(directory, entry)) return "missing";
        return isUsed() && restore(directory, entry) ? "used" : "removed";
      });
      if (outcome === "removed") await destroy(directory, entry, store.removeTree);
      return outcome;
    } catch (error) {
      throw ioError("STORE", `removing the cache mount ${path}`, error);
    } finally {
      end();
    }
  });
}

function infoOf(directory: StoreDirectory, name: string, inUse: boolean): CacheMountInfo | undefined {
  const path = cacheMountPath(directory, name);
  const lastUsed = (statIfThere(`${path}/meta`) ?? statIfThere(path))?.mtimeMs;
  if (lastUsed === undefined) return undefined;
  const { seed, version: _, ...rest } = readMeta(`${path}/meta`) ?? unknownMeta(lastUsed);
  let size: ReturnType<typeof treeSize> | undefined;
  const measure = () => (size ??= treeSize(`${path}/data`));
  return {
    name,
    ...rest,
    seeded: seed !== undefined,
    get bytes() {
      return measure().bytes;
    },
    get files() {
      return measure().files;
    },
    lastUsed,
    inUse,
    path: `${path}/data`,
  };
}

function unknownMeta(lastUsed: number): v.InferOutput<typeof Meta> {
  const names = { flavour: "", namespace: "", id: "", copy: 0, sharing: "shared" } as const;
  return { version: 1, ...names, owner: USUAL_OWNER, created: Math.floor(lastUsed) };
}

function readMeta(file: string): v.InferOutput<typeof Meta> | undefined {
  const bytes = readIfThere(file, MAX_META_BYTES);
  if (bytes === undefined) return undefined;
  try {
    const result = v.safeParse(Meta, JSON.parse(bytes.toString()));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

function writeMeta(file: string, identity: CacheIdentity, sharing: Sharing, now: number): void {
  const { flavour, namespace, id, seed, owner, copy } = identity;
  const names = { flavour, namespace: namespace.slice(0, MAX_ID), id: id.slice(0, MAX_ID) };
  const meta = { version: 1, ...names, seed, owner: { ...owner }, copy, sharing, created: Math.floor(now) };
  const fd = fs.openSync(file, "wx", 0o644);
  try {
    writeAll(fd, Buffer.from(`${canonicalJson(meta)}\n`));
  } finally {
    fs.closeSync(fd);
  }
}
