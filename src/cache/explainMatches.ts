/** What differs of the files that a source word means. */

import type { FileType } from "../layer/fileTree.js";
import { type ByteString, fromByteString } from "../support/bytes.js";
import type { Json } from "../support/json.js";
import { type Comparing, type Fields, fieldsOf, isSame, itemsOf, type RootIn } from "./explainFacts.js";
import type { FileDifference } from "./explainFiles.js";
import { type LinkedName, relinkedPaths } from "./explainLinks.js";
import { hexOfText, type StepLists } from "./stepLists.js";
import type { SourceRef } from "./why.js";

/** A source word of one of the two steps. */
export interface Word {
  readonly index: number;
  readonly fields: Fields;
  /** As it was looked up, if that is known. */
  readonly text: string | undefined;
  readonly remote: boolean;
}

interface Match {
  readonly root: RootIn;
  readonly path: ByteString | undefined;
  readonly name: string | undefined;
}

/** A word that means one file or directory, whatever that is called. */
export function explainSingle(comparing: Comparing, source: SourceRef, before: Word, after: Word): void {
  const old = matchesOf(comparing, comparing.before.lists, before)[0]!;
  const fresh = matchesOf(comparing, comparing.after.lists, after)[0]!;
  if (old.name !== undefined && fresh.name !== undefined && old.name !== fresh.name) {
    comparing.add({ what: "name", source, before: fromByteString(old.name), after: fromByteString(fresh.name) });
  }
  if (old.root.digest !== fresh.root.digest) comparing.filesChange(source, old.root, fresh.root);
}

/** A word with wildcards: names that came and went, and what differs below those that stayed. */
export function explainMatches(comparing: Comparing, source: SourceRef, before: Word, after: Word): void {
  const old = matchesOf(comparing, comparing.before.lists, before);
  const fresh = matchesOf(comparing, comparing.after.lists, after);
  const { pairs, added, removed } = pairMatches(old, fresh);
  const renamed = pairs.filter(([a, b]) => a.name !== undefined && b.name !== undefined && a.name !== b.name);
  const names = {
    added: [...added, ...renamed.map(([, b]) => b)].map(shownName),
    removed: [...removed, ...renamed.map(([a]) => a)].map(shownName),
  };
  if (names.added.length > 0 || names.removed.length > 0) comparing.add({ what: "matches", source, ...names });
  const found = [
    ...pairs.filter(([a, b]) => a.root.digest !== b.root.digest).map(([a, b]) => comparing.files(a.root, b.root)),
    ...removed.map(({ root }) => comparing.files(root, undefined)),
    ...added.map(({ root }) => comparing.files(undefined, root)),
  ];
  const known = found.filter((difference) => difference !== undefined);
  if (known.length === found.length) comparing.addFiles(source, withOthers(known, pairs, comparing));
  else if (!comparing.ignoreModes) comparing.add({ what: "files", source, known: false });
  explainShared(comparing, source, { before, after, old, fresh, known });
}

/** The files of matches in which nothing differs count among all. */
function withOthers(
  known: readonly FileDifference[],
  pairs: readonly (readonly [Match, Match])[],
  comparing: Comparing,
): readonly FileDifference[] {
  let files = 0;
  for (const [{ root: old }, { root }] of pairs) {
    if (old.digest === root.digest) files += comparing.after.lists?.files(hexOfText(root.digest)) ?? 0;
  }
  return [...known, { totals: { files, differing: 0, directories: 0 }, files: [], apart: new Set() }];
}

function matchesOf(comparing: Comparing, lists: StepLists | undefined, { index, fields }: Word): readonly Match[] {
  return itemsOf(fields.matches).map((item, match): Match => {
    const { name, digest } = fieldsOf(item);
    const at = { kind: "word", word: index, match } as const;
    return {
      root: { at, digest: String(digest) },
      path: comparing.pathOf(lists, at),
      name: typeof name === "string" ? name : undefined,
    };
  });
}

interface PairedMatches {
  readonly pairs: readonly (readonly [Match, Match])[];
  readonly added: readonly Match[];
  readonly removed: readonly Match[];
}

/** By path, where those are known; else by name, and directories, which then have none, by their content. */
function pairMatches(old: readonly Match[], fresh: readonly Match[]): PairedMatches {
  const known = [...old, ...fresh].every(({ path }) => path !== undefined);
  const keyOf = ({ path, name, root }: Match): string => (known ? path! : (name ?? `/${root.digest}`));
  const waiting = new Map<string, Match[]>();
  for (const match of old) {
    const list = waiting.get(keyOf(match)) ?? [];
    list.push(match);
    waiting.set(keyOf(match), list);
  }
  const pairs: (readonly [Match, Match])[] = [];
  const added: Match[] = [];
  for (const match of fresh) {
    const list = waiting.get(keyOf(match)) ?? [];
    const same = list.findIndex(({ name }) => name === match.name);
    const [partner] = list.splice(Math.max(same, 0), 1);
    if (partner) pairs.push([partner, match]);
    else added.push(match);
  }
  return { pairs, added, removed: [...waiting.values()].flat() };
}

function shownName({ path, name }: Match): string {
  if (path === undefined) return name === undefined ? "a directory" : fromByteString(name);
  const last = path.slice(path.lastIndexOf("/") + 1);
  return fromByteString(name !== undefined && name !== last ? name : path);
}

interface SharedParts {
  readonly before: Word;
  readonly after: Word;
  readonly old: readonly Match[];
  readonly fresh: readonly Match[];
  readonly known: readonly FileDifference[];
}

/** Hard links between matches; what follows from files that came or went is told by those. */
function explainShared(
  comparing: Comparing,
  source: SourceRef,
  { before, after, old, fresh, known }: SharedParts,
): void {
  if (isSame(before.fields.shared, after.fields.shared)) return;
  const apart = new Set(known.flatMap((difference) => [...difference.apart]));
  const groups = [namesIn(before.fields.shared, old), namesIn(after.fields.shared, fresh)] as const;
  const relinked =
    groups[0] && groups[1] ? relinkedPaths(groups[0], groups[1], apart).length > 0 : old.length === fresh.length;
  if (relinked) comparing.add({ what: "links", source });
}

/** Groups of names as paths from the root of the context; undefined if the paths of the matches are not known. */
function namesIn(shared: Json | undefined, matches: readonly Match[]): Map<number, readonly LinkedName[]> | undefined {
  const groups = new Map<number, readonly LinkedName[]>();
  for (const [number, group] of itemsOf(shared).entries()) {
    const names: LinkedName[] = [];
    for (const item of itemsOf(group)) {
      const [, owner = "", below = ""] = /^(\d+):(.*)$/s.exec(String(item)) ?? [];
      const path = matches[Number(owner)]?.path;
      if (path === undefined) return undefined;
      names.push({
        path: below.startsWith("/") && path === "" ? below.slice(1) : path + below,
        type: "file" as FileType,
      });
    }
    groups.set(number, names);
  }
  return groups;
}
