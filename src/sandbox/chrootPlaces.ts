/**
 * What other levels mount, put into the root itself and taken out again: a name that is there is moved aside first and comes
 * back in the end. While a step runs it may do to its root what it likes; so afterwards every directory on the way to a
 * place must still be the very directory that it was, and nothing is followed.
 */
import * as fs from "node:fs";
import { components, MAX_LINKS } from "../layer/fileTree.js";
import type { Store } from "../store/store.js";
import { type ByteString, fromByteString, fsPath, toByteString } from "../support/bytes.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";

/** What is put into a place. */
export interface Placing {
  /** As the request has it, a path inside the root; symlinks in it are followed there. */
  readonly target: ByteString;
  /** Directories may only take the place of directories, everything else of everything else. */
  readonly type: "dir" | "other";
  /** Makes it at a path where nothing is. */
  readonly put: (at: ByteString) => void | Promise<void>;
  /** Where what is in the place then goes, by rename; without it, it is removed. */
  readonly keepAt?: ByteString | undefined;
}

/** A directory, and which one it is. */
interface Step {
  readonly path: ByteString;
  readonly id: string;
}

interface Place {
  readonly path: ByteString;
  readonly target: ByteString;
  /** Directories on the way, from the root on. */
  readonly way: readonly Step[];
  readonly aside: ByteString | undefined;
  readonly keepAt: ByteString | undefined;
}

/** The places of one step. */
export class ChrootPlaces {
  readonly #store: Store;
  readonly #root: ByteString;
  /** A directory on the same disk, which the step cannot reach. */
  readonly #beside: ByteString;
  readonly #places: Place[] = [];
  /** Directories made on the way, parents first. */
  readonly #made: ByteString[] = [];
  #count = 0;

  constructor(store: Store, root: string, beside: string) {
    this.#store = store;
    this.#root = toByteString(root);
    this.#beside = toByteString(beside);
  }

