/** UnreadContext and MissingIgnoreFile: what lies in the context and need not. */

import { ignorePatternOf } from "../build/missingSource.js";
import type { IgnoreRules } from "../context/ignore.js";
import { type FileTree, pathOf, type TreeNode } from "../layer/fileTree.js";
import { fromByteString } from "../support/bytes.js";
import { formatBytes } from "../support/human.js";
import type { SourcePlace } from "../support/source.js";
import { ContextTotals, isLarge } from "./contextTotals.js";
import type { Total } from "./contextWalk.js";
import { type Finding, finding, listed } from "./finding.js";
import type { UsedFiles } from "./usedFiles.js";

/** What these rules look at. */
export interface UnreadInput {
  readonly context: FileTree;
  /** What any step of the Dockerfile reads. */
  readonly used: UsedFiles;
  readonly ignore: IgnoreRules | undefined;
  /** Where findings are shown: the first instruction that reads the context, else the first one. */
  readonly place: SourcePlace;
}

/** A tree that some tool has made: nobody means to copy it by `COPY .`. */
interface MadeTree {
  readonly name: string;
  /** A name beside it or in it that tells it from others of that name; undefined if the name alone does. */
  readonly sign?: { readonly beside?: string; readonly inside?: string } | undefined;
}

const MADE: readonly MadeTree[] = [
  { name: "node_modules" },
  { name: ".git", sign: { inside: "HEAD" } },
  { name: ".venv", sign: { inside: "pyvenv.cfg" } },
  { name: "venv", sign: { inside: "pyvenv.cfg" } },
  { name: "env", sign: { inside: "pyvenv.cfg" } },
  { name: "target", sign: { beside: "Cargo.toml" } },
  { name: "target", sign: { beside: "pom.xml" } },
  { name: ".gradle" },
  { name: ".next", sign: { beside: "package.json" } },
  { name: ".terraform" },
  { name: ".tox" },
  { name: ".mypy_cache" },
  { name: ".pytest_cache" },
];

/** At most so many unread trees are named. */
const NAMED = 5;

/** A tree with its sum. */
interface Found {
  readonly node: TreeNode;
  readonly path: string;
  readonly total: Total;
}

/** All findings. Nothing is said of a context that no step reads. */
export function unreadFindings(input: UnreadInput): readonly Finding[] {
  if (input.used.isEmpty) return [];
  const totals = new ContextTotals(input.context);
  const made = input.ignore === undefined ? madeTrees(input, totals) : [];
  const covered = new Set(made.map(({ node }) => node));
  return [...missingIgnoreFile(made, input), ...unreadContext(unreadTrees(input, totals, covered), input)];
}

function missingIgnoreFile(made: readonly Found[], { place, used }: UnreadInput): readonly Finding[] {
  if (made.length === 0) return [];
  const copied = made.filter(({ node }) => used.takes(node));
  const are = made.length === 1 ? "is" : "are";
  const rest =
    copied.length > 0
      ? `; ${listed(copied.map(({ path }) => path))} ${copied.length === 1 ? "is" : "are"} copied into the image`
      : "";
  const detail = `there is no .dockerignore, and ${listed(made.map(shownTree))} ${are} in the context${rest}`;
  return [finding("MissingIgnoreFile", place, detail, ignoreLines(made))];
}

function unreadContext(unread: readonly Found[], { place }: UnreadInput): readonly Finding[] {
  if (unread.length === 0) return [];
  const shown = unread.slice(0, NAMED);
  const detail = `no step reads ${listed(shown.map(shownTree), NAMED)}: nacre leaves ${shown.length === 1 ? "it" : "them"} alone, but builders that send the whole context do not, nor would a COPY of everything`;
  return [finding("UnreadContext", place, detail, ignoreLines(shown))];
}

function ignoreLines(trees: readonly Found[]): string {
  const lines = trees.map(({ node }) => ignorePatternOf(pathOf(node)));
  return `write into .dockerignore: ${lines.join(", ")}${lines.length > 1 ? " (one a line)" : ""}`;
}

function shownTree({ path, node, total }: Found): string {
  const size = formatBytes(total.bytes);
  const files = `${total.files} file${total.files === 1 ? "" : "s"}`;
  return node.type === "dir" ? `${path}/ (${files}, ${size})` : `${path} (${size})`;
}

/** Large trees that tools make, unless a step names them or something in them. */
function madeTrees({ context, used }: UnreadInput, totals: ContextTotals): readonly Found[] {
  const found: Found[] = [];
  const visit = (directory: TreeNode): void => {
    for (const node of context.children(directory)) {
      if (node.type !== "dir") continue;
      const isMade = MADE.some((tree) => isOfKind(tree, node, directory, context));
      if (!isMade) visit(node);
      else if (isLarge(totals.of(node)) && !isNamed(node, used)) {
        found.push({ node, path: fromByteString(pathOf(node)), total: totals.of(node) });
      }
    }
  };
  visit(context.root);
  return found.sort(bySize);
}

function isOfKind({ name, sign }: MadeTree, node: TreeNode, parent: TreeNode, context: FileTree): boolean {
  if (node.name !== name) return false;
  if (sign?.beside !== undefined && !context.child(parent, sign.beside)) return false;
  return sign?.inside === undefined || context.child(node, sign.inside) !== undefined;
}

/** A step that names the tree itself, or something in it, means it. */
function isNamed(node: TreeNode, used: UsedFiles): boolean {
  return used.reachesBelow(node) || used.takersOf(node).some((part) => part.node === node);
}

/** The topmost large directories and files that nothing reads, the largest first. */
function unreadTrees(
  { context, used }: UnreadInput,
  totals: ContextTotals,
  covered: ReadonlySet<TreeNode>,
): readonly Found[] {
  const found: Found[] = [];
  const visit = (node: TreeNode): void => {
    if (covered.has(node) || used.takes(node) || !isLarge(totals.of(node))) return;
    if (node.parent === undefined || used.reachesBelow(node)) {
      for (const child of context.children(node)) visit(child);
      return;
    }
    found.push({ node, path: fromByteString(pathOf(node)), total: totals.of(node) });
  };
  visit(context.root);
  return found.sort(bySize);
}

function bySize(a: Found, b: Found): number {
  return b.total.bytes - a.total.bytes || b.total.files - a.total.files;
}
