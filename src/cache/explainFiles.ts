/** Which files of a source differ: two trees of lists are compared, and only what differs is followed. */
import type { ListEntry } from "../context/treeList.js";
import type { FileType } from "../layer/fileTree.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import { type LinkedNames, relinkedPaths } from "./explainLinks.js";
import { hexOfText, readList, type StepLists } from "./stepLists.js";
import type { FileChange, FileReason, FileTotals } from "./why.js";

/** One of the two trees. */
export interface FileSide {
  readonly lists: StepLists;
  /** Digest of the root's list. */
  readonly digest: string;
  /** Path of the root in its context. */
  readonly path: ByteString;
}

/** What differs between two trees. */
export interface FileDifference {
  readonly totals: FileTotals;
  readonly files: readonly FileChange[];
  /** Paths that only one of the two has, or that changed their type, as byte strings. */
  readonly apart: ReadonlySet<ByteString>;
}

/** More entries than this are looked at for no explanation; no real tree has as many. */
const MAX_ENTRIES = 8_000_000;

/**
 * Compares two trees; either may be absent.
 * @param ignoreModes modes are no difference, because they follow from something that is told already (`--chmod`)
 * @returns undefined if a list that is needed is not there
 */
export function diffFiles(
  before: FileSide | undefined,
  after: FileSide | undefined,
  ignoreModes = false,
): FileDifference | undefined {
  try {
    return new Comparison(before, after, ignoreModes).result();
  } catch (error) {
    if (error instanceof ListMissing) return undefined;
    throw error;
  }
}

class ListMissing extends Error {}

interface Found {
  readonly path: ByteString;
  readonly type: FileType;
  /** What it was, if that is something else. */
  readonly was: FileType | undefined;
  readonly reasons: FileReason[];
}

class Comparison {
  readonly #before: FileSide | undefined;
  readonly #after: FileSide | undefined;
  readonly #ignoreModes: boolean;
  readonly #found: Found[] = [];
  readonly #apart = new Set<ByteString>();
  #hasGroups = false;
  #entries = 0;

  constructor(before: FileSide | undefined, after: FileSide | undefined, ignoreModes: boolean) {
    this.#before = before;
    this.#after = after;
    this.#ignoreModes = ignoreModes;
  }

  result(): FileDifference {
    const [old, fresh] = [this.#root(this.#before), this.#root(this.#after)];
    if (old && fresh) this.#pair(old, fresh, this.#after!.path);
    else if (old) this.#only("removed", old, this.#before!.path, true);
    else if (fresh) this.#only("added", fresh, this.#after!.path, true);
    if (this.#hasGroups) this.#addLinks();
    return { totals: this.#totals(), files: this.#found.map(shown), apart: this.#apart };
  }

  /** The root as an entry: a directory without a name, or the one entry of its list. */
  #root(side: FileSide | undefined): ListEntry | undefined {
    if (!side) return undefined;
    const entries = this.#list(side, side.digest);
    if (entries.length === 1 && entries[0]!.name === "") return entries[0];
    return { name: "", type: "dir", mode: 0, uid: 0, gid: 0, digest: hexOfText(side.digest) };
  }

  #pair(old: ListEntry, fresh: ListEntry, path: ByteString): void {
    if (old.group !== undefined || fresh.group !== undefined) this.#hasGroups = true;
    const reasons = this.#reasons(old, fresh);
    const { type } = fresh;
    if (reasons.length > 0) this.#found.push({ path, type, was: old.type === type ? undefined : old.type, reasons });
    if (old.type !== type) {
      this.#apart.add(path);
      if (old.type === "dir") this.#only("removed", old, path, true);
      if (type === "dir") this.#only("added", fresh, path, true);
    } else if (type === "dir" && old.digest !== fresh.digest) {
      this.#directories(old, fresh, path);
    }
  }

  #directories(old: ListEntry, fresh: ListEntry, path: ByteString): void {
    const before = this.#list(this.#before!, old.digest!);
    const after = this.#list(this.#after!, fresh.digest!);
    let [i, j] = [0, 0];
    while (i < before.length || j < after.length) {
      const [a, b] = [before[i], after[j]];
      const at = join(path, (a && (!b || a.name < b.name) ? a : b!).name);
      if (a && b && a.name === b.name) {
        this.#pair(a, b, at);
        i++;
        j++;
      } else if (a && (!b || a.name < b.name)) {
        this.#only("removed", a, at);
        i++;
      } else {
        this.#only("added", b!, at);
        j++;
      }
    }
  }

