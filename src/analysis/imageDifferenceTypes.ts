/** Why two images that were to be the same are not. */
import type { DockerfileLine } from "./layerLines.js";

/**
 * What makes the bytes differ. `files`: one has a path that the other has not; `owner`: uid or gid; `order`: the same members
 * in another order; `tar`: the same members, written otherwise; `compression`: the same tar, compressed otherwise;
 * `gzip-header`: only the time, name or system in it; `created`: the time of the config or of a line of the history;
 * `layers`: their number; `manifest`: media types, annotations.
 */
export const DIFFERENCE_CLASSES = [
  ...(["layers", "files", "type", "content", "link", "device", "xattr", "mode", "owner", "opaque", "mtime"] as const),
  ...(["order", "tar", "gzip-header", "compression", "config", "history", "created", "manifest"] as const),
] as const;
export type DifferenceClass = (typeof DIFFERENCE_CLASSES)[number];

/** A cause: all that one layer, or the config, has of one class. */
export interface ImageCause {
  readonly class: DifferenceClass;
  /** One line that names what differs and how. */
  readonly message: string;
  /** Number of the layer, 0 the lowest. */
  readonly layer?: number | undefined;
  /** The line of the history that made the layer. */
  readonly createdBy?: string | undefined;
  /** Where that instruction stands, if builds that the store remembers tell. */
  readonly line?: DockerfileLine | undefined;
  /** The first path of the class, in the order of the tar. Bytes that are not UTF-8 are lone surrogates. */
  readonly path?: string | undefined;
  /** Of the config or manifest, e.g. `config.Env`. */
  readonly field?: string | undefined;
  /** Paths of the class in the layer. */
  readonly count?: number | undefined;
  /** The two values, where they are short. */
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}
