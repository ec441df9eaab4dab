/**
 * Files and directories that a root needs and its layers lack, made in a directory of the step that becomes part of the
 * overlay: mount points in the lowest sense of the word (a *stub directory*, topmost of the lower directories, so that they
 * never reach the layer), or what shall stay (in the upper directory).
 *
 * Overlayfs shows a directory with the metadata of the topmost one of that name. So the parents that the layers have are made
 * too, with mode, owner, times and attributes as the merged tree has them: else /etc would change its looks by having
 * a mount point in it, and a copy of it would go into the layer as soon as something below it is written. Nothing is followed on the
 * way: the directory is empty when it begins, and all paths are resolved.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { type FileTree, lookup, type TreeNode } from "../layer/fileTree.js";
import { type ByteString, fromByteString, fsPath, toByteString } from "../support/bytes.js";
import { errnoOf, ioError } from "../support/errors.js";

/** Something to be made; parents that are missing are made with it: directories, 0755, of the same owner. */
export interface NewPath {
  /** Clean, resolved, relative to the tree. */
  readonly path: ByteString;
  readonly type: "dir" | "file";
  readonly uid: number;
  readonly gid: number;
}

/** What making paths needs to know. */
export interface MakeOptions {
  /** Told of metadata that could not be kept. */
  readonly warn: (rule: string, message: string) => void;
}

/** Name of the rule under which lost metadata of parents is told of. */
export const PARENT_METADATA_RULE = "MountPointParent";

/** A mount point. */
export function stub(path: ByteString, type: "dir" | "file"): NewPath {
  return { path, type, uid: 0, gid: 0 };
}

/**
 * Makes paths below an empty directory, which itself takes the looks of the tree's root.
 * @param directory absolute
 * @param tree what lies below: tells which parents exist, and what they look like
 * @returns all paths that the tree lacks, parents included
 * @throws NacreError STORE, DISK_FULL
 */
export async function makePaths(
  directory: string,
  tree: FileTree,
  paths: readonly NewPath[],
  options: MakeOptions,
): Promise<ReadonlySet<ByteString>> {
  const base = toByteString(directory);
  const made = new Set<ByteString>();
  const parents = new Map<ByteString, TreeNode>([["", tree.root]]);
  try {
    for (const path of paths) makePath(base, tree, path, made, parents);
    const deepestFirst = [...parents].sort(([a], [b]) => b.length - a.length);
    for (const [path, node] of deepestFirst) await dress(at(base, path), node, options);
  } catch (error) {
    throw ioError("STORE", `making mount points below ${directory}`, error);
  }
  return made;
}

function makePath(
  base: ByteString,
  tree: FileTree,
  wanted: NewPath,
  made: Set<ByteString>,
  parents: Map<ByteString, TreeNode>,
): void {
  const parts = wanted.path.split("/");
  for (let depth = 1; depth <= parts.length; depth++) {
    const path = parts.slice(0, depth).join("/");
    if (made.has(path) || parents.has(path)) continue;
    const node = lookup(tree, path);
    const isLast = depth === parts.length;
    if (node !== undefined) {
      if (isLast) return;
      fs.mkdirSync(fsPath(at(base, path)));
      parents.set(path, node);
      continue;
    }
    makeOne(at(base, path), isLast ? wanted.type : "dir", wanted);
    made.add(path);
  }
}

/** Modes do not depend on the umask. */
function makeOne(path: ByteString, type: "dir" | "file", { uid, gid }: NewPath): void {
  const name = fsPath(path);
  if (type === "dir") fs.mkdirSync(name);
  else fs.closeSync(fs.openSync(name, "wx", 0o644));
  own(path, uid, gid);
  fs.chmodSync(name, type === "dir" ? 0o755 : 0o644);
}

/** Gives a directory the looks of another. The times come last: everything before changes them. */
async function dress(path: ByteString, node: TreeNode, options: MakeOptions): Promise<void> {
  own(path, node.uid, node.gid);
  fs.chmodSync(fsPath(path), node.mode);
  const attributes = Object.entries(node.xattrs ?? {});
  for (const [name, value] of attributes) await setAttribute(path, name, value, options);
  fs.lutimesSync(fsPath(path), node.mtime, node.mtime);
}

/** Where only some ids exist the others cannot be given; all files look alike then. */
function own(path: ByteString, uid: number, gid: number): void {
  try {
    fs.lchownSync(fsPath(path), uid, gid);
  } catch (error) {
    if (!["EPERM", "EINVAL"].includes(errnoOf(error) ?? "")) throw error;
  }
}

/** Node has no call for it. Directories with attributes are rare, mount points below them rarer. */
async function setAttribute(path: ByteString, name: string, value: ByteString, options: MakeOptions): Promise<void> {
  const hex = `0x${Buffer.from(value, "latin1").toString("hex")}`;
  // The path goes in through standard input: as an argument it could not hold bytes that are not UTF-8.
  const code = await run("setfattr", ["--restore=-"], `# file: ${octal(path)}\n${octal(toByteString(name))}=${hex}\n`);
  if (code === 0) return;
  options.warn(
    PARENT_METADATA_RULE,
    `the attribute ${name} of ${JSON.stringify(fromByteString(path))} is not there during this step: setfattr failed`,
  );
}

/** As `getfattr --dump` writes names. */
function octal(text: ByteString): string {
  return text.replace(/[^!-<>-[\]-~]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

function run(program: string, args: readonly string[], input: string): Promise<number> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
    const child = spawn(program, args, { stdio: ["pipe", "ignore", "ignore"], env });
    child.once("error", () => resolve(127));
    child.once("close", (code) => resolve(code ?? 1));
    child.stdin.on("error", () => {});
    child.stdin.end(input, "latin1");
  });
}

function at(base: ByteString, path: ByteString): ByteString {
  return path === "" ? base : `${base}/${path}`;
}
