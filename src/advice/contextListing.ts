/** What a context holds: what a build can see of it, what its rules drop, what its Dockerfile reads, and how much that is. */
import { loadDockerfile } from "../build/dockerfileSource.js";
import type { IgnoreRules } from "../context/ignore.js";
import type { FileType } from "../layer/fileTree.js";
import { fromByteString } from "../support/bytes.js";
import { type ContextQuery, type QueriedContext, readQuery } from "./contextQuery.js";
import { type Total, visitEntries, type WalkedContext, type WalkedEntry, walkContext } from "./contextWalk.js";
import { planOffline } from "./planOffline.js";
import { UsedFiles, usedParts } from "./usedFiles.js";

/** What to list. */
export interface ContextListQuery extends ContextQuery {
  /** Only what the COPY, ADD and bind mounts of the target read. */
  readonly used?: boolean | undefined;
}

/** A name that a build can see. */
export interface ListedEntry {
  /** From the root of the context. */
  readonly path: string;
  readonly type: FileType;
  /** Bytes; 0 for all but files. */
  readonly size: number;
  /** Octal, four digits. */
  readonly mode: string;
  /** Target of a symlink. */
  readonly link?: string | undefined;
}

/** A file or directory that a rule drops, with all that is below it. */
export interface DroppedEntry extends Total {
  readonly path: string;
  readonly type: FileType;
  readonly line: number;
  readonly pattern: string;
  /** It cannot be read: what is in it is not counted. */
  readonly unreadable?: true | undefined;
}

/** A directory or file with the sums of all that is listed below it. */
export interface SizedEntry extends Total {
  readonly path: string;
  readonly type: FileType;
  /** The largest first. */
  readonly children: readonly SizedEntry[];
}

/** A context, listed. */
export interface ContextListing {
  /** The directory. */
  readonly context: string;
  /** The ignore file that applies, if one does. */
  readonly ignoreFile: string | undefined;
  /** Something that the user should know about the ignore file. */
  readonly remark: string | undefined;
  /** All that is listed in `entries`. */
  readonly kept: Total;
  /** All that the rules drop. */
  readonly dropped: Total;
  /** With `used`: what the rules keep and no step of the target reads. */
  readonly unused?: Total | undefined;
  /** In byte order, directories before what is in them. */
  readonly entries: readonly ListedEntry[];
  /** The topmost names that are dropped with everything below them, in byte order. */
  readonly droppedEntries: readonly DroppedEntry[];
  /** `entries` as a tree with sums. */
  readonly sizes: SizedEntry;
}

/**
 * Lists a context directory. No file is read.
 * @throws NacreError CONTEXT_UNREADABLE, IGNORE_PATTERN, CANCELLED; with `used` also DOCKERFILE_MISSING,
 * DOCKERFILE_SYNTAX and PLAN_INVALID
 */
export async function listContextDirectory(query: ContextListQuery): Promise<ContextListing> {
  const queried = readQuery(query);
  const walked = await walkContext(queried.root, queried.ignore, { signal: query.signal });
  const isListed = query.used ? usedBy(query, queried, walked) : (entry: WalkedEntry): boolean => entry.visible;
  const sizes = sizedEntry(walked.root, isListed);
  const { kept, dropped } = walked.root;
  const listed: Total = { files: sizes.files, bytes: sizes.bytes };
  return {
    context: queried.root,
    ignoreFile: queried.ignore?.file,
    remark: queried.remark,
    kept: listed,
    dropped,
    unused: query.used ? { files: kept.files - listed.files, bytes: kept.bytes - listed.bytes } : undefined,
    entries: listedEntries(walked.root, isListed),
    droppedEntries: droppedEntries(walked.root, queried.ignore),
    sizes,
  };
}

function usedBy(
  query: ContextListQuery,
  { root }: QueriedContext,
  { tree }: WalkedContext,
): (entry: WalkedEntry) => boolean {
  const { dockerfile } = loadDockerfile(query, root);
  const used = new UsedFiles(usedParts(planOffline(dockerfile, query), tree));
  return ({ visible, node }) => visible && (used.takes(node) || used.reachesBelow(node));
}

function listedEntries(root: WalkedEntry, isListed: (entry: WalkedEntry) => boolean): readonly ListedEntry[] {
  const entries: ListedEntry[] = [];
  visitEntries(root, (entry) => {
    if (!isListed(entry)) return false;
    const { type, size, mode, link } = entry.node;
    entries.push({
      path: fromByteString(entry.path),
      type,
      size,
      mode: mode.toString(8).padStart(4, "0"),
      ...(link === undefined ? {} : { link: fromByteString(link) }),
    });
    return true;
  });
  return entries;
}

function droppedEntries(root: WalkedEntry, ignore: IgnoreRules | undefined): readonly DroppedEntry[] {
  const found: DroppedEntry[] = [];
  visitEntries(root, (entry) => {
    if (entry.visible) return true;
    const { path, node, line, dropped, unreadable } = entry;
    const pattern = ignore?.patterns.find((one) => one.line === line)?.text ?? "";
    const name = fromByteString(path);
    found.push({ path: name, type: node.type, ...dropped, line, pattern, ...(unreadable ? { unreadable: true } : {}) });
    return false;
  });
  return found;
}

function sizedEntry(entry: WalkedEntry, isListed: (entry: WalkedEntry) => boolean): SizedEntry {
  const { node } = entry;
  const children = entry.children
    .filter(isListed)
    .map((child) => sizedEntry(child, isListed))
    .sort((a, b) => b.bytes - a.bytes || b.files - a.files || (a.path < b.path ? -1 : 1));
  const own = node.type === "file" && !entry.ignored ? { files: 1, bytes: node.size } : { files: 0, bytes: 0 };
  return {
    path: fromByteString(entry.path),
    type: node.type,
    files: children.reduce((files, child) => files + child.files, own.files),
    bytes: children.reduce((bytes, child) => bytes + child.bytes, own.bytes),
    children,
  };
}
