/**
 * The mounts of a root, one after the other: where each one really goes, what has to be made for it, and what a later one
 * then finds there. Pure; what is to be made is collected, not made.
 */
import { cleanPath, type FileTree, lookup, type TreeNode } from "../layer/fileTree.js";
import { type ByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { cacheGround } from "./cachePoint.js";
import { lockedFlags, type MountLine } from "./hostFacts.js";
import { type NewPath, stub } from "./newPaths.js";
import type { PlannedMount, SecretFile } from "./rootPlan.js";
import { emptyGround, type Ground, isWithin, type Place, RootView, shown, treeGround } from "./rootView.js";
import type { MountOwner } from "./types.js";

/** Files of /proc that may be mounted on, as OCI runtimes allow it. */
const OPEN_PROC_FILES = new Set<ByteString>([
  "cpuinfo",
  "diskstats",
  "meminfo",
  "stat",
  "swaps",
  "uptime",
  "loadavg",
  "slabinfo",
  "sys/kernel/ns_last_pid",
  "sys/crypto/fips_enabled",
]);

/** Files of other layers, looked up and unpacked. */
export interface BindSource {
  readonly tree: FileTree;
  readonly node: TreeNode;
  /** Clean path of the node in its tree. */
  readonly path: ByteString;
  /** Directories that make up the tree, topmost first; absolute. */
  readonly directories: readonly string[];
  /** False where a directory holds the marks of removed names, which only an overlay hides. */
  readonly plain: boolean;
  /** Equal for equal stacks of layers. */
  readonly key: string;
}

/** What a cache mount mounts. */
export interface CacheDirectory {
  /** Absolute. */
  readonly path: string;
  /** A cache whose first content was a file is one. */
  readonly type: "dir" | "file";
  /** No other step can use the cache meanwhile. */
  readonly exclusive: boolean;
}

/** A writable copy of a bind source, thrown away in the end. */
export interface Scratch {
  /** Upper and work directory of the overlay, absolute. */
  readonly upper: string;
  readonly work: string;
  readonly tree: FileTree;
  /** To be made in the upper directory. */
  readonly paths: NewPath[];
}

/** A path to be made in the directory of a cache. */
export interface CachePoint {
  readonly directory: string;
  readonly path: ByteString;
  readonly type: "dir" | "file";
  readonly uid: number;
  readonly gid: number;
}

/** Where things of the step are. Absolute. */
export interface StepPlaces {
  /** The step's directory. */
  readonly dir: string;
  /** Where upper directories may be: the step's directory, or one on a tmpfs. */
  readonly upperBase: string;
  /** In a user namespace: the mounts of the host, whose flags stick. */
  readonly hostMounts: readonly MountLine[] | undefined;
}

/** Where a mount goes, once its mount point is seen to. */
interface Target {
  readonly path: ByteString;
  readonly makeTarget: "dir" | "file" | undefined;
}

/** See the top of this file. Use once. */
export class MountPlanner {
  readonly view: RootView;
  /** Mount points that the layers lack. */
  readonly stubs: NewPath[] = [];
  /** What stays in the layer. */
  readonly kept: NewPath[] = [];
  readonly scratches: Scratch[] = [];
  readonly cachePoints: CachePoint[] = [];
  readonly #tree: FileTree;
  readonly #places: StepPlaces;
  readonly #helpers: PlannedMount[] = [];
  readonly #mounts: PlannedMount[] = [];
  #secrets: SecretFile[] = [];
  readonly #shared = new Map<string, ByteString>();
  readonly #scratchOf = new Map<Ground, { readonly scratch: Scratch; readonly below: ByteString }>();
  readonly #cacheOf = new Map<Ground, CacheDirectory>();

  constructor(tree: FileTree, places: StepPlaces) {
    this.#tree = tree;
    this.#places = places;
    this.view = new RootView(tree);
  }

  /** All mounts in their order: helpers beside the root first. */
  get mounts(): readonly PlannedMount[] {
    return [...this.#helpers, ...this.#mounts];
  }

  /** Secrets that no later mount hides. */
  get secretFiles(): readonly SecretFile[] {
    return this.#secrets;
  }

  /**
   * One of /proc, /dev and /sys. None of them may be anything but a directory: what a symlink there would lead to is the
   * image's choice (as with runc; runc follows /dev, we do not).
   * @param isKept what was made for it stays in the layer
   * @throws NacreError MOUNT
   */
  system(mount: PlannedMount, ground: Ground, isKept: boolean): void {
    const node = lookup(this.#tree, mount.target);
    if (node !== undefined && node.type !== "dir") {
      throw new NacreError("MOUNT", `${shown(mount.target)} of the image is a ${kindOf(node.type)}, not a directory`, {
        hint: "RUN needs /proc, /dev and /sys as directories: make it one, or remove it, in the base image",
      });
    }
    if (node === undefined) (isKept ? this.kept : this.stubs).push(stub(mount.target, "dir"));
    this.fixed(mount, ground);
  }

  /** A mount within what {@link system} has mounted. @param ground undefined where nothing is mounted over it later */
  fixed(mount: PlannedMount, ground?: Ground): void {
    this.#mounts.push(mount);
    if (ground) this.view.mount(mount.target, ground);
  }

  /** A file of the step. @param target as a path inside the root */
  file(source: string, target: string, options: readonly string[]): void {
    const to = this.#target(target, "file");
    this.#add(toByteString(source), to, options, emptyGround("sealed", "file"));
  }

  /** A directory of the step, read-only. */
  directory(source: string, target: string): void {
    const to = this.#target(target, "dir");
    this.#add(toByteString(source), to, this.#readOnly(source), emptyGround("sealed"));
  }

  /** `--mount=type=bind` */
  bind(source: BindSource, target: string, writable: boolean): void {
    const type = source.node.type === "dir" ? "dir" : "file";
    const to = this.#target(target, type);
    const { tree, node } = source;
    if (writable) {
      const { root, scratch } = this.#writableCopy(source);
      const ground = treeGround("scratch", tree, node);
      this.#scratchOf.set(ground, { scratch, below: source.path });
      this.#add(below(root, source.path), to, [], ground);
      return;
    }
    const [only] = source.directories;
    const simple = source.plain && source.directories.length === 1 && only !== undefined;
    const root = simple ? toByteString(only) : this.#together(source);
    const options = simple ? this.#readOnly(only) : ["ro"];
    this.#add(below(root, source.path), to, options, treeGround("sealed", tree, node));
  }

  /** `--mount=type=cache` */
  cache(directory: CacheDirectory, target: string, readOnly: boolean): void {
    const { path, type } = directory;
    const to = this.#target(target, type);
    const ground = type === "dir" ? cacheGround(path, readOnly) : emptyGround("sealed", "file");
    this.#cacheOf.set(ground, directory);
    this.#add(toByteString(path), to, readOnly ? this.#readOnly(path) : [], ground);
  }

  /** `--mount=type=tmpfs`. @param size bytes; 0 is no limit */
  tmpfs(target: string, size: number): void {
    const to = this.#target(target, "dir");
    this.#push({
      source: "tmpfs",
      target: to.path,
      type: "tmpfs",
      options: size > 0 ? ["nosuid", `size=${size}`] : ["nosuid"],
      makeTarget: to.makeTarget,
    });
    this.view.mount(to.path, emptyGround("tmpfs"));
  }

  /** `--mount=type=secret` */
  secret(target: string, content: Buffer, owner: MountOwner): void {
    const { path, makeTarget } = this.#target(target, "file");
    this.#hideSecrets(path);
    const { mode, uid, gid } = owner;
    this.#secrets.push({ target: path, makeTarget: makeTarget && "file", content, mode, uid, gid });
    this.view.mount(path, emptyGround("sealed", "file"));
  }

  /** A directory in which a path is missing, made ready so that the path can be made. @returns undefined if it is not possible */
  makeMissing(place: Place, type: "dir" | "file", uid: number, gid: number): "beforehand" | "mounted" | undefined {
    const { ground, inside } = place;
    if (ground.kind === "tmpfs") return "mounted";
    const copy = this.#scratchOf.get(ground);
    if (copy) {
      copy.scratch.paths.push({ path: below(copy.below, inside), type, uid, gid });
      return "beforehand";
    }
    const cache = this.#cacheOf.get(ground);
    if (cache === undefined || ground.kind !== "disk") return undefined;
    this.cachePoints.push({ directory: cache.path, path: inside, type, uid, gid });
    return "beforehand";
  }

  #add(source: ByteString, to: Target, options: readonly string[], ground: Ground): void {
    this.#push({ source, target: to.path, type: "bind", options, makeTarget: to.makeTarget });
    this.view.mount(to.path, ground);
  }

  #push(mount: PlannedMount): void {
    this.#hideSecrets(mount.target);
    this.#mounts.push(mount);
  }

  /** Secrets are bound when all else is mounted, so what a later mount covers must not be bound at all. */
  #hideSecrets(path: ByteString): void {
    this.#secrets = this.#secrets.filter((secret) => !isWithin(secret.target, path));
  }

  /**
   * Finds where a target really is, and sees to it that a mount point is there.
   * @throws NacreError MOUNT
   */
  #target(target: string, type: "dir" | "file"): Target {
    if (target.includes("\0")) throw refused(target, "a path cannot hold a NUL character");
    const place = this.view.resolve(toByteString(target));
    if (place.path === "") throw new NacreError("MOUNT", 'invalid mount target "/"', { hint: "mount below the root" });
    this.#assertSafe(place, target);
    if (place.ground.kind === "kernel") return { path: kernelTarget(place, target, type), makeTarget: undefined };
    if (place.found) return { path: assertKind(place, target, type), makeTarget: undefined };
    if (place.ground.kind === "root") {
      this.stubs.push(stub(place.path, type));
      return { path: place.path, makeTarget: undefined };
    }
    const made = this.makeMissing(place, type, 0, 0);
    if (made === undefined) {
      throw refused(target, `there is nothing at ${shown(place.path)}, and ${shown(place.mountPoint)} is read-only`);
    }
    return { path: place.path, makeTarget: made === "mounted" ? type : undefined };
  }

  /** A mount point in a cache could be exchanged for a symlink between now and the mount, if others were at work in it. */
  #assertSafe({ ground, inside, mountPoint }: Place, target: string): void {
    if (inside === "" || this.#cacheOf.get(ground)?.exclusive !== false) return;
    throw refused(
      target,
      `it lies in the cache at ${shown(mountPoint)}, which other steps use at the same time`,
      "give that cache sharing=locked",
    );
  }

  /** Several directories as one, read-only; made once for each stack. */
  #together(source: BindSource): ByteString {
    const known = this.#shared.get(source.key);
    if (known !== undefined) return known;
    const empty = `${this.#places.dir}/empty`;
    // Overlayfs wants at least two, and refuses the same one twice.
    if (source.directories.length === 0) return toByteString(empty);
    const lower = source.directories.length > 1 ? source.directories : [...source.directories, empty];
    const root = this.#helper({ lower, upper: undefined, work: undefined }, ["ro"]);
    this.#shared.set(source.key, root);
    return root;
  }

  #writableCopy(source: BindSource): { readonly root: ByteString; readonly scratch: Scratch } {
    const base = `${this.#places.upperBase}/copy${this.scratches.length}`;
    const scratch: Scratch = { upper: `${base}.upper`, work: `${base}.work`, tree: source.tree, paths: [] };
    this.scratches.push(scratch);
    const lower = source.directories.length > 0 ? source.directories : [`${this.#places.dir}/empty`];
    const root = this.#helper({ lower, upper: scratch.upper, work: scratch.work }, ["volatile"]);
    return { root, scratch };
  }

  #helper(overlay: NonNullable<PlannedMount["overlay"]>, options: readonly string[]): ByteString {
    const target = `mount${this.#helpers.length}`;
    this.#helpers.push({ source: "overlay", target, base: "step", type: "overlay", options, overlay });
    return `${toByteString(this.#places.dir)}/${target}`;
  }

  #readOnly(source: string): string[] {
    const { hostMounts } = this.#places;
    return ["ro", ...(hostMounts ? lockedFlags(hostMounts, source) : [])];
  }
}

