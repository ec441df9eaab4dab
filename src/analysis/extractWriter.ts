/**
 * Writing files of an image into a directory. Every name is looked up in an opened directory and never followed where it is a
 * symlink, be it one that lies there, one of the image, or one that another process puts there meanwhile: nothing outside is
 * touched. Contents come first, symlinks after them, and directories get their modes at the very end.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { alreadyThere, SafeDirectory } from "../archive/safeDirectory.js";
import { type ByteString, fromByteString, fsPath } from "../support/bytes.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";

/** What happens to what is there already; directories are filled in any case. */
export type Overwrite = "refuse" | "keep" | "replace";

/** Metadata of a name that is written. */
export interface WrittenFacts {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/** How is written. */
export interface WriterOptions {
  readonly overwrite: Overwrite;
  /** Keep owners (root only), setuid and setgid bits. */
  readonly preserve: boolean;
}

/** A written file, to make sure that a link leads to it and to nothing else. */
export interface WrittenInode {
  readonly path: readonly ByteString[];
  readonly dev: number;
  readonly ino: number;
}

const SET_ID = 0o6000;
/** Directories whose names are held at a time. */
const MOST_LISTINGS = 64;
const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
/** What keeps file systems from having hard links, or this one. */
const NO_LINK: ReadonlySet<string> = new Set(["EPERM", "EMLINK", "EXDEV", "ENOTSUP", "EOPNOTSUPP"]);

/** Writes below one directory. Close it in the end. */
export class ExtractWriter {
  readonly #root: SafeDirectory;
  readonly #options: WriterOptions;
  readonly #isRoot = process.getuid?.() === 0;
  /** Opened directories on the way to the last name. */
  readonly #trail: { readonly name: ByteString; readonly directory: SafeDirectory }[] = [];
  /** Names that a directory had when something was in the way there, by its path. */
  readonly #listings = new Map<string, ReadonlySet<ByteString>>();

  /** @throws NacreError OUTPUT */
  constructor(root: string, options: WriterOptions) {
    try {
      this.#root = SafeDirectory.open(root);
    } catch (error) {
      throw ioError("OUTPUT", `opening ${root}`, error, "name a directory that you may write to");
    }
    this.#options = options;
  }

  close(): void {
    for (const { directory } of this.#trail.splice(0)) directory.close();
    this.#root.close();
  }

  /** Makes a directory that its owner may write to. @returns false if it was there */
  directory(path: readonly ByteString[]): boolean {
    return this.#named(path, (parent, name) => {
      const there = parent.lstat(name);
      if (there?.isDirectory()) {
        this.#checkSpelling(parent, path);
        return false;
      }
      if (there !== undefined) {
        if (this.#options.overwrite !== "replace") throw this.#inTheWay(parent, name);
        this.#checkSpelling(parent, path);
        fs.unlinkSync(parent.at(name));
      }
      fs.mkdirSync(parent.at(name), 0o700);
      return true;
    });
  }

  /** Gives a directory its metadata. */
  finishDirectory(path: readonly ByteString[], facts: WrittenFacts): void {
    this.#named(path, () => {
      const directory = this.#open(path);
      if (this.#keepsOwner()) directory.setOwner(facts.uid, facts.gid);
      directory.setMetadata(this.#mode(facts), facts.mtime);
    });
  }

