/**
 * What differs between two builds of one Dockerfile by one and the same builder, found by building each Dockerfile of
 * testdata/real twice with Docker: contents that hold the time or an inode number. Of these files kind, mode, owner,
 * attributes and links are compared, and not what is in them. Nothing else is left out.
 */
import type { FileEntry } from "../conformance/oracle.js";

const VARYING: readonly RegExp[] = [
  // dpkg writes the time before each line.
  /^var\/log\/(dpkg|alternatives)\.log$/,
  // apt writes when it began and ended, and what dpkg said meanwhile.
  /^var\/log\/apt\/(history|term)\.log$/,
  // apt's caches hold the times and inode numbers of the lists that they are made from.
  /^var\/cache\/apt\/(src)?pkgcache\.bin$/,
  // ldconfig keeps inode number and change time of each library.
  /^var\/cache\/ldconfig\/aux-cache$/,
  // Python writes the modification time of the source into what it compiles.
  /\/__pycache__\/[^/]+\.pyc$/,
];

/** The entries by path, without the content of those that vary, and without the root, whose metadata not every builder writes. */
export function comparableFiles(entries: readonly FileEntry[]): Readonly<Record<string, unknown>> {
  const kept = entries.filter((entry) => entry.path !== ".");
  return Object.fromEntries(kept.map((entry) => [entry.path, varies(entry.path) ? withoutContent(entry) : entry]));
}

function varies(path: string): boolean {
  return VARYING.some((pattern) => pattern.test(path));
}

function withoutContent({ size: _size, sha256: _digest, ...rest }: FileEntry): Omit<FileEntry, "size" | "sha256"> {
  return rest;
}
