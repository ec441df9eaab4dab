/** Which line of which Dockerfile made a layer: known for layers of builds that the store still remembers. */
import type { DiffId } from "../oci/digest.js";
import { findBuild, listBuilds, type NamedBuild } from "../store/builds.js";
import type { Store } from "../store/store.js";
import { isNacreError } from "../support/errors.js";
import type { OpenedImage } from "./types.js";

/** A line of a Dockerfile. */
export interface DockerfileLine {
  /** The Dockerfile as the build named it. */
  readonly dockerfile: string;
  /** From 1. */
  readonly line: number;
}

/** Builds that are looked into where none says that it made this very image. */
const MOST_BUILDS = 20;

/**
 * The lines that made the layers of an image. The build that made the image is believed first, then others by the content of
 * their layers, the latest first.
 */
export function dockerfileLines(image: OpenedImage, store: Store | undefined): ReadonlyMap<DiffId, DockerfileLine> {
  const lines = new Map<DiffId, DockerfileLine>();
  if (store === undefined) return lines;
  const wanted = new Set(image.layers.map(({ diffId }) => diffId));
  const own = new Set<string>([image.root.digest, image.descriptor.digest, image.id]);
  const builds = listBuilds(store).filter(({ outcome }) => outcome === "done");
  const makers = builds.filter(({ digest }) => digest !== undefined && own.has(digest));
  const others = builds.filter((build) => !makers.includes(build)).slice(0, MOST_BUILDS);
  for (const { id } of [...makers.slice(0, 1), ...others]) {
    if (lines.size === wanted.size) break;
    const build = read(store, id);
    for (const { diffId, line } of build?.steps ?? []) {
      const layer = diffId as DiffId | undefined;
      if (layer === undefined || line === undefined || !wanted.has(layer) || lines.has(layer)) continue;
      lines.set(layer, { dockerfile: build!.dockerfile, line });
    }
  }
  return lines;
}

/** A build may be removed while it is looked for. */
function read(store: Store, id: string): NamedBuild | undefined {
  try {
    return findBuild(store, id);
  } catch (error) {
    if (isNacreError(error)) return undefined;
    throw error;
  }
}
