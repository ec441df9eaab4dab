/**
 * Making a layer: entries go in, in sorted order; the tar's bytes go to a sink, and the index is made on the way.
 * Every content is hashed as it passes and compared with the digest that the step's key was made from: what was keyed
 * is what is written.
 */
import { type DiffId, digestOfHex } from "../oci/digest.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { createHasher, type Hasher, sha256Hex } from "../support/hash.js";
import type { TarEntry } from "../tar/entry.js";
import { END_OF_ARCHIVE, encodeHeader, encodeHeaderInto, paddingOf } from "../tar/write.js";
import type { ChunkSink } from "./chunkSink.js";
import type { ContentReader } from "./fileTree.js";
import type { LayerIndex } from "./layerIndex.js";
import { isKept } from "./smallFiles.js";
import { SortedIndex } from "./sortedIndex.js";
import { meaningOf, opaquePath, whiteoutPath } from "./whiteout.js";

/** A layer just made. */
export interface WrittenLayer {
  readonly diffId: DiffId;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
  readonly index: LayerIndex;
  /**
   * A name that starts with `.wh.`, if there is one: to every reader of the layer it means that a file is gone, so that
   * `index`, which calls it a file, must be made again from the layer's bytes.
   */
  readonly reservedName: ByteString | undefined;
}

/** Padding is less than a block. */
const ZEROS = Buffer.alloc(512);
const EMPTY_DIGEST = sha256Hex("");
/** Room for the headers of an entry that {@link isModest} lets through, PAX records included. */
const HEADER_ROOM = 4608;

/** Writes one layer. After an exception call {@link abort}. */
export class LayerWriter {
  readonly #sink: ChunkSink;
  readonly #index = new SortedIndex();
  #chunk: Buffer;
  #at = 0;
  #position = 0;
  #reservedName: ByteString | undefined;

  constructor(sink: ChunkSink) {
    this.#sink = sink;
    this.#chunk = sink.acquire();
  }

  /** The file added last may get further names, as hard links. */
  share(path: ByteString): void {
    this.#index.share(path);
  }

  /** Adds an entry without content. All paths are clean: no `.`, `..`, empty components or outer slashes. */
  add(entry: TarEntry): void {
    const start = this.#header(entry);
    this.#index.add(entry, start, this.#position);
    if (entry.type !== "file") return;
    this.#index.setDigest(EMPTY_DIGEST);
    if (isKept(entry.path, 0)) this.#index.keepFile(entry.path, "");
  }

  /**
   * Says that a name of the layers below is gone; it is sorted where the name itself would stand.
   * @param mtime of the member that says so, whole seconds since 1970
   */
  addWhiteout(path: ByteString, mtime: number): void {
    const start = this.#encode(markerEntry(whiteoutPath(path), mtime));
    this.#index.addWhiteout(path, mtime, start);
  }

  /** Says that what the layers below have in a directory is hidden: directly after the directory, before all below it. */
  addOpaque(directory: ByteString, mtime: number): void {
    this.#index.setOpaque(directory);
    this.#encode(markerEntry(opaquePath(directory), mtime));
  }

  /**
   * Adds a file with its content.
   * @param expected SHA-256 in hex that the content must have; undefined to take what comes
   * @returns the content's SHA-256 in hex
   * @throws NacreError CONTEXT_CHANGED if the content is shorter or another
   */
  addFile(entry: TarEntry, reader: ContentReader, expected: string | undefined): string {
    if (entry.size === 0) {
      this.add(entry);
      return EMPTY_DIGEST;
    }
    const start = this.#header(entry);
    this.#index.add(entry, start, this.#position);
    const digest = entry.size <= this.#sink.chunkSize ? this.#whole(entry, reader) : this.#pieces(entry, reader);
    return this.#endFile(entry, digest, expected);
  }

  /**
   * Like {@link addFile}, for files that take long.
   * @param pause called after every piece, with the number of bytes taken so far; may throw
   */
  async addLargeFile(
    entry: TarEntry,
    reader: ContentReader,
    expected: string | undefined,
    pause: (bytes: number) => Promise<void> | undefined,
  ): Promise<string> {
    const start = this.#header(entry);
    this.#index.add(entry, start, this.#position);
    const hash = createHasher();
    for (let left = entry.size; left > 0; ) {
      left -= this.#piece(entry, reader, left, hash);
      await pause(entry.size - left);
    }
    return this.#endFile(entry, hash.hex(), expected);
  }

