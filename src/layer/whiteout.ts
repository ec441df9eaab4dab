/** Whiteouts: how a layer says that names below it are gone (image-spec, layer.md, "Whiteouts"). */
import { type ByteString, fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";

/** What a member's name means for the layers below. */
export type NameMeaning =
  | { readonly kind: "plain" }
  /** `.wh.NAME`: the sibling NAME is gone. */
  | { readonly kind: "whiteout"; readonly name: ByteString }
  /** `.wh..wh..opq`: everything in this directory is gone. */
  | { readonly kind: "opaque" }
  /** Other names starting with `.wh..wh.` are AUFS's own bookkeeping: they mean nothing and are skipped. */
  | { readonly kind: "reserved" }
  /** A whiteout of nothing, of `.` or of `..`. */
  | { readonly kind: "invalid" };

const PREFIX = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** Reads the last component of a member's path. */
export function meaningOf(name: ByteString): NameMeaning {
  if (!name.startsWith(PREFIX)) return { kind: "plain" };
  if (name === OPAQUE) return { kind: "opaque" };
  if (name.startsWith(".wh..wh.")) return { kind: "reserved" };
  const target = name.slice(PREFIX.length);
  if (target === "" || target === "." || target === "..") return { kind: "invalid" };
  return { kind: "whiteout", name: target };
}

/**
 * The member that removes a path.
 * @throws NacreError INTERNAL for a name that no whiteout can remove: it starts with `.wh.` itself, so no layer can have it
 */
export function whiteoutPath(path: ByteString): ByteString {
  const cut = path.lastIndexOf("/") + 1;
  const name = PREFIX + path.slice(cut);
  if (meaningOf(name).kind !== "whiteout") {
    throw new NacreError("INTERNAL", `${JSON.stringify(fromByteString(path))} cannot be removed by a whiteout`);
  }
  return path.slice(0, cut) + name;
}

/** The member that hides what the layers below have in a directory; the root is "". */
export function opaquePath(directory: ByteString): ByteString {
  return directory === "" ? OPAQUE : `${directory}/${OPAQUE}`;
}
