/**
 * Making a layer's index: members of a tar go in, in the order in which they stand there, and a sorted tree comes out.
 * The rules are those of an extraction (containerd's apply): a later member replaces an earlier one of its name, a
 * directory over a directory only changes its metadata, a member below a symlink goes where the link leads, inside
 * the root; whiteouts act on lower layers only, never on members of their own layer.
 */
import { getHeapStatistics } from "node:v8";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { TarEntry } from "../tar/entry.js";
import type { SparseSegment } from "../tar/sparse.js";
import { cleanPath, components, MAX_LINKS } from "./fileTree.js";
import { DraftTree } from "./indexDraft.js";
import { layOut } from "./indexLayout.js";
import { FLAG_IMPLIED, FLAG_OPAQUE, type IndexType, LayerIndex } from "./layerIndex.js";
import { meaningOf } from "./whiteout.js";

/**
 * About what a member costs on the heap until its index is written, if it is of the dearest kind: a hard link. Small files
 * cost nothing there, and some 350 bytes beside it.
 */
const BYTES_PER_ENTRY = 600;

/** As many members as three quarters of the heap hold: a layer with more is refused instead of ending the process. */
function affordableEntries(): number {
  return Math.floor((getHeapStatistics().heap_size_limit * 0.75) / BYTES_PER_ENTRY);
}

const PLAIN = { kind: "plain" } as const;
const ROOT = 0;

/** Collects members; see the top of this file. */
export class IndexBuilder {
  readonly #tree = new DraftTree();
  readonly #files: Record<ByteString, ByteString> = {};
  #lastParentPath = "";
  #lastParent = ROOT;
  /** How many entries had been replaced when the last parent was known to be there. */
  #lastReplacements = 0;
  /** The file added last, if it was one. */
  #current: number | undefined;
  readonly #whiteouts: boolean;
  readonly #maxEntries: number;
  #entries = 0;

  /** @param options `whiteouts: false` for archives that are no layers: there `.wh.` names are plain files */
  constructor(options: { readonly whiteouts?: boolean; readonly maxEntries?: number } = {}) {
    this.#whiteouts = options.whiteouts ?? true;
    this.#maxEntries = options.maxEntries ?? affordableEntries();
  }

