/** Archives that cannot be read at any place: those that come through a pipe, and those that are compressed as a whole. */
import { randomBytes } from "node:crypto";
import { closeSync, createReadStream, fstatSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { decompressStream, sniffCompression } from "../layer/decompress.js";
import { makeDirectories } from "../store/files.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";

const SNIFFED_BYTES = 512;
const CHUNK_BYTES = 256 << 10;

/**
 * Opens an archive for reading at any place: the file itself if it is a plain one, else an unpacked copy. The copy has
 * no name, so nothing is left of it, however the program ends.
 * @param dir where copies are made, on a disk that has the room
 * @returns an open file descriptor
 * @throws NacreError CONTEXT_UNREADABLE, COMPRESSION, LIMIT_EXCEEDED, DISK_FULL
 */
export async function openSeekable(archive: string | AsyncIterable<Buffer>, dir: string): Promise<number> {
  if (typeof archive !== "string") return spool(archive, dir);
  const fd = openFile(archive);
  let spooling = false;
  try {
    if (!fstatSync(fd).isFile()) {
      spooling = true;
      return await spool(createReadStream("", { fd, highWaterMark: CHUNK_BYTES }), dir);
    }
    const head = Buffer.alloc(SNIFFED_BYTES);
    if (sniffCompression(head.subarray(0, readSync(fd, head, 0, head.length, 0))) === "none") return fd;
    spooling = true;
    return await spool(createReadStream("", { fd, start: 0, highWaterMark: CHUNK_BYTES }), dir);
  } catch (error) {
    // A read stream closes its file itself.
    if (!spooling) closeSync(fd);
    throw error;
  }
}

async function spool(source: AsyncIterable<Buffer>, dir: string): Promise<number> {
  const path = join(dir, `archive-${process.pid}-${randomBytes(6).toString("hex")}`);
  let fd: number | undefined;
  try {
    makeDirectories(dir);
    fd = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    for await (const chunk of decompressStream(source)) writeAll(fd, chunk);
    return fd;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw ioError("STORE", `unpacking the archive into ${dir}`, error);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") {
      throw new NacreError("CONTEXT_UNREADABLE", `no such file: ${path}`, { hint: "check the path of the archive" });
    }
    throw ioError("CONTEXT_UNREADABLE", `opening ${path}`, error);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
}
