/**
 * Snapshots for RUN: a stack of layers comes in, directories for overlayfs go out. Each layer has a directory of its own,
 * made from its blob when it is first needed, kept in the store and shared by all builds; a layer that was spliced from
 * another one gets a small delta directory over that one's. Whatever these directories show together is what the merged
 * tree of the layers' indexes says.
 *
 * Names: a layer that says everything by itself goes by its diffID; one that depends on what is below it (`c-`), a delta
 * (`d-`) and a whole tree that stands for many layers (`m-`) go by the chainID of the stack up to it.
 */
import type { LimitFunction } from "p-limit";
import type { ImageLayer } from "../image/image.js";
import type { OpenLayers } from "../image/layers.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { SnapshotDelta } from "../layer/snapshotDelta.js";
import type { UnpackEntry } from "../layer/unpack.js";
import { type DiffId, type Digest, digestOfHex, hexOf } from "../oci/digest.js";
import type { NewSnapshot, StoredSnapshot } from "../store/snapshots.js";
import type { Lease, Store } from "../store/store.js";
import { errnoOf, ioError, isNacreError, NacreError } from "../support/errors.js";
import { sha256Hex } from "../support/hash.js";
import type { Hand } from "./hand.js";
import { splicedFrom } from "./splicedLayers.js";
import { syncLater } from "./syncSnapshots.js";

/** Directories that are made at once. */
const AT_ONCE = 2;
/** Most layers that overlayfs gets as they are; its own limit is 500 directories (fs/overlayfs/params.h). */
const MOST_LAYERS = 400;
/** By how many layers the tree that stands for the lowest ones grows. */
const MERGE_STEP = 200;
/** Above this many layers none gets two directories. */
const MOST_LAYERS_WITH_DELTAS = 200;
/** Most hints followed from a spliced layer to one that has a directory. */
const MOST_HINTS = 50;

/** How directories are made. */
export interface SnapshotRun {
  readonly signal?: AbortSignal | undefined;
  /** Told of bytes unpacked so far, of so many. */
  readonly onProgress?: ((bytes: number, total: number | undefined) => void) | undefined;
}

/** A layer of a stack and where it stands. */
interface Place {
  readonly layer: ImageLayer;
  /** The stack up to this layer, lowest first. */
  readonly stack: readonly ImageLayer[];
  readonly chainId: Digest;
}

/** See the top of this file. One for each build is enough. */
export class Snapshots {
  readonly #store: Store;
  readonly #lease: Lease;
  /** Those that the lease keeps from being removed, as they were found. */
  readonly #held = new Map<string, readonly StoredSnapshot[]>();
  readonly #openLayers: OpenLayers;
  readonly #hand: Hand;
  readonly #making = new Map<string, Promise<readonly StoredSnapshot[]>>();
  #limit: Promise<LimitFunction> | undefined;

  /** @param lease protects what is handed out, and lives as long as that is used */
  constructor(store: Store, lease: Lease, openLayers: OpenLayers, hand: Hand) {
    this.#store = store;
    this.#lease = lease;
    this.#openLayers = openLayers;
    this.#hand = hand;
  }

