/** What layers hold, as content keys name it: everything but times. */
import type { IndexColumns, LayerIndex } from "../layer/layerIndex.js";
import { sha256Hex } from "../support/hash.js";
import { canonicalJson } from "../support/json.js";

/** Digest of all that one layer does to a file system, mtimes left out; 64 hex digits. */
export function layerContent(index: LayerIndex): string {
  const { flags }: IndexColumns = index.columns;
  return sha256Hex(
    canonicalJson({
      root: [index.mode(0), index.uid(0), index.gid(0), flags[0]!],
      xattrs: index.xattrs(0),
      below: index.digestHex(0),
    }),
  );
}

/** Digest of a stack of layers, lowest first, of which each is given by {@link layerContent}. */
export function stackContent(layers: readonly string[]): string {
  return sha256Hex(canonicalJson(layers));
}
