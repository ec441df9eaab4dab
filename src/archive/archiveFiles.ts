/**
 * The files of an archive by name, whether it is a directory or a tar: all that reading images out of one needs.
 * A name is looked up among the members only; nothing in an archive can lead to a file outside of it.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join, posix } from "node:path";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import { type TarMember, tarMembers } from "./tarMembers.js";

/** Files by their path from the archive's root, e.g. `blobs/sha256/…`. */
export interface ArchiveFiles {
  /** What errors call the archive. */
  readonly name: string;
  has(path: string): boolean;
  /** Bytes of a file. @throws NacreError CONTENT_INVALID if there is none of that name */
  size(path: string): number;
  /**
   * Reads a small file whole.
   * @throws NacreError CONTENT_INVALID if there is none of that name, LIMIT_EXCEEDED if it is larger than `limit` bytes
   */
  read(path: string, limit: number): Buffer;
  /** A file's bytes in pieces, from an offset on. @throws NacreError CONTENT_INVALID if there is none of that name */
  open(path: string, offset?: number): AsyncIterable<Buffer>;
  close(): void;
}

const CHUNK_BYTES = 256 << 10;
/** Most links from member to member that a name may lead through. */
const MAX_LINKS = 20;

/** The files of a directory. */
export class DirectoryFiles implements ArchiveFiles {
  readonly name: string;

  constructor(path: string) {
    this.name = path;
  }

  has(path: string): boolean {
    const fd = this.#open(path);
    if (fd !== undefined) closeSync(fd);
    return fd !== undefined;
  }

  size(path: string): number {
    const fd = this.#open(path) ?? missing(this.name, path);
    try {
      return fstatSync(fd).size;
    } finally {
      closeSync(fd);
    }
  }

  read(path: string, limit: number): Buffer {
    const fd = this.#open(path) ?? missing(this.name, path);
    try {
      return readWhole(fd, 0, fstatSync(fd).size, limit, `${this.name}/${path}`);
    } finally {
      closeSync(fd);
    }
  }

  async *open(path: string, offset = 0): AsyncIterable<Buffer> {
    const fd = this.#open(path) ?? missing(this.name, path);
    try {
      yield* readPieces(fd, offset, Math.max(0, fstatSync(fd).size - offset));
    } finally {
      closeSync(fd);
    }
  }

  close(): void {}

  /** Opens a regular file; a pipe or a device in its place (which could block for ever) is none. */
  #open(path: string): number | undefined {
    if (cleanName(path) !== path) return undefined;
    try {
      const fd = openSync(join(this.name, path), constants.O_RDONLY | constants.O_NONBLOCK);
      if (fstatSync(fd).isFile()) return fd;
      closeSync(fd);
      return undefined;
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "EISDIR"].includes(errnoOf(error) ?? "")) return undefined;
      throw ioError("CONTENT_INVALID", `reading ${join(this.name, path)}`, error);
    }
  }
}

/** The members of a tar that lies in a file. */
export class TarFiles implements ArchiveFiles {
  readonly name: string;
  readonly #fd: number;
  readonly #members: ReadonlyMap<string, TarMember>;

  private constructor(name: string, fd: number, members: ReadonlyMap<string, TarMember>) {
    this.name = name;
    this.#fd = fd;
    this.#members = members;
  }

  /**
   * Lists the members of an open file, which is closed by {@link close}, or at once if this throws.
   * @throws NacreError TAR_INVALID, LIMIT_EXCEEDED
   */
  static async list(name: string, fd: number): Promise<TarFiles> {
    try {
      const members = new Map<string, TarMember>();
      for await (const member of tarMembers(fd, name)) {
        const path = cleanName(member.name);
        if (path === undefined) continue;
        if (members.has(path) && isDocument(path)) {
          throw new NacreError("CONTENT_INVALID", `${name} holds more than one ${path}`, {
            hint: "do not trust this archive: other programs may see another image in it",
          });
        }
        members.set(path, member);
      }
      return new TarFiles(name, fd, members);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  has(path: string): boolean {
    return this.#find(path) !== undefined;
  }

  size(path: string): number {
    return (this.#find(path) ?? missing(this.name, path)).size;
  }

  read(path: string, limit: number): Buffer {
    const member = this.#find(path) ?? missing(this.name, path);
    return readWhole(this.#fd, member.offset, member.size, limit, `${path} of ${this.name}`);
  }

  async *open(path: string, offset = 0): AsyncIterable<Buffer> {
    const member = this.#find(path) ?? missing(this.name, path);
    yield* readPieces(this.#fd, member.offset + offset, Math.max(0, member.size - offset));
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Old docker-archives name a layer twice by a symlink to its first name. */
  #find(path: string): TarMember | undefined {
    let here: string | undefined = path;
    for (let links = 0; links <= MAX_LINKS && here !== undefined; links++) {
      const member: TarMember | undefined = this.#members.get(here);
      if (member?.type === "file") return member;
      if (member?.link === undefined) return undefined;
      here = cleanName(member.type === "symlink" ? posix.join(posix.dirname(here), member.link) : member.link);
    }
    return undefined;
  }
}

/** Members that say what an archive holds: two of them could be read as two different archives. */
function isDocument(path: string): boolean {
  return path === "index.json" || path === "manifest.json" || path === "oci-layout" || path === "repositories";
}

/** The path of a member below the root, or undefined if it names nothing there. */
export function cleanName(name: string): string | undefined {
  if (name.includes("\0") || name.includes("\\")) return undefined;
  const path = posix.normalize(name).replace(/^\/+|\/+$/g, "");
  return path === "" || path === "." || path === ".." || path.startsWith("../") ? undefined : path;
}

function missing(archive: string, path: string): never {
  throw new NacreError("CONTENT_INVALID", `${archive} has no ${path}`, {
    hint: "the archive is incomplete; make it again",
  });
}

function readWhole(fd: number, offset: number, size: number, limit: number, what: string): Buffer {
  if (size > limit) throw new NacreError("LIMIT_EXCEEDED", `${what} has ${size} bytes; at most ${limit} are read`);
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (let got = -1; at < size && got !== 0; at += got) got = readSync(fd, bytes, at, size - at, offset + at);
  return bytes.subarray(0, at);
}

/** Fresh buffers, so that whoever gets them may keep them. */
function* readPieces(fd: number, offset: number, size: number): Iterable<Buffer> {
  for (let at = 0; at < size; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - at));
    const got = readSync(fd, chunk, 0, chunk.length, offset + at);
    if (got === 0) return;
    at += got;
    yield chunk.subarray(0, got);
  }
}
