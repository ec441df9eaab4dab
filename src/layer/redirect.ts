/**
 * Layers that leave parents out: where such a parent is a symlink in the layers below, the members go where the link
 * leads (inside the root), as every extraction onto the lower layers would put them.
 */

import type { ByteString } from "../support/bytes.js";
import type { TarEntry } from "../tar/entry.js";
import { type FileTree, resolvePath } from "./fileTree.js";
import { IndexBuilder } from "./indexBuilder.js";
import type { LayerIndex } from "./layerIndex.js";

/**
 * The index as it reads on top of the lower layers: itself, unless a parent that it only implies is a symlink there.
 * @param lower indexes of the lower layers
 * @param below makes the tree of the lower layers; only called where the layer has a directory in place of a symlink there
 */
export function redirectImplied(index: LayerIndex, lower: readonly LayerIndex[], below: () => FileTree): LayerIndex {
  if (!lower.some((other) => meetsSymlink(index, other))) return index;
  const implied = impliedDirectories(index);
  if (implied.length === 0) return index;
  const tree = below();
  const moved = new Map<ByteString, ByteString>();
  for (const path of implied) {
    const { path: real, node } = resolvePath(tree, path, true);
    if (real !== path && (node === undefined || node.type === "dir")) moved.set(path, real);
  }
  return moved.size === 0 ? index : rebuild(index, moved);
}

/** True if a path that is a symlink in a lower layer is a directory in this one: nothing else can lead its members elsewhere. */
function meetsSymlink(index: LayerIndex, lower: LayerIndex): boolean {
  for (const key of Object.keys(lower.columns.extras.links)) {
    const entry = Number(key);
    if (lower.type(entry) !== "symlink") continue;
    const here = index.find(lower.path(entry));
    if (here >= 0 && index.type(here) === "dir") return true;
  }
  return false;
}

function impliedDirectories(index: LayerIndex): ByteString[] {
  const out: ByteString[] = [];
  for (let entry = 1; entry < index.count; entry++) {
    if (index.isImplied(entry) && !index.isOpaque(entry)) out.push(index.path(entry));
  }
  return out;
}

/** The same entries at their real places. */
function rebuild(index: LayerIndex, moved: ReadonlyMap<ByteString, ByteString>): LayerIndex {
  const builder = new IndexBuilder();
  const isLink = (entry: number): boolean => index.type(entry) === "hardlink";
  for (let entry = 0; entry < index.count; entry++) if (!isLink(entry)) rebuildEntry(index, entry, moved, builder);
  // In the new order a link may come before the name that it leads to: links are added when all names are known.
  for (let entry = 0; entry < index.count; entry++) if (isLink(entry)) rebuildEntry(index, entry, moved, builder);
  for (const [path, content] of Object.entries(index.columns.extras.files)) {
    builder.keepFile(realPath(path, moved), content);
  }
  return builder.finish(index.tarSize);
}

function rebuildEntry(
  index: LayerIndex,
  entry: number,
  moved: ReadonlyMap<ByteString, ByteString>,
  builder: IndexBuilder,
): void {
  const path = realPath(index.path(entry), moved);
  if (index.isOpaque(entry)) builder.add(plain(`${path}/.wh..wh..opq`), -1, -1);
  if (index.isImplied(entry)) return;
  if (index.type(entry) === "whiteout") {
    builder.add(plain(path.replace(/[^/]*$/, (name) => `.wh.${name}`)), index.headerOffset(entry), -1);
    return;
  }
  const sparse = index.sparse(entry)?.map(([at, length]) => ({ at, length }));
  builder.add(entryOf(index, entry, path, moved), index.headerOffset(entry), index.contentOffset(entry), sparse);
  const digest = index.type(entry) === "file" ? index.digestHex(entry) : undefined;
  if (digest !== undefined) builder.setDigest(digest);
}

function entryOf(
  index: LayerIndex,
  entry: number,
  path: ByteString,
  moved: ReadonlyMap<ByteString, ByteString>,
): TarEntry {
  const type = index.type(entry) as TarEntry["type"];
  const link = index.link(entry);
  const [devMajor, devMinor] = index.device(entry) ?? [];
  return {
    path,
    type,
    mode: index.mode(entry),
    uid: index.uid(entry),
    gid: index.gid(entry),
    size: index.size(entry),
    mtime: index.mtime(entry),
    link: type === "hardlink" && link !== undefined ? realPath(link, moved) : link,
    devMajor,
    devMinor,
    xattrs: index.xattrs(entry),
  };
}

function plain(path: ByteString): TarEntry {
  return { path, type: "file", mode: 0, uid: 0, gid: 0, size: 0, mtime: 0 };
}

/** The longest parent that has moved decides. */
function realPath(path: ByteString, moved: ReadonlyMap<ByteString, ByteString>): ByteString {
  let prefix = path;
  for (;;) {
    const real = moved.get(prefix);
    if (real !== undefined) return real + path.slice(prefix.length);
    const slash = prefix.lastIndexOf("/");
    if (slash < 0) return path;
    prefix = prefix.slice(0, slash);
  }
}
