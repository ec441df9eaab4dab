/** Listing the files of an opened image. */
import { toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import type { FileListing } from "./fileListing.js";
import { type ImageView, type ViewChoice, viewOf } from "./imageView.js";
import { type FileFilter, listStack } from "./listFiles.js";
import { PathLookup } from "./pathLookup.js";
import type { OpenedImage } from "./types.js";

/** What is listed of an image: which layers, where it begins, which files. */
export interface ListFilesOptions extends ViewChoice, FileFilter {
  /** Where the listing begins; symlinks are followed inside the image. Default: the root. */
  readonly path?: string | undefined;
}

/** See listFiles in analysis.ts. */
export async function listImage(image: OpenedImage, options: ListFilesOptions): Promise<FileListing> {
  const { path, layer: _layer, upTo: _upTo, ...filter } = options;
  const view = viewOf(image, options);
  const ownLayer = view.kind === "layer";
  if (filter.changes !== undefined && !ownLayer) {
    throw new NacreError("USAGE", "changes are those of one layer", { hint: "name the layer with --layer" });
  }
  const lookup = new PathLookup(image, ownLayer ? { kind: "up-to", top: view.top } : view);
  const start = path === undefined ? "" : await startOf(image, lookup, path, view);
  return listStack(await lookup.stack(), { ...filter, path: start, ownLayer });
}

/** What a layer removes is not there any more: it is looked for in the layers below. */
async function startOf(image: OpenedImage, lookup: PathLookup, path: string, view: ImageView): Promise<string> {
  const found = await lookup.seek(toByteString(path), true);
  if (found !== undefined) return found.path;
  if (view.kind === "layer" && view.top > 0) {
    const below = new PathLookup(image, { kind: "up-to", top: view.top - 1 });
    const gone = await below.seek(toByteString(path), true);
    if (gone !== undefined) return gone.path;
  }
  return (await lookup.find(path)).path;
}
