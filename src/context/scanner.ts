/**
 * Brings the entry table of a context up to date, directory by directory and only where asked. What an earlier build
 * left in the table (through the stat cache) is compared with what the disk says now; every name is looked at with
 * `lstat`, no file is opened. A directory whose own times are unchanged is not even listed again, where the file system
 * is known to change them with every name that comes or goes.
 */
import * as fs from "node:fs";
import { type ByteString, isAscii } from "../support/bytes.js";
import { errnoOf } from "../support/errors.js";
import { type Directory, EntryTable, FLAG, forgetTree, namesOf, newDirectory, type StatValues } from "./entryTable.js";
import { type DiskRoot, diskPath, listNames, readLink, unreadable, wholeSeconds } from "./fileSystem.js";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT } from "./fileTypes.js";
import type { IgnoreMatcher, IgnoreState } from "./ignoreMatcher.js";
import { type Granularity, granularityOf, isRacy, UNKNOWN_GRANULARITY } from "./timestamps.js";

/** How often a directory whose names vanish while they are looked at is listed again. */
const MAX_LISTINGS = 5;

/** The table with its directories: what the stat cache keeps. */
export interface ScanState {
  readonly table: EntryTable;
  /** Directory records; the root's is the first. Numbers in `table.child` point here. */
  readonly directories: (Directory | undefined)[];
}

/** A state that knows nothing but that there is a root. */
export function emptyState(): ScanState {
  const table = new EntryTable();
  table.allocate(1);
  // No inode has this number, so that the root counts as changed when it is first looked at.
  table.ino[0] = -1;
  table.child[0] = 0;
  return { table, directories: [newDirectory(undefined, "", 0)] };
}

export interface ScannerOptions {
  readonly root: DiskRoot;
  readonly matcher: IgnoreMatcher | undefined;
  readonly state: ScanState;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

export class Scanner {
  readonly table: EntryTable;
  readonly directories: (Directory | undefined)[];
  /** True once anything differs from what the stat cache holds. */
  dirty = false;
  readonly #root: DiskRoot;
  readonly #matcher: IgnoreMatcher | undefined;
  readonly #clock: () => number;
  readonly #granularity: Granularity;
  readonly #states = new Map<Directory, IgnoreState>();
  /** Number of the current scan; directories of another one are looked at again. */
  #scan = 0;

  constructor(options: ScannerOptions) {
    this.#root = options.root;
    this.#matcher = options.matcher;
    this.#clock = options.clock;
    this.#granularity = granularityOf(diskPath(options.root, ""));
    this.table = options.state.table;
    this.directories = options.state.directories;
    this.#lookAtRoot();
  }

  get top(): Directory {
    return this.directories[0]!;
  }

  /** Everything is looked at again when it is next asked for. */
  restart(): void {
    this.#scan += 1;
    this.#lookAtRoot();
  }

  isScanned(directory: Directory): boolean {
    return directory.scan === this.#scan;
  }