  /** Something that only one of the trees has, with all below it. @param belowOnly it has been told already, or needs not */
  #only(what: "added" | "removed", entry: ListEntry, path: ByteString, belowOnly = false): void {
    if (entry.group !== undefined) this.#hasGroups = true;
    if (!belowOnly || entry.type !== "dir") {
      this.#found.push({ path, type: entry.type, was: undefined, reasons: [{ what }] });
      this.#apart.add(path);
    }
    if (entry.type !== "dir") return;
    const side = what === "added" ? this.#after! : this.#before!;
    for (const child of this.#list(side, entry.digest!)) this.#only(what, child, join(path, child.name));
  }

  #reasons(old: ListEntry, fresh: ListEntry): FileReason[] {
    if (old.type !== fresh.type) return [{ what: "type", before: old.type, after: fresh.type }];
    const reasons: FileReason[] = [];
    if (fresh.type === "file" && old.digest !== fresh.digest)
      reasons.push({ what: "content", before: old.size ?? 0, after: fresh.size ?? 0 });
    // Most entries are equal: texts are made only for those that are not.
    const edited = (what: "mode" | "link" | "owner" | "capability" | "device", textOf: (entry: ListEntry) => string) =>
      reasons.push({ what, before: textOf(old), after: textOf(fresh) });
    if (old.mode !== fresh.mode && !this.#ignoreModes) edited("mode", ({ mode }) => mode.toString(8).padStart(4, "0"));
    if (old.uid !== fresh.uid || old.gid !== fresh.gid) edited("owner", ({ uid, gid }) => `${uid}:${gid}`);
    if (old.capability !== fresh.capability)
      edited("capability", ({ capability }) => Buffer.from(capability ?? "", "latin1").toString("hex"));
    if (old.link !== fresh.link) edited("link", ({ link }) => fromByteString(link ?? ""));
    if (old.devMajor !== fresh.devMajor || old.devMinor !== fresh.devMinor)
      edited("device", ({ devMajor, devMinor }) => `${devMajor ?? 0}:${devMinor ?? 0}`);
    return reasons;
  }

  /** Groups of hard links are numbered anew in each tree, so that only a look at all of both tells what changed. */
  #addLinks(): void {
    const known = new Map(this.#found.map((found) => [found.path, found]));
    const size = known.size;
    for (const { path, type } of relinkedPaths(this.#linked(this.#before), this.#linked(this.#after), this.#apart)) {
      const found = known.get(path) ?? { path, type, was: undefined, reasons: [] };
      found.reasons.push({ what: "hardLinks" });
      known.set(path, found);
    }
    if (known.size === size) return;
    const keyed = [...known.values()].map((found) => ({ key: found.path.replaceAll("/", "\0"), found }));
    keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
    this.#found.length = 0;
    for (const { found } of keyed) this.#found.push(found);
  }

  /** The names of a tree that share inodes. Paths are those of the later tree, so that names are comparable. */
  #linked(side: FileSide | undefined): LinkedNames {
    const groups = new Map<number, { readonly path: ByteString; readonly type: FileType }[]>();
    if (!side) return groups;
    const top = (this.#after ?? side).path;
    const walk = (entries: readonly ListEntry[], path: ByteString): void => {
      for (const { name, type, group, digest } of entries) {
        const at = join(path, name);
        if (type === "dir") walk(this.#list(side, digest!), at);
        else if (group !== undefined) {
          const names = groups.get(group) ?? [];
          names.push({ path: at, type });
          groups.set(group, names);
        }
      }
    };
    walk(this.#list(side, side.digest), top);
    return groups;
  }

  #totals(): FileTotals {
    let files = this.#after ? this.#count(this.#after) : 0;
    let differing = 0;
    let directories = 0;
    for (const { type, was, reasons } of this.#found) {
      const isDirectory = type === "dir" && was === undefined;
      if (isDirectory) directories += 1;
      else differing += 1;
      if ((!isDirectory && reasons[0]!.what === "removed") || (type === "dir" && was !== undefined)) files += 1;
    }
    return { files, differing, directories };
  }

  #count({ lists, digest }: FileSide): number {
    const count = lists.files(hexOfText(digest));
    if (count === undefined) throw new ListMissing();
    return count;
  }

  #list({ lists }: FileSide, digest: string): readonly ListEntry[] {
    const entries = readList(lists, digest);
    this.#entries += entries?.length ?? 0;
    if (!entries || this.#entries > MAX_ENTRIES) throw new ListMissing();
    return entries;
  }
}

function shown({ path, type, reasons }: Found): FileChange {
  return { path: fromByteString(path), type, reasons };
}

function join(path: ByteString, name: ByteString): ByteString {
  return path === "" ? name : name === "" ? path : `${path}/${name}`;
}
