/** What overlayfs shows of some directories, listed by a program that is not ours, and the same of a merged tree. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { ImageLayer } from "../../src/image/image.js";
import { OpenLayers, storeLayer } from "../../src/image/layers.js";
import { isLayerXattr } from "../../src/layer/changes.js";
import { type FileTree, pathOf, walkTree } from "../../src/layer/fileTree.js";
import { OCI_LAYER } from "../../src/oci/mediaTypes.js";
import type { Hand } from "../../src/sandbox/hand.js";
import { Snapshots } from "../../src/sandbox/snapshots.js";
import type { Lease, Store } from "../../src/store/store.js";
import { sha256Hex } from "../../src/support/hash.js";
import { pieces } from "../archive/images.js";

/** The hand of root. */
export const ROOT: Hand = {
  flavour: "root",
  overlayXattrs: "trusted",
  singleId: false,
  devices: true,
  upper: "store",
};

const made: string[] = [];
afterAll(() => {
  for (const path of made) fs.rmSync(path, { recursive: true, force: true });
});

/** A name in a tree, with everything that a process can see of it. */
export type Listing = Readonly<Record<string, readonly unknown[]>>;

const LIST = `
import hashlib, json, os, stat, sys
root = os.fsencode(sys.argv[1])
out, inodes = {}, {}
def one(path, name):
    s = os.lstat(path)
    kind = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFCHR: "char", stat.S_IFBLK: "block", stat.S_IFIFO: "fifo"}[stat.S_IFMT(s.st_mode)]
    xattrs = sorted([os.fsencode(x).decode("latin1"), os.getxattr(path, x, follow_symlinks=False).decode("latin1")] for x in os.listxattr(path, follow_symlinks=False))
    more = ""
    if kind == "file": more = hashlib.sha256(open(path, "rb").read()).hexdigest()
    if kind == "symlink": more = os.readlink(path).decode("latin1")
    if kind in ("char", "block"): more = "%d,%d" % (os.major(s.st_rdev), os.minor(s.st_rdev))
    mode = 0o777 if kind == "symlink" else stat.S_IMODE(s.st_mode)
    first = inodes.setdefault(s.st_ino, name) if kind != "dir" and s.st_nlink > 1 else ""
    out[name.decode("latin1")] = [kind, mode, s.st_uid, s.st_gid, int(s.st_mtime // 1), more, xattrs, first.decode("latin1") if first else ""]
def walk(path, name):
    for child in sorted(os.listdir(path)):
        below = name + b"/" + child if name else child
        full = path + b"/" + child
        one(full, below)
        if stat.S_ISDIR(os.lstat(full).st_mode): walk(full, below)
sys.setrecursionlimit(20000)
walk(root, b"")
json.dump(out, sys.stdout)
`;

/** Mounts the directories (topmost first) over each other where no one else sees it, and lists what is there. */
export function overlayView(directories: readonly string[], options = ""): Listing {
  const dir = temporary();
  fs.mkdirSync(join(dir, "empty"));
  fs.mkdirSync(join(dir, "merged"));
  const lower = [join(dir, "empty"), ...directories, join(dir, "empty2")];
  fs.mkdirSync(join(dir, "empty2"));
  // One page is all that mount(2) takes: short names.
  lower.forEach((path, i) => {
    fs.symlinkSync(path, join(dir, String(i)));
  });
  const lowerdir = lower.map((_, i) => i).join(":");
  const script = 'cd "$1" && mount -t overlay overlay -o "$2" merged && exec python3 -c "$3" merged';
  const mountOptions = `ro,lowerdir=${lowerdir}${options}`;
  const result = spawnSync("unshare", ["-m", "sh", "-c", script, "sh", dir, mountOptions, LIST], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { ...process.env, LIBMOUNT_FORCE_MOUNT2: "always" },
  });
  if (result.status !== 0) throw new Error(result.stderr);
  return withoutOverlayXattrs(JSON.parse(result.stdout));
}

function withoutOverlayXattrs(listing: Record<string, unknown[]>): Listing {
  for (const entry of Object.values(listing)) {
    entry[6] = (entry[6] as [string, string][]).filter(([name]) => isLayerXattr(name));
  }
  return listing;
}

/** The same of a tree that is only computed. Prepare it first. */
export function treeView(tree: FileTree): Listing {
  const out: Record<string, unknown[]> = {};
  const nodes: ReturnType<FileTree["children"]>[number][] = [];
  walkTree(tree, tree.root, (node) => {
    if (node !== tree.root) nodes.push(node);
    return undefined;
  });
  const names = new Map<unknown, string[]>();
  for (const node of nodes) {
    if (node.inode === undefined) continue;
    names.set(node.inode, [...(names.get(node.inode) ?? []), pathOf(node)].sort());
  }
  for (const node of nodes) {
    const group = node.inode === undefined ? [] : names.get(node.inode)!;
    const more = {
      file: () => tree.digest(node),
      symlink: () => node.link,
      char: () => `${node.devMajor},${node.devMinor}`,
      block: () => `${node.devMajor},${node.devMinor}`,
      dir: () => "",
      fifo: () => "",
    }[node.type]();
    const xattrs = Object.entries(node.xattrs ?? {})
      .filter(([name]) => isLayerXattr(name) && canHave(node.type, name))
      .sort();
    const mode = node.type === "symlink" ? 0o777 : node.mode;
    const first = group.length > 1 ? group[0] : "";
    out[pathOf(node)] = [node.type, mode, node.uid, node.gid, node.mtime, more, xattrs, first];
  }
  return out;
}

/** xattr(7): four name spaces, of which `user` is for files and directories only. */
function canHave(type: string, xattr: string): boolean {
  if (xattr.startsWith("user.")) return type === "file" || type === "dir";
  return /^(?:security|trusted|system)\./.test(xattr);
}

/** Takes tars into a store as layers. */
export async function putLayers(store: Store, tars: readonly Buffer[]): Promise<ImageLayer[]> {
  const layers: ImageLayer[] = [];
  for (const tar of tars) layers.push(await storeLayer(store, pieces(tar), undefined, OCI_LAYER));
  return layers;
}

/** Snapshots of a store, with what they need. Close it. */
export function snapshotsOf(store: Store, hand: Hand = ROOT): OpenSnapshots {
  const open = new OpenLayers(store);
  const lease = store.acquireLease();
  const close = () => {
    open.close();
    lease.release();
  };
  return { snapshots: new Snapshots(store, lease, open, hand), open, lease, close };
}

/** See {@link snapshotsOf}. */
export interface OpenSnapshots {
  readonly snapshots: Snapshots;
  readonly open: OpenLayers;
  readonly lease: Lease;
  close(): void;
}

/** What a stack of tars looks like in both ways. */
export async function bothViews(
  store: Store,
  tars: readonly Buffer[],
  hand: Hand = ROOT,
): Promise<{ readonly overlay: Listing; readonly tree: Listing; readonly directories: readonly string[] }> {
  const layers = await putLayers(store, tars);
  const { snapshots, open, close } = snapshotsOf(store, hand);
  try {
    const directories = await snapshots.directories(layers);
    const tree = await open.tree(layers);
    return { overlay: overlayView(directories), tree: treeView(tree), directories };
  } finally {
    close();
  }
}

/** A directory that goes when the test file is done. */
export function temporary(): string {
  const path = fs.mkdtempSync(join(tmpdir(), "nacre-snapshots-"));
  made.push(path);
  return path;
}

/** Digest of a text, as file contents are listed. */
export const contentOf = (text: string): string => sha256Hex(Buffer.from(text, "latin1"));
