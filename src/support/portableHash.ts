/**
 * SHA-256 in JavaScript alone, by `@noble/hashes`: for systems without node:crypto, and as the independent check of
 * the native one in tests. A module of its own, because loading it costs more than most commands take.
 */
import { sha256 } from "@noble/hashes/sha2.js";

/** SHA-256 of the bytes, as 64 lower-case hex digits. */
export function portableSha256Hex(data: Uint8Array): string {
  return Buffer.from(sha256(data)).toString("hex");
}
