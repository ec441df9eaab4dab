/** Trees of files in memory, for tests of what is made of trees. */
import type { FileTree, FileType, TreeNode } from "../../src/layer/fileTree.js";
import { sha256Hex } from "../../src/support/hash.js";

/** A file by its attributes; a directory has `entries`. */
export interface Spec {
  readonly type: FileType;
  readonly mode: number;
  readonly uid: number;
  readonly content: string;
  readonly link: string;
  readonly device: number;
  readonly capability: string | undefined;
  /** Names with equal numbers share an inode. */
  readonly inode: number | undefined;
  readonly entries: Readonly<Record<string, Spec>>;
}

/** A file of that content, changed as told. */
export function spec(change: Partial<Spec> = {}): Spec {
  const none = { uid: 0, content: "", link: "", device: 0, capability: undefined, inode: undefined, entries: {} };
  return { type: "file", mode: 0o644, ...none, ...change };
}

/** A directory with these entries. */
export function directory(entries: Readonly<Record<string, Spec>>): Spec {
  return spec({ type: "dir", mode: 0o755, entries });
}

interface MemoryNode extends TreeNode {
  readonly spec: Spec;
}

/** The tree whose root is the given directory. */
export function memoryTree(root: Spec): FileTree {
  const known = new Map<TreeNode, readonly MemoryNode[]>();
  const make = (name: string, parent: TreeNode | undefined, of: Spec): MemoryNode => ({
    name,
    parent,
    type: of.type,
    mode: of.mode,
    uid: of.uid,
    gid: 0,
    mtime: 0,
    size: of.type === "file" ? of.content.length : 0,
    link: of.type === "symlink" ? of.link : undefined,
    devMajor: of.type === "char" ? of.device : undefined,
    devMinor: of.type === "char" ? 1 : undefined,
    xattrs: of.type === "file" && of.capability ? { "security.capability": of.capability } : undefined,
    inode: of.type === "dir" ? undefined : of.inode,
    spec: of,
  });
  const children = (node: TreeNode): readonly MemoryNode[] => {
    const { entries } = (node as MemoryNode).spec;
    const list =
      known.get(node) ??
      Object.keys(entries)
        .sort()
        .map((name) => make(name, node, entries[name]!));
    known.set(node, list);
    return list;
  };
  return {
    root: make("", undefined, root),
    children,
    child: (node, name) => children(node).find((one) => one.name === name),
    prepare: async () => {},
    digest: (node) => sha256Hex((node as MemoryNode).spec.content),
    open: () => {
      throw new Error("nothing opens files for a digest");
    },
  };
}

/** All paths of a tree with what they are, hard links of one inode as one object. */
export function pathsIn(root: Spec, at = ""): Map<string, Spec> {
  const paths = new Map<string, Spec>();
  for (const [name, below] of Object.entries(root.entries)) {
    const path = at === "" ? name : `${at}/${name}`;
    paths.set(path, below);
    if (below.type === "dir") for (const [deep, one] of pathsIn(below, path)) paths.set(deep, one);
  }
  return paths;
}
