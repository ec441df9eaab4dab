/** One file on disk as a tree of files: what a download is to COPY and ADD. */
import { closeSync, openSync, readSync } from "node:fs";
import type { ContentReader, FileTree, TreeNode } from "../layer/fileTree.js";
import type { ByteString } from "../support/bytes.js";
import { ioError, NacreError } from "../support/errors.js";

/** A file that is to be shown under a name of its own. */
export interface ShownFile {
  /** Where it lies. */
  readonly path: string;
  /** What it is called in the tree. */
  readonly name: ByteString;
  /** The low 12 bits. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  /** SHA-256 of its content, 64 hex digits. */
  readonly digest: string;
}

/** A tree whose root holds one regular file, owned by root. */
export class FileAsTree implements FileTree {
  readonly root: TreeNode;
  readonly file: TreeNode;
  readonly #shown: ShownFile;

  constructor(shown: ShownFile) {
    this.#shown = shown;
    const { name, mode, size, mtime } = shown;
    this.root = { name: "", parent: undefined, type: "dir", mode: 0o755, uid: 0, gid: 0, size: 0, mtime };
    this.file = { name, parent: this.root, type: "file", mode, uid: 0, gid: 0, size, mtime };
  }

  children(node: TreeNode): readonly TreeNode[] {
    return node === this.root ? [this.file] : [];
  }

  child(node: TreeNode, name: ByteString): TreeNode | undefined {
    return this.children(node).find((child) => child.name === name);
  }

  async prepare(): Promise<void> {}

  digest(node: TreeNode): string {
    if (node !== this.file) throw new NacreError("INTERNAL", "only the file of this tree has a digest");
    return this.#shown.digest;
  }

  /** @throws NacreError CONTEXT_UNREADABLE if the file is gone */
  open(): ContentReader {
    const { path } = this.#shown;
    try {
      const fd = openSync(path, "r");
      return {
        read: (target, at, length) => readSync(fd, target, at, length, null),
        close: () => closeSync(fd),
      };
    } catch (error) {
      throw ioError("CONTEXT_UNREADABLE", `opening ${path}`, error);
    }
  }
}
