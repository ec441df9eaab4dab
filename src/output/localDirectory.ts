/**
 * The files of an image in a directory, as the current user's (BuildKit: local exporter): modes, times, symlinks and
 * hard links are kept, owners are not, devices are left out. What the directory holds besides stays; files of the same
 * name are replaced.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { fillDirectory } from "../archive/destination.js";
import { alreadyThere, SafeDirectory } from "../archive/safeDirectory.js";
import { components, type FileTree, pathOf, type TreeNode, walkTree } from "../layer/fileTree.js";
import { type ByteString, fromByteString, fsPath } from "../support/bytes.js";
import { errnoOf, ioError, NacreError } from "../support/errors.js";
import type { OutputEnv } from "./request.js";

const CHUNK_BYTES = 256 << 10;
/** Milliseconds of work between two looks at signals. */
const TURN_MS = 50;
/** Names in the warning about what was left out. */
const SHOWN_NAMES = 5;

/**
 * Writes the tree into a directory, which is made if it is not there.
 * @throws NacreError OUTPUT, DISK_FULL, CONTENT_INVALID, CANCELLED
 */
export async function writeLocalDirectory(
  tree: FileTree,
  path: string,
  env: Pick<OutputEnv, "epoch" | "signal" | "onProgress" | "onWarning">,
): Promise<void> {
  const files: TreeNode[] = [];
  walkTree(tree, tree.root, (node) => {
    if (node.type === "file") files.push(node);
    return undefined;
  });
  await tree.prepare(files);
  await fillDirectory(path, async () => {
    const root = openDestination(path);
    try {
      await new LocalWriter(tree, root, env).write();
    } finally {
      root.close();
    }
  });
}

function openDestination(path: string): SafeDirectory {
  try {
    return SafeDirectory.open(path);
  } catch (error) {
    throw ioError("OUTPUT", `opening ${path}`, error, "name a directory that you may write to");
  }
}

class LocalWriter {
  readonly #tree: FileTree;
  readonly #root: SafeDirectory;
  readonly #env: Pick<OutputEnv, "epoch" | "signal" | "onProgress" | "onWarning">;
  readonly #buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  /** Where the first name of each inode is, for hard links. */
  readonly #firstPaths = new Map<unknown, ByteString>();
  readonly #folded = new WeakMap<TreeNode, Map<string, ByteString[]>>();
  readonly #leftOut: string[] = [];
  #lastTurn = performance.now();

  constructor(
    tree: FileTree,
    root: SafeDirectory,
    env: Pick<OutputEnv, "epoch" | "signal" | "onProgress" | "onWarning">,
  ) {
    this.#tree = tree;
    this.#root = root;
    this.#env = env;
  }

  async write(): Promise<void> {
    await this.#children(this.#tree.root, this.#root);
    if (this.#leftOut.length === 0) return;
    const names = this.#leftOut.slice(0, SHOWN_NAMES).join(", ");
    const more = this.#leftOut.length > SHOWN_NAMES ? ` and ${this.#leftOut.length - SHOWN_NAMES} more` : "";
    this.#env.onWarning?.(`devices and pipes are not written to ${this.#root.shown}: ${names}${more}`);
  }

  async #children(node: TreeNode, directory: SafeDirectory): Promise<void> {
    for (const child of this.#tree.children(node)) {
      try {
        await this.#one(child, directory);
      } catch (error) {
        throw ioError("OUTPUT", `writing ${directory.shown}/${fromByteString(child.name)}`, error);
      }
      if (performance.now() - this.#lastTurn > TURN_MS) await this.#turn();
    }
  }

  async #turn(): Promise<void> {
    if (this.#env.signal?.aborted) throw new NacreError("CANCELLED", "stopped while files were being written");
    await new Promise(setImmediate);
    this.#lastTurn = performance.now();
  }

  async #one(node: TreeNode, directory: SafeDirectory): Promise<void> {
    switch (node.type) {
      case "dir":
        return this.#directory(node, directory);
      case "file":
        return this.#file(node, directory);
      case "symlink":
        return this.#symlink(node, directory);
      default:
        this.#leftOut.push(fromByteString(pathOf(node)));
    }
  }

  async #directory(node: TreeNode, parent: SafeDirectory): Promise<void> {
    const there = parent.lstat(node.name);
    if (there && !there.isDirectory()) {
      this.#checkCase(node, parent, there);
      fs.unlinkSync(parent.at(node.name));
    }
    // Open to its owner until its files are written, whatever its final mode.
    if (!there?.isDirectory()) fs.mkdirSync(parent.at(node.name), 0o700);
    else this.#checkCase(node, parent, there);
    const directory = parent.child(node.name);
    try {
      await this.#children(node, directory);
      directory.setMetadata(node.mode, this.#time(node));
    } finally {
      directory.close();
    }
  }

  #symlink(node: TreeNode, directory: SafeDirectory): void {
    const target = fsPath(node.link ?? "");
    const path = directory.at(node.name);
    try {
      fs.symlinkSync(target, path);
    } catch (error) {
      if (!alreadyThere(error)) throw error;
      this.#clear(node, directory);
      fs.symlinkSync(target, path);
    }
    fs.lutimesSync(path, this.#time(node), this.#time(node));
  }

