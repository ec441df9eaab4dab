/**
 * List digests of a local context (see treeDigest.ts), straight from the entry table. The digest of a directory below
 * which nothing has changed since an earlier build is at hand; it is stored without hard-link groups, since those depend
 * on what is selected, and directories with such groups are computed each time.
 */
import * as crypto from "node:crypto";
import { type Digest, digestOfHex } from "../oci/digest.js";
import type { ByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { DIGEST_BYTES, type Directory, FLAG, namesOf } from "./entryTable.js";
import { deviceNumbers, typeOf } from "./fileTypes.js";
import type { InodeKey, LinkedRow, LinkGroups } from "./linkGroups.js";
import type { Scanner } from "./scanner.js";
import { type ListEntry, ListWriter } from "./treeList.js";

/** Hard links within one selection. */
interface Selection {
  readonly linked: ReadonlyMap<number, LinkedRow>;
  /** Directories at or below which there are some. */
  readonly touched: ReadonlySet<Directory>;
  /** Numbers in the order in which groups are met. */
  readonly numbers: Map<InodeKey, number>;
  readonly putList: ((bytes: Uint8Array) => Digest) | undefined;
  /** Lists that need not be made again. */
  readonly hasList: ((digest: Digest) => boolean) | undefined;
}

export class LocalDigester {
  readonly #scanner: Scanner;
  readonly #groups: LinkGroups;
  readonly #writer = new ListWriter();

  constructor(scanner: Scanner, groups: LinkGroups) {
    this.#scanner = scanner;
    this.#groups = groups;
  }

  /** The digest of the list of a row; `putList` receives those lists only that had to be made. */
  digest(row: number, name: ByteString, putList?: (bytes: Uint8Array) => Digest): Digest {
    const directory = this.#scanner.directoryAt(row);
    if (directory) return digestOfRaw(this.#directory(directory, this.#select(directory, putList)));
    const selection = {
      linked: new Map(),
      touched: new Set<Directory>(),
      numbers: new Map(),
      putList,
      hasList: undefined,
    };
    this.#writer.start();
    this.#writer.add({ ...this.#entry(row, name, selection), name: "" }, this.#contentDigest(row));
    return digestOfRaw(this.#finish(putList));
  }

  /** Hands over all lists below a row, except those that are kept already. */
  storeLists(row: number, hasList: (digest: Digest) => boolean, putList: (bytes: Uint8Array) => Digest): void {
    const directory = this.#scanner.directoryAt(row);
    if (!directory) this.digest(row, "", putList);
    else this.#directory(directory, this.#select(directory, putList, hasList));
  }

  #select(
    directory: Directory,
    putList?: (bytes: Uint8Array) => Digest,
    hasList?: (digest: Digest) => boolean,
  ): Selection {
    this.#visitAll(directory);
    const linked = this.#hasLinks(directory) ? this.#groups.below(directory) : new Map<number, LinkedRow>();
    const touched = new Set<Directory>();
    for (const { directory: holder } of linked.values()) {
      for (let at: Directory | undefined = holder; at && !touched.has(at); at = at.parent) touched.add(at);
    }
    return { linked, touched, numbers: new Map(), putList, hasList };
  }

  #visitAll(directory: Directory): void {
    this.#scanner.visit(directory);
    const { table } = this.#scanner;
    for (let row = directory.first; row < directory.first + directory.count; row++) {
      if (table.child[row]! >= 0 && table.isVisible(row)) this.#visitAll(this.#scanner.directoryAt(row)!);
    }
  }

  #hasLinks(directory: Directory): boolean {
    const { table } = this.#scanner;
    for (let row = directory.first; row < directory.first + directory.count; row++) {
      const child = this.#scanner.directoryAt(row);
      if (child ? table.isVisible(row) && this.#hasLinks(child) : table.has(row, FLAG.linked)) return true;
    }
    return false;
  }

  #directory(directory: Directory, selection: Selection): Buffer {
    const plain = !selection.touched.has(directory);
    const { tree } = directory;
    if (plain && tree && (!selection.hasList || selection.hasList(digestOfRaw(tree)))) return tree;
    const below = this.#below(directory, selection);
    // The lists below have been written by now, so one writer serves all.
    this.#writer.start();
    for (const { entry, digest } of below) this.#writer.add(entry, digest);
    const raw = this.#finish(selection.putList);
    if (plain && !tree) {
      directory.tree = raw;
      this.#scanner.dirty = true;
    }
    return raw;
  }

  #below(
    directory: Directory,
    selection: Selection,
  ): { readonly entry: ListEntry; readonly digest: Uint8Array | undefined }[] {
    const { table } = this.#scanner;
    const below: { entry: ListEntry; digest: Uint8Array | undefined }[] = [];
    for (const [i, name] of namesOf(directory).entries()) {
      const row = directory.first + i;
      if (!table.isVisible(row)) continue;
      const child = this.#scanner.directoryAt(row);
      const entry = this.#entry(row, name, selection);
      below.push({ entry, digest: child ? this.#directory(child, selection) : this.#contentDigest(row) });
    }
    return below;
  }

  #entry(row: number, name: ByteString, selection: Selection): ListEntry {
    const { table } = this.#scanner;
    const mode = table.mode[row]!;
    const type = typeOf(mode);
    const special = table.specials.get(row);
    const device = special === undefined ? undefined : deviceNumbers(special);
    return {
      name,
      type,
      mode: mode & 0o7777,
      uid: 0,
      gid: 0,
      group: this.#group(row, selection),
      capability: table.capabilities.get(row),
      size: type === "file" ? table.size[row]! : undefined,
      link: table.links.get(row),
      devMajor: device?.major,
      devMinor: device?.minor,
    };
  }

  #group(row: number, { linked, numbers }: Selection): number | undefined {
    const key = linked.size === 0 ? undefined : linked.get(row)?.key;
    if (key === undefined) return undefined;
    let number = numbers.get(key);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(key, number);
    }
    return number;
  }

  #contentDigest(row: number): Buffer | undefined {
    const { table } = this.#scanner;
    if (typeOf(table.mode[row]!) !== "file") return undefined;
    if (!table.has(row, FLAG.digest)) throw new NacreError("INTERNAL", "a file of the context has not been prepared");
    return table.digests.subarray(row * DIGEST_BYTES, (row + 1) * DIGEST_BYTES);
  }

  #finish(putList: ((bytes: Uint8Array) => Digest) | undefined): Buffer {
    const bytes = this.#writer.finish();
    putList?.(bytes);
    return crypto.createHash("sha256").update(bytes).digest();
  }
}

function digestOfRaw(raw: Buffer): Digest {
  return digestOfHex(raw.toString("hex"));
}
