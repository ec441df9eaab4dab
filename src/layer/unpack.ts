/**
 * A layer as a directory for overlayfs: its entries in the form of a tar that an ordinary tar program unpacks into an
 * empty directory. In come a layer's index and content (and the tree of the layers below it, where the layer does not
 * say everything itself); out go entries with clean paths, parents before what is in them, so that nothing in them can
 * lead anywhere else. Whiteouts become character devices 0,0 and opaque directories get overlayfs's attribute
 * (kernel: filesystems/overlayfs.rst, "whiteouts and opaque directories").
 */
import type { ByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { TarEntry } from "../tar/entry.js";
import { isLayerXattr } from "./changes.js";
import { type ContentReader, type FileTree, lookup, type TreeNode } from "./fileTree.js";
import { readRange, readSparse } from "./layerContent.js";
import { INDEX_TYPES, type LayerIndex } from "./layerIndex.js";
import { LayerTree, type StackedLayer } from "./layerTree.js";

/** What the directory can hold. */
export interface UnpackOptions {
  /** Name space of overlayfs's own attributes: `user` where it is mounted with `userxattr`. */
  readonly overlayXattrs: "trusted" | "user";
  /** Device nodes can be made; without that they are left out (whiteouts can be made in any case). */
  readonly devices: boolean;
  /** Files keep no owners: all belong to 0:0. */
  readonly singleId: boolean;
}

/** A layer to unpack. */
export interface UnpackSource {
  readonly layer: StackedLayer;
  /** The tree of the layers below and this one, where {@link needsBelow} says so. */
  readonly merged?: LayerTree | undefined;
}

/** One member of the tar. */
export interface UnpackEntry {
  readonly entry: TarEntry;
  /** Opens the content of a file that has one. */
  readonly open?: (() => ContentReader) | undefined;
  /** SHA-256 in hex that the content must have; undefined if the index does not know it. */
  readonly digest?: string | undefined;
}

const FILE = INDEX_TYPES.indexOf("file");
const HARD_LINK = INDEX_TYPES.indexOf("hardlink");
const WHITEOUT = INDEX_TYPES.indexOf("whiteout");

/**
 * True if the directory of a layer depends on the layers below it: the layer leaves parents out (the root does not
 * count), links to files below, or removes names. A whiteout of a name that is nowhere below must not be made: overlayfs
 * lists it as a name that leads to nothing wherever the directory around it is not a merged one.
 */
export function needsBelow(index: LayerIndex): boolean {
  const { count, types, contentOffsets } = index.columns;
  for (let entry = 1; entry < count; entry++) {
    if (index.isImplied(entry) || types[entry] === WHITEOUT) return true;
    if (types[entry] === HARD_LINK && contentOffsets[entry]! < 0) return true;
  }
  return false;
}

/**
 * The nodes whose content a layer takes from the layers below: its hard links to their files. Prepare them before the
 * layer is unpacked.
 */
export function borrowedNodes(merged: LayerTree): TreeNode[] {
  const index = merged.layers[merged.layers.length - 1]?.index;
  const links = Object.keys(index?.columns.extras.links ?? {}).map(Number);
  return links.flatMap((entry) => {
    if (index?.type(entry) !== "hardlink" || index.contentOffset(entry) >= 0) return [];
    const node = lookup(merged, index.path(entry));
    return node ? [node] : [];
  });
}

/** Bytes on disk of the files of a layer, as far as the index tells. */
export function unpackedBytes(index: LayerIndex, entries?: Iterable<number>): number {
  const { types, sizes, count } = index.columns;
  let bytes = 0;
  const take = (entry: number) => {
    bytes += types[entry] === FILE ? Math.ceil(sizes[entry]! / 4096) * 4096 : types[entry] === HARD_LINK ? 0 : 4096;
  };
  if (entries) for (const entry of entries) take(entry);
  else for (let entry = 0; entry < count; entry++) take(entry);
  return bytes;
}

/**
 * The members of a layer's directory.
 * @param selection entries of the index to take, ascending, with all their parents; default: all
 * @param removed paths below existing parents that get a whiteout; they come after the entries
 * @throws NacreError CONTENT_INVALID for a name that no directory can hold, and for a link that leads to nothing
 */
export function* layerEntries(
  source: UnpackSource,
  options: UnpackOptions,
  selection?: Iterable<number>,
  removed: readonly ByteString[] = [],
): Generator<UnpackEntry> {
  const walk = new LayerWalk(source, options);
  for (const entry of selection ?? numbersBelow(walk.index.count)) {
    const made = walk.entry(entry);
    if (made) yield made;
  }
  for (const path of removed) yield { entry: whiteout(path, 0) };
}

/** The members of a directory that holds a whole tree. */
export function* treeEntries(tree: FileTree, options: UnpackOptions): Generator<UnpackEntry> {
  const firstPaths = new Map<unknown, ByteString>();
  const pending: { readonly node: TreeNode; readonly path: ByteString }[] = [{ node: tree.root, path: "" }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, path } = next;
    if (node.name !== "" || path !== "") assertName(node.name);
    const below = tree.children(node);
    for (let i = below.length - 1; i >= 0; i--) {
      const child = below[i]!;
      pending.push({ node: child, path: path === "" ? child.name : `${path}/${child.name}` });
    }
    if (isDevice(node.type) && !options.devices) continue;
    const first = node.inode === undefined || node.type === "dir" ? undefined : firstPaths.get(node.inode);
    if (first !== undefined) {
      yield { entry: { ...metadataOf(node, path, options), type: "hardlink", size: 0, link: first } };
      continue;
    }
    if (node.inode !== undefined) firstPaths.set(node.inode, path);
    yield ofNode(tree, node, path, options);
  }
}

