/** Writing the members of an unpacked layer as a tar stream; each content is hashed as it passes. */
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { createHasher, sha256Hex } from "../support/hash.js";
import type { TarEntry } from "../tar/entry.js";
import { END_OF_ARCHIVE, encodeHeaderInto, headerLength, paddingOf } from "../tar/write.js";
import type { ContentReader } from "./fileTree.js";
import type { UnpackEntry } from "./unpack.js";

/** Bytes given to the sink at a time. */
const CHUNK_BYTES = 1 << 20;
/** Entries after which what is waiting is written even if it is little, so that other work gets its turn. */
const ENTRIES_PER_TURN = 2048;
/** Room for the headers of a member without long names or attributes: three blocks at most. */
const MODEST_HEADER = 1536;

/** Takes bytes; they may be used again once the promise is fulfilled. */
export type UnpackSink = (bytes: Buffer) => Promise<void>;

/**
 * Writes a tar of the members. Memory does not grow with their number or size.
 * @param onProgress told how many bytes have been given to the sink since it was told last
 * @throws NacreError CONTENT_INVALID if a content is not what its index says; whatever the sink throws
 */
export async function writeUnpackTar(
  entries: Iterable<UnpackEntry>,
  sink: UnpackSink,
  onProgress: (bytes: number) => void = () => {},
): Promise<void> {
  const out = new DoubleBuffer(sink, onProgress);
  let sinceTurn = 0;
  for (const one of entries) {
    await writeHeader(out, one.entry);
    if (one.open && one.entry.size > 0) await writeContent(out, one, one.open());
    if (++sinceTurn < ENTRIES_PER_TURN) continue;
    sinceTurn = 0;
    await out.flush();
  }
  await out.reserve(END_OF_ARCHIVE.length);
  out.put(END_OF_ARCHIVE);
  await out.end();
}

async function writeHeader(out: DoubleBuffer, entry: TarEntry): Promise<void> {
  const isModest = entry.xattrs === undefined && entry.path.length < 100 && (entry.link?.length ?? 0) < 100;
  const length = isModest ? MODEST_HEADER : headerLength(entry);
  if (length <= CHUNK_BYTES) {
    if (out.room < length) await out.reserve(length);
    out.at = encodeHeaderInto(entry, out.chunk, out.at);
    return;
  }
  const header = Buffer.allocUnsafe(length);
  const end = encodeHeaderInto(entry, header, 0);
  for (let from = 0; from < end; ) {
    if (out.room === 0) await out.reserve(1);
    from += out.put(header.subarray(from, end));
  }
}

async function writeContent(out: DoubleBuffer, { entry, digest }: UnpackEntry, reader: ContentReader): Promise<void> {
  try {
    const actual =
      entry.size <= CHUNK_BYTES ? await writeWhole(out, entry, reader) : await writePieces(out, entry, reader);
    if (digest !== undefined && actual !== digest) throw damaged(entry.path, "has another content");
  } finally {
    reader.close();
  }
  const padding = paddingOf(entry.size);
  if (out.room < padding) await out.reserve(padding);
  out.chunk.fill(0, out.at, out.at + padding);
  out.at += padding;
}

/** What fits into a chunk is hashed in one call. */
async function writeWhole(out: DoubleBuffer, { path, size }: TarEntry, reader: ContentReader): Promise<string> {
  if (out.room < size) await out.reserve(size);
  const start = out.at;
  while (out.at < start + size) out.at += readSome(reader, out, start + size - out.at, path);
  return sha256Hex(out.chunk.subarray(start, out.at));
}

async function writePieces(out: DoubleBuffer, { path, size }: TarEntry, reader: ContentReader): Promise<string> {
  const hash = createHasher();
  for (let left = size; left > 0; ) {
    if (out.room === 0) await out.reserve(1);
    const got = readSome(reader, out, Math.min(left, out.room), path);
    hash.update(out.chunk.subarray(out.at, out.at + got));
    out.at += got;
    left -= got;
  }
  return hash.hex();
}

function readSome(reader: ContentReader, out: DoubleBuffer, length: number, path: ByteString): number {
  const got = reader.read(out.chunk, out.at, length);
  if (got === 0) throw damaged(path, "is cut short");
  return got;
}

/** One buffer is filled while the other is written. */
class DoubleBuffer {
  chunk: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  at = 0;
  #other: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #writing: Promise<void> = Promise.resolve();
  readonly #sink: UnpackSink;
  readonly #onProgress: (bytes: number) => void;

  constructor(sink: UnpackSink, onProgress: (bytes: number) => void) {
    this.#sink = sink;
    this.#onProgress = onProgress;
  }

  get room(): number {
    return CHUNK_BYTES - this.at;
  }

  /** Copies what fits. @returns how many bytes that was */
  put(bytes: Buffer): number {
    const taken = bytes.copy(this.chunk, this.at);
    this.at += taken;
    return taken;
  }

  /** Makes room for so many bytes, at most a chunk. */
  async reserve(length: number): Promise<void> {
    if (this.room < length) await this.flush();
  }

  /** Hands over what is there, once the last handful is through. */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.at === 0) return;
    const [bytes, full] = [this.chunk.subarray(0, this.at), this.chunk];
    this.#writing = this.#sink(bytes);
    // Whoever waits for it next hears of a failure.
    this.#writing.catch(() => {});
    this.#onProgress(bytes.length);
    this.chunk = this.#other;
    this.#other = full;
    this.at = 0;
  }

  async end(): Promise<void> {
    await this.flush();
    await this.#writing;
  }
}

function damaged(path: ByteString, how: string): NacreError {
  return new NacreError("CONTENT_INVALID", `${fromByteString(path)} ${how} in the store`, {
    hint: "find what else is damaged with: nacre check",
  });
}
