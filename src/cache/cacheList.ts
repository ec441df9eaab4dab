/**
 * What the cache holds, thing by thing: records of steps, caches of RUN mounts, what was fetched, snapshots, layers. From
 * names, sizes and records alone; no layer is opened.
 */
import { type DiffId, digestOfHex, hexOf } from "../oci/digest.js";
import { type CacheMountInfo, listCacheMounts } from "../store/cacheMounts.js";
import { readProtected } from "../store/leases.js";
import { NeedsFinder } from "../store/needs.js";
import type { Envelope, RecordFile } from "../store/records.js";
import { listSources, type SourceKind } from "../store/sources.js";
import type { Store } from "../store/store.js";
import { type Entry, type EntryId, inventory, type Kind } from "../store/tombstones.js";
import { readUses } from "../store/uses.js";
import { readRecord, type StepRecord } from "./record.js";

/** The kinds of things that are listed. */
export const CACHE_TYPES = ["step", "mount", "source", "snapshot", "layer"] as const;
export type CacheType = (typeof CACHE_TYPES)[number];

/** What all things of the cache have. Times are milliseconds since 1970. */
interface Common {
  /** Unique among things of its type: the record's id, the name of a directory, a diffID. */
  readonly name: string;
  /** What people call it; empty if that is not known. */
  readonly label: string;
  /** On disk. Of a step: its layer, which other steps may have too. */
  readonly bytes: number;
  /** A named image needs the same bytes. */
  readonly shared: boolean;
  readonly lastUsed: number;
  /** A living process uses it. */
  readonly inUse: boolean;
}

/** An executed step: its record, or its records, since one execution may answer by definition and by content. */
export interface CachedStep extends Common {
  readonly type: "step";
  readonly key: string;
  /** The key that answers for steps whose inputs have the same content. */
  readonly contentKey?: string | undefined;
  readonly created: number;
  /** How often it answered, counted once a minute at most. */
  readonly uses: number;
  /** Milliseconds that it took. */
  readonly duration?: number | undefined;
  /** Identity of the project that it was made for. */
  readonly project?: string | undefined;
  readonly diffId?: DiffId | undefined;
  /** False: damaged, or its layer is gone; it never answers again. */
  readonly usable: boolean;
}

/** A cache of `RUN --mount=type=cache`. */
export interface CachedMount extends Common, Omit<CacheMountInfo, keyof Common> {
  readonly type: "mount";
}

/** A download, a git repository, or a layer that has not come whole. */
export interface CachedSource extends Common {
  readonly type: "source";
  readonly kind: SourceKind;
  readonly path: string;
}

/** Layers made into a directory for RUN. */
export interface CachedSnapshot extends Common {
  readonly type: "snapshot";
  readonly created?: number | undefined;
}

/** A layer that a record or a named image needs, in all the forms in which it is there. */
export interface CachedLayer extends Common {
  readonly type: "layer";
  /** Records that answer with it. */
  readonly steps: number;
}

export type CacheItem = CachedStep | CachedMount | CachedSource | CachedSnapshot | CachedLayer;

/** Lists the cache, what was used last first. @param types which kinds of things; default: all */
export function listCache(store: Store, types: Iterable<CacheType> = CACHE_TYPES): CacheItem[] {
  const wanted = new Set(types);
  const listing = new Listing(store);
  const items: CacheItem[] = [];
  if (wanted.has("step")) items.push(...listing.steps());
  if (wanted.has("mount")) items.push(...mounts(store));
  if (wanted.has("source")) items.push(...sources(store));
  if (wanted.has("snapshot")) items.push(...listing.snapshots());
  if (wanted.has("layer")) items.push(...listing.layers());
  return items.sort((a, b) => b.lastUsed - a.lastUsed || (a.name < b.name ? -1 : 1));
}

/** What the listing looks at; mounts and sources list themselves. */
const LISTED: ReadonlySet<Kind> = new Set<Kind>(["blob", "index", "record", "snapshot"]);

class Listing {
  readonly #store: Store;
  readonly #entries: ReadonlyMap<EntryId, Entry>;
  readonly #shared: ReadonlySet<EntryId>;
  readonly #leased: ReturnType<typeof readProtected>;
  #steps: CachedStep[] | undefined;

  constructor(store: Store) {
    this.#store = store;
    this.#entries = inventory(store.directory, LISTED);
    this.#shared = new NeedsFinder(store).ofImages(store.references.entries()).strong;
    this.#leased = readProtected(store.directory);
  }

  steps(): CachedStep[] {
    this.#steps ??= this.#readSteps();
    return this.#steps;
  }

