/**
 * What a step changes, as a tree laid over the tree of its parent. Entries are put in one after the other, as files
 * would be written to a disk; what comes out is the sorted list of entries of the new layer.
 */
import {
  type ContentReader,
  components,
  type FileTree,
  type FileType,
  isLearning,
  MAX_LINKS,
  type TreeNode,
  tooManyLinks,
} from "../layer/fileTree.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";

/** Where a file's bytes come from. */
export interface OutContent {
  readonly size: number;
  /** SHA-256 in hex; undefined where it is not known before the content is read. */
  readonly digest: string | undefined;
  open(): ContentReader;
  /** Told the digest that was found, where it was not known before. */
  learn?(digest: string): void;
}

/** Metadata of an entry to be written. */
export interface OutMeta {
  readonly type: FileType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  readonly link?: ByteString | undefined;
  readonly devMajor?: number | undefined;
  readonly devMinor?: number | undefined;
  readonly xattrs?: Readonly<Record<string, ByteString>> | undefined;
  readonly content?: OutContent | undefined;
  /** Names with equal (`===`) values become hard links of each other. */
  readonly inode?: unknown;
}

/** A name of the overlay. */
export interface OutNode {
  readonly name: ByteString;
  readonly parent: OutNode | undefined;
  /** What the step writes here; undefined where only something below is written. */
  meta: OutMeta | undefined;
  /** What the parent's tree has here, as long as it is visible. */
  readonly base: TreeNode | undefined;
  /** Undefined as long as there is none: most names are files. */
  children: Map<ByteString, OutNode> | undefined;
  /** What is in a directory that was copied whole to where nothing was; `children` takes its place once one is asked for. */
  graft: Graft | undefined;
}

/** A name on its way into the layer. */
export interface OutRow {
  readonly name: ByteString;
  readonly meta: OutMeta;
  /** What is in it, if it is a directory that holds something. */
  readonly below?: Graft | undefined;
}

/**
 * The contents of a directory, made only when they are written: a large context that is copied whole needs no node for
 * each of its files.
 */
export interface Graft {
  /** In byte order of the names. May be called again. */
  rows(): Iterable<OutRow>;
  /** About how many bytes of content there are. */
  bytes(): number;
}

/** Metadata of directories that the step makes on the way. */
export interface DirectoryDefaults {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

/** See the top of this file. */
export class OutTree {
  readonly root: OutNode;
  readonly #base: FileTree;

  /** @param base the tree before the step */
  constructor(base: FileTree) {
    this.#base = base;
    this.root = {
      name: "",
      parent: undefined,
      meta: undefined,
      base: base.root,
      children: undefined,
      graft: undefined,
    };
  }

  /** What is at a node now. */
  typeOf(node: OutNode): FileType | undefined {
    return node.meta?.type ?? node.base?.type ?? (node.children || node.graft ? "dir" : undefined);
  }

  /** The node of that name in a directory, whether anything is there or not. */
  child(node: OutNode, name: ByteString): OutNode {
    this.#expand(node);
    let child = node.children?.get(name);
    if (child === undefined) {
      const base = node.base?.type === "dir" ? this.#base.child(node.base, name) : undefined;
      child = { name, parent: node, meta: undefined, base, children: undefined, graft: undefined };
      hang(node, child);
    }
    return child;
  }

  /** True if nothing is in a directory yet, so that a {@link Graft} can be its contents. */
  isEmpty(node: OutNode): boolean {
    if (node.children !== undefined || node.graft !== undefined) return false;
    return node.base?.type !== "dir" || this.#base.children(node.base).length === 0;
  }

  /** One level of a graft becomes nodes, because something else is going to be put there too. */
  #expand(node: OutNode): void {
    const { graft } = node;
    if (graft === undefined) return;
    node.graft = undefined;
    for (const { name, meta, below } of graft.rows()) {
      hang(node, { name, parent: node, meta, base: undefined, children: undefined, graft: below });
    }
  }

  /**
   * Walks to a path from a directory, following symlinks inside the root (the last one too); directories that are
   * missing are made.
   * @throws NacreError COPY_CONFLICT where something that is no directory is in the way
   */
  makeDirectories(path: ByteString, defaults: DirectoryDefaults, start: OutNode = this.root): OutNode {
    const todo = components(path).reverse();
    let here = start;
    let links = 0;
    while (todo.length > 0) {
      const part = todo.pop()!;
      if (part === "..") {
        here = here.parent ?? here;
        continue;
      }
      const next = this.child(here, part);
      const type = this.typeOf(next);
      if (type === "symlink") {
        if (++links > MAX_LINKS) throw tooManyLinks(path);
        here = this.#pushTarget(next, here, todo);
        continue;
      }
      if (type === undefined) next.meta = { type: "dir", ...defaults };
      else if (type !== "dir") throw conflict(`/${outPath(next)} is not a directory`);
      here = next;
    }
    return here;
  }

  /** What a path leads to, symlinks followed; undefined where nothing is there. Makes nothing. */
  typeAt(path: ByteString): FileType | undefined {
    const { node, missing } = this.#walk(path);
    return missing.length > 0 ? undefined : this.typeOf(node);
  }

  /** The path that a path leads to, symlinks followed, whether anything is there or not. */
  follow(path: ByteString): ByteString {
    const { node, missing } = this.#walk(path);
    const names: ByteString[] = [];
    for (let at: OutNode = node; at.parent !== undefined; at = at.parent) names.unshift(at.name);
    return [...names, ...missing].join("/");
  }