  /** @throws NacreError MOUNT if the target cannot be one; STORE, DISK_FULL; what `put` throws */
  async put({ target, type, put, keepAt }: Placing): Promise<void> {
    const path = resolveInRoot(this.#root, target);
    if (path === "") throw new NacreError("MOUNT", 'invalid mount target "/"', { hint: "choose another target" });
    try {
      const way = this.#makeWay(path, target);
      const there = lstat(this.#at(path));
      if (there && there.isDirectory() !== (type === "dir")) throw wrongKind(target, there.isDirectory());
      const aside = there ? `${this.#beside}/aside${this.#count++}` : undefined;
      if (aside !== undefined) fs.renameSync(fsPath(this.#at(path)), fsPath(aside));
      this.#places.push({ path, target, way, aside, keepAt });
      await put(this.#at(path));
    } catch (error) {
      throw ioError("STORE", `preparing the mount ${shown(target)}`, error);
    }
  }

  /** Where a target lies on disk, as it was put. */
  at(target: ByteString): ByteString {
    return this.#at(resolveInRoot(this.#root, target));
  }

  /**
   * Takes everything out again, the last first. No process of the step runs any more.
   * @throws NacreError MOUNT if a directory on the way is not the one that it was: the root is not to be used then; STORE
   */
  async restore(): Promise<void> {
    for (let place = this.#places.at(-1); place !== undefined; place = this.#places.at(-1)) {
      await this.#restoreOne(place);
      this.#places.pop();
    }
    for (const path of this.#made.reverse()) removeIfEmpty(this.#at(path));
    this.#made.length = 0;
  }

  /** Saves what is to be kept of places although the root is given up. @returns targets of which it could not be saved */
  async salvage(): Promise<string[]> {
    const lost: string[] = [];
    for (const place of this.#places.reverse()) {
      if (place.keepAt === undefined) continue;
      try {
        await this.#restoreOne(place);
      } catch {
        lost.push(fromByteString(place.target));
      }
    }
    this.#places.length = 0;
    return lost;
  }

  async #restoreOne({ path, target, way, aside, keepAt }: Place): Promise<void> {
    const intact = way.every(({ path: step, id }) => idOf(this.#at(step)) === id);
    // A mount point that was removed with all around it: then there is nothing to take out.
    if (!intact && (aside !== undefined || keepAt !== undefined || this.#leadsElsewhere(way))) throw exchanged(target);
    if (!intact) return;
    const at = this.#at(path);
    try {
      if (keepAt !== undefined) fs.renameSync(fsPath(at), fsPath(keepAt));
      else if (lstat(at)) await this.#remove(at);
      if (aside !== undefined) fs.renameSync(fsPath(aside), fsPath(at));
    } catch (error) {
      if (errnoOf(error) === "ENOENT") throw exchanged(target);
      throw ioError("STORE", `taking the mount ${shown(target)} out again`, error);
    }
  }

  #leadsElsewhere(way: readonly Step[]): boolean {
    const broken = way.find(({ path, id }) => idOf(this.#at(path)) !== id);
    return broken !== undefined && lstat(this.#at(broken.path)) !== undefined;
  }

  /** Out of the root first: a name need not be text there. */
  async #remove(at: ByteString): Promise<void> {
    const away = `${this.#beside}/gone${this.#count++}`;
    fs.renameSync(fsPath(at), fsPath(away));
    await this.#store.removeTree(fromByteString(away));
  }

  #makeWay(path: ByteString, target: ByteString): Step[] {
    const way: Step[] = [{ path: "", id: idOf(this.#root)! }];
    const parts = path.split("/").slice(0, -1);
    parts.forEach((_, depth) => {
      const step = parts.slice(0, depth + 1).join("/");
      const there = lstat(this.#at(step));
      if (there === undefined) {
        makeDirectory(this.#at(step), 0o755);
        this.#made.push(step);
      } else if (!there.isDirectory()) {
        throw wrongKind(target, false);
      }
      way.push({ path: step, id: idOf(this.#at(step))! });
    });
    return way;
  }

  #at(path: ByteString): ByteString {
    return path === "" ? this.#root : `${this.#root}/${path}`;
  }
}

/**
 * Where a path leads in a root on disk that no process changes: symlinks are followed as if the root were `/`; what is not
 * there stays as it is.
 * @returns clean path without leading slash
 * @throws NacreError MOUNT for a loop of symlinks
 */
export function resolveInRoot(root: ByteString, target: ByteString): ByteString {
  const todo = components(target).reverse();
  const done: ByteString[] = [];
  let links = 0;
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === "..") {
      done.pop();
      continue;
    }
    const here = fsPath([root, ...done, part].join("/"));
    if (!fs.lstatSync(here, { throwIfNoEntry: false })?.isSymbolicLink()) {
      done.push(part);
      continue;
    }
    if (++links > MAX_LINKS) {
      throw new NacreError("MOUNT", `too many levels of symbolic links in the mount target ${shown(target)}`, {
        hint: "look for a symlink that leads back to itself",
      });
    }
    const link = fs.readlinkSync(here, "latin1");
    if (link.startsWith("/")) done.length = 0;
    todo.push(...components(link).reverse());
  }
  return done.join("/");
}

/** Makes a directory with a mode that does not depend on the umask. */
export function makeDirectory(at: ByteString, mode: number, uid = 0, gid = 0): void {
  fs.mkdirSync(fsPath(at));
  if (uid !== 0 || gid !== 0) fs.lchownSync(fsPath(at), uid, gid);
  fs.chmodSync(fsPath(at), mode);
}

/** Makes a file. */
export function makeFile(at: ByteString, content: Buffer | string, mode: number, uid = 0, gid = 0): void {
  fs.writeFileSync(fsPath(at), content, { flag: "wx", mode: 0o600 });
  if (uid !== 0 || gid !== 0) fs.lchownSync(fsPath(at), uid, gid);
  fs.chmodSync(fsPath(at), mode);
}

function lstat(at: ByteString): fs.Stats | undefined {
  return fs.lstatSync(fsPath(at), { throwIfNoEntry: false });
}

/** Which directory it is; undefined if it is none. */
function idOf(at: ByteString): string | undefined {
  const stat = fs.lstatSync(fsPath(at), { throwIfNoEntry: false, bigint: true });
  return stat?.isDirectory() ? `${stat.dev}:${stat.ino}` : undefined;
}

function removeIfEmpty(at: ByteString): void {
  try {
    fs.rmdirSync(fsPath(at));
  } catch (error) {
    // The step has put something there, or removed or replaced it: then it is the step's.
    if (!["ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) throw error;
  }
}

function wrongKind(target: ByteString, isDirectory: boolean): NacreError {
  const what = isDirectory ? "a directory" : "not a directory";
  return new NacreError("MOUNT", `the mount target ${shown(target)} is ${what}`, { hint: "choose another target" });
}

function exchanged(target: ByteString): NacreError {
  const message = `the step has removed or replaced the mount ${shown(target)} or a directory on the way to it`;
  return new NacreError("MOUNT", message, {
    hint: "a mount cannot be protected at the isolation level chroot: leave it where it is, or use another level",
  });
}

function shown(target: ByteString): string {
  return `/${fromByteString(target).replace(/^\/+/, "")}`;
}