  /**
   * The directories of a stack, made as far as they are missing.
   * @param stack lowest first
   * @returns absolute paths, topmost first; layers without files have none
   * @throws NacreError CONTENT_INVALID if a layer's blob is gone or damaged; DISK_FULL, STORE, TOOL_MISSING, CANCELLED
   */
  async directories(stack: readonly ImageLayer[], run: SnapshotRun = {}): Promise<readonly string[]> {
    const places = placesOf(stack);
    const merged = stack.length > MOST_LAYERS ? Math.ceil((stack.length - MOST_LAYERS) / MERGE_STEP) * MERGE_STEP : 0;
    const progress = new Progress(run.onProgress);
    const work = places.slice(merged).map((place) => this.#layer(place, stack.length, { ...run, progress }));
    if (merged > 0) work.unshift(this.#mergedTree(places[merged - 1]!, { ...run, progress }));
    const results = await Promise.allSettled(work);
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    const snapshots = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    for (const snapshot of snapshots.flat()) this.#store.snapshots.touch(snapshot);
    syncLater(this.#store, snapshots.flat());
    return topmostFirst(snapshots);
  }

  /**
   * Makes the upper directory of a finished RUN the snapshot of its layer. Everything in it that is no part of the layer
   * must be gone from it.
   * @param below the layers under it, lowest first
   * @returns false if the layer has one already, or needs none: then the directory is left where it is
   */
  async adopt(diffId: DiffId, below: readonly ImageLayer[], upperDir: string): Promise<boolean> {
    const index = await this.#storedIndex(diffId);
    if (index === undefined || isEmpty(index)) return false;
    const { needsBelow, unpackedBytes } = await import("../layer/unpack.js");
    const chainId = chainIdOf([...below.map((layer) => layer.diffId), diffId]);
    const name = needsBelow(index) ? this.#name("c-", chainId) : this.#name("", diffId);
    if ((await this.#inUse([name])) !== undefined) return false;
    const { rename, rmdir } = await import("node:fs/promises");
    const made = this.#store.snapshots.create();
    try {
      await rmdir(made.fs);
      await rename(upperDir, made.fs);
    } catch (error) {
      await this.#store.snapshots.discard(made);
      // The directory is on a disk of its own (a tmpfs): the layer is unpacked when it is needed.
      if (errnoOf(error) === "EXDEV") return false;
      throw ioError("STORE", `keeping ${upperDir} as a snapshot`, error);
    }
    const bytes = unpackedBytes(index);
    await this.#store.snapshots.publish(made, name, { bytes, ...(index.isOpaque(0) ? { opaque: true } : {}) });
    return true;
  }

  /** What stands for one layer: a snapshot, a delta and the snapshot it lies on, or nothing. */
  async #layer(place: Place, height: number, run: MakingRun): Promise<readonly StoredSnapshot[]> {
    const deltas = height <= MOST_LAYERS_WITH_DELTAS;
    const names = [this.#name("", place.layer.diffId), this.#name("c-", place.chainId)];
    if (deltas) names.push(this.#name("d-", place.chainId));
    return (await this.#inUse(names)) ?? this.#once(place, run, () => this.#make(place, names, deltas, run));
  }

  async #make(
    place: Place,
    names: readonly string[],
    deltas: boolean,
    run: MakingRun,
  ): Promise<readonly StoredSnapshot[]> {
    const { index } = await this.#openLayers.layer(place.layer);
    if (isEmpty(index)) return [];
    return this.#exclusively(place.layer.diffId, names, async () => {
      const { needsBelow } = await import("../layer/unpack.js");
      if (needsBelow(index)) return this.#whole(place, this.#name("c-", place.chainId), true, run);
      const delta = deltas ? await this.#delta(place, index, run) : undefined;
      return delta ?? this.#whole(place, this.#name("", place.layer.diffId), false, run);
    });
  }

  /** Unpacks all of a layer. */
  async #whole(place: Place, name: string, dependent: boolean, run: MakingRun): Promise<readonly StoredSnapshot[]> {
    const { borrowedNodes, layerEntries, unpackedBytes } = await import("../layer/unpack.js");
    const layer = await this.#openLayers.layer(place.layer);
    const merged = dependent ? await this.#openLayers.tree(place.stack) : undefined;
    await readable(place.layer, async () => {
      if (merged) await merged.prepare(borrowedNodes(merged));
      await layer.content.prepare();
    });
    run.progress.expect(layer.index.tarSize);
    const entries = layerEntries({ layer, merged }, this.#hand);
    const facts = { bytes: unpackedBytes(layer.index), ...(layer.index.isOpaque(0) ? { opaque: true } : {}) };
    return [await this.#unpack(entries, name, facts, run)];
  }

  /** Unpacks only what a layer changes in the one it was spliced from, if that has a snapshot. */
  async #delta(
    place: Place,
    index: LayerIndex,
    run: MakingRun,
  ): Promise<readonly [StoredSnapshot, StoredSnapshot] | undefined> {
    const base = await this.#baseOf(place.layer.diffId);
    if (base === undefined) return undefined;
    const [{ snapshotDelta }, { layerEntries, unpackedBytes }] = await Promise.all([
      import("../layer/snapshotDelta.js"),
      import("../layer/unpack.js"),
    ]);
    const old = await this.#storedIndex(base.diffId);
    const below = await this.#openLayers.tree(place.stack.slice(0, -1));
    const delta = old && snapshotDelta(old, index, () => below);
    if (delta === undefined || (!this.#hand.devices && hasDevices(index, delta))) return undefined;
    const layer = await this.#openLayers.layer(place.layer);
    await readable(place.layer, () => layer.content.prepare());
    const entries = layerEntries({ layer }, this.#hand, delta.entries, delta.removed);
    const facts = { bytes: unpackedBytes(index, delta.entries), base: base.snapshot.name };
    return [await this.#unpack(entries, this.#name("d-", place.chainId), facts, run), base.snapshot];
  }

  /** Follows the hints of splicing to a layer that has a snapshot of its own. */
  async #baseOf(diffId: DiffId): Promise<{ diffId: DiffId; snapshot: StoredSnapshot } | undefined> {
    let here = diffId;
    for (let hint = 0; hint < MOST_HINTS; hint++) {
      const from = splicedFrom(this.#store, here);
      if (from === undefined) return undefined;
      const found = await this.#inUse([this.#name("", from)]);
      if (found !== undefined) return { diffId: from, snapshot: found[0]! };
      here = from;
    }
    return undefined;
  }

  /** One directory for all layers up to a place. */
  async #mergedTree(place: Place, run: MakingRun): Promise<readonly StoredSnapshot[]> {
    const name = this.#name("m-", place.chainId);
    const found = await this.#inUse([name]);
    if (found !== undefined) return found;
    return this.#once({ ...place, chainId: digestOfHex(sha256Hex(name)) }, run, () =>
      this.#exclusively(place.chainId, [name], async () => {
        const { treeEntries } = await import("../layer/unpack.js");
        const tree = await this.#openLayers.tree(place.stack);
        await readable(place.layer, () => tree.prepare([tree.root]));
        let bytes = 0;
        const entries = counted(treeEntries(tree, this.#hand), (size) => {
          bytes += size;
        });
        return [await this.#unpack(entries, name, () => ({ bytes }), run)];
      }),
    );
  }

  async #unpack(
    entries: Iterable<UnpackEntry>,
    name: string,
    facts: Facts | (() => Facts),
    run: MakingRun,
  ): Promise<StoredSnapshot> {
    const { unpackWithTar } = await import("./gnuTar.js");
    const made = this.#store.snapshots.create();
    try {
      await unpackWithTar(made.fs, entries, { signal: run.signal, onProgress: run.progress.add });
    } catch (error) {
      await this.#store.snapshots.discard(made);
      throw error;
    }
    return this.#publish(made, name, typeof facts === "function" ? facts() : facts);
  }

  async #publish(made: NewSnapshot, name: string, facts: Facts): Promise<StoredSnapshot> {
    try {
      await this.#store.useDirectories(this.#lease, [`snapshot:${name}`]);
    } catch (error) {
      await this.#store.snapshots.discard(made);
      throw error;
    }
    return this.#store.snapshots.publish(made, name, facts);
  }

  /** Two steps that ask for the same are answered together; a step that is stopped does not stop the other. */
  async #once(
    place: Place,
    run: MakingRun,
    make: () => Promise<readonly StoredSnapshot[]>,
  ): Promise<readonly StoredSnapshot[]> {
    for (;;) {
      const others = this.#making.get(place.chainId);
      if (others === undefined) {
        const own = make().finally(() => this.#making.delete(place.chainId));
        this.#making.set(place.chainId, own);
        return own;
      }
      try {
        return await others;
      } catch (error) {
        if (!isNacreError(error) || error.code !== "CANCELLED" || run.signal?.aborted) throw error;
      }
    }
  }

  /** Other processes wait instead of doing the same, and then find it done. */
  async #exclusively(
    digest: Digest,
    names: readonly string[],
    make: () => Promise<readonly StoredSnapshot[]>,
  ): Promise<readonly StoredSnapshot[]> {
    const limit = await this.#limiter();
    const lock = `snapshot-${hexOf(digest).slice(0, 16)}`;
    return limit(() => this.#store.withLock(lock, async () => (await this.#inUse(names)) ?? make()));
  }

  /**
   * The first of these snapshots that is there, leased, and what it lies on.
   * Looked for before it is leased too: most names are of things that never were.
   */
  async #inUse(names: readonly string[]): Promise<readonly StoredSnapshot[] | undefined> {
    const { snapshots } = this.#store;
    for (const name of names) {
      const held = this.#held.get(name);
      if (held !== undefined) return held;
      const seen = snapshots.find(name);
      if (seen === undefined) continue;
      const wanted = seen.base === undefined ? [name] : [name, seen.base];
      await this.#store.useDirectories(
        this.#lease,
        wanted.map((one) => `snapshot:${one}` as const),
      );
      const found = wanted.map((one) => snapshots.find(one));
      if (!found.every((one) => one !== undefined)) continue;
      this.#held.set(name, found);
      return found;
    }
    return undefined;
  }

  async #storedIndex(diffId: DiffId): Promise<LayerIndex | undefined> {
    const bytes = this.#store.readIndex(diffId);
    if (bytes === undefined) return undefined;
    const { LayerIndex } = await import("../layer/layerIndex.js");
    try {
      return LayerIndex.decode(bytes);
    } catch {
      return undefined;
    }
  }

