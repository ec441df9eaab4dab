/**
 * Which user and group ids a user namespace of this user can have: its own id as root, and the ranges that the
 * administrator has given it in /etc/subuid and /etc/subgid (subuid(5)) as all the others.
 */
import { sha256Hex } from "../support/hash.js";

/** A run of ids: `inside` is the first one in the namespace, `outside` the first one in the namespace around it. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** What user_namespaces(7) calls uid_map and gid_map. */
export interface IdMapping {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

/** Ids that the administrator has set apart for a user. */
export interface SubordinateRange {
  readonly start: number;
  readonly count: number;
}

/** Highest id that Linux knows; one more is "no id" (-1). */
const MAX_ID = 2 ** 32 - 2;
/** The kernel takes 340 lines; nobody has that many, and each is an argument. */
const MAX_RANGES = 32;

/**
 * The ranges of a user in /etc/subuid or /etc/subgid: lines `USER:START:COUNT`, USER a name or a number. Lines that
 * are anything else are skipped, as newuidmap(1) does.
 * @param names the user's name and number
 */
export function subordinateRanges(text: string, names: readonly string[]): SubordinateRange[] {
  const ranges: SubordinateRange[] = [];
  for (const line of text.split("\n")) {
    const [, name, start, count] = /^([^:]+):([0-9]{1,10}):([0-9]{1,10})$/.exec(line.trim()) ?? [];
    if (name === undefined || !names.includes(name)) continue;
    const range = { start: Number(start), count: Number(count) };
    if (range.count > 0 && range.start + range.count - 1 <= MAX_ID) ranges.push(range);
  }
  return ranges.slice(0, MAX_RANGES - 1);
}

/** The mapping with a user's own ids as root, and its ranges, one after the other, from id 1 on. */
export function fullMapping(
  own: { readonly uid: number; readonly gid: number },
  ranges: { readonly uids: readonly SubordinateRange[]; readonly gids: readonly SubordinateRange[] },
): IdMapping {
  return { uids: mapped(own.uid, ranges.uids), gids: mapped(own.gid, ranges.gids) };
}

function mapped(own: number, ranges: readonly SubordinateRange[]): IdRange[] {
  const result: IdRange[] = [{ inside: 0, outside: own, count: 1 }];
  let inside = 1;
  for (const { start, count } of ranges) {
    for (const part of without(start, count, own)) {
      result.push({ inside, outside: part.start, count: part.count });
      inside += part.count;
    }
  }
  return result;
}

/** A range without the user's own id, which the kernel takes only once. */
function without(start: number, count: number, own: number): SubordinateRange[] {
  if (own < start || own >= start + count) return [{ start, count }];
  const parts = [
    { start, count: own - start },
    { start: own + 1, count: start + count - own - 1 },
  ];
  return parts.filter((part) => part.count > 0);
}

/** Arguments of newuidmap(1) and newgidmap(1) after the process id. */
export function mapArguments(ranges: readonly IdRange[]): string[] {
  return ranges.flatMap(({ inside, outside, count }) => [String(inside), String(outside), String(count)]);
}

/** How many ids there are inside. */
export function idCount(ranges: readonly IdRange[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

/** Reads uid_map or gid_map of /proc (user_namespaces(7)); lines that are none are skipped. */
export function parseIdMap(text: string): IdRange[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*([0-9]+)\s+([0-9]+)\s+([0-9]+)\s*$/.exec(line);
    return match ? [{ inside: Number(match[1]), outside: Number(match[2]), count: Number(match[3]) }] : [];
  });
}

/** True if every id means itself: no user namespace, or one that changes nothing. */
export function isIdentity(map: readonly IdRange[]): boolean {
  const [only] = map;
  return map.length === 1 && only?.inside === 0 && only.outside === 0 && only.count > MAX_ID;
}

/**
 * Names the world in which files are owned, for {@link Hand.flavour}.
 * @param worlds the mappings of the namespace and of those around it, as far as they are known, the innermost first
 */
export function flavourOf(worlds: readonly IdMapping[]): string {
  const foreign = worlds.filter(({ uids, gids }) => !isIdentity(uids) || !isIdentity(gids));
  if (foreign.length === 0) return "root";
  const text = foreign.map(({ uids, gids }) => `${mapArguments(uids)}/${mapArguments(gids)}`).join("\n");
  return `u${sha256Hex(text).slice(0, 12)}`;
}
