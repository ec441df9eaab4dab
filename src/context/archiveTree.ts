/**
 * Tar archives as trees of files: told by content, not by name, decompressed and indexed in one pass into a temporary
 * file (BuildKit: ADD, "Adding local tar archives"; dockerui: a context that is an archive). Owners, times and special
 * files are those of the archive; names like whiteouts are ordinary names.
 */
import { closeSync, readSync, unlinkSync, writeSync } from "node:fs";
import { decompressStream, sniffCompression } from "../layer/decompress.js";
import type { ContentReader, FileTree, TreeNode } from "../layer/fileTree.js";
import { LayerIndexer } from "../layer/indexTar.js";
import { LayerTree } from "../layer/layerTree.js";
import { isNacreError } from "../support/errors.js";
import { startsWithTarHeader } from "../tar/header.js";

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

/** True if the first bytes of a stream are those of an archive, or of something compressed (which a Dockerfile never is). */
export function looksLikeArchive(head: Buffer): boolean {
  return sniffCompression(head) !== "none" || startsWithTarHeader(head.subarray(0, BLOCK));
}

/**
 * Decompresses and indexes an archive that is a file of a tree.
 * @throws NacreError TAR_INVALID, COMPRESSION, LIMIT_EXCEEDED, TOOL_MISSING
 */
export function unpackArchive(tree: FileTree, node: TreeNode, tempFile: TempFile): Promise<UnpackedArchive> {
  return readArchive(contentStream(tree, node), tempFile);
}

/**
 * Decompresses and indexes an archive as it comes.
 * @throws NacreError TAR_INVALID, COMPRESSION, LIMIT_EXCEEDED, TOOL_MISSING
 */
export async function readArchive(
  stream: AsyncIterable<Buffer>,
  tempFile: TempFile,
  onProgress: (bytes: number) => void = () => {},
): Promise<UnpackedArchive> {
  const { path, fd } = tempFile();
  // The name is gone at once: whatever happens to this process, nothing is left behind.
  unlinkSync(path);
  try {
    const indexer = new LayerIndexer({ whiteouts: false });
    let bytes = 0;
    for await (const chunk of decompressStream(stream)) {
      indexer.write(chunk);
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at);
      bytes += chunk.length;
      onProgress(bytes);
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

/** The content of a file, piece by piece. */
export async function* contentStream(tree: FileTree, node: TreeNode): AsyncIterable<Buffer> {
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
