/**
 * A directory on disk as a context. What comes in: the directory, its ignore rules, what an earlier build knew of it.
 * What goes out: a {@link FileTree} of the files that are included, with content digests, and a digest of any part of it.
 * It promises that a file that did not change since the last build is not read, that one that did is never missed, and
 * that nothing outside the directory is read. Directories are looked at when they are first asked for.
 */
import * as path from "node:path";
import { type ContentReader, pathOf, type TreeNode } from "../layer/fileTree.js";
import type { Digest } from "../oci/digest.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { Context, IgnoredBy } from "./context.js";
import { type Directory, FLAG, namesOf } from "./entryTable.js";
import { type DiskRoot, openRoot } from "./fileSystem.js";
import { S_IFMT, S_IFREG, typeOf } from "./fileTypes.js";
import type { IgnoreRules } from "./ignore.js";
import { createMatcher, decidePath, type IgnoreMatcher } from "./ignoreMatcher.js";
import { LinkGroups } from "./linkGroups.js";
import { LocalDigester } from "./localDigester.js";
import { type FileRow, LocalHasher } from "./localHasher.js";
import { LocalNode, type NodeSource } from "./localNode.js";
import { Pacer } from "./pacer.js";
import { emptyState, Scanner } from "./scanner.js";
import { type CacheIdentity, loadStatCache, saveStatCache } from "./statCache.js";
import type { DigestingTree } from "./treeDigest.js";

