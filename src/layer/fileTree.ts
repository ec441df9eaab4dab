/**
 * A tree of files, wherever it comes from: a local context, a layer, a stack of layers. COPY, ADD and WORKDIR see
 * files through this interface alone, so that a context directory and the result of a stage are the same to them.
 */
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";

/** Kinds of files in a tree. Names that share an inode are all `file` (or device, or fifo) with the same {@link TreeNode.inode}. */
export type FileType = "file" | "dir" | "symlink" | "char" | "block" | "fifo";

/** One name in a tree. Nodes are immutable; the same tree hands out the same object for the same name. */
export interface TreeNode {
  /** Last component of the path; the root's is empty. */
  readonly name: ByteString;
  /** The directory that holds it; undefined for the root. */
  readonly parent: TreeNode | undefined;
  readonly type: FileType;
  /** The low 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content; 0 for everything but files. */
  readonly size: number;
  /** Whole seconds since 1970, floored. */
  readonly mtime: number;
  /** Target of a symlink. */
  readonly link?: ByteString | undefined;
  readonly devMajor?: number | undefined;
  readonly devMinor?: number | undefined;
  /** Extended attributes that belong into a layer; absent if none. Known for local files only after {@link FileTree.prepare}. */
  readonly xattrs?: Readonly<Record<string, ByteString>> | undefined;
  /** Equal (`===`) for all names of one inode, undefined where the name is the only one in the tree. */
  readonly inode?: unknown;
}

/** Reads one file's content from front to back. */
export interface ContentReader {
  /** Reads up to `length` bytes into `target` at `at`. @returns bytes read, 0 at the end */
  read(target: Buffer, at: number, length: number): number;
  close(): void;
}

/** A tree of files. All paths are relative to its root, without leading or trailing slash; the root is `""`. */
export interface FileTree {
  readonly root: TreeNode;
  /** The names in a directory, in byte order; empty for everything else. */
  children(node: TreeNode): readonly TreeNode[];
  /** One name in a directory. */
  child(node: TreeNode, name: ByteString): TreeNode | undefined;
  /**
   * Makes content digests, xattrs and content of these nodes available, so that {@link digest} and {@link open} can be
   * called synchronously; a directory stands for all files below it. Local contexts hash what their stat cache does not know; layers decode compressed blobs.
   */
  prepare(nodes: readonly TreeNode[], onProgress?: (bytes: number) => void): Promise<void>;
  /** SHA-256 of a file's content as 64 hex digits. Call {@link prepare} first. */
  digest(node: TreeNode): string;
  /** Opens a file's content. The caller closes the reader. */
  open(node: TreeNode): ContentReader;
}

/**
 * A tree whose files need not be read before they are copied: their digests are learnt while their contents pass, so
 * that a first build reads every file once.
 */
export interface LearningTree extends FileTree {
  /** Like {@link FileTree.prepare}, but no content is read. */
  prepareAttributes(nodes: readonly TreeNode[]): Promise<void>;
  /** True if a file's digest is known. */
  hasDigest(node: TreeNode): boolean;
  /** Takes the digest (64 hex digits) of a content that was read through {@link FileTree.open}. */
  learn(node: TreeNode, digest: string): void;
}

/** True for trees that learn digests. */
export function isLearning(tree: FileTree): tree is LearningTree {
  return "learn" in tree && "hasDigest" in tree && "prepareAttributes" in tree;
}

const NOWHERE: TreeNode = { name: "", parent: undefined, type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };

/** A tree without files. */
export const emptyTree: FileTree = {
  root: NOWHERE,
  children: () => [],
  child: () => undefined,
  prepare: async () => {},
  digest: () => missing(),
  open: () => missing(),
};

function missing(): never {
  throw new NacreError("INTERNAL", "an empty tree has no files");
}

/** Most symlinks that one path may lead through (Linux: ELOOP after 40; BuildKit's scoped walk: 255). */
export const MAX_LINKS = 255;

/** The path of a node from the root of its tree. */
export function pathOf(node: TreeNode): ByteString {
  if (node.parent === undefined) return "";
  const above = pathOf(node.parent);
  return above === "" ? node.name : `${above}/${node.name}`;
}

/** The components of a path, with `.` and empty ones dropped and `..` kept. */
export function components(path: ByteString): ByteString[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** Cleans a path as if it stood below `/`: `..` stops at the root (Go's path.Join("/", path)). No leading slash. */
export function cleanPath(path: ByteString): ByteString {
  const out: ByteString[] = [];
  for (const part of components(path)) {
    if (part === "..") out.pop();
    else out.push(part);
  }
  return out.join("/");
}

/** The node at a path, no symlink followed; undefined where there is none. */
export function lookup(tree: FileTree, path: ByteString): TreeNode | undefined {
  let node: TreeNode | undefined = tree.root;
  for (const part of components(path)) {
    if (node === undefined) return undefined;
    node = tree.child(node, part);
  }
  return node;
}

/** Where a path leads when symlinks are followed as inside a chroot. */
export interface Resolved {
  /** Clean path without symlinks in it, except a last one that was not to be followed. */
  readonly path: ByteString;
  /** What is there; undefined where nothing is (then every existing prefix has been followed). */
  readonly node: TreeNode | undefined;
}

/**
 * Follows a path within the tree: absolute targets start at the tree's root, `..` stops there. Components that do not
 * exist are kept as they are.
 * @param followLast whether a symlink at the very end is followed
 * @throws NacreError COPY_CONFLICT on a loop of symlinks
 */
export function resolvePath(tree: FileTree, path: ByteString, followLast: boolean): Resolved {
  const todo = components(path).reverse();
  const nodes: TreeNode[] = [tree.root];
  const missing: ByteString[] = [];
  let links = 0;
  while (todo.length > 0) {
    const part = todo.pop()!;
    if (part === "..") {
      if (missing.length > 0) missing.pop();
      else if (nodes.length > 1) nodes.pop();
      continue;
    }
    const here = nodes[nodes.length - 1]!;
    const next = missing.length > 0 ? undefined : tree.child(here, part);
    if (next === undefined) {
      missing.push(part);
    } else if (next.type === "symlink" && (followLast || todo.length > 0)) {
      if (++links > MAX_LINKS) throw tooManyLinks(path);
      const target = next.link ?? "";
      if (target.startsWith("/")) nodes.length = 1;
      todo.push(...components(target).reverse());
    } else {
      nodes.push(next);
    }
  }
  const last = nodes[nodes.length - 1]!;
  const base = pathOf(last);
  if (missing.length === 0) return { path: base, node: last };
  return { path: base === "" ? missing.join("/") : `${base}/${missing.join("/")}`, node: undefined };
}

/** Calls `visit` for a node and everything below it, parents first, in byte order per directory. Return false to skip what is below. */
export function walkTree(tree: FileTree, node: TreeNode, visit: (node: TreeNode) => boolean | undefined): void {
  if (visit(node) === false || node.type !== "dir") return;
  for (const child of tree.children(node)) walkTree(tree, child, visit);
}

/** The refusal of a path that leads through more than {@link MAX_LINKS} symlinks. */
export function tooManyLinks(path: ByteString): NacreError {
  return new NacreError("COPY_CONFLICT", `too many levels of symbolic links in ${fromByteString(path)}`, {
    hint: "look for a symlink that leads back to itself",
  });
}