  #name(prefix: "" | "c-" | "d-" | "m-", digest: Digest): string {
    return `${this.#hand.flavour}.${prefix}${hexOf(digest)}`;
  }

  #limiter(): Promise<LimitFunction> {
    this.#limit ??= import("p-limit").then(({ default: pLimit }) => pLimit(AT_ONCE));
    return this.#limit;
  }
}

/** Makes contents of layers readable. @throws NacreError CONTENT_INVALID if a blob is gone or damaged */
async function readable(layer: ImageLayer, prepare: () => Promise<void>): Promise<void> {
  try {
    await prepare();
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && !(isNacreError(error) && error.code === "COMPRESSION")) throw error;
    const why = isNacreError(error) ? `is damaged: ${error.message}` : "is not in the store";
    throw new NacreError("CONTENT_INVALID", `the content of the layer ${layer.diffId}, or of one below it, ${why}`, {
      hint: "get the image again; find what else is missing with: nacre check",
      cause: error,
    });
  }
}

interface Facts {
  readonly bytes: number;
  readonly base?: string;
  readonly opaque?: boolean;
}

interface MakingRun extends SnapshotRun {
  readonly progress: Progress;
}

/** Adds up what several directories take. */
class Progress {
  #done = 0;
  #total = 0;
  readonly #tell: SnapshotRun["onProgress"];

