/** Looking up what a `--mount=type=bind` takes from other layers, and unpacking it as far as it is not yet. */
import type { ImageLayer } from "../image/image.js";
import type { OpenLayers } from "../image/layers.js";
import { type FileTree, lookup, type Resolved, resolvePath } from "../layer/fileTree.js";
import type { LayerIndex } from "../layer/layerIndex.js";
import type { LayerTree } from "../layer/layerTree.js";
import { fromByteString, toByteString } from "../support/bytes.js";
import { NacreError } from "../support/errors.js";
import { nearest } from "../support/suggest.js";
import type { BindSource } from "./planMounts.js";
import { shown } from "./rootView.js";
import type { TreeSource } from "./types.js";

/** Directories of a stack of layers, topmost first; made where they are missing. */
export type DirectoriesOf = (layers: readonly ImageLayer[]) => Promise<readonly string[]>;

/**
 * Finds a source in its layers; symlinks are followed inside them.
 * @throws NacreError SOURCE_NOT_FOUND if nothing is there, MOUNT if its symlinks lead nowhere
 */
export async function findBindSource(
  source: TreeSource,
  layers: OpenLayers,
  directoriesOf: DirectoriesOf,
): Promise<BindSource> {
  const tree = await layers.tree(source.layers);
  const { node, path } = locate(tree, source.path);
  if (node === undefined) throw notFound(tree, source.path, path);
  const directories = await directoriesOf(source.layers);
  const key = source.layers.map(({ diffId }) => diffId).join(" ");
  return { tree, node, path, directories, key, plain: isPlain(tree) };
}

function locate(tree: FileTree, path: string): Resolved {
  try {
    return resolvePath(tree, toByteString(path), true);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NacreError("MOUNT", `the mount source ${JSON.stringify(path)} cannot be used: ${why}`, {
      hint: "look for a symlink that leads back to itself",
      cause: error,
    });
  }
}

/** BuildKit's words; the hint names what comes nearest in the directory where the path ends. */
function notFound(tree: FileTree, asked: string, resolved: string): NacreError {
  const slash = resolved.lastIndexOf("/");
  const parent = lookup(tree, slash < 0 ? "" : resolved.slice(0, slash));
  const names = parent ? tree.children(parent).map(({ name }) => fromByteString(name)) : [];
  const near = nearest(fromByteString(resolved.slice(slash + 1)), names);
  const shownPath = asked.startsWith("/") ? asked : `/${asked}`;
  return new NacreError("SOURCE_NOT_FOUND", `${JSON.stringify(shownPath)}: not found`, {
    hint: near === undefined ? `nothing is at ${shown(resolved)} in the mount's source` : `did you mean ${near}?`,
    facts: { source: asked },
  });
}

/** A single directory can stand for its tree unless a layer removes names: the marks of that would be seen as files. */
function isPlain(tree: LayerTree): boolean {
  return !tree.layers.some(({ index }) => hasWhiteouts(index));
}

function hasWhiteouts(index: LayerIndex): boolean {
  for (let entry = 0; entry < index.count; entry++) if (index.type(entry) === "whiteout") return true;
  return false;
}
