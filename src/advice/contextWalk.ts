/**
 * A context directory with what its ignore rules keep and what they drop, side by side. Only names and attributes are
 * looked at: no file is read, and the store's stat cache is neither used nor changed.
 */
import type { IgnoreRules } from "../context/ignore.js";
import { createMatcher, type IgnoreMatcher, type IgnoreState } from "../context/ignoreMatcher.js";
import { type LocalContext, openLocalContext } from "../context/local.js";
import { Pacer } from "../context/pacer.js";
import type { FileTree, TreeNode } from "../layer/fileTree.js";
import type { ByteString } from "../support/bytes.js";

/** Files and bytes of a part of a context. Directories, links and devices count as nothing. */
export interface Total {
  readonly files: number;
  readonly bytes: number;
}

/** A name in the context, with the sums of what is below it. */
export interface WalkedEntry {
  /** From the root of the context; empty for the root. */
  readonly path: ByteString;
  readonly node: TreeNode;
  /** In byte order; empty for what is no directory. */
  readonly children: readonly WalkedEntry[];
  /** Part of the context: kept, or an ignored directory with something kept below it. */
  readonly visible: boolean;
  /** The rules say no to its own path. */
  readonly ignored: boolean;
  /** Line of the pattern that decided; 0 if none did. */
  readonly line: number;
  readonly kept: Total;
  readonly dropped: Total;
  /** A directory that is ignored and cannot be read: what is in it is not counted. */
  readonly unreadable: boolean;
}

/** A walked directory. */
export interface WalkedContext {
  /** Everything in the directory, ignored or not. Nodes of entries are of this tree. */
  readonly tree: FileTree;
  readonly root: WalkedEntry;
}

/** How a walk is done. */
export interface WalkOptions {
  readonly signal?: AbortSignal | undefined;
}

/** An entry whose children are not all known yet. */
interface Draft {
  readonly path: ByteString;
  readonly node: TreeNode;
  readonly state: IgnoreState | undefined;
  readonly children: Draft[];
  unreadable: boolean;
}

/**
 * Walks a whole directory, ignored parts included.
 * @throws NacreError CONTEXT_UNREADABLE, CANCELLED
 */
export async function walkContext(
  root: string,
  ignore: IgnoreRules | undefined,
  { signal }: WalkOptions = {},
): Promise<WalkedContext> {
  const context = await openLocalContext({ root, signal });
  const matcher = ignore && ignore.patterns.length > 0 ? createMatcher(ignore) : undefined;
  const pacer = new Pacer(signal);
  const top: Draft = { path: "", node: context.root, state: matcher?.root, children: [], unreadable: false };
  const todo = [top];
  for (let draft = todo.pop(); draft; draft = todo.pop()) {
    for (const child of childrenOf(context, draft, matcher)) {
      draft.children.push(child);
      if (child.node.type === "dir") todo.push(child);
    }
    if (pacer.isDue()) await pacer.pause();
  }
  return { tree: context, root: finish(top) };
}

function childrenOf(context: LocalContext, parent: Draft, matcher: IgnoreMatcher | undefined): Draft[] {
  return listOf(context, parent).map((node) => ({
    path: parent.path === "" ? node.name : `${parent.path}/${node.name}`,
    node,
    state: matcher && parent.state && matcher.enter(node.name, parent.state),
    children: [],
    unreadable: false,
  }));
}

/** What is ignored may well be unreadable, and often is ignored for that: a database's directory, say. */
function listOf(context: LocalContext, draft: Draft): readonly TreeNode[] {
  try {
    return context.children(draft.node);
  } catch (error) {
    if (!draft.state?.ignored) throw error;
    draft.unreadable = true;
    return [];
  }
}

/** Sums up from the leaves. The depth is that of the directory tree, which the system bounds by the length of paths. */
function finish(draft: Draft): WalkedEntry {
  const { path, node, state, unreadable } = draft;
  const ignored = state?.ignored ?? false;
  const children = draft.children.map(finish);
  const own = node.type === "file" ? { files: 1, bytes: node.size } : NOTHING;
  return {
    path,
    node,
    children,
    visible: !ignored || children.some((child) => child.visible),
    ignored,
    line: state?.line ?? 0,
    kept: sum([ignored ? NOTHING : own, ...children.map(({ kept }) => kept)]),
    dropped: sum([ignored ? own : NOTHING, ...children.map(({ dropped }) => dropped)]),
    unreadable,
  };
}

/** No files. */
export const NOTHING: Total = { files: 0, bytes: 0 };

/** The sum of totals. */
export function sum(totals: readonly Total[]): Total {
  let files = 0;
  let bytes = 0;
  for (const total of totals) {
    files += total.files;
    bytes += total.bytes;
  }
  return { files, bytes };
}

/** All entries below one, parents first, in byte order. Return false to skip what is below an entry. */
export function visitEntries(entry: WalkedEntry, visit: (entry: WalkedEntry) => boolean): void {
  for (const child of entry.children) if (visit(child)) visitEntries(child, visit);
}
