/** Records: what the cache knows of one executed step. */
import * as v from "valibot";
import { type DiffId, type Digest, isDigest } from "../oci/digest.js";
import type { Lease, Store, StoredRecord } from "../store/store.js";
import type { Json } from "../support/json.js";
import { keyOf } from "./ingredients.js";

/** What one execution of a step came to. */
export interface StepRecord {
  readonly ingredients: Json;
  readonly layer: RecordedLayer;
  /** When the layer was made, milliseconds since 1970. */
  readonly created: number;
  /** How long it took, milliseconds. */
  readonly duration: number;
  /** Warnings of the step, repeated whenever the record answers. */
  readonly warnings: readonly { readonly rule: string; readonly message: string }[];
  /** Name of its output in the store, for RUN. */
  readonly log?: string | undefined;
  /**
   * The layer of the step below, upon which this one was made: several executions of that step may differ, and only one of
   * them goes with this layer. Absent where no step is below, or where it does not matter (`--link`).
   */
  readonly on?: DiffId | undefined;
  /** How people see the step. */
  readonly label?: string | undefined;
  /** Identity of the project that it was made for. */
  readonly project?: string | undefined;
  /** The packed lists of its context sources, kept with it; see listPack.ts. */
  readonly lists?: Digest | undefined;
}

/** The layer of a step as the store keeps it: uncompressed, so that diffID and blob digest are the same. */
export interface RecordedLayer {
  readonly diffId: DiffId;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
}

const digest = v.custom<DiffId>(isDigest);
const bodySchema = v.object({
  ingredients: v.custom<Json>(() => true),
  layer: v.object({ diffId: digest, size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) }),
  created: v.number(),
  duration: v.number(),
  warnings: v.array(v.object({ rule: v.string(), message: v.string() })),
  log: v.optional(v.string()),
  on: v.optional(digest),
  label: v.optional(v.string()),
  project: v.optional(v.string()),
});

/** What a stored record says of a step; undefined if it is damaged, or its ingredients do not give its key. */
export function readRecord(stored: StoredRecord): StepRecord | undefined {
  const body = v.safeParse(bodySchema, stored.body);
  if (!body.success || keyOf(body.output.ingredients) !== stored.key) return undefined;
  // What the store keeps for it must be what it names.
  if (!stored.blobs.includes(body.output.layer.diffId)) return undefined;
  const [lists] = stored.lists;
  return lists === undefined ? body.output : { ...body.output, lists };
}

/** Somewhere that answers of earlier executions come from. */
export interface AnswerSource {
  /**
   * The record of a key that is to be used.
   * @param prefer of several executions, the one that it goes with best; default: the newest
   */
  find(key: string, prefer?: (record: StepRecord) => boolean): Promise<StepRecord | undefined>;
}

/** The records of a store as a source of answers. */
export function storedAnswers(store: Store, lease: Lease): AnswerSource {
  return { find: async (key, prefer) => findRecord(store, lease, key, prefer) };
}

/** Asks several sources, one after the other. */
export function firstAnswer(sources: readonly AnswerSource[]): AnswerSource {
  return {
    find: async (key, prefer) => {
      for (const source of sources) {
        const record = await source.find(key, prefer);
        if (record) return record;
      }
      return undefined;
    },
  };
}

/**
 * The newest whole record of a key, or the newest of those that are preferred. Its layer's blob is there with the right
 * size; a record that is damaged, or whose ingredients do not give its key, is none.
 */
export function findRecord(
  store: Store,
  lease: Lease,
  key: string,
  prefer: (record: StepRecord) => boolean = () => true,
): StepRecord | undefined {
  let second: StepRecord | undefined;
  for (const stored of store.findRecords(key)) {
    const record = readRecord(stored);
    if (!record || (second && !prefer(record))) continue;
    const { layer } = record;
    if (!store.useRecord(stored, lease) || store.blobSize(layer.diffId) !== layer.size) continue;
    if (prefer(record)) return record;
    second = record;
  }
  return second;
}

/** Records an execution. @throws NacreError STORE, DISK_FULL */
export function putRecord(store: Store, key: string, record: StepRecord): StoredRecord {
  const { lists, ...body } = record;
  const { diffId } = record.layer;
  return store.putRecord({
    key,
    blobs: [diffId],
    indexes: [diffId],
    lists: lists === undefined ? [] : [lists],
    body: body as unknown as Json,
  });
}