  snapshots(): CachedSnapshot[] {
    const { directories } = this.#leased;
    return [...this.#entries.values()].flatMap(({ kind, name, bytes, used }) => {
      if (kind !== "snapshot") return [];
      const created = this.#store.snapshots.read(name)?.created;
      const inUse = directories.has(`snapshot:${name}`);
      return [{ type: "snapshot", name, label: "", bytes, shared: false, lastUsed: used, inUse, created } as const];
    });
  }

  /** By the steps that made them, and the images that have them. */
  layers(): CachedLayer[] {
    const steps = new Map<DiffId, { count: number; label: string; used: number }>();
    for (const { diffId, usable, label, lastUsed } of this.steps()) {
      if (diffId === undefined || !usable) continue;
      const known = steps.get(diffId) ?? { count: 0, label, used: 0 };
      steps.set(diffId, { count: known.count + 1, label: known.label, used: Math.max(known.used, lastUsed) });
    }
    const indexed = [...this.#entries.values()].filter(({ kind }) => kind === "index").map(({ name }) => name);
    const diffIds = new Set([...steps.keys(), ...indexed.map((name) => digestOfHex(name) as DiffId)]);
    return [...diffIds].flatMap((diffId) => this.#layer(diffId, steps.get(diffId)));
  }

  #layer(diffId: DiffId, of: { count: number; label: string; used: number } | undefined): CachedLayer[] {
    const blobs = this.#store
      .layerBlobs(diffId)
      .flatMap(({ digest }) => this.#entries.get(`blob.${hexOf(digest)}`) ?? []);
    if (blobs.length === 0) return [];
    const lastUsed = Math.max(of?.used ?? 0, ...blobs.map(({ used }) => used));
    const layer = {
      name: diffId,
      label: of?.label ?? "",
      bytes: blobs.reduce((sum, { bytes }) => sum + bytes, 0),
      shared: blobs.some(({ id }) => this.#shared.has(id)),
      lastUsed,
      inUse: this.#leased.digests.has(diffId),
      steps: of?.count ?? 0,
    };
    return [{ type: "layer", ...layer }];
  }

  #readSteps(): CachedStep[] {
    const uses = readUses(this.#store.directory);
    const executions = new Map<string, CachedStep>();
    for (const file of this.#store.records.files()) {
      const stored = this.#store.records.read(file);
      const record = stored && readRecord(stored);
      const step = this.#stepOf(file, stored, record, uses.get(file.id) ?? 0);
      if (!step) continue;
      const execution = record ? `${record.layer.diffId} ${record.created} ${record.label}` : step.name;
      const other = executions.get(execution);
      executions.set(execution, other ? merged(other, step) : step);
    }
    return [...executions.values()];
  }

  #stepOf(
    { path, key, id, created }: RecordFile,
    stored: Envelope | undefined,
    record: StepRecord | undefined,
    uses: number,
  ): CachedStep | undefined {
    const entry = this.#entries.get(`record.${path.slice(path.lastIndexOf("/") + 1)}`);
    if (!entry) return undefined;
    const blob = record && this.#entries.get(`blob.${hexOf(record.layer.diffId)}`);
    return {
      ...{ type: "step", name: id, key, created, lastUsed: entry.used, inUse: this.#leased.records.has(id), uses },
      ...(record && isByContent(record) ? { contentKey: key } : {}),
      ...factsOf(record),
      bytes: blob?.bytes ?? 0,
      shared: blob !== undefined && this.#shared.has(blob.id),
      usable: stored !== undefined && record !== undefined && this.#store.records.hasBlobs(stored),
    };
  }
}

/** Two records of one execution as one. */
function merged(one: CachedStep, other: CachedStep): CachedStep {
  const [definition, content] = one.contentKey === one.key ? [other, one] : [one, other];
  return {
    ...definition,
    contentKey: content.contentKey ?? definition.contentKey,
    lastUsed: Math.max(one.lastUsed, other.lastUsed),
    uses: one.uses + other.uses,
    inUse: one.inUse || other.inUse,
    usable: one.usable || other.usable,
  };
}

/** True for a record whose inputs are named by what they hold. In a text the quotes would be escaped. */
function isByContent({ ingredients }: StepRecord): boolean {
  return /"kind":"(?:content|selection)"/.test(JSON.stringify(ingredients));
}

function factsOf(record: StepRecord | undefined): Pick<CachedStep, "label" | "duration" | "project" | "diffId"> {
  if (!record) return { label: "" };
  const { label = "", duration, project, layer } = record;
  return { label, duration, project, diffId: layer.diffId };
}

function mounts(store: Store): CachedMount[] {
  return listCacheMounts(store).map((info) => {
    const { bytes, files } = info;
    return { ...info, type: "mount", label: info.id, shared: false, bytes, files };
  });
}

function sources(store: Store): CachedSource[] {
  return listSources(store).map((info) => {
    const { kind, name, path, bytes, lastUsed, label, inUse } = info;
    return { type: "source", name: `${kind}-${name}`, label, bytes, shared: false, lastUsed, inUse, kind, path };
  });
}
