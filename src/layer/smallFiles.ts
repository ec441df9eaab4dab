/** Which files a layer's index holds whole, because builds and analyses consult them and nothing else of the layer. */
import type { ByteString } from "../support/bytes.js";

const KEPT = new Set<ByteString>(["etc/passwd", "etc/group", "etc/os-release", "usr/lib/os-release"]);
/** Bigger ones are read from the layer itself. */
const MAX_KEPT_BYTES = 256 << 10;

/** True if the index keeps a file of that clean path and size. */
export function isKept(path: ByteString, size: number): boolean {
  return size <= MAX_KEPT_BYTES && KEPT.has(path);
}
