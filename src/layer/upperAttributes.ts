/** What overlayfs notes in extended attributes of its upper directory, told apart from those that belong into a layer. */
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { isLayerXattr } from "./changes.js";
import type { UpperNode } from "./upperWalk.js";
import type { XattrRecord } from "./xattrDump.js";

/** Overlayfs's own attributes, by the mount option `userxattr`; those of the other name space mean nothing to it. */
export type OverlayXattrs = "trusted" | "user";

/** Reads attributes of files of one upper directory. */
export class UpperAttributes {
  readonly #values: ReadonlyMap<ByteString, XattrRecord>;
  readonly #prefix: string;

  constructor(values: ReadonlyMap<ByteString, XattrRecord>, space: OverlayXattrs) {
    this.#values = values;
    this.#prefix = `${space}.overlay.`;
  }

  /** True for the names that this class needs. */
  static wanted(space: OverlayXattrs): (name: string) => boolean {
    const own = ["opaque", "whiteout", "redirect", "metacopy"].map((name) => `${space}.overlay.${name}`);
    return (name) => isLayerXattr(name) || own.includes(name);
  }

  /** The directory hides what the layers below have there. */
  isOpaque(node: UpperNode): boolean {
    return node.type === "dir" && this.#own(node.path, "opaque") === "y";
  }

  /**
   * The name is gone from the layers below (kernel documentation, overlayfs, "Whiteouts and opaque directories"): a
   * character device 0, 0; or an empty file with an attribute, in a directory that is marked with `x`.
   */
  isWhiteout(node: UpperNode, parent: UpperNode): boolean {
    if (node.type === "char") return node.devMajor === 0 && node.devMinor === 0;
    if (node.type !== "file" || node.size > 0 || this.#own(node.path, "whiteout") === undefined) return false;
    return this.#own(parent.path, "opaque") === "x";
  }

  /**
   * What belongs into a layer, names in byte order; undefined if nothing does.
   * @throws NacreError CONTENT_INVALID for a file whose content overlayfs keeps elsewhere
   */
  ofLayer(node: UpperNode): XattrRecord | undefined {
    const record = this.#values.get(node.path);
    if (record === undefined) return undefined;
    for (const name of ["redirect", "metacopy"]) {
      if (this.#own(node.path, name) !== undefined) throw mountedWrongly(node.path, this.#prefix + name);
    }
    return layerXattrs(record);
  }

  #own(path: ByteString, name: string): ByteString | undefined {
    return this.#values.get(path)?.[this.#prefix + name];
  }
}

/** Of all attributes those that belong into a layer, names in byte order; undefined if none does. */
export function layerXattrs(record: XattrRecord | undefined): XattrRecord | undefined {
  if (record === undefined) return undefined;
  const kept = Object.entries(record).filter(([name]) => isLayerXattr(name));
  if (kept.length === 0) return undefined;
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** True if two lists of {@link layerXattrs} say the same. */
export function sameXattrs(a: XattrRecord | undefined, b: XattrRecord | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const [first, second] = [Object.entries(a), Object.entries(b)];
  return (
    first.length === second.length &&
    first.every(([name, value], at) => second[at]![0] === name && second[at]![1] === value)
  );
}

function mountedWrongly(path: ByteString, name: string): NacreError {
  return new NacreError(
    "CONTENT_INVALID",
    `/${fromByteString(path)} has the attribute ${name}: its content lies elsewhere`,
    {
      hint: "overlayfs did not heed redirect_dir=off,metacopy=off; report this with the kernel's version",
    },
  );
}