  /**
   * Looks at all names in a directory, unless this scan has done so.
   * @throws NacreError CONTEXT_UNREADABLE
   */
  visit(directory: Directory): void {
    if (directory.scan === this.#scan) return;
    const trusted =
      directory.unchanged &&
      directory.complete &&
      this.#granularity.listings &&
      !this.table.has(directory.row, FLAG.foreign);
    if (!trusted || !this.#lookAtEntries(directory, false)) this.#list(directory);
    directory.scan = this.#scan;
    this.#findIncludedParents(directory);
  }

  /** The directory record of a row, or undefined if the row is no directory. */
  directoryAt(row: number): Directory | undefined {
    const number = this.table.child[row]!;
    return number < 0 ? undefined : this.directories[number];
  }

  /** What the rules say of a directory's own path, made when first needed. */
  ignoreState(directory: Directory): IgnoreState | undefined {
    if (!this.#matcher) return undefined;
    if (directory.parent === undefined) return this.#matcher.root;
    let state = this.#states.get(directory);
    if (!state) {
      state = this.#matcher.enter(directory.name, this.ignoreState(directory.parent)!);
      this.#states.set(directory, state);
    }
    return state;
  }

  /**
   * Takes over what was found when a file was opened, if it differs from what `lstat` had said.
   * @param now a time before the file was looked at
   */
  update(directory: Directory, row: number, name: ByteString, stat: StatValues, now: number): void {
    const path = join(directory.path, name);
    this.table.put(row, stat, wholeSeconds(this.#root, path, stat));
    this.#markRacy(row, stat, now);
    forgetTree(directory);
    this.dirty = true;
  }

  #lookAtRoot(): void {
    const now = this.#clock();
    const { table } = this;
    const stat = fs.statSync(diskPath(this.#root, ""));
    if (table.rootDevice !== stat.dev) {
      // Never seen, or another disk is mounted there now: nothing that is known belongs to it.
      table.rootDevice = stat.dev;
      table.ino.fill(-1, 0, table.count);
      table.devices.clear();
    }
    this.top.unchanged = table.isCurrent(0, stat);
    if (this.top.unchanged) return;
    table.put(0, stat, Math.floor(stat.mtimeMs / 1000));
    this.#markRacy(0, stat, now);
    this.dirty = true;
  }

  /** Lists a directory and looks at what is in it; again, if names vanish in between. */
  #list(directory: Directory): void {
    for (let attempt = 1; ; attempt++) {
      const kept: ByteString[] = [];
      const ignored = new Set<ByteString>();
      for (const name of this.#readNames(directory)) {
        const verdict = this.#judge(directory, name);
        if (verdict === "drop") continue;
        kept.push(name);
        if (verdict === "walk") ignored.add(name);
      }
      this.#adopt(directory, kept, ignored);
      if (this.#lookAtEntries(directory, attempt === MAX_LISTINGS)) return;
    }
  }

  #readNames(directory: Directory): ByteString[] {
    try {
      return listNames(this.#root, directory.path);
    } catch (error) {
      throw unreadable("reading the directory", this.#root, directory.path, error);
    }
  }

  /** `walk`: ignored, but a directory below which something may be included again. */
  #judge(directory: Directory, name: ByteString): "keep" | "drop" | "walk" {
    const matcher = this.#matcher;
    if (!matcher) return "keep";
    const parent = this.ignoreState(directory)!;
    if (!matcher.decide(name, parent).ignored) return "keep";
    if (!matcher.mayReinclude(matcher.enter(name, parent))) return "drop";
    const path = diskPath(this.#root, join(directory.path, name));
    return fs.lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ? "walk" : "drop";
  }

  /** Gives a directory these names, keeping what is known of those that it had. */
  #adopt(directory: Directory, names: readonly ByteString[], ignored: ReadonlySet<ByteString>): void {
    const { table } = this;
    directory.complete = true;
    const joined = names.join("/");
    if (joined === directory.joined && names.length === directory.count) {
      this.#markIgnored(directory, names, ignored);
      return;
    }
    const old = namesOf(directory);
    const first = table.allocate(names.length);
    let at = 0;
    for (const [i, name] of names.entries()) {
      while (at < old.length && old[at]! < name) at++;
      if (old[at] === name) this.#move(directory.first + at, first + i);
      else table.ino[first + i] = -1;
    }
    directory.first = first;
    directory.count = names.length;
    directory.joined = joined;
    directory.names = names;
    forgetTree(directory);
    this.dirty = true;
    this.#markIgnored(directory, names, ignored);
  }

  #move(from: number, to: number): void {
    this.table.copy(this.table, from, to);
    const child = this.directoryAt(to);
    if (child) child.row = to;
  }

  #markIgnored(directory: Directory, names: readonly ByteString[], ignored: ReadonlySet<ByteString>): void {
    const { flags } = this.table;
    for (let i = 0; i < names.length; i++) {
      const row = directory.first + i;
      const wanted = ignored.size > 0 && ignored.has(names[i]!) ? FLAG.ignored : 0;
      if ((flags[row]! & FLAG.ignored) === wanted) continue;
      flags[row] = (flags[row]! & ~(FLAG.ignored | FLAG.parent)) | wanted;
      forgetTree(directory);
      this.dirty = true;
    }
  }

  /**
   * Compares all entries of a directory with the disk.
   * @param tolerant names that are not there any more are dropped
   * @returns false if a name is gone and the directory should be listed (again)
   */
  #lookAtEntries(directory: Directory, tolerant: boolean): boolean {
    const { table } = this;
    const names = namesOf(directory);
    const now = this.#clock();
    const ascii = this.#root.ascii && isAscii(directory.path) && isAscii(directory.joined);
    const prefix = `${this.#root.prefix}/${directory.path === "" ? "" : `${directory.path}/`}`;
    const gone = new Set<ByteString>();
    for (let i = 0, row = directory.first; i < names.length; i++, row++) {
      const name = names[i]!;
      const path = ascii ? prefix + name : Buffer.from(prefix + name, "latin1");
      const stat = this.#lstat(path, directory, name);
      if (stat === undefined) {
        gone.add(name);
        continue;
      }
      const current = table.isCurrent(row, stat);
      if (!current) this.#replace(directory, row, name, stat, now);
      const child = table.child[row]!;
      if (child >= 0) this.directories[child]!.unchanged = current;
    }
    if (gone.size === 0) return true;
    if (!tolerant) return false;
    const ignored = names.filter((_, i) => table.has(directory.first + i, FLAG.ignored));
    this.#adopt(
      directory,
      names.filter((name) => !gone.has(name)),
      new Set(ignored),
    );
    return true;
  }

  #lstat(path: string | Buffer, directory: Directory, name: ByteString): StatValues | undefined {
    try {
      return fs.lstatSync(path);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw unreadable("reading", this.#root, join(directory.path, name), error);
    }
  }

  /** A name that is new, has changed, or could not be trusted. */
  #replace(directory: Directory, row: number, name: ByteString, stat: StatValues, now: number): void {
    const { table } = this;
    const path = join(directory.path, name);
    const isDirectory = (stat.mode & S_IFMT) === S_IFDIR;
    // A directory's times say nothing that its parent's list tells.
    const matters = !isDirectory || table.mode[row] !== stat.mode || table.child[row]! < 0;
    table.put(row, stat, wholeSeconds(this.#root, path, stat));
    this.#markRacy(row, stat, now);
    if (matters) forgetTree(directory);
    this.dirty = true;
    const type = stat.mode & S_IFMT;
    if (type === S_IFLNK) this.#readLink(row, path);
    else if (type === S_IFCHR || type === S_IFBLK) table.specials.set(row, stat.rdev);
    this.#attachDirectory(directory, row, name, isDirectory);
  }

  #readLink(row: number, path: ByteString): void {
    try {
      this.table.links.set(row, readLink(this.#root, path));
    } catch (error) {
      throw unreadable("reading the symlink", this.#root, path, error);
    }
  }

  #attachDirectory(parent: Directory, row: number, name: ByteString, isDirectory: boolean): void {
    const number = this.table.child[row]!;
    if (isDirectory && number < 0) {
      this.table.child[row] = this.directories.push(newDirectory(parent, name, row)) - 1;
    } else if (!isDirectory && number >= 0) {
      this.directories[number] = undefined;
      this.table.child[row] = -1;
    }
  }

  #markRacy(row: number, stat: StatValues, now: number): void {
    const granularity = this.table.has(row, FLAG.foreign) ? UNKNOWN_GRANULARITY : this.#granularity;
    if (isRacy(granularity, stat.mtimeMs, stat.ctimeMs, now)) this.table.flags[row]! |= FLAG.racy;
  }

  /** An ignored directory is part of the context as a parent, if something below it is. */
  #findIncludedParents(directory: Directory): void {
    if (!this.#matcher) return;
    const { table } = this;
    for (let row = directory.first; row < directory.first + directory.count; row++) {
      if (!table.has(row, FLAG.ignored)) continue;
      const below = this.directoryAt(row);
      const wanted = below && this.#hasVisible(below) ? FLAG.parent : 0;
      if ((table.flags[row]! & FLAG.parent) === wanted) continue;
      table.flags[row] = (table.flags[row]! & ~FLAG.parent) | wanted;
      forgetTree(directory);
      this.dirty = true;
    }
  }

  #hasVisible(directory: Directory): boolean {
    this.visit(directory);
    for (let row = directory.first; row < directory.first + directory.count; row++) {
      if (this.table.isVisible(row)) return true;
    }
    return false;
  }
}

/** The path of a name in a directory of the context; the root's path is empty. */
export function join(directory: ByteString, name: ByteString): ByteString {
  return directory === "" ? name : `${directory}/${name}`;
}
