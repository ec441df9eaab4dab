/**
 * ADD of local archives: told by content, not by name, unpacked once into a temporary tar that is indexed on the way,
 * then laid over the destination (BuildKit: ADD, "Adding local tar archives"; Docker's pkg/archive for what replaces what).
 */
import { closeSync, readSync, unlinkSync, writeSync } from "node:fs";
import { decompressStream } from "../layer/decompress.js";
import { type ContentReader, cleanPath, type FileTree, type TreeNode } from "../layer/fileTree.js";
import { LayerIndexer } from "../layer/indexTar.js";
import { LayerTree, type MergedNode } from "../layer/layerTree.js";
import { toByteString } from "../support/bytes.js";
import { isNacreError } from "../support/errors.js";
import { startsWithTarHeader } from "../tar/header.js";
import { type CopyRules, directoryDefaults, type InodeGroup, leafMeta } from "./copy.js";
import { metaOf, type OutNode, type OutTree } from "./outTree.js";

/** An archive, unpacked into a temporary file. */
export interface UnpackedArchive {
  readonly tree: LayerTree;
  close(): void;
}

/** Makes a temporary file, open for reading and writing. */
export type TempFile = () => { readonly path: string; readonly fd: number };

const BLOCK = 512;
const PIECE = 256 << 10;

/** True if the file's content, decompressed where it is compressed, starts like a tar archive. */
export async function isArchive(tree: FileTree, node: TreeNode): Promise<boolean> {
  if (node.size === 0) return false;
  try {
    const head: Buffer[] = [];
    let length = 0;
    for await (const chunk of decompressStream(contentStream(tree, node))) {
      head.push(chunk);
      length += chunk.length;
      if (length >= BLOCK) break;
    }
    return startsWithTarHeader(Buffer.concat(head));
  } catch (error) {
    // What looks compressed but is not is an ordinary file; a missing program is for the user to know.
    if (isNacreError(error) && error.code === "TOOL_MISSING") throw error;
    return false;
  }
}

/**
 * Decompresses and indexes an archive.
 * @throws NacreError TAR_INVALID, COMPRESSION, LIMIT_EXCEEDED, TOOL_MISSING
 */
export async function unpackArchive(tree: FileTree, node: TreeNode, tempFile: TempFile): Promise<UnpackedArchive> {
  const { path, fd } = tempFile();
  // The name is gone at once: whatever happens to this process, nothing is left behind.
  unlinkSync(path);
  try {
    const indexer = new LayerIndexer({ whiteouts: false });
    for await (const chunk of decompressStream(contentStream(tree, node))) {
      indexer.write(chunk);
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at);
    }
    const { index } = indexer.end();
    const content = {
      prepare: async () => {},
      read: (target: Buffer, at: number, length: number, position: number) =>
        readSync(fd, target, at, length, position),
    };
    return { tree: new LayerTree([{ index, content }]), close: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Lays an archive over the destination directory. `--chmod` does not reach what an archive holds. */
export function extractInto(out: OutTree, archive: LayerTree, flags: CopyRules): void {
  const rules = { ...flags, chmod: undefined };
  const target = out.makeDirectories(cleanPath(toByteString(rules.destination)), directoryDefaults(rules));
  const { root } = archive;
  if (root.layer >= 0) target.meta = { ...metaOf(root), ...rules.owner };
  extractChildren(out, target, archive, root, rules, new Map());
}

function extractChildren(
  out: OutTree,
  target: OutNode,
  archive: LayerTree,
  source: MergedNode,
  rules: CopyRules,
  group: InodeGroup,
): void {
  for (const child of archive.children(source)) {
    if (child.type !== "dir") {
      out.put(target, child.name, leafMeta(archive, child, rules, group));
      continue;
    }
    // A directory that the archive only implies is looked up like any path: an existing symlink leads on.
    const node =
      child.layer < 0
        ? out.makeDirectories(child.name, { mode: 0o755, uid: 0, gid: 0, mtime: rules.now }, target)
        : out.putDirectory(target, child.name, { ...metaOf(child), ...rules.owner });
    extractChildren(out, node, archive, child, rules, group);
  }
}

async function* contentStream(tree: FileTree, node: TreeNode): AsyncIterable<Buffer> {
  const reader: ContentReader = tree.open(node);
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(PIECE);
      const got = reader.read(chunk, 0, PIECE);
      if (got === 0) return;
      yield chunk.subarray(0, got);
    }
  } finally {
    reader.close();
  }
}