class LayerWalk {
  readonly index: LayerIndex;
  readonly #source: UnpackSource;
  readonly #options: UnpackOptions;
  /** Directories from the root to the last entry's parent: entry number and path. */
  readonly #numbers: number[] = [];
  readonly #paths: ByteString[] = [];
  /** Where the first name of each inode that has several was put, by the number of its first entry. */
  readonly #placed = new Map<number, ByteString>();
  readonly #firstNames: ReadonlyMap<number, number>;
  readonly #merged: LayerTree | undefined;
  #below: LayerTree | undefined;

  constructor(source: UnpackSource, options: UnpackOptions) {
    const { layer, merged } = source;
    // Members below a symlink of a lower layer stand where it leads.
    this.index = merged?.layers[merged.layers.length - 1]?.index ?? layer.index;
    this.#source = source;
    this.#options = options;
    this.#firstNames = this.index.firstNames();
    this.#merged = merged;
  }

  entry(number: number): UnpackEntry | undefined {
    const { index } = this;
    const path = this.#pathOf(number);
    const type = index.type(number);
    if (type === "dir") return this.#directory(number, path);
    if (type === "whiteout") return this.#whiteout(number, path);
    if (type === "char" || type === "block") {
      return this.#options.devices ? { entry: this.#tarEntry(number, path, type) } : undefined;
    }
    if (type === "hardlink" && index.contentOffset(number) < 0) return this.#borrowed(path);
    if (type === "file" || type === "hardlink") return this.#file(number, path);
    return { entry: this.#tarEntry(number, path, type) };
  }

  /** Entries come sorted, so that the parents of most are those of the one before. */
  #pathOf(number: number): ByteString {
    const { index } = this;
    while (this.#numbers.length > 0 && index.end(this.#numbers[this.#numbers.length - 1]!) <= number) {
      this.#numbers.pop();
      this.#paths.pop();
    }
    const above = this.#paths[this.#paths.length - 1];
    const name = index.name(number);
    if (number > 0) assertName(name);
    const path = above === undefined || above === "" ? name : `${above}/${name}`;
    if (index.type(number) === "dir") {
      this.#numbers.push(number);
      this.#paths.push(path);
    }
    return path;
  }

