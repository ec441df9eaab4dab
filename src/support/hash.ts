/**
 * SHA-256, the only hash that identifies anything here. Node's native one-shot hash is 3 to 16 times faster than
 * portable JavaScript at every size, so it is used wherever node:crypto exists; `@noble/hashes` is the portable
 * implementation behind the same functions (and the independent check in tests).
 */
import * as crypto from "node:crypto";

/** A running SHA-256. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** Ends the hash; call once. @returns 64 lower-case hex digits */
  hex(): string;
}

type OneShot = (algorithm: string, data: Uint8Array | string, encoding: "hex") => string;
const oneShot = (crypto as { hash?: OneShot }).hash;

/** SHA-256 of the bytes (a string is taken as UTF-8), as 64 lower-case hex digits. */
export function sha256Hex(data: Uint8Array | string): string {
  if (oneShot) return oneShot("sha256", data, "hex");
  return crypto.createHash("sha256").update(data).digest("hex");
}

/** A running SHA-256 for data that comes in pieces. */
export function createHasher(): Hasher {
  const hash = crypto.createHash("sha256");
  return {
    update: (bytes) => void hash.update(bytes),
    hex: () => hash.digest("hex"),
  };
}