  constructor(tell: SnapshotRun["onProgress"]) {
    this.#tell = tell;
  }

  expect(bytes: number): void {
    this.#total += bytes;
  }

  readonly add = (bytes: number): void => {
    this.#done += bytes;
    this.#tell?.(this.#done, this.#total >= this.#done ? this.#total : undefined);
  };
}

/** The chainID of a stack (image-spec, config.md, "Layer ChainID"). @param diffIds lowest first, at least one */
export function chainIdOf(diffIds: readonly DiffId[]): Digest {
  return diffIds.reduce((chain, diffId) => digestOfHex(sha256Hex(`${chain} ${diffId}`)));
}

function placesOf(stack: readonly ImageLayer[]): Place[] {
  let chainId: Digest | undefined;
  return stack.map((layer, i) => {
    chainId = chainId === undefined ? layer.diffId : digestOfHex(sha256Hex(`${chainId} ${layer.diffId}`));
    return { layer, stack: stack.slice(0, i + 1), chainId };
  });
}

/**
 * Topmost first, each directory once: overlayfs refuses one that comes twice, and everything in the lower one is hidden by
 * the upper. Below a layer whose root is opaque nothing is seen, which overlayfs itself does not look for in a root.
 */
function topmostFirst(layers: readonly (readonly StoredSnapshot[])[]): string[] {
  const paths = new Set<string>();
  for (const snapshots of [...layers].reverse()) {
    for (const { fs } of snapshots) paths.add(fs);
    if (snapshots.some(({ opaque }) => opaque)) break;
  }
  return [...paths];
}

/** Nothing but the root, whose metadata is the affair of the upper directory. */
function isEmpty(index: LayerIndex): boolean {
  return index.count === 1 && !index.isOpaque(0);
}

function hasDevices(index: LayerIndex, delta: SnapshotDelta): boolean {
  return delta.entries.some((entry) => index.type(entry) === "char" || index.type(entry) === "block");
}

function* counted(entries: Iterable<UnpackEntry>, onBytes: (bytes: number) => void): Generator<UnpackEntry> {
  for (const one of entries) {
    onBytes(one.entry.type === "file" ? Math.ceil(one.entry.size / 4096) * 4096 : 4096);
    yield one;
  }
}
