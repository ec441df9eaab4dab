/** Waste by path and folder, and contents that are seen at several places. Pure. */
import type { LayerIndex } from "../layer/layerIndex.js";
import { fromByteString } from "../support/bytes.js";
import type { DuplicateContent } from "./contentGroups.js";
import { type LayerCopies, VISIBLE } from "./copyFacts.js";
import { sumByFolder } from "./folderSums.js";
import type { StackCursor } from "./stackWalk.js";
import { TopList } from "./topList.js";
import { type StackCopies, WASTE_CAUSES } from "./wasteCopies.js";
import type { WasteDuplicate, WasteFolder, WastePath } from "./wasteTypes.js";

/** Paths that stand for a content. */
const EXAMPLES = 3;

/** The biggest lists of {@link wasteByPath}. */
export interface WasteByPath {
  readonly paths: TopList<WastePath>;
  readonly folders: TopList<WasteFolder>;
}

/**
 * Sums waste up by path, and by the folders of a depth: every wasted byte is in exactly one of them.
 * @param depth components of the folders' paths
 */
export function wasteByPath(
  stack: readonly LayerIndex[],
  copies: readonly LayerCopies[],
  top: number,
  depth: number,
): WasteByPath {
  const paths = new TopList<WastePath>(top);
  const folders = new TopList<WasteFolder>(top);
  sumByFolder(stack, copies, (fate) => fate >= 0, depth, {
    path: (cursor, sum) => paths.offer(sum.bytes, () => describePath(cursor, copies, sum)),
    folder: (path, sum) => folders.offer(sum.bytes, () => ({ path: `/${fromByteString(path)}`, ...sum })),
  });
  return { paths, folders };
}

function describePath(
  cursor: StackCursor,
  copies: readonly LayerCopies[],
  sum: { readonly bytes: number; readonly copies: number },
): WastePath {
  const versions = Array.from({ length: cursor.count }, (_, version) => version).filter(
    (version) => copies[cursor.layer(version)]!.fates[cursor.entry(version)]! >= 0,
  );
  const causes = versions.map(
    (version) => WASTE_CAUSES[copies[cursor.layer(version)]!.causes[cursor.entry(version)]!]!,
  );
  return {
    path: `/${fromByteString(cursor.path())}`,
    ...sum,
    causes: [...new Set(causes)],
    storedBy: versions.map((version) => cursor.layer(version)),
    hiddenBy: versions.map((version) => copies[cursor.layer(version)]!.fates[cursor.entry(version)]!),
  };
}

/** What {@link wasteDuplicates} finds. */
export interface WasteDuplicates {
  readonly contents: number;
  readonly redundant: number;
  /** The biggest. */
  readonly top: readonly WasteDuplicate[];
  /** How many more there are. */
  readonly left: number;
}

/** Sums over contents that are seen at several places, and the biggest of them. */
export function wasteDuplicates(stack: readonly LayerIndex[], copies: StackCopies, top: number): WasteDuplicates {
  let [contents, redundant] = [0, 0];
  const biggest = new TopList<DuplicateContent>(top);
  copies.groups.duplicates((duplicate) => {
    contents++;
    redundant += redundantBytes(duplicate);
    biggest.offer(redundantBytes(duplicate), () => duplicate);
  });
  const paths = placesOf(stack, copies, new Set(biggest.items.map(({ group }) => group)));
  const described = biggest.items.map((duplicate) => ({
    ...{ bytes: duplicate.bytes, copies: duplicate.copies, redundant: redundantBytes(duplicate) },
    paths: paths.get(duplicate.group) ?? [],
  }));
  return { contents, redundant, top: described, left: biggest.left };
}

function redundantBytes({ bytes, copies }: DuplicateContent): number {
  return bytes * (copies - 1);
}

/** Some paths at which the contents are seen, those of the lowest layers first. */
function placesOf(
  stack: readonly LayerIndex[],
  { layers, groups }: StackCopies,
  wanted: ReadonlySet<number>,
): Map<number, string[]> {
  const places = new Map<number, string[]>();
  if (wanted.size === 0) return places;
  // Copies are numbered from the last one of the topmost layer down.
  for (let copy = groups.count - 1; copy >= 0; copy--) {
    const group = groups.groupOf(copy);
    if (!wanted.has(group)) continue;
    const paths = places.get(group) ?? [];
    const [layer, entry] = [groups.layerOf(copy), groups.entryOf(copy)];
    if (paths.length === EXAMPLES || layers[layer]!.fates[entry] !== VISIBLE) continue;
    places.set(group, [...paths, `/${fromByteString(stack[layer]!.path(entry))}`]);
  }
  return places;
}
