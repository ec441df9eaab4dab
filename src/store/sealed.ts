/**
 * Sealed files: derived data with a checksum in front, bound to the name it is kept under. A file that was cut short,
 * damaged, or copied under another name opens as undefined and so counts as absent; it is made anew.
 *
 * Form: `nacre 1 `, 64 hex digits of SHA-256 over name, newline and content, blanks up to byte 80 of which the last is
 * a newline; then the content. 80 is a multiple of 8, so that numbers in the content stay aligned in memory.
 */
import { createHasher } from "../support/hash.js";

/** Bytes before the content. */
export const SEAL_BYTES = 80;
const MAGIC = "nacre 1 ";

/** The bytes to put in front of the content. @param name what the file holds, e.g. `index:` and a digest */
export function sealOf(name: string, content: Uint8Array): Buffer {
  return Buffer.from(`${(MAGIC + checksum(name, content)).padEnd(SEAL_BYTES - 1)}\n`, "latin1");
}

/** The content of a sealed file, or undefined if it is not whole or is sealed for another name. */
export function unseal(name: string, file: Buffer | undefined): Buffer | undefined {
  if (file === undefined || file.length < SEAL_BYTES) return undefined;
  const content = file.subarray(SEAL_BYTES);
  return file.subarray(0, SEAL_BYTES).equals(sealOf(name, content)) ? content : undefined;
}

function checksum(name: string, content: Uint8Array): string {
  const hasher = createHasher();
  hasher.update(Buffer.from(`${name}\n`));
  hasher.update(content);
  return hasher.hex();
}