  async #file(node: TreeNode, directory: SafeDirectory): Promise<void> {
    if (node.inode !== undefined) {
      const first = this.#firstPaths.get(node.inode);
      if (first !== undefined && this.#link(first, node, directory)) return;
      this.#firstPaths.set(node.inode, pathOf(node));
    }
    try {
      await this.#create(node, directory.at(node.name));
    } catch (error) {
      if (!alreadyThere(error)) throw error;
      await this.#replace(node, directory);
    }
  }

  /** Puts a whole file in the place of what is there. */
  async #replace(node: TreeNode, directory: SafeDirectory): Promise<void> {
    const temporary = directory.at(`.nacre-${randomBytes(6).toString("hex")}`);
    try {
      await this.#create(node, temporary);
      if (directory.lstat(node.name)?.isDirectory()) this.#clear(node, directory);
      else this.#checkCase(node, directory, directory.lstat(node.name));
      fs.renameSync(temporary, directory.at(node.name));
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    }
  }

  async #create(node: TreeNode, path: string | Buffer): Promise<void> {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
    const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      await this.#content(node, fd);
      fs.fchmodSync(fd, node.mode);
      fs.futimesSync(fd, this.#time(node), this.#time(node));
    } finally {
      fs.closeSync(fd);
    }
  }

  async #content(node: TreeNode, fd: number): Promise<void> {
    const reader = this.#tree.open(node);
    try {
      for (let left = node.size; left > 0; ) {
        const got = reader.read(this.#buffer, 0, Math.min(left, CHUNK_BYTES));
        if (got === 0) throw cutShort(node);
        for (let at = 0; at < got; ) at += fs.writeSync(fd, this.#buffer, at, got - at);
        left -= got;
        this.#env.onProgress?.("writing the files", got);
        if (performance.now() - this.#lastTurn > TURN_MS) await this.#turn();
      }
    } finally {
      reader.close();
    }
  }

  /** Makes a hard link to a file written before; false where the file system does not allow it. */
  #link(first: ByteString, node: TreeNode, directory: SafeDirectory): boolean {
    const parts = components(first);
    const name = parts.pop()!;
    const opened: SafeDirectory[] = [];
    let source = this.#root;
    try {
      for (const part of parts) opened.push((source = source.child(part)));
      if (directory.lstat(node.name)) this.#clear(node, directory);
      fs.linkSync(source.at(name), directory.at(node.name));
      return true;
    } catch (error) {
      if (["EPERM", "EMLINK", "EXDEV", "ENOTSUP"].includes(errnoOf(error) ?? "")) return false;
      throw error;
    } finally {
      for (const each of opened) each.close();
    }
  }

  /** Removes what is in the way: a file, or an empty directory. */
  #clear(node: TreeNode, directory: SafeDirectory): void {
    const there = directory.lstat(node.name);
    if (!there) return;
    this.#checkCase(node, directory, there);
    if (!there.isDirectory()) {
      fs.unlinkSync(directory.at(node.name));
      return;
    }
    try {
      fs.rmdirSync(directory.at(node.name));
    } catch (error) {
      if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
      const shown = `${directory.shown}/${fromByteString(node.name)}`;
      throw new NacreError("OUTPUT", `${shown} is a directory with files in it, but the image has a file there`, {
        hint: "remove it, or name another directory",
      });
    }
  }

  /** On a file system that does not tell `A` from `a`, the second would silently replace the first. */
  #checkCase(node: TreeNode, directory: SafeDirectory, there: fs.Stats | undefined): void {
    for (const other of this.#namesLike(node)) {
      if (other >= node.name) return;
      const stat = directory.lstat(other);
      if (!there || !stat || stat.ino !== there.ino || stat.dev !== there.dev) continue;
      if (there.isFile() && there.nlink > 1) continue;
      throw new NacreError(
        "OUTPUT",
        `${fromByteString(other)} and ${fromByteString(pathOf(node))} are one name on this file system`,
        { hint: "write to a file system that tells upper from lower case, or use type=tar" },
      );
    }
  }

  /** The names in the node's directory that differ from its own in case or in Unicode's spelling only, it among them. */
  #namesLike(node: TreeNode): readonly ByteString[] {
    const { parent } = node;
    if (parent === undefined) return [];
    let names = this.#folded.get(parent);
    if (names === undefined) {
      names = new Map();
      for (const { name } of this.#tree.children(parent)) {
        const key = fold(name);
        const like = names.get(key);
        if (like) like.push(name);
        else names.set(key, [name]);
      }
      this.#folded.set(parent, names);
    }
    return names.get(fold(node.name)) ?? [];
  }

  #time(node: TreeNode): number {
    return this.#env.epoch ?? node.mtime;
  }
}

function fold(name: ByteString): string {
  return fromByteString(name).normalize("NFC").toLowerCase();
}

function cutShort(node: TreeNode): NacreError {
  return new NacreError("CONTENT_INVALID", `${fromByteString(pathOf(node))} is cut short in the store`, {
    hint: "find what else is damaged with: nacre check",
  });
}
