/**
 * From an overlay to a layer: streams its entries, sorted, into a tar. Contents come from their files, or, where the
 * step's last layer holds the same content, from there (splicing): the bytes are the same, only cheaper to get.
 */

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

const CAPABILITY = "security.capability";
/** How long the event loop may wait: progress and signals are served in between. */
const SLICE_MS = 40;

/**
 * Writes all entries.
 * @throws NacreError CONTEXT_CHANGED if a file is no longer what it was keyed as; CONTENT_INVALID if the previous
 *   layer is damaged (then it works without)
 */
export async function writeEntries(out: OutTree, writer: LayerWriter, options: WriteOptions): Promise<void> {
  const splicer = options.previous ? new Splicer(options.previous) : undefined;
  const firstNames = new Map<unknown, ByteString>();
  let bytes = 0;
  let sliceStart = performance.now();
  for (const [path, meta] of out.entries()) {
    writeEntry(path, meta, writer, firstNames, splicer, options.mtime);
    bytes += meta.content?.size ?? 0;
    if (performance.now() - sliceStart < SLICE_MS) continue;
    options.onProgress?.(bytes);
    await new Promise((resolve) => setImmediate(resolve));
    if (options.signal?.aborted) throw new NacreError("CANCELLED", "the build was cancelled");
    sliceStart = performance.now();
  }
  options.onProgress?.(bytes);
}

function writeEntry(
  path: ByteString,
  meta: OutMeta,
  writer: LayerWriter,
  firstNames: Map<unknown, ByteString>,
  splicer: Splicer | undefined,
  mtime: number | undefined,
): void {
  const first = meta.inode === undefined ? undefined : firstNames.get(meta.inode);
  const entry = entryOf(path, meta, first, mtime);
  if (first !== undefined || meta.content === undefined) writer.add(entry);
  else addContent(writer, entry, meta.content, splicer);
  if (first === undefined && meta.inode !== undefined) {
    firstNames.set(meta.inode, path);
    writer.share(path);
  }
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

function addContent(writer: LayerWriter, entry: TarEntry, content: OutContent, splicer: Splicer | undefined): void {
  if (entry.size === 0) {
    writer.add(entry);
    return;
  }
  const { digest } = content;
  const spliced = digest === undefined ? undefined : splicer?.find(entry.path, digest, entry.size);
  if (spliced) {
    addSpliced(writer, entry, spliced, digest);
    return;
  }
  const reader = content.open();
  try {
    const found = writer.addFile(entry, reader, digest);
    if (digest === undefined) content.learn?.(found);
  } finally {
    reader.close();
  }
}

function addSpliced(writer: LayerWriter, entry: TarEntry, reader: ContentReader, digest: string | undefined): void {
  try {
    writer.addFile(entry, reader, digest);
  } catch (error) {
    if (isNacreError(error) && error.code === "CONTEXT_CHANGED") throw damagedPrevious(error);
    throw error;
  }
}

function damagedPrevious(cause: unknown): NacreError {
  return new NacreError("CONTENT_INVALID", "a layer in the store is damaged", {
    hint: "find out which with: nacre check",
    cause,
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