export interface LocalContextOptions {
  /** The directory; may be a symlink to one. */
  readonly root: string;
  readonly ignore?: IgnoreRules | undefined;
  /** File of the stat cache (see `statCacheName`); without one every file is read. */
  readonly statCache?: string | undefined;
  /** Milliseconds since 1970. Default: the system's clock, which is also the one that stamps files. */
  readonly clock?: (() => number) | undefined;
  readonly warn?: ((message: string) => void) | undefined;
  /** Called now and then while directories are looked at, with the number of names so far. */
  readonly onProgress?: ((names: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What to run in place of xargs to ask for capabilities; for tests. */
  readonly xargs?: string | undefined;
}

/** What a context holds, as far as it has been looked at. */
export interface ContextStats {
  /** Regular files. */
  readonly files: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Files whose content had to be read. */
  readonly hashed: number;
  readonly hashedBytes: number;
  /** Files whose digest the stat cache knew. */
  readonly fromCache: number;
}

/**
 * Opens a directory as a context. Nothing but the directory itself is looked at before it is asked for.
 * @throws NacreError CONTEXT_UNREADABLE if it is not there or no directory
 */
export async function openLocalContext(options: LocalContextOptions): Promise<LocalContext> {
  const root = openRoot(options.root);
  const clock = options.clock ?? Date.now;
  const identity: CacheIdentity = { root: root.prefix, rules: options.ignore?.digest ?? "" };
  const state = options.statCache === undefined ? undefined : loadStatCache(options.statCache, identity, clock());
  const matcher = options.ignore && options.ignore.patterns.length > 0 ? createMatcher(options.ignore) : undefined;
  const scanner = new Scanner({ root, matcher, state: state ?? emptyState(), clock });
  return new LocalContext(options, { root, identity, matcher, scanner, clock });
}

interface Parts {
  readonly root: DiskRoot;
  readonly identity: CacheIdentity;
  readonly matcher: IgnoreMatcher | undefined;
  readonly scanner: Scanner;
  readonly clock: () => number;
}

type FileVisitor = (directory: Directory, row: number, name: ByteString) => void;

/** A directory on disk, filtered by its ignore rules. */
export class LocalContext implements DigestingTree, Context {
  readonly keepsDigests = true;
  readonly #scanner: Scanner;
  readonly #options: LocalContextOptions;
  readonly #parts: Parts;
  readonly #hasher: LocalHasher;
  readonly #digester: LocalDigester;
  readonly #groups: LinkGroups;
  readonly #source: NodeSource;
  #root: LocalNode;
  #children = new Map<LocalNode, readonly LocalNode[]>();
  #scanned = 0;

  /** @internal Use {@link openLocalContext}. */
  constructor(options: LocalContextOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#scanner = parts.scanner;
    const { root, scanner, clock } = parts;
    const warn = options.warn ?? (() => {});
    this.#hasher = new LocalHasher({ root, scanner, clock, warn, signal: options.signal, xargs: options.xargs });
    this.#groups = new LinkGroups(root, scanner);
    this.#digester = new LocalDigester(scanner, this.#groups);
    this.#source = { table: scanner.table, inodeOf: (row) => this.#inodeOf(row) };
    this.#root = new LocalNode(this.#source, "", undefined, 0);
  }

  get root(): TreeNode {
    return this.#root;
  }

  /** The directory on disk, absolute, as it was asked for. */
  get directory(): string {
    return path.resolve(this.#options.root);
  }

  children(node: TreeNode): readonly TreeNode[] {
    const parent = this.#own(node);
    const known = this.#children.get(parent);
    if (known) return known;
    const directory = this.#scanner.directoryAt(parent.row);
    if (!directory) return [];
    this.#scanner.visit(directory);
    const { table } = this.#scanner;
    const children: LocalNode[] = [];
    for (const [i, name] of namesOf(directory).entries()) {
      const row = directory.first + i;
      if (table.isVisible(row)) children.push(new LocalNode(this.#source, name, parent, row));
    }
    this.#children.set(parent, children);
    return children;
  }

  child(node: TreeNode, name: ByteString): TreeNode | undefined {
    const children = this.children(node);
    let low = 0;
    let high = children.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (children[middle]!.name < name) low = middle + 1;
      else high = middle;
    }
    return children[low]?.name === name ? children[low] : undefined;
  }

  /**
   * Looks at everything below these nodes and reads what is not known of the files among them. Directories may be given
   * in place of the files in them.
   * @throws NacreError CONTEXT_UNREADABLE, CONTEXT_CHANGED if a file is gone, CANCELLED
   */
  async prepare(nodes: readonly TreeNode[], onProgress: (bytes: number) => void = () => {}): Promise<void> {
    await this.#hasher.learn(await this.#unknownFiles(nodes, FLAG.digest | FLAG.capability), onProgress);
  }

  /** Like {@link prepare}, but reads no content: for files that are going to be read anyway (see {@link learn}). */
  async prepareAttributes(nodes: readonly TreeNode[]): Promise<void> {
    await this.#hasher.learnCapabilities(await this.#unknownFiles(nodes, FLAG.capability));
  }

  digest(node: TreeNode): string {
    if (!this.hasDigest(node))
      throw new NacreError("INTERNAL", `the digest of ${fromByteString(pathOf(node))} is not known yet`);
    return this.#scanner.table.digestHex(this.#own(node).row);
  }

  /** True if a file's digest is known without reading it. */
  hasDigest(node: TreeNode): boolean {
    return this.#scanner.table.has(this.#own(node).row, FLAG.digest);
  }

  /**
   * Takes the digest of a file that was read from front to back through {@link open}, so that it need not be read again.
   * @param hex SHA-256 of exactly the bytes that the reader gave, which must be `node.size` many
   */
  learn(node: TreeNode, hex: string): void {
    this.#scanner.table.setDigest(this.#own(node).row, hex);
    this.#scanner.dirty = true;
  }

  open(node: TreeNode): ContentReader {
    return this.#hasher.open(this.#fileRow(this.#own(node)));
  }

  listDigest(node: TreeNode, putList?: (bytes: Uint8Array) => Digest): Digest {
    const { row, name } = this.#own(node);
    return this.#digester.digest(row, name, putList);
  }

  /**
   * Hands over the lists below a node that are not kept yet. A list that is kept stands for all lists below it.
   * @param hasList whether a list is kept
   */
  storeLists(node: TreeNode, hasList: (digest: Digest) => boolean, putList: (bytes: Uint8Array) => Digest): void {
    this.#digester.storeLists(this.#own(node).row, hasList, putList);
  }

  /**
   * Looks at everything below a node and reads what is not known, then gives the digest of its list.
   * @throws as {@link prepare}
   */
  async treeDigestOf(node: TreeNode, putList?: (bytes: Uint8Array) => Digest): Promise<Digest> {
    await this.prepare([node]);
    return this.listDigest(node, putList);
  }

  /** Looks at everything below a node, reading no file. */
  async scan(node: TreeNode = this.root): Promise<void> {
    await this.#walk(this.#scanner.directoryAt(this.#own(node).row), () => {});
  }

  /** What the ignore rules say of a path; the line is that of the pattern which decided. */
  ignoredBy(path: ByteString): IgnoredBy | undefined {
    const { matcher } = this.#parts;
    const ignore = this.#options.ignore;
    if (!matcher || !ignore) return undefined;
    const verdict = decidePath(matcher, path);
    if (!verdict.ignored) return undefined;
    const pattern = ignore.patterns.find(({ line }) => line === verdict.line)?.text ?? "";
    return { ...verdict, file: ignore.file, pattern };
  }

  stats(): ContextStats {
    const { table } = this.#scanner;
    let files = 0;
    let bytes = 0;
    let known = 0;
    for (const directory of this.#scanner.directories) {
      if (!directory || !this.#scanner.isScanned(directory)) continue;
      for (let row = directory.first; row < directory.first + directory.count; row++) {
        if ((table.mode[row]! & S_IFMT) !== S_IFREG) continue;
        files += 1;
        bytes += table.size[row]!;
        if (table.has(row, FLAG.digest)) known += 1;
      }
    }
    const { files: hashed, bytes: hashedBytes } = this.#hasher;
    return { files, bytes, hashed, hashedBytes, fromCache: Math.max(0, known - hashed) };
  }

  /** Forgets what this build has seen, not what it has read: everything is looked at again. Earlier nodes must not be used. */
  reset(): void {
    this.#children = new Map();
    this.#root = new LocalNode(this.#source, "", undefined, 0);
    this.#groups.reset();
    this.#scanner.restart();
  }

  /** Writes the stat cache, if there is one and something has changed. A failure is only a warning: the next build reads more. */
  save(): void {
    const { statCache, warn } = this.#options;
    if (statCache === undefined || !this.#scanner.dirty) return;
    try {
      saveStatCache(statCache, this.#parts.identity, this.#scanner, this.#parts.clock());
      this.#scanner.dirty = false;
    } catch (error) {
      warn?.(`the stat cache cannot be written: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Nothing of a directory is held open. */
  async close(): Promise<void> {}

  #inodeOf(row: number): unknown {
    if (!this.#scanner.table.has(row, FLAG.linked)) return undefined;
    return this.#groups.sharedInode(row);
  }

  async #unknownFiles(nodes: readonly TreeNode[], wanted: number): Promise<FileRow[]> {
    const { table } = this.#scanner;
    const files: FileRow[] = [];
    const add = (directory: Directory, row: number, name: ByteString): void => {
      if ((table.flags[row]! & wanted) !== wanted && typeOf(table.mode[row]!) === "file")
        files.push({ directory, row, name });
    };
    for (const node of nodes) {
      const own = this.#own(node);
      const directory = this.#scanner.directoryAt(own.row);
      if (directory) await this.#walk(directory, add);
      else if (own.parent) add(this.#directoryOf(own), own.row, own.name);
    }
    return files;
  }

  async #walk(top: Directory | undefined, visit: FileVisitor): Promise<void> {
    const pacer = new Pacer(this.#options.signal);
    const { table } = this.#scanner;
    const todo = top ? [top] : [];
    for (let directory = todo.pop(); directory; directory = todo.pop()) {
      if (!this.#scanner.isScanned(directory)) this.#scanned += directory.count;
      this.#scanner.visit(directory);
      const names = namesOf(directory);
      for (let i = names.length - 1; i >= 0; i--) {
        const row = directory.first + i;
        if (!table.isVisible(row)) continue;
        const below = this.#scanner.directoryAt(row);
        if (below) todo.push(below);
        else visit(directory, row, names[i]!);
      }
      if (!pacer.isDue()) continue;
      this.#options.onProgress?.(this.#scanned);
      await pacer.pause();
    }
  }

  #fileRow(node: LocalNode): FileRow {
    return { directory: this.#directoryOf(node), row: node.row, name: node.name };
  }

  #directoryOf(node: LocalNode): Directory {
    return this.#scanner.directoryAt(node.parent!.row)!;
  }

  #own(node: TreeNode): LocalNode {
    if (node instanceof LocalNode) return node;
    throw new TypeError("the node is of another tree");
  }
}
