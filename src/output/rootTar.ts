/** The files of an image as one tar, with real owners, devices, hard links and attributes. */
import type { Sink } from "../archive/destination.js";
import { type FileTree, pathOf, type TreeNode, walkTree } from "../layer/fileTree.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { TarEntry } from "../tar/entry.js";
import { TarWriter } from "../tar/write.js";
import type { OutputEnv } from "./request.js";

const CHUNK_BYTES = 256 << 10;

/**
 * Writes the tree's tar to a sink: parents first, in byte order within each directory, the root itself left out
 * (BuildKit: tar exporter). With an epoch every file has its time.
 * @throws NacreError CONTENT_INVALID, CANCELLED
 */
export async function writeRootTar(
  tree: FileTree,
  sink: Sink,
  env: Pick<OutputEnv, "epoch" | "signal" | "onProgress">,
): Promise<void> {
  const nodes: TreeNode[] = [];
  walkTree(tree, tree.root, (node) => {
    if (node !== tree.root) nodes.push(node);
    return undefined;
  });
  await tree.prepare(nodes);
  const batch = new Batch(sink, env);
  const writer = new TarWriter((chunk) => batch.add(chunk));
  const firstPaths = new Map<unknown, ByteString>();
  for (const node of nodes) {
    const entry = entryOf(node, firstPaths, env.epoch);
    writer.add(entry);
    if (entry.type === "file" && entry.size > 0) await writeContent(tree, node, writer, batch);
    await batch.flushIfFull();
  }
  writer.end();
  await batch.flush();
}

/** Collects small pieces, so that a header does not cost a system call. */
class Batch {
  readonly #sink: Sink;
  readonly #env: Pick<OutputEnv, "signal" | "onProgress">;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(sink: Sink, env: Pick<OutputEnv, "signal" | "onProgress">) {
    this.#sink = sink;
    this.#env = env;
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  async flushIfFull(): Promise<void> {
    if (this.#size >= CHUNK_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#env.signal?.aborted) throw new NacreError("CANCELLED", "stopped while a tar was being written");
    const bytes = Buffer.concat(this.#chunks, this.#size);
    this.#chunks = [];
    this.#size = 0;
    await this.#sink(bytes);
    this.#env.onProgress?.("writing the files", bytes.length);
    // A file is written synchronously: signals and progress must get their turn.
    await new Promise(setImmediate);
  }
}

/** @param firstPaths where the first name of each inode stood, which later names link to */
function entryOf(node: TreeNode, firstPaths: Map<unknown, ByteString>, epoch: number | undefined): TarEntry {
  const path = pathOf(node);
  const { type, mode, uid, gid, size, link, devMajor, devMinor, xattrs } = node;
  const common = { path, mode, uid, gid, mtime: epoch ?? node.mtime };
  if (node.inode !== undefined && type !== "dir") {
    const first = firstPaths.get(node.inode);
    if (first !== undefined) return { ...common, type: "hardlink", size: 0, link: first };
    firstPaths.set(node.inode, path);
  }
  return {
    ...common,
    type,
    size: type === "file" ? size : 0,
    ...(link === undefined ? {} : { link }),
    ...(devMajor === undefined ? {} : { devMajor, devMinor }),
    ...(xattrs ? { xattrs } : {}),
  };
}

async function writeContent(tree: FileTree, node: TreeNode, writer: TarWriter, batch: Batch): Promise<void> {
  const reader = tree.open(node);
  try {
    for (let left = node.size; left > 0; ) {
      const chunk = Buffer.allocUnsafe(Math.min(left, CHUNK_BYTES));
      const got = reader.read(chunk, 0, chunk.length);
      if (got === 0) {
        throw new NacreError("CONTENT_INVALID", `${fromByteString(pathOf(node))} is cut short in the store`, {
          hint: "find what else is damaged with: nacre check",
        });
      }
      writer.write(chunk.subarray(0, got));
      left -= got;
      await batch.flushIfFull();
    }
  } finally {
    reader.close();
  }
}
