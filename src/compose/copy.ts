/**
 * COPY and ADD of files: lays what the sources hold over the parent's tree, by BuildKit's rules (frontend reference,
 * COPY; solver/llbsolver file operations): which destination a file gets, what happens to existing files, owners,
 * modes.
 */
import { isBelowMatch, type ParentedSelection, type SelectedSource } from "../context/select.js";
import { cleanPath, type FileTree, type TreeNode, walkTree } from "../layer/fileTree.js";
import type { ModeChange } from "../plan/chmod.js";
import { type ByteString, toByteString } from "../support/bytes.js";
import {
  conflict,
  type DirectoryDefaults,
  type Graft,
  metaOf,
  type OutMeta,
  type OutNode,
  type OutRow,
  type OutTree,
  outPath,
  TreeContent,
} from "./outTree.js";

/** How entries are changed while they are copied. */
export interface CopyRules {
  /** Owner of every copied entry and of created parents; undefined: files keep theirs, created parents are root's. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly chmod: ModeChange | undefined;
  /** Absolute destination; a trailing slash means a directory. */
  readonly destination: string;
  /** mtime of directories that are made on the way, whole seconds since 1970. */
  readonly now: number;
  /** False for an entry below a source directory that `--exclude` leaves out. */
  readonly include?: ((root: TreeNode, node: TreeNode) => boolean) | undefined;
}

/** What one source word gives: its matches, in the tree that they lie in. */
export interface CopySource {
  readonly tree: FileTree;
  readonly matches: readonly SelectedSource[];
}

/** A source directory on its way into the destination. */
interface Copying {
  readonly tree: FileTree;
  readonly root: TreeNode;
  readonly rules: CopyRules;
  readonly group: InodeGroup;
  /** Directories that are only on the way to what is selected keep their metadata where they exist. */
  readonly keepParents: boolean;
}

/** Lays one source word over `out`. Names of one inode within a word stay links of each other. */
export function copyInto(out: OutTree, source: CopySource, rules: CopyRules): void {
  const group: InodeGroup = new Map();
  for (const match of source.matches) {
    if (match.node.type === "dir") copyContents(out, source.tree, match.node, rules, group);
    else copyFile(out, source.tree, match, rules, group);
  }
}

/**
 * Lays one source word of `--parents` over `out`. The destination is a directory; directories above the matches come
 * as they are in the source, unless they exist.
 */
export function copyWithParents(out: OutTree, tree: FileTree, selection: ParentedSelection, rules: CopyRules): void {
  const target = out.makeDirectories(cleanPath(toByteString(rules.destination)), directoryDefaults(rules));
  const { root } = selection;
  const selected = (node: TreeNode): boolean => isBelowMatch(selection, node) && (rules.include?.(root, node) ?? true);
  const from: Copying = {
    tree,
    root,
    rules: { ...rules, include: (_, node) => selected(node) },
    group: new Map(),
    keepParents: true,
  };
  copyChildren(out, target, from, root);
}

/**
 * What directories made on the way to a destination are like: 0755 root, or as the flags say: the permission bits of an
 * octal mode, less BuildKit's umask of 022.
 */
export function directoryDefaults(rules: CopyRules): DirectoryDefaults {
  return {
    mode: rules.chmod?.octal === undefined ? 0o755 : rules.chmod.octal & 0o755,
    uid: rules.owner?.uid ?? 0,
    gid: rules.owner?.gid ?? 0,
    mtime: rules.now,
  };
}

/**
 * The destination of a single file: a directory and the name in it. A destination that is no directory is followed to
 * its end, as a path that is opened would be; a name inside a directory is replaced, never followed.
 */
export function fileTarget(out: OutTree, name: ByteString, rules: CopyRules): { parent: OutNode; name: ByteString } {
  const destination = toByteString(rules.destination);
  const clean = cleanPath(destination);
  const defaults = directoryDefaults(rules);
  if (clean === "" || destination.endsWith("/") || out.typeAt(clean) === "dir") {
    return { parent: out.makeDirectories(clean, defaults), name };
  }
  const real = out.follow(clean);
  const slash = real.lastIndexOf("/");
  return { parent: out.makeDirectories(real.slice(0, Math.max(0, slash)), defaults), name: real.slice(slash + 1) };
}

/** Puts a file at its target, refusing to replace a directory. */
export function putFile(out: OutTree, parent: OutNode, name: ByteString, meta: OutMeta): void {
  const old = out.child(parent, name);
  if (out.typeOf(old) === "dir") throw conflict(`cannot replace to directory /${outPath(old)} with file`);
  out.put(parent, name, meta);
}

