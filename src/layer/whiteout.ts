/** Whiteouts: how a layer says that names below it are gone (image-spec, layer.md, "Whiteouts"). */
import type { ByteString } from "../support/bytes.js";

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

/** Reads the last component of a member's path. */
export function meaningOf(name: ByteString): NameMeaning {
  if (!name.startsWith(PREFIX)) return { kind: "plain" };
  if (name === ".wh..wh..opq") return { kind: "opaque" };
  if (name.startsWith(".wh..wh.")) return { kind: "reserved" };
  const target = name.slice(PREFIX.length);
  if (target === "" || target === "." || target === "..") return { kind: "invalid" };
  return { kind: "whiteout", name: target };
}
