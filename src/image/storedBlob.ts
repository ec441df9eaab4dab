/** Blobs of the store as transfers read them: from any offset on, and checked on the way. */
import { closeSync, readSync } from "node:fs";
import type { Descriptor } from "../oci/documents.js";
import type { Store } from "../store/store.js";
import { NacreError } from "../support/errors.js";
import { createHasher } from "../support/hash.js";
import type { SourceBlob } from "./imageSource.js";

const CHUNK_BYTES = 256 << 10;

/** A blob of the store. Read from its start, its digest is checked. */
export function storedBlob(store: Store, { digest, size }: Pick<Descriptor, "digest" | "size">): SourceBlob {
  const open = (offset: number) => readStored(store, { digest, size }, offset);
  return { digest, size, open: (offset) => (offset === 0 ? verified({ digest, size }, open(0)) : open(offset)) };
}

/** The bytes from an offset on of what is read from its start. */
export async function* skip(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  offset: number,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of source) {
    const start = Math.min(chunk.length, Math.max(0, offset - at));
    at += chunk.length;
    if (start < chunk.length) yield chunk.subarray(start);
  }
}

async function* readStored(
  store: Store,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  offset: number,
): AsyncGenerator<Uint8Array> {
  const fd = store.openBlob(digest);
  try {
    for (let at = offset; at < size; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - at));
      const got = readSync(fd, chunk, 0, chunk.length, at);
      if (got === 0) throw damaged(digest);
      at += got;
      yield chunk.subarray(0, got);
    }
  } finally {
    closeSync(fd);
  }
}

/** Bytes that are hashed while they pass. @throws NacreError CONTENT_INVALID before the last of them, if they are others */
export async function* verified(
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const hasher = createHasher();
  let at = 0;
  for await (const chunk of source) {
    if (chunk.length === 0) continue;
    at += chunk.length;
    if (at > size) throw damaged(digest);
    hasher.update(chunk);
    // The last bytes make a blob whole: they are held back until all is known to be right.
    if (at === size && `sha256:${hasher.hex()}` !== digest) throw damaged(digest);
    yield chunk;
  }
  if (at < size) throw damaged(digest);
}

function damaged(digest: string): NacreError {
  return new NacreError("CONTENT_INVALID", `the blob ${digest} is damaged in the store`, {
    hint: "find what else is damaged with: nacre check",
  });
}
