/** The content of one file of an image. */
import type { DiffId } from "../oci/digest.js";
import { fromByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { type ViewChoice, viewOf } from "./imageView.js";
import { type FoundPath, PathLookup } from "./pathLookup.js";
import type { OpenedImage } from "./types.js";

/** A regular file of an image. */
export interface ImageFile {
  /** Where it is, symlinks followed; begins with a slash. */
  readonly path: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** SHA-256, 64 hex digits. */
  readonly digest?: string | undefined;
  /** The layer that has its content. */
  readonly layer: { readonly number: number; readonly diffId: DiffId };
  /** Reads it; what comes is verified before its last piece is handed out. */
  open(): AsyncIterable<Buffer>;
}

/**
 * Finds a file; symlinks are followed inside the image. Its content is read when it is asked for.
 * @throws NacreError SOURCE_NOT_FOUND if it is not there or is no regular file, COPY_CONFLICT on a loop of symlinks, USAGE
 *   for a layer that is not there; as OpenedLayer.index
 */
export async function imageFile(image: OpenedImage, path: string, choice: ViewChoice = {}): Promise<ImageFile> {
  const lookup = new PathLookup(image, viewOf(image, choice));
  const found = await lookup.find(path);
  if (found.type !== "file") throw noFile(image, found);
  const { layer, place } = await lookup.content(found);
  const { index, entry } = found;
  const content = image.layers[layer]!;
  return {
    ...{ path: `/${fromByteString(found.path)}`, size: place.size, mode: index.mode(entry) },
    ...{ uid: index.uid(entry), gid: index.gid(entry), mtime: index.mtime(entry), digest: place.digest },
    layer: { number: layer, diffId: content.diffId },
    open: () => content.read(place),
  };
}

function noFile({ shown }: OpenedImage, { type, path }: FoundPath): NacreError {
  const name = `/${fromByteString(path)}`;
  const kinds: Readonly<Record<string, string>> = {
    ...{ dir: "a directory", symlink: "a symlink", char: "a device", block: "a device", fifo: "a pipe" },
  };
  const hint = type === "dir" ? `list it with: nacre tree ${shown} ${name}` : "it has no content";
  return new NacreError("SOURCE_NOT_FOUND", `${name} is ${kinds[type] ?? "no file"}`, { hint });
}
