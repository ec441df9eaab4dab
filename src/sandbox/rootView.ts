/**
 * What a root looks like while its mounts are planned: the merged tree of its layers, and everything mounted so far on top
 * of it. Paths are followed through both as the kernel would follow them inside the root. Pure, but for caches, whose
 * files are looked at where they are.
 */
import { components, type FileTree, type FileType, lookup, MAX_LINKS, type TreeNode } from "../layer/fileTree.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";

/** What stands at a name. */
export interface Found {
  readonly type: FileType;
  /** Target of a symlink. */
  readonly link?: ByteString | undefined;
}

/**
 * How something that is mounted behaves where a name is missing in it.
 *
 * - `root`, `scratch`: names can be made beforehand, in a directory that the mount is put together from
 * - `tmpfs`: names can be made once it is mounted
 * - `disk`: a real directory, that of a cache
 * - `sealed`: nothing can be made: read-only, a file, or one of the kernel's own
 * - `kernel`: /proc and /sys, into which no path is followed
 */
export type GroundKind = "root" | "scratch" | "tmpfs" | "disk" | "sealed" | "kernel";

/** Something mounted. */
export interface Ground {
  readonly kind: GroundKind;
  readonly type: "dir" | "file";
  /** What is there under a path below the mount point; undefined for the mount point itself, and where nothing is. */
  find(path: ByteString): Found | undefined;
}

/** Where a path leads. */
export interface Place {
  /** Clean path below the root, without symlinks in it. */
  readonly path: ByteString;
  /** Undefined if nothing is there. */
  readonly found: Found | undefined;
  readonly ground: Ground;
  /** Where the ground is mounted, below the root. */
  readonly mountPoint: ByteString;
  /** Path below the mount point; for ground `kernel` as it was given, neither cleaned nor followed. */
  readonly inside: ByteString;
}

/** See the top of this file. */
export class RootView {
  readonly #grounds = new Map<ByteString, Ground>();

  constructor(tree: FileTree) {
    this.#grounds.set("", treeGround("root", tree, tree.root));
  }

  /** Mounts something at a resolved path: what was mounted there or below is not seen any more. */
  mount(path: ByteString, ground: Ground): void {
    for (const other of this.#grounds.keys()) if (isWithin(other, path)) this.#grounds.delete(other);
    this.#grounds.set(path, ground);
  }

  /**
   * Follows a path, the last component included. Names that are missing are kept as they are.
   * @param path from the root of the view, whatever it begins with
   * @throws NacreError MOUNT where the path leads through a file, or through too many symlinks
   */
  resolve(path: ByteString): Place {
    const todo = components(path).reverse();
    const at: ByteString[] = [];
    let found: Found | undefined = { type: "dir" };
    let links = 0;
    while (todo.length > 0) {
      const part = todo.pop()!;
      const here = this.#groundOf(at.join("/"));
      if (here.ground.kind === "kernel") {
        if (this.#leadsToMount([...at, part].join("/"))) {
          at.push(part);
          continue;
        }
        const inside = [...components(here.inside), part, ...todo.reverse()].join("/");
        return { ...here, path: join(here.mountPoint, inside), found: undefined, inside };
      }
      if (found !== undefined && found.type !== "dir") throw notDirectory(path, at.join("/"));
      if (part === "..") {
        at.pop();
        found = this.#find(at.join("/"));
        continue;
      }
      at.push(part);
      found = found === undefined ? undefined : this.#find(at.join("/"));
      if (found?.type !== "symlink") continue;
      if (++links > MAX_LINKS) throw tooManyLinks(path);
      const target = found.link ?? "";
      at.length = target.startsWith("/") ? 0 : at.length - 1;
      todo.push(...components(target).reverse());
      found = this.#find(at.join("/"));
    }
    const place = this.#groundOf(at.join("/"));
    return { ...place, path: at.join("/"), found };
  }

  /** True if something is mounted at a path or below it. */
  #leadsToMount(path: ByteString): boolean {
    return [...this.#grounds.keys()].some((mountPoint) => isWithin(mountPoint, path));
  }

  #find(path: ByteString): Found | undefined {
    const { ground, inside } = this.#groundOf(path);
    return inside === "" ? { type: ground.type } : ground.find(inside);
  }

  #groundOf(path: ByteString): Omit<Place, "path" | "found"> {
    for (let prefix = path; ; prefix = prefix.slice(0, Math.max(0, prefix.lastIndexOf("/")))) {
      const ground = this.#grounds.get(prefix);
      if (ground) return { ground, mountPoint: prefix, inside: prefix === "" ? path : path.slice(prefix.length + 1) };
    }
  }
}

/** Part of a tree of layers. @param node what stands at the mount point */
export function treeGround(kind: "root" | "scratch" | "sealed", tree: FileTree, node: TreeNode): Ground {
  const below = { root: node, child: tree.child.bind(tree) } as FileTree;
  const type = node.type === "dir" ? "dir" : "file";
  return { kind, type, find: (path) => (type === "dir" ? lookup(below, path) : undefined) };
}

/** Something in which nothing is, or whose names are not of interest. */
export function emptyGround(kind: "tmpfs" | "sealed" | "kernel", type: "dir" | "file" = "dir"): Ground {
  return { kind, type, find: () => undefined };
}

/** True if a clean path is another one, or lies below it. */
export function isWithin(path: ByteString, above: ByteString): boolean {
  return above === "" || path === above || path.startsWith(`${above}/`);
}

/** A path for messages. */
export function shown(path: ByteString): string {
  return JSON.stringify(`/${fromByteString(path)}`);
}

function join(above: ByteString, below: ByteString): ByteString {
  return above === "" ? below : below === "" ? above : `${above}/${below}`;
}

function notDirectory(path: ByteString, at: ByteString): NacreError {
  const whole = components(path).join("/");
  return new NacreError("MOUNT", `${shown(whole)} leads through ${shown(at)}, which is not a directory`, {
    hint: "choose another path, or remove the file in an earlier step",
  });
}

function tooManyLinks(path: ByteString): NacreError {
  return new NacreError("MOUNT", `too many levels of symbolic links in ${shown(components(path).join("/"))}`, {
    hint: "look for a symlink in the image that leads back to itself",
  });
}