  #endFile(entry: TarEntry, digest: string, expected: string | undefined): string {
    if (expected !== undefined && digest !== expected) throw changed(entry.path);
    this.#index.setDigest(digest);
    this.#zeros(paddingOf(entry.size));
    return digest;
  }

  /** Ends the tar. */
  async finish(): Promise<WrittenLayer> {
    this.#bytes(END_OF_ARCHIVE);
    if (this.#at > 0) this.#sink.submit(this.#at);
    const { hex, size } = await this.#sink.finish();
    return { diffId: digestOfHex(hex), size, index: this.#index.finish(size), reservedName: this.#reservedName };
  }

  async abort(): Promise<void> {
    await this.#sink.abort();
  }

  /** @returns where the header starts in the tar */
  #header(entry: TarEntry): number {
    if (isReserved(entry.path)) this.#reservedName ??= entry.path;
    return this.#encode(entry);
  }

  #encode(entry: TarEntry): number {
    const start = this.#position;
    this.#reserve(HEADER_ROOM);
    if (isModest(entry)) {
      const end = encodeHeaderInto(entry, this.#chunk, this.#at);
      this.#position += end - this.#at;
      this.#at = end;
    } else {
      this.#bytes(encodeHeader(entry));
    }
    return start;
  }

  /** A file that fits into one chunk is hashed in one call. */
  #whole(entry: TarEntry, reader: ContentReader): string {
    this.#reserve(entry.size);
    const chunk = this.#chunk;
    const start = this.#at;
    const end = start + entry.size;
    for (let at = start; at < end; ) {
      const got = reader.read(chunk, at, end - at);
      if (got === 0) throw changed(entry.path);
      at += got;
    }
    this.#at = end;
    this.#position += entry.size;
    const content = chunk.subarray(start, end);
    if (isKept(entry.path, entry.size)) this.#index.keepFile(entry.path, content.toString("latin1"));
    return sha256Hex(content);
  }

  #pieces(entry: TarEntry, reader: ContentReader): string {
    const hash = createHasher();
    for (let left = entry.size; left > 0; ) left -= this.#piece(entry, reader, left, hash);
    return hash.hex();
  }

  /** Takes what fits into the current chunk. @returns its bytes */
  #piece(entry: TarEntry, reader: ContentReader, left: number, hash: Hasher): number {
    this.#reserve(1);
    const room = Math.min(left, this.#chunk.length - this.#at);
    const got = reader.read(this.#chunk, this.#at, room);
    if (got === 0) throw changed(entry.path);
    hash.update(this.#chunk.subarray(this.#at, this.#at + got));
    this.#at += got;
    this.#position += got;
    return got;
  }

  #zeros(length: number): void {
    if (length === 0) return;
    this.#reserve(length);
    ZEROS.copy(this.#chunk, this.#at, 0, length);
    this.#at += length;
    this.#position += length;
  }

  #bytes(bytes: Buffer): void {
    for (let from = 0; from < bytes.length; ) {
      this.#reserve(1);
      const taken = bytes.copy(this.#chunk, this.#at, from);
      from += taken;
      this.#at += taken;
      this.#position += taken;
    }
  }

  /** Makes sure that the current chunk has this much room. */
  #reserve(length: number): void {
    if (this.#chunk.length - this.#at >= length) return;
    this.#sink.submit(this.#at);
    this.#chunk = this.#sink.acquire();
    this.#at = 0;
  }
}

/** Written so that it costs nothing where there is no such name. */
function isReserved(path: ByteString): boolean {
  return path.includes(".wh.") && meaningOf(path.slice(path.lastIndexOf("/") + 1)).kind !== "plain";
}

/** A member that stands for something gone: BuildKit gives it no permissions, and so no reader takes it for a file of use. */
function markerEntry(path: ByteString, mtime: number): TarEntry {
  return { path, type: "file", mode: 0, uid: 0, gid: 0, size: 0, mtime };
}

/** True if the entry's headers are sure to fit into HEADER_ROOM, so that they can be encoded in place. */
function isModest(entry: TarEntry): boolean {
  return (
    entry.path.length < 1000 && (entry.link === undefined || entry.link.length < 1000) && entry.xattrs === undefined
  );
}

function changed(path: ByteString): NacreError {
  return new NacreError("CONTEXT_CHANGED", `${fromByteString(path)} changed while it was being built`, {
    hint: "build again when nothing writes to the context any more",
    facts: { path },
  });
}
