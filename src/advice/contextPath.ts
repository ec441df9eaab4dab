/** Why one path is, or is not, part of a context. */
import { realpathSync } from "node:fs";
import { isAbsolute, relative, sep } from "node:path";
import { type IgnoreDecision, ignoreTrail } from "../context/ignoreTrail.js";
import { openLocalContext } from "../context/local.js";
import {
  cleanPath,
  type FileTree,
  type FileType,
  lookup,
  pathOf,
  resolvePath,
  type TreeNode,
} from "../layer/fileTree.js";
import { type ByteString, fromByteString, toByteString } from "../support/bytes.js";
import { type ContextQuery, type QueriedContext, readQuery } from "./contextQuery.js";

/** What becomes of a path. */
export type PathFate =
  /** A build can copy it. */
  | "kept"
  /** An ignored directory that is there for what is kept below it. */
  | "parent"
  /** A rule drops it. */
  | "dropped"
  /** Nothing has that name. */
  | "missing"
  /** It lies outside the context. */
  | "outside";

/** A path, explained. */
export interface ExplainedPath {
  /** As it was asked. */
  readonly asked: string;
  /** From the root of the context, symlinks in directories followed; empty for the root itself. */
  readonly path: string;
  readonly fate: PathFate;
  readonly type?: FileType | undefined;
  /** The ignore file that applies, if one does. */
  readonly ignoreFile: string | undefined;
  /** The pattern that decides; undefined if none matches. For what is missing: what would become of it. */
  readonly decision?: IgnoreDecision | undefined;
  /** All patterns that matched the path or a directory above it, from the root down. */
  readonly decisions: readonly IgnoreDecision[];
  /** It is the Dockerfile or the ignore file, which a build reads even if they are dropped. */
  readonly role?: "dockerfile" | "ignorefile" | undefined;
  /** The symlink on the way that led to `path`, and its target. */
  readonly through?: { readonly path: string; readonly target: string } | undefined;
  /** For `parent`: something that is kept below. */
  readonly below?: string | undefined;
}

/**
 * Explains paths, as COPY writes them: relative to the root of the context, or absolute ones that lie in it.
 * @throws NacreError CONTEXT_UNREADABLE, IGNORE_PATTERN
 */
export async function explainPaths(query: ContextQuery, paths: readonly string[]): Promise<readonly ExplainedPath[]> {
  const queried = readQuery(query);
  const all = await openLocalContext({ root: queried.root, signal: query.signal });
  const kept = await openLocalContext({ root: queried.root, ignore: queried.ignore, signal: query.signal });
  return paths.map((path) => explain(path, queried, all, kept));
}

function explain(asked: string, queried: QueriedContext, all: FileTree, kept: FileTree): ExplainedPath {
  const ignoreFile = queried.ignore?.file;
  const inside = insidePath(asked, queried.root, all);
  if (inside === undefined) return { asked, path: asked, fate: "outside", ignoreFile, decisions: [] };
  const { path, node } = resolvePath(all, toByteString(inside), false);
  const trail = queried.ignore ? ignoreTrail(queried.ignore, path) : undefined;
  const text = fromByteString(path);
  const visible = lookup(kept, path);
  return {
    asked,
    path: text,
    fate: fateOf(node, visible, trail?.ignored ?? false),
    type: node?.type,
    ignoreFile,
    decision: trail?.decision,
    decisions: trail?.decisions ?? [],
    role: roleOf(text, queried),
    through: linkOn(all, cleanPath(toByteString(inside)), path),
    below: visible && trail?.ignored ? firstBelow(kept, visible, queried) : undefined,
  };
}

function fateOf(node: TreeNode | undefined, visible: TreeNode | undefined, ignored: boolean): PathFate {
  if (node === undefined) return "missing";
  if (visible === undefined) return "dropped";
  return ignored ? "parent" : "kept";
}

/** The path from the root of the context; undefined if it leads out of it. A leading slash may mean either root. */
function insidePath(asked: string, root: string, all: FileTree): string | undefined {
  const real = realpathSync(root);
  const within = isAbsolute(asked) ? [root, real].map((top) => relative(top, asked)).find(isWithin) : undefined;
  if (within !== undefined) return within;
  if (isAbsolute(asked) && lookup(all, cleanPath(toByteString(asked))) === undefined && asked !== "/") return undefined;
  return staysInside(asked) ? asked : undefined;
}

function isWithin(path: string): boolean {
  return path !== ".." && !path.startsWith(`..${sep}`) && !isAbsolute(path);
}

function staysInside(path: string): boolean {
  let depth = 0;
  for (const part of path.split("/")) {
    if (part === "..") depth -= 1;
    else if (part !== "" && part !== ".") depth += 1;
    if (depth < 0) return false;
  }
  return true;
}

function roleOf(path: string, { root, dockerfile, ignore }: QueriedContext): ExplainedPath["role"] {
  if (dockerfile !== undefined && relative(root, dockerfile) === path) return "dockerfile";
  return ignore?.file === path ? "ignorefile" : undefined;
}

/** The symlink that made the path another one than was asked for. */
function linkOn(all: FileTree, asked: ByteString, resolved: ByteString): ExplainedPath["through"] {
  if (asked === resolved) return undefined;
  const parts = asked.split("/");
  for (let length = 1; length <= parts.length; length++) {
    const { node } = resolvePath(all, parts.slice(0, length).join("/"), false);
    if (node?.type === "symlink")
      return { path: fromByteString(pathOf(node)), target: fromByteString(node.link ?? "") };
  }
  return undefined;
}

/** Something below an ignored directory that is kept by a rule, not for what is below it in turn. */
function firstBelow(kept: FileTree, directory: TreeNode, { ignore }: QueriedContext): string | undefined {
  for (const child of kept.children(directory)) {
    const path = pathOf(child);
    if (ignore && !ignoreTrail(ignore, path).ignored) return fromByteString(path);
    const below = firstBelow(kept, child, { ignore } as QueriedContext);
    if (below !== undefined) return below;
  }
  return undefined;
}
