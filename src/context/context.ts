/** What a build copies from, wherever its files come from: a directory, an archive, a git tree, a download. */
import type { FileTree } from "../layer/fileTree.js";
import type { ByteString } from "../support/bytes.js";
import type { IgnoreVerdict } from "./ignoreMatcher.js";

/** The ignore rule that keeps a path out, with the file that it stands in. */
export type IgnoredBy = IgnoreVerdict & {
  readonly file: string;
  /** The pattern as it is matched: cleaned, without a leading slash. */
  readonly pattern: string;
};

/** A named source of files. */
export interface Context extends FileTree {
  /** The directory on disk that it is; absent for everything else. */
  readonly directory?: string | undefined;
  /** What keeps a path out of the context; undefined if nothing does. */
  ignoredBy(path: ByteString): IgnoredBy | undefined;
  /** Keeps what has been learnt of the files for the next build. */
  save(): void;
  /** Frees what holds the files. */
  close(): Promise<void>;
}

/** A tree of files that no rules filter and of which nothing is learnt. */
export function plainContext<T extends FileTree>(tree: T, close: () => void | Promise<void>): Context {
  return {
    root: tree.root,
    children: (node) => tree.children(node),
    child: (node, name) => tree.child(node, name),
    prepare: (nodes, onProgress) => tree.prepare(nodes, onProgress),
    digest: (node) => tree.digest(node),
    open: (node) => tree.open(node),
    ignoredBy: () => undefined,
    save: () => {},
    close: async () => close(),
  };
}
