/** Makes known what a scan leaves open: the content digests and capabilities of files that the stat cache does not know. */
import * as fs from "node:fs";
import type { ContentReader } from "../layer/fileTree.js";
import type { ByteString } from "../support/bytes.js";
import { CAPABILITY, type CapabilityAnswer, readCapabilities } from "./capabilities.js";
import {
  CHUNK,
  descriptorReader,
  EMPTY_DIGEST,
  EMPTY_READER,
  type HashedContent,
  hashLarge,
  hashSmall,
} from "./contentReader.js";
import { type Directory, FLAG, forgetTree } from "./entryTable.js";
import { changed, type DiskRoot, type OpenFile, openRegular, unreadable } from "./fileSystem.js";
import { S_IFMT, S_IFREG } from "./fileTypes.js";
import { Pacer } from "./pacer.js";
import { join, type Scanner } from "./scanner.js";

/** One file of the scan. */
export interface FileRow {
  readonly directory: Directory;
  readonly row: number;
  readonly name: ByteString;
}

/** Files up to this size are read whole and hashed at once. */
const SMALL = 1 << 20;

/** How often a file that changes while it is read is read again. */
const MAX_READS = 5;

export interface LocalHasherOptions {
  readonly root: DiskRoot;
  readonly scanner: Scanner;
  readonly clock: () => number;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal | undefined;
  /** What to run in place of xargs; for tests. */
  readonly xargs?: string | undefined;
}

export class LocalHasher {
  /** Files and bytes that had to be read. */
  files = 0;
  bytes = 0;
  readonly #options: LocalHasherOptions;
  readonly #buffer = Buffer.allocUnsafe(SMALL);
  #warned = false;

  constructor(options: LocalHasherOptions) {
    this.#options = options;
  }

  /**
   * Reads what is not known of these files; hashing and asking for capabilities go on at the same time.
   * @throws NacreError CONTEXT_UNREADABLE, CONTEXT_CHANGED, CANCELLED
   */
  async learn(files: readonly FileRow[], onProgress: (bytes: number) => void): Promise<void> {
    const { table } = this.#options.scanner;
    const [, answer] = await Promise.all([
      this.#hashAll(
        files.filter(({ row }) => !table.has(row, FLAG.digest)),
        onProgress,
      ),
      this.#askCapabilities(files.filter(({ row }) => !table.has(row, FLAG.capability))),
    ]);
    this.#storeCapabilities(answer);
  }

  /** Asks for capabilities alone. */
  async learnCapabilities(files: readonly FileRow[]): Promise<void> {
    const { table } = this.#options.scanner;
    this.#storeCapabilities(await this.#askCapabilities(files.filter(({ row }) => !table.has(row, FLAG.capability))));
  }

  /**
   * Opens a file that the scan has seen.
   * @throws NacreError CONTEXT_CHANGED if it is not the same file any more, CONTEXT_UNREADABLE
   */
  open(file: FileRow): ContentReader {
    const { table } = this.#options.scanner;
    if ((table.mode[file.row]! & S_IFMT) !== S_IFREG) return EMPTY_READER;
    const path = join(file.directory.path, file.name);
    const open = this.#open(path);
    if (open && table.isSame(file.row, open.stat)) return descriptorReader(open.descriptor);
    if (open) fs.closeSync(open.descriptor);
    throw changed(this.#options.root, path);
  }

  async #hashAll(files: readonly FileRow[], onProgress: (bytes: number) => void): Promise<void> {
    const pacer = new Pacer(this.#options.signal);
    for (const file of files) {
      if (pacer.isDue()) await pacer.pause();
      const { table } = this.#options.scanner;
      if ((table.mode[file.row]! & S_IFMT) !== S_IFREG) table.setDigest(file.row, EMPTY_DIGEST);
      else await this.#hashFile(file, pacer, onProgress);
      this.#options.scanner.dirty = true;
    }
  }

  async #hashFile(file: FileRow, pacer: Pacer, onProgress: (bytes: number) => void): Promise<void> {
    const { table } = this.#options.scanner;
    const path = join(file.directory.path, file.name);
    for (let attempt = 1; attempt <= MAX_READS; attempt++) {
      const now = this.#options.clock();
      const open = this.#open(path);
      if (!open) throw changed(this.#options.root, path);
      try {
        if (!table.isSame(file.row, open.stat))
          this.#options.scanner.update(file.directory, file.row, file.name, open.stat, now);
        const small = open.stat.size <= SMALL;
        const content = small
          ? hashSmall(open.descriptor, open.stat.size, this.#buffer)
          : await hashLarge(open.descriptor, open.stat.size, this.#buffer.subarray(0, CHUNK), pacer, onProgress);
        if (content.bytes !== open.stat.size) continue;
        if (small) onProgress(content.bytes);
        this.#store(file, content);
        return;
      } catch (error) {
        throw unreadable("reading", this.#options.root, path, error);
      } finally {
        fs.closeSync(open.descriptor);
      }
    }
    throw changed(this.#options.root, path);
  }

  #store(file: FileRow, content: HashedContent): void {
    this.#options.scanner.table.setDigest(file.row, content.hex);
    this.files += 1;
    this.bytes += content.bytes;
  }

  #open(path: ByteString): OpenFile | undefined {
    try {
      return openRegular(this.#options.root, path);
    } catch (error) {
      throw unreadable("opening", this.#options.root, path, error);
    }
  }

  async #askCapabilities(files: readonly FileRow[]): Promise<{ files: readonly FileRow[]; answer: CapabilityAnswer }> {
    // Only regular files can have one. Sorted out here, so that a context of links starts no process.
    const { scanner, root, signal, xargs } = this.#options;
    const regular = files.filter(({ row }) => (scanner.table.mode[row]! & S_IFMT) === S_IFREG);
    const paths = regular.map(({ directory, name }) => join(directory.path, name));
    return { files, answer: await readCapabilities(root, paths, signal, xargs) };
  }

  #storeCapabilities({ files, answer }: { files: readonly FileRow[]; answer: CapabilityAnswer }): void {
    const { scanner } = this.#options;
    const { table } = scanner;
    if (!answer.known) {
      if (!this.#warned)
        this.#options.warn(`file capabilities (${CAPABILITY}) of the build context are left out: ${answer.why}`);
      this.#warned = true;
      return;
    }
    for (const { directory, row, name } of files) {
      table.flags[row]! |= FLAG.capability;
      scanner.dirty = true;
      const value = answer.values.size === 0 ? undefined : answer.values.get(join(directory.path, name));
      if (value === undefined) continue;
      table.capabilities.set(row, value);
      forgetTree(directory);
    }
  }
}
