/**
 * From an overlay to a layer: streams its entries, sorted, into a tar. Contents come from their files, or, where the
 * step's last layer holds the same content, from there (splicing): the bytes are the same, only cheaper to get.
 */

import { CAPABILITY } from "../context/capabilities.js";
import type { ContentReader } from "../layer/fileTree.js";
import { type LayerContent, readRange } from "../layer/layerContent.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { LayerWriter } from "../layer/layerWriter.js";
import type { ByteString } from "../support/bytes.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { TarEntry } from "../tar/entry.js";
import type { OutContent, OutMeta, OutTree } from "./outTree.js";

/** The layer that this step made last time, whose contents can be used again. */
export interface PreviousLayer {
  readonly index: LayerIndex;
  readonly content: LayerContent;
}

/** How a layer is written. */
export interface WriteOptions {
  readonly previous?: PreviousLayer | undefined;
  /** Every mtime is this one (whole seconds), for reproducible layers. */
  readonly mtime?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** How long the event loop may wait: progress and signals are served in between. */
const SLICE_MS = 40;
/** From this size on a file is written in slices: below it even a slow disk is done in time. */
const LARGE = 4 << 20;

/**
 * Writes all entries.
 * @throws NacreError CONTEXT_CHANGED if a file is no longer what it was keyed as; CONTENT_INVALID if the previous
 *   layer is damaged (then it works without)
 */
export async function writeEntries(out: OutTree, writer: LayerWriter, options: WriteOptions): Promise<void> {
  const splicer = options.previous ? new Splicer(options.previous) : undefined;
  const firstNames = new Map<unknown, ByteString>();
  const pace = new Pace(options);
  for (const [path, meta] of out.entries()) {
    const unfinished = writeEntry(path, meta, writer, firstNames, splicer, options.mtime, pace);
    if (unfinished !== undefined) await unfinished;
    pace.bytes += meta.content?.size ?? 0;
    if (pace.isDue()) await pace.pause(0);
  }
  options.onProgress?.(pace.bytes);
}

/** Lets progress be shown and signals be heard in between. */
class Pace {
  /** Bytes of the contents that are written. */
  bytes = 0;
  readonly #options: WriteOptions;
  #sliceStart = performance.now();

  constructor(options: WriteOptions) {
    this.#options = options;
  }

  isDue(): boolean {
    return performance.now() - this.#sliceStart >= SLICE_MS;
  }

  /** @param more bytes of the file that is being written */
  async pause(more: number): Promise<void> {
    this.#options.onProgress?.(this.bytes + more);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#options.signal?.aborted) throw new NacreError("CANCELLED", "the build was cancelled");
    this.#sliceStart = performance.now();
  }
}

/** @returns a promise for a file that takes long */
function writeEntry(
  path: ByteString,
  meta: OutMeta,
  writer: LayerWriter,
  firstNames: Map<unknown, ByteString>,
  splicer: Splicer | undefined,
  mtime: number | undefined,
  pace: Pace,
): Promise<void> | undefined {
  const first = meta.inode === undefined ? undefined : firstNames.get(meta.inode);
  const entry = entryOf(path, meta, first, mtime);
  let unfinished: Promise<void> | undefined;
  if (first !== undefined || meta.content === undefined) writer.add(entry);
  else unfinished = addContent(writer, entry, meta.content, splicer, pace);
  if (first === undefined && meta.inode !== undefined) {
    firstNames.set(meta.inode, path);
    writer.share(path);
  }
  return unfinished;
}

/** One shape for all entries: there may be a million of them. */
function entryOf(path: ByteString, meta: OutMeta, first: ByteString | undefined, mtime: number | undefined): TarEntry {
  const linked = first !== undefined;
  return {
    path,
    type: linked ? "hardlink" : meta.type,
    // Whatever a source says, symlinks have no mode of their own.
    mode: meta.type === "symlink" ? 0o777 : meta.mode,
    uid: meta.uid,
    gid: meta.gid,
    size: linked ? 0 : (meta.content?.size ?? 0),
    mtime: mtime ?? meta.mtime,
    link: first ?? meta.link,
    devMajor: meta.devMajor,
    devMinor: meta.devMinor,
    xattrs: linked || meta.xattrs === undefined ? undefined : keptXattrs(meta.xattrs),
  };
}

/** Of all extended attributes only file capabilities reach a layer (BuildKit). */
function keptXattrs(xattrs: Readonly<Record<string, ByteString>>): Readonly<Record<string, ByteString>> | undefined {
  const value = xattrs[CAPABILITY];
  return value === undefined ? undefined : { [CAPABILITY]: value };
}

function addContent(
  writer: LayerWriter,
  entry: TarEntry,
  content: OutContent,
  splicer: Splicer | undefined,
  pace: Pace,
): Promise<void> | undefined {
  if (entry.size >= LARGE) return addLarge(writer, entry, content, splicer, pace);
  if (entry.size === 0) {
    writer.add(entry);
    return undefined;
  }
  const { digest } = content;
  const spliced = digest === undefined ? undefined : splicer?.find(entry.path, digest, entry.size);
  const reader = spliced ?? content.open();
  try {
    const found = writer.addFile(entry, reader, digest);
    if (digest === undefined) content.learn?.(found);
  } catch (error) {
    throw spliced ? ofPrevious(error) : error;
  } finally {
    reader.close();
  }
  return undefined;
}

/** The same for a file that takes long. */
async function addLarge(
  writer: LayerWriter,
  entry: TarEntry,
  content: OutContent,
  splicer: Splicer | undefined,
  pace: Pace,
): Promise<void> {
  const { digest } = content;
  const spliced = digest === undefined ? undefined : splicer?.find(entry.path, digest, entry.size);
  const reader = spliced ?? content.open();
  const pause = (bytes: number) => (pace.isDue() ? pace.pause(bytes) : undefined);
  try {
    const found = await writer.addLargeFile(entry, reader, digest, pause);
    if (digest === undefined) content.learn?.(found);
  } catch (error) {
    throw spliced ? ofPrevious(error) : error;
  } finally {
    reader.close();
  }
}

/** A content of the previous layer that is not what its index says. */
function ofPrevious(error: unknown): unknown {
  if (!isNacreError(error) || error.code !== "CONTEXT_CHANGED") return error;
  return new NacreError("CONTENT_INVALID", "a layer in the store is damaged", {
    hint: "find out which with: nacre check",
    cause: error,
  });
}

/** Finds contents in the previous layer. Entries mostly come in its order, so the next one is tried first. */
class Splicer {
  readonly #index: LayerIndex;
  readonly #content: LayerContent;
  #next = 1;

  constructor(previous: PreviousLayer) {
    this.#index = previous.index;
    this.#content = previous.content;
  }

  find(path: ByteString, digest: string, size: number): ContentReader | undefined {
    const index = this.#index;
    const { sizes } = index.columns;
    while (this.#next < index.count && !(sizes[this.#next]! > 0)) this.#next++;
    let entry = this.#next;
    if (entry >= index.count || !this.#holds(entry, digest, size)) {
      entry = index.find(path);
      if (entry < 0 || !this.#holds(entry, digest, size)) return undefined;
    }
    this.#next = entry + 1;
    return readRange(this.#content, index.contentOffset(entry), size);
  }

  #holds(entry: number, digest: string, size: number): boolean {
    const { columns } = this.#index;
    return (
      columns.contentOffsets[entry]! >= 0 && columns.sizes[entry] === size && this.#index.digestHex(entry) === digest
    );
  }
}
