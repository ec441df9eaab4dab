/**
 * The tree of a stack of layers: what a container would see, computed from the layers' indexes alone. Directories are
 * merged when they are first asked for, so that a look into a big image costs only the directories on the way.
 */
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import {
  type ContentReader,
  type FileTree,
  type FileType,
  lookup,
  pathOf,
  type TreeNode,
  walkTree,
} from "./fileTree.js";
import { type LayerContent, readRange, readSparse } from "./layerContent.js";
import type { LayerIndex } from "./layerIndex.js";
import { redirectImplied } from "./redirect.js";

export type { LayerContent } from "./layerContent.js";

/** A layer of a stack. */
export interface StackedLayer {
  readonly index: LayerIndex;
  readonly content: LayerContent;
}

/** A name in the merged tree, and which entry of which layer it comes from. */
export interface MergedNode extends TreeNode {
  readonly parent: MergedNode | undefined;
  /** Position of the layer in the stack, 0 the lowest; -1 where no layer lists the name. */
  readonly layer: number;
  /** Entry number in that layer's index. */
  readonly entry: number;
}

/** One layer's part of a merged directory. */
interface Part {
  readonly layer: number;
  readonly entry: number;
}

/** The merged view of a stack of layers; see the top of this file. */
export class LayerTree implements FileTree {
  readonly root: MergedNode;
  readonly layers: readonly StackedLayer[];
  readonly #parts = new WeakMap<TreeNode, readonly Part[]>();
  readonly #children = new WeakMap<TreeNode, readonly MergedNode[]>();
  readonly #byName = new WeakMap<TreeNode, ReadonlyMap<ByteString, MergedNode>>();
  /** Where the content of a hard link into a lower layer lies. */
  readonly #borrowed = new WeakMap<TreeNode, MergedNode>();

  /**
   * @param layers lowest first
   * @param isSettled they are the layers of another tree, whose members are where they belong already
   */
  constructor(layers: readonly StackedLayer[], isSettled = false) {
    this.layers = isSettled ? layers : settle(layers);
    this.root = this.#directory("", undefined, this.#rootParts());
  }

  children(node: TreeNode): readonly MergedNode[] {
    let list = this.#children.get(node);
    if (list === undefined) {
      list = node.type === "dir" ? this.#merge(node as MergedNode) : [];
      this.#children.set(node, list);
    }
    return list;
  }

  child(node: TreeNode, name: ByteString): MergedNode | undefined {
    let names = this.#byName.get(node);
    if (names === undefined) {
      names = new Map(this.children(node).map((child) => [child.name, child]));
      this.#byName.set(node, names);
    }
    return names.get(name);
  }

  async prepare(nodes: readonly TreeNode[]): Promise<void> {
    const wanted = new Set<number>();
    for (const top of nodes) {
      walkTree(this, top, (node) => {
        if (node.type === "file" && node.size > 0) wanted.add(this.#content(node).layer);
        return wanted.size < this.layers.length;
      });
    }
    for (const layer of wanted) await this.layers[layer]!.content.prepare();
  }

  digest(node: TreeNode): string {
    const { layer, entry } = this.#content(node);
    const digest = this.layers[layer]?.index.digestHex(entry);
    if (digest === undefined) throw new NacreError("INTERNAL", `no content digest for ${fromByteString(pathOf(node))}`);
    return digest;
  }

  open(node: TreeNode): ContentReader {
    const { layer, entry } = this.#content(node);
    const { index, content } = this.layers[layer]!;
    const position = index.contentOffset(entry);
    const segments = index.sparse(entry);
    if (segments) return readSparse(content, position, segments, index.size(entry));
    return readRange(content, position, index.size(entry));
  }

  /** A small file that a layer's index holds whole, or undefined. */
  smallFile(node: TreeNode): Buffer | undefined {
    const { layer, entry } = this.#content(node);
    const index = this.layers[layer]?.index;
    return index?.smallFile(index.path(entry));
  }

  /** The node whose layer holds a file's content: itself, or what a hard link into a lower layer leads to. */
  contentNode(node: TreeNode): MergedNode {
    return this.#content(node);
  }

  #content(node: TreeNode): MergedNode {
    return this.#borrowed.get(node) ?? (node as MergedNode);
  }