  /**
   * Writes a file.
   * @returns undefined if one was there and is kept
   * @throws NacreError OUTPUT, DISK_FULL; what the content throws: then nothing is left of the file
   */
  async file(
    path: readonly ByteString[],
    facts: WrittenFacts,
    content: AsyncIterable<Buffer>,
  ): Promise<WrittenInode | undefined> {
    const { overwrite } = this.#options;
    const fd = this.#named(path, (parent, name) => this.#create(parent, path, name));
    if (fd === undefined) return undefined;
    if (fd !== "there") return this.#fill(path, path.at(-1)!, fd, facts, content);
    if (overwrite === "keep") return undefined;
    const temporary = `.nacre-${randomBytes(8).toString("hex")}`;
    const beside = [...path.slice(0, -1), temporary];
    const other = this.#named(beside, (parent, name) =>
      fs.openSync(parent.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
    );
    const inode = await this.#fill(beside, temporary, other, facts, content);
    return this.#named(path, (parent, name) => {
      try {
        fs.renameSync(parent.at(temporary), parent.at(name));
      } catch (error) {
        fs.rmSync(parent.at(temporary), { force: true });
        throw error;
      }
      return { ...inode, path };
    });
  }

  /** Makes a further name of a written file. @returns false where that cannot be done: write it as a file then */
  link(path: readonly ByteString[], first: WrittenInode): boolean {
    // Two trails are needed at once: the one of the first name is opened for itself.
    const opened: SafeDirectory[] = [];
    try {
      let source = this.#root;
      this.#named(first.path, () => {
        for (const part of first.path.slice(0, -1)) opened.push((source = source.child(part)));
      });
      return this.#named(path, (parent, name) => {
        if (!this.#clear(parent, path, name)) return true;
        fs.linkSync(source.at(first.path.at(-1)!), parent.at(name));
        const made = parent.lstat(name);
        if (made?.dev === first.dev && made.ino === first.ino) return true;
        // Somebody has put something else there meanwhile.
        fs.unlinkSync(parent.at(name));
        return false;
      });
    } catch (error) {
      if (NO_LINK.has(errnoOf(error instanceof NacreError ? error.cause : error) ?? "")) return false;
      throw error;
    } finally {
      for (const each of opened) each.close();
    }
  }

  /** @returns false if something was there and is kept */
  symlink(path: readonly ByteString[], target: ByteString, facts: WrittenFacts): boolean {
    return this.#named(path, (parent, name) => {
      if (!this.#clear(parent, path, name)) return false;
      fs.symlinkSync(fsPath(target), parent.at(name));
      if (this.#keepsOwner()) fs.lchownSync(parent.at(name), facts.uid, facts.gid);
      fs.lutimesSync(parent.at(name), facts.mtime, facts.mtime);
      return true;
    });
  }

  /**
   * Makes a device or pipe.
   * @param make gets a path for a program that knows how
   * @returns false if something was there and is kept
   */
  special(path: readonly ByteString[], facts: WrittenFacts, make: (path: string) => void): boolean {
    return this.#named(path, (parent, name) => {
      if (!this.#clear(parent, path, name)) return false;
      const temporary = `.nacre-${randomBytes(8).toString("hex")}`;
      make(parent.atForOthers(temporary));
      try {
        if (this.#keepsOwner()) fs.lchownSync(parent.at(temporary), facts.uid, facts.gid);
        fs.chmodSync(parent.at(temporary), this.#mode(facts));
        fs.utimesSync(parent.at(temporary), facts.mtime, facts.mtime);
        fs.renameSync(parent.at(temporary), parent.at(name));
      } catch (error) {
        fs.rmSync(parent.at(temporary), { force: true });
        throw error;
      }
      return true;
    });
  }

  /** A new file, `there` if the name is taken and may be replaced or kept. */
  #create(parent: SafeDirectory, path: readonly ByteString[], name: ByteString): number | "there" | undefined {
    try {
      return fs.openSync(parent.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    } catch (error) {
      if (!alreadyThere(error)) throw error;
    }
    if (this.#options.overwrite === "refuse") throw this.#inTheWay(parent, name);
    this.#checkSpelling(parent, path);
    if (this.#options.overwrite === "keep") return undefined;
    if (parent.lstat(name)?.isDirectory()) throw directoryInTheWay(parent, name);
    return "there";
  }

  async #fill(
    path: readonly ByteString[],
    name: ByteString,
    fd: number,
    facts: WrittenFacts,
    content: AsyncIterable<Buffer>,
  ): Promise<WrittenInode> {
    let isWhole = false;
    try {
      for await (const chunk of content) this.#named(path, () => writeAll(fd, chunk));
      if (this.#keepsOwner()) fs.fchownSync(fd, facts.uid, facts.gid);
      fs.fchmodSync(fd, this.#mode(facts));
      fs.futimesSync(fd, facts.mtime, facts.mtime);
      const { dev, ino } = fs.fstatSync(fd);
      isWhole = true;
      return { path, dev, ino };
    } finally {
      fs.closeSync(fd);
      if (!isWhole) this.#remove(path, name);
    }
  }

  /** What made the file unusable is the error to tell. */
  #remove(path: readonly ByteString[], name: ByteString): void {
    try {
      fs.unlinkSync(this.#open(path.slice(0, -1)).at(name));
    } catch {
      // It is gone, or the disk is.
    }
  }

  /** Makes room for a name. @returns false if what is there is kept */
  #clear(parent: SafeDirectory, path: readonly ByteString[], name: ByteString): boolean {
    const there = parent.lstat(name);
    if (there === undefined) return true;
    if (this.#options.overwrite === "refuse") throw this.#inTheWay(parent, name);
    this.#checkSpelling(parent, path);
    if (this.#options.overwrite === "keep") return false;
    if (there.isDirectory()) throw directoryInTheWay(parent, name);
    fs.unlinkSync(parent.at(name));
    return true;
  }

  /** On a file system that does not tell `A` from `a`, one of two files would silently replace or keep out the other. */
  #checkSpelling(parent: SafeDirectory, path: readonly ByteString[]): void {
    const key = path.slice(0, -1).join("/");
    let names = this.#listings.get(key);
    if (names === undefined) {
      names = new Set(parent.names());
      if (this.#listings.size >= MOST_LISTINGS) this.#listings.clear();
      this.#listings.set(key, names);
    }
    const name = path.at(-1)!;
    if (names.has(name) || parent.lstat(name) === undefined) return;
    throw new NacreError(
      "OUTPUT",
      `${parent.shown} has a name that is one with ${JSON.stringify(fromByteString(name))} there`,
      {
        hint: "extract to a file system that tells upper from lower case, or write a tar: -o FILE",
      },
    );
  }

  /** Runs a piece of work in the directory of a path, its failures named. */
  #named<T>(path: readonly ByteString[], work: (parent: SafeDirectory, name: ByteString) => T): T {
    try {
      return work(this.#open(path.slice(0, -1)), path.at(-1)!);
    } catch (error) {
      if (error instanceof NacreError) throw error;
      const shown = `${this.#root.shown}/${path.map(fromByteString).join("/")}`;
      const isLink = errnoOf(error) === "ELOOP" || errnoOf(error) === "ENOTDIR";
      const hint = isLink ? "something else lies where the image has a directory; name another destination" : undefined;
      throw ioError("OUTPUT", `writing ${shown}`, error, hint);
    }
  }

  #open(path: readonly ByteString[]): SafeDirectory {
    let common = 0;
    while (common < this.#trail.length && this.#trail[common]!.name === path[common]) common++;
    for (const { directory } of this.#trail.splice(common).reverse()) directory.close();
    for (const name of path.slice(common)) {
      const directory = (this.#trail.at(-1)?.directory ?? this.#root).child(name);
      this.#trail.push({ name, directory });
    }
    return this.#trail.at(-1)?.directory ?? this.#root;
  }

  #keepsOwner(): boolean {
    return this.#options.preserve && this.#isRoot;
  }

  #mode({ mode }: WrittenFacts): number {
    return this.#options.preserve ? mode : mode & ~SET_ID;
  }

  #inTheWay(parent: SafeDirectory, name: ByteString): NacreError {
    return new NacreError("OUTPUT", `${parent.shown}/${fromByteString(name)} is there already`, {
      hint: "--force replaces files, --no-clobber keeps those that are there; or name another destination",
    });
  }
}

function writeAll(fd: number, chunk: Buffer): void {
  for (let at = 0; at < chunk.length; ) at += fs.writeSync(fd, chunk, at, chunk.length - at);
}

function directoryInTheWay(parent: SafeDirectory, name: ByteString): NacreError {
  return new NacreError(
    "OUTPUT",
    `${parent.shown}/${fromByteString(name)} is a directory, but no directory in the image`,
    {
      hint: "remove it, or name another destination",
    },
  );
}
