/** Blobs that are read by ranges, and layers that are read through a table of contents in them. */
import type { ImageSource } from "../image/imageSource.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { DiffId } from "../oci/digest.js";
import type { Descriptor } from "../oci/documents.js";
import { NacreError } from "../support/errors.js";
import type { FilePlace, TocFacts } from "./types.js";

/** A blob that can be read by ranges. */
export interface RangedBlob {
  readonly descriptor: Descriptor;
  /** Some of its bytes as they lie there, fewer at its end; not verified. */
  range(offset: number, length: number): AsyncIterable<Uint8Array>;
  /** What it unpacks to, where that is known. */
  readonly diffId?: DiffId | undefined;
  /** Another blob of the same image, verified; undefined if it is not there. */
  beside?(descriptor: Descriptor): Promise<AsyncIterable<Uint8Array> | undefined>;
}

/** A layer's blob, wherever the image is. */
export function rangedBlob(source: ImageSource, descriptor: Descriptor, diffId?: DiffId): RangedBlob {
  const blob = source.blob(descriptor);
  return {
    ...{ descriptor, diffId },
    range: (offset, length) => blob.open(offset, length),
    beside: async (other) => ((await source.has(other)) ? source.blob(other).open(0) : undefined),
  };
}

/** A layer that is read through its own table of contents. */
export interface LazyLayer {
  readonly facts: TocFacts;
  /** Made of the table: whatever that leaves out is missing here too, so it is never kept as the layer's index. */
  readonly index: LayerIndex;
  /** True if the table tells where this content is: by its digest, so that places of any index of the layer will do. */
  has(place: FilePlace): boolean;
  read(place: FilePlace): AsyncIterable<Buffer>;
  /** Many contents, in the order in which they lie in the blob, neighbours by one request. */
  readMany<P extends FilePlace>(
    places: readonly P[],
  ): AsyncIterable<{ readonly place: P; readonly content: AsyncIterable<Buffer> }>;
}

/** A stretch of a blob, all of it. @throws NacreError CONTENT_INVALID if the blob ends before */
export async function readRange(blob: RangedBlob, offset: number, length: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let left = length;
  for await (const chunk of blob.range(offset, length)) {
    chunks.push(chunk.subarray(0, left));
    left -= Math.min(left, chunk.length);
    if (left === 0) break;
  }
  if (left > 0) throw new NacreError("CONTENT_INVALID", `the blob ends ${left} bytes before what it points at`);
  return Buffer.concat(chunks);
}

/** All bytes of a stream. @throws NacreError LIMIT_EXCEEDED for more than `limit` */
export async function allOf(source: AsyncIterable<Uint8Array>, limit: number, what: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > limit) throw new NacreError("LIMIT_EXCEEDED", `${what} has more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