function copyFile(out: OutTree, tree: FileTree, match: SelectedSource, rules: CopyRules, group: InodeGroup): void {
  const target = fileTarget(out, match.name, rules);
  putFile(out, target.parent, target.name, leafMeta(tree, match.node, rules, group));
}

/** A directory's contents go into the destination; its own mode and owner go nowhere, its mtime does. */
function copyContents(out: OutTree, tree: FileTree, source: TreeNode, rules: CopyRules, group: InodeGroup): void {
  const destination = cleanPath(toByteString(rules.destination));
  const type = out.typeAt(destination);
  if (type !== undefined && type !== "dir") throw conflict(`cannot copy to non-directory: ${rules.destination}`);
  const target = out.makeDirectories(destination, directoryDefaults(rules));
  const now =
    target.meta ?? (target.base ? metaOf(target.base) : { type: "dir" as const, ...directoryDefaults(rules) });
  target.meta = { ...now, mtime: source.mtime };
  copyChildren(out, target, { tree, root: source, rules, group, keepParents: false }, source);
}

function copyChildren(out: OutTree, target: OutNode, from: Copying, source: TreeNode): void {
  if (out.isEmpty(target)) {
    target.graft = new SourceGraft(from, source);
    return;
  }
  const { tree, root, rules, group } = from;
  for (const child of tree.children(source)) {
    if (child.type === "dir") copyDirectory(out, target, from, child);
    else if (rules.include?.(root, child) ?? true)
      putFile(out, target, child.name, leafMeta(tree, child, rules, group));
  }
}

/** A directory that is left out still comes when something below it does. */
function copyDirectory(out: OutTree, parent: OutNode, from: Copying, source: TreeNode): void {
  if (!holdsIncluded(from, source)) return;
  const node = out.child(parent, source.name);
  const type = out.typeOf(node);
  if (type !== undefined && type !== "dir") throw conflict(`cannot copy to non-directory: /${outPath(node)}`);
  const kept = from.keepParents && type === "dir" && !(from.rules.include?.(from.root, source) ?? true);
  if (!kept) node.meta = directoryMeta(source, from.rules);
  copyChildren(out, node, from, source);
}

/** The contents of a source directory, as they are copied to where nothing is. */
class SourceGraft implements Graft {
  readonly #from: Copying;
  readonly #source: TreeNode;

  constructor(from: Copying, source: TreeNode) {
    this.#from = from;
    this.#source = source;
  }

  *rows(): Generator<OutRow> {
    const { tree, root, rules, group } = this.#from;
    for (const child of tree.children(this.#source)) {
      const { name } = child;
      if (child.type !== "dir") {
        if (rules.include === undefined || rules.include(root, child)) {
          yield { name, meta: leafMeta(tree, child, rules, group), below: undefined };
        }
      } else if (holdsIncluded(this.#from, child)) {
        yield { name, meta: directoryMeta(child, rules), below: new SourceGraft(this.#from, child) };
      }
    }
  }

  bytes(): number {
    let bytes = 0;
    walkTree(this.#from.tree, this.#source, (node) => {
      bytes += node.size;
      return true;
    });
    return bytes;
  }
}

function holdsIncluded(from: Copying, node: TreeNode): boolean {
  const { include } = from.rules;
  if (include === undefined || include(from.root, node)) return true;
  return from.tree.children(node).some((child) => holdsIncluded(from, child));
}

function directoryMeta(source: TreeNode, rules: CopyRules): OutMeta {
  const mode = rules.chmod ? rules.chmod.apply(source.mode, true) : source.mode;
  return { ...metaOf(source), ...rules.owner, mode };
}

/** A file, link or device as it is written. Spelled out, because a large context makes one for each of its files. */
export function leafMeta(tree: FileTree, node: TreeNode, rules: CopyRules, group: InodeGroup): OutMeta {
  const { type, inode } = node;
  return {
    type,
    mode: rules.chmod && type !== "symlink" ? rules.chmod.apply(node.mode, false) : node.mode,
    uid: rules.owner?.uid ?? node.uid,
    gid: rules.owner?.gid ?? node.gid,
    mtime: node.mtime,
    link: node.link,
    devMajor: node.devMajor,
    devMinor: node.devMinor,
    xattrs: node.xattrs,
    content: type === "file" ? new TreeContent(tree, node) : undefined,
    inode: inode === undefined ? undefined : inodeKey(group, inode),
  };
}

/** Names of one inode within a source word, by the inode in the source's tree. Links are not kept across words. */
export type InodeGroup = Map<unknown, object>;

function inodeKey(group: InodeGroup, inode: unknown): object {
  let key = group.get(inode);
  if (key === undefined) {
    key = {};
    group.set(inode, key);
  }
  return key;
}
