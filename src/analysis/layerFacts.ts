/** What indexes tell of a layer as a whole, and of where contents stand in it. Pure. */
import { INDEX_TYPES, type LayerIndex } from "../layer/layerIndex.js";
import { type DiffId, type Digest, digestOfHex } from "../oci/digest.js";
import { compressionOf } from "../oci/mediaTypes.js";
import { sha256Hex } from "../support/hash.js";
import type { FilePlace, LayerStats } from "./types.js";

const FILE = INDEX_TYPES.indexOf("file");
const WHITEOUT = INDEX_TYPES.indexOf("whiteout");

/** Counts what a layer lists. */
export function statsOf(index: LayerIndex): LayerStats {
  const { count, types, sizes, tarSize } = index.columns;
  let [files, bytes, whiteouts, implied] = [0, 0, 0, 0];
  for (let entry = 0; entry < count; entry++) {
    const type = types[entry]!;
    if (type === FILE) {
      files++;
      bytes += sizes[entry]!;
    } else if (type === WHITEOUT) whiteouts++;
    if (index.isImplied(entry)) implied++;
    if (index.isOpaque(entry)) whiteouts++;
  }
  return { entries: count - implied, files, bytes, whiteouts, tarBytes: tarSize };
}

/** Where the content of a regular file (by any of its names) stands; undefined for every other entry, and for hard links into lower layers. */
export function placeOf(index: LayerIndex, entry: number): FilePlace | undefined {
  const offset = index.contentOffset(entry);
  if (offset < 0) return undefined;
  return { offset, size: index.size(entry), sparse: index.sparse(entry), digest: index.digestHex(entry) };
}

/** The chainIDs of a stack, lowest first (image-spec, config.md, "Layer ChainID"). */
export function chainIds(diffIds: readonly DiffId[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOfHex(sha256Hex(`${below} ${diffId}`)));
  }
  return chain;
}

/** True for media types of layers that registries must not distribute. */
export function isForeignType(mediaType: string): boolean {
  return /\.nondistributable\.|\.foreign\./.test(mediaType);
}

/** True for media types of encrypted layers (ocicrypt). */
export function isEncryptedType(mediaType: string): boolean {
  return /[+.]encrypted$/.test(mediaType);
}

/** True for media types of layers that can be unpacked. */
export function isLayerType(mediaType: string): boolean {
  return compressionOf(mediaType) !== undefined;
}
