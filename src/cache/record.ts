/** Records: what the cache knows of one executed step. */
import * as v from "valibot";
import { type DiffId, isDigest } from "../oci/digest.js";
import type { Lease, Store } from "../store/store.js";
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
}

/** The layer of a step as the store keeps it: uncompressed, so that diffID and blob digest are the same. */
export interface RecordedLayer {
  readonly diffId: DiffId;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
}

const bodySchema = v.object({
  ingredients: v.custom<Json>(() => true),
  layer: v.object({ diffId: v.custom<DiffId>(isDigest), size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) }),
  created: v.number(),
  duration: v.number(),
  warnings: v.array(v.object({ rule: v.string(), message: v.string() })),
  log: v.optional(v.string()),
});

/**
 * The newest whole record of a key. Its layer's blob is there with the right size; a record that is damaged, or whose
 * ingredients do not give its key, is none.
 */
export function findRecord(store: Store, lease: Lease, key: string): StepRecord | undefined {
  for (const stored of store.findRecords(key)) {
    const body = v.safeParse(bodySchema, stored.body);
    if (!body.success || keyOf(body.output.ingredients) !== key) continue;
    const { layer } = body.output;
    if (store.useRecord(stored, lease) && store.blobSize(layer.diffId) === layer.size) return body.output;
  }
  return undefined;
}

/** Records an execution. */
export function putRecord(store: Store, key: string, record: StepRecord): void {
  const { diffId } = record.layer;
  store.putRecord({ key, blobs: [diffId], indexes: [diffId], lists: [], body: record as unknown as Json });
}
