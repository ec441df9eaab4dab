/**
 * What was fetched from elsewhere, in the store: in `sources/KIND/NAME/` downloads, git repositories and layers that have
 * not come whole put what they want, beside `meta`, whose mtime is the last use. A directory appears by rename, with its
 * `meta`, and one process at a time works in it. Its name is a digest of the address (of a layer, its own): no address is
 * ever part of a path.
 */
import * as fs from "node:fs";
import * as v from "valibot";
import { ioError, isNacreError, NacreError } from "../support/errors.js";
import { canonicalJson } from "../support/json.js";
import { namesIn, readIfThere, renameUnlessThere, statIfThere } from "./files.js";
import { flock, type HeldLock } from "./flock.js";
import { type LeasedDirectory, readProtected } from "./leases.js";
import type { Store } from "./store.js";
import { treeSize } from "./treeSize.js";

/** Where a source comes from; `layer`: what has come of a layer whose download was interrupted, by its digest. */
export type SourceKind = "http" | "git" | "layer";

const KINDS: readonly SourceKind[] = ["http", "git", "layer"];
const NAME = /^[0-9a-f]{64}$/;
const MAX_META_BYTES = 64 << 10;
/** Characters of a label that are kept for people to read. */
const MAX_LABEL = 4096;
/** How often a directory that vanishes while it is locked is made again. */
const ATTEMPTS = 20;
/** Milliseconds of waiting for another process after which a warning says so. */
const WARN_AFTER = 5_000;

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Meta = v.strictObject({
  version: v.literal(1),
  kind: v.picklist(KINDS),
  label: v.pipe(v.string(), v.maxLength(MAX_LABEL)),
  created: whole,
});

/** A source in the store. */
export interface SourceInfo {
  readonly kind: SourceKind;
  /** 64 hex digits. */
  readonly name: string;
  /** Absolute path of its directory. */
  readonly path: string;
  /** On disk; counted when it is first asked for. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly lastUsed: number;
  /** What people see: the address without credentials; empty if it cannot be read. */
  readonly label: string;
  /** A living process has it in use. */
  readonly inUse: boolean;
}

/** A source that garbage collection leaves alone for now. */
export interface HeldSource {
  /** Lets it be removed again. Calling it again does nothing. */
  release(): void;
}

/** Where a source lies, or would lie. */
export function sourcePath(store: Store, kind: SourceKind, name: string): string {
  if (!KINDS.includes(kind) || !NAME.test(name)) {
    throw new NacreError("INTERNAL", `not a name of a source: ${JSON.stringify(`${kind}/${name}`)}`);
  }
  return store.directory.at("sources", kind, name);
}

/**
 * Protects a source from garbage collection. Look for it afterwards: if it is there, it stays until the release, or
 * until this process ends.
 */
export async function holdSource(store: Store, kind: SourceKind, name: string): Promise<HeldSource> {
  sourcePath(store, kind, name);
  const lease = store.acquireLease();
  try {
    const leased: LeasedDirectory = `source:${kind}-${name}`;
    await store.useDirectories(lease, [leased]);
    return lease;
  } catch (error) {
    lease.release();
    throw error;
  }
}

/**
 * Runs the work on the directory of a source, made if it is missing, while no one else works in it; notes the last use.
 * It is kept while the work lasts; what is to outlast it needs {@link holdSource}. `meta` in it is not the work's.
 * @param label what people see: the address without credentials
 * @throws NacreError CANCELLED while it waits for another process; STORE, DISK_FULL; what the work throws
 */
export async function useSource<T>(
  store: Store,
  kind: SourceKind,
  name: string,
  label: string,
  work: (directory: string) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  store.directory.assertWritable();
  const held = await holdSource(store, kind, name);
  try {
    return await locked(store, kind, name, label, work, signal);
  } finally {
    held.release();
  }
}

/** Notes the last use, by which garbage collection chooses. */
export function touchSource(store: Store, kind: SourceKind, name: string): void {
  const time = new Date(store.directory.now());
  try {
    fs.utimesSync(`${sourcePath(store, kind, name)}/meta`, time, time);
  } catch {
    // It looks older than it is, nothing else.
  }
}