  #directory(number: number, path: ByteString): UnpackEntry {
    const { index } = this;
    const entry = index.isImplied(number) ? this.#impliedDirectory(path) : this.#tarEntry(number, path, "dir");
    if (!index.isOpaque(number)) return { entry };
    const xattrs = { ...entry.xattrs, [`${this.#options.overlayXattrs}.overlay.opaque`]: "y" };
    return { entry: { ...entry, xattrs } };
  }

  /** A parent that the layer leaves out is what it is below; where it is nowhere, what every extraction makes of it. */
  #impliedDirectory(path: ByteString): TarEntry {
    const node = this.#merged && lookup(this.#merged, path);
    if (node?.type === "dir") return { ...metadataOf(node, path, this.#options), type: "dir", size: 0 };
    return { path, type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };
  }

  #whiteout(number: number, path: ByteString): UnpackEntry | undefined {
    return this.#hides(number, path) ? { entry: whiteout(path, this.index.mtime(number)) } : undefined;
  }

  /** True if a whiteout removes something. */
  #hides(number: number, path: ByteString): boolean {
    if (!this.#merged) return true;
    for (let at = number; at !== 0; ) {
      at = this.index.columns.parents[at]!;
      if (this.index.isOpaque(at)) return false;
    }
    this.#below ??= new LayerTree(this.#merged.layers.slice(0, -1));
    return lookup(this.#below, path) !== undefined;
  }

  #file(number: number, path: ByteString): UnpackEntry {
    const first = this.#firstNames.get(number);
    // The name of a link's target may have gone to another file since: then the link is a file by itself.
    const isShared = first !== undefined && this.index.contentOffset(first) === this.index.contentOffset(number);
    if (isShared) {
      const place = this.#placed.get(first);
      if (place !== undefined) return { entry: { ...this.#tarEntry(number, path, "hardlink"), link: place } };
      this.#placed.set(first, path);
    }
    const entry = this.#tarEntry(number, path, "file");
    if (entry.size === 0) return { entry };
    return { entry, open: () => this.#open(number), digest: this.index.digestHex(number) };
  }

  #open(number: number): ContentReader {
    const { index } = this;
    const { content } = this.#source.layer;
    const start = index.contentOffset(number);
    const segments = index.sparse(number);
    return segments
      ? readSparse(content, start, segments, index.size(number))
      : readRange(content, start, index.size(number));
  }

  /** A hard link to a file of a lower layer: a copy with its metadata. */
  #borrowed(path: ByteString): UnpackEntry | undefined {
    const tree = this.#merged;
    const node = tree && lookup(tree, path);
    if (tree === undefined || node === undefined || node.type === "dir") {
      throw new NacreError("INTERNAL", "the tree below a layer was not at hand when its links were unpacked");
    }
    if (isDevice(node.type) && !this.#options.devices) return undefined;
    return ofNode(tree, node, path, this.#options);
  }

  #tarEntry(number: number, path: ByteString, type: TarEntry["type"]): TarEntry {
    const { index } = this;
    const { singleId } = this.#options;
    const [devMajor, devMinor] = index.device(number) ?? [];
    return {
      path,
      type,
      mode: index.mode(number),
      uid: singleId ? 0 : index.uid(number),
      gid: singleId ? 0 : index.gid(number),
      size: type === "file" ? index.size(number) : 0,
      mtime: index.mtime(number),
      link: type === "symlink" ? index.link(number) : undefined,
      devMajor,
      devMinor,
      xattrs: type === "hardlink" ? undefined : unpackableXattrs(index.xattrs(number), type, this.#options),
    };
  }
}

function ofNode(tree: FileTree, node: TreeNode, path: ByteString, options: UnpackOptions): UnpackEntry {
  const { type, size, link, devMajor, devMinor } = node;
  const xattrs = unpackableXattrs(node.xattrs, type, options);
  const entry = { ...metadataOf(node, path, options), type, size, link, devMajor, devMinor, xattrs };
  if (type !== "file" || size === 0) return { entry };
  return { entry, open: () => tree.open(node), digest: tree.digest(node) };
}

function metadataOf(node: TreeNode, path: ByteString, options: UnpackOptions) {
  const { mode, uid, gid, mtime, type } = node;
  const owners = options.singleId ? { uid: 0, gid: 0 } : { uid, gid };
  return { path, mode, ...owners, mtime, xattrs: unpackableXattrs(node.xattrs, type, options) };
}

/**
 * The attributes that a file on disk can have. `user.` ones are for files and directories only (xattr(7)), `trusted.`
 * ones cannot be set in a user namespace.
 */
function unpackableXattrs(
  xattrs: Readonly<Record<string, ByteString>> | undefined,
  type: TarEntry["type"],
  { overlayXattrs }: UnpackOptions,
): Readonly<Record<string, ByteString>> | undefined {
  if (xattrs === undefined) return undefined;
  const kept = Object.entries(xattrs).filter(([name]) => {
    if (!isLayerXattr(name)) return false;
    if (name.startsWith("user.")) return type === "file" || type === "dir";
    if (name.startsWith("trusted.")) return overlayXattrs === "trusted";
    return name === "security.capability";
  });
  // GNU tar reads `%25` and `%3D` in the names of attributes as `%` and `=`.
  const escaped = kept.map(([name, value]) => [name.replaceAll("%", "%25").replaceAll("=", "%3D"), value]);
  return kept.length === 0 ? undefined : Object.fromEntries(escaped);
}

function whiteout(path: ByteString, mtime: number): TarEntry {
  return { path, type: "char", mode: 0, uid: 0, gid: 0, size: 0, mtime, devMajor: 0, devMinor: 0 };
}

function isDevice(type: string): boolean {
  return type === "char" || type === "block";
}

/** Indexes are made from clean paths; this holds whatever becomes of that. */
function assertName(name: ByteString): void {
  if (name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0")) return;
  throw new NacreError("CONTENT_INVALID", `a layer's index has the impossible name ${JSON.stringify(name)}`, {
    hint: "find what else is damaged with: nacre check",
  });
}

function* numbersBelow(count: number): Generator<number> {
  for (let number = 0; number < count; number++) yield number;
}
