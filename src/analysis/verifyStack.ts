/** What layers say about those below them: hard links that lead nowhere, whiteouts of nothing. Pure. */
import { INDEX_TYPES, type LayerIndex } from "../layer/layerIndex.js";
import { fromByteString } from "../support/bytes.js";
import { isDangling, pairStacks, realEntry } from "./stackLookup.js";
import { type StackCursor, walkStack } from "./stackWalk.js";
import type { Findings, VerifyPlace } from "./verifyTypes.js";

const WHITEOUT = INDEX_TYPES.indexOf("whiteout");

/**
 * Looks at a stack.
 * @param indexes of the image's layers, lowest first, all that could be read up to the first that could not
 * @param placeOf where findings about a layer are
 */
export function verifyStack(
  indexes: readonly LayerIndex[],
  placeOf: (layer: number) => VerifyPlace,
  findings: Findings,
): void {
  const stack = pairStacks([], indexes, []).a;
  verifyLinks(stack, placeOf, findings);
  walkStack(
    stack,
    {
      enter: (cursor) => {
        for (let version = 0; version < cursor.count; version++) lookAtVersion(cursor, version, placeOf, findings);
      },
    },
    { hidden: true },
  );
}

/** Only what has a link target is looked at: a few entries of a layer. */
function verifyLinks(stack: readonly LayerIndex[], placeOf: (layer: number) => VerifyPlace, findings: Findings): void {
  for (const [layer, index] of stack.entries()) {
    for (const key of Object.keys(index.columns.extras.links)) {
      const entry = Number(key);
      if (!isDangling(index, entry) || realEntry(stack, layer, entry) !== undefined) continue;
      const target = fromByteString(index.link(entry) ?? "");
      const place = { ...placeOf(layer), path: fromByteString(index.path(entry)) };
      findings.add(
        "error",
        "hard-link",
        `its target ${JSON.stringify(target)} is neither in the layer nor below it`,
        place,
      );
    }
  }
}

function lookAtVersion(
  cursor: StackCursor,
  version: number,
  placeOf: (layer: number) => VerifyPlace,
  findings: Findings,
): void {
  const [index, entry, layer] = [cursor.index(version), cursor.entry(version), cursor.layer(version)];
  const isWhiteout = index.columns.types[entry] === WHITEOUT;
  if ((!isWhiteout && !index.isOpaque(entry)) || hides(cursor, version, layer)) return;
  // A new directory that is marked hides nothing: builders mark what replaces another one to be sure.
  if (!isWhiteout && cursor.depth > 0) return;
  const message = isWhiteout ? "it removes what is not there" : "it hides what is below, and nothing is";
  findings.add("note", "whiteout", message, { ...placeOf(layer), path: fromByteString(cursor.path()) });
}

/** True if a version of a lower layer is seen until this one comes. */
function hides(cursor: StackCursor, version: number, layer: number): boolean {
  for (let below = version - 1; below >= 0; below--) {
    const isSeen = cursor.index(below).columns.types[cursor.entry(below)] !== WHITEOUT;
    if (isSeen && cursor.hiddenBy(below) === layer) return true;
    if (isSeen && cursor.index(version).isOpaque(cursor.entry(version)) && cursor.hiddenBy(below) < 0) return true;
  }
  return false;
}
