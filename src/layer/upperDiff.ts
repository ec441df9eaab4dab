/**
 * What an upper directory changes in the tree below it. The outcome is a difference of two trees: it does not tell how
 * overlayfs came to note it. So a directory that was removed and made again is given as the names in it that are gone,
 * as BuildKit does it, and what only looks touched (same metadata, same content) is not given at all.
 */
import type { ByteString } from "../support/bytes.js";
import type { FileTree, TreeNode } from "./fileTree.js";
import type { Pace } from "./pace.js";
import { layerXattrs, sameXattrs, type UpperAttributes } from "./upperAttributes.js";
import type { UpperNode } from "./upperWalk.js";
import type { XattrRecord } from "./xattrDump.js";

/** What is known of a name. */
export interface DiffItem {
  readonly path: ByteString;
  /** Undefined for a name that is gone because a directory above it hides what is below. */
  readonly node: UpperNode | undefined;
  /** What the layers below have there. */
  readonly below: TreeNode | undefined;
  /** Position of the directory that holds it; the root's is -1. */
  readonly parent: number;
  /** On disk, what the layers below have there cannot be seen. */
  readonly hidden: boolean;
  /** Directories: it hides what the layers below have in it. */
  readonly opaque: boolean;
  readonly xattrs: XattrRecord | undefined;
  /**
   * `removed`: the name is gone from the layers below. `unread`: it differs if its content does. `nothing`: the sign
   * that a name is gone which never was there, or a socket.
   */
  verdict: "changed" | "same" | "unread" | "removed" | "nothing";
}

/** How a difference is made. */
export interface DiffOptions {
  readonly attributes: UpperAttributes;
  /** Only id 0 exists on disk: owners are not compared. */
  readonly singleId: boolean;
  /** Names that are in the upper directory only because something was mounted there. */
  readonly stubs: ReadonlySet<ByteString>;
  /** The content's digest as 64 hex digits. */
  readonly hash: (node: UpperNode) => Promise<string>;
}

/**
 * Compares an upper directory with the tree below it.
 * @returns in the order of a layer's index, parents first; the root is the first one and never `changed`
 */
export async function diffUpper(
  root: UpperNode,
  below: FileTree,
  options: DiffOptions,
  pace: Pace,
): Promise<readonly DiffItem[]> {
  const differ = new Differ(below, options, pace);
  await differ.visit(root);
  const groups = groupsOf(differ.items);
  // Names of an inode that is written anyway need not be read.
  for (const group of groups) settleGroup(group);
  await readUnread(differ.items, below, options.hash);
  for (const group of groups) settleGroup(group);
  leaveStubsOut(differ.items, options.stubs);
  return differ.items;
}

/** Lists names of the upper directory, and those that it hides, in order. */
class Differ {
  readonly items: DiffItem[] = [];
  readonly #below: FileTree;
  readonly #options: DiffOptions;
  readonly #pace: Pace;

  constructor(below: FileTree, options: DiffOptions, pace: Pace) {
    this.#below = below;
    this.#options = options;
    this.#pace = pace;
  }

  /** The root is a mount point: whatever was done to it is not part of a layer (BuildKit). */
  async visit(root: UpperNode): Promise<void> {
    this.#push(root, this.#below.root, -1, false, false, "same");
    await this.#directory(root, this.#below.root, 0, false);
  }

  async #directory(node: UpperNode, below: TreeNode | undefined, at: number, hides: boolean): Promise<void> {
    if (this.#pace.isDue()) await this.#pace.pause();
    const gone = hides && below !== undefined ? this.#below.children(below) : [];
    let next = 0;
    for (const child of node.children) {
      for (; next < gone.length && gone[next]!.name <= child.name; next++) {
        if (gone[next]!.name < child.name) this.#hide(node, gone[next]!, at);
      }
      const under = below === undefined ? undefined : this.#below.child(below, child.name);
      const deeper = this.#take(child, node, under, at, hides);
      if (deeper !== undefined) await deeper;
    }
    for (; next < gone.length; next++) this.#hide(node, gone[next]!, at);
  }