  /**
   * Adds a member. `path` and `link` need not be clean.
   * @param headerOffset where its first header block stands in the uncompressed tar
   * @param contentOffset where its content stands
   * @param sparse for a sparse file, its stretches of data
   * @throws NacreError TAR_INVALID where no file system could hold it; LIMIT_EXCEEDED
   */
  add(entry: TarEntry, headerOffset: number, contentOffset: number, sparse?: readonly SparseSegment[]): void {
    if (++this.#entries > this.#maxEntries) throw tooManyEntries(this.#maxEntries);
    this.#add(cleanPath(entry.path), entry, headerOffset, contentOffset);
    if (sparse && this.#current !== undefined) this.#tree.sparse.set(this.#current, sparse);
  }

  /** Tells the digest (64 hex digits) of the content of the file added last; nothing happens for other members. */
  setDigest(digest: string): void {
    if (this.#current !== undefined) this.#tree.setDigest(this.#current, digest);
  }

  /** Keeps a small file's content in the index itself. */
  keepFile(path: ByteString, content: ByteString): void {
    this.#files[cleanPath(path)] = content;
  }

  /** The type of what members have put at a clean path so far; undefined for what is not there, removed or only implied. */
  listed(path: ByteString): IndexType | undefined {
    const node = this.#find(path);
    if (node === undefined) return undefined;
    const type = this.#tree.type(node);
    return type === "whiteout" || (this.#tree.columns.flags[node]! & FLAG_IMPLIED) !== 0 ? undefined : type;
  }

  /**
   * The index; the builder is of no more use then, because its memory has become that of the index.
   * @param tarSize bytes of the whole uncompressed tar
   */
  finish(tarSize: number): LayerIndex {
    return new LayerIndex(layOut(this.#tree, tarSize, this.#files));
  }

  #add(path: ByteString, entry: TarEntry, headerOffset: number, contentOffset: number): void {
    this.#current = undefined;
    if (path === "") {
      if (entry.type === "dir") this.#describe(ROOT, entry, headerOffset);
      else throw invalid(entry, "the root can only be a directory");
      return;
    }
    const slash = path.lastIndexOf("/");
    const parent = this.#parentAt(slash < 0 ? "" : path.slice(0, slash), entry);
    const name = slash < 0 ? path : path.slice(slash + 1);
    const meaning = this.#whiteouts ? meaningOf(name) : PLAIN;
    switch (meaning.kind) {
      case "plain":
        this.#addMember(parent, name, entry, headerOffset, contentOffset);
        return;
      case "whiteout":
        this.#addWhiteout(parent, meaning.name, entry, headerOffset);
        return;
      case "opaque":
        this.#tree.columns.flags[parent]! |= FLAG_OPAQUE;
        return;
      case "reserved":
        return;
      case "invalid":
        throw invalid(entry, "it is a whiteout of no name");
    }
  }

  #addMember(parent: number, name: ByteString, entry: TarEntry, headerOffset: number, contentOffset: number): void {
    const tree = this.#tree;
    const old = tree.names.find(parent, name);
    if (entry.type === "hardlink") {
      this.#addHardLink(parent, name, old, entry, headerOffset);
      return;
    }
    const oldType = old === undefined ? undefined : tree.type(old);
    if (entry.type === "dir" && (oldType === "dir" || oldType === "whiteout")) {
      // What the whiteout of this name said stays true for a directory that takes its place; anything else replaces by itself.
      if (oldType === "whiteout") tree.columns.flags[old!]! |= FLAG_OPAQUE;
      tree.setType(old!, "dir");
      this.#describe(old!, entry, headerOffset);
      return;
    }
    const node = tree.put(parent, name, entry.type, 0, old);
    this.#describe(node, entry, headerOffset);
    if (entry.type !== "file") return;
    tree.columns.sizes[node] = entry.size;
    tree.columns.contentOffsets[node] = contentOffset;
    this.#current = node;
  }

  /** Later changes of the target's name do not change what the link leads to, so the inode is shared here and now. */
  #addHardLink(parent: number, name: ByteString, old: number | undefined, entry: TarEntry, headerOffset: number): void {
    const tree = this.#tree;
    const link = cleanPath(entry.link ?? "");
    const target = this.#find(link);
    if (target !== undefined && target === old) throw invalid(entry, "it is a hard link to itself");
    if (target !== undefined && tree.isDirectory(target)) throw invalid(entry, "it is a hard link to a directory");
    const node = tree.put(parent, name, "hardlink", 0, old);
    this.#describe(node, entry, headerOffset);
    tree.links.set(node, link);
    if (target === undefined || tree.type(target) === "whiteout") return;
    for (const key of ["modes", "uids", "gids", "mtimes"] as const)
      tree.columns[key][node] = tree.columns[key][target]!;
    setOrDelete(tree.xattrs, node, tree.xattrs.get(target));
    setOrDelete(tree.devices, node, tree.devices.get(target));
    const type = tree.type(target);
    if (type === "file") this.#shareContent(node, target, target);
    else if (type === "hardlink") {
      const first = tree.firsts.get(target);
      if (first !== undefined) this.#shareContent(node, target, first);
    } else {
      tree.setType(node, type);
      setOrDelete(tree.links, node, tree.links.get(target));
    }
  }

  #shareContent(node: number, target: number, first: number): void {
    const { columns, links, sparse, firsts } = this.#tree;
    for (const key of ["sizes", "contentOffsets", "digestSlots"] as const) columns[key][node] = columns[key][target]!;
    setOrDelete(sparse, node, sparse.get(target));
    firsts.set(node, first);
    // The target is the first name itself, for most: its path need not be kept as well.
    if (target === first) links.delete(node);
  }

  #addWhiteout(parent: number, name: ByteString, entry: TarEntry, headerOffset: number): void {
    const tree = this.#tree;
    const old = tree.names.find(parent, name);
    if (old !== undefined) {
      if (tree.isDirectory(old)) tree.columns.flags[old]! |= FLAG_OPAQUE;
      return;
    }
    const node = tree.put(parent, name, "whiteout", 0, undefined);
    tree.columns.headerOffsets[node] = headerOffset;
    tree.columns.mtimes[node] = entry.mtime;
  }

  #describe(node: number, entry: TarEntry, headerOffset: number): void {
    const { columns, links, xattrs, devices } = this.#tree;
    columns.modes[node] = entry.mode & 0o7777;
    columns.uids[node] = entry.uid;
    columns.gids[node] = entry.gid;
    columns.mtimes[node] = entry.mtime;
    columns.headerOffsets[node] = headerOffset;
    columns.flags[node]! &= ~FLAG_IMPLIED;
    setOrDelete(links, node, entry.type === "symlink" ? entry.link : undefined);
    setOrDelete(xattrs, node, entry.xattrs && Object.keys(entry.xattrs).length > 0 ? entry.xattrs : undefined);
    if (entry.type === "char" || entry.type === "block") {
      devices.set(node, [entry.devMajor ?? 0, entry.devMinor ?? 0]);
    }
  }

