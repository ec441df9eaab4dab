/** Folders on disk for tests of contexts. */

import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach } from "vitest";
import { plainContext } from "../../src/context/context.js";
import { type LocalContext, type LocalContextOptions, openLocalContext } from "../../src/context/local.js";
import type { ContentReader, FileTree, TreeNode } from "../../src/layer/fileTree.js";
import { pathOf, walkTree } from "../../src/layer/fileTree.js";

const made: string[] = [];

afterEach(() => {
  for (const folder of made.splice(0)) fs.rmSync(folder, { recursive: true, force: true });
});

/** A new folder, removed after the test, with these files in it; a name that ends in a slash is a directory. */
export function folder(files: Readonly<Record<string, string>> = {}): string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "nacre-context-"));
  made.push(root);
  for (const [name, content] of Object.entries(files)) {
    const full = path.join(root, name);
    if (name.endsWith("/")) {
      fs.mkdirSync(full, { recursive: true });
      continue;
    }
    fs.mkdirSync(path.dirname(full), { recursive: true });
    fs.writeFileSync(full, content);
  }
  return root;
}

/** Waits until the times of what was written before are old enough to be trusted. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 80));
}

export interface Keyed {
  readonly context: LocalContext;
  readonly key: string;
  readonly hashed: number;
}

/** Opens a context, keys all of it and saves the stat cache. */
export async function keyed(
  root: string,
  statCache: string,
  options: Partial<LocalContextOptions> = {},
): Promise<Keyed> {
  const context = await openLocalContext({ root, statCache, ...options });
  const key = await context.treeDigestOf(context.root);
  context.save();
  return { context, key, hashed: context.stats().hashed };
}

/** All paths of a tree, directories with a slash at the end. */
export function pathsOf(tree: FileTree): string[] {
  const paths: string[] = [];
  walkTree(tree, tree.root, (node) => {
    if (node !== tree.root) paths.push(pathOf(node) + (node.type === "dir" ? "/" : ""));
    return true;
  });
  return paths;
}

/** The same tree, without what makes its digests fast. */
export function plain(tree: FileTree): FileTree {
  return plainContext(tree, () => {});
}

/** Everything that a reader gives. */
export function contentOf(reader: ContentReader): Buffer {
  const parts: Buffer[] = [];
  const buffer = Buffer.alloc(1000);
  for (let read = reader.read(buffer, 0, 1000); read > 0; read = reader.read(buffer, 0, 1000)) {
    parts.push(Buffer.from(buffer.subarray(0, read)));
  }
  reader.close();
  return Buffer.concat(parts);
}

/** The node at a path that must be there. */
export function at(tree: FileTree, wanted: string): TreeNode {
  let node: TreeNode | undefined = tree.root;
  for (const part of wanted.split("/")) node = node && tree.child(node, part);
  if (!node) throw new Error(`${wanted} is not in the tree`);
  return node;
}
