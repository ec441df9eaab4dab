/** The tree of `nacre context ls --sizes`: few rows that tell where the bytes are. */
import type { ContextListing } from "../../index.js";

type Sized = ContextListing["sizes"];

/** One row. */
export interface SizeRow {
  readonly bytes: number;
  /** Absent for a single file. */
  readonly files?: number | undefined;
  /** The name, indented by its depth. */
  readonly text: string;
  /** From the root of the context; absent for a row that stands for several names. */
  readonly path?: string | undefined;
  readonly type?: Sized["type"] | undefined;
}

/** Directories whose left-out names come to less than this part of the whole need no row for them. */
const WORTH_A_ROW = 0.05;

/**
 * Rows for the `limit` largest directories and files, as a tree, the largest first. A directory that holds nothing but
 * one directory is one row with that. What is left out in a directory gets a row where it is much.
 */
export function sizeRows(root: Sized, limit: number): SizeRow[] {
  const all: Sized[] = [];
  collectEntries(root, all);
  // The sort is stable and a directory is collected before what is in it, so that it is chosen before that too.
  const chosen = new Set(all.sort((a, b) => b.bytes - a.bytes).slice(0, limit + 1));
  const rows: SizeRow[] = [];
  addRows(root, 0, "", chosen, root.bytes * WORTH_A_ROW, rows);
  return rows;
}

function collectEntries(entry: Sized, all: Sized[]): void {
  all.push(entry);
  for (const child of onlyChildSkipped(entry)) collectEntries(child, all);
}

/** The names in a directory, or in the one that is alone in it, and so on. */
function onlyChildSkipped(entry: Sized): readonly Sized[] {
  const inner = innermost(entry);
  return inner.children;
}

function innermost(entry: Sized): Sized {
  let at = entry;
  while (at.path !== "" && at.children.length === 1 && at.children[0]!.type === "dir") at = at.children[0]!;
  return at;
}

function addRows(
  entry: Sized,
  depth: number,
  above: string,
  chosen: ReadonlySet<Sized>,
  worth: number,
  rows: SizeRow[],
): void {
  const inner = innermost(entry);
  const isDirectory = inner.type === "dir";
  const name = inner.path === "" ? "." : inner.path.slice(above.length) + (isDirectory ? "/" : "");
  const { bytes, files, type, path } = inner;
  rows.push({ bytes, ...(isDirectory ? { files } : {}), text: "  ".repeat(depth) + name, path, type });
  const shown = inner.children.filter((child) => chosen.has(child));
  const prefix = inner.path === "" ? "" : `${inner.path}/`;
  for (const child of shown) addRows(child, depth + 1, prefix, chosen, worth, rows);
  const hidden = inner.children.filter((child) => !chosen.has(child));
  const rest = hidden.reduce((sum, child) => sum + child.bytes, 0);
  if (shown.length === 0 || rest < worth || rest === 0) return;
  const restFiles = hidden.reduce((sum, child) => sum + child.files, 0);
  rows.push({ bytes: rest, files: restFiles, text: `${"  ".repeat(depth + 1)}(${hidden.length} more)` });
}