  /** The directory at a clean path, made (implied) where missing. Members mostly share their parent with the one before. */
  #parentAt(path: ByteString, entry: TarEntry): number {
    const tree = this.#tree;
    if (path === this.#lastParentPath && this.#isLastParentAlive()) return this.#lastParent;
    const parent = this.#makeParents(path, entry);
    this.#lastParentPath = path;
    this.#lastParent = parent;
    this.#lastReplacements = tree.replacements;
    return parent;
  }

  #isLastParentAlive(): boolean {
    if (this.#lastReplacements === this.#tree.replacements) return true;
    if (!this.#tree.isAlive(this.#lastParent)) return false;
    this.#lastReplacements = this.#tree.replacements;
    return true;
  }

  #makeParents(path: ByteString, entry: TarEntry): number {
    const tree = this.#tree;
    const todo = components(path).reverse();
    let here = ROOT;
    let links = 0;
    while (todo.length > 0) {
      const part = todo.pop()!;
      if (part === "..") {
        here = tree.names.parents[here]!;
        continue;
      }
      const next = this.#openDirectory(here, part);
      const type = tree.type(next);
      if (type === "symlink") {
        if (++links > MAX_LINKS) throw invalid(entry, "its parents are symlinks in a loop");
        const target = tree.links.get(next) ?? "";
        if (target.startsWith("/")) here = ROOT;
        todo.push(...components(target).reverse());
      } else if (type === "dir") {
        here = next;
      } else {
        throw invalid(entry, `${fromByteString(part)} above it is not a directory`);
      }
    }
    return here;
  }

  /** What stands in a directory under a name; where nothing does or what was there is removed, an implied directory. */
  #openDirectory(parent: number, name: ByteString): number {
    const tree = this.#tree;
    const found = tree.names.find(parent, name);
    if (found === undefined) return tree.put(parent, name, "dir", FLAG_IMPLIED, undefined);
    if (tree.type(found) === "whiteout") {
      tree.setType(found, "dir");
      tree.columns.flags[found] = FLAG_IMPLIED | FLAG_OPAQUE;
    }
    return found;
  }

  #find(path: ByteString): number | undefined {
    let node: number | undefined = ROOT;
    for (const part of components(path)) {
      if (node === undefined) return undefined;
      node = this.#tree.names.find(node, part);
    }
    return node;
  }
}

function setOrDelete<T>(map: Map<number, T>, key: number, value: T | undefined): void {
  if (value !== undefined) map.set(key, value);
  else if (map.size > 0) map.delete(key);
}

function tooManyEntries(limit: number): NacreError {
  return new NacreError("LIMIT_EXCEEDED", `a layer has more than ${limit} members, more than this process can hold`, {
    hint: "give it more memory with NODE_OPTIONS=--max-old-space-size=MEGABYTES, if you trust the image",
  });
}

function invalid(entry: TarEntry, why: string): NacreError {
  return new NacreError(
    "TAR_INVALID",
    `the layer's member ${JSON.stringify(fromByteString(entry.path))} is invalid: ${why}`,
    {
      hint: "the archive is damaged or was made to do harm; get it again from where it came from",
    },
  );
}
