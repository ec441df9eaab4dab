/** Which names share their inodes with other names than before. */
import type { FileType } from "../layer/fileTree.js";
import type { ByteString } from "../support/bytes.js";

/** Names by the number of their group; the numbers of two trees have nothing to do with each other. */
export type LinkedNames = ReadonlyMap<number, readonly LinkedName[]>;

/** A name that shares its inode. */
export interface LinkedName {
  readonly path: ByteString;
  readonly type: FileType;
}

/**
 * The names of both trees whose partners, among the names of both trees, are others than before. So a name that comes or
 * goes is told as such, not as a change of those that it is linked to.
 * @param apart names that only one of the trees has
 */
export function relinkedPaths(
  before: LinkedNames,
  after: LinkedNames,
  apart: ReadonlySet<ByteString>,
): readonly LinkedName[] {
  const ids = new Map<string, number>();
  const [old, fresh] = [partners(before, apart, ids), partners(after, apart, ids)];
  const names = new Map([...old.names, ...fresh.names].map((name) => [name.path, name]));
  return [...names.values()].filter(({ path }) => old.groupOf.get(path) !== fresh.groupOf.get(path));
}

/** Groups with at least two names that count; equal sets of names have equal ids. */
function partners(
  groups: LinkedNames,
  apart: ReadonlySet<ByteString>,
  ids: Map<string, number>,
): { readonly names: readonly LinkedName[]; readonly groupOf: ReadonlyMap<ByteString, number> } {
  const groupOf = new Map<ByteString, number>();
  const counted: LinkedName[] = [];
  for (const all of groups.values()) {
    const names = all.filter(({ path }) => !apart.has(path));
    if (names.length < 2) continue;
    const set = names.map(({ path }) => path).join("\0");
    const id = ids.get(set) ?? ids.size;
    ids.set(set, id);
    for (const name of names) {
      groupOf.set(name.path, id);
      counted.push(name);
    }
  }
  return { names: counted, groupOf };
}