  #walk(path: ByteString): { readonly node: OutNode; readonly missing: readonly ByteString[] } {
    const todo = components(path).reverse();
    const missing: ByteString[] = [];
    let here = this.root;
    let links = 0;
    while (todo.length > 0) {
      const part = todo.pop()!;
      if (part === "..") {
        if (missing.length > 0) missing.pop();
        else here = here.parent ?? here;
        continue;
      }
      const next = missing.length > 0 || this.typeOf(here) !== "dir" ? undefined : this.child(here, part);
      const type = next && this.typeOf(next);
      if (next === undefined || type === undefined) {
        missing.push(part);
      } else if (type === "symlink") {
        if (++links > MAX_LINKS) throw tooManyLinks(path);
        here = this.#pushTarget(next, here, todo);
      } else {
        here = next;
      }
    }
    return { node: here, missing };
  }

  /** Puts a symlink's target before what is left of a path. @returns where it starts */
  #pushTarget(link: OutNode, here: OutNode, todo: ByteString[]): OutNode {
    const target = link.meta?.link ?? link.base?.link ?? "";
    todo.push(...components(target).reverse());
    return target.startsWith("/") ? this.root : here;
  }

  /** Puts anything but a directory at a name; what was there is gone. */
  put(parent: OutNode, name: ByteString, meta: OutMeta): OutNode {
    const node: OutNode = { name, parent, meta, base: undefined, children: undefined, graft: undefined };
    hang(parent, node);
    return node;
  }

  /** Makes or changes a directory; what is in it stays. Anything else that was there is gone. */
  putDirectory(parent: OutNode, name: ByteString, meta: OutMeta): OutNode {
    const node = this.child(parent, name);
    if (this.typeOf(node) === "dir") {
      node.meta = meta;
      return node;
    }
    return this.put(parent, name, meta);
  }

  /**
   * Every entry of the new layer in sorted order: what is written, and the directories above it, with the metadata that
   * they have in the tree below (BuildKit lists the parents of every change). The root is no entry.
   */
  *entries(): Generator<readonly [path: ByteString, meta: OutMeta]> {
    const open: { readonly prefix: ByteString; readonly rows: Iterator<OutRow> }[] = [
      { prefix: "", rows: rowsOf(this.root) },
    ];
    while (open.length > 0) {
      const { prefix, rows } = open[open.length - 1]!;
      const next = rows.next();
      if (next.done) {
        open.pop();
        continue;
      }
      const { name, meta, below } = next.value;
      const path = prefix + name;
      yield [path, meta];
      if (below) open.push({ prefix: `${path}/`, rows: below.rows()[Symbol.iterator]() });
    }
  }

  /** About how many bytes of content the layer will have. */
  bytes(): number {
    return bytesOf(this.root);
  }
}

function* rowsOf(node: OutNode): Generator<OutRow> {
  if (node.graft) yield* node.graft.rows();
  if (node.children === undefined) return;
  for (const child of sorted(node.children)) {
    const meta = child.meta ?? (child.base && metaOf(child.base));
    if (meta === undefined || !isWritten(child)) continue;
    const { name } = child;
    yield {
      name,
      meta,
      below: meta.type === "dir" ? { rows: () => rowsOf(child), bytes: () => bytesOf(child) } : undefined,
    };
  }
}

function bytesOf(node: OutNode): number {
  let bytes = (node.meta?.content?.size ?? 0) + (node.graft?.bytes() ?? 0);
  if (node.children) for (const child of node.children.values()) bytes += bytesOf(child);
  return bytes;
}

/** Path of a node of the overlay, as text for messages. */
export function outPath(node: OutNode): string {
  const parts: string[] = [];
  for (let at: OutNode | undefined = node; at?.parent !== undefined; at = at.parent)
    parts.unshift(fromByteString(at.name));
  return parts.join("/");
}

/** The metadata of a node of a tree, without its content. */
export function metaOf(node: TreeNode): OutMeta {
  const { type, mode, uid, gid, mtime, link, devMajor, devMinor, xattrs } = node;
  const [content, inode] = [undefined, undefined];
  return { type, mode, uid, gid, mtime, link, devMajor, devMinor, xattrs, content, inode };
}

/** The content of a file of a tree. Trees are large: nothing is looked up before it is asked for. */
export class TreeContent implements OutContent {
  readonly #tree: FileTree;
  readonly #node: TreeNode;

  constructor(tree: FileTree, node: TreeNode) {
    this.#tree = tree;
    this.#node = node;
  }

  get size(): number {
    return this.#node.size;
  }

  get digest(): string | undefined {
    if (isLearning(this.#tree) && !this.#tree.hasDigest(this.#node)) return undefined;
    return this.#tree.digest(this.#node);
  }

  open(): ContentReader {
    return this.#tree.open(this.#node);
  }

  learn(digest: string): void {
    if (isLearning(this.#tree)) this.#tree.learn(this.#node, digest);
  }
}

/** A refusal, as files and directories cannot replace each other. */
export function conflict(message: string): NacreError {
  return new NacreError("COPY_CONFLICT", message, {
    hint: "a file cannot take the place of a directory, nor a directory that of a file; choose another destination",
  });
}

function hang(parent: OutNode, node: OutNode): void {
  parent.children ??= new Map();
  parent.children.set(node.name, node);
}

function isWritten(node: OutNode): boolean {
  if (node.meta !== undefined) return true;
  if (node.children) for (const child of node.children.values()) if (isWritten(child)) return true;
  return false;
}

function sorted(children: ReadonlyMap<ByteString, OutNode>): readonly OutNode[] {
  const list = [...children.values()];
  for (let i = 1; i < list.length; i++) {
    if (list[i]!.name < list[i - 1]!.name) return list.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  return list;
}
