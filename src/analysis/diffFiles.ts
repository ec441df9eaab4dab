/** The files of two stacks compared: the list of what differs, its sums, and what only moved. Pure. */
import { addedBytes, ChangeList, type ListedStacks } from "./changeList.js";
import { findMoves, sumChanges } from "./changeTotals.js";
import { compareTrees, type TreeDifference } from "./compareTrees.js";
import { TYPE } from "./diffReasons.js";
import type { FileComparison, FilesDiff } from "./diffTypes.js";
import { linkDifferences } from "./linkDifferences.js";
import { compilePathPatterns, type PathPattern } from "./pathPatterns.js";

/** How deep folders are told apart, if nothing else is asked for. */
const DEFAULT_DEPTH = 2;

/** What kind of comparison it is. */
export interface StackComparison {
  /** What layers list, not what is seen. */
  readonly own?: boolean;
  /** Below both lie layers that were not read. */
  readonly unread?: boolean;
  /** Also count what is listed again without being different. */
  readonly repeated?: boolean;
}

/**
 * Compares stacks.
 * @throws NacreError USAGE for a malformed pattern
 */
export function compareStacks(
  stacks: Omit<ListedStacks, "own">,
  { times, ignore = [], only = [], depth = DEFAULT_DEPTH }: FileComparison,
  { own = false, unread = false, repeated = false }: StackComparison,
): FilesDiff {
  const { a, b } = stacks;
  const isLeftOut = leftOut(ignore, only);
  const changes = new ChangeList({ ...stacks, own });
  let ignored = 0;
  const onDifference = (difference: TreeDifference): void => {
    if (isLeftOut?.(difference.path())) ignored++;
    else changes.add(difference);
  };
  const again = { files: 0, bytes: 0 };
  const onSame = ({ bLayer, bEntry }: TreeDifference): void => {
    if (b[bLayer]?.columns.types[bEntry] !== TYPE.file) return;
    again.files++;
    again.bytes += addedBytes(b[bLayer], bEntry);
  };
  const links = own ? undefined : linkDifferences(a, b);
  compareTrees(a, b, onDifference, { times, own, unread, links, ...(repeated ? { onSame } : {}) });
  changes.setMoves(findMoves(changes));
  const { totals, folders } = sumChanges(changes, depth);
  return { totals, folders, changes, moves: changes.moves, ignored, ...(repeated ? { repeated: again } : {}) };
}

function leftOut(ignore: readonly string[], only: readonly string[]): PathPattern | undefined {
  if (ignore.length === 0 && only.length === 0) return undefined;
  const [isIgnored, isWanted] = [compilePathPatterns(ignore), compilePathPatterns(only)];
  return (path) => isIgnored(path) || (only.length > 0 && !isWanted(path));
}