  /** @returns a promise if the node is a directory */
  #take(
    node: UpperNode,
    parent: UpperNode,
    below: TreeNode | undefined,
    at: number,
    hidden: boolean,
  ): Promise<void> | undefined {
    const { attributes } = this.#options;
    if (node.type === "socket" || attributes.isWhiteout(node, parent)) {
      this.#push(node, below, at, hidden, false, below === undefined ? "nothing" : "removed");
      return undefined;
    }
    const opaque = attributes.isOpaque(node);
    const here = this.#push(node, below, at, hidden, opaque, undefined);
    if (node.type !== "dir") return undefined;
    return this.#directory(node, below?.type === "dir" ? below : undefined, here, hidden || opaque);
  }

  #push(
    node: UpperNode,
    below: TreeNode | undefined,
    parent: number,
    hidden: boolean,
    opaque: boolean,
    verdict: DiffItem["verdict"] | undefined,
  ): number {
    const xattrs = this.#options.attributes.ofLayer(node);
    const decided = verdict ?? compare(node, xattrs, below, this.#options.singleId);
    return this.items.push({ path: node.path, node, below, parent, hidden, opaque, xattrs, verdict: decided }) - 1;
  }

  #hide(directory: UpperNode, below: TreeNode, parent: number): void {
    const path = directory.path === "" ? below.name : `${directory.path}/${below.name}`;
    const fixed = { node: undefined, hidden: true, opaque: false, xattrs: undefined, verdict: "removed" as const };
    this.items.push({ path, below, parent, ...fixed });
  }
}

function compare(
  node: UpperNode,
  xattrs: XattrRecord | undefined,
  below: TreeNode | undefined,
  singleId: boolean,
): "changed" | "same" | "unread" {
  if (below === undefined || below.type !== node.type) return "changed";
  const isLink = node.type === "symlink";
  if (!isLink && node.mode !== below.mode) return "changed";
  if (!singleId && (node.uid !== below.uid || node.gid !== below.gid)) return "changed";
  // A directory's time changes with every name in it: that is told by the names.
  if (node.type !== "dir" && node.mtime !== below.mtime) return "changed";
  if (isLink && node.link !== below.link) return "changed";
  if (node.devMajor !== below.devMajor || node.devMinor !== below.devMinor) return "changed";
  if (!sameXattrs(xattrs, layerXattrs(below.xattrs))) return "changed";
  if (node.type !== "file") return "same";
  if (node.size !== below.size) return "changed";
  return node.size === 0 ? "same" : "unread";
}

async function readUnread(items: readonly DiffItem[], below: FileTree, hash: DiffOptions["hash"]): Promise<void> {
  const known = new Map<string, string>();
  for (const item of items) {
    if (item.verdict !== "unread") continue;
    const { inode } = item.node!;
    let digest = inode === undefined ? undefined : known.get(inode);
    digest ??= await hash(item.node!);
    if (inode !== undefined) known.set(inode, digest);
    item.verdict = digest === below.digest(item.below!) ? "same" : "changed";
  }
}

/** Names of one inode, where the upper directory has several. */
function groupsOf(items: readonly DiffItem[]): DiffItem[][] {
  const groups = new Map<string, DiffItem[]>();
  for (const item of items) {
    const inode = item.node?.inode;
    if (inode === undefined || item.verdict === "removed" || item.verdict === "nothing") continue;
    const group = groups.get(inode);
    if (group) group.push(item);
    else groups.set(inode, [item]);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

/** One name of an inode that is written takes the others with it: they would be linked to nothing. */
function settleGroup(group: readonly DiffItem[]): void {
  if (!group.some(({ verdict }) => verdict === "changed") && areOneBelow(group)) return;
  for (const item of group) item.verdict = "changed";
}

/** Trees tell of hard links between files only. */
function areOneBelow(group: readonly DiffItem[]): boolean {
  const first = group[0]!.below?.inode;
  return group[0]!.node!.type !== "file" || (first !== undefined && group.every(({ below }) => below?.inode === first));
}

/** What was made for a mount is no change, unless something was put into it. */
function leaveStubsOut(items: readonly DiffItem[], stubs: ReadonlySet<ByteString>): void {
  if (stubs.size === 0) return;
  const used = new Set<number>();
  for (let at = items.length - 1; at > 0; at--) {
    const item = items[at]!;
    if (isStub(item, stubs) && !used.has(at)) item.verdict = "nothing";
    if (isWritten(item) || used.has(at)) used.add(item.parent);
  }
}

function isStub({ node, below, path, verdict }: DiffItem, stubs: ReadonlySet<ByteString>): boolean {
  if (verdict !== "changed" || below !== undefined || !stubs.has(path)) return false;
  return node!.type === "dir" || (node!.type === "file" && node!.size === 0);
}

/** True if the layer has an entry for it. */
export function isWritten({ verdict }: DiffItem): boolean {
  return verdict === "changed" || verdict === "removed";
}