  #rootParts(): Part[] {
    const parts: Part[] = [];
    for (let layer = this.layers.length - 1; layer >= 0; layer--) {
      parts.push({ layer, entry: 0 });
      if (this.layers[layer]!.index.isOpaque(0)) break;
    }
    return parts;
  }

  /** A directory takes its metadata from the topmost layer that lists it. */
  #directory(name: ByteString, parent: MergedNode | undefined, parts: readonly Part[]): MergedNode {
    const listed = parts.find(({ layer, entry }) => !this.layers[layer]!.index.isImplied(entry));
    const node = listed
      ? this.#node(name, parent, "dir", listed.layer, listed.entry)
      : { name, parent, type: "dir" as const, mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0, layer: -1, entry: -1 };
    this.#parts.set(node, parts);
    return node;
  }

  #merge(node: MergedNode): MergedNode[] {
    const parts = this.#parts.get(node) ?? [];
    const done = new Set<ByteString>();
    const open = new Map<ByteString, Part[]>();
    const out: MergedNode[] = [];
    for (const { layer, entry } of parts) {
      const { index } = this.layers[layer]!;
      for (const child of index.children(entry)) this.#take({ layer, entry: child }, node, done, open, out);
    }
    for (const [name, dirParts] of open) out.push(this.#directory(name, node, dirParts));
    return out.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Puts one layer's child into the merged list; parts come topmost layer first. */
  #take(part: Part, parent: MergedNode, done: Set<ByteString>, open: Map<ByteString, Part[]>, out: MergedNode[]): void {
    const { index } = this.layers[part.layer]!;
    const name = index.name(part.entry);
    if (done.has(name)) return;
    const type = index.type(part.entry);
    const upper = open.get(name);
    if (type === "dir") {
      if (upper) upper.push(part);
      else open.set(name, [part]);
      if (index.isOpaque(part.entry)) done.add(name);
      return;
    }
    done.add(name);
    // A directory above hides anything else below it, and a whiteout has no more to say.
    if (upper || type === "whiteout") return;
    out.push(
      type === "hardlink" ? this.#hardLink(name, parent, part) : this.#node(name, parent, type, part.layer, part.entry),
    );
  }

  /** A further name of an inode of the same layer, or, where the first name lies in a lower layer, a copy. */
  #hardLink(name: ByteString, parent: MergedNode, part: Part): MergedNode {
    const { index } = this.layers[part.layer]!;
    if (index.contentOffset(part.entry) >= 0) return this.#node(name, parent, "file", part.layer, part.entry);
    const target = lookup(new LayerTree(this.layers.slice(0, part.layer), true), index.link(part.entry) ?? "") as
      | MergedNode
      | undefined;
    if (target === undefined || target.type === "dir") {
      throw new NacreError(
        "CONTENT_INVALID",
        `the hard link ${fromByteString(index.path(part.entry))} leads to ${JSON.stringify(fromByteString(index.link(part.entry) ?? ""))}, which is not there`,
        {
          hint: "the image is damaged; get it again from where it came from",
        },
      );
    }
    const node: MergedNode = { ...target, name, parent };
    this.#borrowed.set(node, target);
    return node;
  }

  #node(name: ByteString, parent: MergedNode | undefined, type: FileType, layer: number, entry: number): MergedNode {
    const { index } = this.layers[layer]!;
    const { columns } = index;
    const first = type === "file" ? index.firstNames().get(entry) : undefined;
    const device = index.device(entry);
    const link = type === "symlink" ? index.link(entry) : undefined;
    const xattrs = index.xattrs(entry);
    return {
      name,
      parent,
      type,
      mode: columns.modes[entry]!,
      uid: columns.uids[entry]!,
      gid: columns.gids[entry]!,
      size: type === "file" ? columns.sizes[entry]! : 0,
      mtime: columns.mtimes[entry]!,
      link,
      xattrs,
      devMajor: device?.[0],
      devMinor: device?.[1],
      inode: first === undefined ? undefined : layer * 2 ** 32 + first,
      layer,
      entry,
    };
  }
}

/** Brings what a layer writes through symlinks of lower ones to where they lead. */
function settle(layers: readonly StackedLayer[]): StackedLayer[] {
  const stack: StackedLayer[] = [];
  for (const layer of layers) {
    const lower = stack.map(({ index }) => index);
    const index = redirectImplied(layer.index, lower, () => new LayerTree(stack, true));
    stack.push(index === layer.index ? layer : { ...layer, index });
  }
  return stack;
}