/** True if two paths are the same where no symlink is followed; for mounts that replace a standard one. */
export function samePath(target: string, path: ByteString): boolean {
  return cleanPath(toByteString(target)) === path;
}

function kernelTarget({ path, mountPoint, inside }: Place, target: string, type: "dir" | "file"): ByteString {
  if (mountPoint === "proc" && type === "file" && OPEN_PROC_FILES.has(inside)) return path;
  if (inside === "") throw refused(target, `${shown(path)} is made by nacre for every step`);
  throw refused(target, `it is inside ${shown(mountPoint)}`, "choose a target outside /proc and /sys");
}

function assertKind({ path, found, mountPoint, inside }: Place, target: string, type: "dir" | "file"): ByteString {
  if (mountPoint === "dev" && (inside === "" || found?.type !== "dir")) {
    throw refused(target, `${shown(path)} is made by nacre for every step`);
  }
  if ((found?.type === "dir") === (type === "dir")) return path;
  const [what, there] = type === "dir" ? ["a directory", "a file"] : ["a file", "a directory"];
  throw refused(target, `${what} is to be mounted where the image has ${there}: ${shown(path)} is not ${what}`);
}

function refused(target: string, why: string, hint = "choose another target"): NacreError {
  return new NacreError("MOUNT", `cannot mount at ${JSON.stringify(target)}: ${why}`, { hint, facts: { target } });
}

function kindOf(type: TreeNode["type"]): string {
  if (type === "file") return "file";
  return type === "symlink" ? "symlink" : "special file";
}

function below(root: ByteString, path: ByteString): ByteString {
  return path === "" ? root : root === "" ? path : `${root}/${path}`;
}
