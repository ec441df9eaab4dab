/** Which files a source word of COPY or ADD means (BuildKit's rules: kept inside the root, links followed at the top). */
import { cleanPath, type FileTree, pathOf, resolvePath, type TreeNode } from "../layer/fileTree.js";
import { type ByteString, fromByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import { compileComponent, hasWildcard } from "./match.js";

/** One file or directory that a source word means. */
export interface SelectedSource {
  /** Base name of the word, or of the match of its wildcard: the name that a file gets in a destination directory. */
  readonly name: ByteString;
  /** What it leads to, symlinks followed. Never a symlink. */
  readonly node: TreeNode;
}

/**
 * Looks a source word up.
 * @param word expanded; `..` stops at the root
 * @returns the matches in byte order; none if a wildcard matches nothing
 * @throws NacreError SOURCE_NOT_FOUND if a word without wildcards, or what a match links to, is not there; its facts are
 * the `word`, the `path` that was looked up, and where that leads (`resolved`), byte strings both
 */
export function selectSources(tree: FileTree, word: string): SelectedSource[] {
  const clean = cleanPath(toByteString(word));
  if (!hasWildcard(word)) {
    const { node, path } = resolvePath(tree, clean, true);
    if (node === undefined) throw notFound(tree, word, clean, path);
    return [{ name: clean.slice(clean.lastIndexOf("/") + 1), node }];
  }
  return wildcardMatches(tree, fromByteString(clean)).map((match) => {
    const path = pathOf(match);
    const { node, path: missing } = resolvePath(tree, path, true);
    if (node === undefined) throw notFound(tree, word, path, missing);
    return { name: match.name, node };
  });
}

/** Components before the first wildcard are looked up (links followed); below, directories are walked without following links. */
function wildcardMatches(tree: FileTree, pattern: string): TreeNode[] {
  const parts = pattern.split("/");
  const first = parts.findIndex(hasWildcard);
  const { node: start } = resolvePath(tree, toByteString(parts.slice(0, first).join("/")), true);
  if (start === undefined) return [];
  let matches: TreeNode[] = [start];
  for (const part of parts.slice(first)) {
    const test = compileComponent(part);
    matches = matches.flatMap((node) => tree.children(node).filter((child) => test(fromByteString(child.name))));
  }
  return matches;
}

const PIVOT = "/./";

/** What `--parents` selects: names with the directories above them, from a pivot on. */
export interface ParentedSelection {
  /** The directory of the pivot: everything before `/./` in the word, links followed; else the root. */
  readonly root: TreeNode;
  /** What the rest of the word means, links not followed. */
  readonly matches: ReadonlySet<TreeNode>;
}

/**
 * Splits a source word of `COPY --parents` at the pivot, its first `/./`. Both parts are cleaned; without a pivot the
 * first is empty, which means the root.
 */
export function splitAtPivot(word: string): { readonly prefix: ByteString; readonly rest: ByteString } {
  const at = word.indexOf(PIVOT);
  if (at < 0) return { prefix: "", rest: cleanPath(toByteString(word)) };
  return {
    prefix: cleanPath(toByteString(word.slice(0, at))),
    rest: cleanPath(toByteString(word.slice(at + PIVOT.length))),
  };
}

/**
 * Looks a source word of `COPY --parents` up (BuildKit: frontend reference, "COPY --parents"): `**` stands for any
 * number of directories after the pivot; wildcards before it are those of any source.
 * @returns one selection for each directory that the part before the pivot means
 * @throws NacreError SOURCE_NOT_FOUND if a word without wildcards is not there
 */
export function selectWithParents(tree: FileTree, word: string): ParentedSelection[] {
  const { prefix, rest } = splitAtPivot(word);
  const parts = fromByteString(rest)
    .split("/")
    .filter((part) => part !== "");
  const selections = selectSources(tree, fromByteString(prefix)).map(({ node: root }): ParentedSelection => {
    const matches = new Set<TreeNode>();
    matchParts(tree, root, parts, matches);
    return { root, matches };
  });
  if (!hasWildcard(fromByteString(rest)) && selections.some(({ matches }) => matches.size === 0)) {
    const whole = prefix === "" ? rest : `${prefix}/${rest}`;
    throw notFound(tree, word, whole, whole);
  }
  return selections;
}

function matchParts(tree: FileTree, node: TreeNode, parts: readonly string[], found: Set<TreeNode>): void {
  const [first, ...rest] = parts;
  if (first === undefined) {
    found.add(node);
    return;
  }
  if (first === "**") {
    matchParts(tree, node, rest, found);
    for (const child of tree.children(node)) {
      if (child.type === "dir") matchParts(tree, child, parts, found);
      else if (rest.length === 0) found.add(child);
    }
    return;
  }
  const test = compileComponent(first);
  for (const child of tree.children(node)) if (test(fromByteString(child.name))) matchParts(tree, child, rest, found);
}

/** True for a match and everything below one. */
export function isBelowMatch(selection: ParentedSelection, node: TreeNode): boolean {
  for (let at: TreeNode | undefined = node; at !== undefined; at = at.parent)
    if (selection.matches.has(at)) return true;
  return false;
}

function notFound(tree: FileTree, word: string, path: ByteString, resolved: ByteString): NacreError {
  const shown = `"/${fromByteString(path)}"`;
  const escapes = /(^|\/)\.\.(\/|$)/.test(word);
  const near = nearestPath(tree, resolved);
  const hints = [
    escapes ? `${JSON.stringify(word)} would leave the root of the source and is read as ${shown}` : "",
    near ? `did you mean ${near}?` : "",
  ].filter(Boolean);
  return new NacreError("SOURCE_NOT_FOUND", `${shown}: not found`, {
    hint: hints.join("; ") || "check the path and the ignore file; paths are relative to the root of the source",
    facts: { word, path, resolved },
  });
}

/** A name like the missing one, in the deepest directory that is there. */
function nearestPath(tree: FileTree, path: ByteString): string | undefined {
  const parts = path.split("/");
  let node = tree.root;
  const above: string[] = [];
  for (const part of parts) {
    const next = tree.child(node, part);
    if (next === undefined) {
      const names = tree.children(node).map((child) => fromByteString(child.name));
      const name = nearest(fromByteString(part), names);
      return name === undefined ? undefined : [...above, name].join("/");
    }
    above.push(fromByteString(part));
    node = next;
  }
  return undefined;
}