/** All sources in the store, those used last first. One whose `meta` cannot be read is listed without a label. */
export function listSources(store: Store): readonly SourceInfo[] {
  const { directories } = readProtected(store.directory);
  const infos = KINDS.flatMap((kind) =>
    namesIn(store.directory.at("sources", kind)).flatMap((name) => {
      if (!NAME.test(name)) return [];
      return infoOf(store, kind, name, directories.has(`source:${kind}-${name}`));
    }),
  );
  return infos.sort((a, b) => b.lastUsed - a.lastUsed || (a.name < b.name ? -1 : 1));
}

/** What is to be done about the lock of a directory: it is held, or there is no program to take it with. */
type Lock = HeldLock | "no program";

async function locked<T>(
  store: Store,
  kind: SourceKind,
  name: string,
  label: string,
  work: (directory: string) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const path = sourcePath(store, kind, name);
  const run = async (): Promise<T> => {
    touchSource(store, kind, name);
    try {
      return await work(path);
    } finally {
      touchSource(store, kind, name);
    }
  };
  const lock = await lockDirectory(store, path, () => make(store, kind, path, label), signal);
  // Where flock is missing, the store's own locks get along with an owner's name alone.
  if (lock === "no program") return store.withLock(`source-${kind}-${name}`, run);
  try {
    return await run();
  } finally {
    await lock.release();
  }
}

async function lockDirectory(
  store: Store,
  path: string,
  ensure: () => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<Lock> {
  const warn = () => store.directory.warn(`waiting for another process that uses ${path}`);
  const impatience = setTimeout(warn, WARN_AFTER);
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await ensure();
      const inode = statIfThere(path)?.ino;
      const lock = inode === undefined ? undefined : await take(path, signal);
      if (lock === "no program") return lock;
      // What is locked must still be what lies there.
      if (lock !== undefined && statIfThere(path)?.ino === inode) return lock;
      await lock?.release();
    }
  } finally {
    clearTimeout(impatience);
  }
  throw new NacreError("STORE", `the directory ${path} is removed again and again`);
}

async function take(path: string, signal: AbortSignal | undefined): Promise<Lock> {
  try {
    return (await flock(path, { kind: "exclusive", patience: "wait", signal })) as HeldLock;
  } catch (error) {
    if (isNacreError(error) && error.code === "TOOL_MISSING") return "no program";
    throw error;
  }
}

/** Makes the directory of a source, unless there is one. */
async function make(store: Store, kind: SourceKind, path: string, label: string): Promise<void> {
  if (statIfThere(path)?.isDirectory()) return;
  const { directory } = store;
  const temp = directory.tempTree();
  try {
    const created = Math.floor(directory.now());
    const meta = canonicalJson({ version: 1, kind, label: label.slice(0, MAX_LABEL), created });
    fs.writeFileSync(`${temp}/meta`, `${meta}\n`, { flag: "wx", mode: 0o644 });
    directory.ensure(`sources/${kind}`);
    if (renameUnlessThere(temp, path)) directory.bytesWritten += 8192;
  } catch (error) {
    throw ioError("STORE", `making ${path}`, error);
  } finally {
    fs.rmSync(temp, { recursive: true, force: true });
  }
}

function infoOf(store: Store, kind: SourceKind, name: string, inUse: boolean): SourceInfo[] {
  const path = sourcePath(store, kind, name);
  const stat = statIfThere(path);
  if (!stat?.isDirectory()) return [];
  let bytes: number | undefined;
  return [
    {
      kind,
      name,
      path,
      get bytes() {
        bytes ??= treeSize(path).bytes;
        return bytes;
      },
      lastUsed: (statIfThere(`${path}/meta`) ?? stat).mtimeMs,
      label: readLabel(`${path}/meta`),
      inUse,
    },
  ];
}

function readLabel(file: string): string {
  try {
    const result = v.safeParse(Meta, JSON.parse(readIfThere(file, MAX_META_BYTES)?.toString() ?? ""));
    return result.success ? result.output.label : "";
  } catch {
    return "";
  }
}
