/** What must be kept, and for whose sake: the needs of references, records and leases, as ids of entries. */
import { type DiffId, type Digest, hexOf } from "../oci/digest.js";
import { type Descriptor, MAX_MANIFEST_BYTES, parseDocument } from "../oci/documents.js";
import { OCI_INDEX, OCI_MANIFEST } from "../oci/mediaTypes.js";
import { isNacreError } from "../support/errors.js";
import { statIfThere } from "./files.js";
import type { Protected } from "./leases.js";
import { type BlobSource, reachOf } from "./reach.js";
import type { Envelope } from "./records.js";
import { isSnapshotName } from "./snapshots.js";
import type { Store } from "./store.js";
import type { EntryId } from "./tombstones.js";

/** What someone needs. */
export interface Needs {
  /** Must stay. */
  readonly strong: ReadonlySet<EntryId>;
  /** Convenient: uncompressed companions of layers whose compressed blob is what is needed. */
  readonly weak: ReadonlySet<EntryId>;
}

/** Finds needs, remembering the lists it has read. */
export class NeedsFinder {
  readonly #store: Store;
  readonly #source: BlobSource;
  readonly #children = new Map<Digest, readonly Digest[]>();

  constructor(store: Store) {
    this.#store = store;
    const buried = (digest: Digest) => store.directory.at("tombstones", `blob.${hexOf(digest)}`);
    // Garbage collection must be able to follow an image through what it has just moved aside.
    this.#source = {
      size: (digest) => store.blobSize(digest) ?? statIfThere(buried(digest))?.size,
      read: (digest, limit) => store.readBlob(digest, limit),
    };
  }

  ofImages(descriptors: readonly Descriptor[]): Needs {
    const { blobs, diffIds } = reachOf(this.#source, descriptors);
    return gather(blobs, diffIds, []);
  }

  ofRecord(record: Envelope): Needs {
    return gather(record.blobs, record.indexes, this.#withChildren(record.lists));
  }

  /** A leased digest may name a blob, an index or a list; a leased manifest stands for its image. */
  ofLeases(leased: Protected): Needs {
    const images = [...leased.digests].flatMap((digest) => this.#asImage(digest));
    const { blobs, diffIds } = reachOf(this.#source, images);
    const all = [...leased.digests];
    const needs = gather([...all, ...blobs], [...all, ...diffIds], this.#withChildren(all));
    return { ...needs, strong: new Set([...needs.strong, ...this.#directories(leased)]) };
  }

  /** Leased directories, and what leased deltas lie on. */
  #directories(leased: Protected): EntryId[] {
    const needed: EntryId[] = [];
    for (const directory of leased.directories) {
      const [kind, name] = [directory.slice(0, directory.indexOf(":")), directory.slice(directory.indexOf(":") + 1)];
      if (kind === "mount") needed.push(`mount.${name}`);
      else if (kind === "source") needed.push(`source.${name}`);
      else if (isSnapshotName(name)) {
        const base = this.#store.snapshots.read(name)?.base;
        needed.push(`snapshot.${name}`);
        if (base !== undefined) needed.push(`snapshot.${base}`);
      }
    }
    return needed;
  }

  #asImage(digest: Digest): Descriptor[] {
    const size = this.#source.size(digest);
    if (size === undefined || size > MAX_MANIFEST_BYTES) return [];
    try {
      const { kind } = parseDocument(this.#source.read(digest, MAX_MANIFEST_BYTES), digest);
      return [{ mediaType: kind === "manifest" ? OCI_MANIFEST : OCI_INDEX, digest, size }];
    } catch (error) {
      if (isNacreError(error)) return [];
      throw error;
    }
  }

  #withChildren(lists: readonly Digest[]): Set<Digest> {
    const all = new Set<Digest>();
    const wanted = [...lists];
    for (let digest = wanted.pop(); digest !== undefined; digest = wanted.pop()) {
      if (all.has(digest)) continue;
      all.add(digest);
      wanted.push(...this.#childrenOf(digest));
    }
    return all;
  }

  #childrenOf(digest: Digest): readonly Digest[] {
    let children = this.#children.get(digest);
    if (!children) {
      children = this.#store.readListNode(digest)?.children ?? [];
      this.#children.set(digest, children);
    }
    return children;
  }
}

function gather(blobs: Iterable<Digest>, diffIds: Iterable<DiffId>, lists: Iterable<Digest>): Needs {
  const strong = new Set<EntryId>();
  const weak = new Set<EntryId>();
  for (const digest of blobs) strong.add(`blob.${hexOf(digest)}`);
  for (const digest of lists) strong.add(`list.${hexOf(digest)}`);
  for (const diffId of diffIds) {
    strong.add(`index.${hexOf(diffId)}`).add(`notes.${hexOf(diffId)}`);
    weak.add(`blob.${hexOf(diffId)}`);
  }
  return { strong, weak };
}
