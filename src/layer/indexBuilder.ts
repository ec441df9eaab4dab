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
import { type Draft, draft, put } from "./indexDraft.js";
import { layOut } from "./indexLayout.js";
import { FLAG_IMPLIED, FLAG_OPAQUE, type IndexType, LayerIndex } from "./layerIndex.js";
import { meaningOf } from "./whiteout.js";

/** About what a member costs while the tree is made; measured with a layer of a million small files. */
const BYTES_PER_ENTRY = 750;

/** As many members as three quarters of the heap hold: a layer with more is refused instead of ending the process. */
function affordableEntries(): number {
  return Math.floor((getHeapStatistics().heap_size_limit * 0.75) / BYTES_PER_ENTRY);
}

const PLAIN = { kind: "plain" } as const;

/** Collects members; see the top of this file. */
export class IndexBuilder {
  readonly #root = draft("", undefined, "dir", FLAG_IMPLIED);
  readonly #files: Record<ByteString, ByteString> = {};
  #lastParentPath = "";
  #lastParent = this.#root;
  #current: Draft | undefined;
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
    if (sparse && this.#current?.content) this.#current.content.sparse = sparse;
  }

  /** Tells the digest (64 hex digits) of the content of the file added last; nothing happens for other members. */
  setDigest(digest: string): void {
    if (this.#current?.content) this.#current.content.digest = digest;
  }

  /** Keeps a small file's content in the index itself. */
  keepFile(path: ByteString, content: ByteString): void {
    this.#files[cleanPath(path)] = content;
  }

  /** The type of what members have put at a clean path so far; undefined for what is not there, removed or only implied. */
  listed(path: ByteString): IndexType | undefined {
    const node = this.#find(path);
    if (node === undefined || node.type === "whiteout" || (node.flags & FLAG_IMPLIED) !== 0) return undefined;
    return node.type;
  }

  /** @param tarSize bytes of the whole uncompressed tar */
  finish(tarSize: number): LayerIndex {
    return new LayerIndex(layOut(this.#root, tarSize, this.#files));
  }

  #add(path: ByteString, entry: TarEntry, headerOffset: number, contentOffset: number): void {
    this.#current = undefined;
    if (path === "") {
      if (entry.type === "dir") this.#describe(this.#root, entry, headerOffset);
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
        addWhiteout(parent, meaning.name, entry, headerOffset);
        return;
      case "opaque":
        parent.flags |= FLAG_OPAQUE;
        return;
      case "reserved":
        return;
      case "invalid":
        throw invalid(entry, "it is a whiteout of no name");
    }
  }

  #addMember(parent: Draft, name: ByteString, entry: TarEntry, headerOffset: number, contentOffset: number): void {
    const old = parent.children?.get(name);
    if (entry.type === "hardlink") {
      this.#addHardLink(parent, name, entry, headerOffset);
      return;
    }
    if (entry.type === "dir" && old && (old.type === "dir" || old.type === "whiteout")) {
      if (old.type === "whiteout") old.flags |= FLAG_OPAQUE;
      old.type = "dir";
      this.#describe(old, entry, headerOffset);
      return;
    }
    const node = put(parent, draft(name, parent, entry.type, 0));
    this.#describe(node, entry, headerOffset);
    if (entry.type === "file")
      node.content = { size: entry.size, offset: contentOffset, digest: undefined, sparse: undefined, first: node };
    this.#current = node;
  }

  /** Later changes of the target's name do not change what the link leads to, so the inode is shared here and now. */
  #addHardLink(parent: Draft, name: ByteString, entry: TarEntry, headerOffset: number): void {
    const target = this.#find(cleanPath(entry.link ?? ""));
    const old = parent.children?.get(name);
    if (target !== undefined && target === old) throw invalid(entry, "it is a hard link to itself");
    if (target?.type === "dir") throw invalid(entry, "it is a hard link to a directory");
    const node = put(parent, draft(name, parent, "hardlink", 0));
    this.#describe(node, entry, headerOffset);
    node.link = cleanPath(entry.link ?? "");
    if (target === undefined || target.type === "whiteout") return;
    for (const key of ["mode", "uid", "gid", "mtime", "xattrs", "device"] as const) copyField(target, node, key);
    if (target.content) node.content = target.content;
    else if (target.type !== "hardlink") {
      node.type = target.type;
      node.link = target.link;
    }
  }

  #describe(node: Draft, entry: TarEntry, headerOffset: number): void {
    node.mode = entry.mode & 0o7777;
    node.uid = entry.uid;
    node.gid = entry.gid;
    node.mtime = entry.mtime;
    node.headerOffset = headerOffset;
    node.flags &= ~FLAG_IMPLIED;
    node.link = entry.type === "symlink" ? entry.link : undefined;
    node.xattrs = entry.xattrs && Object.keys(entry.xattrs).length > 0 ? entry.xattrs : undefined;
    if (entry.type === "char" || entry.type === "block") node.device = [entry.devMajor ?? 0, entry.devMinor ?? 0];
  }

  /** The directory at a clean path, made (implied) where missing. Members mostly share their parent with the one before. */
  #parentAt(path: ByteString, entry: TarEntry): Draft {
    if (path === this.#lastParentPath && this.#lastParent.alive && this.#lastParent.type === "dir")
      return this.#lastParent;
    const parent = this.#makeParents(path, entry);
    this.#lastParentPath = path;
    this.#lastParent = parent;
    return parent;
  }

  #makeParents(path: ByteString, entry: TarEntry): Draft {
    const todo = components(path).reverse();
    let here = this.#root;
    let links = 0;
    while (todo.length > 0) {
      const part = todo.pop()!;
      if (part === "..") {
        here = here.parent ?? here;
        continue;
      }
      let next = here.children?.get(part);
      if (next === undefined) next = put(here, draft(part, here, "dir", FLAG_IMPLIED));
      else if (next.type === "whiteout") {
        next.type = "dir";
        next.flags = FLAG_IMPLIED | FLAG_OPAQUE;
      }
      if (next.type === "symlink") {
        if (++links > MAX_LINKS) throw invalid(entry, "its parents are symlinks in a loop");
        const target = next.link ?? "";
        if (target.startsWith("/")) here = this.#root;
        todo.push(...components(target).reverse());
      } else if (next.type === "dir") {
        here = next;
      } else {
        throw invalid(entry, `${fromByteString(part)} above it is not a directory`);
      }
    }
    return here;
  }

  #find(path: ByteString): Draft | undefined {
    let node: Draft | undefined = this.#root;
    for (const part of components(path)) node = node?.children?.get(part);
    return node;
  }
}

function addWhiteout(parent: Draft, name: ByteString, entry: TarEntry, headerOffset: number): void {
  const old = parent.children?.get(name);
  if (old) {
    if (old.type === "dir") old.flags |= FLAG_OPAQUE;
    return;
  }
  const node = put(parent, draft(name, parent, "whiteout", 0));
  node.headerOffset = headerOffset;
  node.mtime = entry.mtime;
}

function copyField<K extends keyof Draft>(from: Draft, to: Draft, key: K): void {
  to[key] = from[key];
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
