/**
 * From changes to a layer: streams them, in order, into a tar. Names that are gone become whiteouts where the names
 * themselves would stand; further names of an inode become hard links to its first one.
 */
import { type ByteString, fromByteString } from "../support/bytes.js";
import { isNacreError, NacreError } from "../support/errors.js";
import type { TarEntry } from "../tar/entry.js";
import type { Change, PresentChange } from "./changes.js";
import type { LayerWriter } from "./layerWriter.js";
import { Pace } from "./pace.js";

/** How a layer is written. */
export interface WriteChangesOptions {
  /** Every mtime is this one (whole seconds), for reproducible layers. */
  readonly mtime?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of contents that are written. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** From this size on a file is written in slices: below it even a slow disk is done in time. */
const LARGE = 4 << 20;

/** Whiteouts have no time of their own: none but this is the same on every machine. */
const WHITEOUT_MTIME = 0;

/**
 * Writes all changes; the caller finishes or aborts the writer. The root itself is not written, whatever is said of it:
 * it belongs to whoever mounts it (BuildKit leaves it out as well).
 * @param changes in the order of a layer's index
 * @throws NacreError CONTENT_INVALID if a file has become shorter than its change says; CANCELLED; what opening throws
 */
export async function writeChanges(
  changes: Iterable<Change>,
  writer: LayerWriter,
  options: WriteChangesOptions = {},
): Promise<void> {
  const run = new Run(writer, options);
  for (const change of changes) {
    const unfinished = run.take(change);
    if (unfinished !== undefined) await unfinished;
    const rest = run.rest();
    if (rest !== undefined) await rest;
  }
  options.onProgress?.(run.bytes);
}

class Run {
  /** Bytes of the contents that are written. */
  bytes = 0;
  readonly #writer: LayerWriter;
  readonly #options: WriteChangesOptions;
  readonly #firstNames = new Map<string, ByteString>();
  readonly #pace: Pace;

  constructor(writer: LayerWriter, options: WriteChangesOptions) {
    this.#writer = writer;
    this.#options = options;
    this.#pace = new Pace(options.signal);
  }

  /** @returns a promise for a file that takes long */
  take(change: Change): Promise<void> | undefined {
    if (change.path === "") return undefined;
    if (change.kind === "present") return this.#present(change);
    this.#writer.addWhiteout(change.path, this.#options.mtime ?? WHITEOUT_MTIME);
    return undefined;
  }

  /** Lets progress be shown and signals be heard, if it is time. */
  rest(more = 0): Promise<void> | undefined {
    if (!this.#pace.isDue()) return undefined;
    this.#options.onProgress?.(this.bytes + more);
    return this.#pace.pause();
  }

  #present(change: PresentChange): Promise<void> | undefined {
    const { path, inode } = change;
    const first = inode === undefined ? undefined : this.#firstNames.get(inode);
    const entry = entryOf(change, first, this.#options.mtime);
    if (first !== undefined) {
      this.#writer.add(entry);
      return undefined;
    }
    const unfinished = this.#first(change, entry);
    if (inode !== undefined) {
      this.#firstNames.set(inode, path);
      this.#writer.share(path);
    }
    return unfinished;
  }

  #first(change: PresentChange, entry: TarEntry): Promise<void> | undefined {
    if (entry.size > 0) return this.#content(change, entry);
    this.#writer.add(entry);
    if (change.type === "dir" && change.opaque) {
      this.#writer.addOpaque(change.path, this.#options.mtime ?? WHITEOUT_MTIME);
    }
    return undefined;
  }

  #content(change: PresentChange, entry: TarEntry): Promise<void> | undefined {
    if (change.open === undefined) throw new NacreError("INTERNAL", `${fromByteString(change.path)} has no content`);
    if (entry.size >= LARGE) return this.#large(change.open, entry);
    const reader = change.open();
    try {
      this.#writer.addFile(entry, reader, undefined);
    } catch (error) {
      throw asChanged(error);
    } finally {
      reader.close();
    }
    this.bytes += entry.size;
    return undefined;
  }

  async #large(open: NonNullable<PresentChange["open"]>, entry: TarEntry): Promise<void> {
    const reader = open();
    try {
      await this.#writer.addLargeFile(entry, reader, undefined, (bytes) => this.rest(bytes));
    } catch (error) {
      throw asChanged(error);
    } finally {
      reader.close();
    }
    this.bytes += entry.size;
  }
}

/** One shape for all entries: there may be a million of them. */
function entryOf(change: PresentChange, first: ByteString | undefined, mtime: number | undefined): TarEntry {
  const linked = first !== undefined;
  return {
    path: change.path,
    type: linked ? "hardlink" : change.type,
    // Whatever the system says, symlinks have no mode of their own.
    mode: change.type === "symlink" ? 0o777 : change.mode,
    uid: change.uid,
    gid: change.gid,
    size: linked || change.type !== "file" ? 0 : change.size,
    mtime: mtime ?? change.mtime,
    link: first ?? change.link,
    devMajor: linked ? undefined : change.devMajor,
    devMinor: linked ? undefined : change.devMinor,
    xattrs: linked || change.xattrs === undefined ? undefined : sorted(change.xattrs),
  };
}

/** In the order in which they stand in the tar, so that the index is the one that the tar gives. */
function sorted(xattrs: Readonly<Record<string, ByteString>>): Readonly<Record<string, ByteString>> | undefined {
  const entries = Object.entries(xattrs);
  if (entries.length === 0) return undefined;
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The writer speaks of a build context, which this is not. */
function asChanged(error: unknown): unknown {
  if (!isNacreError(error) || error.code !== "CONTEXT_CHANGED") return error;
  return new NacreError("CONTENT_INVALID", error.message, {
    hint: "a process is still writing to the files that the layer is made of; build again",
    facts: error.facts,
    cause: error,
  });
}
